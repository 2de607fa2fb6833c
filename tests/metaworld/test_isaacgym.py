"""``physics_engine=isaacgym``: NVIDIA's package is closed, so tasks are held to its documentation and its stubs.

They run on a double of it (``tests/isaacgym_double``) that has its names and signatures and enforces its rules, and mypy
checks their code against isaacgym-stubs. ``docs/isaacgym.md`` says what that shows and what it does not.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
DOUBLE = ROOT / "tests" / "isaacgym_double"
PAGE = (ROOT / "docs" / "isaacgym.md").read_text()
# Parkour has not been tried with NVIDIA's package, and the Go1 has a free joint and a keyframe.
ASSETS = sorted(p for p in (ROOT / "assets").rglob("*.xml") if p.parent.name != "go1")


def start(*command: str, path: Path | None = DOUBLE, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Python with ``path`` and this repository on PYTHONPATH."""
    folders = os.pathsep.join(str(folder) for folder in (path, ROOT) if folder)
    environment = {**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"}
    command = (sys.executable, *command)
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out


def test_the_double_refuses_what_isaac_gym_refuses() -> None:
    assert finish(start(str(DOUBLE / "violations.py"))) == "[]\n"


@pytest.fixture(scope="module", params=["MT10", pytest.param("MT50", marks=pytest.mark.slow)])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a set of tasks shows on each engine."""
    folder = tmp_path_factory.mktemp("episodes")
    processes = [
        start(str(DOUBLE / "episodes.py"), engine, request.param, "60", "12", str(folder / engine))
        for engine in ("mujoco", "isaacgym")
    ]
    for process in processes:
        finish(process)
    return {engine: torch.load(folder / engine, weights_only=True) for engine in ("mujoco", "isaacgym")}


def test_tasks_keep_the_rules_and_see_the_same(seen: dict[str, dict[str, Any]]) -> None:
    """Resets that are set late and poses that are worked out instead of read give the episodes of MuJoCo."""
    ours, theirs = seen["mujoco"], seen["isaacgym"]
    assert torch.equal(ours["done"], theirs["done"]) and ours["done"].any(1).sum() > 8
    torch.testing.assert_close(theirs["obs"][0], ours["obs"][0], rtol=0, atol=1e-5)
    fresh = ours["done"]
    torch.testing.assert_close(theirs["obs"][1:][fresh], ours["obs"][1:][fresh], rtol=0, atol=1e-5)
    torch.testing.assert_close(theirs["obs"], ours["obs"], rtol=0, atol=1e-4)
    torch.testing.assert_close(theirs["final_obs"], ours["final_obs"], rtol=0, atol=1e-4)
    torch.testing.assert_close(theirs["reward"], ours["reward"], rtol=0, atol=1e-3)


def test_an_evaluation_begins_where_it_began(seen: dict[str, dict[str, Any]]) -> None:
    """Without exact physics, going back to a state repeats its reset."""
    assert seen["mujoco"]["again"] is None
    torch.testing.assert_close(seen["isaacgym"]["again"], seen["isaacgym"]["begun"], rtol=0, atol=0)


def test_calls_are_few_and_known(seen: dict[str, dict[str, Any]]) -> None:
    """The double checks every name and argument as it is called; this is what was called, and how often in a step."""
    calls = seen["isaacgym"]["calls"]
    assert calls["simulate"] == 13 == calls["set_dof_position_target_tensor"] == calls["set_dof_actuation_force_tensor"]
    assert calls["refresh_rigid_body_state_tensor"] == calls["refresh_dof_state_tensor"] == 1 + calls["simulate"]
    assert 0 < calls["set_actor_root_state_tensor_indexed"] == calls["set_dof_state_tensor_indexed"] <= 13
    assert calls["create_env"] == 60 and "get_state" not in calls
    assert all(f"`{name}`" in PAGE for name in calls)


def test_training_resuming_and_evaluating(tmp_path: Path) -> None:
    small = ["task=MT10", "num_envs=10", "schedule.horizon_length=4", "schedule.num_minibatches=2", "actor.units=[16]",
             "critic.units=[16]", "physics_engine=isaacgym", "task.env.episodeLength=6", "experiment=run", "eval_goals=1",
             "sim_device=cpu", "rl_device=cpu"]  # fmt: skip
    train = [str(ROOT / "train.py"), *small]
    out = finish(start(*train, "eval_interval=null", "max_iterations=2", cwd=tmp_path))
    assert "epoch     2" in out
    last = "checkpoint=runs/run/nn/last.pth"
    resumed = start(*train, "eval_interval=null", "max_iterations=3", last, cwd=tmp_path)
    evaluated = start(*train, "test=True", last, cwd=tmp_path)
    out = finish(resumed)
    assert "epoch     3" in out and "epoch     2" not in out
    assert "window_open" in finish(evaluated)


@pytest.mark.parametrize(
    ("package", "overrides", "words"),
    [
        (None, [], "not installed; use mujoco"),
        ("raise RuntimeError('No gym module found for the active version of Python')", [], "Python 3.6 to 3.8 only"),
        ("", [], "add eval_interval=null and evaluate checkpoints with test=True"),
        ("", ["test=True", "capture_video=true"], "film the checkpoint with physics_engine=mujoco"),
    ],
)
def test_what_cannot_work_ends_in_one_sentence(
    package: str | None, overrides: list[str], words: str, tmp_path: Path
) -> None:
    if package is not None:
        (tmp_path / "isaacgym").mkdir()
        (tmp_path / "isaacgym" / "__init__.py").touch()
        (tmp_path / "isaacgym" / "gymapi.py").write_text(package)
    work = tmp_path / "work"
    work.mkdir()
    process = start(str(ROOT / "train.py"), "physics_engine=isaacgym", *overrides, path=tmp_path, cwd=work)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error.count("\n")) == (2, "", 1), error
    assert words in error and not any(work.iterdir())


# -- names and types ---------------------------------------------------------------------------------------------------

WRONG = """
from isaacgym import gymapi, gymtorch
gym = gymapi.acquire_gym()
sim = gym.create_sim(0, -1, gymapi.SIM_PHYSX, gymapi.SimParams())
gym.get_state(sim)
gym.get_actor_index(gym.get_env(sim, 0), 0)
gym.load_asset(sim, "assets", 5)
gymapi.SimParams().sub_steps = 2
"""
CONFIGURATION = """
[mypy]
python_version = 3.11
ignore_missing_imports = True
check_untyped_defs = True
follow_imports = skip
# follows from skipping, which makes this quick: numbers out of torch have no type
disable_error_code = list-item
[mypy-isaacgym.*]
follow_imports = normal
ignore_errors = True
[mypy-numpy.*]
follow_imports = silent
"""
GYMTORCH = """
from torch import Tensor
from isaacgym import gymapi
def wrap_tensor(gym_tensor: gymapi.Tensor) -> Tensor: ...
def unwrap_tensor(torch_tensor: Tensor) -> gymapi.Tensor: ...
"""


def test_task_code_has_the_types_of_isaacgym_stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mypy over the whole task package, with gymapi as the stubs know it."""
    mypy = pytest.importorskip("mypy.api")
    stubs = next(f for f in files("isaacgym-stubs") or [] if f.name == "gymapi.pyi").locate()
    package = tmp_path / "path" / "isaacgym"
    package.mkdir(parents=True)
    (package / "__init__.pyi").touch()
    # one property of the stubs is called "lambda", which does not parse; and there are none for gymtorch
    (package / "gymapi.pyi").write_text(Path(str(stubs)).read_text().replace("def lambda(", "def lambda_("))
    (package / "gymtorch.pyi").write_text(GYMTORCH)
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    monkeypatch.setenv("MYPYPATH", str(tmp_path / "path"))
    (tmp_path / "wrong.py").write_text(WRONG)
    options = [
        "--config-file",
        str(tmp_path / "mypy.ini"),
        "--cache-dir",
        str(tmp_path / "cache"),
        "--no-error-summary",
    ]
    out, error, _ = mypy.run([*options, str(ROOT / "isaacgymenvs_tasks"), str(tmp_path / "wrong.py")])
    assert not error
    lines = out.splitlines()
    wrong = [line for line in lines if "wrong.py" in line]
    assert [line for line in lines if line not in wrong] == []
    for words in (
        'no attribute "get_state"',
        "Missing positional argument",
        'incompatible type "int"',
        'no attribute "sub_steps"',
    ):
        assert any(words in line for line in wrong), out


def test_gymtorch_is_used_as_it_is() -> None:
    """The stubs do not cover gymtorch, which has these two functions (Isaac Gym documentation, "Tensor API")."""
    for path in (ROOT / "isaacgymenvs_tasks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isaacgym."):
                raise AssertionError(f"{path}: from {node.module}")
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gymtorch":
                assert node.attr in ("wrap_tensor", "unwrap_tensor"), path


# -- assets ------------------------------------------------------------------------------------------------------------

#: What the importer reads, by element; from its published successor (omni.importer.mjcf), because it is closed itself.
READ = {
    "mujoco": {"model"},
    "compiler": {"angle"},
    "default": {"class"},
    "worldbody": set(),
    "body": {"name", "pos", "quat", "euler", "childclass"},
    "inertial": {"pos", "mass", "diaginertia"},
    "joint": {"name", "class", "type", "axis", "pos", "range", "limited", "armature", "damping", "stiffness", "ref"},
    "geom": {"name", "class", "type", "size", "pos", "quat", "euler", "fromto", "rgba", "friction", "density",
             "contype", "conaffinity", "condim", "margin", "solref", "solimp"},
}  # fmt: skip
#: What it passes over; the page says what that means.
PASSED_OVER = {
    "compiler": {"autolimits"},
    "inertial": {"fullinertia"},
    "joint": {"actuatorfrcrange", "springref"},
    "geom": {"mass", "group", "priority"},
}


def elements(asset: Path) -> Iterator[ElementTree.Element]:
    return ElementTree.parse(asset).getroot().iter()


@pytest.mark.parametrize("asset", ASSETS, ids=lambda path: path.stem)
def test_assets_stay_in_what_the_importer_reads(asset: Path) -> None:
    """Primitives only and one body below the world (Isaac Gym documentation, "Assets", "Limitations"); joints with a range
    say that they are limited, which the importer does not conclude."""
    root = ElementTree.parse(asset).getroot()
    assert [child.tag for child in root.findall("worldbody/*")] == ["body"]
    assert len(root.findall("default")) <= 1
    for element in elements(asset):
        assert element.tag in READ, element.tag
        rest = set(element.attrib) - READ[element.tag] - PASSED_OVER.get(element.tag, set())
        assert not rest, f"{element.tag}: {rest}"
        if element.tag == "geom":
            assert element.get("type", "box") in ("box", "capsule", "sphere", "cylinder")
        if element.tag == "joint":
            assert element.get("type", "hinge") in ("hinge", "slide")
            assert ("range" in element.attrib) == (element.get("limited") == "true")


def test_the_page_names_what_is_passed_over() -> None:
    used = {
        f"{e.tag}/{name}"
        for asset in ASSETS
        for e in elements(asset)
        for name in e.attrib
        if name in PASSED_OVER.get(e.tag, ())
    }
    assert used == {f"{tag}/{name}" for tag, names in PASSED_OVER.items() for name in names}
    assert all(f"`{name.split('/')[1]}`" in PAGE for name in used)
