"""What `benchmarks/on_gpu.py` asks of a GPU, one step a process; each finding is printed as it is known.

    python benchmarks/on_gpu_steps.py STEP '{"device": "cuda:0", "num_envs": 8192, ...}'

Findings are lines ``{"name": value}`` on standard output. A question that raises is answered by its error, and the next one
is asked.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import runpy
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

BLOCKS = 5  #: rates are medians over so many blocks of steps
#: No episode ends while two engines are compared: the next would be drawn by another generator.
FULL_EPISODES = {"task.env.randomInitialProgress": False}


def emit(name: str, value: Any) -> None:
    print(json.dumps({name: value}), flush=True)


def ask(name: str, question: Callable[[], Any]) -> Any:
    """Emit the answer, or why there is none."""
    try:
        answer = question()
    except Exception as error:
        emit(name, f"FAILED: {type(error).__name__}: {(str(error) or '?').splitlines()[0][:300]}")
        return None
    emit(name, answer)
    return answer


def cuda(case: dict[str, Any]) -> bool:
    return bool(case["device"].startswith("cuda"))


def wait(case: dict[str, Any]) -> None:
    if cuda(case):
        torch.cuda.synchronize()


def rate(case: dict[str, Any], work: Callable[[], Any], seconds: float) -> float:
    """Calls a second, the median over blocks which take about ``seconds`` together."""
    work()
    wait(case)
    begun = time.perf_counter()
    work()
    wait(case)
    count = max(1, round(seconds / BLOCKS / max(time.perf_counter() - begun, 1e-6)))
    times = []
    for _ in range(BLOCKS):
        begun = time.perf_counter()
        for _ in range(count):
            work()
        wait(case)
        times.append((time.perf_counter() - begun) / count)
    return 1.0 / statistics.median(times)


def build(case: dict[str, Any], task: str = "MT50", engine: str = "warp", **settings: Any) -> Any:
    from isaacgymenvs_tasks import make

    device = case["device"] if engine == "warp" else "cpu"
    num_envs = settings.pop("num_envs", case["num_envs"])
    return make(task, num_envs, 4, sim_device=device, rl_device=device, physics_engine=engine, **settings)


def actions_of(case: dict[str, Any], env: Any, steps: int) -> torch.Tensor:
    """(steps, num_envs, actions), the same on every device."""
    drawn = torch.rand(steps, env.num_envs, env.num_actions, generator=torch.Generator().manual_seed(6))
    return (2.0 * drawn - 1.0).to(env.rl_device)


@contextmanager
def caught() -> Iterator[list[str]]:
    """The warnings inside, by text."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        yield said
    said += [str(record.message).splitlines()[0] for record in records]


@contextmanager
def waits(case: dict[str, Any]) -> Iterator[Counter[str]]:
    """Places inside that make the host wait for the device, and how often; none on a CPU, for which nothing waits."""
    from isaacgymenvs_tasks.recording import watch_waits

    found: Counter[str] = Counter()
    with watch_waits() if cuda(case) else nullcontext(()) as said:
        yield found
    found.update(each.partition(": ")[0] for each in said)


# -- does it run ---------------------------------------------------------------------------------------------------------


def machine(case: dict[str, Any]) -> None:
    """What this is, and what single features of it do that the engine and the recorder count on."""
    emit("python", platform.python_version())
    for package in ("torch", "warp-lang", "mujoco", "mujoco-warp", "numpy", "rl-games"):
        ask(package, lambda package=package: importlib.metadata.version(package))
    import warp as wp

    wp.config.quiet = True
    wp.init()
    emit("cores", len(os.sched_getaffinity(0)))
    if not cuda(case):
        return
    torch.cuda.init()
    emit("gpu", torch.cuda.get_device_name())
    emit("memory_gb", torch.cuda.mem_get_info()[1] / 1e9)
    emit("cuda of torch", torch.version.cuda)
    device = wp.device_from_torch(torch.device(case["device"]))
    ask("cuda of warp's build and of the driver", lambda: [wp.get_cuda_toolkit_version(), wp.get_cuda_driver_version()])
    ask("conditional graph nodes", wp.is_conditional_graph_supported)
    ask("memory pool, without which a graph cannot allocate", lambda: bool(device.is_mempool_enabled))
    ask("a generator draws anew at each replay", lambda: generator_in_graphs(case["device"]))
    ask("a failed recording leaves stream and generator usable", lambda: failed_recording(case["device"]))
    ask("torch and warp keep each other's order", lambda: order_of_streams(case["device"]))


def generator_in_graphs(device: str) -> bool:
    """Two graphs draw from one generator as plain calls do."""
    from isaacgymenvs_tasks.recording import CudaGraph

    generator = torch.Generator(device).manual_seed(3)
    expected = [torch.rand(100, generator=generator, device=device) for _ in range(4)]
    generator.manual_seed(3)
    out = [torch.zeros(100, device=device) for _ in range(2)]
    graphs = []
    for buffer in out:
        graphs.append(CudaGraph(generator))
        with graphs[-1].record():
            buffer.copy_(torch.rand(100, generator=generator, device=device))
    drawn = []
    for k in (0, 1, 1, 0):
        graphs[k].replay()
        drawn.append(out[k].clone())
    generator.set_state(generator.get_state())  # as restoring a run does
    return all(torch.equal(a, b) for a, b in zip(expected, drawn, strict=True))


def failed_recording(device: str) -> bool:
    """What waits is met inside a capture; afterwards everything goes on as if it had not been tried."""
    from isaacgymenvs_tasks.recording import CudaGraph

    generator = torch.Generator(device).manual_seed(3)
    stream, ones = torch.cuda.current_stream(), torch.ones(5, device=device)
    expected = torch.rand(5, generator=torch.Generator(device).manual_seed(3), device=device)
    try:
        with CudaGraph(generator).record():
            torch.rand(5, generator=generator, device=device)
            ones.nonzero()
    except RuntimeError:
        pass
    else:
        raise AssertionError("a capture that waits did not fail")
    drawn = torch.rand(5, generator=generator, device=device)
    return torch.cuda.current_stream() == stream and torch.equal(drawn, expected) and len(ones.nonzero()) == 5


def order_of_streams(device: str) -> bool:
    """A long torch operation, a captured Warp graph on what it wrote, and torch again: no waiting in between."""
    import warp as wp

    x = torch.zeros(1 << 22, device=device)
    with wp.ScopedDevice(wp.device_from_torch(x.device)):
        mine, other = wp.from_torch(x), wp.zeros(x.numel(), dtype=float)
        with wp.ScopedCapture() as capture:
            wp.copy(other, mine)
    stream = wp.stream_from_torch(torch.cuda.current_stream(x.device))
    big = torch.randn(4096, 4096, device=device)
    for k in range(1, 20):
        big = (big @ big).clamp(-1, 1)
        x.fill_(float(k) + 0.0 * big[0, 0])
        wp.capture_launch(capture.graph, stream=stream)
        if not bool((wp.to_torch(other) == k).all()):
            return False
    return True


def check(case: dict[str, Any]) -> None:
    """All scenes as on MuJoCo; graphs; waiting; what a step leaves to the host."""
    begun = time.perf_counter()
    with caught() as said:
        env = build(case, num_envs=50, **FULL_EPISODES)
        env.reset()
        for action in actions_of(case, env, 6):
            env.step(action)
        wait(case)
    emit("seconds until the first steps, kernels compiled", time.perf_counter() - begun)
    emit("warnings", said)
    emit("physics runs without graphs because", env.sim.engine.not_captured)
    emit("parts of a step that are graphs", sorted(env._recorder._graphs) if env._recorder else [])
    emit("parts are not graphs because", env._recorder.failed if env._recorder else "not on a GPU")
    ask("env.step waits at", lambda: waits_of_step(case, env))
    ask("largest and median difference from MuJoCo in 15 steps, m", lambda: differences(case, env))
    ask("a diverged environment is reset alone", lambda: diverged_alone(case, env))
    ask("without room, environments are counted", lambda: crowded(case))
    ask("peak contacts of all and constraints of one", lambda: env.sim.engine.peak.tolist())


def waits_of_step(case: dict[str, Any], env: Any) -> dict[str, int]:
    actions = actions_of(case, env, 3)
    wait(case)
    with waits(case) as found:
        for action in actions:
            env.step(action)
    return dict(found)


def differences(case: dict[str, Any], env: Any) -> list[float]:
    """Of observed positions of all fifty scenes, from the same states under the same actions; MuJoCo's are float64."""
    from tests.metaworld.test_warp import _copy_state, _roll

    other = build(case, engine="mujoco", num_envs=50, **FULL_EPISODES)
    for each in (env, other):
        each.reset()
    _copy_state(other, env)
    actions = actions_of(case, env, 15)
    gap = (_roll(env, actions) - _roll(other, actions.cpu())).abs().amax(-1)
    other.close()
    if gap[0].max() > 1e-4 or gap.median() > 1e-4 or gap[-1].max() > 1e-2:
        raise AssertionError(f"largest {gap.amax(1).tolist()}, worst in {env.task_names[int(gap[-1].argmax())]}")
    return [float(gap.max()), float(gap.median())]


def diverged_alone(case: dict[str, Any], env: Any) -> bool:
    env.reset()
    actions = actions_of(case, env, 2)
    env.sim.engine.qvel[env.sim.layout.dof_qvel[env.index.dofs[7, 0]]] = float("inf")
    _, reward, done, extras = env.step(actions[0])
    obs, *_ = env.step(actions[1])
    finite = bool(torch.isfinite(obs["obs"]).all() and torch.isfinite(reward).all())
    return finite and int(extras["diverged"]) == 1 and bool(done[7])


def crowded(case: dict[str, Any]) -> bool:
    env = build(case, num_envs=6, task_id=["push", "bin_picking"], **{"task.sim.warp.constraints": 4})
    env.reset()
    return max(int(env.step(action)[3]["overflow"]) for action in actions_of(case, env, 5)) > 0


def parkour(case: dict[str, Any]) -> None:
    """Robots stand on a height field, and the ground carries what they weigh."""
    settings = {**FULL_EPISODES, "task.env.resetNoise": 0.0, "task.env.episodeLength": 1000}
    begun = time.perf_counter()
    env = build(case, "ParkourHard", num_envs=4, task_id=["squeeze", "staircase_walking"], **settings)
    env.reset()
    for _ in range(case["steps"]):
        env.step(env.zero_actions())
    force = -env.contact_forces[..., 2].sum(1).cpu()
    emit("seconds, kernels compiled", time.perf_counter() - begun)
    emit("physics runs without graphs because", env.sim.engine.not_captured)
    emit("parts are not graphs because", env._recorder.failed if env._recorder else "not on a GPU")
    ask("env.step waits at", lambda: waits_of_step(case, env))
    weight = [9.81 * float(env.sim.engine.model(i).body_mass.sum()) for i in range(4)]
    emit("force of the ground over weight", [round(float(f) / w, 3) for f, w in zip(force, weight, strict=True)])
    emit("height of the roots, m", [round(z, 3) for z in env.root_states[:, 2].tolist()])


# -- how fast ------------------------------------------------------------------------------------------------------------


def compile_kernels(case: dict[str, Any]) -> None:
    """Fill the kernel cache for another shape of the models."""
    begun = time.perf_counter()
    env = build(case, case["task"], num_envs=50, **case["settings"])
    env.reset()
    env.step(env.zero_actions())
    emit("seconds, kernels compiled", time.perf_counter() - begun)


def speed(case: dict[str, Any]) -> None:
    """Rates, the parts of a step, memory, and with ``profile`` where the device's time goes."""
    begun = time.perf_counter()
    env = build(case, **case["settings"])
    emit("environments", env.num_envs)
    env.reset()
    actions = actions_of(case, env, 8)
    turn = iter(range(10**9))

    def step() -> None:
        env.step(actions[next(turn) % 8])

    for _ in range(6):
        step()
    wait(case)
    emit("seconds to start", time.perf_counter() - begun)
    n, seconds = env.num_envs, case["seconds"]
    ask("env.step, environment steps/s", lambda: round(n * rate(case, step, seconds)))
    ask("physics, environment steps/s", lambda: round(n * rate(case, lambda: env.simulate(), seconds)))
    ask("physics graph alone, ms", lambda: round(1e3 / rate(case, lambda: env.sim.engine.step(2), seconds), 3))
    for name, work in {
        "act": lambda: env._run(env._act),
        "judge": lambda: env._run(env._judge),
        "restart": lambda: env._run(env._restart),
        "settle": lambda: env.simulator.settle(),
        "observe": lambda: env._run(env._observe),
    }.items():
        ask(f"{name}, ms", lambda work=work: round(1e3 / rate(case, work, seconds / 4), 3))
    engine = env.sim.engine
    emit("models", len(engine._groups))
    emit("physics runs without graphs because", engine.not_captured)
    emit("parts are not graphs because", env._recorder.failed if env._recorder else "not on a GPU")
    emit("peak contacts of a group and constraints of an environment", engine.peak.tolist())
    emit("environments without room", int((engine.overflow != 0).sum()))
    if cuda(case):
        free, total = torch.cuda.mem_get_info()
        emit("device memory, GB", round((total - free) / 1e9, 2))
        emit("of which torch's peak, GB", round(torch.cuda.max_memory_allocated() / 1e9, 2))
    if case["profile"]:
        ask("device time of env.step by group of kernels, ms", lambda: profile(case, step, 5))
    if case["profile"] and cuda(case):  # the CPU device has no events
        ask("stages of a physics step, ms", lambda: stages(engine))


def profile(case: dict[str, Any], step: Callable[[], None], steps: int) -> dict[str, Any]:
    """Milliseconds a step by the file of MuJoCo Warp that a kernel comes from (torch: all others), and the longest ones."""
    from torch.profiler import ProfilerActivity

    activity = ProfilerActivity.CUDA if cuda(case) else ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity]) as trace:
        for _ in range(steps):
            step()
        wait(case)
    groups: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    files = kernel_files()
    for event in trace.key_averages():
        spent = (event.self_device_time_total if cuda(case) else event.self_cpu_time_total) / steps / 1e3
        if spent <= 0.0:
            continue
        name = event.key.split("(")[0]
        outer = next((f for f in files if name.startswith(f)), None)
        groups[files[outer] if outer else "torch"] += spent
        kernels[name[:80]] += spent
    total = sum(groups.values())
    if not total:
        raise RuntimeError("the profiler saw no kernel")
    return {
        "total": round(total, 3),
        **{name: round(spent, 3) for name, spent in groups.most_common()},
        "longest": {name: round(spent, 3) for name, spent in kernels.most_common(15)},
    }


def kernel_files() -> dict[str, str]:
    """File of MuJoCo Warp by the name of each function in it, longest names first; Warp's kernels begin with such a name."""
    import mujoco_warp

    from mtbench.sim.engines import kernels

    files = [*(Path(mujoco_warp.__file__).parent / "_src").glob("*.py"), Path(kernels.__file__)]
    names = {
        name: "mtbench" if path.name == "kernels.py" else path.stem
        for path in files
        if not path.name.endswith("_test.py")
        for name in re.findall(r"^\s*def (\w{5,})\(", path.read_text(), re.MULTILINE)
    }
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def stages(engine: Any) -> dict[str, float]:
    """One substep of the first group by MuJoCo Warp's own events, for which no profiler is needed."""
    import mujoco_warp as mjw
    import warp as wp
    from mujoco_warp._src.warp_util import EventTracer

    worlds, sums = engine._groups[0], Counter[str]()
    start, repeats = engine._snapshot(), 10
    with EventTracer() as tracer:
        with wp.ScopedDevice(engine._warp_device), wp.ScopedCapture() as capture:
            mjw.step(worlds.model, worlds.data)
        for k in range(repeats + 1):
            wp.capture_launch(capture.graph)
            wp.synchronize_device(engine._warp_device)
            if k:
                _add(tracer.trace(), "", sums)
    engine._restore(start)
    return {name: round(spent / repeats, 4) for name, spent in sums.items()}


def _add(trace: dict[str, Any], above: str, sums: Counter[str]) -> None:
    for name, (times, below) in trace.items():
        sums[above + name] += sum(times)
        _add(below, f"{above}{name}/", sums)


def training(case: dict[str, Any]) -> None:
    """``train.py`` with the case's arguments. With ``watch``: frames/s epoch by epoch, and in the fourth, which is not timed,
    where the host waits and what an update's kernels take."""
    from mtbench.learning.agents.mt_ppo import MTPPO

    train_epoch, train_update = MTPPO.train_epoch, MTPPO.update
    calls = iter(range(10**9))

    def watched_update(agent: Any, *args: Any) -> Any:
        if agent.epoch_num != 3 or next(calls) != 0:
            return train_update(agent, *args)
        out: list[Any] = []
        ask(
            "device time of an update by group, ms",
            lambda: profile(case, lambda: out.append(train_update(agent, *args)), 1),
        )
        return out[0]

    def watched_epoch(agent: Any) -> Any:
        wait(case)
        with waits(case) if agent.epoch_num == 3 else nullcontext(Counter()) as found:
            scalars = train_epoch(agent)
            wait(case)
        spent = {part: float(scalars[f"performance/{part}_time"]) for part in ("step_inference", "rl_update")}
        if agent.epoch_num == 4:  # this one was slowed down by the profiler
            emit("host waits in an epoch at", dict(found.most_common(12)))
        else:
            rates = round(agent.frames_per_epoch / sum(spent.values()))
            emit(
                f"epoch {agent.epoch_num}: frames/s, rollout s, update s",
                [rates, *(round(s, 3) for s in spent.values())],
            )
        return scalars

    if case.get("watch"):
        MTPPO.train_epoch, MTPPO.update = watched_epoch, watched_update  # type: ignore[method-assign]
    sys.argv = ["train.py", *case["arguments"]]
    runpy.run_path(str(Path(__file__).resolve().parents[1] / "train.py"), run_name="__main__")
    if cuda(case):
        emit("torch's peak, GB", round(torch.cuda.max_memory_allocated() / 1e9, 2))


STEPS: dict[str, Callable[[dict[str, Any]], None]] = {
    "machine": machine,
    "check": check,
    "parkour": parkour,
    "compile": compile_kernels,
    "speed": speed,
    "training": training,
}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import isaacgymenvs_tasks  # noqa: F401  (so that "import isaacgym" is this simulator)

    STEPS[sys.argv[1]](json.loads(sys.argv[2]))
