"""rl-games' player: what ``test=True`` runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from isaacgymenvs_tasks.settings import check_task
from mtbench.learning.agents import ALGORITHMS
from mtbench.learning.agents.checkpoint import load_checkpoint
from mtbench.learning.errors import UserError
from mtbench.learning.evaluate import Evaluator
from mtbench.learning.networks.model import PolicyModel

Policy = Callable[[Any], torch.Tensor]  #: environment -> actions (num_envs, actions)
Film = Callable[[Any, Policy, Path], None]


def load_policy(path: str) -> tuple[list[str], PolicyModel]:
    """The tasks of a checkpoint and its network, built as the checkpoint describes it.

    Args:
        path: of the checkpoint.

    Raises:
        UserError: there is no such checkpoint, or it cannot be read.
    """
    state = load_checkpoint(path)
    model = ALGORITHMS[state["algo"]].model_class(**state["model_config"])
    model.load_state_dict(state["model"])
    return list(state["tasks"]), model


def mean_policy(model: PolicyModel) -> Policy:
    """The mean action, for an environment as it stands."""

    @torch.no_grad()
    def act(env: Any) -> torch.Tensor:
        model.observe(env.rew_buf.to(env.rl_device), env.progress_buf.to(env.rl_device) == 0)
        return model.act(env.obs_buf.to(env.rl_device), env.task_index.to(env.rl_device))

    return act


def own_env(checkpoint: str, names: list[str], seed: int, per_task: int = 1, **settings: Any) -> Any:
    """So many environments (one) for each of a checkpoint's tasks, as its run has them, to watch whole episodes; where no
    run's configuration lies beside it, those of ``task=MT50`` or ``task=ParkourEasy``.

    Args:
        checkpoint: its path.
        names: its tasks.
        seed: of the environments.
        per_task: environments of each task.
        settings: what shall be otherwise, by dotted names: ``**{"task.env.episodeLength": 500}``.
    """
    import isaacgymenvs_tasks
    from isaacgymenvs_tasks.metaworld.scenes import TASKS

    config = Path(checkpoint).resolve().parents[1] / "config.yaml"
    if not config.is_file():
        task = "MT50" if set(names) <= set(TASKS) else "ParkourEasy"
        settings = {"task.env.randomInitialProgress": False, **settings}
        return isaacgymenvs_tasks.make(task, per_task * len(names), seed, task_id=names, **settings)
    run = OmegaConf.create({"task": _task_of(config)})
    for key, value in settings.items():
        OmegaConf.update(run, key, value)
    node: Any = OmegaConf.to_container(run.task)
    node["env"] |= {"randomInitialProgress": False, "taskCounts": None}
    if "terminateOnSuccess" in node["env"]:
        node["env"]["terminateOnSuccess"] = False  # a picture shows the success, not the next episode
    node["sim"] |= {"engine": "mujoco", "num_threads": None}
    return isaacgymenvs_tasks.make(node, per_task * len(names), seed)


def read_config(config: Path, *groups: str) -> dict[str, Any]:
    """A run's ``config.yaml``, which has at least these groups, dotted.

    Raises:
        UserError: the file is damaged.
    """
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(config), resolve=True)
        for group in groups:
            node = content
            for name in group.split("."):
                node = node[name]
            node.keys()
    except (
        OSError,
        UnicodeDecodeError,
        YAMLError,
        OmegaConfBaseException,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise UserError(
            f"{config} is damaged, or of no run: it says nothing of {', '.join(groups)}; put it right, or move the "
            "checkpoint into a folder of its own"
        ) from error
    return content


def _task_of(config: Path) -> dict[str, Any]:
    """The group ``task`` of a run's ``config.yaml``.

    Raises:
        UserError: the file is damaged.
    """
    task: dict[str, Any] = read_config(config, "task.env", "task.sim")["task"]
    try:
        check_task(task, partial=True)
    except UserError as error:
        raise UserError(f"{config} is damaged: {error}") from error
    return task


class Player:
    """Loads a policy, evaluates it, prints the table and writes ``evaluation.csv`` beside the run's config, and with
    ``capture_video`` a film of every task.

    Args:
        params: rl-games' parameters of the training run.
        evaluator: its episodes.
        film: (environment, policy, path) -> writes a film of one episode a task; None: no film.
    """

    def __init__(self, params: dict[str, Any], evaluator: Evaluator, film: Film | None) -> None:
        self.config, self.evaluator, self.film = params["config"], evaluator, film

    def restore(self, fn: str) -> None:
        """Build the network the checkpoint describes and load it."""
        _, self.model = load_policy(fn)
        self.model.to(torch.device(self.config["device"]))

    def run(self) -> None:
        """Evaluate."""
        result = self.evaluator(self.model)
        target = Path(self.config["train_dir"]) / str(self.config["full_experiment_name"]) / "evaluation.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        result.write(target)
        print(f"{result.table()}\nwritten to {target}")
        if self.film is not None:
            path = target.with_name("evaluation.mp4")
            self.film(self.evaluator.make_env(self.evaluator.num_tasks), mean_policy(self.model), path)
            print(f"filmed in {path}")
