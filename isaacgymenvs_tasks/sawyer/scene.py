"""Copies of a task's model while their episodes are begun, each at a goal of its own."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from isaacgymenvs_tasks.sawyer.wheel import MOCAP_QUAT, SUBSTEPS

SETTLING = 50  #: control steps in which the hand comes to its start
CURRENT = mujoco.mjtStage.mjSTAGE_ACC.value
NONE = mujoco.mjtStage.mjSTAGE_NONE.value


class Scene:
    """``n`` copies of a model.

    As in the package, what :meth:`at` reads after a step belongs to the state before its last substep, until something is
    put somewhere or :meth:`forward` is called. Official starts, goals and first observations depend on that.

    Attributes:
        tcp: (n, 3) the tcp when the hand had come to its start.
        moved: name of the body whose place differs between the copies, or None.
    """

    def __init__(self, model: mujoco.MjModel, n: int, hand: tuple[float, float, float], threads: int = 0) -> None:
        self.model, self.hand, self.n = model, np.array(hand), n
        self.batch = Batch(model, nsim=n, nthread=threads, persistent=True)
        self.qpos, self.qvel = self.batch.bind("qpos"), self.batch.bind("qvel")
        self.mocap_pos, self._mocap_quat = self.batch.bind("mocap_pos"), self.batch.bind("mocap_quat")
        self._ctrl = self.batch.bind("ctrl")
        self.body_pos = self.batch.expand("body_pos")
        kinds = ("body", "xpos"), ("site", "site_xpos"), ("geom", "geom_xpos")
        self._positions = {kind: self.batch.bind(field) for kind, field in kinds}
        self.batch.bind("xquat")
        self.moved: str | None = None
        self.batch.reset(stage=NONE)

    def move(self, body: str, position: np.ndarray) -> None:
        """Fix a static body at these positions (n, 3); before the hand comes, which may touch it."""
        self.body_pos[:, self.model.body(body).id] = position
        self.moved = body

    def bring_hand(self) -> None:
        """Let the hand come to its start, open; it is not quite at rest then."""
        self.mocap_pos[:, 0] = self.hand
        self._mocap_quat[:, 0] = MOCAP_QUAT
        self._ctrl[:] = -1.0, 1.0
        self.batch.step(nstep=SETTLING * SUBSTEPS)
        self.tcp = (self.at("site:rightEndEffector") + self.at("site:leftEndEffector")) / 2

    def steps(self, count: int) -> None:
        """Physics steps."""
        self.batch.step(nstep=count)

    def forward(self) -> None:
        """Bring what :meth:`at` reads up to date."""
        self.batch.forward(stage=CURRENT)

    def put(self, values: np.ndarray | float, first: int = 9, still: tuple[int, int] | None = None) -> None:
        """Set positions of joints.

        Args:
            values: (n, m), or a number for one joint.
            first: entry of ``qpos`` at which they begin.
            still: DOFs whose velocities become 0; None: as many from ``first`` on as positions are set.
        """
        width = 1 if np.ndim(values) == 0 else np.shape(values)[-1]
        self.qpos[:, first : first + width] = values
        begin, end = (first, first + width) if still is None else still
        self.qvel[:, begin:end] = 0.0
        self.forward()

    def at(self, place: str) -> np.ndarray:
        """(n, 3) positions of ``body:NAME``, ``site:NAME`` or ``geom:NAME``."""
        kind, name = place.split(":")
        return self._positions[kind][:, getattr(self.model, kind)(name).id].copy()
