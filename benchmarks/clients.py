"""IsaacGymEnvs' own tasks on this simulator: python benchmarks/clients.py FOLDER [tasks=Ant,Humanoid] [envs=256] [steps=50]

FOLDER is a checkout of https://github.com/isaac-sim/IsaacGymEnvs, unchanged. Each task is created in a process of its own and
stepped with random actions; a row each goes to standard output as CSV. ``rate`` is environment steps a second, ``rate_cpu``
environment steps a second of a processor, which other work on the machine disturbs less. The first ten steps, with the first
resets, are not timed. ``diverged`` counts environments that were put back because their state was not finite.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

TASKS = (
    "AllegroHand Ant Anymal BallBalance Cartpole FrankaCabinet FrankaCubeStack Humanoid HumanoidAMP Ingenuity Quadcopter "
    "ShadowHand Trifinger AnymalTerrain"
).split()
COLUMNS = "task envs created_s steps resets not_finite diverged rate rate_cpu".split()
WARM = 10


def fill_in_what_has_gone(*more: str) -> None:
    """Names and packages of the client's time: numpy's old aliases, ``gym``, what only some tasks use, and ``more``."""
    import gymnasium
    import numpy as np

    for name, value in {"float": float, "int": int, "bool": bool, "object": object, "Inf": np.inf}.items():
        if name not in vars(np):
            setattr(np, name, value)
    sys.modules["gym"] = gymnasium
    sys.modules["gym.spaces"] = gymnasium.spaces
    for name in ("pysdf", "urdfpy", *more):
        try:
            importlib.import_module(name)
        except ImportError:
            stand_in: Any = MagicMock(name=name)
            stand_in.__spec__, stand_in.__path__ = None, []
            sys.modules[name] = stand_in


def create(folder: Path, task: str, envs: int) -> tuple[Any, Any, float]:
    """A task of IsaacGymEnvs on this simulator and the CPU, on one thread, its composed configuration, and the seconds that
    creating it took."""
    fill_in_what_has_gone()
    import mtbench.sim

    mtbench.sim.install()
    sys.path.insert(0, str(folder))
    import isaacgym  # noqa: F401 (before torch, as the client wants it)
    import isaacgymenvs  # noqa: F401 (its resolvers)
    import torch
    from hydra import compose, initialize_config_dir
    from isaacgymenvs.tasks import isaacgym_task_map
    from isaacgymenvs.utils.reformat import omegaconf_to_dict

    torch.set_num_threads(1)
    torch.manual_seed(0)
    on_cpu = ["pipeline=cpu", "sim_device=cpu", "rl_device=cpu", "headless=True"]
    with initialize_config_dir(config_dir=str(folder / "isaacgymenvs/cfg"), version_base=None):
        cfg = compose(config_name="config", overrides=[f"task={task}", f"num_envs={envs}", *on_cpu])
    start = time.perf_counter()
    env = isaacgym_task_map[task](
        cfg=omegaconf_to_dict(cfg.task),
        rl_device="cpu",
        sim_device="cpu",
        graphics_device_id=-1,
        headless=True,
        virtual_screen_capture=False,
        force_render=False,
    )
    return env, cfg, time.perf_counter() - start


def run(folder: Path, task: str, envs: int, steps: int) -> str:
    """The row of one task."""
    env, _, created = create(folder, task, envs)
    import torch

    env.reset()
    resets = not_finite = 0
    for step in range(WARM + steps):
        if step == WARM:
            wall, processor = time.perf_counter(), time.process_time()
        obs, reward, done, _ = env.step(2.0 * torch.rand(env.num_envs, env.num_actions) - 1.0)
        seen = obs["obs"] if isinstance(obs, dict) else obs
        not_finite += int((~seen.isfinite()).sum()) + int((~reward.isfinite()).sum())
        resets += int(done.sum())
    rates = [steps * env.num_envs / (now - then) for now, then in (
        (time.perf_counter(), wall), (time.process_time(), processor))]  # fmt: skip
    diverged = int(env.gym.take_diverged(env.sim))
    row = task, env.num_envs, f"{created:.1f}", WARM + steps, resets, not_finite, diverged, *(f"{r:.0f}" for r in rates)
    return ",".join(map(str, row))


def main(folder: str, *arguments: str) -> None:
    given = {"tasks": ",".join(TASKS), "envs": "256", "steps": "50"} | dict(a.split("=") for a in arguments)
    root, tasks = Path(folder).resolve(), given["tasks"].split(",")
    if len(tasks) == 1:
        warnings.simplefilter("ignore")
        print("row:" + run(root, tasks[0], int(given["envs"]), int(given["steps"])))
        return
    print(",".join(COLUMNS), flush=True)
    for task in tasks:
        command = [
            sys.executable,
            __file__,
            str(root),
            f"tasks={task}",
            f"envs={given['envs']}",
            f"steps={given['steps']}",
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root / "isaacgymenvs")
        rows = [line[4:] for line in said.stdout.splitlines() if line.startswith("row:")]
        print(rows[0] if rows else f"{task},{(said.stderr.strip() or 'nothing').splitlines()[-1]!r}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
