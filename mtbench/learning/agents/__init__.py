"""The algorithms, one a file; what they have in common is :class:`.agent.Agent`."""

from mtbench.learning.agents.agent import Agent
from mtbench.learning.agents.decision_transformer import DecisionTransformerAgent, HarmoDT
from mtbench.learning.agents.fast_td3 import FastTD3
from mtbench.learning.agents.mt_grpo import MTGRPO
from mtbench.learning.agents.mt_impala import MTIMPALA
from mtbench.learning.agents.mt_ppo import MTPPO
from mtbench.learning.agents.mt_ppo_bc import MTPPOBC
from mtbench.learning.agents.mt_pqn import MTPQN
from mtbench.learning.agents.mt_sac import MTSAC
from mtbench.learning.agents.mtbc import MTBC

#: by ``algo.name``
ALGORITHMS: dict[str, type[Agent]] = {
    algorithm.name: algorithm
    for algorithm in (MTPPO, MTIMPALA, MTGRPO, MTSAC, MTPQN, FastTD3, MTPPOBC, MTBC, DecisionTransformerAgent, HarmoDT)
}

__all__ = [
    "ALGORITHMS",
    "MTBC",
    "MTGRPO",
    "MTIMPALA",
    "MTPPO",
    "MTPPOBC",
    "MTPQN",
    "MTSAC",
    "Agent",
    "DecisionTransformerAgent",
    "FastTD3",
    "HarmoDT",
]
