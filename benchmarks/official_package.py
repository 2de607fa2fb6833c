"""The package metaworld itself, driven from outside: run with the Python of ``make oracle``, which has its MuJoCo.

    .venv-oracle/bin/python benchmarks/official_package.py act < requests > replies
    .venv-oracle/bin/python benchmarks/official_package.py speed MT10 sync|async < steps > rates
    .venv-oracle/bin/python benchmarks/official_package.py success MT50 1 3

``act`` answers each pickled ``{task: observations (n, 39)}`` with the scripted policies' ``{task: actions (n, 4)}``.
``speed`` makes its vector environment, an environment a task, in one process (sync) or a process each (async), prints
"ready", and for each number of steps that it is sent environment steps per second, by the clock and by the processor.
``success`` prints the share of episodes that the scripted policies win in its own environments, a task a line, at the first
goals of the benchmark with this seed.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import warnings

import metaworld
import numpy as np
from metaworld.policies import ENV_POLICY_MAP

warnings.filterwarnings("ignore")
HORIZON = 500


def act() -> None:
    policies = {name: policy() for name, policy in ENV_POLICY_MAP.items()}
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            request = pickle.load(source)
        except EOFError:
            return
        # Some policies write into what they are given.
        reply = {
            task: np.array([policies[task].get_action(row.copy()) for row in rows], np.float32)
            for task, rows in request.items()
        }
        pickle.dump(reply, sink)
        sink.flush()


def speed(benchmark: str, strategy: str) -> None:
    import gymnasium

    tasks = int(benchmark.removeprefix("MT"))
    suite = gymnasium.make_vec(f"Meta-World/{benchmark}", seed=1, vector_strategy="sync")
    vector = gymnasium.vector.SyncVectorEnv if strategy == "sync" else gymnasium.vector.AsyncVectorEnv
    envs = vector([lambda env=env: env for env in suite.envs])
    envs.reset(seed=0)
    workers = [process.pid for process in getattr(envs, "processes", [])]
    actions = [envs.action_space.sample() for _ in range(10)]
    print("ready", flush=True)
    for line in sys.stdin:
        steps = int(line)
        begin, processor = time.perf_counter(), time.process_time() + sum(map(processor_time, workers))
        for i in range(steps):
            envs.step(actions[i % 10])
        spent = time.process_time() + sum(map(processor_time, workers)) - processor
        count = tasks * steps
        print(count / (time.perf_counter() - begin), count / spent, flush=True)


def processor_time(process: int) -> float:
    """Seconds of processor time that a process has taken (Linux)."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def success(benchmark: str, seed: int, goals: int) -> None:
    suite = getattr(metaworld, benchmark)(seed=seed)
    for name, cls in suite.train_classes.items():
        env, won = cls(), 0
        for task in [task for task in suite.train_tasks if task.env_name == name][:goals]:
            env.set_task(task)
            obs, _ = env.reset()
            policy = ENV_POLICY_MAP[name]()
            for _ in range(HORIZON):
                obs, _, _, _, info = env.step(np.clip(policy.get_action(obs.copy()), -1.0, 1.0))
                if info["success"]:
                    won += 1
                    break
        print(name, won / goals, flush=True)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["act"]:
        act()
    elif arguments[:1] == ["speed"]:
        speed(arguments[1], arguments[2])
    elif arguments[:1] == ["success"]:
        success(arguments[1], int(arguments[2]), int(arguments[3]))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
