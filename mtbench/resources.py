"""Where the configuration and the assets lie: beside this package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_HOME = _PACKAGE if (_PACKAGE / "cfg").is_dir() else _PACKAGE.parent

CFG = _HOME / "cfg"  #: Hydra's configuration
ASSETS = _HOME / "assets"  #: robots, scenes, embeddings and small trained policies


def locate(path: str | Path) -> Path:
    """A file as the user names it: from the working folder or, where there is none, one of ours (``assets/go1/...``)."""
    named = Path(path)
    ours = _HOME / named
    return ours if not named.exists() and ours.is_file() else named
