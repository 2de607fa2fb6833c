"""One bad run among good ones: it is left out with a sentence, and the report of the others is what it was without it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mtbench.learning.errors import UserError
from mtbench.report import runs, statistics
from mtbench.report.metrics import read_table
from mtbench.report.report import report
from tests.learning.conftest import configure
from tests.report.test_report import write_run


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Damage a run: another text in one of its files."""

    def damage(run: Path) -> None:
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new, 1))

    return damage


def content(name: str, data: bytes) -> Callable[[Path], None]:
    """Damage a run: a file of its that holds something else."""
    return lambda run: (run / name).write_bytes(data) and None


def cell(row: int, column: int, value: str) -> Callable[[Path], None]:
    """Damage a run: another value in its table."""

    def damage(run: Path) -> None:
        lines = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
        lines[row][column] = value
        (run / "metrics.csv").write_text("\n".join(map(",".join, lines)) + "\n")

    return damage


def folder(name: str) -> Callable[[Path], None]:
    """Damage a run: a folder where a file should be."""

    def damage(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return damage


def repeat(row: int) -> Callable[[Path], None]:
    """Damage a run: a row that is there twice."""

    def damage(run: Path) -> None:
        lines = (run / "metrics.csv").read_text().splitlines()
        (run / "metrics.csv").write_text("\n".join([*lines[: row + 1], *lines[row:]]) + "\n")

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "success of 3700 %": (cell(3, 3, "37.0"), "success/a 37, and a success rate lies between 0 and 1"),
    "a little above 1": (cell(3, 4, "1.01"), "success/b 1.01, and"),
    "negative success": (cell(3, 5, "-0.1"), "success/c -0.1, and"),
    "mean success of 2": (cell(3, 2, "2"), "mean_success 2, and"),
    "success is not a number": (cell(3, 3, "nan"), "success/a nan, which is not a finite number"),
    "success is infinite": (cell(3, 3, "inf"), "success/a inf, which is not"),
    "return is infinite": (cell(3, 6, "-inf"), "return/a -inf, which is not"),
    "frames go back": (cell(3, 0, "1500"), "goes back: frames 1,500 comes after 2,000"),
    "two rows for the same frames": (cell(3, 0, "2000"), "two rows for 2,000 frames"),
    "a row twice": (repeat(4), "two rows for 4,000 frames"),
    "negative frames": (cell(1, 0, "-1000"), "frames -1000, which is negative"),
    "half a frame": (cell(1, 0, "1000.5"), "which is not a whole number"),
    "infinite frames": (cell(8, 0, "inf"), "frames inf, which is not"),
    "negative wall clock": (cell(1, 1, "-2"), "wall_clock -2, which is negative"),
    "the clock goes back": (cell(4, 1, "0.5"), "goes back: wall_clock 0.5 comes after 6"),
    "an empty table": (content("metrics.csv", b""), "metrics.csv is empty"),
    "only newlines": (content("metrics.csv", b"\n\n"), "metrics.csv is empty"),
    "binary junk": (content("metrics.csv", bytes(range(256))), "not text in UTF-8"),
    "zeros of a crash": (content("metrics.csv", bytes(1000)), "zero bytes"),
    "UTF-16": (content("metrics.csv", "frames,wall_clock,success/a\n1,1,1\n".encode("utf-16")), "not text in UTF-8"),
    "Latin-1": (content("metrics.csv", "frames,wall_clock,success/ä\n1,1,1\n".encode("latin-1")), "not text in UTF-8"),
    "a header alone": (content("metrics.csv", b"frames,wall_clock,success/a\n"), "no evaluations yet"),
    "no row that is whole": (content("metrics.csv", b"frames,wall_clock,success/a\nx,y,z\n"), "1 incomplete row"),
    "no tasks": (content("metrics.csv", b"frames,wall_clock\n1,1\n"), "no columns"),
    "a column twice": (replace("metrics.csv", "success/b", "success/a"), "the column success/a twice"),
    "the table is a folder": (folder("metrics.csv"), "metrics.csv is a folder"),
    "no configuration": (lambda run: (run / "config.yaml").unlink(), "config.yaml is missing"),
    "the configuration is binary": (content("config.yaml", bytes(range(128, 256))), "not YAML that can be read"),
    "not YAML": (content("config.yaml", b"a: [1\nb: {"), "not YAML that can be read"),
    "a tag of Python": (content("config.yaml", b"a: !!python/object/apply:os.getcwd []"), "not YAML that can be read"),
    "a list": (content("config.yaml", b"- 1\n- 2\n"), "holds no settings"),
    "a word": (content("config.yaml", b"word"), "config.yaml"),
    "an empty configuration": (content("config.yaml", b""), "holds no settings"),
    "the configuration is a folder": (folder("config.yaml"), "directory"),
    "no seed": (replace("config.yaml", '"seed": 7', '"seed": null'), "seed in config.yaml is None"),
    "a seed in words": (replace("config.yaml", '"seed": 7', '"seed": "seven"'), "seed in config.yaml is 'seven'"),
    "the record is not JSON": (content("run.json", b"{"), "run.json is damaged"),
    "the record is a list": (content("run.json", b"[1]"), "run.json is damaged"),
    "the record is binary": (content("run.json", bytes(range(128, 256))), "run.json is damaged"),
    "the record is a folder": (folder("run.json"), "directory"),
    "a record of the future": (content("run.json", b'{"schema": 99}'), "schema 99"),
    "negative frames in the record": (content("run.json", b'{"schema": 1, "frames": -1}'), "run.json has -1 frames"),
    "no sessions": (content("run.json", b'{"schema": 1, "sessions": 3}'), "does not list"),
}
ODDITIES: dict[str, dict[str, Any]] = {
    "mathematics": {"train_name": "$x^{"},
    "a long name": {"train_name": "x" * 250},
    "a long task set": {"task": {"name": "y" * 250}},
    "a name of a table": {"train_name": "a|b\nc"},
    "markup": {"train_name": "<script>alert(1)</script>"},
    "a list for a name": {"train_name": [1, 2]},
    "a list of goals": {"eval_goals": [1, 2]},
    "an interpolation of nothing": {"train_name": "${nowhere}"},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_left_out_with_a_reason(damage: str, tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path, "A", seed)
    bad = write_run(tmp_path, "B", 7)
    spoil, words = DAMAGES[damage]
    spoil(bad)
    good, problems = runs.read_runs([tmp_path])
    assert [run.seed for run in good] == [1, 2]
    (sentence,) = problems
    assert sentence.startswith(str(bad)) and words in sentence and sentence.count("\n") == 0


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Any:
    """The intervals are not looked at here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "REPETITIONS", 50)
        yield


def test_the_report_of_the_others_is_as_without_it(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / "runs", "A", seed)
    report([tmp_path / "runs"], tmp_path / "before")
    for number, (spoil, _) in enumerate(DAMAGES.values()):
        spoil(write_run(tmp_path / "runs" / str(number), "B", 7))
    said = report([tmp_path / "runs"], tmp_path / "after")
    assert sum("left out." in sentence for sentence in said) >= len(DAMAGES)
    for name in ("t3_aggregates.csv", "t3_tasks.csv", "t3_curves.csv"):
        assert (tmp_path / "after" / name).read_bytes() == (tmp_path / "before" / name).read_bytes()


def test_odd_names_and_settings_are_reported(tmp_path: Path) -> None:
    for number, odd in enumerate(ODDITIES.values()):
        write_run(tmp_path / "runs" / str(number), "A", 1, **odd)
    record = {"schema": 1, "status": "complete", "frames": 8000, "sessions": [{"git": None, "cpu": None}]}
    (write_run(tmp_path / "runs", "A", 2) / "run.json").write_text(json.dumps(record))
    assert not [s for s in report([tmp_path / "runs"], tmp_path / "out") if "left out." in s]
    table = pandas.read_csv(tmp_path / "out" / "runs.csv")
    assert len(table) == len(ODDITIES) + 1 and "<script>" not in (tmp_path / "out" / "report.html").read_text()


def test_nested_runs_are_found_once(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "study" / "deep", "A", 1)
    outer = write_run(tmp_path / "runs", "A", 2)
    write_run(outer, "A", 3)  # experiment=A and experiment=A/B
    (tmp_path / "runs" / "circle").symlink_to(tmp_path / "runs")
    (tmp_path / "linked").symlink_to(outer)
    good, problems = runs.read_runs([tmp_path / "runs", outer, tmp_path / "linked"])
    assert sorted(run.seed for run in good) == [1, 2, 3] and not problems


@pytest.mark.parametrize("name", ["metrics.csv", "config.yaml", "run.json"])
def test_what_may_not_be_read_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, "A", 1)
    closed = write_run(tmp_path, "B", 7)
    (closed / "run.json").write_text('{"schema": 1}')
    opened = Path.open

    def refusing(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path == closed / name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    (closed / name).chmod(0)
    if os.access(closed / name, os.R_OK):  # the administrator may read everything
        monkeypatch.setattr(Path, "open", refusing)
        monkeypatch.setattr(
            "omegaconf.OmegaConf.load", lambda path: refusing(path) and OmegaConf.create(path.read_text())
        )
    good, problems = runs.read_runs([tmp_path])
    assert [run.seed for run in good] == [1] and len(problems) == 1 and "Permission denied" in problems[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_whatever_is_in_a_table_gives_numbers_that_can_be_or_a_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    for head in (b"", b"frames,wall_clock,success/a\n"):
        path.write_bytes(head + data)
        try:
            table, _ = read_table(path)
        except UserError as error:
            assert "metrics.csv" in str(error)
            continue
        assert all(np.isfinite(column).all() and (column >= 0).all() for column in table.values())
        assert (np.diff(table["frames"]) > 0).all() and (table["success/a"] <= 1 + 1e-6).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    position=st.integers(0, 10**6),
    byte=st.integers(0, 255),
    name=st.sampled_from(["metrics.csv", "config.yaml", "run.json"]),
)
def test_a_byte_that_changed_never_stops_the_others(
    position: int, byte: int, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("byte")
    write_run(folder, "A", 1)
    bad = write_run(folder, "B", 7)
    (bad / "run.json").write_text('{"schema": 1, "status": "stopped", "frames": 5, "sessions": [{"cpu": "x"}]}')
    data = bytearray((bad / name).read_bytes())
    data[position % len(data)] = byte
    (bad / name).write_bytes(data)
    good, _ = runs.read_runs([folder])
    parts, _ = runs.sections(good)
    assert 1 in {run.seed for part in parts for members in part.schemes.values() for run in members}


def parkour(tmp_path: Path, task: str, seed: int, success: float, *overrides: str) -> None:
    """A run on one of the sets of terrains, as train.py configures it."""
    config = configure(tmp_path, f"task={task}", "task.factory=isaacgymenvs_tasks:make", f"seed={seed}", *overrides)
    tasks = config["task"]["env"]["tasks"]
    run = tmp_path / "runs" / f"{task}_{seed}_{len(overrides)}"
    run.mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(config), run / "config.yaml")
    lines = [",".join(["frames", "wall_clock", "mean_success", *(f"success/{task}" for task in tasks)])]
    lines += [",".join(map(str, [1000 * k, k, success, *[success] * len(tasks)])) for k in (1, 2)]
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")


def test_the_same_tasks_of_other_benchmarks_or_with_other_settings_are_apart(tmp_path: Path) -> None:
    for number, (task, success) in enumerate({"ParkourEasy": 0.9, "ParkourHard": 0.1, "ParkourHardCL": 0.5}.items()):
        parkour(tmp_path, task, number, success)
    parkour(tmp_path, "ParkourEasy", 1, 0.3, "task.env.reward.yaw=0.5")
    parkour(tmp_path, "ParkourEasy", 1, 0.2, "task.env.pushSpeed=0.1", "num_envs=30")
    parkour(tmp_path, "ParkourEasy", 2, 0.7, "task.sim.num_threads=7", "num_envs=60", "save_interval=3")
    good, problems = runs.read_runs([tmp_path / "runs"])
    parts, notes = runs.sections(good)
    found = {part.title: sorted(float(m.success[-1, 0]) for ms in part.schemes.values() for m in ms) for part in parts}
    assert not problems and found["ParkourHard"] == [0.1] and found["ParkourHardCL"] == [0.5]
    assert len(parts) == 5 and sorted(len(part.schemes) for part in parts) == [
        1,
        1,
        1,
        1,
        2,
    ]  # 30 and more environments
    assert any("env.reward.yaw" in note for note in notes) and any("pushSpeed 0.1" in note for note in notes)


@pytest.mark.parametrize(
    "override",
    [
        "actor.units=[16]",
        "network=moore",
        "train.params.config.gamma=0.9",
        "balancing.critic=cagrad",
        "schedule.mini_epochs=3",
    ],
)
def test_other_networks_and_algorithms_are_other_schemes(override: str, tmp_path: Path) -> None:
    for seed, more in ((1, ()), (2, (override,))):
        config = configure(tmp_path, f"seed={seed}", *more)
        run = write_run(tmp_path / "runs", "A", seed)
        OmegaConf.save(OmegaConf.create(config), run / "config.yaml")
    parts, _ = runs.sections(runs.read_runs([tmp_path / "runs"])[0])
    assert len(parts) == 1 and len(parts[0].schemes) == 2
