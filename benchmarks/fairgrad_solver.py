"""Milliseconds a FairGrad solve takes beside SciPy and TorchJD, and PCGrad beside TorchJD.

    OMP_NUM_THREADS=1 python benchmarks/fairgrad_solver.py [--repeats 15] [--tasks 10 50] [--output FILE]

The five regimes of Gram matrices are those of the TOPPO paper's solver benchmark (section C.5, Table C.1): Gaussian
gradients, well conditioned; heterogeneous norms; and three with a very large spread of norms, once in random directions,
once with one small row orthogonal to the others, once with a quarter of them. The paper's dimension and spreads are lost
in the text we have; the ones here are ours (`REGIMES`, `DIMENSION`), and so is the tolerance.

Solvers of the KKT system G w = 1/w: ours; `scipy.optimize.least_squares` as in the FairGrad release (uniform start,
bounds (0, inf), default tolerances); TorchJD's FairGradWeighting, which wraps the same SciPy call. Every repetition draws
a new Gram matrix and gives it to all solvers in turn; each is called once before the timing starts.

Every row of the CSV is one solve: kind, regime, tasks, repetition, solver, milliseconds, the largest KKT residual
|G w - 1/w| and the largest relative one |w (G w) - 1| (empty for PCGrad). The table shows medians.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor
from torchjd.aggregation import FairGradWeighting, PCGradWeighting

from mtbench.learning.balancing import FairGrad, PCGrad

DIMENSION = 1000
KKT_TOLERANCE = 1e-6
COLUMNS = ("kind", "regime", "tasks", "repetition", "solver", "milliseconds", "residual", "relative_residual")


@dataclass(frozen=True)
class Regime:
    """Norms fall log-uniformly over the tasks from 1 to ``1 / spread``; or, if ``small`` is set, they are 1 but for that
    number (int) or share (float) of tasks, whose norm is ``1 / spread``, in directions orthogonal to the others."""

    spread: float
    small: int | float = 0


REGIMES = {
    "well conditioned, spread 2": Regime(2),
    "random, spread 1e3": Regime(1e3),
    "random, spread 1e6": Regime(1e6),
    "1 orthogonal small row, spread 1e6": Regime(1e6, small=1),
    "25 % orthogonal small rows, spread 1e6": Regime(1e6, small=0.25),
}


def make_gram(num_tasks: int, regime: Regime, rng: np.random.Generator) -> np.ndarray:
    """A float64 Gram matrix ``(K, K)``."""
    gradients = rng.standard_normal((num_tasks, DIMENSION)) / np.sqrt(DIMENSION)
    if regime.small:
        count = regime.small if isinstance(regime.small, int) else round(regime.small * num_tasks)
        active = gradients[count:]
        basis = np.linalg.qr(active.T)[0]
        gradients[:count] -= gradients[:count] @ basis @ basis.T
        gradients[:count] /= regime.spread
    else:
        gradients *= regime.spread ** -np.linspace(0, 1, num_tasks)[:, None]
    return gradients @ gradients.T


def scipy_fairgrad(gram: Tensor) -> Tensor:
    """The FairGrad release's solver for alpha = 1."""
    matrix = gram.numpy()
    uniform = np.full(len(matrix), 1 / len(matrix))
    return torch.from_numpy(least_squares(lambda w: matrix @ w - 1 / w, uniform, bounds=(0, np.inf)).x)


def residuals(gram: Tensor, weights: Tensor) -> tuple[float, float]:
    """Largest absolute and relative KKT residual."""
    share = gram @ weights
    return float((share - 1 / weights).abs().max()), float((weights * share - 1).abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--tasks", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "fairgrad_solver.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)

    fairgrad = FairGrad()
    kinds: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
        "fairgrad": {"ours": fairgrad, "scipy": scipy_fairgrad, "torchjd": FairGradWeighting(1.0)},
        "pcgrad": {"ours": PCGrad(torch.Generator().manual_seed(args.seed)), "torchjd": PCGradWeighting()},
    }
    rows: list[dict[str, Any]] = []
    for kind, solvers in kinds.items():
        for num_tasks in args.tasks:
            print(f"\n{kind}, K = {num_tasks}: median ms (worst relative KKT residual), times ours")
            for name, regime in REGIMES.items():
                new = []
                rng = np.random.default_rng(args.seed)
                for repetition in range(-1, args.repeats):
                    gram = torch.from_numpy(make_gram(num_tasks, regime, rng))
                    for solver, function in solvers.items():
                        begin = time.perf_counter()
                        weights = function(gram)
                        elapsed = time.perf_counter() - begin
                        kkt = residuals(gram, weights) if kind == "fairgrad" else (None, None)
                        if repetition >= 0:
                            new.append(
                                dict(
                                    zip(
                                        COLUMNS,
                                        (kind, name, num_tasks, repetition, solver, 1e3 * elapsed, *kkt),
                                        strict=True,
                                    )
                                )
                            )
                rows += new
                print(f"  {name:40s}{_summary(new)}")
    print(f"\nfallbacks in {fairgrad.calls} solves: {fairgrad.fallbacks}")

    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _summary(rows: list[dict[str, Any]]) -> str:
    """One line: each solver's median time, its worst residual, and how much slower than ours it is."""
    solvers = dict.fromkeys(row["solver"] for row in rows)
    times = {s: statistics.median(row["milliseconds"] for row in rows if row["solver"] == s) for s in solvers}
    cells = []
    for solver, median in times.items():
        cell = f"{solver} {median:.3f}"
        if rows[0]["relative_residual"] is not None:
            cell += f" ({max(row['relative_residual'] for row in rows if row['solver'] == solver):.0e})"
        if solver != "ours":
            cell += f" {median / times['ours']:.0f}x"
        cells.append(f"{cell:32s}")
    return "".join(cells).rstrip()


if __name__ == "__main__":
    main()
