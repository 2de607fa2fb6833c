"""Where a policy's gradients stand: both sides' Gram matrices from checkpoints, several runs side by side.

    mtbench diagnose checkpoint=runs/A/nn/last.pth[,runs/B/nn/last.pth ...] [labels=A,B ...] \
        [out=diagnosis] [at=FRAMES]

For every checkpoint it collects the rollout that its run would collect next and takes the Gram matrices and weights of
each minibatch of one pass over it, without a step in between; what is shown and written is their mean. ``at=FRAMES``
takes instead what the run recorded nearest to that many frames (``diagnose_interval=``, while training). A record,
``gradients.npz``, can be given in place of a checkpoint; without ``at`` it stands for its last snapshot.

Writes to ``out``: ``<label>.npz`` (:class:`~mtbench.learning.gradient_record.GradientRecord`), ``summary.csv``,
``critic_gram.png`` and ``actor_gram.png`` (norms and cosines), ``weights.png`` and, of runs that recorded themselves,
``norms.png`` (of task gradients, and of the value's Jacobian) and ``training.png``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from isaacgymenvs_tasks.options import output, read_options, whole
from mtbench.commands.launch import agent_params
from mtbench.learning.errors import UserError
from mtbench.learning.gradient_record import GradientRecord, Snapshot
from mtbench.report import gradient_figures


def snapshot(checkpoint: Path) -> GradientRecord:
    """One snapshot, of the update that would follow a checkpoint.

    Raises:
        UserError: no such checkpoint, or its run's ``config.yaml`` is gone.
    """
    from rl_games.torch_runner import Runner

    from mtbench.learning.agents import MTPPO
    from mtbench.learning.agents.checkpoint import load_checkpoint
    from mtbench.learning.observers import MultiTaskObserver
    from mtbench.learning.player import read_config

    algo = load_checkpoint(checkpoint)["algo"]  # a path that is wrong is told before anything is built
    if algo != MTPPO.name:
        raise UserError(
            f"checkpoint '{checkpoint}' is of the algorithm {algo}; only a run of {MTPPO.name} shows its next update, and "
            "others record theirs while they train, with diagnose_interval="
        )
    config = _run_folder(checkpoint) / "config.yaml"
    if not config.is_file():
        raise UserError(f"checkpoint '{checkpoint}' lies in no run: there is no '{config}' to say how it was trained")
    settings = read_config(config, "task.env", "task.sim", "train.params.config", "train.params.algo")
    try:
        trained, device, params = (
            settings["train"]["params"]["algo"]["name"],
            settings["rl_device"],
            agent_params(settings),
        )
    except KeyError as error:
        raise UserError(f"{config} is damaged: it has no {error.args[0]}") from error
    if trained != MTPPO.name:
        raise UserError(f"'{checkpoint}' has no critic that PPO trained, and actor and critic are what is compared")
    if device != "cpu" and not torch.cuda.is_available():
        raise UserError(f"'{checkpoint}' was trained on {device}, and there is no CUDA GPU here")
    params["config"]["diagnose_interval"] = None
    runner = Runner(MultiTaskObserver())
    runner.algo_factory.register_builder("mt_ppo", MTPPO)
    runner.load({"params": params})
    agent: MTPPO = runner.algo_factory.create("mt_ppo", base_name="diagnose", params=runner.params)
    agent.restore(str(checkpoint))
    rollout = agent.collect()
    targets = agent.targets(rollout, update_statistics=True)
    found = Snapshot()
    for rows in agent.minibatches.passes(agent.generators["minibatches"]):
        agent.backward(rollout, targets, rows, found)
    record = GradientRecord(agent.task_names)
    jacobian = agent.jacobian_norms(rollout)
    record.append(agent.frame, found, agent.critic_coef, agent.model.value_scale, jacobian)
    return record


def diagnose(checkpoints: Mapping[str, Path], out: Path, at: int | None = None) -> list[dict[str, str | float]]:
    """Diagnose runs, by label, write files and pictures to ``out``, and return the rows of the summary, whose columns
    are those of :meth:`GradientRecord.figures`.

    Raises:
        UserError: a run that is not there, or has other tasks than the first.
    """
    histories: dict[str, GradientRecord] = {}
    records: dict[str, GradientRecord] = {}
    for label, path in checkpoints.items():
        recorded = path.suffix == ".npz"
        history = path if recorded else _run_folder(path) / "gradients.npz"
        if recorded or at is not None or history.is_file():
            histories[label] = GradientRecord.read(history)
        if recorded or at is not None:
            records[label] = histories[label].at(sys.maxsize if at is None else at)
        else:
            records[label] = snapshot(path)
    first = next(iter(records.values())).tasks
    for label, record in records.items():
        if record.tasks != first:
            raise UserError(f"'{label}' has other tasks than the first run; compare runs on the same tasks")
    out.mkdir(parents=True, exist_ok=True)
    for label, record in records.items():
        record.write(out / f"{label}.npz")
    rows: list[dict[str, str | float]] = []
    for label, record in records.items():
        numbers = {name: float(values[0]) for name, values in record.figures().items()}
        rows.append({"run": label, "frames": int(record["frames"][0]), **numbers})
    with (out / "summary.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    figures = {f"{side}_gram": gradient_figures.gram(records, side) for side in ("critic", "actor")}
    figures["weights"] = gradient_figures.weights(records)
    if histories:
        figures["norms"] = gradient_figures.norms(histories)
        figures["training"] = gradient_figures.training(histories)
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=110)
    return rows


def _run_folder(checkpoint: Path) -> Path:
    return checkpoint.resolve().parent.parent


def _read(options: Mapping[str, str]) -> tuple[dict[str, Path], Path, int | None]:
    paths = [Path(name) for name in options["checkpoint"].split(",") if name]
    if not paths:
        raise UserError("say what to diagnose: checkpoint=runs/<name>/nn/last.pth, several separated by commas")
    labels = options["labels"].split(",") if options["labels"] else [_run_folder(path).name for path in paths]
    if len(labels) != len(paths) or len(set(labels)) != len(labels) or any("/" in name or not name for name in labels):
        raise UserError(f"labels={','.join(labels)} must be {len(paths)} different names without '/', one a checkpoint")
    at = whole(options, "at") if options["at"] else None
    out = Path(options["out"])
    if all(path.is_file() for path in paths):
        output(out, folder=True)
    return dict(zip(labels, paths, strict=True)), out, at


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = read_options(arguments, {"checkpoint": "", "labels": "", "out": "diagnosis", "at": ""})
    try:
        rows = diagnose(*_read(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for column in rows[0]:
        cells = [f"{value:.4g}" if isinstance(value := row[column], float) else str(value) for row in rows]
        print(f"{column:<24}", *(f"{cell:>14}" for cell in cells))
    print(f"written to {options['out']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
