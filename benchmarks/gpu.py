"""What a machine makes of the whole stack: cold start, physics, environment steps and training, with the share of each part.

    python benchmarks/gpu.py                       the table of docs/engines.md, on a GPU (about 25 minutes)
    python benchmarks/gpu.py num_envs=64,128       small, where there is none
    options: tasks=MT10,MT50 num_envs=1024,4096,8192,16384 steps=100 epochs=6 train=TOPPO,MTPPO out=benchmarks/results/gpu

Every measurement is a process of its own. The first one starts with an empty kernel cache; the second repeats it with the
cache the first has left. Writes OUT.json (everything) and OUT.md (the tables) after every measurement, and prints them.
Rates are medians over five blocks of steps; physics is that of one environment step. On a GPU the engine is MuJoCo Warp;
without one, MuJoCo's and Warp's on the CPU.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from isaacgymenvs_tasks.options import read_options, whole

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = {
    "tasks": "MT10,MT50",
    "num_envs": "1024,4096,8192,16384",
    "steps": "100",
    "epochs": "6",
    "train": "TOPPO,MTPPO",
    "out": "benchmarks/results/gpu",
    "child": "none",
}
BLOCKS = 5


def measure_env(case: dict[str, Any]) -> dict[str, Any]:
    """Build an environment and time its steps and their parts, in this process."""
    started = time.perf_counter()
    import torch

    from isaacgymenvs_tasks import make

    cuda = case["device"].startswith("cuda")

    def wait() -> None:
        if cuda:
            torch.cuda.synchronize()

    def rate(work: Any, count: int) -> float:
        """Calls a second: the median over blocks."""
        times = []
        for _ in range(BLOCKS):
            wait()
            begun = time.perf_counter()
            for _ in range(max(count // BLOCKS, 1)):
                work()
            wait()
            times.append((time.perf_counter() - begun) / max(count // BLOCKS, 1))
        return 1.0 / statistics.median(times)

    imported = time.perf_counter()
    settings = {"task.sim.warp.merge": case["merge"]}
    env = make(
        case["task"],
        case["num_envs"],
        sim_device=case["device"],
        rl_device=case["device"],
        physics_engine=case["engine"],
        **settings,
    )
    env.reset()
    actions = 2.0 * torch.rand(16, env.num_envs, env.num_actions, device=case["device"]) - 1.0
    turn = iter(range(10**9))
    for _ in range(8):  # parts of the step are recorded at the fourth
        env.step(actions[next(turn) % 16])
    wait()
    ready = time.perf_counter()
    n, steps = env.num_envs, case["steps"]

    def simulate() -> None:
        for _ in range(env.control_freq_inv):
            env.gym.simulate(env.sim)

    result: dict[str, Any] = {
        "import_s": imported - started,
        "start_s": ready - imported,
        "env_steps_per_s": n * rate(lambda: env.step(actions[next(turn) % 16]), steps),
        "physics_steps_per_s": n * rate(simulate, steps),
    }
    parts = {
        "act": lambda: env._run(env._act),
        "physics": simulate,
        "judge": lambda: env._run(env._judge),
        "restart": lambda: env._run(env._restart),
        "observe": lambda: (env.gym.settle(env.sim) if env.masked else None, env._run(env._observe)),
    }
    result["part_ms"] = {name: 1e3 / rate(work, steps // 2) for name, work in parts.items()}
    engine = env.sim.engine
    result["groups"] = len(getattr(engine, "_groups", []) or getattr(engine, "_batches", []))
    result["peak_contacts_and_constraints"] = engine.peak.tolist() if hasattr(engine, "peak") else None
    result["overflowed"] = int(env.sim.take_overflow())
    result["recorded"] = env._recorder is not None and not env._recorder.failed
    result["not_recorded_because"] = env._recorder.failed if env._recorder is not None else ""
    if cuda:
        free, total = torch.cuda.mem_get_info()
        result["device_memory_gb"] = (total - free) / 1e9
    result["host_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return result


def measure_training(case: dict[str, Any]) -> dict[str, Any]:
    """Train for a few epochs and read the times from its TensorBoard events."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", f"task={case['task']}", f"train={case['train']}"]
        command += [f"num_envs={case['num_envs']}", f"max_iterations={case['epochs']}", "eval_interval=null"]
        command += [f"sim_device={case['device']}", f"rl_device={case['device']}", f"physics_engine={case['engine']}"]
        command += [f"train.params.config.train_dir={folder}", "experiment=run", "save_interval=1000"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            return {"error": (done.stderr or done.stdout).strip()[-2000:]}
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(Path(folder) / "run" / "summaries"))
        events.Reload()

        def median(name: str) -> float:
            return statistics.median(e.value for e in events.Scalars(name)[1:])  # the first epoch warms up

        rollout, update = median("performance/step_inference_time"), median("performance/rl_update_time")
        return {
            "frames_per_s": median("performance/step_inference_rl_update_fps"),
            "rollout_share": rollout / (rollout + update),
            "update_share": update / (rollout + update),
            "epoch_s": rollout + update,
        }


def child(case: dict[str, Any], cache: str) -> dict[str, Any]:
    """Run one environment measurement in a process of its own, with the kernel cache ``cache``."""
    command = [sys.executable, __file__, f"child={json.dumps(case)}"]
    began = time.perf_counter()
    environment = {**os.environ, "WARP_CACHE_PATH": cache, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"error": (done.stderr or done.stdout).strip()[-2000:]}
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "process_s": time.perf_counter() - began}


def tables(report: dict[str, Any]) -> str:
    """The report in Markdown."""

    def number(value: Any) -> str:
        return f"{value:,.0f}" if isinstance(value, (int, float)) and value >= 100 else str(value)

    lines = [f"{report['machine']}, {report['date']}", ""]
    lines += ["| case | start s | physics steps/s | env.step steps/s | " + " | ".join(PARTS) + " | memory GB | peak |"]
    lines += ["|" + "---|" * (6 + len(PARTS))]
    for case in report["env"]:
        name, r = case["name"], case["result"]
        if "error" in r:
            lines.append(f"| {name} | failed: {r['error'].splitlines()[-1]} |")
            continue
        parts = " | ".join(f"{r['part_ms'][p]:.2f}" for p in PARTS)
        memory = r.get("device_memory_gb", r["host_memory_gb"])
        rates = f"{number(r['physics_steps_per_s'])} | {number(r['env_steps_per_s'])}"
        lines.append(
            f"| {name} | {r['start_s']:.1f} | {rates} | {parts} | {memory:.1f} | {r['peak_contacts_and_constraints']} |"
        )
    lines += [
        "",
        "Parts of env.step in milliseconds. Peak: most contacts of a group, most constraints of an environment.",
        "",
    ]
    lines += ["| training | frames/s | rollout | update |", "|---|---|---|---|"]
    for case in report["training"]:
        r = case["result"]
        if "error" in r:
            lines.append(f"| {case['name']} | failed: {r['error'].splitlines()[-1]} |")
        else:
            lines.append(
                f"| {case['name']} | {number(r['frames_per_s'])} | {r['rollout_share']:.0%} | {r['update_share']:.0%} |"
            )
    return "\n".join(lines) + "\n"


PARTS = ("act", "physics", "judge", "restart", "observe")


def main(arguments: list[str]) -> int:
    options = read_options(arguments, OPTIONS)
    if options["child"] != "none":
        print(json.dumps(measure_env(json.loads(options["child"]))))
        return 0
    import torch

    cuda = torch.cuda.is_available()
    device = "cuda:0" if cuda else "cpu"
    machine = f"{torch.cuda.get_device_name()}, " if cuda else ""
    report: dict[str, Any] = {
        "machine": f"{machine}{len(os.sched_getaffinity(0))} cores, {platform.machine()}, torch {torch.__version__}",
        "date": time.strftime("%Y-%m-%d"),
        "options": options,
        "env": [],
        "training": [],
    }
    out = ROOT / options["out"]
    out.parent.mkdir(parents=True, exist_ok=True)

    def save() -> None:
        out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
        out.with_suffix(".md").write_text(tables(report))

    counts = [int(x) for x in options["num_envs"].split(",")]
    tasks, steps = options["tasks"].split(","), whole(options, "steps", 1)
    with tempfile.TemporaryDirectory() as cold, tempfile.TemporaryDirectory() as apart:
        warp = {"device": device, "engine": "warp", "steps": steps, "merge": True}
        plan = [(f"{tasks[-1]}, {counts[0]}, cold", warp | {"task": tasks[-1], "num_envs": counts[0]}, cold)]
        plan += [
            (f"{task}, {count}", warp | {"task": task, "num_envs": count}, cold) for task in tasks for count in counts
        ]
        grouped = warp | {"task": tasks[-1], "num_envs": counts[-1], "merge": False}
        plan.append((f"{tasks[-1]}, {counts[-1]}, a model a kind of scene, cold", grouped, apart))
        if not cuda:
            plan += [
                (
                    f"{task}, {counts[-1]}, MuJoCo",
                    warp | {"task": task, "num_envs": counts[-1], "engine": "mujoco"},
                    cold,
                )
                for task in tasks
            ]
        for name, case, cache in plan:
            print(name, flush=True)
            report["env"].append({"name": name, "case": case, "result": child(case, cache)})
            save()
    for task in tasks:
        for scheme in options["train"].split(",") if options["train"] != "none" else []:
            for count in counts:
                engine = "warp" if cuda else "mujoco"
                case = {"task": task, "train": scheme, "num_envs": count, "device": device, "engine": engine}
                name = f"{task} {scheme}, {count}"
                print(name, flush=True)
                result = measure_training(case | {"epochs": whole(options, "epochs", 1)})
                report["training"].append({"name": name, "case": case, "result": result})
                save()
    print(tables(report))
    return int(any("error" in case["result"] for case in [*report["env"], *report["training"]]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
