"""A pretended CUDA device, for machines without one: what would mix devices there is refused here.

    python -m tests.pretend_cuda TOPPO,balancing.critic=gradnorm MTSAC   # agents on the toy environment, and their restore
    python -m tests.pretend_cuda MT10 MetaWorldMT10                      # environments on MuJoCo Warp's CPU device
    python -m tests.pretend_cuda evaluate                                # a policy in environments on the CPU

Tensors of ``cuda:0`` are wrappers around tensors of the CPU. Every operation on them is done on what they wrap, after their
devices were compared as torch does it for CUDA: an operation takes tensors of one device, and besides them CPU scalars; a CPU
index may read a CUDA tensor and not the reverse; a generator is of the device it draws on; numpy takes no CUDA tensor. It
says nothing about kernels, streams, captured graphs, speed or memory.

It changes torch for the whole process, so a test runs it in one of its own. Prints a line a mistake, by its place in this
repository.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

ROOT = str(Path(__file__).resolve().parents[1])
CUDA = torch.device("cuda", 0)
#: The device that torch without CUDA knows, under which wrappers live.
OWN = "pretended"
COPIES = ("_to_copy", "copy_", "to", "_pin_memory", "lift_fresh", "lift", "detach", "alias")
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")
#: What takes no CPU scalar beside CUDA tensors.
STRICT = ("cat", "stack", "index_select", "gather", "index_add_", "scatter_", "embedding", "addmm", "mm", "bmm")

mistakes: Counter[str] = Counter()
_device_of, _is_cuda = Tensor.device.__get__, Tensor.is_cuda.__get__  # type: ignore[attr-defined]


class OnCuda(Tensor):
    """A tensor that says it is on ``cuda:0``; ``held`` is on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnCuda:
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        out = Tensor._make_wrapper_subclass(cls, held.shape, **layout, device=torch.device(OWN, 0))  # type: ignore[attr-defined]
        out.held = held
        return out

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[attr-defined]
    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _operation(func, args, kwargs or {})


_Generator = torch.Generator


class Generator(_Generator):
    """A CPU generator that remembers on which device it was asked for."""

    pretended = False

    def __new__(cls, device: Any = "cpu") -> Generator:
        out = _Generator.__new__(cls)
        out.pretended = torch.device(device).type == "cuda"
        return out

    def __init__(self, device: Any = "cpu") -> None: ...

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA if self.pretended else torch.device("cpu")

    def set_state(self, state: Tensor) -> torch.Generator:
        if isinstance(state, OnCuda):
            _mistake("generator.set_state takes a CPU tensor")
            state = state.held
        return super().set_state(state)


class _Dispatch(TorchDispatchMode):
    """Factories and copies from the CPU, which have no wrapper among their arguments."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _operation(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What torch decides before it dispatches: ``device="cuda"``, generators, numpy, lists."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if func == _device_of or func == _is_cuda:
            wrapped = isinstance(args[0], OnCuda)
            return (CUDA if func == _device_of else True) if wrapped else func(*args)
        cuda = _names_cuda(kwargs.get("device"))
        if (generator := kwargs.get("generator")) is not None:
            wanted = cuda if kwargs.get("device") is not None else any(isinstance(a, OnCuda) for a in args)
            if generator.pretended != wanted:
                _mistake(f"{name}: a generator of {generator.device} for {'cuda' if wanted else 'cpu'}")
        if name in ("tensor", "as_tensor", "asarray") and cuda:
            del kwargs["device"]
            return args[0] if isinstance(args[0], OnCuda) and name != "tensor" else func(*args, **kwargs).to(OWN)
        if cuda:
            kwargs["device"] = OWN
        if name == "to":
            args = tuple(OWN if _names_cuda(a) else a for a in args)
        elif name == "cuda":
            return args[0].to(OWN)
        elif args and isinstance(args[0], OnCuda):
            if name in ("numpy", "__array__"):
                _mistake("numpy of a CUDA tensor")
                return func(args[0].held, *args[1:], **kwargs)
            if name == "tolist":
                return args[0].held.tolist()
            if name == "data_ptr":
                return args[0].held.data_ptr()
            if name == "new_tensor":
                return torch.tensor(*args[1:], dtype=args[0].dtype).to(OWN)
            if name in ("__getitem__", "__setitem__"):
                index = args[1] if isinstance(args[1], tuple) else (args[1],)
                args = args[0], tuple(torch.as_tensor(i) if isinstance(i, list) else i for i in index), *args[2:]
                if name == "__setitem__" and not isinstance(args[2], Tensor):
                    args = *args[:2], torch.tensor(args[2], dtype=args[0].dtype)
        elif name == "pin_memory":
            return args[0]
        return func(*args, **kwargs)


def _operation(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compare devices, compute on the CPU and wrap what would be on the GPU."""
    name = func.overloadpacket.__name__
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    wrapped = [x for x in tensors if isinstance(x, OnCuda)]
    device = kwargs.get("device")
    if name == "_to_copy":
        there = isinstance(args[0], OnCuda) if device is None else torch.device(device).type == OWN
        kept = {key: x for key, x in kwargs.items() if key not in ("device", "non_blocking", "pin_memory")}
        out = func(_held(args[0]), **kept)
        return OnCuda(out) if there else out
    if name == "copy_":
        _held(args[0]).copy_(_held(args[1]))
        return args[0]
    if wrapped and len(wrapped) < len(tensors) and name not in COPIES:
        _compare(name, args, tensors)
    there = bool(wrapped) if device is None else torch.device(device).type == OWN
    own = dict(kwargs)
    if device is not None:
        own["device"] = torch.device("cpu")
    if own.get("pin_memory"):
        own["pin_memory"] = False
    out = func(*tree_map(_held, args), **tree_map(_held, own))
    if there:
        out = tree_map(lambda x: OnCuda(x) if isinstance(x, Tensor) and not isinstance(x, OnCuda) else x, out)
    if not wrapped:
        return out
    try:
        return return_and_correct_aliasing(func, args, kwargs, out)
    except Exception:  # operations of several outputs written in place
        written = [
            args[i] if i < len(args) else kwargs.get(argument.name)
            for i, argument in enumerate(func._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        return out if not written else written[0] if len(written) == 1 else tuple(written)


def _compare(name: str, args: Any, tensors: list[Tensor]) -> None:
    here = [x for x in tensors if not isinstance(x, OnCuda)]
    if name in INDEXING:
        values = args[2:3] if len(args) > 2 and isinstance(args[2], Tensor) else ()
        wrong = not isinstance(args[0], OnCuda) or any(not isinstance(v, OnCuda) and v.dim() for v in values)
    else:
        wrong = any(x.dim() for x in here) or name in STRICT
    if wrong:
        shapes = ", ".join(f"{'cuda' if isinstance(x, OnCuda) else 'cpu'}{tuple(x.shape)}" for x in tensors)
        _mistake(f"{name}: {shapes}")


def _mistake(what: str) -> None:
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(ROOT) and "/.venv/" not in file and file != __file__:
            mistakes[f"{file.removeprefix(ROOT + '/')}:{frame.f_lineno}: {what}"] += 1
            return
        frame = frame.f_back
    mistakes[what] += 1


def _held(x: Any) -> Any:
    return x.held if isinstance(x, OnCuda) else x


def _names_cuda(device: Any) -> bool:
    return isinstance(device, str | torch.device) and str(device).startswith("cuda")


@contextlib.contextmanager
def pretend() -> Iterator[None]:
    """Until the process ends there is a CUDA device; within, it can be used."""
    import warp as wp

    _setup_privateuseone_for_python_backend(OWN)
    torch.Generator = Generator  # type: ignore[misc]
    torch.inference_mode = lambda mode=True: torch.no_grad() if mode is True else torch.no_grad()(mode)  # type: ignore[misc]
    cuda: Any = torch.cuda
    for name, value in {
        "is_available": True,
        "device_count": 1,
        "get_device_name": "pretended",
        "current_device": 0,
    }.items():
        setattr(cuda, name, lambda *_, value=value: value)
    for name in ("_lazy_init", "init", "synchronize", "set_device", "manual_seed", "manual_seed_all", "empty_cache"):
        setattr(cuda, name, lambda *_: None)
    cuda.is_initialized = lambda: False
    cuda.get_rng_state_all, cuda.set_rng_state_all = lambda: [torch.zeros(16, dtype=torch.uint8)], lambda state: None
    cuda.mem_get_info = lambda *_: (100 << 30, 140 << 30)
    save = torch.save
    torch.save = lambda obj, file, *a, **k: save(_unwrapped(obj), file, *a, **k)
    wp.config.log_level = wp.LOG_WARNING
    wp.init()
    from_torch, to_torch = wp.from_torch, wp.to_torch
    wp.from_torch = lambda x, *a, **k: from_torch(_held(x), *a, **k)
    wp.to_torch = lambda x, *a, **k: OnCuda(to_torch(x, *a, **k))
    wp.device_from_torch = lambda device: wp.get_device("cpu")
    with _Functions(), _Dispatch():
        yield


def _unwrapped(x: Any) -> Any:
    if isinstance(x, OnCuda):
        return x.held.clone()
    if isinstance(x, dict):
        return type(x)((key, _unwrapped(value)) for key, value in x.items())
    return type(x)(_unwrapped(value) for value in x) if isinstance(x, list | tuple) else x


#: What a preset needs to be small, by what it has in its settings.
SHORT = ["train.params.config.horizon_length=4"]
SEQUENCE = ["sequence.width=16", "sequence.layers=1", "sequence.heads=2", "sequence.context=4", *SHORT]
REPLAY = [f"train.params.config.{item}" for item in ("batch_size=64", "replay_buffer_size=6000", "warmup_steps=8")] + [
    "num_envs=16"
]
SMALL = {
    **dict.fromkeys(("MTSAC", "ARS", "FastTD3"), REPLAY),
    **dict.fromkeys(("MTDT", "PromptDT"), SEQUENCE),
    "MTBC": SHORT,
    "HarmoDT": [*SEQUENCE, "harmony.interval=2", "harmony.exchanged=0.5"],
    "MTGRPO": ["num_envs=32", "train.params.config.group_size=4", "train.params.config.same_start=true"],
}


def train_and_restore(directory: Path, train: str, *overrides: str) -> None:
    """Two epochs of an agent on the toy environment with an evaluation, and one more of another from its checkpoint."""
    from mtbench.composing import composed
    from tests.learning.conftest import build_agent
    from tests.learning.demonstrations import record

    options = [f"train={train}", *SMALL.get(train, []), *overrides, "sim_device=cuda:0", "rl_device=cuda:0"]
    if "data" in composed("task=MT10", f"train={train}").train.params.config:
        options.append(f"data={record(directory / 'data').path}")
    build_agent(directory, *options, "max_iterations=2", "eval_goals=1", evaluate=True).train()
    again = build_agent(directory, *options, "max_iterations=3", name="again")
    again.restore(str(directory / "run" / "nn" / "last.pth"))
    again.train()


def step(task: str) -> None:
    """An environment of each task: reset, three steps, and its state read and written."""
    import isaacgymenvs_tasks
    from isaacgymenvs_tasks import recording

    recording.Recorder.run = lambda self, part, carriers: part()  # type: ignore[method-assign]  # nothing to capture with
    tasks = len(isaacgymenvs_tasks.configure(task)["env"].get("tasks", [0]))
    env = isaacgymenvs_tasks.make(task, max(tasks, 2), 0, sim_device="cuda:0", rl_device="cuda:0")
    env.reset()
    for _ in range(3):
        env.step(2.0 * torch.rand(env.num_envs, env.num_actions, device="cuda") - 1.0)
    env.set_env_state(env.get_env_state())
    env.close()


def evaluate() -> None:
    """A policy on the GPU in environments on the CPU, where a machine has a GPU and no MuJoCo Warp."""
    import isaacgymenvs_tasks
    from mtbench.learning.evaluate import Evaluator
    from mtbench.learning.player import load_policy, mean_policy

    names, model = load_policy(f"{ROOT}/assets/mt10/nn/policy.pth")
    model.to("cuda:0")
    devices = {"sim_device": "cpu", "rl_device": "cuda:0"}
    evaluator = Evaluator(lambda n: isaacgymenvs_tasks.make("MT10", n, 1, **devices), len(names), 1, 2)
    evaluator(model)
    mean_policy(model)(evaluator._env)


def main(arguments: list[str]) -> int:
    """Try each argument, a task or a preset with its overrides; 1 if anything was on the wrong device."""
    from mtbench.resources import CFG

    with pretend():
        for argument in arguments:
            if argument == "evaluate":
                evaluate()
                continue
            if (CFG / "task" / f"{argument}.yaml").exists():
                step(argument)
                continue
            train, *overrides = argument.split(",")
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
                train_and_restore(Path(folder), train, *overrides)
    for what, count in mistakes.most_common():
        print(f"{count:6d} times  {what}")
    return bool(mistakes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
