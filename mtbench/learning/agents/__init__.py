"""The algorithms, one a file; what they have in common is :class:`.agent.Agent`."""

from mtbench.learning.agents.agent import Agent
from mtbench.learning.agents.mt_grpo import MTGRPO
from mtbench.learning.agents.mt_ppo import MTPPO

#: by ``algo.name``
ALGORITHMS: dict[str, type[Agent]] = {algorithm.name: algorithm for algorithm in (MTPPO, MTGRPO)}

__all__ = ["ALGORITHMS", "MTGRPO", "MTPPO", "Agent"]
