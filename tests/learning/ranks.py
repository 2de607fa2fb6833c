"""What each process of test_distributed.py runs: ``torchrun --nproc_per_node=2 tests/learning/ranks.py DIRECTORY``.

Writes per rank what it collected and what it ended with; the test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from mtbench.learning import distributed
from mtbench.learning.agents import mt_ppo
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.observers import MultiTaskObserver, QuietObserver
from tests.learning.conftest import build_agent

#: One minibatch holds the whole batch, so that two ranks and one process see the same samples in every update.
SETTINGS = (
    "num_envs=32",
    "schedule.num_minibatches=1",
    "schedule.mini_epochs=2",
    "train.params.config.lr_schedule=adaptive",
)
SCHEMES = {
    "toppo": ("train=TOPPO",),
    "vanilla": ("train=MTPPO",),
    "recompute": ("train=TOPPO", "schedule.recompute_advantages=true", "balancing.actor=mean"),
}
EPOCHS = 3


class Continuous:
    """A schedule in which every difference of the KL divergence shows; rl-games' moves in steps of 1.5."""

    def update(self, lr: float, entropy_coef: float, epoch: int, frames: int, kl: float) -> tuple[float, float]:
        return 1e-3 * (1.0 + kl), entropy_coef


def state(agent: MTPPO) -> dict[str, Any]:
    return {
        "model": agent.model.state_dict(),
        "obs": agent.obs,
        "lr": agent.last_lr,
        "frame": agent.frame,
        "env": agent.vec_env.get_env_state(),
        "actions": agent.generators["actions"].get_state(),
    }


def main(directory: Path) -> None:
    torch.set_num_threads(1)
    distributed.start()
    rank = distributed.rank()

    def make(*overrides: str, name: str) -> MTPPO:
        observer = (MultiTaskObserver if rank == 0 else QuietObserver)()
        return build_agent(directory, *overrides, name=name, observer=observer, env_seed=100 + rank)

    collect = mt_ppo.collect
    results: dict[str, Any] = {}
    for name, scheme in SCHEMES.items():
        collected: list[Any] = []

        def record(*args: Any, into: list[Any] = collected) -> Any:
            rollout, obs = collect(*args)
            into.append(vars(rollout))
            return rollout, obs

        mt_ppo.collect = record
        agent = make(*scheme, *SETTINGS, f"max_iterations={EPOCHS}", name=name)
        agent.scheduler = Continuous()  # type: ignore[assignment]
        start = agent.model.state_dict()
        results[name] = {"start": {k: v.clone() for k, v in start.items()}, "task": agent.task_index}
        agent.train()
        results[name] |= {"rollouts": collected, "end": state(agent)}
    mt_ppo.collect = collect

    part = make(*SCHEMES["toppo"], *SETTINGS, f"max_iterations={EPOCHS - 1}", name="part")
    part.scheduler = Continuous()  # type: ignore[assignment]
    part.train()
    again = make(*SCHEMES["toppo"], *SETTINGS, f"max_iterations={EPOCHS}", name="part")
    again.scheduler = Continuous()  # type: ignore[assignment]
    torch.rand(rank + 3)  # what happened meanwhile must not matter
    again.restore(str(directory / "part" / "nn" / "last.pth"))
    again.train()
    results["resumed"] = state(again)
    torch.save(results, directory / f"rank{rank}.pt")
    distributed.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
