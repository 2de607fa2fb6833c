"""Environment steps per second on the CPU: physics alone and the whole env.step, beside plain mujoco.rollout.

    python benchmarks/throughput.py [num_envs=512] [task=MT10] [rounds=7] [steps=30] [metaworld=PYTHON]

Any task set: MT50, ParkourHard, ... With Parkour the same robots are also stepped on a plane, which tells what terrain costs.
Every round times all variants one after the other, so that a busy machine slows all of them, and ratios are medians over
rounds. ``mujoco.rollout`` starts from the same states, on the same models, and replays the drive commands that env.step gave
under random actions. ``metaworld=`` names the Python of another environment with the package
``metaworld`` (it pins an older MuJoCo), whose MT10 with ten environments is timed in a process of its own after each round.
Raw figures go to benchmarks/results/throughput_TASK_NUM.csv. Memory an environment is what the process grew by (Linux).
"""

from __future__ import annotations

import mtbench  # noqa: F401  # first: it says how OpenMP's threads wait, which PyTorch reads when it is loaded

# isort: split
import os
import statistics
import subprocess
import sys
import time

import mujoco
import numpy as np
import rounds
import torch
from mujoco import rollout

import isaacgymenvs_tasks
from isaacgymenvs_tasks.options import read_options, whole

METAWORLD = """
import time, gymnasium as gym, metaworld, numpy as np
envs = gym.make_vec("Meta-World/MT10", seed=1, vector_strategy="sync")
envs.reset(seed=1)
for n in (10, 60):
    start = time.perf_counter()
    for _ in range(n):
        envs.step(envs.action_space.sample())
print(envs.num_envs * n / (time.perf_counter() - start))
"""


def rate(env, steps: int, run) -> float:
    """Environment steps per second of ``run``, called ``steps`` times."""
    start = time.perf_counter()
    for _ in range(steps):
        run()
    return env.num_envs * steps / (time.perf_counter() - start)


def simulate(env) -> None:
    """Physics of one environment step."""
    for _ in range(env.control_freq_inv):
        env.gym.simulate(env.sim)


class Replay:
    """The states of all groups now, and room for the commands of the next ``steps`` control steps."""

    def __init__(self, env, threads: int) -> None:
        engine, spec = env.sim.engine, mujoco.mjtState.mjSTATE_FULLPHYSICS
        self.env, self.threads = env, threads
        self.commands: list[np.ndarray] = []
        members: dict[tuple[int, ...], list[int]] = {}
        for i in range(env.num_envs):
            m = engine.model(i)
            members.setdefault((m.nq, m.nv, m.nu, m.nbody, m.ngeom, m.nmesh, m.nsite), []).append(i)
        self.groups, first = [], 0
        for ids in members.values():
            models = [engine.model(i) for i in ids]
            states = np.empty((len(ids), mujoco.mj_stateSize(models[0], spec)))
            for row, i in enumerate(ids):
                mujoco.mj_getState(models[row], engine.data(i), states[row], spec)
            # Poses of fixed bases are no part of the full physics state: they come with each thread's MjData.
            datas = [engine.data(ids[0]) for _ in range(threads)]
            size = len(ids) * models[0].nu
            self.groups.append((models, datas, states, slice(first, first + size)))
            first += size

    def record(self) -> None:
        self.commands.append(self.env.sim.engine.ctrl.numpy().copy())

    def rates(self) -> tuple[float, float]:
        """Environment steps per second of ``mujoco.rollout``: all steps in one call, and one control step a call, as
        learning needs them (from the same states every time)."""
        substeps, steps = self.env.control_freq_inv * self.env.sim_params.substeps, len(self.commands)
        commands = np.repeat(np.stack(self.commands, axis=1), substeps, axis=1)
        work = [
            (models, datas, states, commands[part].reshape(len(states), models[0].nu, -1).transpose(0, 2, 1).copy())
            for models, datas, states, part in self.groups
        ]
        with rollout.Rollout(nthread=self.threads) as pool:
            start = time.perf_counter()
            for models, datas, states, controls in work:
                pool.rollout(models, datas, states, controls, nstep=substeps * steps)
            middle = time.perf_counter()
            for step in range(0, substeps * steps, substeps):
                for models, datas, states, controls in work:
                    pool.rollout(models, datas, states, controls[:, step : step + substeps], nstep=substeps)
            end = time.perf_counter()
        return self.env.num_envs * steps / (middle - start), self.env.num_envs * steps / (end - middle)


def parts(env) -> dict[str, tuple[object, str]]:
    """What an env.step consists of."""
    return {
        "control": (env, "pre_physics_step"),
        "physics": (env.gym, "simulate"),
        "after physics": (env, "post_physics_step"),
        "rewards": (env, "_reward"),
        "reading bodies": (env, "_read"),
        "scandots": (env, "_scan_ground"),
        "flat state tensors": (env, "refresh"),
        "resets": (env, "reset_idx"),
        "everything": (env, "step"),
    }


def main(arguments: list[str]) -> None:
    options = read_options(
        arguments, {"num_envs": "512", "task": "MT10", "rounds": "7", "steps": "30", "metaworld": ""}
    )
    num_envs, steps = whole(options, "num_envs", 1), whole(options, "steps", 1)
    task = isaacgymenvs_tasks.configure(options["task"])
    before = rounds.resident()
    env = isaacgymenvs_tasks.make(task, num_envs=num_envs)
    generator = torch.Generator().manual_seed(0)

    def action() -> torch.Tensor:
        return torch.rand((num_envs, env.num_actions), generator=generator) * 2 - 1

    env.reset()
    for _ in range(60):  # into the episodes, hands among the objects
        env.step(action())
    memory = (rounds.resident() - before) / num_envs
    plane = None
    if task["benchmark"] == "parkour":
        level = isaacgymenvs_tasks.configure(options["task"], **{"task.env.terrain.plane": True})
        plane = isaacgymenvs_tasks.make(level, num_envs=num_envs)
        plane.reset()
        for _ in range(60):
            plane.step(action())
    threads = len(os.sched_getaffinity(0))
    rows = []
    for round_ in range(whole(options, "rounds", 1)):
        replay = Replay(env, threads)

        def step(replay: Replay = replay) -> None:
            env.step(action())
            replay.record()

        stepped = rate(env, steps, step)
        several, single = replay.rates()
        row = {
            "mujoco.rollout": several,
            "mujoco.rollout, a step a call": single,
            "physics (gym.simulate)": rate(env, steps, lambda: simulate(env)),
            "env.step": stepped,
        }
        if plane is not None:
            row["physics on a plane"] = rate(plane, steps, lambda: simulate(plane))
            row["env.step on a plane"] = rate(plane, steps, lambda: plane.step(action()))
        if options["metaworld"]:
            result = subprocess.run([options["metaworld"], "-c", METAWORLD], capture_output=True, text=True, check=True)
            row["metaworld (10 envs)"] = float(result.stdout.split()[-1])
        rows.append(row)
        print(f"round {round_}: " + ", ".join(f"{k} {v:,.0f}" for k, v in row.items()), flush=True)
    print(f"\n{options['task']}, {num_envs} environments, {threads} threads, medians of {len(rows)} rounds")
    for name in rows[0]:
        shares = [rounds.ratio(rows, name, base) for base in list(rows[0])[:2]]
        median = statistics.median(r[name] for r in rows)
        print(f"{name:<30}{median:>10,.0f} steps/s {shares[0]:>7.0%} of mujoco.rollout {shares[1]:>7.0%} a step a call")
    for label, milliseconds in rounds.breakdown(parts(env), steps, lambda: env.step(action())).items():
        print(f"  {label:<28}{milliseconds:>8.2f} ms of env.step")
    print(f"memory: {memory / 1e3:,.0f} kB an environment")
    rounds.save(rows, f"throughput_{options['task']}_{num_envs}")


if __name__ == "__main__":
    main(sys.argv[1:])
