"""The report of runs on disk: what it says, what it leaves out and says so, and that its pictures load."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from mtbench.commands.report import main
from mtbench.learning.errors import UserError
from mtbench.report.report import baselines, report

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "benchmarks" / "results" / "mt10"


def write_run(folder: Path, scheme: str, seed: int, tasks: str = "abc", rows: int = 8, **settings: object) -> Path:
    """A run on disk with success rates of its own."""
    run = folder / f"{scheme}_s{seed}_{tasks}_{len(settings)}"
    run.mkdir(parents=True)
    success = np.random.default_rng(seed).binomial(10, np.linspace(0.1, 0.8, rows)[:, None], (rows, len(tasks))) / 10
    header = ["frames", "wall_clock", "mean_success", *(f"success/{t}" for t in tasks), *(f"return/{t}" for t in tasks)]
    lines = [",".join(header)]
    for i, row in enumerate(success):
        lines.append(",".join(map(str, [1000 * (i + 1), 2.0 * (i + 1), row.mean(), *row, *(10 * row)])))
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    settings = {"seed": seed, "train_name": scheme, "eval_goals": 10, "task": {"name": f"T{len(tasks)}"}} | settings
    (run / "config.yaml").write_text(json.dumps(settings))
    return run


class Images(HTMLParser):
    """Collects what the pictures of a page are loaded from."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.other: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note images, and anything that would be fetched."""
        values = dict(attrs)
        if tag == "img":
            self.sources.append(values["src"] or "")
        self.other += [values[key] or "" for key in ("href", "src") if key in values and tag != "img"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the committed MT10 runs."""
    out = tmp_path_factory.mktemp("report")
    report([REAL], out)
    return out


def test_the_page_carries_every_picture_in_itself(real: Path) -> None:
    page = Images()
    page.feed((real / "report.html").read_text())
    assert not page.other
    assert len(page.sources) == len(list(real.glob("*.png"))) >= 5  # one more where schemes can be compared
    for source in page.sources:
        head, _, data = source.partition(",")
        assert head == "data:image/png;base64"
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data, validate=True))).convert("L"))
        assert pixels.shape[0] > 80 and pixels.shape[1] > 300 and pixels.std() > 5
    markdown = (real / "report.md").read_text()
    assert {name for name in re.findall(r"\]\((\S+\.png)\)", markdown)} == {path.name for path in real.glob("*.png")}


def test_a_browser_loads_every_figure(real: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium or chrome to open the page with")
    script = (
        "<script>addEventListener('load',()=>{const a=[...document.images];document.body.setAttribute('data-loaded',"
        "a.filter(i=>i.complete&&i.naturalWidth>300&&i.getBoundingClientRect().height>50).length+'/'+a.length)})</script>"
    )
    page = tmp_path / "page.html"
    page.write_text((real / "report.html").read_text().replace("</body>", script + "</body>"))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    result = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=60)
    pictures = len(list(real.glob("*.png")))
    assert f'data-loaded="{pictures}/{pictures}"' in result.stdout, result.stderr[-500:]


def test_tables_hold_what_the_runs_hold(real: Path) -> None:
    evaluations = [pandas.read_csv(path) for path in sorted(REAL.glob("TOPPO_s*.csv"))]
    longest = max(run["frames"].iloc[-1] for run in evaluations)
    last = [run.iloc[-1] for run in evaluations if run["frames"].iloc[-1] == longest]  # the others have not ended
    table = pandas.read_csv(real / "mt10_aggregates.csv")
    value = table[(table["scheme"] == "TOPPO") & (table["aggregate"] == "mean")]["success %"].item()
    assert value == pytest.approx(100 * np.mean([row["mean_success"] for row in last]), abs=0.051)
    tasks = pandas.read_csv(real / "mt10_tasks.csv").set_index("task")
    assert tasks.loc["drawer_open", "TOPPO"] == pytest.approx(np.mean([row["success/drawer_open"] for row in last]))
    curve = pandas.read_csv(real / "mt10_curves.csv").query("scheme == 'TOPPO' and axis == 'frames'")
    shortest = min(run["frames"].iloc[-1] for run in evaluations)  # a mean has all runs in it
    there = [run.set_index("frames").loc[shortest, "mean_success"] for run in evaluations]
    assert curve["x"].iloc[-1] == shortest and curve["mean"].iloc[-1] == pytest.approx(np.mean(there), abs=6e-4)


def test_every_convention_names_who_used_it(real: Path) -> None:
    text = (real / "report.md").read_text()
    users = {"A final": "PaCo", "B best": "TOPPO", "C peak": "FairGrad", "D late": "MTBench", "E maximum": "MT-SAC"}
    for convention, paper in users.items():
        line = next(line for line in text.splitlines() if line.startswith(f"- {convention}:"))
        assert paper in line, line


def test_published_results_of_different_robots_are_never_in_one_table(real: Path) -> None:
    for path in real.glob("*_published_*.csv"):
        sources = pandas.read_csv(path)["source"]
        assert sources.str.startswith("MTBench").all() or sources.str.startswith("TOPPO").all()
    rows = [*baselines("mtbench"), *baselines("toppo")]
    assert all(row["environment"] and row["protocol"] and row["table"] and float(row["value"]) >= 0 for row in rows)
    assert {row["setting"] for row in rows if "Franka" in row["environment"]} == {"MT10", "MT50"}


def test_what_is_missing_broken_or_different_is_said(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for seed in (1, 2, 3):
        write_run(runs, "A", seed)
    write_run(runs, "B", 1)
    cut = write_run(runs, "B", 2) / "metrics.csv"
    cut.write_text(cut.read_text()[:-9])
    write_run(runs, "A", 1, tasks="abcd")
    write_run(runs, "A", 1, eval_protocol="mtbench", eval_goals=5)
    write_run(runs, "A", 9, rows=3)
    failed = runs / "C_s1"
    failed.mkdir()
    content = {"schema": 1, "name": "C_s1", "status": "failed", "error": "ValueError: no", "sessions": []}
    (failed / "run.json").write_text(json.dumps(content))
    said = report([runs, tmp_path / "gone"], tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text()
    for words in (
        "gone is missing",
        "metrics.csv is truncated or damaged: 1 incomplete row left out",
        "different tasks",
        "2 protocols",
        "B has no run with seed 3",
        "ended at 3,000 of 8,000 frames",
        "ended at 7,000 of 8,000 frames",
        "no evaluations yet (ValueError: no)",
    ):
        assert any(words in sentence for sentence in said), (words, said)
    assert all(sentence in text for sentence in said)
    seeds = pandas.read_csv(tmp_path / "out" / "t3_aggregates.csv").set_index(["aggregate", "scheme"])["seeds"]
    assert seeds["mean", "A"] == 3 and seeds["mean", "B"] == 1  # the cut one lacks its last evaluation, which is said


def test_damage_in_the_middle_of_a_table_is_said(tmp_path: Path) -> None:
    path = write_run(tmp_path, "A", 1) / "metrics.csv"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].rsplit(",", 3)[0]
    path.write_text("\n".join(lines) + "\n")
    said = report([tmp_path], tmp_path / "out")
    assert any("1 incomplete row" in sentence for sentence in said)
    path.write_text("frames,nonsense\n1,2\n")
    with pytest.raises(UserError, match="no columns frames"):
        report([tmp_path], tmp_path / "out")


def test_schemes_are_told_apart_by_the_settings_in_which_they_differ(tmp_path: Path) -> None:
    write_run(tmp_path, "A", 1)
    write_run(tmp_path, "A", 2, balancing={"critic": "fairgrad"})
    report([tmp_path], tmp_path / "out")
    schemes = set(pandas.read_csv(tmp_path / "out" / "t3_aggregates.csv")["scheme"])
    assert schemes == {"A balancing.critic=None", "A balancing.critic=fairgrad"}


def test_a_run_from_before_a_setting_did_what_is_the_default(tmp_path: Path) -> None:
    task = {"task": {"name": "MT10"}}
    for seed, setting in ((1, {}), (2, {"task_input": "onehot"}), (3, {"task_input": "none"})):
        write_run(tmp_path, "TOPPO", seed, **task, **setting)
    report([tmp_path], tmp_path / "out")
    schemes = pandas.read_csv(tmp_path / "out" / "runs.csv").set_index("seed")["scheme"]
    assert schemes[1] == schemes[2] == "TOPPO task_input=onehot" and schemes[3] == "TOPPO task_input=none"


def test_mistakes_at_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, words in (
        ([], "name the runs"),
        (["runs"], "runs is missing"),
        (["runs", "otu=x"], "no setting 'otu'"),
    ):
        with pytest.raises(UserError, match=words):
            main(arguments)
    write_run(tmp_path / "runs", "A", 1)
    main(["runs", "--out", "there/"])
    main(["runs", "out=here"])
    assert (tmp_path / "there" / "report.html").exists() and (tmp_path / "here" / "report.md").exists()
    command = [sys.executable, "-m", "mtbench.evaluation.report", "nothing"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1) and "nothing is missing" in result.stderr


def test_official_runs_stand_beside_tables_of_the_official_tasks(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / "runs", "TOPPO", seed, task={"name": "MetaWorldMT10"})
    report([tmp_path / "runs"], tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Published results on MT10" in text and "97.2" in text
    assert "MTBench: Franka" not in text
