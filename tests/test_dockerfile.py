"""The Dockerfile cannot be built in a test; what it copies and installs has to be there."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "Dockerfile").read_text()


def test_what_it_copies_exists_and_is_sent() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--from)(.*)$", TEXT, re.M) for name in line.split()[:-1]]
    ignored = [line.strip("/") for line in (ROOT / ".dockerignore").read_text().split() if not line.startswith("#")]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert not any(fnmatch(name, pattern) for pattern in ignored), name


def test_it_copies_what_the_package_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {"pyproject.toml", "setup.py", project["readme"], *project["license-files"], "cfg", "assets"}
    needed |= {"mtbench", "isaacgymenvs_tasks"}
    assert needed <= set(re.sub(r"^COPY (?!--from)", "", TEXT, flags=re.M).split())


def test_it_installs_extras_and_starts_a_command_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"'\.\[(.*)\]'", TEXT)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (entry,) = re.findall(r'^ENTRYPOINT \["(.*)"\]$', TEXT, re.M)
    assert entry in project["scripts"]
    names = {re.split(r"[\[<>=]", item)[0] for item in project["dependencies"]}
    names |= {re.split(r"[\[<>=]", item)[0] for item in project["optional-dependencies"]["gpu"]}
    (first,) = re.findall(r"constraints\.txt ((?:[a-z-]+ ?)+)$", TEXT, re.M)  # a layer of what is large
    assert set(first.split()) <= names
