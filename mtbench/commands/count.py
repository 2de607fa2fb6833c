"""Counts the parameters of every architecture at K = 10 and 50 and sets them beside those of others.

``mtbench count``; docs/parameter_counts.md explains the differences.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mtbench.commands.command_line import run_command
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.errors import UserError
from mtbench.learning.networks import NETWORKS, Shape, make_network
from mtbench.resources import CFG

TASK_SETS = {10: "MT10", 50: "MT50"}
NUM_FEATURES, NUM_ACTIONS = 39, 4


def _log_std(num_tasks: int) -> int:
    """One row of action deviations a task, where MTBench has one for all."""
    return NUM_ACTIONS * (num_tasks - 1)


def _mlp(*widths: int) -> int:
    return sum(inputs * outputs + outputs for inputs, outputs in pairwise(widths))


def _care(num_tasks: int) -> int:
    """Context encoders of both sides from 384 dimensions instead of 768."""
    encoders = [_mlp(size, 2 * size, size, 50) for size in (384, 768)]
    return _log_std(num_tasks) + 2 * (encoders[0] - encoders[1])


def _paco(num_tasks: int) -> int:
    """A trunk and task weights for each side, where MTBench's sides share them."""
    sets = 5 if num_tasks <= 10 else 20
    return _log_std(num_tasks) + sets * (_mlp(NUM_FEATURES, 400, 400, 400) + num_tasks)


def _bro(num_tasks: int) -> int:
    """No biases before a LayerNorm: 3 linears in the actor and 5 in the critic."""
    return _log_std(num_tasks) - 256 * (3 + 5)


def _simbav2_td3(num_tasks: int) -> int:
    """An actor of one block where MTBench builds the critic's two, and one-hot tasks instead of embeddings."""
    block = 8 * 512 * 512 + 5 * 512
    return (512 + 2 * 1024) * (num_tasks - 32) - 2 * 32 * num_tasks - block


@dataclass(frozen=True)
class Row:
    """A network and the same one elsewhere.

    Attributes:
        name: of the method.
        overrides: of ``train.py`` that give it here.
        theirs: parameters at K = 10 and 50.
        difference: ours minus theirs at K tasks, from the formulas in this file; None: none.
    """

    name: str
    overrides: Sequence[str]
    theirs: tuple[int, int]
    difference: Callable[[int], int] | None = None


def _wide(width: int) -> str:
    return f"critic.units=[{width},{width},{width}]"


_EMBEDDED = ["network=asymmetric", "actor.task_embedding=32", "critic.task_embedding=32"]

#: TOPPO's are printed in its Table B.2 in thousands (684, 685; 716, 717); MTBench's are counted from the layers that its
#: repository builds.
ROWS = [
    Row("MT-PPO (TOPPO paper)", ["train=MTPPO"], (683_645, 715_805)),
    Row("TOPPO", ["train=TOPPO"], (684_865, 717_105)),
    Row("MTBench MLP", ["network=mlp_mtbench"], (108_233, 128_713), _log_std),
    Row("MTBench multi-head", ["network=multihead"], (111_158, 144_638), _log_std),
    Row("MOORE, single head", ["network=moore"], (2_703_627, 4_072_531), _log_std),
    Row(
        "MOORE, multi-head",
        ["network=moore", "actor.multi_head=true", "critic.multi_head=true"],
        (2_721_622, 4_170_526),
        _log_std,
    ),
    Row("CARE, single head", ["network=care"], (5_594_409, 5_594_409), _care),
    Row(
        "CARE, multi-head",
        ["network=care", "actor.multi_head=true", "critic.multi_head=true"],
        (5_612_454, 5_692_654),
        _care,
    ),
    Row("PaCo", ["network=paco"], (1_694_079, 6_777_104), _paco),
    Row("Soft Modularization", ["network=soft_modularization"], (1_224_230, 1_244_710), _log_std),
    Row("asymmetric, critic 768", ["network=asymmetric"], (1_274_569, 1_315_529), _log_std),
    Row("asymmetric, critic 1500", ["network=asymmetric", _wide(1500)], (4_633_717, 4_703_957), _log_std),
    Row("asymmetric, critic 3000", ["network=asymmetric", _wide(3000)], (18_213_217, 18_343_457), _log_std),
    Row("asymmetric, critic 6000", ["network=asymmetric", _wide(6000)], (72_372_217, 72_622_457), _log_std),
    Row("asymmetric, critic 12000", ["network=asymmetric", _wide(12000)], (288_690_217, 289_180_457), _log_std),
    Row("asymmetric, critic 768, embedded task", _EMBEDDED, (1_297_737, 1_300_297), _log_std),
    Row("asymmetric, critic 1500, embedded task", [*_EMBEDDED, _wide(1500)], (4_672_989, 4_675_549), _log_std),
    Row("asymmetric, critic 3000, embedded task", [*_EMBEDDED, _wide(3000)], (18_285_489, 18_288_049), _log_std),
    Row("SimBa-V2, critic 256", ["network=simbav2"], (1_735_689, 1_756_169), _log_std),
    Row("SimBa-V2, critic 1024", ["network=simbav2", "critic.width=1024"], (18_495_753, 18_546_953), _log_std),
    Row("SimBa-V2, critic 4096", ["network=simbav2", "critic.width=4096"], (286_076_169, 286_250_249), _log_std),
    Row("BRO", ["network=bro"], (425_737, 446_217), _bro),
    Row("MT-GRPO", ["train=MTGRPO"], (342_408, 358_408), _log_std),
    Row("MT-SAC", ["train=MTSAC"], (574_868, 636_348)),
    Row("MT-PQN, one block", ["train=MTPQN", "critic.blocks=1"], (149_004, 159_244)),
    Row("FastTD3", ["train=FastTD3"], (1_722_062, 1_724_622)),
    Row("FastTD3, SimBa-V2", ["train=FastTD3_SimBaV2"], (40_541_006, 40_543_566), _simbav2_td3),
]

_PACO = {"layers": 3, "width": 400, "activation": "relu"}
_MOORE = {
    "experts": None, "layers": 3, "width": 400, "activation": "relu", "mixing": ["linear", "tanh"], "task_units": [],
    "task_bias": False, "multi_head": True,
}  # fmt: skip
_UNITS = {"units": [400, 400, 400], "activation": "relu"}

#: The SAC baselines of TOPPO's Table B.2, in thousands: name, network, settings, theirs at K = 10 and 50.
SAC_ROWS: list[tuple[str, str, dict[str, Any], tuple[int, int]]] = [
    ("SAC-MT, PCGrad, ARS (ARS paper)", "mlp", {**_UNITS, "units": [400] * 4}, (2_517, 2_597)),
    ("MTMHSAC, PCGrad (Meta-World+)", "mlp", {**_UNITS, "multi_head": True}, (1_759, 2_031)),
    ("MOORE (Meta-World+)", "moore", _MOORE, (6_810, 10_385)),
    ("PaCo (Meta-World+)", "paco", {**_PACO, "sets": None}, (8_476, 33_909)),
]


def count_sac(network: str, settings: dict[str, Any], num_tasks: int) -> int:
    """Return the parameters of a SAC agent made of an architecture: an actor with mean and deviation of every action, two
    critics that see the action too, and a target network of each."""
    with torch.device("meta"):
        sides = make_network(
            network, actor=settings, critic=settings, num_inputs=NUM_FEATURES + num_tasks, num_tasks=num_tasks,
            num_actions=2 * NUM_ACTIONS,
        )  # fmt: skip
        critic = NETWORKS[network](Shape(NUM_FEATURES + NUM_ACTIONS, num_tasks, 1), **settings)
    return sum(p.numel() for p in sides.actor.parameters()) + 4 * sum(p.numel() for p in critic.parameters())


def count(overrides: Sequence[str], num_tasks: int) -> int:
    """Return what is trained: networks, action deviations, PopArt's affine head, temperatures, at 39 features and 4 actions.

    Args:
        overrides: of ``train.py``; vanilla MT-PPO unless they name a ``train=``.
        num_tasks: 10 or 50.
    """
    from isaacgymenvs_tasks import choose_tasks

    with initialize_config_dir(str(CFG), version_base="1.3"):
        cfg = compose("config", [f"task={TASK_SETS[num_tasks]}", "train=MTPPO", *overrides])
    choose_tasks(cfg)
    params: Any = OmegaConf.to_container(cfg.train.params, resolve=True)
    algorithm = ALGORITHMS[params["algo"]["name"]]
    sizes: dict[str, Any] = {"num_obs": NUM_FEATURES + num_tasks, "num_tasks": num_tasks, "num_actions": NUM_ACTIONS}
    with torch.device("meta"):  # shapes only
        return algorithm.model_class(**sizes, **algorithm.model_settings(params)).num_parameters()


def line(row: Row) -> str:
    """Return a row of the table: ours, theirs and the difference at K = 10 and at K = 50."""
    cells = [(count(row.overrides, k), theirs) for k, theirs in zip(TASK_SETS, row.theirs, strict=True)]
    return f"| {row.name} | " + " | ".join(f"{a:,} | {b:,} | {a - b:+,}" for a, b in cells) + " |"


def main(arguments: Sequence[str] = ()) -> None:
    """Print both tables."""
    if arguments:
        raise UserError("mtbench count takes no settings")
    sides = [f"K = {k} | theirs | difference" for k in TASK_SETS]
    print(f"| parameters | {' | '.join(sides)} |\n|---|{'--:|' * 6}")
    for row in ROWS:
        print(line(row))
    print(f"\n| SAC agents, thousands | {' | '.join(f'K = {k} | Table B.2' for k in TASK_SETS)} |\n|---|{'--:|' * 4}")
    for name, network, settings, thousands in SAC_ROWS:
        cells = [(count_sac(network, settings, k), theirs) for k, theirs in zip(TASK_SETS, thousands, strict=True)]
        print(f"| {name} | " + " | ".join(f"{a / 1000:,.1f} | {b:,}" for a, b in cells) + " |")


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
