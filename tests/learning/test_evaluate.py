"""Evaluation protocols: the same goals each time, or others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mtbench.learning.evaluate import PROTOCOLS, Evaluator
from tests.learning.toy_env import PointMass


class Still:
    """A policy that stays where it is, so that returns tell goals apart; it is told what policies with a memory are told."""

    def observe(self, rewards: Tensor, begun: Tensor) -> None:
        """Before every action."""
        assert rewards.shape == begun.shape

    def act(self, obs: Tensor, task: Tensor) -> Tensor:
        """No displacement."""
        return torch.zeros(len(obs), 2)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_goals_are_the_same_or_drawn_anew(name: str) -> None:
    goals, fresh = PROTOCOLS[name]
    options = {"env": {"tasks": ["near", "far"], "episodeLength": 5, "randomInitialProgress": False}}
    evaluator = Evaluator(lambda n: PointMass(options, n, 3, "cpu"), 2, goals, 5, fresh)
    first, second = evaluator(Still()), evaluator(Still())  # type: ignore[arg-type]
    assert first.episodes == {"metaworld": 50, "mtbench": 10}[name]
    assert (first.returns != second.returns) == fresh
