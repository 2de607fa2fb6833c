"""Commands of drives, and what drives at their limits do.

A drive's force is f = kp (p* - q) + kd (v* - v), limited to +-L, with the position and velocity at the end of a substep h.
With f0, the same at its beginning, f = f0 - D a, where a is the joint's acceleration and D = h (kd + h kp). Models hold D as
inertia (see ``scene.with_properties``), so a drive that is commanded c does c - D a. Short of the limit c is f0. At the limit
c has to be L + D a, and a, with contacts and other joints in the way, is what the physics says: it is asked for a once to see
which drives are at their limits, and then for the root of c - D a = L by the secant rule, each joint for itself. That is
exact for one joint; joints that pull on each other get from two thirds to twice what they should.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .assets import Asset
from .datatypes import DOF_PROPERTIES, FLT_MAX, DofDriveMode
from .engines.engine import Engine
from .layout import Layout
from .scene import Env, drive_gains

#: Drives whose D is less than this part of the joint's own inertia are commanded f0 within +-L: no slower than that.
SLOW = 0.1
#: How often the physics is asked for the root.
ANSWERS = 2


class Drives:
    """The drives of all DOFs, (D,) each.

    Attributes:
        kp, kd: gains, zero where the mode does not use them.
        takes_effort: 1 where efforts act.
        limit: N or N m, ``FLT_MAX`` for none.
        absorbed: D a of the last substep where drives have limits: what the damping took of the force commanded.
    """

    def __init__(self, count: int, like: Tensor) -> None:
        self.kp, self.kd, self.takes_effort, self.limit = like.new_zeros(4, count)
        self._inertia, self.absorbed = like.new_zeros(2, count)
        self.limited = False  #: whether any drive has a limit

    def read(self, envs: list[Env], first: list[int]) -> None:
        """Take the drives of some environments, whose DOFs begin at ``first``, from their properties."""
        rows = np.concatenate([np.arange(k, k + env.num_dofs) for k, env in zip(first, envs, strict=True)])
        actors = [actor for env in envs for actor in env.actors]
        props = np.concatenate([np.zeros(0, DOF_PROPERTIES), *(a.dof_props for a in actors)])
        inertia = np.concatenate([np.zeros(0), *(_inertia(a.asset) for a in actors)]) + props["armature"]
        kp, kd = drive_gains(props)
        mode, effort = props["driveMode"], props["effort"].astype(float)
        takes_effort = (mode == DofDriveMode.DOF_MODE_NONE) | (mode == DofDriveMode.DOF_MODE_EFFORT)
        limit = np.where(effort > 0.0, effort, FLT_MAX)
        for column, values in (
            (self.kp, kp),
            (self.kd, kd),
            (self.takes_effort, takes_effort),
            (self.limit, limit),
            (self._inertia, inertia),
        ):
            column[torch.from_numpy(rows).to(column.device)] = torch.from_numpy(values).to(column)
        self.limited = self.limited or bool(((kp + kd > 0.0) & (limit < FLT_MAX)).any())

    def command(
        self, engine: Engine, layout: Layout, targets: tuple[Tensor, Tensor, Tensor], h: float, substeps: int
    ) -> None:
        """Give the drives their commands for some substeps of h seconds; ``targets``: positions, velocities and efforts.

        The mean force over them (the joint moving on at its present velocity) is limited. The limit is part of the command,
        ctrl = force + kp q + kd v, not of MuJoCo's actuator: where MuJoCo limits a force it no longer integrates the damping
        implicitly, and a stiff drive that saturates chatters.
        """
        engine.forward()
        q, v = engine.qpos[layout.dof_qpos[:-1]], engine.qvel[layout.dof_qvel[:-1]]
        spring = self.kp * q + (self.kd + self.kp * h) * v  # what the actuators take off
        force = self.kp * targets[0] + self.kd * targets[1] + self.takes_effort * targets[2] - spring
        # What the mean falls short of the force at the start
        drift = self.kp * v * (h * (substeps - 1) / 2)
        mean = (force - drift).clamp(-self.limit, self.limit)
        # What is not finite stays so, also where the limit is: the engine flags such environments.
        engine.ctrl[layout.dof_ctrl[:-1]] = mean + drift + spring + 0.0 * force
        if substeps == 1 and self.limited and engine.tells_accelerations:
            self._saturate(engine, layout, force, spring, h)

    def _saturate(self, engine: Engine, layout: Layout, force: Tensor, spring: Tensor, h: float) -> None:
        """Command stiff drives that would be beyond their limits, one substep, so that they do what their limits are."""
        absorbs = h * (self.kd + h * self.kp)
        beyond = (force.abs() > self.limit) & (absorbs > SLOW * self._inertia) & force.isfinite()
        if not bool(beyond.any()):
            return
        ranks, row = layout.dof_env, layout.dof_qvel[:-1]

        def acceleration(commands: Tensor, where: Tensor) -> Tensor:
            engine.ctrl[layout.dof_ctrl[:-1][where]] = (commands + spring)[where]
            return engine.accelerations(ranks[where].unique())[row]

        free = acceleration(force, beyond)
        there = force - absorbs * free
        at_limit = beyond & (there.abs() > self.limit)
        if not bool(at_limit.any()):
            return
        limit = torch.copysign(self.limit, there)
        # What a joint alone would need: contacts and other joints only take from that, and an impact must not be answered.
        most = self.limit * (1.0 + absorbs / self._inertia)
        last, command = force, limit
        for _ in range(ANSWERS):
            held = acceleration(command, at_limit)
            between = last - command
            slope = torch.where(between == 0.0, 0.0, (free - held) / between).clamp(min=torch.zeros_like(between))
            slope = torch.minimum(slope, 1.0 / (absorbs + self._inertia))
            last, free = command, held
            command = command - (command - absorbs * held - limit) / (1.0 - absorbs * slope)
            size = torch.minimum((command * limit.sign()).clamp(min=0.0), most)
            command = torch.copysign(size, limit)
        engine.ctrl[layout.dof_ctrl[:-1][at_limit]] = (command + spring)[at_limit]

    def note_absorbed(self, change: Tensor, h: float) -> None:
        """After a substep in which the DOFs' velocities have changed."""
        self.absorbed = (self.kd + h * self.kp) * change


def _inertia(asset: Asset) -> np.ndarray:
    """(DOFs,) inertia of the asset about each, alone and as its file poses it, without armature."""
    m = asset.model
    dofs = [int(m.jnt_dofadr[m.joint(name).id]) for name in asset.dof_names]
    return m.dof_M0[dofs] - m.dof_armature[dofs]
