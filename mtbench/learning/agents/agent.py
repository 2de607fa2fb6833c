"""What all algorithms share: the loop, evaluation, and stopping at a signal."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor, nn

from mtbench.learning import distributed
from mtbench.learning.agents.checkpoint import load_checkpoint, start_from
from mtbench.learning.agents.continuing import Continuing
from mtbench.learning.agents.gradient_steps import GradientSteps
from mtbench.learning.agents.settings import Learner, check_params
from mtbench.learning.agents.sides import Side
from mtbench.learning.agents.stopping import Stopping, StopRequest
from mtbench.learning.balancing import make_weighting
from mtbench.learning.errors import UserError
from mtbench.learning.evaluate import Evaluator
from mtbench.learning.networks.model import PolicyModel
from mtbench.learning.rl_games import vecenv

FIRST_EVALUATION = 100_000  #: frames at most, so that a run shows within its first minutes how one looks
FAILED_EPOCHS = 3  #: in a row without one step, after which a run stops


class Agent(Continuing):
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
        self.gradient_steps = GradientSteps(self.model, self.optimizers, self.sides, self._device)
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
        #: rewards and observations since the last epoch that were not finite
        self.not_finite = torch.zeros((), dtype=torch.long, device=self._device)
        self._failed_epochs = 0
        self.stopping = Stopping(at_once=distributed.size() == 1)
        self._stepping = 0.0  #: seconds of this epoch that went into acting and stepping
        self.build()
        self.observer = config["features"]["observer"]
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
        """Take one optimizer's step, see :meth:`.GradientSteps.optimize`."""
        return self.gradient_steps.optimize(name, self.grad_norm if self.config["truncate_grads"] else None)

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
        not_finite, steps, left_out = torch.cat((self.not_finite[None], self.gradient_steps.counts)).tolist()
        self.not_finite.zero_()
        self.gradient_steps.counts.zero_()
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
