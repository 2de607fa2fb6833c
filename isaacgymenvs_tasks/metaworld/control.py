"""End-effector control of the Franka, batched: a displacement of the tcp and a gripper effort, as in MTBench.

The action's first three entries move a target for the tcp by ``scale`` metres each. Joint targets come from damped least
squares, ``dq = J^T (J J^T + lambda^2 I)^-1 e``, on the full pose error ``e``: from the tcp to its target, and from the hand's
orientation to pointing down with the fingers along the task's axis. Jacobian and error belong to the same point, the tcp.

Two things keep the targets from running away under contact: the tcp target stays within ``SLACK`` of where the drives' lag
leaves it at the present velocity, and joint targets are counted from the joint positions of this moment, never from earlier
targets. In free space displacements add up, unlike targets that are counted from the tcp of this moment, which would crawl at
a third of the speed; a hand that something holds answers within two steps when it is to go back.
"""

from __future__ import annotations

import torch
from torch import Tensor

STIFFNESS, DAMPING = 1600.0, 80.0  #: position drives of the seven joints (MTBench), N m/rad and N m s/rad
LAMBDA = 0.05  #: damping of the least squares (MTBench)
#: N m. The published limits are 87 and 12. MuJoCo clips a drive's force before its implicit damping takes a share,
#: (D h + K h^2) / I of what remains, which is 6.5 for the wrist: clipped at 12 it accelerates like a joint of 1.8 N m and the
#: hand swings off its line by centimetres; from 25 on it follows. Isaac Gym clips what remains.
EFFORT = (87.0, 87.0, 87.0, 87.0, 30.0, 30.0, 30.0)
LAG = DAMPING / STIFFNESS  #: s between a drive and its target
SLACK = 0.02  #: m; pressing with all of it is some 100 N
#: Published joint velocities (rad/s): a drive that is led by v * DAMPING / STIFFNESS settles at v.
JOINT_SPEED = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)
POSTURE_GAIN = 0.1  #: fraction of the distance to the start posture that the null space recovers in a step

#: N; effort on each finger for an action of one: proportional, as in Meta-World, so that a weak action is a weak grip
#: (MTBench clips 100 a at 50 N). benchmarks/gripper.py compares such laws.
GRIPPER_FORCE = 70.0
#: N/m; the real gripper drives both fingers by one motor: a spring on the difference of their positions stands for the gears.
FINGER_COUPLING = 4000.0


def orientation_map(target: Tensor) -> Tensor:
    """Target quaternions (n, 4) xyzw -> (n, 4, 4) maps M with ``M q`` = (vector part, scalar part) of ``target * conj(q)``.

    Twice the vector part is the rotation vector from ``q`` to the target in the world frame, to second order.
    """
    x, y, z, w = target.unbind(-1)
    rows = ((-w, z, -y, x), (-z, -w, x, y), (y, -x, -w, z), (x, y, z, w))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def z_axis(quat: Tensor) -> Tensor:
    """Third column of the rotation of unit quaternions (..., 4) xyzw."""
    x, y, z, w = quat.unbind(-1)
    return torch.stack((2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)), -1)


class EndEffectorControl:
    """State and law of the control for ``n`` environments.

    Args:
        hand_quat: (n, 4) orientation to hold.
        posture: (n, 7) joint positions the null space returns to.
        low, high: (n, 3) box for the tcp's target, env frame.
        scale: metres of target displacement for an action of one.
    """

    def __init__(self, hand_quat: Tensor, posture: Tensor, low: Tensor, high: Tensor, scale: float) -> None:
        self.map = orientation_map(hand_quat)
        self.posture, self.low, self.high, self.scale = posture, low, high, scale
        self.target = torch.zeros_like(low)
        self.lead = posture.new_tensor(JOINT_SPEED) * LAG
        self.ridge = LAMBDA**2 * torch.eye(6, device=posture.device)
        self.coupling = posture.new_tensor([[1.0, -1.0], [-1.0, 1.0]]) * FINGER_COUPLING

    def reset(self, mask: Tensor, tcp: Tensor) -> None:
        """Environments in ``mask`` (n,) hold where they are."""
        self.target = torch.where(mask[:, None], tcp, self.target)

    @torch.inference_mode()
    def arm(
        self, action: Tensor, q: Tensor, qd: Tensor, origin: Tensor, axis: Tensor, hand_quat: Tensor, tcp: Tensor
    ) -> Tensor:
        """Joint position targets (n, 7).

        Args:
            action: (n, 3) in [-1, 1].
            q, qd: (n, 7) joint positions and velocities.
            origin, axis: (n, 7, 3) positions and z axes of links 1 to 7: joint i turns about z of link i.
            hand_quat: (n, 4); tcp: (n, 3).
        """
        linear = torch.linalg.cross(axis, tcp[:, None] - origin)
        due = tcp + LAG * torch.einsum("nji,nj->ni", linear, qd)
        ahead = self.target + self.scale * action - due
        ahead = ahead * (SLACK / ahead.norm(dim=-1, keepdim=True).clamp(min=SLACK))
        self.target = torch.clamp(due + ahead, self.low, self.high)
        turn = torch.einsum("nij,nj->ni", self.map, hand_quat)
        error = torch.cat((self.target - tcp, 2.0 * turn[:, :3] * turn[:, 3:].sign()), -1)
        transposed = torch.cat((linear, axis), -1)
        rest = POSTURE_GAIN * (self.posture - q)
        error = error - torch.einsum("nji,nj->ni", transposed, rest)
        gram = torch.baddbmm(self.ridge, transposed.mT, transposed)
        solved = torch.linalg.solve_ex(gram, error)[0]
        dq = rest + torch.einsum("nji,ni->nj", transposed, solved)
        return q + dq / (dq.abs() / self.lead).amax(1, keepdim=True).clamp(min=1.0)

    def gripper(self, action: Tensor, fingers: Tensor) -> Tensor:
        """Efforts (n, 2) on the fingers (positive opens) from actions (n,) (positive closes) and positions (n, 2)."""
        return -GRIPPER_FORCE * action[:, None] - fingers @ self.coupling
