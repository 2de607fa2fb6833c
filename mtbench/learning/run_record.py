"""``run.json``: what became of a run, with which code and on which machine.

Beside ``config.yaml`` and ``metrics.csv``; ``pandas.read_json("runs/NAME/run.json", typ="series")`` reads it. Fields:

- ``schema``: version of this layout, :data:`SCHEMA`.
- ``name``, ``status`` (``running``, ``stopped``: can be continued, ``complete``, ``failed``), ``error``: why it
  stopped or failed.
- ``frames``, ``epochs``: learned so far. A run that was killed keeps the status ``running``.
- ``sessions``: one entry a process that worked on the run, oldest first: ``started``, ``ended`` (UTC), ``status``, ``error``,
  ``overrides`` (as typed), ``version``, ``git`` (commit, with ``+changes``; empty outside a checkout), versions of Python and
  of the packages that decide results, ``system``, ``cpu``, ``cpus``, ``gpu``, ``host``, ``pid``.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import socket
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

import mtbench
from mtbench.learning.errors import UserError
from mtbench.learning.files import write_atomically

SCHEMA = 1
FILE, LOCK = "run.json", ".lock"
PACKAGES = ("torch", "mujoco", "rl-games", "numpy")


class RunRecord:
    """Writes ``run.json`` of one run, always a whole file at once, and holds the run's lock meanwhile.

    The lock is the system's, on the file ``.lock``: it goes when the process does, however that ends.

    Args:
        directory: of the run; it is made by :meth:`begin`.
        overrides: what the user typed.
    """

    def __init__(self, directory: Path, overrides: Sequence[str]) -> None:
        self.directory, self.overrides = directory, list(overrides)
        self._content: dict[str, Any] = {}
        self._lock = FileLock(directory / LOCK)

    def claim(self) -> None:
        """Make sure that nobody else writes the run, if it exists; :meth:`begin` does so in any case.

        Raises:
            UserError: another process writes it.
        """
        if not self.directory.is_dir():
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            last = (read(self.directory) or {}).get("sessions", [{}])[-1]
            who = f" {last['pid']} on {last['host']}" if last else ""
            raise UserError(
                f"run '{self.directory.name}' is being written by process{who}; stop that one first"
            ) from error

    def begin(self, fresh: bool) -> None:
        """Add a session.

        Args:
            fresh: the run starts at frame 0; results of an earlier start in the same folder are kept under another name.

        Raises:
            UserError: another process is writing the run.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.claim()
        for leftover in (
            *self.directory.glob(".*.tmp"),
            *self.directory.glob("nn/.*.tmp"),
        ):  # of a process that was killed
            leftover.unlink()
        self._content = read(self.directory) or {"schema": SCHEMA, "name": self.directory.name, "sessions": []}
        if fresh:
            keep(self.directory / "metrics.csv")
            self._content |= {"frames": 0, "epochs": 0}
        self._content["sessions"].append({"started": _now(), "ended": None, "overrides": self.overrides, **_here()})
        self._write("running")

    def progress(self, frames: int, epochs: int) -> None:
        """Note how far the run is."""
        self._content |= {"frames": frames, "epochs": epochs}
        self._write("running")

    def end(self, status: str, error: str = "") -> None:
        """Close the session with ``complete``, ``stopped`` or ``failed``, where one was begun, and let go of the run."""
        try:
            if self._content:
                self._content["sessions"][-1]["ended"] = _now()
                self._write(status, error)
        finally:
            self._lock.release(force=True)  # claimed twice

    def _write(self, status: str, error: str = "") -> None:
        self._content |= {"status": status, "error": error}
        self._content["sessions"][-1] |= {"status": status, "error": error}
        text = json.dumps(self._content, indent=1) + "\n"
        write_atomically(self.directory / FILE, lambda file: file.write(text.encode()))


def read(directory: Path) -> dict[str, Any] | None:
    """The content of a run's ``run.json``; None where there is none (runs before it existed).

    Raises:
        UserError: the file is damaged, or of a newer version.
    """
    path = directory / FILE
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        schema = int(content["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    if schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this version of mtbench reads up to {SCHEMA}; update mtbench")
    return content


def save_config(config: dict[str, Any], path: Path) -> list[str]:
    """Write the resolved configuration; one that differs from it is kept under another name (see :func:`keep`).

    Returns:
        What differs, a line a setting, but for ``checkpoint``, which is how a run is continued, and the environment's copy.
    """
    text = OmegaConf.to_yaml(OmegaConf.create(config)).encode()
    if not path.exists():
        write_atomically(path, lambda file: file.write(text))
        return []
    old = path.read_bytes()
    if old == text:
        return []
    write_atomically(_free(path), lambda file: file.write(old))
    write_atomically(path, lambda file: file.write(text))
    try:
        before, now = (dict(flatten(OmegaConf.to_container(OmegaConf.create(yaml.decode())))) for yaml in (old, text))
    except Exception:  # of the YAML parser, of OmegaConf, or of decoding: there is nothing to compare with
        return []
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    copies = "checkpoint", "train.params.config.env_config."
    return [f"{key}: {before.get(key)} -> {now.get(key)}" for key in keys if not key.startswith(copies)]


def flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as pairs of a dotted name and a value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def keep(path: Path) -> None:
    """Rename an existing file ``name.ext`` to the first free ``name.1.ext``, ``name.2.ext``, ..."""
    if path.exists():
        path.rename(_free(path))


def _free(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return kept


def _here() -> dict[str, Any]:
    """Code and machine of this process."""
    import torch

    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    return {
        "version": mtbench.__version__,
        "git": _git(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
        "system": platform.platform(),
        "cpu": cpu,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _git() -> str:
    """Commit of the checkout this file lies in, ``+changes`` where tracked files differ; empty outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # not merely some checkout around site-packages
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
