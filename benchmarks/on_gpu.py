"""Everything a GPU is to answer, by one command of eight minutes at most; `bash benchmarks/on_gpu.sh OUT all` runs it.

    python benchmarks/on_gpu.py OUT [minutes=8] [device=cuda:0] [num_envs=8192] [parts=run,speed,learn] [whole=true]

In this order: does it run (single features, all scenes against MuJoCo, a height field, recorded graphs, waiting), how fast is
MT50 (physics, ``env.step``, TOPPO; dense and sparse Jacobian, one merged model and thirty; memory; a profile), and how does
TOPPO learn MT10 in the time that is left. Every step is a process with a limit of its own: one that fails or hangs does not
stop the next. After every finding OUT/report.json and OUT/report.md are written anew, so a cut leaves what was known.

OUT has at most eight files, none above 15 MiB: the reports, log.txt, learned.tar.gz (curve, configuration, checkpoint) and
the kernels that were compiled, warp-cache.tar.xz.a ..., which joined and unpacked into WARP_CACHE_PATH save compiling.
With device=cpu the same path runs in miniature on Warp's CPU device; whole=false leaves out Parkour and the other shapes of
the models, which take most of the compiling.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "on_gpu_steps.py"
PART, PARTS = 15 << 20, 4  #: bytes of a part of the kernel cache, and how many there may be
RESERVE = 20.0  #: seconds kept for writing at the end
LEARN = 60.0  #: seconds kept for learning, at least


class Report:
    """What was found, by step; written after every finding."""

    def __init__(self, out: Path) -> None:
        self.out, self.steps, self._lock = out, dict[str, dict[str, Any]](), threading.Lock()
        self._log = (out / "log.txt").open("w", buffering=1)
        self.began = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    def put(self, step: str, name: str, value: Any) -> None:
        with self._lock:
            self.steps.setdefault(step, {})[name] = value
            for path, text in (
                (self.out / "report.json", json.dumps(self.steps, indent=1)),
                (self.out / "report.md", self.text()),
            ):
                beside = path.with_suffix(".new")
                beside.write_text(text + "\n")
                beside.replace(path)
        self.log(step, f"{name}: {json.dumps(value)}")

    def log(self, step: str, line: str) -> None:
        line = f"{self.spent:6.1f} {step}: {line[:2000]}"
        self._log.write(line + "\n")
        print(line[:300], flush=True)

    def text(self) -> str:
        lines = []
        for step, findings in self.steps.items():
            lines += [f"## {step}", ""]
            for name, value in findings.items():
                if isinstance(value, dict):
                    lines += [f"- {name}:"]
                    lines += [f"  - {k}: {json.dumps(v)}" for k, v in value.items()]
                else:
                    lines += [f"- {name}: {value if isinstance(value, str) else json.dumps(value)}"]
            lines += [""]
        return "\n".join(lines)


class Step:
    """A process whose findings go to the report as it prints them."""

    def __init__(self, report: Report, name: str, kind: str, case: dict[str, Any]) -> None:
        self.report, self.name, self.began = report, name, time.monotonic()
        command = [sys.executable, "-u", str(SCRIPT), kind, json.dumps(case)]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.last = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            line = line.rstrip()
            try:
                found = json.loads(line) if line.startswith("{") else None
            except ValueError:
                found = None
            if isinstance(found, dict):
                for name, value in found.items():
                    self.report.put(self.name, name, value)
            elif line:
                self.last = line
                self.report.log(self.name, line)

    def finish(self, limit: float) -> bool:
        """Wait at most ``limit`` seconds from now; whether it came to its end. First it is asked to stop, then killed."""
        status = ""
        try:
            self.process.wait(max(limit, 0.1))
        except subprocess.TimeoutExpired:
            status = "stopped, its time was up"
            for how, patience in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 2.0)):
                try:
                    os.killpg(self.process.pid, how)
                    self.process.wait(patience)
                    break
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
        self._reader.join(2.0)
        if not status and self.process.returncode:
            status = f"failed with {self.process.returncode}: {self.last[:300]}"
        self.report.put(self.name, "status", status or "complete")
        self.report.put(self.name, "seconds", round(time.monotonic() - self.began, 1))
        return not status


class Run:
    """The order of the steps and the time each may take."""

    def __init__(self, out: Path, options: dict[str, str]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.options, self.report = out, options, Report(out)
        self.device, self.small = options["device"], not options["device"].startswith("cuda")
        self.num_envs = int(options["num_envs"])
        self.end = 60.0 * float(options["minutes"])
        self.cached, self.steps = -1, list[Step]()
        self.whole = options["whole"] == "true"
        self.runs = Path(tempfile.mkdtemp(prefix="on_gpu_"))  # OUT has few files

    @property
    def left(self) -> float:
        return self.end - RESERVE - self.report.spent

    def start(self, name: str, kind: str, **case: Any) -> Step:
        case = {"device": self.device, "num_envs": self.num_envs, "settings": {}, "profile": False, **case}
        self.steps.append(Step(self.report, name, kind, case | {"seconds": 0.2 if self.small else 2.0}))
        return self.steps[-1]

    def stop(self) -> None:
        """Leave no process behind, also where this one is interrupted."""
        for step in self.steps:
            if step.process.poll() is None:
                os.killpg(step.process.pid, signal.SIGKILL)

    def does_it_run(self) -> None:
        """All at once: they compile, which takes cores, and hardly use the device. What is not done in time goes on later."""
        begun = {"1 machine": self.start("1 machine", "machine")}
        begun["1 check"] = self.start("1 check", "check")
        if self.whole:
            begun["1 compile MT10"] = self.start("1 compile MT10", "compile", task="MT10")
            for name, settings in SHAPES.items():
                begun[f"1 compile {name}"] = self.start(f"1 compile {name}", "compile", task="MT50", settings=settings)
            begun["1 parkour"] = self.start("1 parkour", "parkour", steps=50)
        until = self.report.spent + min(self.left, 0.35 * self.end if not self.small else self.left)
        for step in begun.values():
            if step.process.poll() is None or "status" not in self.report.steps.get(step.name, {}):
                step.finish(until - self.report.spent)
        self.keep_cache()

    def speed(self) -> None:
        """The shape that is the default first, with its profile, then training, then the others while there is time."""
        self.measure("2 speed, merged, dense", 110.0, "speed", profile=True)
        if self.report.steps["2 speed, merged, dense"].get("status") != "complete" and not self.small:
            self.num_envs //= 4  # perhaps for want of memory or of time
        horizon = SMALL if self.small else ["schedule=gpu"]
        until = ["max_iterations=4", "eval_interval=null"]
        arguments = self.arguments("MT50", self.num_envs, "2_training", [*horizon, *until])
        self.measure("2 training, TOPPO on MT50", 90.0, "training", arguments=arguments, watch=True)
        for name, settings in SHAPES.items():
            if self.whole and self.left - LEARN > 40.0:
                self.measure(f"2 speed, {name}", min(60.0, self.left - LEARN), "speed", settings=settings)
            elif self.whole:
                self.report.put(f"2 speed, {name}", "status", "left out for want of time")
        self.keep_cache()

    def measure(self, name: str, limit: float, kind: str, **case: Any) -> None:
        """Run one step for at most ``limit`` seconds."""
        step = self.start(name, kind, **case)
        step.finish(min(limit, self.left) if not self.small else self.left)

    def learn(self) -> None:
        """TOPPO on MT10, everything on the device, until the time is up; it stops itself."""
        if self.left < 20.0:
            self.report.put("3 learning", "status", "left out for want of time")
            return
        num_envs, shape = 20, [*SMALL, "max_iterations=3", "eval_goals=1", "eval_interval=160", SHORT]
        if not self.small:  # 55 seconds are for the start and the last evaluation
            minutes = max(self.left - 55.0, 10.0) / 60.0
            num_envs, shape = (
                4096,
                ["schedule=gpu", "eval_goals=10", "eval_interval=4_000_000", "max_frames=100_000_000"],
            )
            shape += [f"max_minutes={minutes:.3f}"]
        arguments = self.arguments("MT10", num_envs, "3_learning", shape)
        step = self.start("3 learning", "training", arguments=arguments, watch=False)
        while step.process.poll() is None and self.left > 60.0:
            time.sleep(1.0)
            if int(self.report.spent) % 60 == 0:
                self.keep_run("3_learning")
        step.finish(self.left + RESERVE / 2)
        self.keep_run("3_learning")

    def arguments(self, task: str, num_envs: int, name: str, more: list[str]) -> list[str]:
        where = [f"sim_device={self.device}", f"rl_device={self.device}", "physics_engine=warp"]
        folder = [f"train.params.config.train_dir={self.runs}", f"experiment={name}", "seed=1"]
        return [f"task={task}", "train=TOPPO", f"num_envs={num_envs}", *where, *folder, *more]

    def keep_run(self, name: str) -> None:
        run = self.runs / name
        if not (run / "metrics.csv").exists():
            self.report.put("3 learning", "kept", "nothing: no metrics.csv was written")
            return
        rows = (run / "metrics.csv").read_text().splitlines()
        self.report.put(
            "3 learning", "last row of metrics.csv", dict(zip(rows[0].split(","), rows[-1].split(","), strict=False))
        )
        with tarfile.open(self.out / "learned.tar.gz", "w:gz") as tar:
            for path in sorted(run.rglob("*")):
                if path.is_file() and path.stat().st_size < PART and path.name != "best.pth":
                    tar.add(path, path.relative_to(self.runs))
        self.report.put("3 learning", "kept", "learned.tar.gz")

    def keep_cache(self) -> None:
        """The kernels compiled so far, in parts, if there are new ones."""
        folder = os.environ.get("WARP_CACHE_PATH")
        if not folder or not Path(folder).is_dir():
            self.report.put("kernel cache", "kept", "no: WARP_CACHE_PATH names no folder")
            return
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
        if size == self.cached:
            return
        self.cached = size
        pack = f"tar -C '{folder}' -cf - . | xz -T0 -3 | split -b {PART} -a 1 - '{self.out}/new-cache.'"
        try:
            subprocess.run(
                ["bash", "-o", "pipefail", "-c", pack], check=True, timeout=max(self.left + RESERVE / 2, 5.0)
            )
        except (subprocess.SubprocessError, OSError) as error:
            self.report.put("kernel cache", "kept", f"no: {error}")
            self.cached = -1  # what there is of it is no archive
        parts = sorted(self.out.glob("new-cache.*"))
        fits = self.cached == size and 0 < len(parts) <= PARTS
        if fits:
            for old in self.out.glob("warp-cache.tar.xz.*"):
                old.unlink()
        for part in parts:
            part.rename(self.out / f"warp-cache.tar.xz.{part.suffix[1:]}") if fits else part.unlink()
        if self.cached != size:
            return
        kept = f"{len(parts)} parts" if fits else f"no: {len(parts)} parts are more than {PARTS}"
        self.report.put("kernel cache", "kept", f"{kept}, {size / 2**20:.0f} MiB unpacked")


SHORT = "task.env.episodeLength=10"
#: An epoch in miniature.
SMALL = ["network=mlp_small", "schedule.horizon_length=4", "schedule.mini_epochs=1", "schedule.num_minibatches=1"]
#: Shapes of the models beside the default one, and the settings that make them.
SHAPES: dict[str, dict[str, Any]] = {
    "merged, sparse": {"task.sim.warp.jacobian": "sparse"},
    "thirty models, dense": {"task.sim.warp.merge": False},
}
OPTIONS = {"minutes": "8", "device": "cuda:0", "num_envs": "8192", "parts": "run,speed,learn", "whole": "true"}


def main(arguments: list[str]) -> int:
    """Nothing but Python's own library is needed here, so that a package that is missing fails a step and not all."""
    given = dict(argument.split("=", 1) if "=" in argument else (argument, "") for argument in arguments[1:])
    if not arguments or set(given) - set(OPTIONS):
        print(
            f"usage: python benchmarks/on_gpu.py OUT [{'] ['.join(f'{k}={v}' for k, v in OPTIONS.items())}]",
            file=sys.stderr,
        )
        return 2
    options = OPTIONS | given
    try:
        fine = float(options["minutes"]) > 0 and int(options["num_envs"]) > 0 and options["whole"] in ("true", "false")
    except ValueError:
        fine = False
    if not fine or set(options["parts"].split(",")) - {"run", "speed", "learn"}:
        told = "minutes and num_envs are positive numbers, parts some of run,speed,learn, whole is true or false"
        print(f"error: {told}; this was {' '.join(arguments[1:])}", file=sys.stderr)
        return 2
    run = Run(Path(arguments[0]).resolve(), options)
    atexit.register(run.stop)
    parts = {"run": run.does_it_run, "speed": run.speed, "learn": run.learn}
    for name in run.options["parts"].split(","):
        try:
            parts[name]()
        except Exception as error:  # the next part may still work
            run.report.put(name, "status", f"failed: {type(error).__name__}: {error}")
    run.keep_cache()
    run.report.put("all", "seconds", round(run.report.spent, 1))
    failed = [f"{step}: {name}" for step, found in run.report.steps.items() for name, value in found.items()
              if isinstance(value, str) and value.startswith(("FAILED", "failed", "stopped"))]  # fmt: skip
    run.report.put("all", "failed", failed)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
