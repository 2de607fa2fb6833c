"""Time one optimizer step of MT-PPO under every scheme, on the critic, on the actor, and as TOPPO, relative to vanilla.

    python benchmarks/training_update.py [--tasks 10 50] [--schemes cagrad famo] [--repeats 15] [--device cpu] [--output CSV]
        [--processor-time]

Random data in the published shapes: the TOPPO paper's networks (400-400-400) and minibatches (3,125 samples for 10 tasks,
15,625 for 50). In every repetition all variants take steps in turn, so that what else the machine does hits all alike: each
one that is not timed, and two that are. On a machine that others use as well, ``OMP_NUM_THREADS=1`` and
``--processor-time`` measure what the steps themselves cost. The tables give medians, and ratios of medians; the CSV has
every step, with the parts of it that the per-task machinery takes.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtbench.learning.agents import sides
from mtbench.learning.agents.gradients import PerTaskTape
from mtbench.learning.agents.losses import actor_losses, critic_losses
from mtbench.learning.agents.minibatches import StratifiedMinibatches
from mtbench.learning.allocator import keep_freed_memory
from mtbench.learning.balancing import REGISTRY, Weighting, make_weighting
from mtbench.learning.networks.model import ActorCriticModel

SAMPLES_PER_TASK = 312.5
PARTS = ("gradients", "gram", "weights", "combine")  # of a step; the rest is the forward pass, its backward and Adam
PARAMETERS: dict[str, dict[str, Any]] = {"krum": {"n_byzantine": 1}}


@dataclass(frozen=True)
class Variant:
    """What is switched on."""

    name: str
    actor: str = "mean"
    critic: str = "mean"
    layer_norm: bool = False
    value_norm: str = "running"


LADDER = (
    Variant("+ critic LayerNorm", layer_norm=True),
    Variant("+ PopArt", layer_norm=True, value_norm="popart"),
    Variant("+ FairGrad critic", critic="fairgrad", layer_norm=True, value_norm="popart"),
    Variant("+ PCGrad actor (TOPPO)", "pcgrad", "fairgrad", layer_norm=True, value_norm="popart"),
)


class Clock:
    """Milliseconds by part, of one step."""

    def __init__(self, device: str, now: Callable[[], float]) -> None:
        self.device = device
        self.now = now
        self.spent = dict.fromkeys((*PARTS, "step"), 0.0)

    def time(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            synchronize(self.device)
            started = self.now()
            result = function(*args, **kwargs)
            synchronize(self.device)
            self.spent[part] += 1e3 * (self.now() - started)
            return result

        return timed


def synchronize(device: str) -> None:
    """Wait for a GPU to finish what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def make_step(variant: Variant, num_tasks: int, device: str) -> Callable[[], None]:
    """Return a function that takes one optimizer step, as ``MTPPO.update`` does."""
    torch.manual_seed(0)
    size = int(SAMPLES_PER_TASK * num_tasks)
    units = {"units": [400, 400, 400], "activation": "relu"}
    network = {"name": "mlp", "actor": units, "critic": {**units, "layer_norm": variant.layer_norm}}
    model = ActorCriticModel(39 + num_tasks, num_tasks, 4, network, True, variant.value_norm)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-4, fused=True)
    balanced = {
        name: sides.Side(
            net,
            model.owned_parameters(name),
            make_weighting(
                scheme,
                num_tasks=num_tasks,
                device=device,
                generator=torch.Generator().manual_seed(0),
                **PARAMETERS.get(scheme, {}),
            ),
        )
        for name, net, scheme in (
            ("actor", model.network.actor, variant.actor),
            ("critic", model.network.critic, variant.critic),
        )
    }
    task = torch.arange(size) % num_tasks
    batches = StratifiedMinibatches(task, num_tasks, 1)
    (rows,) = batches.passes(torch.Generator(device).manual_seed(0))
    inputs = torch.cat((torch.randn(size, 39), torch.nn.functional.one_hot(task, num_tasks)), dim=1)[rows]
    actions, advantages, returns = (column[rows] for column in (torch.randn(size, 4), *torch.randn(2, size)))
    values, log_probs = returns + 0.1 * torch.randn(len(rows)), -torch.rand(len(rows)) - 4.0

    def actor() -> Tensor:
        mean, log_std = model.network.actor(inputs), model.network.log_std
        return actor_losses(
            mean, log_std, actions, log_probs, advantages, batches.weight, 0.2, 5e-3, 1e-4, normalize=True
        )[0]

    def critic() -> Tensor:
        return critic_losses(model.value(inputs, batches.task), values, returns, batches.weight, clip=0.2)[0]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        balanced["actor"].backward(actor)
        balanced["critic"].backward(critic)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        for side in balanced.values():
            side.after_step()

    return step


def measure(
    variants: list[Variant], num_tasks: int, repeats: int, device: str, now: Callable[[], float]
) -> dict[Variant, list[dict[str, float]]]:
    """Milliseconds of every step, by part."""
    clock = Clock(device, now)
    PerTaskTape.gradients = clock.time("gradients", PerTaskTape.gradients)  # type: ignore[method-assign]
    sides.gram, sides.combine = clock.time("gram", sides.gram), clock.time("combine", sides.combine)
    Weighting.__call__ = clock.time("weights", Weighting.__call__)  # type: ignore[method-assign]
    rows: dict[Variant, list[dict[str, float]]] = {variant: [] for variant in variants}
    for repetition in range(repeats):
        for variant in variants:
            step = clock.time("step", make_step(variant, num_tasks, device))
            step()
            for _ in range(2):
                clock.spent = dict.fromkeys(clock.spent, 0.0)
                step()
                rows[variant].append({"repetition": repetition, **clock.spent})
    for function in (PerTaskTape, Weighting):
        attribute = "gradients" if function is PerTaskTape else "__call__"
        setattr(function, attribute, getattr(function, attribute).__wrapped__)
    sides.gram, sides.combine = sides.gram.__wrapped__, sides.combine.__wrapped__  # type: ignore[attr-defined]
    return rows


def report(rows: dict[Variant, list[dict[str, float]]], schemes: list[str]) -> None:
    """Print the two tables."""
    median = {
        v: {part: statistics.median(row[part] for row in steps) for part in (*PARTS, "step")}
        for v, steps in rows.items()
    }
    vanilla = median[Variant("MT-PPO")]["step"]
    print(f"vanilla MT-PPO: {vanilla:.1f} ms a step\n")
    print(f"{'scheme':<14}{'on the critic':>14}{'on the actor':>14}{'weights, ms':>13}")
    for scheme in schemes:
        critic, actor = (median[Variant(f"{scheme} {side}", **{side: scheme})] for side in ("critic", "actor"))
        row = f"{scheme:<14}{critic['step'] / vanilla:14.2f}{actor['step'] / vanilla:14.2f}"
        print(row + (f"{critic['weights']:13.2f}" if critic["weights"] else ""))
    names = ("gradients", "Gram", "weights", "combine")
    print(f"\n{'ladder':<26}{'relative':>9}{'step, ms':>10}  of which" + "".join(f"{name:>11}" for name in names))
    for variant in (Variant("MT-PPO"), *LADDER):
        parts = median[variant]
        row = f"{variant.name:<26}{parts['step'] / vanilla:9.2f}{parts['step']:10.1f}{'':10}"
        print(row + "".join(f"{parts[part]:11.1f}" for part in PARTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--schemes", nargs="+", default=sorted(REGISTRY.keys() - {"mean"}))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    keep_freed_memory()  # as train.py does
    torch.set_default_device(args.device)
    schemes = [Variant(f"{s} {side}", **{side: s}) for s in args.schemes for side in ("critic", "actor")]
    now = time.process_time if args.processor_time else time.perf_counter
    lines = []
    for num_tasks in args.tasks:
        rows = measure([Variant("MT-PPO"), *LADDER, *schemes], num_tasks, args.repeats, args.device, now)
        threads = f", {torch.get_num_threads()} threads" if args.device == "cpu" else ""
        print(
            f"\n# K = {num_tasks}, minibatches of {int(SAMPLES_PER_TASK * num_tasks):,}, {args.device}{threads}, "
            f"medians of {2 * args.repeats}{', processor time' if args.processor_time else ''}\n"
        )
        report(rows, args.schemes)
        lines += [{"tasks": num_tasks, "variant": v.name, **step} for v, steps in rows.items() for step in steps]
    if args.output:
        with args.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, lines[0].keys())
            writer.writeheader()
            writer.writerows({k: round(v, 3) if isinstance(v, float) else v for k, v in line.items()} for line in lines)


if __name__ == "__main__":
    main()
