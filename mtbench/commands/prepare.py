"""Everything that can be wrong with a run, checked before anything heavy starts."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtbench.errors import UserError, unknown
from mtbench.resources import CFG

MOST_PARAMETERS = 2_000_000_000  #: of the networks of a run; with Adam 32 GB


def check_machine(cfg: DictConfig) -> None:
    """Check all settings that are not a part's own, and choose devices. torch is imported no sooner than Isaac Gym allows.

    Raises:
        UserError: one sentence.
    """
    if cfg.get("physics_engine") == "isaacgym":
        _import_isaacgym()
    if isinstance(cfg.get("physics_engine"), str):
        os.environ["MTBENCH_PHYSICS_ENGINE"] = cfg.physics_engine
    from mtbench.commands.settings import check_flags

    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    check_flags(config)
    cfg.experiment = str(cfg.experiment)
    _check_engine(cfg)
    if not cfg.headless:
        raise UserError("headless=false needs a viewer, and there is none; leave headless=true")
    if cfg.wandb_activate and importlib.util.find_spec("wandb") is None:
        raise UserError("wandb_activate=true needs the wandb package: pip install wandb, or leave it false")
    if OmegaConf.select(cfg, "task.env.tasks", default=None) == [None]:  # ${task_name}
        raise UserError(f"task={cfg.task.name} needs to know which task: add task_name=pick-place, for example")
    check_task_settings(config["task"])
    _check_processes(cfg)
    _choose_devices(cfg)


def prepare(cfg: DictConfig) -> dict[str, Any]:
    """After :func:`check_machine`: settle everything, check the checkpoints that are named and where the run is to be
    written, and return the configuration, resolved.

    Raises:
        UserError: one sentence.
    """
    from mtbench.learning import distributed

    settle(cfg)
    cfg.experiment = distributed.from_first(experiment_name(cfg))
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    check_run(config)
    if distributed.rank() == 0 and not cfg.test:
        check_folder(Path(config["train"]["params"]["config"]["train_dir"]), cfg.experiment)
    return config


def settle(cfg: DictConfig) -> None:
    """Choose tasks, schedule and protocol, and check the settings of all parts.

    Raises:
        UserError: one sentence.
    """
    _choose_tasks(cfg)
    _fill_schedule(cfg)
    from mtbench.learning.evaluate import PROTOCOLS

    if cfg.eval_goals is None:
        cfg.eval_goals = PROTOCOLS[cfg.eval_protocol][0]
    tasks = list(cfg.task.env.tasks)
    if len(set(tasks)) != len(tasks):
        raise UserError(f"task.env.tasks names a task twice: {', '.join(map(str, tasks))}")
    if cfg.num_envs < len(tasks):
        raise UserError(
            f"num_envs={cfg.num_envs} is fewer than the {len(tasks)} tasks; every task needs at least one environment"
        )
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    check_settings(config)
    _build_parts(config)


def check_settings(config: dict[str, Any]) -> None:
    """Compare all settings, settled and resolved, with what they may be; nothing is built.

    Raises:
        UserError: one sentence.
    """
    from mtbench.commands.settings import check_flags, check_followers
    from mtbench.learning.agents import ALGORITHMS
    from mtbench.learning.agents.settings import check_params
    from mtbench.learning.networks import check_side

    check_flags(config)
    check_followers(config)
    check_task_settings(config["task"])
    params = config["train"].get("params")
    algo = params["algo"].get("name") if isinstance(params, dict) and isinstance(params.get("algo"), dict) else None
    if not isinstance(algo, str) or algo not in ALGORITHMS:
        raise unknown("train.params.algo.name", algo, ALGORITHMS)
    agent = ALGORITHMS[algo]
    check_params(agent.settings, params)
    _check_data(config, params["config"])
    network = params["network"].get("name", config.get("network_name"))  # transformers have none by name
    for side in ("actor", "critic"):  # also one that this algorithm does not have
        if config.get(side) is not None:
            check_side(network, side, config[side])
    env = config["task"]["env"]
    each, left = divmod(config["num_envs"], len(env["tasks"]))
    counts = env.get("taskCounts") or [each + (k < left) for k in range(len(env["tasks"]))]
    agent.check_environments(params, env, counts)


def _check_data(config: dict[str, Any], learner: dict[str, Any]) -> None:
    """Whether there is something to learn from where that is wanted; evaluations take none."""
    if config["test"]:
        return
    if learner.get("data") == "" and learner.get("bc_coef", 1):
        without = ", or bc_coef=0" if "bc_coef" in learner else ""
        raise UserError(
            f"train={config['train_name']} learns from trajectories: add data=datasets/NAME, which mtbench collect makes"
            f"{without}"
        )
    if "data" not in learner and (config["data"] or config["part"] != 1):
        raise UserError(
            f"train={config['train_name']} takes no trajectories; leave data= and part= out, or learn from them with "
            "train=MTBC or TOPPO_BC, for example"
        )


def check_task_settings(task: dict[str, Any]) -> None:
    """Compare the group ``task`` with what it may be; a factory of another package may have settings of its own.

    Raises:
        UserError: one sentence.
    """
    from isaacgymenvs_tasks.settings import BENCHMARKS, Task, check_task
    from mtbench.schema import check

    ours = str(task.get("factory")).partition(":")[0] == "isaacgymenvs_tasks"
    check(Task, task, "task", others=True)
    package(task["factory"])
    if ours or task["benchmark"] in BENCHMARKS:
        check_task(task, others=not ours)


def package(factory: str) -> ModuleType:
    """The package whose function makes the environment.

    Raises:
        UserError: there is no such function.
    """
    name, colon, function = factory.partition(":")
    try:
        module = importlib.import_module(name)
        if not (colon and callable(getattr(module, function, None))):
            raise ImportError(f"{name} has no function {function!r}")
    except (ImportError, ValueError, TypeError) as error:
        raise UserError(f"task.factory={factory} must be package.module:function, to be imported: {error}") from error
    return module


def check_run(config: dict[str, Any]) -> None:
    """Check the checkpoints that are named against the settings, which are settled and resolved.

    Raises:
        UserError: they do not exist, are damaged or do not fit.
    """
    from mtbench.learning.agents import ALGORITHMS
    from mtbench.learning.agents.checkpoint import check_compatible, load_checkpoint, start_from

    params, tasks = config["train"]["params"], config["task"]["env"]["tasks"]
    algo = params["algo"]["name"]
    settings = ALGORITHMS[algo].model_settings(params)
    path, test = config["checkpoint"], config["test"]
    if test and not path:
        raise UserError("test=True needs a policy; add checkpoint=runs/<name>/nn/best.pth")
    if path:
        check_compatible(load_checkpoint(path), path, algo, tasks, settings, None if test else config["num_envs"])
        check_benchmark(path, config["task"])
    if config["pretrained"]:
        state = load_checkpoint(config["pretrained"])
        theirs = state["model_config"]
        features = theirs["num_obs"] - len(state["tasks"])  # an environment with others is told apart when it is there
        sizes = {"num_obs": features + len(tasks), "num_tasks": len(tasks), "num_actions": theirs["num_actions"]}
        model = ALGORITHMS[algo].model_class(**sizes, **settings)
        start_from(model, sizes | settings, state, tasks, config["pretrained_task"])
    elif config["pretrained_task"]:
        raise UserError(
            f"pretrained_task={config['pretrained_task']} is a task of a run; name the run as well, pretrained="
        )


def check_benchmark(checkpoint: str, task: dict[str, Any]) -> None:
    """Whether a checkpoint's run, if it lies in one, was on the robots of the group ``task``: two benchmarks have tasks of
    the same names and sizes.

    Raises:
        UserError: it was on others.
    """
    from isaacgymenvs_tasks.settings import other_robots

    config = Path(checkpoint).resolve().parents[1] / "config.yaml"
    try:
        theirs = OmegaConf.select(OmegaConf.load(config), "task.benchmark")
    except Exception:  # none, or damaged: what it says is not needed
        return
    if other_robots(theirs, task):
        raise UserError(
            f"checkpoint '{checkpoint}' is of a run on the benchmark {theirs}, and task={task['name']} is of "
            f"{task['benchmark']}, which has other robots; choose the task= of its config.yaml"
        )


def _check_engine(cfg: DictConfig) -> None:
    if cfg.physics_engine == "isaacgym":
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
    for flag in ("sim_device", "rl_device", "train.params.config.replay_device"):
        name = OmegaConf.select(cfg, flag)
        if not isinstance(name, str) or not name.startswith("cuda"):
            continue
        device = torch.device(name)
        if cfg.multi_gpu:  # one GPU for each process of a machine, as in IsaacGymEnvs
            device = torch.device("cuda", distributed.local_rank())
            OmegaConf.update(cfg, flag, str(device))
        if (device.index or 0) >= gpus:
            there = f"only {gpus} CUDA GPU{'s' if gpus > 1 else ''}" if gpus else "no CUDA GPU"
            raise UserError(f"{flag}={name}, but PyTorch finds {there} on this machine; use {flag}=cpu")


def _choose_tasks(cfg: DictConfig) -> None:
    """Let the package that makes the environment settle which tasks are meant, if it has a say in that."""
    module = package(cfg.task.factory)
    if hasattr(module, "choose_tasks"):
        try:
            module.choose_tasks(cfg)
        except ValueError as error:
            key = "task_name" if cfg.task_id is None and cfg.task_name is not None else "task_id"
            key = "task.env.tasks" if cfg.task_id is None and cfg.task_name is None else key
            said = str(error)
            raise UserError(said if "=" in said.partition(";")[0] else f"{key}: {said}") from error
    if cfg.capture_video and not hasattr(module, "film"):
        raise UserError(f"capture_video=true: {module.__name__} cannot film its environments")


def _fill_schedule(cfg: DictConfig) -> None:
    chosen = OmegaConf.load(CFG / "schedule" / ("cpu.yaml" if cfg.rl_device == "cpu" else "gpu.yaml"))
    for key, value in cfg.schedule.items():
        if value is None:
            cfg.schedule[key] = chosen[key]
    if cfg.num_envs is None:
        cfg.num_envs = cfg.schedule.num_envs


def _build_parts(config: dict[str, Any]) -> None:
    """Build the named parts once in miniature, so that a mistake does not wait for the environments."""
    import torch

    from mtbench.learning.agents import ALGORITHMS
    from mtbench.learning.balancing import Weighting, make_weighting

    params, num_tasks = config["train"]["params"], len(config["task"]["env"]["tasks"])
    agent = ALGORITHMS[params["algo"]["name"]]
    try:
        for scheme in params["config"]["balancing"].values():
            weighting = make_weighting(scheme, num_tasks=num_tasks)
            if isinstance(weighting, Weighting):
                weighting(torch.eye(num_tasks))
        with torch.device("meta"):  # shapes without memory
            model = agent.model_class(
                num_obs=num_tasks + 1, num_tasks=num_tasks, num_actions=1, **agent.model_settings(params)
            )
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(" ".join(str(error).split())) from error
    if model.num_parameters() > MOST_PARAMETERS:
        raise UserError(
            f"the networks have {model.num_parameters():,} parameters and may have {MOST_PARAMETERS:,}; choose fewer or "
            "narrower layers in actor.* and critic.*"
        )


def experiment_name(cfg: DictConfig) -> str:
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


def check_folder(runs: Path, name: str) -> None:
    """Whether the run ``name`` can be written in the folder ``runs``, without leaving anything there.

    Raises:
        UserError: it cannot, or the name leads out of ``runs`` or into another run.
    """
    folder = runs / name
    made = []
    try:
        if runs.resolve() not in folder.resolve().parents:
            raise UserError(f"experiment={name} must be a folder in {runs}/, and leads to {folder.resolve()}")
        for outer in (runs / part for part in Path(name).parents if part != Path(".")):
            if (outer / "run.json").exists():
                raise UserError(f"experiment={name} must not lie in {outer}, which is a run; choose another name")
        for part in (*reversed(folder.parents), folder):
            if not part.exists():
                part.mkdir()
                made.append(part)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise UserError(
            f"the run cannot be written to {folder}: {getattr(error, 'strerror', None) or error}; choose another "
            "experiment= or train.params.config.train_dir="
        ) from error
    finally:
        for part in reversed(made):
            part.rmdir()
