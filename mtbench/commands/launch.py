"""From a composed configuration to a run: everything that can be wrong is checked before anything heavy starts."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtbench.learning.errors import UserError, unknown
from mtbench.resources import CFG

_SWITCHES = ("schedule.recompute_advantages", "schedule.clip_value")
PROGRAM = "mtbench train"  #: in sys.argv[0], where it is not train.py
ENGINES = ("mujoco", "warp", "isaacgym")
EVALUATION_SEED = 12345  # fixed, so that every run and scheme faces the same goals


def launch(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Train, or with ``test=True`` evaluate.

    Args:
        cfg: ``cfg/config.yaml`` composed.
        overrides: what the user typed, for the command that resumes.

    Raises:
        UserError: anything in the configuration that cannot work.
    """
    _check_engine(cfg)
    if not cfg.headless:
        raise UserError("headless=false needs a viewer, and there is none; leave headless=true")
    _check_wandb(cfg)
    _check_processes(cfg)
    _choose_devices(cfg)

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
    from mtbench.learning import distributed

    _choose_tasks(cfg)
    _fill_schedule(cfg)
    _choose_protocol(cfg)
    _check_numbers(cfg)
    tasks = list(cfg.task.env.tasks)
    state = _read_checkpoint(cfg)
    if cfg.pretrained:
        from mtbench.learning.agents.checkpoint import load_checkpoint

        load_checkpoint(cfg.pretrained)
    cfg.experiment = distributed.from_first(_experiment(cfg))
    if distributed.rank() == 0 and not cfg.test:
        _check_folder(cfg)
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    params = config["train"]["params"]
    _check_parts(params, len(tasks), min(cfg.task.env.get("taskCounts") or [cfg.num_envs // len(tasks)]))
    if state is not None:
        from mtbench.learning.agents import ALGORITHMS
        from mtbench.learning.agents.checkpoint import check_compatible

        algo = params["algo"]["name"]
        settings = ALGORITHMS[algo].model_settings(params)
        check_compatible(state, cfg.checkpoint, algo, tasks, settings, None if cfg.test else cfg.num_envs)
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
    film = _package(task["factory"]).film if config["capture_video"] else None
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
        save_config(config, run_dir / "config.yaml")
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
        record.end("failed", f"{type(error).__name__}: {' '.join(str(error).split())}")
        raise


def _check_engine(cfg: DictConfig) -> None:
    if cfg.physics_engine not in ENGINES:
        raise unknown("physics_engine", cfg.physics_engine, ENGINES)
    if cfg.physics_engine == "isaacgym":
        _import_isaacgym()
        if cfg.capture_video:
            raise UserError("capture_video=true draws with MuJoCo; film the checkpoint with physics_engine=mujoco")
        if cfg.eval_interval is not None and not cfg.test:
            raise UserError(
                "physics_engine=isaacgym holds one simulation in a process, so there is none to evaluate in; add "
                "eval_interval=null and evaluate checkpoints with test=True"
            )
    if cfg.physics_engine == "warp" or (cfg.physics_engine == "mujoco" and str(cfg.sim_device).startswith("cuda")):
        if importlib.util.find_spec("mujoco_warp") is None:
            raise UserError(
                "physics on a GPU needs MuJoCo Warp: pip install 'mtbench-robotics[gpu]', or use sim_device=cpu"
            )
    os.environ["MTBENCH_PHYSICS_ENGINE"] = cfg.physics_engine


def _import_isaacgym() -> None:
    """Import NVIDIA's package, which has to come before torch."""
    ours = sys.modules.get("mtbench.sim")
    if ours is not None and sys.modules.get("isaacgym") is ours:
        raise UserError("physics_engine=isaacgym: this process simulates with mujoco already; start a new one")
    if importlib.util.find_spec("isaacgym") is None:
        raise UserError("physics_engine=isaacgym needs NVIDIA's isaacgym package, which is not installed; use mujoco")
    try:
        importlib.import_module("isaacgym.gymapi")
    except Exception as error:  # whatever its binaries raise
        version = ".".join(map(str, sys.version_info[:2]))
        raise UserError(
            f"physics_engine=isaacgym: NVIDIA's package is installed, but cannot be imported in Python {version} "
            f"({error}); its last public release has binaries for Python 3.6 to 3.8 only; use mujoco"
        ) from error


def _check_wandb(cfg: DictConfig) -> None:
    if cfg.wandb_activate and importlib.util.find_spec("wandb") is None:
        raise UserError("wandb_activate=true needs the wandb package: pip install wandb, or leave it false")


def _check_processes(cfg: DictConfig) -> None:
    started = int(os.environ.get("WORLD_SIZE", "0"))
    if cfg.multi_gpu and not started:
        raise UserError(
            "multi_gpu=True is for processes that torchrun starts: torchrun --standalone --nproc_per_node=2 train.py "
            "multi_gpu=True"
        )
    if started > 1 and not cfg.multi_gpu:
        raise UserError(f"torchrun started {started} processes, which would all do the same; add multi_gpu=True")
    if cfg.multi_gpu and cfg.test:
        raise UserError("test=True needs one process; start it without torchrun and multi_gpu")
    if cfg.multi_gpu and "num_threads" in cfg.task.get("sim", ()) and cfg.task.sim.num_threads is None:
        cfg.task.sim.num_threads = max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", started)))


def _choose_devices(cfg: DictConfig) -> None:
    import torch

    from mtbench.learning import distributed

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if cfg.sim_device is None:
        cfg.sim_device = "cuda:0" if cfg.physics_engine in ("warp", "isaacgym") and gpus else "cpu"
    if cfg.rl_device is None:
        cfg.rl_device = "cuda:0" if gpus else "cpu"
    for flag in ("sim_device", "rl_device"):
        try:
            device = torch.device(cfg[flag])
        except RuntimeError as error:
            raise UserError(f"{flag}={cfg[flag]} is not a device; use cpu or cuda:0") from error
        if device.type not in ("cpu", "cuda"):
            raise UserError(f"{flag}={cfg[flag]} is not supported; use cpu or cuda:0")
        if cfg.multi_gpu and device.type == "cuda":  # one GPU for each process of a machine, as in IsaacGymEnvs
            device = torch.device("cuda", distributed.local_rank())
            cfg[flag] = str(device)
        if device.type == "cuda" and (device.index or 0) >= gpus:
            there = f"only {gpus} CUDA GPU{'s' if gpus > 1 else ''}" if gpus else "no CUDA GPU"
            raise UserError(f"{flag}={cfg[flag]}, but PyTorch finds {there} on this machine; use {flag}=cpu")


def _package(factory: str) -> ModuleType:
    """The package that makes the environment."""
    return importlib.import_module(factory.partition(":")[0])


def _choose_tasks(cfg: DictConfig) -> None:
    """Let the package that makes the environment settle which tasks are meant, if it has a say in that."""
    package = _package(cfg.task.factory)
    if hasattr(package, "choose_tasks"):
        try:
            package.choose_tasks(cfg)
        except ValueError as error:
            raise UserError(str(error)) from error
    if cfg.capture_video and not hasattr(package, "film"):
        raise UserError(f"capture_video=true: {package.__name__} cannot film its environments")


def _fill_schedule(cfg: DictConfig) -> None:
    chosen = OmegaConf.load(CFG / "schedule" / ("cpu.yaml" if cfg.rl_device == "cpu" else "gpu.yaml"))
    for key, value in cfg.schedule.items():
        if value is None:
            cfg.schedule[key] = chosen[key]
    if cfg.num_envs is None:
        cfg.num_envs = cfg.schedule.num_envs


def _choose_protocol(cfg: DictConfig) -> None:
    from mtbench.learning.evaluate import PROTOCOLS

    if cfg.eval_protocol not in PROTOCOLS:
        raise unknown("eval_protocol", cfg.eval_protocol, PROTOCOLS)
    if cfg.eval_goals is None:
        cfg.eval_goals = PROTOCOLS[cfg.eval_protocol][0]


def _check_numbers(cfg: DictConfig) -> None:
    tasks = list(cfg.task.env.tasks)
    if not tasks:
        raise UserError("task.env.tasks is empty; name at least one task, for example task.env.tasks=[reach]")
    if len(set(tasks)) != len(tasks):
        raise UserError(f"task.env.tasks names a task twice: {', '.join(tasks)}")
    limits = ("max_iterations", "max_frames", "eval_interval", "save_interval", "diagnose_interval")
    positive = ("num_envs", "eval_goals", *limits)
    counts = {name: cfg[name] for name in positive} | {f"schedule.{name}": cfg.schedule[name] for name in cfg.schedule}
    for name, value in counts.items():
        if name in _SWITCHES:
            if not isinstance(value, bool):
                raise UserError(f"{name}={value} must be true or false")
        elif value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise UserError(f"{name}={value} must be a whole number of at least 1")
    minutes = cfg.max_minutes
    if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int | float) or not minutes > 0):
        raise UserError(f"max_minutes={minutes} must be a positive number")
    if isinstance(cfg.seed, bool) or not isinstance(cfg.seed, int) or not 0 <= cfg.seed < 2**32:
        raise UserError(f"seed={cfg.seed} must be a whole number from 0 to 2^32 - 1")
    if cfg.num_envs < len(tasks):
        raise UserError(
            f"num_envs={cfg.num_envs} is fewer than the {len(tasks)} tasks; every task needs at least one environment"
        )


def _check_parts(params: dict[str, Any], num_tasks: int, fewest_envs: int) -> None:
    """Check settings and build the named parts once in miniature, so that a mistake does not wait for the environments, of
    which each task has at least ``fewest_envs``."""
    import torch

    from mtbench.learning.agents import ALGORITHMS
    from mtbench.learning.balancing import Weighting, make_weighting

    config, algo = params["config"], params["algo"]["name"]
    if algo not in ALGORITHMS:
        raise unknown("algo.name", algo, ALGORITHMS)
    ALGORITHMS[algo].check_settings(params)
    samples = fewest_envs * config["horizon_length"]
    if config.get("num_minibatches", 1) > samples:
        raise UserError(
            f"num_minibatches={config['num_minibatches']} is more than the {samples} samples of a rollout that a task has "
            f"({fewest_envs} environments, {config['horizon_length']} steps); every minibatch needs one of every task"
        )
    try:
        for scheme in config["balancing"].values():
            weighting = make_weighting(scheme, num_tasks=num_tasks)
            if isinstance(weighting, Weighting):
                weighting(torch.eye(num_tasks))
        settings = ALGORITHMS[algo].model_settings(params)
        ALGORITHMS[algo].model_class(num_obs=num_tasks + 1, num_tasks=num_tasks, num_actions=1, **settings)
    except (ValueError, TypeError) as error:
        raise UserError(f"{error}") from error


def _read_checkpoint(cfg: DictConfig) -> dict[str, Any] | None:
    if not cfg.checkpoint:
        if cfg.test:
            raise UserError("test=True needs a policy; add checkpoint=runs/<name>/nn/best.pth")
        return None
    from mtbench.learning.agents.checkpoint import load_checkpoint

    return load_checkpoint(cfg.checkpoint)


def _experiment(cfg: DictConfig) -> str:
    """Return the run's name: the given one, that of the run the checkpoint lies in, or a new one."""
    runs = Path(cfg.train.params.config.train_dir)
    if cfg.checkpoint and not cfg.experiment:
        path = Path(cfg.checkpoint).resolve()
        if path.parent.name == "nn" and runs.resolve() in path.parents[1].parents:
            return str(path.parents[1].relative_to(runs.resolve()))
    name = cfg.experiment or f"{cfg.task.name}_{cfg.train_name}_{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    last = runs / name / "nn" / "last.pth"
    if last.exists() and not cfg.checkpoint:
        raise UserError(f"run '{name}' exists; continue it with checkpoint={last} or choose another experiment=")
    return name


def _check_folder(cfg: DictConfig) -> None:
    """Whether the run can be written where it is to be, without leaving anything there."""
    runs, name = Path(cfg.train.params.config.train_dir), str(cfg.experiment)
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"experiment={name!r} must be the name of a folder in {runs}/, such as first or study/first")
    made = []
    try:
        folder = runs / name
        for part in (*reversed(folder.parents), folder):
            if not part.exists():
                part.mkdir()
                made.append(part)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"the run cannot be written to {runs / name}: {error.strerror or error}; choose another "
            "experiment= or train.params.config.train_dir="
        ) from error
    finally:
        for part in reversed(made):
            part.rmdir()


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
