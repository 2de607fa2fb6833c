"""What observations and rewards need of the physics, gathered for all environments at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.columns import Columns
from isaacgymenvs_tasks.metaworld.rewards import rotate
from isaacgymenvs_tasks.sawyer.task import Point, SawyerTask, State

#: Places that every task reads, by their column.
HAND, RIGHT_CLAW, LEFT_CLAW, RIGHT_TIP, LEFT_TIP, LEFT_PAD, RIGHT_PAD, OBJ, OBJ2, EXTRA = range(10)
COMMON = (
    "body:hand",
    "body:rightclaw",
    "body:leftclaw",
    "site:rightEndEffector",
    "site:leftEndEffector",
    "body:leftpad",
    "body:rightpad",
)
MOST_EXTRAS = 2
OPEN = 0.1  #: m between the claws of an open gripper


def place_in_body(model: mujoco.MjModel, place: str) -> tuple[int, np.ndarray, np.ndarray]:
    """Body, position and quaternion (wxyz) in its frame of ``body:NAME``, ``site:NAME``, ``geom:NAME`` or ``joint:NAME``."""
    kind, name = place.split(":")
    if kind in ("body", "joint"):
        body = model.body(name).id if kind == "body" else int(model.joint(name).bodyid[0])
        return body, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0])
    part = getattr(model, kind)(name)
    return int(part.bodyid[0]), part.pos.copy(), part.quat.copy()


@dataclass(frozen=True)
class Reading:
    """The state of ``N`` environments.

    Attributes:
        frame: (N, 18) observed: hand 3, openness 1, first object's position 3 and orientation 4, the same of the second.
        tcp, finger, left_pad, right_pad: (N, 3), see :class:`.task.State`.
        extras: (N, 2, 3) ``SawyerTask.points``; the rest is meaningless.
        joint: (N,) position of ``SawyerTask.joint``.
    """

    frame: Tensor
    tcp: Tensor
    finger: Tensor
    left_pad: Tensor
    right_pad: Tensor
    extras: Tensor
    joint: Tensor


class Reader:
    """Reads K tasks, sorted, ``counts[k]`` environments of each, whose bodies and coordinates follow one another.

    Args:
        dtype: of what is read.
    """

    def __init__(
        self,
        specs: Sequence[SawyerTask],
        models: Sequence[mujoco.MjModel],
        counts: Sequence[int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        columns = EXTRA + MOST_EXTRAS
        rows, turns, joints = [], [], []
        local = torch.zeros(len(specs), columns, 3, dtype=torch.float64)
        offset = torch.zeros(len(specs), 2, 3, dtype=torch.float64)
        shown = torch.ones(len(specs), columns, 1, dtype=torch.float64)
        turn = torch.zeros(len(specs), 2, 4, dtype=torch.float64)  # in the body's frame, wxyz
        fixed = torch.zeros(len(specs), 2, 4, dtype=torch.float64)  # what is observed where no orientation is
        xyzw = torch.zeros(len(specs), 2, 1, dtype=torch.bool)
        first_body = first_qpos = 0
        last_qpos = sum(m.nq * n for m, n in zip(models, counts, strict=True))
        for k, (spec, model, count) in enumerate(zip(specs, models, counts, strict=True)):
            second = spec.observed[1] if len(spec.observed) > 1 else None
            places = [*COMMON, spec.observed[0].place, second.place if second else "", *spec.points]
            bodies, turned = [0] * columns, [0, 0]
            for j, place in enumerate(places):
                if place:
                    bodies[j], position, _ = place_in_body(model, place)
                    local[k, j] = torch.from_numpy(position)
            shown[k, OBJ2] = float(second is not None)
            for j, point in enumerate(spec.observed):
                offset[k, j] = torch.tensor(point.offset)
                local[k, OBJ + j] += torch.tensor(point.lever)
                turned[j], turn[k, j], fixed[k, j] = _orientation(model, point)
                xyzw[k, j] = point.xyzw
            env = torch.arange(count)[:, None]
            rows.append(first_body + env * model.nbody + torch.tensor(bodies))
            turns.append(first_body + env * model.nbody + torch.tensor(turned))
            if spec.joint:
                joints.append(first_qpos + env[:, 0] * model.nq + int(model.joint(spec.joint).qposadr[0]))
            else:
                joints.append(torch.full((count,), last_qpos))
            first_body += count * model.nbody
            first_qpos += count * model.nq
        task = torch.arange(len(specs)).repeat_interleave(torch.tensor(counts))

        def column(values: Tensor) -> Tensor:
            return values[task].to(device=device, dtype=values.dtype if values.dtype == torch.bool else dtype)

        self.columns, self.dtype = columns, dtype
        self._rows, self._turns, self._joints = (torch.cat(part).to(device) for part in (rows, turns, joints))
        self._flat_rows, self._flat_turns = self._rows.reshape(-1), self._turns.reshape(-1)
        self._local, self._offset, self._shown = column(local), column(offset), column(shown)
        self._turn, self._fixed, self._xyzw = column(turn), column(fixed), column(xyzw)

    def __call__(self, xpos: Tensor, xquat: Tensor, qpos: Tensor) -> Reading:
        """Read positions (bodies, 3) and orientations (bodies, 4) wxyz of all bodies, worlds included, and coordinates
        (n + 1,), of which the last is of no environment."""
        n = len(self._rows)
        position = xpos.index_select(0, self._flat_rows).view(n, self.columns, 3).to(self.dtype)
        quat = xquat.index_select(0, self._flat_rows).view(n, self.columns, 4).to(self.dtype)
        points = (position + rotate(quat.roll(-1, -1), self._local)) * self._shown
        objects = points[:, OBJ:EXTRA] + self._offset
        apart = torch.linalg.vector_norm(points[:, RIGHT_CLAW] - points[:, LEFT_CLAW], dim=1)
        openness = (apart / OPEN).clamp(0.0, 1.0)
        observed = torch.cat((objects, self._orientations(xquat, n)), 2).reshape(n, 14)
        return Reading(
            torch.cat((points[:, HAND], openness[:, None], observed), 1),
            (points[:, RIGHT_TIP] + points[:, LEFT_TIP]) / 2,
            points[:, LEFT_TIP],
            points[:, LEFT_PAD],
            points[:, RIGHT_PAD],
            points[:, EXTRA:],
            qpos[self._joints].to(self.dtype),
        )

    def _orientations(self, xquat: Tensor, n: int) -> Tensor:
        """(n, 2, 4), each in the order of its task."""
        quat = _product(xquat.index_select(0, self._flat_turns).view(n, 2, 4).to(self.dtype), self._turn)
        largest = quat.gather(2, quat.abs().argmax(2, keepdim=True))
        swapped = quat.roll(-1, -1) * torch.where(largest < 0, -1.0, 1.0)
        return torch.where(self._xyzw, swapped, quat) + self._fixed


def seen_by_rewards(
    reading: Reading, frame: Tensor, actions: Tensor, touch: Tensor, memory: Tensor
) -> dict[str, Tensor]:
    """The batch as rewards see it, by the names of ``State``.

    Args:
        frame: (N, 18) what is observed of ``reading.frame``, which is clipped to the hand's box.
        actions: (N, 4); touch: (N,) bool; memory: (N,), see :class:`.task.State`.
    """
    return {
        "action": actions,
        "hand": frame[:, :3],
        "openness": frame[:, 3],
        "obj": frame[:, 4:7],
        "quat": frame[:, 7:11],
        "obj2": frame[:, 11:14],
        "tcp": reading.tcp,
        "finger": reading.finger,
        "left_pad": reading.left_pad,
        "right_pad": reading.right_pad,
        "joint": reading.joint,
        "touch": touch,
        "memory": memory,
        "extras": reading.extras,
    }


def states(
    specs: Sequence[SawyerTask], counts: Sequence[int], starts: Sequence[Mapping[str, Tensor]], columns: Columns
) -> list[State]:
    """Views of ``columns`` (:func:`seen_by_rewards`), one ``State`` a task. ``starts``: of each task, ``goal``, ``obj``,
    ``tcp`` and what else its reset returned."""
    return [
        State(
            goal=start["goal"],
            tcp_init=start["tcp"],
            obj_init=start["obj"],
            points=dict(zip(spec.points, part.pop("extras").unbind(1), strict=False)),
            start=start,
            **part,
        )
        for spec, start, part in zip(specs, starts, columns.parts(counts), strict=True)
    ]


def _orientation(model: mujoco.MjModel, point: Point) -> tuple[int, Tensor, Tensor]:
    """Body whose orientation is observed, the turn to it (zeros: none is) and what is added."""
    none = torch.zeros(4, dtype=torch.float64)
    if point.turn in ("", "one"):
        return 0, none, none if not point.turn else torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    body, _, quat = place_in_body(model, point.turn)
    return body, torch.from_numpy(quat), none


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Product of quaternions (..., 4) wxyz."""
    u, v = a[..., 1:], b[..., 1:]
    w = a[..., :1] * b[..., :1] - (u * v).sum(-1, keepdim=True)
    return torch.cat((w, a[..., :1] * v + b[..., :1] * u + torch.linalg.cross(u, v)), -1)
