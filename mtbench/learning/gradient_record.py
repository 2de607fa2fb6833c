"""What a run's task gradients were like: snapshots of both sides' Gram matrices and weights, in one .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtbench.learning.balancing import diagnostics
from mtbench.learning.errors import UserError
from mtbench.learning.files import write_atomically

SIDES = ("actor", "critic")
_SEEN = ("gram", "weights", "norm", "shares")
_COLUMNS = {f"{side}_{name}" for side in SIDES for name in _SEEN}
_COLUMNS |= {"frames", "critic_coef", "critic_jacobian", "value_scale"}
#: how many axes of a column, by its name without the side, are as long as there are tasks
_TASK_AXES = {"gram": 2, "weights": 1, "shares": 1, "jacobian": 1, "value_scale": 1}


class Snapshot:
    """Means over the minibatches it is shown, of each side's Gram matrix ``{side}_gram`` (K, K), weights
    ``{side}_weights`` (K,), norm of the combined direction ``{side}_norm``, before clipping, and each task's share of it
    ``{side}_shares`` (K,)."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts = dict.fromkeys(SIDES, 0)

    def add(self, side: str, gram: Tensor, weights: Tensor) -> None:
        """Take in one minibatch of one side; nothing is read back from the device."""
        weights = weights.to(gram.dtype)
        norm, shares = diagnostics.combined_norm(gram, weights), diagnostics.shares(gram, weights)
        for name, value in zip(_SEEN, (gram, weights, norm, shares), strict=True):
            key = f"{side}_{name}"
            self._sums[key] = self._sums[key] + value if key in self._sums else value
        self._counts[side] += 1

    @property
    def complete(self) -> bool:
        """Whether it was shown both sides."""
        return all(self._counts.values())

    def means(self) -> dict[str, Tensor]:
        """The means, float64."""
        return {key: total / self._counts[key.partition("_")[0]] for key, total in self._sums.items()}

    def scalars(self) -> dict[str, Tensor]:
        """What to log, by TensorBoard name."""
        means = self.means()
        scalars = {}
        if "critic_norm" in means:
            scalars["balancing/combined_norm_ratio"] = means["critic_norm"] / means["actor_norm"]
        for side in (side for side in SIDES if self._counts[side]):
            scalars[f"balancing/{side}_norm_spread"] = diagnostics.norm_spread(means[f"{side}_gram"])
            scalars[f"balancing/{side}_mean_cosine"] = diagnostics.mean_cosine(means[f"{side}_gram"])
        return scalars


class GradientRecord:
    """T snapshots along a run of K tasks.

    Its columns, each T entries long, NumPy float64 except for the frames:

    - ``frames`` (T,) int64: environment steps learned from before the snapshot;
    - ``actor_gram``, ``critic_gram`` (T, K, K): of the gradients as the update uses them, ``critic_coef`` included;
    - ``actor_weights``, ``critic_weights`` (T, K): of those gradients;
    - ``actor_norm``, ``critic_norm`` (T,): norm of the combined direction, before clipping;
    - ``actor_shares``, ``critic_shares`` (T, K): what each task gives to it, adding up to 1;
    - ``critic_jacobian`` (T, K): root mean square over a task's samples of the norm of the gradient of the critic's shared
      output z, before a head of PopArt, with respect to the parameters that tasks share; NaN of off-policy algorithms;
    - ``critic_coef`` (T,), ``value_scale`` (T, K): the loss coefficient, and the deviation that value targets are divided
      by, which together tell what the gradients on raw returns are (:meth:`gram`).

    A file holds the columns and ``tasks`` (K,), the names.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = list(tasks)
        self.rows: list[dict[str, np.ndarray]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> np.ndarray:
        return np.stack([row[column] for row in self.rows])

    def due(self, frame: int, interval: int | None) -> bool:
        """Whether a snapshot at ``frame`` belongs here: the first one, and one whenever a multiple of ``interval`` was
        passed since the last; never without an interval."""
        if not interval:
            return False
        return not self.rows or frame // interval > int(self.rows[-1]["frames"]) // interval

    def append(
        self,
        frame: int,
        snapshot: Snapshot,
        critic_coef: float,
        value_scale: Tensor,
        jacobian: Tensor | None = None,
    ) -> None:
        """Add a snapshot, reading it back from the device."""
        row = {key: value.cpu().numpy() for key, value in snapshot.means().items()}
        row["frames"] = np.asarray(frame, dtype=np.int64)
        row["critic_coef"] = np.asarray(critic_coef, dtype=np.float64)
        row["value_scale"] = value_scale.detach().cpu().numpy().astype(np.float64)
        row["critic_jacobian"] = np.full(len(self.tasks), np.nan) if jacobian is None else jacobian.cpu().numpy()
        self.rows.append(row)

    def at(self, frame: int) -> GradientRecord:
        """The one snapshot nearest to ``frame``."""
        nearest = GradientRecord(self.tasks)
        nearest.rows = [min(self.rows, key=lambda row: abs(int(row["frames"]) - frame))]
        return nearest

    def gram(self, side: str, raw: bool = False) -> Tensor:
        """Gram matrices (T, K, K) of a side without loss coefficients, which tasks have in common (TOPPO paper, section
        2).

        ``raw``: the critic's as the squared error of raw returns would have it at the same predictions (its section
        D.2); the actor has no such thing.
        """
        gram = torch.from_numpy(self[f"{side}_gram"])
        if side == "actor":
            return gram
        scale = torch.from_numpy(self["value_scale"]).square() if raw else torch.ones(gram.shape[:2])
        return diagnostics.rescale(gram, scale / torch.from_numpy(self["critic_coef"]).unsqueeze(1))

    def figures(self) -> dict[str, np.ndarray]:
        """What each snapshot says, (T,) each, of ``critic`` and ``actor``:

        - ``{side}_spread``: largest over smallest gradient norm; ``critic_spread_raw``: on raw returns;
        - ``{side}_abs_cosine``: mean absolute cosine between two tasks;
        - ``{side}_condition``, ``{side}_condition_cosine``: condition number of the Gram matrix and of the cosines;
        - ``{side}_rank``, ``{side}_rank_cosine``: effective rank of the same;
        - ``{side}_top_share``: largest share of a task in the combined direction;
        - ``critic_jacobian_spread``: largest over smallest ``critic_jacobian``;
        - ``norm_ratio``: norm of the critic's combined direction over the actor's (TOPPO paper, section 4.3, Figure 2).
        """
        found = {}
        for side in SIDES[::-1]:
            gram = self.gram(side)
            found[f"{side}_spread"] = diagnostics.norm_spread(gram)
            if side == "critic":
                found["critic_spread_raw"] = diagnostics.norm_spread(self.gram(side, raw=True))
            found[f"{side}_abs_cosine"] = diagnostics.mean_cosine(gram, absolute=True)
            for name, matrix in (("", gram), ("_cosine", diagnostics.cosines(gram))):
                found[f"{side}_condition{name}"] = diagnostics.condition_number(matrix)
                found[f"{side}_rank{name}"] = diagnostics.effective_rank(matrix)
            found[f"{side}_top_share"] = torch.from_numpy(self[f"{side}_shares"]).amax(-1)
        jacobian = torch.from_numpy(self["critic_jacobian"])
        found["critic_jacobian_spread"] = jacobian.amax(-1) / jacobian.amin(-1)
        found["norm_ratio"] = torch.from_numpy(self["critic_norm"] / self["actor_norm"])
        return {name: value.numpy() for name, value in found.items()}

    def write(self, path: Path) -> None:
        """Write the file, atomically."""
        columns: dict[str, Any] = {name: self[name] for name in self.rows[0]}
        write_atomically(path, lambda file: np.savez(file, tasks=np.asarray(self.tasks), **columns))

    @classmethod
    def read(cls, path: Path) -> GradientRecord:
        """Read a file.

        Raises:
            UserError: no such file, or not one of these.
        """
        if not path.is_file():
            raise UserError(f"there is no record '{path}'; a run keeps one with diagnose_interval=100_000, for example")
        try:
            with np.load(path) as file:
                columns = {name: file[name] for name in file.files}
            record = cls([str(name) for name in columns.pop("tasks")])
            columns = {name: columns[name] for name in sorted(_COLUMNS)}
            count, tasks = columns["frames"].shape[0], len(record.tasks)
            for name, column in columns.items():
                each = (tasks,) * _TASK_AXES.get(name.partition("_")[2], _TASK_AXES.get(name, 0))
                finite = not name.endswith("_gram") or np.isfinite(column).all()
                if column.shape != (count, *each) or not count or not finite:
                    raise ValueError(name)
            record.rows = [{name: column[i] for name, column in columns.items()} for i in range(count)]
        except (ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"'{path}' is not a record of gradients of this version, or it is damaged") from error
        return record

    @classmethod
    def resume(cls, path: Path, tasks: Sequence[str], frame: int) -> GradientRecord:
        """What ``path`` holds from before ``frame``, where a continued run starts; nothing if there is no file."""
        record = cls(tasks)
        if path.exists():
            record.rows = [row for row in cls.read(path).rows if row["frames"] < frame]
        return record
