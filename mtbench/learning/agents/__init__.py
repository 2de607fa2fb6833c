"""The algorithms, one a file; what they have in common is :class:`.agent.Agent`."""

from mtbench.learning.agents.agent import Agent
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.agents.mt_pqn import MTPQN

#: by ``algo.name``
ALGORITHMS: dict[str, type[Agent]] = {algorithm.name: algorithm for algorithm in (MTPPO, MTPQN)}

__all__ = ["ALGORITHMS", "MTPPO", "MTPQN", "Agent"]
