"""TensorBoard events that are on disk when they are said to be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.event_file_writer import EventsWriter


class EventWriter(SummaryWriter):
    """tensorboardX's writer without its thread.

    The thread has two faults for a run that may end at any moment: ``flush`` does not wait for what is in its queue, and
    once it dies of a full disk, ``add_scalar`` waits for it for ever. Here an event is written by who adds it.

    Args:
        folder: of the event files; each process adds one.
        purge_step: events of earlier files from this step on are dropped by TensorBoard.

    Raises:
        OSError: of this and of every call that writes.
    """

    def __init__(self, folder: Path, purge_step: int | None) -> None:
        super().__init__(str(folder), purge_step=purge_step, filename_suffix=f".{os.getpid()}")
        queued = self.file_writer.event_writer
        queued._worker.stop()  # it has written what there was, and leaves its file open
        self.file_writer.event_writer = _AtOnce(queued._ev_writer, queued.get_logdir())

    def close(self) -> None:
        """Only once: tensorboardX calls it again when the process ends, also where the first time failed."""
        try:
            super().close()
        finally:
            self.all_writers = None


class _AtOnce:
    """tensorboardX's ``EventFileWriter`` as its ``FileWriter`` uses it."""

    def __init__(self, events: EventsWriter, logdir: str) -> None:
        self._events: EventsWriter | None = events
        self._logdir = logdir

    def get_logdir(self) -> str:
        return self._logdir

    def add_event(self, event: Any) -> None:
        if self._events is not None:
            self._events.write_event(event)

    def flush(self) -> None:
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            events.close()
