"""Which values the settings of all algorithms may have, by name; a name means the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtbench.learning.errors import UserError


@dataclass(frozen=True)
class Range:
    """Finite numbers from ``low`` to ``high``, without ``low`` itself if ``above``, whole ones if ``whole``."""

    low: float
    high: float = math.inf
    above: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        finite = -math.inf < value < math.inf  # NaN is not, and a whole number may be of any length
        return finite and self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        least = f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        return f"{kind} {least}" + (f" and at most {self.high:g}" if self.high < math.inf else "")


POSITIVE, NOT_NEGATIVE, COUNT = Range(0, above=True), Range(0), Range(1, whole=True)
SHARE, SOME = Range(0, 1), Range(0, 1, above=True)

#: of train.params.config
RANGES: dict[str, Range] = {
    # all algorithms
    "gamma": SHARE,
    "learning_rate": SOME,
    "grad_norm": POSITIVE,
    "horizon_length": COUNT,
    # PPO, GRPO and PQN
    "tau": SHARE,
    "q_lambda": SHARE,
    "e_clip": POSITIVE,
    "adam_eps": NOT_NEGATIVE,
    "kl_threshold": POSITIVE,
    "entropy_coef": NOT_NEGATIVE,
    "critic_coef": POSITIVE,
    "bounds_loss_coef": NOT_NEGATIVE,
    "kl_coef": NOT_NEGATIVE,
    "mini_epochs": COUNT,
    "num_minibatches": COUNT,
    "bins_per_dim": Range(2, whole=True),
    "start_e": SHARE,
    "end_e": SHARE,
    "exploration_fraction": SOME,
    # SAC and TD3
    "nstep": COUNT,
    "batch_size": COUNT,
    "replay_buffer_size": COUNT,
    "gradient_steps_per_itr": COUNT,
    "warmup_steps": Range(0, whole=True),
    "alpha_lr": SOME,
    "target_entropy_coef": Range(-1e3, 1e3),
    "critic_tau": SOME,
    "reward_target": POSITIVE,
    "reset_interval": COUNT,
    "normalized_max_return": POSITIVE,
    "num_atoms": Range(2, whole=True),
    "v_min": Range(-1e9, 1e9),
    "v_max": Range(-1e9, 1e9),
    "policy_delay": COUNT,
    "policy_noise": NOT_NEGATIVE,
    "noise_clip": NOT_NEGATIVE,
    "std_min": NOT_NEGATIVE,
    "std_max": NOT_NEGATIVE,
    "learning_rate_end": SHARE,
    "weight_decay": NOT_NEGATIVE,
    # learners from trajectories
    "part": SOME,
    "warmup_updates": Range(0, whole=True),
    "target_quantile": SHARE,
    "target_factor": POSITIVE,
    "prompt_share": SOME,
    "bc_coef": NOT_NEGATIVE,
    "bc_frames": COUNT,
    "bc_batch": COUNT,
}
MAY_BE_NULL = ("reset_interval",)
SWITCHES = (
    "clip_value",
    "recompute_advantages",
    "recompute_targets",
    "truncate_grads",
    "normalize_advantage",
    "normalize_reward",
    "anneal_lr",
    "same_start",
    "per_step",
    "clipped_double_q",
    "save_replay_buffer",
)
INIT_LOG_STD = Range(-20, 5)
SCALE = POSITIVE  # of rewards


def check_values(params: Mapping[str, Any]) -> None:
    """Compare an algorithm's settings with the table.

    Args:
        params: rl-games' parameters.

    Raises:
        UserError: the first value that cannot be, and what can.
    """
    config, place = params["config"], "train.params.config."
    values = {place + name: (config[name], allowed) for name, allowed in RANGES.items() if name in config}
    limits = values.pop(f"{place}grad_norm")[0]
    sides = list(config["balancing"])
    if not isinstance(limits, Mapping):
        values[f"{place}grad_norm"] = limits, POSITIVE
    elif set(limits) != set(sides):
        wanted = ", ".join(f"{side}: 1.0" for side in sides)
        raise UserError(f"{place}grad_norm={dict(limits)} must be one number, or one a side: {{{wanted}}}")
    else:
        values |= {f"{place}grad_norm.{side}": (limits[side], POSITIVE) for side in sides}
    if isinstance(config["reward_shaper"], Mapping):  # rl-games makes an object of it
        values[f"{place}reward_shaper.scale_value"] = config["reward_shaper"].get("scale_value", 1.0), SCALE
    if "init_log_std" in params["network"]:
        values["train.params.network.init_log_std"] = params["network"]["init_log_std"], INIT_LOG_STD
    for name, (value, allowed) in values.items():
        if value not in allowed and not (value is None and name.removeprefix(place) in MAY_BE_NULL):
            raise UserError(f"{name}={value} must be {allowed}")
    for name in SWITCHES:
        if name in config and not isinstance(config[name], bool):
            raise UserError(f"{place}{name}={config[name]} must be true or false")
