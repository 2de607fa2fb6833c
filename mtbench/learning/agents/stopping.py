"""Stopping a run at a signal."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StopRequest(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived."""


class Stopping:
    """Lets SIGINT and SIGTERM stop a run at its next step.

    Args:
        at_once: whether a second signal acts at once; not where several ranks are to stop together.

    Attributes:
        signal: name of the one that came; empty: none has.
    """

    def __init__(self, at_once: bool) -> None:
        self.at_once, self.signal = at_once, ""
        self._previous: dict[signal.Signals, Any] = {}

    def catch(self) -> None:
        """From now on; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)

    def release(self) -> None:
        """Put the old handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise :class:`StopRequest` if a signal came."""
        if self.signal:
            raise StopRequest

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number).name
        if self.at_once:
            self.release()
