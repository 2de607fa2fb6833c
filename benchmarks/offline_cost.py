"""What an update of an offline learner costs, and what masks add: processor time of forward, backward and weighting.

    OMP_NUM_THREADS=1 python benchmarks/offline_cost.py [--tasks 5] [--repeats 12] [--width 64] [--layers 3] [--context 10]

Variants take turns; medians of the repeats, in ms of processor time of one thread, and relative to Prompt-DT with the mean.
The last line is an exchange of masks: two passes with task gradients and the ranking, made once in 500 updates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from mtbench.data.windows import Windows
from mtbench.learning.agents.gradients import PerTaskTape
from mtbench.learning.agents.sides import Side
from mtbench.learning.balancing import make_weighting
from mtbench.learning.networks.masked import MaskedLinear, get_masks, masked_layers, put_masks, set_masking
from mtbench.learning.networks.sequence import DecisionTransformer
from mtbench.learning.offline import harmony

FEATURES, ACTIONS, PROMPT, PER_TASK = 39, 4, 3, 8


def windows(batch: int, length: int) -> Windows:
    """Random ones."""
    draw = partial(torch.randn, batch, length)
    steps = torch.arange(length).expand(batch, length)
    return Windows(draw(), draw(FEATURES), draw(ACTIONS), steps, torch.ones(batch, length, dtype=torch.bool))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, value in {"tasks": 5, "repeats": 12, "width": 64, "layers": 3, "context": 10}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tasks = options.tasks
    batch, prompt = windows(tasks * PER_TASK, options.context), windows(tasks * PER_TASK, PROMPT)

    def make(linear: Callable[[int, int], nn.Module]) -> DecisionTransformer:
        sizes = (options.width, options.layers, 4, 150)
        network = DecisionTransformer(FEATURES, ACTIONS, *sizes, prompt=PROMPT, linear=linear)
        if masked_layers(network):
            put_masks(network, torch.rand(get_masks(network).shape) < 0.8)
        return network

    def losses_of(network: nn.Module) -> Tensor:
        return (network(batch, prompt) - batch.actions).square().view(tasks, -1).mean(1)

    plain, masked = make(nn.Linear), make(partial(MaskedLinear, tasks))

    def update(network: nn.Module, scheme: str) -> Callable[[], None]:
        side = Side(network, [], make_weighting(scheme, num_tasks=tasks))

        def run() -> None:
            network.zero_grad(set_to_none=True)
            side.backward(partial(losses_of, network))

        return run

    tape = PerTaskTape(nn.ModuleList(masked_layers(masked)))

    def exchange() -> None:
        found = []
        for masking in (True, False):
            set_masking(masked, masking)
            with tape:
                losses = losses_of(masked)
            gradients = tape.gradients(losses)[0].split([p.numel() for p in tape.parameters], 1)
            found.append(torch.cat([g for g, p in zip(gradients, tape.parameters, strict=True) if p.ndim == 2], 1))
        set_masking(masked, True)
        scores = harmony.harmony(found[0], harmony.importance("F", found[0], torch.empty(0)), 0.1)
        harmony.update_masks(get_masks(masked), scores, found[1], 100)

    variants = {
        "Prompt-DT, mean": update(plain, "mean"),
        "Prompt-DT, PCGrad": update(plain, "pcgrad"),
        "Prompt-DT, FairGrad": update(plain, "fairgrad"),
        "HarmoDT, mean": update(masked, "mean"),
        "HarmoDT, an exchange": exchange,
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(options.repeats + 1):
        for name, run in variants.items():
            started = time.process_time()
            run()
            if repeat:  # the first one warms up
                times[name].append(1000 * (time.process_time() - started))
    size = sum(p.numel() for p in plain.parameters())
    shape = f"{tasks} tasks, {PER_TASK} windows of {options.context} steps each, prompts of {PROMPT}"
    print(f"{shape}, {size:,} parameters, one thread")
    medians = {name: torch.tensor(values).median().item() for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:<22}{value:8.1f} ms  {value / medians['Prompt-DT, mean']:5.2f}")


if __name__ == "__main__":
    main()
