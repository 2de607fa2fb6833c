"""Recording parts of a step as CUDA graphs.

A step of fifty tasks is two thousand small operations, and launching one takes longer than running it. A CUDA graph launches
all of them at once, but replays addresses, not Python: what a part leaves in attributes must be at the same address every
time. :class:`Recorder` sees to that, so a task is written as usual and assigns new tensors to its attributes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

#: Calls that run as they are before a part is recorded, so that caches fill and libraries load.
WARM_UP = 3


class Graph(Protocol):
    """What is recorded inside ``record`` runs again with ``replay``; recording alone runs nothing."""

    def rehearse(self) -> AbstractContextManager[list[str]]:
        """What is inside runs as it is; the list is then of what in it made the host wait, which cannot be recorded."""

    def record(self) -> AbstractContextManager[Any]: ...
    def replay(self) -> None: ...


@contextmanager
def watch_waits() -> Iterator[list[str]]:
    """What is inside runs as it is; the list is then of what in it made the host wait for the GPU, each once for every time:
    ``file.py:line: what PyTorch says``."""
    waits: list[str] = []
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield waits
    finally:
        torch.cuda.set_sync_debug_mode(before)
    for warning in caught:
        if "called a synchronizing" in str(warning.message):  # and not that the mode is a prototype
            waits.append(f"{Path(warning.filename).name}:{warning.lineno}: {warning.message}".splitlines()[0])


class CudaGraph:
    """A CUDA graph, on the device of ``generator``, from which it draws."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        with torch.cuda.device(generator.device):
            self._graph = torch.cuda.CUDAGraph()
            self._stream = torch.cuda.Stream()
        self._graph.register_generator_state(generator)

    def rehearse(self) -> AbstractContextManager[list[str]]:
        return watch_waits()

    @contextmanager
    def record(self) -> Iterator[None]:
        state = self._generator.get_state()
        with torch.cuda.device(self._generator.device):
            torch.cuda.synchronize()
            stream = torch.cuda.current_stream()
            try:
                # Other threads may go on using the device meanwhile.
                with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                    yield
            except BaseException:
                # A capture that fails leaves its stream the current one and the generator waiting for the end of it.
                torch.cuda.set_stream(stream)
                fresh = torch.Generator(device=self._generator.device)
                fresh.set_state(state)
                self._generator.graphsafe_set_state(fresh)
                raise

    def replay(self) -> None:
        self._graph.replay()


class Recorder:
    """Runs parts of a step by name; from the fourth call on as recorded graphs.

    A part must not wait for the device, branch on values in tensors, or keep anything but tensors and tuples of tensors in
    attributes of its carriers. Where recording fails, the parts go on running as they are, and a warning says why.
    """

    def __init__(self, make_graph: Callable[[], Graph]) -> None:
        self._make_graph = make_graph
        self._calls: dict[str, int] = {}
        self._graphs: dict[str, Graph] = {}
        self._pinned: dict[str, dict[tuple[int, str], Any]] = {}
        self.failed = ""

    def run(self, part: Callable[[], None], carriers: Sequence[Any]) -> None:
        """Run ``part``, whose results are attributes of ``carriers``."""
        name = part.__name__
        self._calls[name] = self._calls.get(name, 0) + 1
        if self.failed or self._calls[name] < WARM_UP:
            part()
            return
        if self._calls[name] == WARM_UP:  # to find out here leaves nothing behind, as a failed recording would
            with self._make_graph().rehearse() as waits:
                part()
            if waits:
                self._give_up(name, f"it waits for the device, in {waits[0]}")
            return
        if name not in self._graphs:
            try:
                self._record(name, part, carriers)
            except Exception as error:  # a step that cannot be recorded still runs
                self._give_up(name, str(error).splitlines()[0] if str(error) else type(error).__name__)
                part()
                return
        else:
            self._bring_back(name, carriers)
        self._graphs[name].replay()

    def _give_up(self, name: str, reason: str) -> None:
        """All parts run as they are from now on."""
        self.failed = reason
        warnings.warn(f"{name} runs without a CUDA graph: {reason}", stacklevel=3)

    def _record(self, name: str, part: Callable[[], None], carriers: Sequence[Any]) -> None:
        graph = self._make_graph()
        before = _tensors(carriers)
        try:
            with graph.record():
                part()
                changed = [
                    (old, new)
                    for key, old in before.items()
                    for old, new in zip(_each(old), _each(_tensors(carriers)[key]), strict=True)
                    if old is not new
                ]
                _assign(changed)
        finally:
            _bind(carriers, before)
        self._graphs[name] = graph
        self._pinned[name] = _tensors(carriers)

    def _bring_back(self, name: str, carriers: Sequence[Any]) -> None:
        """Attributes that were assigned outside of the recorded parts go where the graph reads them."""
        pinned, now = self._pinned[name], _tensors(carriers)
        moved = {key: value for key, value in pinned.items() if key in now and now[key] is not value}
        _assign(
            [
                (old, new)
                for key, value in moved.items()
                for old, new in zip(_each(value), _each(now[key]), strict=True)
                if old is not new
            ]
        )
        _bind(carriers, moved)


def _assign(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Copy the second of each pair into the first, all at once: it may be the first of another pair."""
    values = [new.clone() for _, new in pairs]
    for (old, _), value in zip(pairs, values, strict=True):
        old.copy_(value)


def _tensors(carriers: Sequence[Any]) -> dict[tuple[int, str], Any]:
    """Attributes that are tensors or tuples of tensors, by carrier and name."""
    return {
        (k, name): value
        for k, carrier in enumerate(carriers)
        for name, value in vars(carrier).items()
        if isinstance(value, Tensor) or (isinstance(value, tuple) and value and isinstance(value[0], Tensor))
    }


def _each(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _bind(carriers: Sequence[Any], values: dict[tuple[int, str], Any]) -> None:
    for (k, name), value in values.items():
        setattr(carriers[k], name, value)
