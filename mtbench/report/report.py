"""Compares runs: one page of figures and tables, as HTML and as Markdown, with a PNG and a CSV file of each.

Takes folders of runs (or of many), and CSV files of metrics with their YAML configuration beside. Runs of different tasks or
evaluated in different ways get sections of their own; whatever is missing, broken or left out is said at the top.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from mtbench.learning.errors import UserError
from mtbench.report import figures, statistics, transfer
from mtbench.report.conventions import CONVENTIONS, summarize
from mtbench.report.page import Page
from mtbench.report.runs import Run, Section, read_runs, sections

Array = np.ndarray
WORST = (5, 10, 20)
_NO_CLAIM = "One seed gives no interval."


def report(paths: Sequence[Path], out: Path) -> list[str]:
    """Write the report of the runs in ``paths`` to the folder ``out`` and return its sentences about what is missing.

    Raises:
        UserError: there is nothing to report.
    """
    runs, problems = read_runs(paths)
    if not runs:
        raise UserError("no run could be read: " + " ".join(problems))
    parts, notes = sections(runs)
    page = Page(out, "Comparison of runs")
    seeds = len({run.seed for run in runs})
    page.text(
        f"{len(runs)} runs, {len({run.scheme for run in runs})} schemes, {seeds} seed{'s' * (seeds > 1)}. Success is that of "
        "deterministic evaluations, at any step of an episode. Intervals hold 95 %: bootstrap percentiles, resampled for "
        "each task (stratified, as in rliable); the tables also resample whole runs, as the tasks of one policy are not "
        f"independent. {_NO_CLAIM}"
    )
    said = [*problems, *notes, *(f"{part.title}: {note}" for part in parts for note in part.notes)]
    page.heading("What is missing or left out")
    page.bullets(said or ["Nothing: every run given was read, is complete, and is comparable with the others."])
    names = _slugs([part.title for part in parts])
    for part, name in zip(parts, names, strict=True):
        _write_section(page, part, name)
    for folder in paths:
        if not transfer.is_transfer(folder):
            continue
        try:
            transfer.write_section(page, folder)
        except UserError as error:
            said.append(f"{error}; its transfer section is left out.")
            page.text(said[-1])
    page.heading("Where the numbers come from")
    page.table("runs", ["run", "scheme", "seed", "frames", "status", "version", "commit", "machine"], _provenance(runs))
    page.write()
    return said


def _write_section(page: Page, part: Section, name: str) -> None:
    page.heading(f"{part.title}: {len(part.tasks)} tasks")
    page.text(f"An evaluation: {part.protocol}. Environment: {_environment(part)}.")
    colour = figures.colours(list(part.schemes))
    _write_curves(page, part, name, colour)
    scores = {scheme: np.stack([run.success[-1] for run in runs]) for scheme, runs in part.final.items() if runs}
    if not scores:
        return
    _write_aggregates(page, scores, name, colour)
    _write_worst(page, scores, name, colour)
    page.heading("Per task", 3)
    each = {scheme: values.mean(0) for scheme, values in scores.items()}
    caption = "Success of each task in the last evaluation, mean over seeds, worst tasks first"
    page.figure(f"{name}_tasks", figures.heat_map(each, part.tasks), caption)
    rows = [[task, *(f"{each[s][i]:.4f}" for s in each)] for i, task in enumerate(part.tasks)]
    page.data(f"{name}_tasks", ["task", *each], rows)
    _write_profiles(page, scores, name, colour)
    if len(scores) > 1:
        _write_improvement(page, scores, name)
    _write_conventions(page, part, name)
    _write_baselines(page, part, name)


def _write_curves(page: Page, part: Section, name: str, colour: figures.Colours) -> None:
    page.heading("Learning curves", 3)
    by_frames, by_time = {}, {}
    for scheme, runs in part.schemes.items():
        by_frames[scheme] = _curve(runs, lambda run: run.frames)
        by_time[scheme] = _curve(runs, lambda run: run.wall_clock)
    page.figure(
        f"{name}_curves",
        figures.curves(by_frames, by_time, colour),
        "Success, mean over tasks and seeds, against environment steps and wall-clock; bands are 95 % intervals",
    )
    rows = [
        [scheme, axis, *(f"{value:.10g}" for value in point)]
        for axis, data in (("frames", by_frames), ("seconds", by_time))
        for scheme, curve in data.items()
        for point in zip(*curve, strict=True)
    ]
    page.data(f"{name}_curves", ["scheme", "axis", "x", "mean", "low", "high"], rows)


def _write_aggregates(page: Page, scores: Mapping[str, Array], name: str, colour: figures.Colours) -> None:
    page.heading("Aggregates of the last evaluation", 3)
    rows: list[list[object]] = []
    drawn: dict[str, dict[str, tuple[float, float, float]]] = {}
    for aggregate, statistic in statistics.AGGREGATES.items():
        for scheme, values in scores.items():
            value = float(statistic(values))
            ends = statistics.interval(values, statistic)
            whole = statistics.interval(values, statistic, "runs")
            drawn.setdefault(aggregate, {})[scheme] = (value, *ends)
            rows.append([aggregate, scheme, len(values), _percent(value), _range(*ends), _range(*whole)])
    page.figure(f"{name}_aggregates", figures.intervals(drawn, colour), "Aggregates with stratified intervals")
    header = ["aggregate", "scheme", "seeds", "success %", "95 % stratified", "95 % whole runs"]
    page.table(f"{name}_aggregates", header, rows)


def _write_worst(page: Page, scores: Mapping[str, Array], name: str, colour: figures.Colours) -> None:
    page.heading("The worst tasks", 3)
    tasks = next(iter(scores.values())).shape[1]
    each = {
        scheme: np.cumsum(np.sort(values, axis=1), axis=1) / np.arange(1, tasks + 1)
        for scheme, values in scores.items()
    }
    caption = "Mean over the k worst tasks of each run, mean over seeds; bands from the worst seed to the best"
    page.figure(f"{name}_worst", figures.worst(each, colour), caption)
    counts = [k for k in WORST if k < tasks] + [tasks]
    rows = []
    for scheme, values in scores.items():
        cells = []
        for k in counts:
            spread = f" ± {100 * each[scheme][:, k - 1].std(ddof=1):.1f}" if len(values) > 1 else ""
            cells.append(f"{_percent(each[scheme][:, k - 1].mean())}{spread}")
        rows.append([scheme, len(values), *cells])
    header = ["scheme", "seeds", *(f"worst {k}" if k < tasks else f"all {k}" for k in counts)]
    page.table(f"{name}_worst", header, rows)
    page.text("Mean ± standard deviation over seeds, of each run's own k worst tasks.")


def _write_profiles(page: Page, scores: Mapping[str, Array], name: str, colour: figures.Colours) -> None:
    page.heading("Performance profiles", 3)
    thresholds = np.linspace(0, 1, 51)
    data = {scheme: statistics.performance_profile(values, thresholds) for scheme, values in scores.items()}
    caption = "Part of all runs and tasks whose success is above a threshold"
    page.figure(f"{name}_profiles", figures.profiles(data, thresholds, colour), caption)
    rows = [
        [scheme, *(f"{value:.10g}" for value in point)]
        for scheme, curve in data.items()
        for point in zip(thresholds, *curve, strict=True)
    ]
    page.data(f"{name}_profiles", ["scheme", "threshold", "fraction", "low", "high"], rows)


def _write_improvement(page: Page, scores: Mapping[str, Array], name: str) -> None:
    page.heading("Probability of improvement", 3)
    pairs = {
        (x, y): statistics.probability_of_improvement(scores[x], scores[y])
        for x, y in itertools.combinations(scores, 2)
    }
    caption = "Probability that a run of X has more success on a task than a run of Y, mean over tasks, ties for half"
    page.figure(f"{name}_improvement", figures.improvement(pairs), caption)
    rows = []
    for (x, y), (value, low, high) in pairs.items():
        rows.append([x, y, f"{value:.3f}", "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"])
    page.table(f"{name}_improvement", ["X", "Y", "P(X beats Y)", "95 % stratified"], rows)


def _write_conventions(page: Page, part: Section, name: str) -> None:
    page.heading("The same runs in every reporting convention", 3)
    published = baselines("conventions")
    page.text(
        "Papers choose differently, so a number means little without its convention (TOPPO paper, appendix D.7). SEM is the "
        "standard deviation divided by the square root of the number of seeds: 3.2 times tighter at ten."
    )
    rows = []
    for convention in CONVENTIONS:
        for scheme, runs in part.final.items():
            if runs:
                s = summarize(convention.select(_aligned(runs)))
                values = [_percent(x) for x in (s.mean, s.std, s.sem, s.iqm)]
                rows.append([f"{convention.letter} {convention.name}", scheme, s.seeds, *values])
    page.table(f"{name}_conventions", ["convention", "scheme", "seeds", "mean %", "std", "SEM", "IQM %"], rows)
    meanings = []
    for convention in CONVENTIONS:
        users = [
            f"{row['paper']} ({row['dispersion'] or 'no spread'}, {row['seeds'] or '?'} seeds)"
            for row in published
            if convention.letter in row["convention"].split()
        ]
        title = f"{convention.letter} {convention.name}: {convention.meaning}"
        meanings.append(f"{title}. Used by {', '.join(users) or 'nobody'}.")
    page.bullets(meanings)


def _write_baselines(page: Page, part: Section, name: str) -> None:
    official = part.title.startswith("MetaWorld")
    setting = part.title.removeprefix("MetaWorld")
    files = ("toppo",) if official else ("mtbench", "toppo")
    rows = [row for file in files for row in baselines(file) if row["setting"] == setting]
    if not rows:
        return
    page.heading(f"Published results on {setting}", 3)
    page.text(
        (
            "On these tasks, robot, goals and rewards, under an older MuJoCo. "
            if official
            else "Each table is of one environment. Neither is this one: MTBench's has the same robot in another simulator, "
            "Meta-World's another robot, so their numbers are bearings and not rivals. "
        )
        + "Empty: not in the text we could read."
    )
    for number, environment in enumerate(dict.fromkeys(row["environment"] for row in rows), 1):
        page.heading(environment, 4)
        own = [row for row in rows if row["environment"] == environment]
        cells = [
            [
                row["method"],
                row["metric"],
                f"{row['value']} ± {row['dispersion']}" if row["dispersion"] else row["value"],
                row["seeds"],
                f"{int(row['frames']) / 1e6:.0f} M",
                row["protocol"],
                f"{row['paper']}, {row['table']}",
            ]
            for row in own
        ]
        header = ["method", "metric", "value", "seeds", "frames", "protocol", "source"]
        page.table(f"{name}_published_{number}", header, cells)


def baselines(name: str) -> list[dict[str, str]]:
    """Rows of a file in ``baselines/``: ``mtbench``, ``toppo`` (published results) or ``conventions``."""
    text = (resources.files("mtbench.report") / "baselines" / f"{name}.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def _aligned(runs: Sequence[Run]) -> Array:
    """Success of several runs at the same evaluations, (N, T, K); interpolated where theirs lie at different frames."""
    points = min(len(run.frames) for run in runs)
    grid = runs[0].frames[:points]
    if all(np.array_equal(run.frames[:points], grid) for run in runs):
        return np.stack([run.success[:points] for run in runs])
    grid = np.linspace(max(run.frames[0] for run in runs), min(run.frames[-1] for run in runs), points)
    return np.stack([_at(run.success, run.frames, grid) for run in runs])


def _curve(runs: Sequence[Run], axis: Callable[[Run], Array]) -> tuple[Array, Array, Array, Array]:
    """x, mean and interval (T) where all runs have values."""
    start, end = max(axis(run)[0] for run in runs), min(axis(run)[-1] for run in runs)
    x = axis(runs[0])
    x = np.unique([*x[(x >= start) & (x <= end)], max(end, start)])
    success = np.stack([_at(run.success, axis(run), x) for run in runs], axis=1)
    return x, success.mean((1, 2)), *statistics.mean_curve_interval(success)


def _at(success: Array, x: Array, grid: Array) -> Array:
    """(T, K) at other points, linearly between evaluations."""
    right = np.clip(np.searchsorted(x, grid), 1, max(len(x) - 1, 1))
    if len(x) == 1:
        return np.repeat(success, len(grid), axis=0)
    weight = np.clip((grid - x[right - 1]) / np.maximum(x[right] - x[right - 1], 1e-12), 0, 1)[:, None]
    result: Array = (1 - weight) * success[right - 1] + weight * success[right]
    return result


def _provenance(runs: Sequence[Run]) -> list[list[object]]:
    rows: list[list[object]] = []
    for run in runs:
        last = (run.record.get("sessions") or [{}])[-1]
        said = {key: str(value) for key, value in last.items() if value is not None}
        machine = f"{said.get('cpu', '?')}, {said.get('cpus', '?')} cores" if last else ""
        machine += f", {said['gpu']}" if said.get("gpu") else ""
        git = said.get("git", "")
        commit = git[:10] + ("+changes" if git.endswith("+changes") else "")
        status = run.status or "not recorded"
        values = [run.path, run.scheme, run.seed, f"{run.frames[-1]:,.0f}", status, said.get("version", "")]
        rows.append([*values, commit, machine])
    return rows


def _environment(part: Section) -> str:
    engines = {run.settings.get("physics_engine", "mujoco") for runs in part.schemes.values() for run in runs}
    factories = {run.settings.get("task.factory", "") for runs in part.schemes.values() for run in runs}
    return f"{', '.join(sorted(map(str, factories)))} on {', '.join(sorted(map(str, engines)))}"


def _slugs(titles: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for title in titles:
        slug = "".join(c if c.isalnum() else "_" for c in title.lower())[:40] or "runs"  # of a file's name
        seen[slug] = seen.get(slug, 0) + 1
        names.append(slug if seen[slug] == 1 else f"{slug}_{seen[slug]}")
    return names


def _percent(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.1f}"


def _range(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"
