"""Time one training update of MT-PPO and of TOPPO on random data: frames/s of the learner alone.

    python benchmarks/training_update.py [--tasks 10] [--frames 65536] [--mini-epochs 4] [--minibatches 8] [--device cpu]

Prints the seconds a rollout of ``--frames`` takes to be learned from, what part of it is the networks' forward and
backward passes, and the difference each of TOPPO's parts makes.
"""

from __future__ import annotations

import argparse
import time

import torch

from mtbench.learning.agents.losses import actor_losses, critic_losses
from mtbench.learning.agents.minibatches import StratifiedMinibatches
from mtbench.learning.agents.sides import Side
from mtbench.learning.balancing import make_weighting
from mtbench.learning.networks.model import MultiTaskModel

VARIANTS = {
    "MT-PPO": (False, "running", "mean", "mean"),
    "+ critic LayerNorm": (True, "running", "mean", "mean"),
    "+ PopArt": (True, "popart", "mean", "mean"),
    "+ FairGrad critic": (True, "popart", "mean", "fairgrad"),
    "+ PCGrad actor (TOPPO)": (True, "popart", "pcgrad", "fairgrad"),
}


def time_update(args: argparse.Namespace, layer_norm: bool, value_norm: str, actor: str, critic: str) -> float:
    """Return the seconds of all optimizer steps on one rollout."""
    k, n = args.tasks, args.frames
    torch.manual_seed(0)
    side = {"units": [400, 400, 400], "activation": "relu"}
    network = {"name": "mlp", "actor": side, "critic": {**side, "layer_norm": layer_norm}}
    model = MultiTaskModel(39 + k, k, 4, network, True, value_norm, {})
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-4, fused=True)
    generator = torch.Generator(args.device).manual_seed(0)
    orders = torch.Generator().manual_seed(0)  # of PCGrad, whose Gram matrix is solved on the CPU
    sides = {
        name: Side(net, model.owned_parameters(name), make_weighting(scheme, generator=orders))
        for name, net, scheme in (("actor", model.network.actor, actor), ("critic", model.network.critic, critic))
    }
    task = torch.arange(n) % k
    inputs = torch.cat((torch.randn(n, 39), torch.nn.functional.one_hot(task, k)), dim=1)
    actions, advantages, returns = torch.randn(n, 4), torch.randn(n), torch.randn(n)
    values, log_probs = returns + 0.1 * torch.randn(n), -torch.rand(n) - 4.0
    batches = StratifiedMinibatches(task, k, args.minibatches)
    synchronize(args.device)
    started = time.perf_counter()
    for _ in range(args.mini_epochs):
        for rows in batches.passes(generator):
            x = inputs[rows]
            optimizer.zero_grad(set_to_none=True)
            sides["actor"].backward(
                lambda x=x, rows=rows: actor_losses(
                    model.network.actor(x), model.network.log_std, actions[rows], log_probs[rows], advantages[rows],
                    batches.weight, clip=0.2, entropy_coef=5e-3, bounds_coef=1e-4, normalize=True,
                )[0]
            )  # fmt: skip
            sides["critic"].backward(
                lambda x=x, rows=rows: critic_losses(
                    model.value(x, batches.task), values[rows], returns[rows], batches.weight, clip=0.2
                )[0]
            )
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    synchronize(args.device)
    return time.perf_counter() - started


def synchronize(device: str) -> None:
    """Wait for a GPU to finish what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--frames", type=int, default=65536)
    parser.add_argument("--mini-epochs", type=int, default=4)
    parser.add_argument("--minibatches", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_default_device(args.device)
    threads = torch.get_num_threads()
    print(f"{args.device}, {threads} threads, K = {args.tasks}, {args.frames} frames, {args.mini_epochs} mini-epochs")
    print(f"{'variant':<24} {'seconds':>8} {'frames/s':>9}   best of {args.repeats}")
    for name, variant in VARIANTS.items():
        seconds = min(time_update(args, *variant) for _ in range(args.repeats))
        print(f"{name:<24} {seconds:8.2f} {args.frames / seconds:9.0f}")


if __name__ == "__main__":
    main()
