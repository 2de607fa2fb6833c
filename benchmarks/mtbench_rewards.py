"""MTBench's own reward functions beside ours, on the same states: python benchmarks/mtbench_rewards.py FOLDER [envs=32]

FOLDER is a checkout of https://github.com/Viraj-Joshi/MTBench, unchanged (it imports ``pip install --no-deps skrl==1.4.3``).
Nine tasks of MT10 run here with the scripted experts, whose actions carry noise from none to 0.5 over the environments, so
that states of every phase, and failures, occur. In every state both reward functions are asked. (peg_insert_side is left
out: MTBench's takes the corners of two boxes that only its scene has.)

At commit ed2e2b5a MTBench's ``tolerance`` is 0 inside its bounds, where dm_control's, after which it is written, is 1: a hand
within the radius of what it reaches for earns nothing. ``inside=one`` asks with that one value mended (in a copy).

Columns: ``ours``, ``theirs``: the mean over the states in which neither says success, theirs times 100 (it scales shaping by
0.01, drawer_open's by 0.05, and pays 10 for success); ``rank``: their rank correlation over these states; ``both``,
``only_ours``, ``only_theirs``: episodes in which the one or the other says success.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from clients import fill_in_what_has_gone
from scipy.stats import spearmanr
from torch import Tensor

from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env
from isaacgymenvs_tasks.metaworld.rewards import constant
from isaacgymenvs_tasks.options import read_options, whole

TASKS = (
    "reach push pick_place door_open drawer_open drawer_close button_press_topdown window_open window_close"
).split()
TABLE = 1.027  #: m, MTBench's table top, where its door_open writes it out


def theirs(function: Any, state: Any, progress: Tensor) -> tuple[Tensor, Tensor]:
    """(reward, success) of MTBench's function in states of ours."""

    def world(point: Tensor) -> Tensor:
        return point + constant(point, (0.0, 0.0, TABLE))

    shared = {"scale": torch.ones(3), "door_dof_pos": state.dof_pos[:, 0] if state.dof_pos.shape[1] else progress}
    fingers = torch.zeros(len(progress), 9)
    fingers[:, 7:] = 0.04 * state.openness[:, None]
    points = (state.tcp_init, state.goal, state.obj, state.obj_init)
    pads = world(state.left_pad), world(state.right_pad)
    reward, _, success = function(
        progress * 0, progress, state.action, fingers, *pads, 1e9, *map(world, points), shared
    )
    return reward, success


def mend(folder: Path) -> None:
    """Give MTBench's reward functions a ``tolerance`` that is 1 inside its bounds."""
    source = (folder / "isaacgymenvs/tasks/reward_utils.py").read_text()
    zero, one = "(in_bounds), value, _sigmoids(", "(in_bounds), torch.ones_like(value), _sigmoids("
    if source.count(zero) != 1:
        raise SystemExit("this MTBench has another tolerance: leave inside=one out")
    copy = Path(tempfile.mkdtemp()) / "reward_utils.py"
    copy.write_text(source.replace(zero, one))
    spec = importlib.util.spec_from_file_location("isaacgymenvs.tasks.reward_utils", copy)
    assert spec is not None and spec.loader is not None
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def compare(folder: Path, names: list[str], envs: int, mended: bool) -> list[list[Any]]:
    """A row a task."""
    fill_in_what_has_gone(*"wandb cv2 pydelatin pyfqmr torchvision moviepy".split())
    sys.path.insert(0, str(folder))
    if mended:
        mend(folder)
    functions = importlib.import_module("isaacgymenvs.tasks.franka.vec_task.task_fns")
    env = make_env(names, envs * len(names), seed=0)
    act, noise = expert_policy(env), torch.linspace(0.0, 0.5, envs).repeat(len(names))[:, None]
    torch.manual_seed(0)
    env.reset()
    seen: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in names}
    for _ in range(env.max_episode_length - 1):
        env.step((act(env) + noise * torch.randn(env.num_envs, 4)).clamp(-1.0, 1.0))
        for spec, rows, state in zip(env.specs, env.task_slices, env.states(), strict=True):
            function = getattr(functions, spec.name).compute_reward
            seen[spec.name].append((*spec.reward(state), *theirs(function, state, env.progress_buf[rows])))
    table = []
    for name in names:
        ours, we, their, they = (torch.stack(column) for column in zip(*seen[name], strict=True))
        shaped = ~(we | they)
        both, only_ours, only_theirs = (int(x.sum()) for x in (
            we.any(0) & they.any(0), we.any(0) & ~they.any(0), ~we.any(0) & they.any(0)))  # fmt: skip
        a, b = ours[shaped], 100.0 * their[shaped]
        means = (f"{float(x.mean()):.3f}" for x in (a, b))
        rank = f"{spearmanr(a, b).statistic:.2f}"
        table.append([name, int(shaped.sum()), *means, rank, both, only_ours, only_theirs])
    return table


def main(folder: str, *arguments: str) -> None:
    options = read_options(arguments, {"tasks": ",".join(TASKS), "envs": "32", "inside": "theirs"})
    names, mended = options["tasks"].split(","), options["inside"] == "one"
    print("task,inside,states,ours,theirs,rank,both,only_ours,only_theirs")
    for name, *row in compare(Path(folder).resolve(), names, whole(options, "envs", 2), mended):
        print(name, options["inside"], *row, sep=",")


if __name__ == "__main__":
    main(*sys.argv[1:])
