"""A page for each Meta-World task: what its specification, its scene's docstring and its expert say, its picture out of
``docs/mt50.png`` and its row of the experts' table. Nothing is simulated."""

import csv
import functools
import inspect
import io
import sys
from pathlib import Path
from typing import Any

import yaml
from mkdocs.structure.files import File, Files
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from roles import markdown  # noqa: E402

from isaacgymenvs_tasks.metaworld.scenes import TASKS  # noqa: E402
from isaacgymenvs_tasks.metaworld.task import TaskSpec  # noqa: E402
from isaacgymenvs_tasks.parkour.terrain import TERRAINS, TerrainSpec  # noqa: E402
from isaacgymenvs_tasks.pictures import COLUMNS  # noqa: E402
from mtbench.resources import CFG  # noqa: E402

FOLLOWS = {None: "fixed", 0: "with the object", 1: "with the goal"}


def on_config(config: Any, **kwargs: Any) -> Any:
    """Add the tasks to the navigation."""
    tasks = next(entry["Tasks"] for entry in config.nav if "Tasks" in entry)
    tasks[1:1] = [{"Meta-World on a Franka": [{name: f"tasks/{name}.md"} for name in TASKS]}]
    tasks.append({"Parkour terrains": "tasks/terrains.md"})
    return config


def on_files(files: Files, config: Any, **kwargs: Any) -> Files:
    """Add the pages and the pictures."""
    experts = _experts()
    files.append(File.generated(config, "tasks/index.md", content=index(experts)))
    files.append(File.generated(config, "tasks/terrains.md", content=terrains()))
    for spec in TASKS.values():
        files.append(File.generated(config, f"tasks/{spec.name}.md", content=page(spec, experts[spec.name])))
        files.append(File.generated(config, f"tasks/{spec.name}.png", content=picture(spec)))
    return files


def page(spec: TaskSpec, expert: dict[str, str]) -> str:
    """Markdown of one task's page."""
    scene = inspect.getmodule(_plain(spec.expert))
    low, high = spec.reset_low, spec.reset_high
    drawn = [f"{a:g}" if a == b else f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True)]
    triples = [f"{what} ({', '.join(drawn[i : i + 3])}) m" for i, what in ((0, "object"), (3, "goal")) if drawn[i:]]
    facts = {
        "Id": spec.task_id,
        "Task sets": ", ".join(name for name in ("MT10", "MT50") if spec.name in _task_set(name)),
        "Drawn at reset": "; ".join(triples) or "nothing",
        "Objects": ", ".join(f"`{actor.asset}`{'' if actor.fixed_base else ' (free)'}" for actor in spec.actors)
        or "none",
        "Observed": ", ".join(f"`{point.body}` of the {point.actor}" for point in spec.observed),
        "Hand at reset": f"({', '.join(f'{x:g}' for x in spec.tcp_start)}) m, fingers along {spec.finger_axis}",
        "Goal": f"({', '.join(f'{x:g}' for x in spec.goal.offset)}) m, {FOLLOWS[spec.goal.follows]}",
        "V1 reward": f"{spec.v1.kind} of `{spec.v1.moves}`",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    functions = {"Reward": spec.reward, "Meta-World's own shaping": spec.reward_metaworld, "Expert": spec.expert}
    said = [f"**{title}.** {_doc(function)}\n" for title, function in functions.items() if function and _doc(function)]
    return f"""# {spec.name}

{spec.description}

![{spec.name}: at reset, and solved by its expert]({spec.name}.png)

| | |
|---|---|
{table}

{"".join(f"{line}{chr(10)}" for line in said)}
Its expert succeeds in {float(expert["success"]):.0%} of {expert["episodes"]} random resets, in the median after
{float(expert["first_success"]):.0f} of 150 steps, with a return of {float(expert["return"]):.0f}; the 95th percentile of random
actions is {float(expert["random_95"]):.0f}.

```sh
mtbench train task=MT1 task_name={spec.name} train=MTPPO
mtbench experts tasks={spec.name}
mtbench render tasks={spec.name} out={spec.name}.mp4
```

## The scene

{markdown(inspect.getdoc(scene) or "")}
"""


def index(experts: dict[str, dict[str, str]]) -> str:
    """Markdown of the overview."""
    rows = [
        f"| {spec.task_id} | [{spec.name}]({spec.name}.md) | {spec.description} | {float(experts[spec.name]['first_success']):.0f} |"
        for spec in TASKS.values()
    ]
    table = "\n".join(rows)
    return f"""# The fifty tasks

![The fifty tasks of MT50, at reset and solved](../mt50.png)

Ids, names and order are MTBench's; layouts, rewards and thresholds follow Meta-World in the Franka's geometry, and each page says
where they depart. Every task has a scripted expert; the last column is the step, of 150, of its first success (median).

| id | task | | solved after |
|--:|---|---|--:|
{table}
"""


def terrains() -> str:
    """Markdown of Parkour's families."""
    rows = "\n".join(_terrain(spec) for spec in TERRAINS.values())
    return f"""# Parkour's terrains

![The families from above, with their goals](../parkour_terrains.png)

Highest climb and drop, and widest gap, are what a family may ask at its hardest; [Parkour](../parkour.md) says what a robot sees and
what it is rewarded for.

| id | family | | climb (m) | drop (m) | gap (m) |
|--:|---|---|--:|--:|--:|
{rows}
"""


def _terrain(spec: TerrainSpec) -> str:
    limits = spec.limits_at(1.0)
    return f"| {spec.task_id} | {spec.name} | {spec.description} | {limits.climb:.2f} | {limits.drop:.2f} | {limits.gap:.2f} |"


def picture(spec: TaskSpec) -> bytes:
    """PNG of a task at reset and solved, below its name."""
    sheet = _sheet()
    width, height = sheet.width // COLUMNS, sheet.height // -(-len(TASKS) // COLUMNS)
    k = list(TASKS).index(spec.name)
    x, y = k % COLUMNS * width, k // COLUMNS * height
    buffer = io.BytesIO()
    sheet.crop((x, y, x + width, y + height)).save(buffer, format="png")
    return buffer.getvalue()


@functools.cache
def _sheet() -> Image.Image:
    return Image.open(ROOT / "docs" / "mt50.png")


@functools.cache
def _task_set(name: str) -> list[str]:
    return list(yaml.safe_load((CFG / "task" / f"{name}.yaml").read_text())["env"]["tasks"])


def _experts() -> dict[str, dict[str, str]]:
    with (ROOT / "benchmarks" / "results" / "experts_MT50.csv").open(newline="") as file:
        return {row["task"]: row for row in csv.DictReader(file)}


def _plain(function: Any) -> Any:
    return getattr(function, "func", function)


def _doc(function: Any) -> str:
    return markdown(" ".join((inspect.getdoc(_plain(function)) or "").split()))
