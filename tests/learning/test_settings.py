"""Settings that cannot work are refused by name, before anything is built."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Len
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mtbench.commands.command_line import run_application
from mtbench.commands.launch import CFG, launch
from mtbench.commands.prepare import check_benchmark, check_folder, check_settings, settle
from mtbench.composing import composed
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.balancing import REGISTRY, make_weighting
from mtbench.learning.errors import UserError
from mtbench.schema import Count, Positive, Settings, Share, check, of_signature
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
    options = ["network=simbav2"] if preset == "FastTD3_SimBaV2" else []
    return configure(directory, f"train={preset}", "schedule=cpu", "max_frames=1000", *options)["train"]["params"]


def check_params(params: dict[str, Any]) -> None:
    ALGORITHMS[params["algo"]["name"]].check_settings(params)


@pytest.mark.parametrize("preset", BAD)
def test_values_that_cannot_be_are_refused_by_name(preset: str, tmp_path: Path) -> None:
    params = params_of(tmp_path, preset)
    check_params(params)
    for name, values in BAD[preset].items():
        for value in values:
            bad = {**params, "config": {**params["config"], name: value}}
            with pytest.raises(UserError) as caught:
                check_params(bad)
            assert name in str(caught.value) and "\n" not in str(caught.value), f"{name}={value}: {caught.value}"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_within_the_ranges(preset: str, tmp_path: Path) -> None:
    params = params_of(tmp_path, preset)
    if "data" in params["config"]:
        params["config"]["data"] = "datasets/a"
    check_params(params)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_ready_to_run_as_it_is(preset: str) -> None:
    """All that ``python train.py`` looks at before it builds anything."""
    overrides = ["task=MT10", f"train={preset}", "sim_device=cpu", "rl_device=cpu"]
    overrides += ["data=datasets/a"] * ("data" in composed(*overrides).train.params.config)
    settle(composed(*overrides))


@pytest.mark.parametrize("value", [NAN, -30, 7, "small", True])
def test_the_deviation_at_the_start_and_the_scale_of_rewards_are_checked(value: Any, tmp_path: Path) -> None:
    params = params_of(tmp_path, "TOPPO")
    with pytest.raises(UserError, match=r"network\.init_log_std=.* must be a number of at least -20 and at most 5"):
        check_params({**params, "network": {**params["network"], "init_log_std": value}})
    if value != 7:
        shaped = {**params, "config": {**params["config"], "reward_shaper": {"scale_value": value}}}
        with pytest.raises(UserError, match="scale_value"):
            check_params(shaped)


def test_a_checkpoint_of_another_robot_is_refused(tmp_path: Path) -> None:
    checkpoint, task = str(tmp_path / "nn" / "last.pth"), {"name": "MetaWorldMT10", "benchmark": "sawyer"}
    check_benchmark(checkpoint, task)
    for text in ("task: [", "task: {}", "task: {benchmark: sawyer}"):
        (tmp_path / "config.yaml").write_text(text)
        check_benchmark(checkpoint, task)
    (tmp_path / "config.yaml").write_text("task: {benchmark: metaworld}")
    with pytest.raises(UserError, match="is of a run on the benchmark metaworld, and task=MetaWorldMT10 is of sawyer"):
        check_benchmark(checkpoint, task)


class Inner(Settings):
    share: Share
    pair: Annotated[list[Count], Len(2, 2)] = [1, 2]


class Outer(Settings):
    inner: Inner
    size: Count | None = None
    way: Literal["near", "far"] | bool = "near"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"inner": {"share": 2}}, "a.inner.share=2 must be a number of at least 0 and at most 1"),
        ({"inner": {"share": True}}, "a.inner.share=true must be a number of at least 0 and at most 1"),
        ({"inner": {"share": 10**400}}, "a.inner.share=10^400 must be a number of at least 0 and at most 1"),
        (
            {"inner": {"share": 1, "pair": [1]}},
            "a.inner.pair=[1] must be a list of 2, each entry a whole number of at least 1 and at most 1,000,000,000,000",
        ),
        (
            {"inner": {"share": 1, "shape": 2}},
            "there is no setting 'a.inner.shape' (nearest: share); a.inner takes: share, pair",
        ),
        ({"inner": 3}, "a.inner=3 must be a group of settings: share, pair"),
        ({}, "a.inner is missing; it must be a group of settings: share, pair"),
        ({"inner": {"share": 0}, "way": "nera"}, "a.way=nera must be near or far or true or false (nearest: near)"),
        (3, "a=3 must be a group of settings: inner, size, way"),
    ],
)
def test_a_sentence_names_setting_value_and_what_is_allowed(values: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        check(Outer, values, "a")
    assert str(caught.value) == sentence
    check(Outer, {"inner": {"share": 1, "pair": [3, 4]}, "size": 10**12, "way": False}, "a")


def test_of_another_version_only_what_is_known_is_checked() -> None:
    check(Outer, {"inner": {"old": 1}, "older": 2}, partial=True)
    with pytest.raises(UserError, match=r"inner[.]share=nan"):
        check(Outer, {"inner": {"share": NAN}, "older": 2}, partial=True)


def test_the_arguments_of_what_is_built_are_its_settings() -> None:
    def build(shape: int, scale: Positive, rounds: Count = 3) -> None: ...

    check(of_signature(build, ("shape",)), {"scale": 1})
    with pytest.raises(UserError, match=r"there is no setting .b[.]shape. .nearest: scale.; b takes: scale, rounds"):
        check(of_signature(build, ("shape",)), {"scale": 1, "shape": 2}, "b")
    with pytest.raises(UserError, match=r"b[.]scale is missing; it must be a number above 0"):
        check(of_signature(build, ("shape",)), {}, "b")


@pytest.mark.parametrize("scheme", sorted(REGISTRY))
def test_no_number_of_a_scheme_may_be_nan_and_none_is_unknown(scheme: str) -> None:
    numbers = [name for name, p in REGISTRY[scheme].parameters().items() if isinstance(p.default, int | float)]
    for name in [*numbers, "nonsense"]:
        with pytest.raises(UserError, match=name):
            make_weighting({"name": scheme, name: NAN}, num_tasks=3)


#: configurations that together have every setting
CONFIGURATIONS = (
    ("task=MT10", "train=TOPPO"),
    ("task=MetaWorldMT10", "train=MTPPO", "network=care"),
    ("task=ParkourEasy", "train=MTPPO_parkour"),
    ("task=MT10", "train=MTGRPO", "network=moore"),
    ("task=MT10", "train=MTPQN", "network=paco"),
    ("task=MT10", "train=MTSAC", "network=soft_modularization"),
    ("task=MT10", "train=FastTD3"),
)


@cache
def settled(*overrides: str) -> dict[str, Any]:
    chosen = ("schedule=cpu", "num_envs=100", "sim_device=cpu", "rl_device=cpu", "eval_goals=5", "experiment=a")
    with initialize_config_dir(str(CFG), version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*chosen, *overrides]), resolve=True)  # type: ignore[return-value]


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def with_value(config: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    node = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return changed


NOT_FINITE = st.sampled_from([NAN, INF, -INF])
NESTED = st.dictionaries(st.text("ab", min_size=1, max_size=3), st.integers(), min_size=1, max_size=2) | st.lists(
    st.lists(NOT_FINITE, min_size=1, max_size=2), min_size=1, max_size=2
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


def bad(default: Any) -> st.SearchStrategy[Any]:
    """Values that a setting with this default cannot have, whatever it means."""
    if isinstance(default, bool):
        return NOT_FINITE | NESTED | st.integers() | st.floats()
    if isinstance(default, int | float):
        return NOT_FINITE | NESTED | TEXTS | st.booleans() | st.integers(10**13) | st.integers(max_value=-(10**13))
    if isinstance(default, list):
        return NOT_FINITE | NESTED | st.floats() | st.booleans()
    return NOT_FINITE | NESTED | st.floats(allow_nan=False).filter(lambda x: not x.is_integer())


def every_setting() -> list[tuple[tuple[str, ...], tuple[str, ...], Any]]:
    """Each setting once: a configuration that has it, its path, and its value there."""
    free = {("max_minutes",), ("normalize_input",)}  # may be any number, or a switch
    free |= {
        ("value_norm",),
        ("balancing", "actor"),
        ("balancing", "critic"),
        ("schedule", "clip_value"),
    }  # the copy counts
    found: dict[tuple[str, ...], Any] = {}
    for overrides in CONFIGURATIONS:
        for path, default in leaves(settled(*overrides)):
            if path not in free:
                found.setdefault(path, (overrides, path, default))
    return list(found.values())


@settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_bad_values_of_every_setting_are_refused_by_its_name(data: st.DataObject) -> None:
    everything = every_setting()
    assert len(everything) > 200
    for overrides, path, default in everything:
        value = data.draw(bad(default))
        with pytest.raises(UserError) as caught:
            check_settings(with_value(settled(*overrides), path, value))
            pytest.fail(f"{'.'.join(path)}={value} was taken")
        said = str(caught.value)
        assert "\n" not in said and path[-1] in said, (path, value, said)


@settings(max_examples=100, deadline=None, database=None)
@given(st.data())
def test_any_value_at_all_is_taken_or_refused_in_a_sentence(data: st.DataObject) -> None:
    config = settled(*data.draw(st.sampled_from(CONFIGURATIONS)))
    path, _ = data.draw(st.sampled_from(list(leaves(config))))
    plain = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
    value = data.draw(st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=4))
    try:
        check_settings(with_value(config, path, value))
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "name",
    ["x" * 300, "a/../../b", "/abs", ".", "a/nn", " a", "~a", "run/inside", "out/x", "circle/x", "file/x", "a\0b"],
)
def test_a_run_is_written_into_its_folder_or_nowhere(name: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "run").mkdir(parents=True)
    (runs / "run" / "run.json").write_text("{}")
    (runs / "file").write_text("")
    (runs / "out").symlink_to(tmp_path)
    (runs / "circle").symlink_to(runs / "circle")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError):
        check_settings(with_value(settled("train=TOPPO"), ("experiment",), name) | {"num_envs": 100})
        check_folder(runs, name)
    assert sorted(tmp_path.rglob("*")) == before
    check_folder(runs, "study/first")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train=MTPPO", "train.params.config.e_clip=nan"], ["config.e_clip=nan", "a number above 0"]),
        (["train=TOPPO", "train.params.config.clip_value=''"], ["config.clip_value=", "true or false"]),
        (["train=TOPPO", "train.params.config.lr_schedule=nonexist"], ["lr_schedule=nonexist", "constant or adaptive"]),
        (
            ["train=TOPPO", "train.params.config.grad_norm={critic: 1}"],
            ["grad_norm={critic: 1", "actor: 1.0, critic: 1.0"],
        ),
        (
            ["train=TOPPO", "num_envs=8", "schedule.horizon_length=4", "schedule.num_minibatches=9"],
            ["num_minibatches=9", "8 samples"],
        ),
        (["train=TOPPO", "seed=99999999999999999999999"], ["seed=", "2^32"]),
        (["train=TOPPO", "seed=true"], ["seed=true"]),
        (["train=TOPPO", "max_minutes=nan"], ["max_minutes=nan"]),
        (["task.sim.dt=nan"], ["task.sim.dt=nan", "at most 0.1"]),
        (["task.sim.num_threads=-3"], ["task.sim.num_threads=-3", "or null"]),
        (["task.env.episodeLength=0"], ["task.env.episodeLength=0", "at least 2"]),
        (["task.factory=nope:x"], ["task.factory=nope:x", "package.module:function"]),
        (["actor.units=[-5]"], ["actor.units=[-5]", "a list"]),
        (["actor.units=[16000,16000,16000,16000,16000,16000,16000,16000,16000]"], ["parameters", "narrower"]),
        (["balancing.critic={name: fairgrad, alpha: nan}"], ["balancing.critic.alpha=nan", "above 0"]),
        (["balancing=true"], ["balancing=true", "actor"]),
        (["checkpoint=7"], ["checkpoint=7", "text"]),
        (["rl_device=nan"], ["rl_device=nan", "null"]),
        (["rl_device=gpu"], ["rl_device=gpu", "cuda:0"]),
        (["train.params.config.num_actors=7"], ["num_actors=7", "num_envs"]),
        (["train=MTGRPO", "train.params.config.group_size=7", "num_envs=16"], ["group_size=7", "near"]),
        (["train=MTSAC", "train.params.config.batch_size=1"], ["batch_size=1", "4"]),
        (["task.env.episodeLength={a: 1}"], ["episodeLength={a: 1}"]),
        (["~task.env.episodeLength"], ["task.env.episodeLength is missing"]),
        (
            ["+task.env.episodeLenght=3", "task.factory=isaacgymenvs_tasks:make"],
            ["episodeLenght", "nearest: episodeLength"],
        ),
        (["seed=${nope}"], ["cannot be resolved", "nope"]),
        (["=1"], ["task=MT10"]),
        (["--seed=1"], ["--seed=1", "key=value"]),
        (["hydra.run.dir=/proc/x"], ["hydra.run.dir"]),
        (["-m", "seed=1,2,-3"], ["seed=-3"]),
        (["-m", "train=MTPPO", "balancing.critic=mean,fairgard"], ["fairgard", "nearest: fairgrad"]),
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
    flags = [item for item in overrides if item == "-m"]
    monkeypatch.setattr(sys, "argv", ["train.py", *flags, *TOY, *overrides[len(flags) :]])
    monkeypatch.setattr("mtbench.learning.vec_env.make_env", None)  # nobody gets so far
    assert run_application(launch, CFG) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert all(word in error for word in words), error
    assert not any(tmp_path.iterdir())
