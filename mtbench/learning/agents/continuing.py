"""What an agent keeps: all that continues a run exactly, as a checkpoint, and rl-games' access to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from rl_games.common.ivecenv import IVecEnv
from rl_games.interfaces.base_algorithm import BaseAlgorithm
from torch import Tensor

from mtbench.learning import distributed
from mtbench.learning.agents.checkpoint import (
    FORMAT,
    check_compatible,
    clone,
    load_checkpoint,
    rng_state,
    save_checkpoint,
    set_rng_state,
)
from mtbench.learning.agents.observer import AgentObserver
from mtbench.learning.agents.sides import Side
from mtbench.learning.errors import UserError
from mtbench.learning.networks.model import PolicyModel

#: what each rank has of its own in a checkpoint
OWN = ("obs", "env_state", "rng", "generators")


class Continuing(BaseAlgorithm):
    """The state of an :class:`.Agent`, which makes what is named here; an algorithm adds its own by :meth:`learner_state`."""

    name: ClassVar[str]
    vec_env: IVecEnv
    task_names: list[str]
    num_actors: int
    task_counts: list[int]
    model: PolicyModel
    model_config: dict[str, Any]
    optimizers: dict[str, torch.optim.Optimizer]
    sides: dict[str, Side]
    generators: dict[str, torch.Generator]
    observer: AgentObserver
    obs: Tensor | None
    epoch_num: int
    frame: int
    wall_clock: float
    best_success: float
    next_evaluation: int
    last_lr: float

    def learner_state(self) -> dict[str, Any]:
        """What continues the algorithm exactly, beyond model, optimizers and sides, as tensors and plain data."""
        return {}

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`learner_state`, which is part of ``state``."""

    def get_weights(self) -> dict[str, Any]:
        """Return what an evaluation needs: networks and normalizers."""
        return clone({"model": self.model.state_dict()})

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Load :meth:`get_weights`."""
        self.model.load_state_dict(weights["model"])

    def get_full_state_weights(self) -> dict[str, Any]:
        """Return all that continues the run exactly, as tensors and plain data. Nothing in it changes afterwards."""
        return self.get_weights() | clone(
            {
                "format": FORMAT,
                "algo": self.name,
                "tasks": self.task_names,
                "model_config": self.model_config,
                "num_envs": self.num_actors,
                "task_counts": self.task_counts,
                "epoch": self.epoch_num,
                "frame": self.frame,
                "wall_clock": self.wall_clock,
                "best_success": self.best_success,
                "next_evaluation": self.next_evaluation,
                "last_lr": self.last_lr,
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "balancing": {name: side.state_dict() for name, side in self.sides.items()},
                "obs": self.obs,
                "env_state": self.vec_env.get_env_state(),
                "rng": rng_state(),
                "generators": {name: generator.get_state() for name, generator in self.generators.items()},
                **self.learner_state(),
            }
        )

    def set_full_state_weights(self, weights: dict[str, Any], set_epoch: bool = True) -> None:
        """Continue from :meth:`get_full_state_weights` of a run with the same tasks, environments, networks and ranks."""
        self.set_weights(weights)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(weights["optimizers"][name])
        for name, side in self.sides.items():
            side.load_state_dict(weights["balancing"][name])
        if set_epoch:
            self.epoch_num, self.frame = weights["epoch"], weights["frame"]
            self.next_evaluation = weights["next_evaluation"]
        self.wall_clock, self.best_success, self.last_lr = (
            weights["wall_clock"],
            weights["best_success"],
            weights["last_lr"],
        )
        own = weights["ranks"][distributed.rank() - 1] if distributed.rank() else weights
        self.vec_env.reset()
        began = self.vec_env.set_env_state(own["env_state"])  # None: they continue exactly
        self.obs = (own if began is None else began)["obs"].to(self._device)
        for name, generator in self.generators.items():
            generator.set_state(own["generators"][name])
        set_rng_state(own["rng"])
        self.load_learner_state(weights)

    def save(self, fn: str) -> None:
        """Write a checkpoint to the path ``fn``."""
        self._write(Path(fn), self.get_full_state_weights())

    def _write(self, path: Path, state: dict[str, Any]) -> None:
        """Write one file for all ranks: that of rank 0, with what the others have of their own under ``ranks``."""
        own = distributed.collect({key: state[key] for key in OWN})
        if distributed.rank() == 0:
            try:
                self.observer.flush()
                save_checkpoint(path, state | {"ranks": own[1:]})
            except OSError as error:
                raise UserError(
                    f"{path} cannot be written at {state['frame']:,} frames: {error.strerror or error}; the one before stays"
                ) from error

    def restore(self, fn: str, set_epoch: bool = True) -> None:
        """Read a checkpoint; :class:`UserError` when it does not fit."""
        state = load_checkpoint(fn)
        check_compatible(state, fn, self.name, self.task_names, self.model_config, self.num_actors, self.task_counts)
        try:
            self.set_full_state_weights(state, set_epoch)
        except UserError:
            raise
        except (RuntimeError, ValueError) as error:  # states of generators and of the physics are those of a device
            raise UserError(
                f"checkpoint '{fn}' does not fit these environments or devices ({' '.join(str(error).split())}); continue it "
                "with the physics_engine, sim_device and rl_device of its config.yaml, or begin with its networks: "
                f"pretrained={fn}"
            ) from error

    # -- rl-games' access -----------------------------------------------------------------------------------------------

    def set_learning_rate(self, value: float) -> None:
        """Use another learning rate from the next step on."""
        self.last_lr = value
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = value

    def clear_stats(self) -> None:
        """Forget the episodes counted so far."""
        self.observer.after_clear_stats()

    def get_param(self, param_name: str) -> Any:
        """Return a hyperparameter by rl-games' name."""
        return self.last_lr if param_name == "learning_rate" else getattr(self, param_name)

    def set_param(self, param_name: str, param_value: Any) -> None:
        """Change a hyperparameter by rl-games' name, for the next minibatch on."""
        if param_name == "learning_rate":
            self.set_learning_rate(float(param_value))
        elif hasattr(self, param_name):
            setattr(self, param_name, param_value)
        else:
            raise NotImplementedError(f"no parameter '{param_name}'")
