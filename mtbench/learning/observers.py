"""What a run shows: a progress line, TensorBoard, and metrics.csv."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents import Agent
from mtbench.learning.agents.observer import AgentObserver
from mtbench.learning.balancing import FairGrad
from mtbench.learning.evaluate import Evaluation
from mtbench.learning.events import EventWriter
from mtbench.learning.files import append, write_atomically
from mtbench.learning.run_record import RunRecord

_CLIPPED_MUCH = 0.3  # share of the critic's samples without a gradient
_FIRST_EPOCHS = 3  # a new critic has far to go, and is clipped


class MultiTaskObserver(AgentObserver):
    """Per-task metrics of an agent, under the names rl-games and IsaacGymEnvs use where they have one.

    Episodes that end in training are summed per task on the device and read once an epoch. They carry exploration
    noise; ``eval/*`` and metrics.csv hold deterministic evaluations.

    Args:
        resume_command: what the user types to continue, without the checkpoint.
        record: told how far the run is and how it ended; None: nobody is.
    """

    def __init__(self, resume_command: str = "python train.py", record: RunRecord | None = None) -> None:
        self.resume_command, self.record = resume_command, record
        self.evaluation: Evaluation | None = None

    # -- rl-games' hooks -----------------------------------------------------------------------------------------------

    def after_init(self, algo: Agent) -> None:
        """Learn the shape of the run."""
        self.algo = algo
        self._sums = torch.zeros(4, algo.num_tasks, device=algo.device)  # episodes, success, return, length
        self._troubles = torch.zeros(2, dtype=torch.long, device=algo.device)  # environments diverged, without room
        self._train_success: list[float] = [float("nan")] * algo.num_tasks
        self._levels: Tensor | None = None  #: of terrain, mean of each task, where there is a curriculum
        self._faults = ""
        self._clip_told = False

    def process_infos(self, infos: dict[str, Any], done_indices: Tensor | None) -> None:
        """Add the episodes that ended in this step, without reading anything back from the device."""
        finished = infos["finished"]
        mask = finished["mask"]
        rows = mask, finished["success"], finished["return"], finished["length"]
        for total, values in zip(self._sums, rows, strict=True):
            total.index_add_(0, self.algo.task_index, torch.where(mask, values, 0).to(total.dtype))
        self._troubles[0] += infos["diverged"]
        self._troubles[1] += infos["overflow"]
        self._levels = infos.get("terrain_level")

    def after_clear_stats(self) -> None:
        """Forget the episodes counted so far."""
        self._sums.zero_()

    def after_print_stats(self, frame: int, epoch_num: int, total_time: float) -> None:
        """Print the progress line."""
        known = [value for value in self._train_success if value == value]
        success = f"{100 * sum(known) / len(known):5.1f}%" if known else "   - "
        evaluated = f"  eval {100 * self.evaluation.mean_success:5.1f}%" if self.evaluation else ""
        rate = (frame - self._first_frame) / max(total_time - self._first_time, 1e-9)
        print(
            f"epoch {epoch_num:5d}  frames {frame:11,d}  {rate:7,.0f} frames/s  success {success}{evaluated}"
            f"  ETA {self._eta(frame, epoch_num, rate)}{self._faults}",
            flush=True,
        )

    # -- the agent's calls ---------------------------------------------------------------------------------------------

    def before_training(self) -> None:
        """Open the files. When a run is continued, rows and events from beyond its checkpoint are dropped."""
        algo = self.algo
        self._first_frame, self._first_time = algo.frame, algo.wall_clock
        summaries = algo.experiment_dir / "summaries"
        summaries.mkdir(parents=True, exist_ok=True)
        self.writer = EventWriter(summaries, algo.frame + 1 if algo.frame else None)
        self._csv = algo.experiment_dir / "metrics.csv"
        self._header = ["frames", "wall_clock", "mean_success"]
        self._header += [f"{kind}/{name}" for kind in ("success", "return") for name in algo.task_names]
        rows: list[list[str]] = []
        if algo.frame and self._csv.exists():
            last = algo.frame - algo.evaluation_due()  # killed in an evaluation, which is made again
            rows = [row for row in _whole_rows(self._csv, len(self._header)) if int(row[0]) <= last]
            self.last_evaluation = max((int(row[0]) for row in rows), default=-1)
        text = _csv_text([self._header, *rows])
        write_atomically(self._csv, lambda file: file.write(text.encode()))
        tasks = "1 task" if algo.num_tasks == 1 else f"{algo.num_tasks} tasks"
        size = f"{algo.model.num_parameters():,} parameters"
        print(
            f"{tasks}, {algo.describe()}, {size} on {algo.device}; writing to {algo.experiment_dir}",
            flush=True,
        )
        if sum(algo.task_counts) == algo.num_actors:  # a learner without environments has one row a task
            print(describe_counts(algo.task_names, algo.task_counts), flush=True)

    def write_epoch(self, scalars: dict[str, Tensor | float]) -> None:
        """Log an epoch's scalars, the episodes that ended in it, and the state of the solvers."""
        algo, frame = self.algo, self.algo.frame
        names = list(scalars)
        values = torch.stack([torch.as_tensor(scalars[n], dtype=torch.float64, device=algo.device) for n in names])
        for name, value in zip(names, values.tolist(), strict=True):
            self.writer.add_scalar(name, value, frame)
            if name == "info/value_clip_fraction":
                self._watch_value_clip(value)
        episodes, success, returns, lengths, diverged, crowded = self._take_sums().tolist()
        finished = [i for i, count in enumerate(episodes) if count > 0]
        for i in finished:
            self._train_success[i] = success[i] / episodes[i]
            self.writer.add_scalar(f"Episode/success/{algo.task_names[i]}", self._train_success[i], frame)
            self.writer.add_scalar(f"Episode/return/{algo.task_names[i]}", returns[i] / episodes[i], frame)
        if finished:
            mean_return = sum(returns[i] / episodes[i] for i in finished) / len(finished)
            mean_success = sum(self._train_success[i] for i in finished) / len(finished)
            for axis, step in (("step", frame), ("iter", algo.epoch_num), ("time", int(algo.wall_clock))):
                self.writer.add_scalar(f"rewards/{axis}", mean_return, step)
                self.writer.add_scalar(f"episode_lengths/{axis}", sum(lengths) / sum(episodes), step)
            self.writer.add_scalar("Episode/success", mean_success, frame)
        self.writer.add_scalar("info/diverged_envs", diverged[0], frame)
        self.writer.add_scalar("info/overflowed_envs", crowded[0], frame)
        if self._levels is not None:
            for name, level in zip(algo.task_names, self._levels.tolist(), strict=True):
                self.writer.add_scalar(f"Episode/terrain_level/{name}", level, frame)
            self.writer.add_scalar("Episode/terrain_level", float(self._levels.mean()), frame)
        self._faults = ""
        if diverged[0]:
            self._faults = f"  diverged and reset: {int(diverged[0])}"
        if crowded[0]:
            self._faults += f"  no room for all contacts: {int(crowded[0])}, see task.sim.warp in docs/engines.md"
        for name, what in (("not_finite", "rewards or observations not finite"), ("steps_left_out", "steps left out")):
            if scalars[f"info/{name}"]:
                self._faults += f"  {what}: {int(scalars[f'info/{name}'])}"
        for side, part in algo.sides.items():
            if isinstance(part.weighting, FairGrad):
                for name, count in part.weighting.fallbacks.items():
                    self.writer.add_scalar(f"balancing/{side}_fallback_{name}", count, frame)
                self.writer.add_scalar(f"balancing/{side}_newton_iterations", part.weighting.iterations, frame)

    def _watch_value_clip(self, fraction: float) -> None:
        """Say once that the value clip keeps a large part of the samples from the critic."""
        if self._clip_told or fraction <= _CLIPPED_MUCH or self.algo.epoch_num <= _FIRST_EPOCHS:
            return
        self._clip_told = True
        remedies = ["clip_value=false", "recompute_advantages=true"]
        if self.algo.config["recompute_advantages"]:
            remedies.pop()
        advice = " or ".join(f"train.params.config.{remedy}" for remedy in remedies)
        print(f"warning: {fraction:.0%} of the critic's samples are value-clipped and teach it nothing; set {advice}")

    def _take_sums(self) -> Tensor:
        """(6, K): what this epoch's episodes add up to on all ranks, and the troubles since the start."""
        sums = torch.cat((self._sums, self._troubles[:, None].expand(2, self.algo.num_tasks)))
        self._sums.zero_()
        return distributed.total(sums)

    def write_evaluation(self, result: Evaluation) -> None:
        """Log a deterministic evaluation and append its row to metrics.csv."""
        frame = self.algo.frame
        self.evaluation, self.last_evaluation = result, frame
        for name, success, total in zip(result.tasks, result.success, result.returns, strict=True):
            self.writer.add_scalar(f"eval/success/{name}", success, frame)
            self.writer.add_scalar(f"eval/return/{name}", total, frame)
        self.writer.add_scalar("eval/mean_success", result.mean_success, frame)
        for k in (1, 3, 5, 10, 20):
            if k < len(result.tasks):
                self.writer.add_scalar(f"eval/worst_{k}_success", result.worst(k), frame)
        row = [frame, round(self.algo.wall_clock, 2), round(result.mean_success, 6), *result.success, *result.returns]
        append(self._csv, _csv_text([row]))
        self._note_progress()
        print(f"evaluation at {frame:,d} frames, {result.episodes} episodes a task\n{result.table()}", flush=True)

    def finished(self, checkpoint: Path) -> None:
        """Say where the result is."""
        self._note_progress()
        if self.record is not None:
            left = self._frames_left(self.algo.frame, self.algo.epoch_num)
            self.record.end(*(("stopped", "max_minutes reached") if left else ("complete",)))
        print(f"done after {self.algo.frame:,d} frames; {checkpoint} continues the run or is evaluated with test=True")

    def stopped(self, cause: str, frame: int, checkpoint: Path) -> None:
        """Say how to go on after a signal."""
        if self.record is not None:
            self.record.progress(frame, frame // self.algo.frames_per_epoch)
            self.record.end("stopped", cause)
        command = f"{self.resume_command} checkpoint={checkpoint}"
        print(f"\nstopped by {cause}, saved at {frame:,d} frames; resume: {command}")

    def flush(self) -> None:
        """Put on disk what was logged; before a checkpoint, so that a run that is killed and continued has no gap."""
        self.writer.flush()

    def close(self) -> None:
        """Flush and close."""
        self.writer.close()
        sys.stdout.flush()

    def _note_progress(self) -> None:
        if self.record is not None:
            self.record.progress(self.algo.frame, self.algo.epoch_num)

    def _frames_left(self, frame: int, epoch: int) -> int | None:
        limits = []
        if self.algo.config["max_frames"] is not None:
            limits.append(self.algo.config["max_frames"] - frame)
        if self.algo.config["max_epochs"] is not None:
            limits.append((self.algo.config["max_epochs"] - epoch) * self.algo.frames_per_epoch)
        return max(min(limits), 0) if limits else None

    def _eta(self, frame: int, epoch: int, rate: float) -> str:
        left = self._frames_left(frame, epoch)
        if left is None:
            return "-"
        seconds = int(left / max(rate, 1e-9))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class QuietObserver(MultiTaskObserver):
    """For every rank but the first: its episodes count, and it shows and writes nothing."""

    def after_print_stats(self, frame: int, epoch_num: int, total_time: float) -> None:
        """Print nothing."""

    def before_training(self) -> None:
        """Open nothing."""

    def write_epoch(self, scalars: dict[str, Tensor | float]) -> None:
        """Hand this rank's episodes over."""
        self._take_sums()

    def finished(self, checkpoint: Path) -> None:
        """Print nothing."""

    def stopped(self, cause: str, frame: int, checkpoint: Path) -> None:
        """Print nothing."""

    def flush(self) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Nothing is open."""


def _csv_text(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _whole_rows(path: Path, columns: int) -> list[list[str]]:
    """Rows of a metrics.csv; without one that a failing machine cut short, and without the header."""
    lines = path.read_text(errors="replace").splitlines(keepends=True)
    rows = csv.reader(line for line in lines[1:] if line.endswith("\n"))
    return [row for row in rows if len(row) == columns and row[0].isdecimal()]


def describe_counts(names: Sequence[str], counts: Sequence[int]) -> str:
    """Say in one line how many environments each task has."""
    sizes = sorted(set(counts), reverse=True)
    if len(sizes) == 1:
        return f"{sizes[0]} environments a task"
    if len(sizes) == 2 and list(counts) == sorted(counts, reverse=True) and sizes[0] == sizes[1] + 1:
        more = counts.count(sizes[0])
        return f"{sizes[1]} environments a task, and the remaining {more} one each for the first {more} tasks"
    return "environments: " + ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
