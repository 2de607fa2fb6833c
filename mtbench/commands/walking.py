"""Does it walk? The mean policy of a checkpoint on level ground, with everything that is random in training.

    mtbench walking checkpoint=runs/NAME/nn/last.pth [num_envs=100] [seconds=20] [seed=0]
        [out=docs/go1_walking.png] [keep=walking.pth]

prints in how many environments it fell (the trunk touched the ground), and how far its velocity towards the goal, over each
second, was from what was asked. ``out`` draws a strip of pictures of the first robot, 0.1 s apart; ``keep`` writes the policy
alone, for ``pretrained=``, with scandots as :func:`look_below` leaves them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import output, read_options, seed_of, whole
from isaacgymenvs_tasks.parkour.env import NUM_FEATURES, SCAN_X, SCAN_Y, SCANDOTS, Parkour
from isaacgymenvs_tasks.parkour.render import Camera
from mtbench.commands.command_line import run_command
from mtbench.learning.agents.checkpoint import load_checkpoint, save_checkpoint
from mtbench.learning.errors import UserError
from mtbench.learning.player import load_policy, mean_policy

PICTURES = range(400, 440, 5)  #: steps


def walk(env: Parkour, checkpoint: str, steps: int, frames: list[np.ndarray] | None = None) -> tuple[torch.Tensor, ...]:
    """(num_envs,) whether each robot fell, and its mean error of velocity (m/s) until then."""
    act = mean_policy(load_policy(checkpoint)[1])
    env.reset()
    per_second = round(1 / env.step_dt)
    fell = torch.zeros(env.num_envs, dtype=torch.bool)
    error, seconds, gained = torch.zeros(3, env.num_envs)
    camera = Camera(env, 0, (320, 220), 1.4) if frames is not None else None
    for step in range(steps):
        env.step(act(env))
        fell |= env.fell
        gained += env.speed - env.asked
        if (step + 1) % per_second == 0:
            error += torch.where(fell, 0.0, gained.abs() / per_second)
            seconds += ~fell
            gained.zero_()
        if frames is not None and camera is not None and step in PICTURES:
            frames.append(np.asarray(camera.shoot()))
    return fell, error / seconds


def look_below(model: dict[str, torch.Tensor]) -> None:
    """Let a policy that has walked on level ground alone go by the scandots below the trunk, in place.

    On level ground all scandots are the same number, so what was learned of them is the sum of their weights; how it is
    divided among them is still that of the random initialization, and the first pit ahead would do something random. On level
    ground the policy stays as it is.

    Args:
        model: the state of a network; the last axis of its first layers is the observation.
    """
    below = torch.tensor([abs(x) < 0.35 and abs(y) < 0.2 for x in SCAN_X for y in SCAN_Y])
    for weight in model.values():
        if weight.shape[-1:] == (NUM_FEATURES + 1,):
            scandots = weight[..., SCANDOTS]
            scandots.copy_(scandots.sum(-1, keepdim=True) * below / below.sum())


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    defaults = {"checkpoint": "", "num_envs": "100", "seconds": "20", "seed": "0"}
    options = read_options(arguments, defaults | {"out": "", "keep": ""})
    if not options["checkpoint"]:
        raise SystemExit("say which policy: checkpoint=runs/NAME/nn/last.pth")
    seconds, count, seed = whole(options, "seconds", 1, 10_000), whole(options, "num_envs", 1), seed_of(options)
    if options["out"] and 50 * seconds < PICTURES.stop:
        raise UserError(f"seconds={seconds}: the pictures of out= are of the ninth second, so there must be at least 9")
    state = load_checkpoint(options["checkpoint"])
    config = state["model_config"]
    if (config["num_obs"], config["num_actions"]) != (NUM_FEATURES + 1, 12):
        raise UserError(
            f"'{options['checkpoint']}' is a policy of {', '.join(state['tasks'])}, not of one Parkour task"
        )
    for key in ("out", "keep"):
        if options[key]:
            output(options[key], key)
    settings: dict[str, Any] = {
        "task.env.randomInitialProgress": False,
        "task.env.episodeLength": 50 * seconds + 1,
    }
    env = isaacgymenvs_tasks.make("ParkourFlat", num_envs=count, seed=seed, **settings)
    assert isinstance(env, Parkour)
    frames: list[np.ndarray] | None = [] if options["out"] else None
    fell, error = walk(env, options["checkpoint"], 50 * seconds, frames)
    print(
        f"{int((~fell).sum())} of {env.num_envs} robots did not fall in {seconds} s; velocity is "
        f"{float(error.nanmean()):.3f} m/s from what was asked in the mean, {float(error.nanquantile(0.9)):.3f} in the "
        f"90th percentile, below 0.2 in {int((error < 0.2).sum())}"
    )
    if options["keep"]:
        look_below(state["model"])
        kept = ("format", "algo", "tasks", "model_config", "model")
        save_checkpoint(Path(options["keep"]), {key: state[key] for key in kept})
    if frames:
        from PIL import Image

        Image.fromarray(np.concatenate(frames, 1)).save(Path(options["out"]))


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
