"""Where configuration and assets are found: in a checkout, in a wheel, and by the names that users type."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

from mtbench import resources

ROOT = Path(__file__).resolve().parents[1]


def test_a_checkout_has_them_beside_the_package() -> None:
    assert (resources.CFG, resources.ASSETS) == (ROOT / "cfg", ROOT / "assets")


def test_a_wheel_has_them_inside(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "mtbench"
    (package / "cfg").mkdir(parents=True)
    (tmp_path / "site-packages" / "cfg").mkdir()  # of somebody else
    shutil.copy(ROOT / "mtbench" / "resources.py", package)
    found = runpy.run_path(str(package / "resources.py"))
    assert (found["CFG"], found["ASSETS"]) == (package / "cfg", package / "assets")


def test_a_file_is_the_users_first_and_then_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "assets/go1/walking.pth"
    assert resources.locate(name) == ROOT / name
    assert resources.locate("nowhere.pth") == Path("nowhere.pth")
    (tmp_path / "assets" / "go1").mkdir(parents=True)
    (tmp_path / name).touch()
    assert resources.locate(name) == Path(name)
