"""The scripted experts on MuJoCo and on MuJoCo Warp: python benchmarks/experts_warp.py [episodes=20] [device=cpu]

Writes benchmarks/results/experts_warp.csv: success of each task of MT50 on either engine, then what was needed at most of
MuJoCo Warp's room: contacts (a mean over environments) and constraints (of one). On Warp's CPU device it compiles for a few
minutes the first time, then takes three.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from isaacgymenvs_tasks.configuration import configure
from isaacgymenvs_tasks.metaworld.experts import expert_policy, make_env, try_policy
from isaacgymenvs_tasks.options import read_options, whole

OUT = Path(__file__).resolve().parent / "results" / "experts_warp.csv"


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"episodes": "20", "device": "cpu"})
    episodes = whole(options, "episodes", 1)
    names = list(configure("MT50").env.tasks)
    trials = {}
    for engine in ("mujoco", "warp"):
        device = options["device"] if engine == "warp" else "cpu"
        where = {"sim_device": device, "rl_device": device, "physics_engine": engine}
        env = make_env(names, episodes * len(names), 0, "MT50", **where)
        trials[engine] = try_policy(env, expert_policy(env), 1)
    contacts, constraints = env.sim.engine.peak.amax(0).tolist()
    with OUT.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("task", "mujoco", "warp"))
        writer.writerows([name, *(trials[e][name].success_rate for e in ("mujoco", "warp"))] for name in names)
        writer.writerow(("needed at most", f"{contacts / env.num_envs:.1f} contacts", f"{constraints} constraints"))
        writer.writerow(("lost contacts", "", int(env.sim.engine.overflow.sum())))
    print(OUT.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
