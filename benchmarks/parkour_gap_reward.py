"""What a robot earns at the edge of a gap: waiting, rocking, walking into it, crossing it.

    python benchmarks/parkour_gap_reward.py [robots=8] [difficulty=0] [out=FILE.csv]

The walking checkpoint, which is shown level ground wherever it goes, walks along the first gap of families over a pit and

- ``waits``: stands in its default pose from 0.5 m before the edge on,
- ``rocks``: there moves its trunk forth and back with its thighs, twice a second,
- ``falls``: walks on into the gap, where it is lost (the episode ends) or stuck until the end of the episode,
- ``crosses``: walks on over a plane with the same goals, which is what crossing all gaps at walking speed would pay.

For each, under MTBench's rewards and with ``advanceOnly``: the sum of an episode's rewards, and the value that PPO weighs,
discounted by 0.99. Of waiting and rocking that is the mean of the last second for ever, of the robot that does it best, as a
policy would learn to; of falling and crossing the rewards to come at the brink, when the base is 0.2 m before the edge and
the front feet leave the ground. ``break_even`` is the chance of crossing above which trying, at the brink, is worth more than
staying: (staying - falling) / (crossing - falling), where staying is the better of waiting and rocking; below 0, any chance
is worth it. All but those values of waiting and rocking are medians, over the robots that came to the edge; they are alike
and not pushed.
"""

from __future__ import annotations

import csv
import math
import sys
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import read_options, whole
from isaacgymenvs_tasks.parkour.env import NUM_FEATURES, SCAN_LIFT, SCANDOTS, Parkour
from mtbench.learning.player import load_policy

WALKING = Path(__file__).resolve().parents[1] / "assets" / "go1" / "walking.pth"
FAMILIES = [
    "box_jump_even",
    "box_jump_uneven",
    "bump_jump",
    "sideways_ramp",
    "stepping_stones_cylinder",
]
BEHAVIOURS = ("waits", "rocks", "falls", "crosses")
GAMMA = 0.99
BEFORE, BRINK = 0.5, 0.2  #: m from the base to the edge; the front hips are 0.19 m before the base
SETTINGS = {
    "randomInitialProgress": False,
    "pushInterval": 10_000,
    "randomize.friction": [1.0, 1.0],
    "randomize.mass": [0.0, 0.0],
    "randomize.centreOfMass": [0.0, 0.0],
    "randomize.motorStrength": [1.0, 1.0],
}


def build(robots: int, difficulty: float, advance_only: bool, plane: bool) -> Parkour:
    """``robots`` of each family on terrains of one difficulty."""
    special = {"terrain.difficulty": [difficulty] * 2, "terrain.plane": plane, "advanceOnly": advance_only}
    settings = {f"task.env.{key}": value for key, value in (SETTINGS | special).items()}
    env = isaacgymenvs_tasks.make("ParkourEasy", robots * len(FAMILIES), task_id=FAMILIES, **settings)
    assert isinstance(env, Parkour)
    return env


def edges(env: Parkour) -> Tensor:
    """(num_envs,) m, x of the first gap on the straight way from goal to goal; infinite where there is none."""
    found = torch.full((env.num_envs,), math.inf)
    for k in range(env.num_envs):
        stops = torch.cat((env._origins[env.level[k], env.task_index[k]][None, :2], env.goals[k, :, :2]))
        ways = [a + (b - a) * torch.linspace(0.0, 1.0, 400)[:, None] for a, b in pairwise(stops)]
        x, y = torch.cat(ways).T
        i, j = (((at + env.terrain.border) / env.terrain.horizontal_scale).long() for at in (x, y))
        pit = torch.from_numpy(env.terrain.heights)[i, j] * env.terrain.vertical_scale < -0.5
        if pit.any():
            found[k] = x[int(pit.int().argmax())]
    return found


class Walker:
    """The walking checkpoint, for robots of any family, blind to the ground."""

    def __init__(self) -> None:
        self.model = load_policy(str(WALKING))[1]

    @torch.no_grad()
    def __call__(self, env: Parkour) -> Tensor:
        obs = env.obs_buf[:, :NUM_FEATURES].clone()
        height = env._root[:, 2] - env._origins[env.level, env.task_index, 2]
        obs[:, SCANDOTS] = (height - SCAN_LIFT)[:, None]
        one = torch.ones(env.num_envs, 1)
        return self.model.act(torch.cat((obs, one), 1), torch.zeros_like(env.task_index))


def episode(env: Parkour, behaviour: str, edge: Tensor, walk: Walker) -> dict[str, Tensor]:
    """One episode of every robot: (num_envs,) ``return``, whether it was ``lost``, the value ``at_last`` of going on as in
    the last second, and the value of what comes at the ``brink``; NaN where it came to no edge."""
    env.reset()
    n, length = env.num_envs, env.max_episode_length
    rewards, x = torch.zeros(2, length, n)
    over, lost, there = torch.zeros(3, n, dtype=torch.bool)
    rock = torch.tensor([0.0, 0.25, 0.0]).repeat(4)  # all thighs together
    for step in range(length):
        x[step] = torch.where(over, -math.inf, env._root[:, 0])
        there |= (x[step] > edge - BEFORE) & ~over
        action = walk(env)
        if behaviour in ("waits", "rocks"):
            rest = rock * math.sin(4.0 * math.pi * step * env.step_dt) if behaviour == "rocks" else torch.zeros(12)
            action = torch.where(there[:, None], rest, action)
        _, reward, done, extras = env.step(action)
        rewards[step] = torch.where(over, 0.0, reward)
        lost |= done & ~over & ~extras["time_outs"]
        over |= done
    at_last = rewards[-round(1.0 / env.step_dt) :].mean(0) / (1.0 - GAMMA)
    to_come = torch.zeros(length + 1, n)
    to_come[-1] = at_last  # a time-out is worth what follows it; after a loss nothing does
    for step in reversed(range(length)):
        to_come[step] = rewards[step] + GAMMA * to_come[step + 1]
    at_brink = x > edge - BRINK
    first = at_brink.int().argmax(0)
    brink = torch.where(at_brink.any(0), to_come[first, torch.arange(n)], math.nan)
    values = {"return": rewards.sum(0), "lost": lost.float(), "at_last": at_last, "brink": brink}
    return {name: torch.where(there, value, math.nan) for name, value in values.items()}


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"robots": "8", "difficulty": "0", "out": ""})
    torch.set_num_threads(1)
    rows, walk = [], Walker()
    for form, advance_only in (("MTBench", False), ("advanceOnly", True)):
        ground, plane = (
            build(whole(options, "robots", 1), float(options["difficulty"]), advance_only, p) for p in (False, True)
        )
        edge = edges(ground)
        found = {name: episode(plane if name == "crosses" else ground, name, edge, walk) for name in BEHAVIOURS}
        for family, part in zip(FAMILIES, ground.task_slices, strict=True):
            median = {
                name: {what: float(x[part].nanmedian()) for what, x in values.items()} for name, values in found.items()
            }
            waits, rocks = (float(found[name]["at_last"][part].nan_to_num().max()) for name in ("waits", "rocks"))
            falls, crosses = median["falls"]["brink"], median["crosses"]["brink"]
            row: dict[str, str | float] = {"reward": form, "family": family}
            row |= {f"{name}_return": median[name]["return"] for name in BEHAVIOURS}
            row |= {"waits_value": waits, "rocks_value": rocks, "falls_value_at_brink": falls}
            row |= {"crosses_value_at_brink": crosses, "lost_of_falls": float(found["falls"]["lost"][part].nanmean())}
            row["break_even"] = (max(waits, rocks) - falls) / (crosses - falls)
            rows.append({key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()})
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if options["out"]:
        with open(options["out"], "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
