"""The families from above, with their goals, in one picture.

python -m isaacgymenvs_tasks.parkour.terrain.sheet [out=docs/parkour_terrains.png] [difficulty=0.5] [seed=0]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from isaacgymenvs_tasks.options import read_options
from isaacgymenvs_tasks.parkour.terrain.families import TERRAINS
from isaacgymenvs_tasks.parkour.terrain.spec import TerrainSpec
from isaacgymenvs_tasks.parkour.terrain.tile import CELL, LENGTH, PIT, START, WIDTH

COLUMNS = 3
FINE = 4  #: pixels along a cell, for the shading
COLOURS = ("#1f4e9c", "#7fa8d9", "#e4e2dc", "#e6a04b", "#7a2b12")  #: below the ground, at 0, above
TICKS = (-0.5, -0.2, 0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0)


def draw(specs: list[TerrainSpec], difficulty: float, seed: int, path: Path) -> None:
    """Write a PNG: one terrain of each family, ground coloured by height and shaded, the pit dark, goals numbered 1 to 8."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, SymLogNorm
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    rows = -(-len(specs) // COLUMNS)
    layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.06)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(6.0 * COLUMNS, 1.8 * rows + 0.8), layout=layout)
    colours, scale = LinearSegmentedColormap.from_list("ground", COLOURS), SymLogNorm(0.15, vmin=-3.0, vmax=3.0)
    for axis, spec in zip(axes.flat, specs, strict=False):
        heights, goals = spec.generate(difficulty, np.random.default_rng((seed, spec.task_id)))
        fine = np.kron(heights.T, np.ones((FINE, FINE)))
        rise_y, rise_x = np.gradient(np.maximum(fine, -0.3), CELL / FINE)
        shade = 1.0 + 0.3 * np.tanh(0.7 * (rise_x - rise_y))  # lit from the upper left
        image = np.clip(colours(scale(fine))[..., :3] * shade[..., None], 0.0, 1.0)
        image[fine <= PIT] = 0.13
        axis.imshow(image, origin="lower", extent=(0, LENGTH, 0, WIDTH), interpolation="antialiased", aspect="equal")
        axis.plot(*START, ">", color="black", markersize=6)
        axis.plot(goals[:, 0], goals[:, 1], "-", color="crimson", linewidth=0.6, alpha=0.6)
        for k, (x, y, _) in enumerate(goals):
            axis.plot(x, y, "o", color="crimson", markersize=8.5)
            axis.text(x, y - 0.02, str(k + 1), color="white", fontsize=6.5, ha="center", va="center", weight="bold")
        axis.set_title(
            f"{spec.task_id}  {spec.name}   {heights[heights > PIT].max():.2f} m high", fontsize=10, loc="left"
        )
        axis.set_xticks(range(0, 19, 2))
        axis.set_yticks(range(0, 5, 2))
        axis.tick_params(labelsize=7)
    for axis in axes.flat[len(specs) :]:
        axis.set_axis_off()
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=axes, orientation="horizontal", fraction=0.02, aspect=60, shrink=0.6
    )
    bar.ax.set_xlim(-0.5, 3.0)
    bar.set_ticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
    bar.set_label(
        f"height (m); the pit is black, a robot begins at the triangle. Difficulty {difficulty:g}, seed {seed}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main(arguments: list[str]) -> None:
    options = read_options(arguments, {"out": "docs/parkour_terrains.png", "difficulty": "0.5", "seed": "0"})
    path = Path(options["out"])
    if path.suffix != ".png":
        raise SystemExit(f"out={path}: choose a name that ends with .png")
    try:
        difficulty, seed = float(options["difficulty"]), int(options["seed"])
    except ValueError as error:
        raise SystemExit(f"difficulty= takes a number and seed= a whole number ({error})") from error
    try:
        draw([spec for spec in TERRAINS.values() if spec.name != "flat"], difficulty, seed, path)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    print(f"wrote {path}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
