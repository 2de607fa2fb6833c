"""The algorithms, one a file; what they have in common is :class:`.agent.Agent`."""

from mtbench.learning.agents.agent import Agent
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.agents.mt_sac import MTSAC

#: by ``algo.name``
ALGORITHMS: dict[str, type[Agent]] = {algorithm.name: algorithm for algorithm in (MTPPO, MTSAC)}

__all__ = ["ALGORITHMS", "MTPPO", "MTSAC", "Agent"]
