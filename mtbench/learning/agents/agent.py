"""What all algorithms share: the loop, evaluation, stopping at a signal, and continuing exactly."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from rl_games.common.ivecenv import IVecEnv
from rl_games.interfaces.base_algorithm import BaseAlgorithm
from torch import Tensor, nn

from mtbench.learning import distributed
from mtbench.learning.agents.checkpoint import (
    FORMAT,
    check_compatible,
    clone,
    load_checkpoint,
    rng_state,
    save_checkpoint,
    set_rng_state,
    start_from,
)
from mtbench.learning.agents.observer import AgentObserver
from mtbench.learning.agents.settings import Learner, check_params
from mtbench.learning.agents.sides import Side
from mtbench.learning.agents.stopping import Stopping, StopRequest
from mtbench.learning.balancing import make_weighting
from mtbench.learning.errors import UserError
from mtbench.learning.evaluate import Evaluator
from mtbench.learning.networks.base import project
from mtbench.learning.networks.model import PolicyModel
from mtbench.learning.rl_games import vecenv

#: what each rank has of its own in a checkpoint
OWN = ("obs", "env_state", "rng", "generators")
FIRST_EVALUATION = 100_000  #: frames at most, so that a run shows within its first minutes how one looks
FAILED_EPOCHS = 3  #: in a row without one step, after which a run stops


class Agent(BaseAlgorithm):
    """An rl-games algorithm over K tasks at once.

    The Runner creates it from ``params`` with rl-games' names; it makes its environments through ``vecenv`` and reports
    to an ``AlgoObserver``. It implements ``BaseAlgorithm`` directly rather than deriving from ``A2CAgent`` or ``SACAgent``,
    because what differs is nearly all of those classes: normalizers and losses are per task, a time-out bootstraps from
    the final observation (rl-games uses the value of the state before the step), and checkpoints continue a run exactly
    and load without pickled code.

    An algorithm names its :attr:`model_class`, makes optimizers, :attr:`sides` and buffers in :meth:`build`, and learns one
    epoch in :meth:`learn`.

    With ``multi_gpu`` (see :mod:`mtbench.learning.distributed`) all ranks run this class on environments of their own and
    hold the same networks at every moment; rank 0 evaluates and writes.

    Args:
        base_name: given by the Runner, unused.
        params: rl-games' parameters; ``cfg/train/*.yaml`` lists them.
        evaluator: called at intervals and at the end; None: no evaluation.

    Attributes:
        name: of the algorithm, as ``algo.name`` in the configuration.
        settings: what ``params["config"]`` may be.
        optimizers: by name, filled by :meth:`build`.
        sides: what aggregates task gradients, by name, filled by :meth:`build`.
    """

    name: ClassVar[str]
    model_class: ClassVar[type[PolicyModel]]
    settings: ClassVar[type[Learner]]

    @classmethod
    def model_settings(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of :attr:`model_class` besides sizes: what a checkpoint must have in common with a run."""
        return {"network": params["network"], "normalize_input": params["config"]["normalize_input"]}

    @classmethod
    def check_settings(cls, params: Mapping[str, Any]) -> None:
        """Raise :class:`UserError` for settings that cannot work, before anything is made."""
        check_params(cls.settings, params)

    @classmethod
    def check_environments(cls, params: Mapping[str, Any], env: Mapping[str, Any], counts: Sequence[int]) -> None:
        """Raise :class:`UserError` where environments do not suit the settings: ``env``, those of the environments, and
        ``counts``, how many of each task there are to be."""

    def __init__(self, base_name: str, params: dict[str, Any], evaluator: Evaluator | None = None) -> None:
        self.config = config = params["config"]
        self.check_settings(params)
        self._device = torch.device(config["device"])
        self.vec_env = self.make_vec_env()
        self.env_info = self.vec_env.get_env_info()
        self.task_names: list[str] = list(self.env_info["task_names"])
        self.num_tasks = len(self.task_names)
        self.num_actors = int(config["num_actors"])
        self.task_index: Tensor = self.env_info["task_index"].to(self._device)
        self.task_counts: list[int] = torch.bincount(self.task_index, minlength=self.num_tasks).tolist()
        self.horizon_length = int(config["horizon_length"])
        self.batch_size = self.num_actors * self.horizon_length
        self.frames_per_epoch = self.batch_size * distributed.size()
        self.rewards_shaper = config["reward_shaper"]
        self.gamma, self.grad_norm = config["gamma"], config["grad_norm"]

        sizes = {
            "num_obs": self.env_info["observation_space"].shape[0],
            "num_tasks": self.num_tasks,
            "num_actions": self.env_info["action_space"].shape[0],
        }
        self.model_config = sizes | self.model_settings(params)
        self.model = self.model_class(**self.model_config)
        if config["pretrained"]:
            prior = load_checkpoint(config["pretrained"])
            start_from(self.model, self.model_config, prior, self.task_names, config["pretrained_task"])
        self.model.to(self._device)
        distributed.share(self.model.state_dict().values())
        seed = int(params["seed"])
        own = seed + 3 * distributed.rank()
        self.generators = {
            "actions": torch.Generator(self._device).manual_seed(own),
            "minibatches": torch.Generator(self._device).manual_seed(own + 1),
            "balancing": torch.Generator().manual_seed(seed + 2),  # the same on all ranks, as what it decides
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.sides: dict[str, Side] = {}
        self.last_lr = float(config["learning_rate"])
        self.experiment_dir = Path(config["train_dir"]) / str(config["full_experiment_name"])
        self.nn_dir = self.experiment_dir / "nn"
        self.save_frequency = int(config["save_frequency"])
        self.epoch_num, self.frame, self.wall_clock, self.best_success = 0, 0, 0.0, -1.0
        self.evaluator = evaluator
        #: frame; what begins with another run's networks is evaluated before it learns, as with eval_first=true
        self.next_evaluation: int = min(config["eval_interval"] or 0, FIRST_EVALUATION)
        if self.next_evaluation and (config["pretrained"] or config.get("eval_first")):
            self.next_evaluation = -1
        self.obs: Tensor | None = None
        #: since the last epoch: rewards and observations that were not finite; optimizer steps, and those left out
        self.not_finite = torch.zeros((), dtype=torch.long, device=self._device)
        self.steps = torch.zeros(2, dtype=torch.long, device=self._device)
        self._failed_epochs = 0
        self.stopping = Stopping(at_once=distributed.size() == 1)
        self._stepping = 0.0  #: seconds of this epoch that went into acting and stepping
        self.build()
        self.observer: AgentObserver = config["features"]["observer"]
        self.observer.after_init(self)

    # -- what an algorithm says ----------------------------------------------------------------------------------------

    @abstractmethod
    def build(self) -> None:
        """Make optimizers, sides and buffers; the model stands and is on its device."""

    @abstractmethod
    def learn(self) -> dict[str, Tensor | float]:
        """Collect ``horizon_length`` steps with :meth:`step`, starting from ``obs`` and leaving the next one there, learn
        from them, and return scalars to log, by TensorBoard name; lists are averaged."""

    def make_vec_env(self) -> IVecEnv:
        """Make the environments, as rl-games does: by name."""
        config = self.config
        return vecenv.create_vec_env(config["env_name"], config["num_actors"], **config["env_config"])

    def learner_state(self) -> dict[str, Any]:
        """What continues the algorithm exactly, beyond model, optimizers and sides, as tensors and plain data."""
        return {}

    def load_learner_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`learner_state`, which is part of ``state``."""

    def make_side(self, name: str, network: nn.Module, owned: Sequence[nn.Parameter]) -> Side:
        """The aggregation of one network's task gradients by the scheme ``balancing.<name>``."""
        scheme = self.config["balancing"][name]
        generator = self.generators["balancing"]
        weighting = make_weighting(scheme, num_tasks=self.num_tasks, device=self._device, generator=generator)
        return Side(network, owned, weighting)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step the environments; return observations (N, features + K), shaped rewards (N,), done (N,) bool and extras.

        One number that is not finite would stay in the running statistics for good: in rewards and observations it becomes 0,
        and is counted.
        """
        following, rewards, dones, extras = self.vec_env.step(actions.clamp(-1.0, 1.0))
        self.observer.process_infos(extras, None)
        self._check_stop_alone()
        obs, rewards = following["obs"], self.rewards_shaper(rewards)
        self.not_finite += (~rewards.isfinite()).sum() + (~obs.isfinite()).any(1).sum()
        if "final_obs" in extras:
            extras["final_obs"] = extras["final_obs"].nan_to_num(0.0, 0.0, 0.0)
        return obs.nan_to_num(0.0, 0.0, 0.0), rewards.nan_to_num(0.0, 0.0, 0.0), dones, extras

    def optimize(self, name: str) -> dict[str, Tensor]:
        """Clip the gradients that one optimizer sees, take its step and project what is bounded; return scalars to log.

        A step whose gradients are not finite is left out, and counted.
        """
        scalars, norms = {}, []
        if self.config["truncate_grads"]:
            for of, (parameters, limit) in self._limits(name).items():
                norms.append(torch.nn.utils.clip_grad_norm_(parameters, limit))
                scalars[f"info/{of}grad_norm"] = norms[-1]
                scalars[f"info/{of}grad_clip_fraction"] = (norms[-1] > limit).float()
        self.take_step(name, norms)
        project(self.model)
        return scalars

    def take_step(self, name: str, norms: Sequence[Tensor] = ()) -> None:
        """Take an optimizer's step, unless a gradient is not finite. ``norms``: of all of them, where they are known."""
        optimizer = self.optimizers[name]
        if not norms:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            norms = [torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])]
        bad = ~torch.stack(list(norms)).isfinite().all()
        self.steps += torch.stack((torch.ones_like(bad), bad))
        if optimizer.defaults.get("fused"):
            optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # a fused step looks at it on the device
            optimizer.step()
        elif not bool(bad):
            optimizer.step()

    def _limits(self, name: str) -> dict[str, tuple[list[nn.Parameter], float]]:
        """What of an optimizer shares a limit of the gradient norm, and the limit, by the prefix it is logged under: with
        one number all that the optimizer sees, with a mapping each side."""
        if isinstance(self.grad_norm, Mapping):
            sides = [name] if name in self.sides else list(self.sides)
            return {f"{side}_": (self.sides[side].parameters, float(self.grad_norm[side])) for side in sides}
        parameters = [p for group in self.optimizers[name].param_groups for p in group["params"]]
        return {"" if len(self.optimizers) == 1 else f"{name}_": (parameters, float(self.grad_norm))}

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._device

    # -- the loop ------------------------------------------------------------------------------------------------------

    def train(self) -> tuple[float, int]:
        """Train until a limit or a signal; return the best evaluated success rate and the number of epochs."""
        if self.obs is None:
            self.obs = self.vec_env.reset()["obs"]
        self.before_training()
        started = time.perf_counter() - self.wall_clock
        limit = self.wall_clock + 60.0 * (self.config["max_minutes"] or float("inf"))
        self.observer.before_training()
        boundary = self.get_full_state_weights()
        self.stopping.catch()
        try:
            while not self._finished() and self.wall_clock < limit:
                if self.evaluation_due():  # first, so that a continued run makes the one it owed when it was killed
                    self.evaluate()
                    boundary = self.get_full_state_weights()
                scalars = self.train_epoch() | self._faults()
                self.wall_clock = distributed.from_first(time.perf_counter() - started)
                self.observer.write_epoch(scalars)
                self.observer.after_print_stats(self.frame, self.epoch_num, self.wall_clock)
                boundary = self.get_full_state_weights()
                if self.epoch_num % self.save_frequency == 0:
                    self._write(self.nn_dir / "last.pth", boundary)
            if distributed.from_first(self.observer.last_evaluation != self.frame):
                self.evaluate()
            self.save(str(self.nn_dir / "last.pth"))
            self.observer.finished(self.nn_dir / "last.pth")
        except StopRequest:
            self._write(self.nn_dir / "last.pth", boundary)
            self.observer.stopped(
                self._stop_signal or "a signal to another process", boundary["frame"], self.nn_dir / "last.pth"
            )
        finally:
            self.stopping.release()
            self.observer.close()
        return self.best_success, self.epoch_num

    def _faults(self) -> dict[str, float]:
        """What was not finite in this epoch, to log; stop a run whose steps are all left out."""
        not_finite, steps, left_out = torch.cat((self.not_finite[None], self.steps)).tolist()
        self.not_finite.zero_()
        self.steps.zero_()
        self._failed_epochs = self._failed_epochs + 1 if steps and left_out == steps else 0
        if self._failed_epochs == FAILED_EPOCHS:
            raise UserError(
                f"gradients were not finite in any step of the last {FAILED_EPOCHS} epochs, up to {self.frame:,} frames; "
                f"{self.nn_dir / 'last.pth'} is from before. A lower learning_rate may help, or a look at the rewards"
            )
        return {"info/not_finite": not_finite, "info/steps_left_out": left_out}

    def before_training(self) -> None:
        """Called once, when the run starts or continues and the environments have begun."""

    def train_epoch(self) -> dict[str, Tensor | float]:
        """Collect and learn once; return scalars to log, by TensorBoard name."""
        started = time.perf_counter()
        self._stepping = 0.0
        scalars = self.learn()
        self.epoch_num += 1
        self.frame += self.frames_per_epoch
        seconds = time.perf_counter() - started
        return scalars | {
            "performance/step_inference_time": self._stepping,
            "performance/rl_update_time": seconds - self._stepping,
            "performance/step_inference_fps": self.frames_per_epoch / self._stepping,
            "performance/step_inference_rl_update_fps": self.frames_per_epoch / seconds,
            "info/last_lr": self.last_lr,
            "info/epochs": self.epoch_num,
        }

    @contextlib.contextmanager
    def stepping(self) -> Iterator[None]:
        """Around acting and stepping: count the time it takes as such."""
        started = time.perf_counter()
        yield
        self._stepping += time.perf_counter() - started

    @staticmethod
    def means(log: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
        """Mean of each list of scalars, over all ranks."""
        if not log:
            return {}
        values = torch.stack([torch.stack(list(column)).mean().double() for column in log.values()])
        return dict(zip(log, distributed.average(values), strict=True))

    def evaluate(self) -> None:
        """Evaluate the mean policy, log it, and keep the checkpoint if it is the best so far."""
        if self.evaluator is None:
            return
        success: float | None = None
        if distributed.rank() == 0:
            try:
                result = self.evaluator(self.model, self._check_stop)
                success = result.mean_success
            except StopRequest:
                pass  # told to the others first
        success = distributed.from_first(success)
        if success is None:
            raise StopRequest
        interval = self.config["eval_interval"]
        self.next_evaluation = (self.frame // interval + 1) * interval if interval else self.frame
        if distributed.rank() == 0:
            self.observer.write_evaluation(result)
        if success > self.best_success:
            self.best_success = success
            self.save(str(self.nn_dir / "best.pth"))

    def _finished(self) -> bool:
        epochs, frames = self.config["max_epochs"], self.config["max_frames"]
        return (epochs is not None and self.epoch_num >= epochs) or (frames is not None and self.frame >= frames)

    def describe(self) -> str:
        """What is learned from, in a few words."""
        processes = f" in each of {distributed.size()} processes" if distributed.size() > 1 else ""
        return f"{self.num_actors} environments{processes}"

    def evaluation_due(self) -> bool:
        """Whether an evaluation is to be made before learning goes on."""
        return self.evaluator is not None and self.next_evaluation != 0 and self.next_evaluation <= self.frame

    # -- stopping ------------------------------------------------------------------------------------------------------

    @property
    def _stop_signal(self) -> str:
        return self.stopping.signal

    def _check_stop(self) -> None:
        self.stopping.check()

    def _check_stop_alone(self) -> None:
        """Several ranks stop together, at the next pass over the batch: one that left alone would keep the rest waiting."""
        if distributed.size() == 1:
            self._check_stop()

    # -- state ---------------------------------------------------------------------------------------------------------

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
        self.set_full_state_weights(state, set_epoch)

    # -- rl-games' remaining interface ---------------------------------------------------------------------------------

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
