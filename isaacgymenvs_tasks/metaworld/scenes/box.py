"""The box and its lid: box_close (3).

Follows Meta-World's ``sawyer_box_close_v3``: goal 0.073 m above the lid's seat, weighted distance, success (the lid
within 0.08 m of the goal, which a lid held over the box meets as well) and the factor for its orientation. Departures:

- The lid is 0.1 m nearer to the robot (x = Y_mw - 0.7), the box is not: in Meta-World lid and box may start in one
  another. MTBench moves both by 0.05 m.
- The first observed point is the middle of the handle's bar, the second the lid's underside, which goes to the goal.
- Reaching is paid for the hand around the bar, fingers at its sides, then closing. Meta-World pays closing anywhere,
  and a shut hand that rests on the bar earns as much as a grasp. (MTBench pays opening.)
- The funnel that makes the hand come down from above is a cylinder around the bar. (MTBench's has no effect.)
- A lid that is turned by more than 0.4 rad has no success; in Meta-World it has success, but no reward.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, constant, distance, finish, from_above, hamacher, tolerance
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Cage, Placement, Point, State, TaskSpec

RADIUS = 0.08  #: m, success
SCALE = (1.0, 1.0, 3.0)  #: weight of the axes in the reward's distance
HEIGHT = 0.133  #: m, of the goal for the lid's underside
SEAT = 0.06  #: m, height of the lid's underside on the box
STAND = 0.016  #: m, on the table


def close_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for the fingers at the bar, 1.6 for lifting the lid, 6.4 for its nearness to the goal, times its uprightness."""
    at_bar = 0.5 * (approach(state, state.obj, state.obj_init, 0.01) + state.cage)
    ready = hamacher(from_above(state, state.obj, 0.03, 0.03), at_bar)
    lifted = state.obj2[:, 2] - state.obj2_init[:, 2] > 0.01
    offset = state.obj2 - state.goal
    weighted = torch.linalg.vector_norm(offset * constant(offset, SCALE), dim=-1)
    upright = (1.0 - torch.linalg.vector_norm(state.obj_quat[:, :3], dim=-1) / 0.2).clamp_min(0.0)
    reward = upright * (2.0 * ready + 1.6 * lifted + 6.4 * tolerance(weighted, 0.05, 0.25))
    return finish(reward, (distance(state.obj2, state.goal) <= RADIUS) & (upright > 0.0))


def close_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the bar, lift the lid above the box, go over it and down."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj2
    far = (state.obj2 - state.goal)[:, :2].abs().amax(-1) > 0.015
    target[:, 2] -= ~far * (HEIGHT - SEAT)
    low = far & (state.obj2[:, 2] < 0.1)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


BOX_CLOSE = TaskSpec(
    task_id=3,
    name="box_close",
    description="Pick up the lid by its handle and put it on the box.",
    actors=(
        ActorSpec("lid", "lid.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("box", "box.xml", Placement(follows=GOAL)),
    ),
    reset_low=(-0.2, -0.05, STAND, 0.1, -0.1, 0.0),
    reset_high=(-0.15, 0.05, STAND, 0.2, 0.1, 0.0),
    min_distance=0.25,
    goal=Placement((0.0, 0.0, HEIGHT), GOAL),
    observed=(Point("lid", "lid", (0.0, 0.0, 0.082)), Point("lid", "lid")),
    tcp_start=(-0.1, 0.0, 0.22),
    reward=close_reward,
    expert=close_expert,
    v1=V1("pick", moves="obj2", lift=0.09),
    cage=Cage(object_radius=0.006),
)
