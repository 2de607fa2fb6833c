"""From a composed configuration to a run. What can be wrong with it: :mod:`.prepare`."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mtbench.commands.prepare import check_machine, package, prepare
from mtbench.errors import UserError
from mtbench.resources import CFG  # noqa: F401, where it was before

PROGRAM = "mtbench train"  #: in sys.argv[0], where it is not train.py
EVALUATION_SEED = 12345  # fixed, so that every run and scheme faces the same goals


def launch(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Train, or with ``test=True`` evaluate.

    Args:
        cfg: ``cfg/config.yaml`` composed.
        overrides: what the user typed, for the command that resumes.

    Raises:
        UserError: anything in the configuration that cannot work.
    """
    check_machine(cfg)

    from mtbench.learning import distributed

    if not cfg.multi_gpu:
        return _launch(cfg, overrides)
    distributed.start()
    try:
        with contextlib.ExitStack() as stack:
            if distributed.rank() > 0:  # rl-games prints as it goes
                stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
            _launch(cfg, overrides)
    finally:
        distributed.stop()


def _launch(cfg: DictConfig, overrides: Sequence[str]) -> None:
    config = prepare(cfg)
    if cfg.torch_deterministic:
        _make_deterministic()
    _run(config, overrides)


def agent_params(config: dict[str, Any]) -> dict[str, Any]:
    """rl-games' parameters of an agent and its environments, which it makes by name, from a resolved configuration."""
    from mtbench.learning import vec_env

    vec_env.register()
    devices = {"sim_device": config["sim_device"], "rl_device": config["rl_device"]}
    params: dict[str, Any] = config["train"]["params"]
    params["config"] |= {
        "env_config": {"task": config["task"], "seed": config["seed"], **devices},
        "eval_interval": config["eval_interval"],
        "eval_first": config["eval_first"],
        "max_minutes": config["max_minutes"],
    }
    return params


def _run(config: dict[str, Any], overrides: Sequence[str]) -> None:
    import torch
    from rl_games.torch_runner import Runner

    from mtbench.learning import distributed, vec_env
    from mtbench.learning.agents import ALGORITHMS, Agent
    from mtbench.learning.allocator import keep_freed_memory
    from mtbench.learning.evaluate import PROTOCOLS, Evaluator
    from mtbench.learning.files import STORAGE
    from mtbench.learning.observers import MultiTaskObserver, QuietObserver
    from mtbench.learning.player import Player
    from mtbench.learning.run_record import RunRecord, save_config

    keep_freed_memory()
    params = agent_params(config)
    torch.manual_seed(config["seed"])  # the Runner does not seed with 0
    task = config["task"]
    devices = {"sim_device": config["sim_device"], "rl_device": config["rl_device"]}
    still = {**task, "env": {**task["env"], "randomInitialProgress": False, "taskCounts": None}}
    if "curriculum" in still["env"]:
        still["env"]["curriculum"] = False  # the same terrains every time
    evaluator = Evaluator(
        lambda num_envs: vec_env.make_env(still, num_envs=num_envs, seed=EVALUATION_SEED, **devices),
        num_tasks=len(task["env"]["tasks"]),
        num_goals=config["eval_goals"],
        max_steps=task["env"]["episodeLength"],
        fresh_goals=PROTOCOLS[config["eval_protocol"]][1],
    )
    film = package(task["factory"]).film if config["capture_video"] else None
    run_dir = Path(params["config"]["train_dir"]) / str(params["config"]["full_experiment_name"])
    record = RunRecord(run_dir, overrides)
    if distributed.rank() == 0 and not config["test"]:
        record.claim()
    typed = [shlex.quote(item) for item in overrides if not item.startswith("checkpoint=")]
    console = PROGRAM.split() if sys.argv[0] == PROGRAM else None
    program = console or ["python", "train.py"]
    if distributed.size() > 1:
        started = ["-m", *console] if console else ["train.py"]
        program = ["torchrun", "--standalone", f"--nproc_per_node={distributed.size()}", *started]
    observer = MultiTaskObserver if distributed.rank() == 0 else QuietObserver
    runner = Runner(observer(" ".join([*program, *typed]), record))

    algo = params["algo"]["name"]

    def build(**kwargs: Any) -> Agent:
        agent = ALGORITHMS[algo](**kwargs, evaluator=evaluator if config["eval_interval"] else None)
        if distributed.rank() > 0:
            return agent
        record.begin(
            fresh=not config["checkpoint"]
        )  # only now: a configuration that does not work leaves nothing behind
        changed = save_config(config, run_dir / "config.yaml")
        if config["checkpoint"] and changed:
            print("continues with other settings than before:", *changed, sep="\n  ")
        _start_wandb(config, run_dir)
        return agent

    runner.algo_factory.register_builder(algo, build)
    runner.player_factory.register_builder(algo, lambda **kwargs: Player(**kwargs, evaluator=evaluator, film=film))
    runner.load({"params": params})
    try:
        runner.run({"train": not config["test"], "play": config["test"], "checkpoint": config["checkpoint"] or None})
    except KeyboardInterrupt:
        record.end("stopped", "SIGINT")
        raise
    except Exception as error:
        with contextlib.suppress(OSError):  # where nothing can be written, not even this
            record.end("failed", f"{type(error).__name__}: {' '.join(str(error).split())}")
        written = isinstance(error, OSError) and str(run_dir) in str(error.filename or run_dir)
        if isinstance(error, OSError) and written and error.errno in STORAGE | {errno.ENOENT}:
            last = Path("nn") / "last.pth"
            continues = not config["test"] and (run_dir / last).exists()
            kept = f"; {last} there continues it once that is put right" if continues else ""
            raise UserError(f"the run cannot be written to {run_dir}: {error.strerror}{kept}") from error
        raise


def _make_deterministic() -> None:
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def _start_wandb(config: dict[str, Any], run_dir: Path) -> None:
    if not config["wandb_activate"]:
        return
    import wandb

    wandb.init(
        project=config["wandb_project"],
        entity=config["wandb_entity"],
        group=config["wandb_group"],
        name=run_dir.name,
        dir=str(run_dir),
        sync_tensorboard=True,
        config=config,
    )
