"""What the settings of the algorithms may be: ``train.params`` of a configuration, in rl-games' form.

An algorithm names its class here, or its own under :class:`Learner`, in its attribute ``settings``; a name means the same
in all of them.
"""

from mtbench.learning.agents.settings.common import (
    ADDED,
    Actor,
    Algorithm,
    Batch,
    Both,
    Critic,
    Device,
    Learner,
    LogStd,
    Network,
    Params,
    Passes,
    RewardShaper,
    Steps,
    Support,
    check_params,
)
from mtbench.learning.agents.settings.off_policy import MTSAC, FastTD3, OffPolicy
from mtbench.learning.agents.settings.offline import MTBC, DecisionTransformer, HarmoDT, Harmony, Sequence
from mtbench.learning.agents.settings.on_policy import MTGRPO, MTIMPALA, MTPPO, MTPPOBC, MTPQN, OnPolicy

__all__ = [
    "ADDED",
    "MTBC",
    "MTGRPO",
    "MTIMPALA",
    "MTPPO",
    "MTPPOBC",
    "MTPQN",
    "MTSAC",
    "Actor",
    "Algorithm",
    "Batch",
    "Both",
    "Critic",
    "DecisionTransformer",
    "Device",
    "FastTD3",
    "HarmoDT",
    "Harmony",
    "Learner",
    "LogStd",
    "Network",
    "OffPolicy",
    "OnPolicy",
    "Params",
    "Passes",
    "RewardShaper",
    "Sequence",
    "Steps",
    "Support",
    "check_params",
]
