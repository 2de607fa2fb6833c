"""Writing files that a reader never sees half of, also when the disk is full."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

#: what a disk answers when it cannot take more, or not there: full, over quota or limit, read-only, forbidden, failing, gone
STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
STORAGE |= {errno.ESTALE, errno.ENOTDIR, errno.EISDIR}


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write under a temporary name, then rename: a reader sees the old file or the new one, never half of one.

    Raises:
        OSError: the disk does not take it; the old file stays, and nothing of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.tmp")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        fault = _of_the_disk(error)
        if fault is None or fault is error:
            raise
        raise fault from error


def append(path: Path, text: str) -> None:
    """Add whole lines to a file.

    Raises:
        OSError: the disk does not take them; the file is as long as before.
    """
    size = path.stat().st_size
    try:
        with path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.truncate(path, size)
        raise


def _of_the_disk(error: BaseException | None) -> OSError | None:
    """What the system said, where a library hides it: of an archive that was cut short, ``torch.save`` raises a RuntimeError
    about its own position while it handles the OSError."""
    while isinstance(error, Exception) and not isinstance(error, OSError):
        error = error.__context__
    return error if isinstance(error, OSError) else None
