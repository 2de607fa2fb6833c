"""Settings that cannot work are refused by name, before anything is built."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import CFG, launch
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.agents.settings import COUNT, MAY_BE_NULL, RANGES, SWITCHES, Range
from mtbench.learning.errors import UserError
from tests.learning.conftest import TOY, configure

PRESETS = sorted(path.stem for path in (CFG / "train").glob("*.yaml"))
BASE = ("MTPPO", "MTGRPO", "MTPQN", "MTSAC", "FastTD3", "TOPPO_BC", "MTBC", "MTDT", "HarmoDT")
NAN, INF = float("nan"), math.inf
PPO: dict[str, list[Any]] = {
    "gamma": [-0.1, 1.1, NAN],
    "e_clip": [-1, 0, NAN, "wide"],
    "learning_rate": [-1, 0, NAN, 1e12],
    "adam_eps": [-1, NAN],
    "kl_threshold": [0, NAN],
    "entropy_coef": [-1e-3, NAN],
    "bounds_loss_coef": [-1, NAN],
    "grad_norm": [-1, 0, NAN, True, {"actr": 1.0}],
    "lr_schedule": ["nonexist", "cosine"],
    "mini_epochs": [0, 1.5, True],
    "num_minibatches": [0, NAN, "few"],
    "truncate_grads": ["yes", 1],
    "normalize_advantage": [NAN],
}
BUFFER: dict[str, list[Any]] = {
    "gamma": [-1, NAN],
    "learning_rate": [-1, 0, NAN],
    "grad_norm": [-0.5, NAN, {"actor": 1.0}, {"actor": 1.0, "critic": -1.0}],
    "nstep": [-1, 0, NAN],
    "batch_size": [0, NAN, 1.5],
    "replay_buffer_size": [0, NAN],
    "gradient_steps_per_itr": [0, NAN],
    "warmup_steps": [-1, NAN],
    "save_replay_buffer": [NAN],
}
#: preset -> setting of train.params.config -> values that it cannot have
BAD: dict[str, dict[str, list[Any]]] = {
    "MTPPO": {
        **PPO,
        "grad_norm": [*PPO["grad_norm"], {"actor": 1.0}, {"actor": 1.0, "critic": NAN}],
        "tau": [-1, 1.5, NAN],
        "critic_coef": [-1, 0, NAN, INF],
        "clip_value": ["", 0.2, None],
        "recompute_advantages": ["", 1],
    },
    "MTGRPO": {**PPO, "kl_coef": [-1, NAN], "same_start": [1], "per_step": ["no"]},
    "MTPQN": {
        "gamma": [2, NAN],
        "learning_rate": [0, NAN],
        "q_lambda": [-0.1, NAN],
        "bins_per_dim": [1, 2.5],
        "start_e": [-1, 2],
        "end_e": [NAN],
        "exploration_fraction": [0, NAN],
        "grad_norm": [NAN, {"actor": 1.0, "critic": 1.0}],
        "anneal_lr": [1],
        "mini_epochs": [0],
        "num_minibatches": [0],
        "horizon_length": [0, NAN],
    },
    "MTSAC": {
        **BUFFER,
        "alpha_lr": [0, NAN],
        "critic_tau": [0, NAN],
        "target_entropy_coef": [NAN],
        "reward_target": [0, NAN],
        "reset_interval": [0, NAN],
    },
    "FastTD3": {
        **BUFFER,
        "tau": [0, 2, NAN],
        "num_atoms": [1, NAN],
        "v_min": [NAN, 10.0],
        "v_max": [-INF, -11.0],
        "policy_delay": [0],
        "policy_noise": [-1, NAN],
        "noise_clip": [-1],
        "std_min": [-1, NAN, 0.5],
        "std_max": [NAN],
        "lr_schedule": ["adaptive"],
        "learning_rate_end": [-1, NAN],
        "weight_decay": [-1, NAN],
        "normalized_max_return": [0],
        "normalize_reward": [NAN],
        "clipped_double_q": ["no"],
    },
}


def params_of(directory: Path, preset: str) -> dict[str, Any]:
    options = ["network=mlp"] if preset == "FastTD3_SimBaV2" else []
    return configure(directory, f"train={preset}", "schedule=cpu", "max_frames=1000", *options)["train"]["params"]


def check(params: dict[str, Any]) -> None:
    ALGORITHMS[params["algo"]["name"]].check_settings(params)


@pytest.mark.parametrize("preset", BAD)
def test_values_that_cannot_be_are_refused_by_name(preset: str, tmp_path: Path) -> None:
    params = params_of(tmp_path, preset)
    check(params)
    for name, values in BAD[preset].items():
        for value in values:
            bad = {**params, "config": {**params["config"], name: value}}
            with pytest.raises(UserError) as caught:
                check(bad)
            assert name in str(caught.value) and "\n" not in str(caught.value), f"{name}={value}: {caught.value}"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_within_the_ranges(preset: str, tmp_path: Path) -> None:
    check(params_of(tmp_path, preset))


@pytest.mark.parametrize("preset", BASE)
def test_no_number_of_an_algorithm_goes_unchecked(preset: str, tmp_path: Path) -> None:
    """Each numeric or boolean setting is in the table, or launch() checks it."""
    elsewhere = {"num_actors", "max_epochs", "max_frames", "save_frequency", "diagnose_interval", "group_size"}
    switched = {"multi_gpu", "torch_compile"}  # rl-games' own
    config = params_of(tmp_path, preset)["config"]
    numbers = {name for name, value in config.items() if type(value) in (int, float)}
    switches = {name for name, value in config.items() if isinstance(value, bool)}
    assert numbers - elsewhere <= RANGES.keys()
    assert switches - switched - {"normalize_input"} <= set(SWITCHES)
    nulls = {name for name in RANGES if name in config and config[name] is None}
    assert nulls <= set(MAY_BE_NULL)


@pytest.mark.parametrize("value", [NAN, -30, 7, "small", True])
def test_the_deviation_at_the_start_and_the_scale_of_rewards_are_checked(value: Any, tmp_path: Path) -> None:
    params = params_of(tmp_path, "TOPPO")
    with pytest.raises(UserError, match=r"network\.init_log_std=.* must be a number of at least -20 and at most 5"):
        check({**params, "network": {**params["network"], "init_log_std": value}})
    if value != 7:
        shaped = {**params, "config": {**params["config"], "reward_shaper": {"scale_value": value}}}
        with pytest.raises(UserError, match="scale_value"):
            check(shaped)


def test_ranges_say_what_they_hold() -> None:
    assert str(Range(0, 1, above=True)) == "a number above 0 and at most 1"
    assert str(Range(1, whole=True)) == "a whole number of at least 1"
    assert (
        0 not in Range(0, above=True)
        and 0 in Range(0)
        and 1.0 not in Range(0, whole=True)
        and 10**400 in Range(0)
        and 10**400 in COUNT
    )


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train=MTPPO", "train.params.config.e_clip=nan"], ["config.e_clip=nan", "a number above 0"]),
        (["train=TOPPO", "train.params.config.clip_value=''"], ["config.clip_value=", "true or false"]),
        (["train=TOPPO", "train.params.config.lr_schedule=nonexist"], ["'nonexist'", "adaptive, constant"]),
        (
            ["train=TOPPO", "train.params.config.grad_norm={critic: 1}"],
            ["grad_norm={'critic': 1}", "actor: 1.0, critic: 1.0"],
        ),
        (
            ["train=TOPPO", "num_envs=8", "schedule.horizon_length=4", "schedule.num_minibatches=9"],
            ["num_minibatches=9", "8 samples"],
        ),
        (["train=TOPPO", "seed=99999999999999999999999"], ["seed=", "2^32"]),
        (["train=TOPPO", "seed=true"], ["seed=True"]),
        (["train=TOPPO", "max_minutes=nan"], ["max_minutes=nan"]),
    ],
)
def test_mistakes_end_in_one_sentence_before_environments_are_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *TOY, *overrides])
    monkeypatch.setattr("mtbench.learning.vec_env.make_env", None)  # nobody gets so far
    assert run_application(launch, CFG) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert all(word in error for word in words), error
    assert not any(tmp_path.iterdir())
