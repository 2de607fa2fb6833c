"""What control, observations and rewards need of the bodies, for all environments at once."""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld import kinematics
from isaacgymenvs_tasks.metaworld.control import z_axis
from isaacgymenvs_tasks.metaworld.rewards import rotate

FINGER_STROKE = 0.04
FAR = 3.0  #: m; observed positions are clamped to +-FAR, which only what was thrown off the table ever leaves
LINKS = tuple(f"panda_link{i}" for i in range(1, 8))
FINGERS = "panda_leftfinger", "panda_rightfinger"
#: Columns of the gathered bodies after the seven links; the last three carry the observed points and the goal's.
HAND, LEFT, RIGHT, FIRST, SECOND, ANCHOR = range(7, 13)


class Reading:
    """The state of ``n`` environments as it was read last; heights are measured from the table top.

    Attributes:
        hand_quat: (n, 4) of the hand.
        origins, axes: (n, 7, 3) positions and z axes of links 1 to 7, about which the joints turn.
        hand_tcp: (n, 3) the tcp as the hand's pose has it, without the fingers.
        pads: (n, 2, 3) centres of the fingertip pads, left and right; ``tcp``: (n, 3) their middle.
        points, quats: (n, 3, 3) and (n, 3, 4), two observed points and what the goal hangs on; zeros where there is none.
        openness: (n,) 0 shut .. 1 open.
        frame: (n, 18) what is observed of all this.

    Args:
        offset: (n, 3, 3) of the points in their bodies' frames.
        there: (n, 3, 1), 1 where there is such a point, else 0.
        lift: (3,) the middle of the table top.
    """

    FIELDS = "hand_quat", "origins", "axes", "hand_tcp", "pads", "tcp", "points", "quats", "openness", "frame"
    hand_quat: Tensor
    origins: Tensor
    axes: Tensor
    hand_tcp: Tensor
    pads: Tensor
    tcp: Tensor
    points: Tensor
    quats: Tensor
    openness: Tensor
    frame: Tensor

    def __init__(self, offset: Tensor, there: Tensor, lift: Tensor) -> None:
        self.offset, self.there, self.lift = offset, there, lift

    @torch.inference_mode()
    def read(self, bodies: Tensor, fingers: Tensor) -> None:
        """Read poses (n, ANCHOR + 1, 7) of the gathered bodies and positions (n, 2) of the fingers."""
        for name, values in zip(self.FIELDS, self._read(bodies, fingers, self.offset, self.there), strict=True):
            setattr(self, name, values)

    @torch.inference_mode()
    def read_again(self, rows: Tensor, bodies: Tensor, fingers: Tensor) -> None:
        """Read environments ``rows`` (m,) alone: their poses (m, ANCHOR + 1, 7) and fingers (m, 2)."""
        again = self._read(bodies, fingers, self.offset[rows], self.there[rows])
        for name, values in zip(self.FIELDS, again, strict=True):
            setattr(self, name, getattr(self, name).index_copy(0, rows, values))

    def _read(self, bodies: Tensor, fingers: Tensor, offset: Tensor, there: Tensor) -> tuple[Tensor, ...]:
        hand_quat = bodies[:, HAND, 3:7]
        axes = z_axis(bodies[:, : HAND + 1, 3:7])
        down = axes[:, HAND]
        origins = bodies[:, :HAND, :3] - self.lift
        hand_tcp = bodies[:, HAND, :3] + kinematics.TCP_OFFSET * down - self.lift
        pads = bodies[:, LEFT : RIGHT + 1, :3] + (kinematics.PAD_OFFSET * down - self.lift)[:, None]
        tcp = pads.mean(1)
        carriers = bodies[:, FIRST:]
        turned = rotate(carriers[..., 3:7], offset)
        points = (carriers[..., :3] + turned - self.lift) * there
        quats = carriers[..., 3:7] * there
        openness = (fingers.sum(1) / (2 * FINGER_STROKE)).clamp(0.0, 1.0)
        observed = torch.cat((points[:, :2], quats[:, :2]), -1).reshape(len(bodies), 14)
        frame = torch.cat((tcp, openness[:, None], observed), 1).clamp(-FAR, FAR)
        return hand_quat, origins, axes[:, :HAND], hand_tcp, pads, tcp, points, quats, openness, frame
