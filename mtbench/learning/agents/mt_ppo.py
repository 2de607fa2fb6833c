"""Multi-task PPO on rl-games, and TOPPO with its four parts switched on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from rl_games.common import schedulers, vecenv
from rl_games.interfaces.base_algorithm import BaseAlgorithm
from torch import Tensor

from mtbench.evaluation.evaluate import Evaluator
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
from mtbench.learning.agents.losses import actor_losses, critic_losses
from mtbench.learning.agents.minibatches import StratifiedMinibatches
from mtbench.learning.agents.rollout import Rollout, Targets, collect, compute_targets
from mtbench.learning.agents.sides import Side
from mtbench.learning.balancing import make_weighting
from mtbench.learning.gradient_record import GradientRecord, Snapshot
from mtbench.learning.networks.model import MultiTaskModel
from mtbench.learning.observers import MultiTaskObserver

#: what each rank has of its own in a checkpoint
_OWN = ("obs", "env_state", "rng", "generators")


class StopRequest(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived."""


class MTPPO(BaseAlgorithm):
    """PPO over K tasks at once (TOPPO paper, Algorithm C.1; with everything of TOPPO off, its vanilla MT-PPO).

    An rl-games algorithm: the Runner creates it from ``params`` with rl-games' names, it makes its environments through
    ``vecenv``, uses rl-games' schedulers and reports to an ``AlgoObserver``. It implements ``BaseAlgorithm`` directly
    rather than deriving from ``A2CAgent``, because what differs is nearly all of that class: minibatches are
    stratified by task, normalizers and log-std are per task, a time-out bootstraps from the final observation
    (rl-games uses the value of the state before the step), the loss of each task has its own gradient, and checkpoints
    continue a run exactly and load without pickled code.

    With ``multi_gpu`` (see :mod:`mtbench.learning.distributed`) all ranks run this class on environments of their own and
    hold the same networks at every moment; rank 0 evaluates and writes.

    Args:
        base_name: given by the Runner, unused.
        params: rl-games' parameters; ``cfg/train/MTPPO.yaml`` lists them all.
        evaluator: called at intervals and at the end; None: no evaluation.
    """

    def __init__(self, base_name: str, params: dict[str, Any], evaluator: Evaluator | None = None) -> None:
        self.config = config = params["config"]
        self._device = torch.device(config["device"])
        self.vec_env = vecenv.create_vec_env(config["env_name"], config["num_actors"], **config["env_config"])
        self.env_info = self.vec_env.get_env_info()
        self.task_names: list[str] = list(self.env_info["task_names"])
        self.num_tasks = len(self.task_names)
        self.num_actors = int(config["num_actors"])
        self.task_index: Tensor = self.env_info["task_index"].to(self._device)
        self.task_counts: list[int] = torch.bincount(self.task_index, minlength=self.num_tasks).tolist()
        self.horizon_length = int(config["horizon_length"])
        self.batch_size = self.num_actors * self.horizon_length
        self.frames_per_epoch = self.batch_size * distributed.size()
        self.gamma, self.tau, self.e_clip = config["gamma"], config["tau"], config["e_clip"]
        self.entropy_coef, self.critic_coef = config["entropy_coef"], config["critic_coef"]
        self.bounds_loss_coef, self.grad_norm = config["bounds_loss_coef"], config["grad_norm"]
        self.mini_epochs_num = int(config["mini_epochs"])
        self.rewards_shaper = config["reward_shaper"]

        self.model_config = {
            "num_obs": self.env_info["observation_space"].shape[0],
            "num_tasks": self.num_tasks,
            "num_actions": self.env_info["action_space"].shape[0],
            "network": params["network"],
            "normalize_input": config["normalize_input"],
            "value_norm": config["value_norm"],
        }
        self.model = MultiTaskModel(**self.model_config, value_norm_options=config["value_norm_options"])
        if config["pretrained"]:
            start_from(self.model, load_checkpoint(config["pretrained"]), self.num_tasks)
        self.model.to(self._device)
        distributed.share(self.model.state_dict().values())
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.last_lr = float(config["learning_rate"])
        self.optimizer = torch.optim.Adam(trained, self.last_lr, eps=float(config["adam_eps"]), fused=True)
        adaptive = config["lr_schedule"] == "adaptive"
        self.scheduler = schedulers.AdaptiveScheduler(config["kl_threshold"]) if adaptive else None

        seed = int(params["seed"])
        own = seed + 3 * distributed.rank()
        self.generators = {
            "actions": torch.Generator(self._device).manual_seed(own),
            "minibatches": torch.Generator(self._device).manual_seed(own + 1),
            "balancing": torch.Generator().manual_seed(seed + 2),  # the same on all ranks, as what it decides
        }
        networks = {"actor": self.model.network.actor, "critic": self.model.network.critic}
        self.sides = {
            side: Side(
                network,
                self.model.owned_parameters(side),
                make_weighting(
                    config["balancing"][side],
                    num_tasks=self.num_tasks,
                    device=self._device,
                    generator=self.generators["balancing"],
                ),
            )
            for side, network in networks.items()
        }
        self.minibatches = StratifiedMinibatches(
            self.task_index.repeat(self.horizon_length), self.num_tasks, int(config["num_minibatches"])
        )

        self.experiment_dir = Path(config["train_dir"]) / str(config["full_experiment_name"])
        self.nn_dir = self.experiment_dir / "nn"
        self.save_frequency = int(config["save_frequency"])
        self.record = GradientRecord(self.task_names)
        self.epoch_num, self.frame, self.wall_clock, self.best_success = 0, 0, 0.0, -1.0
        self.evaluator = evaluator
        self.next_evaluation: int = config["eval_interval"] or 0
        self.obs: Tensor | None = None
        self._stop_signal = ""
        self.observer: MultiTaskObserver = config["features"]["observer"]
        self.observer.after_init(self)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self._device

    # -- the loop ------------------------------------------------------------------------------------------------------

    def train(self) -> tuple[float, int]:
        """Train until a limit or a signal; return the best evaluated success rate and the number of epochs."""
        if self.obs is None:
            self.obs = self.vec_env.reset()["obs"]
        if self.config["diagnose_interval"] and self.frame:
            self.record = GradientRecord.resume(self.experiment_dir / "gradients.npz", self.task_names, self.frame)
        started = time.perf_counter() - self.wall_clock
        limit = self.wall_clock + 60.0 * (self.config["max_minutes"] or float("inf"))
        self.observer.before_training()
        boundary = self.get_full_state_weights()
        release_signals = self._catch_signals()
        try:
            while not self._finished() and self.wall_clock < limit:
                if self.evaluation_due():  # first, so that a continued run makes the one it owed when it was killed
                    self.evaluate()
                    boundary = self.get_full_state_weights()
                scalars = self.train_epoch()
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
            release_signals()
            self.observer.close()
        return self.best_success, self.epoch_num

    def train_epoch(self) -> dict[str, Tensor | float]:
        """Collect one rollout and learn from it; return scalars to log, by TensorBoard name."""
        started = time.perf_counter()
        rollout = self.collect()
        self.observer.after_steps()
        collected = time.perf_counter()
        log: dict[str, list[Tensor]] = {}
        snapshot, recorded = Snapshot(), self.record.due(self.frame, self.config["diagnose_interval"])
        for mini_epoch in range(self.mini_epochs_num):
            if distributed.any_rank(bool(self._stop_signal)):
                raise StopRequest
            if mini_epoch == 0 or self.config["recompute_advantages"]:
                targets = self.targets(rollout, update_statistics=mini_epoch == 0)
                log.setdefault("info/explained_variance", []).append(targets.explained_variance)
            for index, rows in enumerate(self.minibatches.passes(self.generators["minibatches"])):
                self._check_stop_alone()
                seen = mini_epoch == 0 and (index == 0 or recorded)
                scalars = self.update(rollout, targets, rows, snapshot if seen else None)
                for name, value in scalars.items():
                    log.setdefault(name, []).append(value)
            if self.scheduler is not None:
                kl = torch.stack(log["info/kl"][-self.minibatches.num_minibatches :]).mean()
                kl = distributed.average(kl)
                self.last_lr, _ = self.scheduler.update(self.last_lr, self.entropy_coef, self.epoch_num, 0, kl.item())
                for group in self.optimizer.param_groups:
                    group["lr"] = self.last_lr
        for side in self.sides.values():
            side.after_epoch()
        if recorded:
            self.record.append(self.frame, snapshot, self.critic_coef, self.model.value_scale)
            if distributed.rank() == 0:
                self.record.write(self.experiment_dir / "gradients.npz")
        # Only now, so that the inputs of a rollout are the same when it is collected and when it is learned from.
        self.model.update_statistics(rollout.obs, rollout.task)
        self.epoch_num += 1
        self.frame += self.frames_per_epoch
        ended = time.perf_counter()
        means = distributed.average(torch.stack([torch.stack(v).mean().double() for v in log.values()]))
        logged: dict[str, Tensor | float] = dict(zip(log, means, strict=True))
        return (
            logged
            | snapshot.scalars()
            | {
                "performance/step_inference_time": collected - started,
                "performance/rl_update_time": ended - collected,
                "performance/step_inference_fps": self.frames_per_epoch / (collected - started),
                "performance/step_inference_rl_update_fps": self.frames_per_epoch / (ended - started),
                "info/last_lr": self.last_lr,
                "info/epochs": self.epoch_num,
                "rewards/step": rollout.rewards.mean(),
            }
        )

    def collect(self) -> Rollout:
        """Step the environments through one rollout."""
        assert self.obs is not None
        rollout, self.obs = collect(
            self.vec_env,
            self.model,
            self.obs,
            self.task_index,
            self.horizon_length,
            self.generators["actions"],
            self._after_step,
            self.rewards_shaper,
        )
        return rollout

    def targets(self, rollout: Rollout, update_statistics: bool) -> Targets:
        """Evaluate the critic on a rollout, see :func:`compute_targets`."""
        return compute_targets(rollout, self.model, self.num_tasks, self.gamma, self.tau, update_statistics)

    def update(
        self, rollout: Rollout, targets: Targets, rows: Tensor, snapshot: Snapshot | None = None
    ) -> dict[str, Tensor]:
        """Take one optimizer step on the samples ``rows``, K equal slices; return scalars to log. ``snapshot``: see
        :meth:`backward`."""
        scalars = self.backward(rollout, targets, rows, snapshot)
        if self.config["truncate_grads"]:
            norm = torch.nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.grad_norm)
            scalars["info/grad_norm"] = norm
            scalars["info/grad_clip_fraction"] = (norm > self.grad_norm).float()
        self.optimizer.step()
        self.model.network.project()
        scalars = dict(scalars)  # what follows may run the forward passes again
        for side in self.sides.values():
            side.after_step()
        return scalars

    def backward(
        self, rollout: Rollout, targets: Targets, rows: Tensor, snapshot: Snapshot | None
    ) -> dict[str, Tensor]:
        """Set the gradients of both sides, aggregated over tasks, on the samples ``rows``; return scalars to log.

        ``snapshot`` takes in the Gram matrices and weights; it changes no gradient.
        """
        inputs, task = rollout.inputs[rows], self.minibatches.task
        scalars: dict[str, Tensor] = {}

        def actor() -> Tensor:
            losses, seen = actor_losses(
                self.model.network.actor(inputs),
                self.model.network.log_std,
                rollout.actions[rows],
                rollout.log_probs[rows],
                targets.advantages[rows],
                self.minibatches.weight,
                self.e_clip,
                self.entropy_coef,
                self.bounds_loss_coef,
                self.config["normalize_advantage"],
            )
            scalars.update(seen)
            return losses

        def critic() -> Tensor:
            losses, seen = critic_losses(
                self.model.value(inputs, task),
                targets.values[rows],
                targets.returns[rows],
                self.minibatches.weight,
                self.e_clip if self.config["clip_value"] else None,
            )
            scalars.update(seen)
            return self.critic_coef * losses

        self.optimizer.zero_grad(set_to_none=True)
        for name, losses_of in (("actor", actor), ("critic", critic)):
            matrix = self.sides[name].backward(losses_of, diagnose=snapshot is not None)
            if snapshot is not None and matrix is not None:
                snapshot.add(name, matrix, self.sides[name].weights)
        return scalars

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
        self.next_evaluation = self.frame + (self.config["eval_interval"] or 0)
        if distributed.rank() == 0:
            self.observer.write_evaluation(result)
        if success > self.best_success:
            self.best_success = success
            self.save(str(self.nn_dir / "best.pth"))

    def _finished(self) -> bool:
        epochs, frames = self.config["max_epochs"], self.config["max_frames"]
        return (epochs is not None and self.epoch_num >= epochs) or (frames is not None and self.frame >= frames)

    def evaluation_due(self) -> bool:
        """Whether an evaluation is to be made before learning goes on."""
        return self.evaluator is not None and 0 < self.next_evaluation <= self.frame

    # -- stopping ------------------------------------------------------------------------------------------------------

    def _after_step(self, extras: dict[str, Any]) -> None:
        self.observer.process_infos(extras, None)
        self._check_stop_alone()

    def _check_stop(self) -> None:
        if self._stop_signal:
            raise StopRequest

    def _check_stop_alone(self) -> None:
        """Several ranks stop together, at the next pass over the batch: one that left alone would keep the rest waiting."""
        if distributed.size() == 1:
            self._check_stop()

    def _catch_signals(self) -> Callable[[], None]:
        """Let SIGINT and SIGTERM stop at the next step; return what puts the old handlers back. A second one acts at
        once, but not where several ranks are to stop together.
        """
        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def release() -> None:
            for number, handler in previous.items():
                signal.signal(number, handler)

        def stop(number: int, frame: FrameType | None) -> None:
            self._stop_signal = signal.Signals(number).name
            if distributed.size() == 1:
                release()

        for number in previous:
            signal.signal(number, stop)
        return release

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
                "optimizer": self.optimizer.state_dict(),
                "balancing": {name: side.state_dict() for name, side in self.sides.items()},
                "obs": self.obs,
                "env_state": self.vec_env.get_env_state(),
                "rng": rng_state(),
                "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            }
        )

    def set_full_state_weights(self, weights: dict[str, Any], set_epoch: bool = True) -> None:
        """Continue from :meth:`get_full_state_weights` of a run with the same tasks, environments, networks and ranks."""
        self.set_weights(weights)
        self.optimizer.load_state_dict(weights["optimizer"])
        for name, state in weights.get("balancing", {}).items():  # older checkpoints have none
            self.sides[name].load_state_dict(state)
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

    def save(self, fn: str) -> None:
        """Write a checkpoint to the path ``fn``."""
        self._write(Path(fn), self.get_full_state_weights())

    def _write(self, path: Path, state: dict[str, Any]) -> None:
        """Write one file for all ranks: that of rank 0, with what the others have of their own under ``ranks``."""
        own = distributed.collect({key: state[key] for key in _OWN})
        if distributed.rank() == 0:
            save_checkpoint(path, state | {"ranks": own[1:]})

    def restore(self, fn: str, set_epoch: bool = True) -> None:
        """Read a checkpoint; :class:`UserError` when it does not fit."""
        state = load_checkpoint(fn)
        check_compatible(state, fn, self.task_names, self.model_config, self.num_actors, self.task_counts)
        self.set_full_state_weights(state, set_epoch)

    # -- rl-games' remaining interface ---------------------------------------------------------------------------------

    def clear_stats(self) -> None:
        """Forget the episodes counted so far."""
        self.observer.after_clear_stats()

    def get_param(self, param_name: str) -> Any:
        """Return a hyperparameter by rl-games' name."""
        return self.last_lr if param_name == "learning_rate" else getattr(self, param_name)

    def set_param(self, param_name: str, param_value: Any) -> None:
        """Change a hyperparameter by rl-games' name, for the next minibatch on."""
        if param_name == "learning_rate":
            self.last_lr = float(param_value)
            for group in self.optimizer.param_groups:
                group["lr"] = self.last_lr
        elif hasattr(self, param_name):
            setattr(self, param_name, param_value)
        else:
            raise NotImplementedError(f"no parameter '{param_name}'")
