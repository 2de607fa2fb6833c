"""Two bins and a cube: bin_picking (2).

Follows Meta-World's ``sawyer_bin_picking_v3``: layout, reward terms, success (the cube within 0.05 m of the middle of
the other bin's underside, that is below its rim). Departures:

- The cube starts at least 0.05 m from the middle of the bin's walls: Meta-World's range reaches into the walls
  across the fingers, and the open fingers of the Franka (0.126 m) need the rest of the bin's 0.18 m along them.
- Approach and cage are paid by themselves (1 each), not the cage's product with the nearness to the goal: that product
  is at most 0.1 at the start, and a half-closed cage earns most of it.
- The hand must be above the rim wherever it is not above the cube's start or the goal: two cylinders instead of two
  funnels. They are measured from the tcp (Meta-World: from a point 0.045 m above it).
- Openness says nothing on a Franka that holds a 4 cm cube, so "held" is told from where the cube is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import carry, steer
from isaacgymenvs_tasks.metaworld.rewards import approach, distance, finish, from_above, hamacher, held_up, placement
from isaacgymenvs_tasks.metaworld.task import GOAL, OBJECT, V1, ActorSpec, Cage, Placement, Point, State, TaskSpec

RADIUS = 0.05  #: m, success
CRUISE = 0.12  #: m, height of the cube on the expert's way from bin to bin


def pick_reward(state: State) -> tuple[Tensor, Tensor]:
    """2 for reaching and caging the cube, 1 for lifting it, 5 for its nearness to the goal on a way above the rims."""
    place = placement(state, RADIUS)
    above = torch.maximum(from_above(state, state.obj_init, 0.04, 0.08), from_above(state, state.goal, 0.05, 0.11))
    lifted = held_up(state, 0.03, 0.02)
    reward = (
        approach(state, state.obj, state.obj_init, 0.01) + state.cage + lifted * (1.0 + 5.0 * hamacher(above, place))
    )
    return finish(reward, distance(state.obj, state.goal) <= RADIUS)


def pick_expert(state: State, memory: Tensor) -> Tensor:
    """Grip the cube, lift it over the rims, go above the middle of the other bin and down into it."""
    holding, action = carry(state, memory, state.obj)
    target = state.goal + state.tcp - state.obj
    far = (state.obj - state.goal)[:, :2].abs().amax(-1) > 0.03
    target[:, 2] += torch.where(far, CRUISE, 0.035)
    low = far & (state.obj[:, 2] < CRUISE - 0.03)
    target[:, :2] = torch.where(low[:, None], state.tcp[:, :2], target[:, :2])
    return torch.where(holding[:, None], steer(state, target, 1.0), action)


BIN_PICKING = TaskSpec(
    task_id=2,
    name="bin_picking",
    description="Pick up the cube from one bin and put it into the other.",
    actors=(
        ActorSpec("cube", "cube.xml", Placement(follows=OBJECT), fixed_base=False),
        ActorSpec("start_bin", "bin.xml", Placement((0.1, 0.12, 0.0))),
        ActorSpec("goal_bin", "bin.xml", Placement(follows=GOAL)),
    ),
    reset_low=(0.08, 0.06, 0.03, 0.1, -0.12, 0.0),
    reset_high=(0.12, 0.18, 0.03, 0.1, -0.12, 0.0),
    goal=Placement(follows=GOAL),
    observed=(Point("cube", "cube"),),
    tcp_start=(0.0, 0.0, 0.18),
    reward=pick_reward,
    expert=pick_expert,
    v1=V1("pick", lift=0.07),
    cage=Cage(effort=0.7),
)
