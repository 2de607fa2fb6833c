"""The vectorized task people know from IsaacGymEnvs: a subclass builds a simulation and fills buffers, this class steps it.

Differences from the original that a task writer notices:

- ``step`` resets finished environments before it returns, so observations always belong to running episodes; the last
  observation of the finished one is in ``extras["final_obs"]``.
- Observations, rewards and flags that ``step`` returns are not overwritten by the next step.
- An environment whose physics or action is not finite ends its episode with reward 0, is reset and counted in
  ``extras["diverged"]``; the others go on.
- ``extras["finished"]`` has ``mask`` (num_envs,) and ``return``, ``length`` ... of every environment, valid where an episode
  ended; ``extras["episode"]`` has those of the finished ones only, with their ``env_ids``. The second one waits for a GPU.
- ``extras["overflow"]`` counts environments for whose contacts a GPU engine had no room in this step.
- All randomness comes from ``self.generator``.
- On a GPU nothing in a step waits for the device, and the step is recorded as CUDA graphs (:mod:`.recording`).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from isaacgym import gymapi, gymtorch
from torch import Tensor

from isaacgymenvs_tasks.recording import CudaGraph, Recorder
from isaacgymenvs_tasks.simulator import choose_engine, simulator

#: Solver settings of PhysX (MTBench: TGS, 8 position iterations and 1 of velocity); they mean nothing to MuJoCo.
PHYSX = {
    "solver_type": 1,
    "num_position_iterations": 8,
    "num_velocity_iterations": 1,
    "contact_offset": 0.005,
    "rest_offset": 0.0,
    "bounce_threshold_velocity": 0.2,
    "max_depenetration_velocity": 1000.0,
    "default_buffer_size_multiplier": 5.0,
    "max_gpu_contact_pairs": 8 * 1024 * 1024,
}


@dataclass(frozen=True)
class Rows:
    """Some environments: by their indices where finding them costs nothing, on a GPU by a mask over all.

    Attributes:
        ids: (n,) long, the environments; all of them where there is a mask.
        mask: (n,) bool, which of ``ids`` are meant; None: each.
    """

    ids: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, buffer: Tensor, values: Tensor | float) -> None:
        """Write ``values`` (n, ...) or a number into the rows of ``buffer`` (num_envs, ...)."""
        if self.mask is None:
            buffer[self.ids] = values  # type: ignore[assignment]
        else:
            buffer.copy_(torch.where(self._mask(buffer), values, buffer))

    def write(self, buffer: Tensor, index: Tensor, values: Tensor) -> None:
        """Write ``values`` (n, ...) into the entries ``index`` (n, ...) of a flat buffer."""
        buffer[index] = values if self.mask is None else self.keep(values, buffer[index])

    def keep(self, values: Tensor, otherwise: Tensor | int) -> Tensor:
        """``values`` (n, ...) of the environments that are meant, ``otherwise`` for the others."""
        return values if self.mask is None else torch.where(self._mask(values), values, otherwise)

    def _mask(self, like: Tensor) -> Tensor:
        assert self.mask is not None
        return self.mask.view(-1, *[1] * (like.ndim - 1))


class Episodes(Mapping[str, Tensor]):
    """The finished episodes of a step: ``env_ids`` and the entries of ``extras["finished"]`` for those alone."""

    def __init__(self, finished: Mapping[str, Tensor]) -> None:
        self._finished = finished
        self._ids: Tensor | None = None

    def __getitem__(self, key: str) -> Tensor:
        if self._ids is None:
            self._ids = self._finished["mask"].nonzero().squeeze(-1)
        return self._ids if key == "env_ids" else self._finished[key][self._ids]

    def __iter__(self) -> Iterator[str]:
        return iter(["env_ids", *(key for key in self._finished if key != "mask")])

    def __len__(self) -> int:
        return len(self._finished)


class Env(ABC):
    """What a learner sees: counts, spaces, ``step`` and ``reset``."""

    def __init__(
        self, cfg: Mapping[str, Any], rl_device: str, sim_device: str, graphics_device_id: int, headless: bool
    ) -> None:
        self.cfg = cfg
        self.rl_device = _device("rl_device", rl_device)
        self.device = _device("sim_device", sim_device)
        self.graphics_device_id = graphics_device_id
        self.headless = headless
        env = cfg["env"]
        self.num_environments = int(env["numEnvs"])
        if self.num_environments < 1:
            raise ValueError(f"num_envs is {self.num_environments}; it must be at least 1")
        self.num_observations = int(env["numObservations"])
        self.num_actions = int(env["numActions"])
        self.control_freq_inv = int(env.get("controlFrequencyInv", 1))
        self.observation_space = spaces.Box(-np.inf, np.inf, (self.num_observations,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (self.num_actions,), np.float32)

    @property
    def num_envs(self) -> int:
        return self.num_environments

    @property
    def num_obs(self) -> int:
        return self.num_observations

    @property
    def num_acts(self) -> int:
        return self.num_actions

    @abstractmethod
    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """Actions (num_envs, num_actions) -> observations, rewards (num_envs,), done (num_envs,) bool, extras."""

    @abstractmethod
    def reset(self) -> dict[str, Tensor]:
        """Start new episodes everywhere and return their first observations."""


class VecTask(Env):
    """A task on a simulation. A subclass implements the five methods marked abstract.

    Buffers: ``obs_buf`` (num_envs, num_obs), ``rew_buf`` (num_envs,), ``reset_buf`` (num_envs,) bool: the task ended the
    episode, ``progress_buf`` (num_envs,) long: steps since the episode began, ``timeout_buf`` (num_envs,) bool, ``extras``,
    ``episode_return`` and ``episode_length`` (num_envs,): rewards and steps so far (progress may start elsewhere than at 0).
    ``sim`` is the simulation; tensors over it: ``root_states`` (actors, 13), ``dof_states`` (DOFs, 2), ``rigid_body_states``
    (bodies, 13).
    """

    sim: Any

    def __init__(
        self, cfg: Mapping[str, Any], rl_device: str, sim_device: str, graphics_device_id: int, headless: bool
    ) -> None:
        super().__init__(cfg, rl_device, sim_device, graphics_device_id, headless)
        if not headless:
            raise ValueError("there is no viewer: run with headless=True")
        self.generator = torch.Generator(device=self.device)
        self.generator.manual_seed(int(cfg.get("seed", 0)))
        self.max_episode_length = int(cfg["env"]["episodeLength"])
        self.build()
        self.refresh()
        self._begun = False
        #: the generator's state before a reset of all environments, until they are stepped
        self._reset_from: Tensor | None = None
        self.allocate_buffers()
        #: whether resets go by mask and no step waits for the device
        self.masked = self.device.type == "cuda" and self.simulator.shows_what_was_set
        self._recorder = Recorder(lambda: CudaGraph(self.generator)) if self.masked else None

    def build(self) -> None:
        """Build the simulation and the tensors over it. A task whose physics is not behind the Tensor API overrides this and
        :attr:`step_dt`, :meth:`simulate`, :meth:`refresh`, :meth:`diverged` and :meth:`close`, and sets ``simulator``."""
        self.gym = gymapi.acquire_gym()
        self.sim_params = self._sim_params(self.cfg.get("sim", {}))
        self.create_sim()
        self.gym.prepare_sim(self.sim)
        self.simulator = simulator(self.gym, self.sim)
        self.root_states = gymtorch.wrap_tensor(self.gym.acquire_actor_root_state_tensor(self.sim)).view(-1, 13)
        self.dof_states = gymtorch.wrap_tensor(self.gym.acquire_dof_state_tensor(self.sim)).view(-1, 2)
        self.rigid_body_states = gymtorch.wrap_tensor(self.gym.acquire_rigid_body_state_tensor(self.sim)).view(-1, 13)
        self._index_states()

    @property
    def step_dt(self) -> float:
        """Seconds a control step."""
        return self.sim_params.dt * self.control_freq_inv

    def simulate(self) -> None:
        """Advance the physics by one control step."""
        for _ in range(self.control_freq_inv):
            self.gym.simulate(self.sim)
        self.gym.fetch_results(self.sim, True)

    def _sim_params(self, cfg: Mapping[str, Any]) -> gymapi.SimParams:
        params = gymapi.SimParams()
        params.dt = float(cfg.get("dt", 1 / 60))
        params.substeps = int(cfg.get("substeps", 2))
        params.up_axis = gymapi.UP_AXIS_Z
        params.gravity = gymapi.Vec3(0.0, 0.0, -9.81)
        params.use_gpu_pipeline = self.device.type == "cuda"
        params.physx.use_gpu = params.use_gpu_pipeline
        for name, value in PHYSX.items():
            setattr(params.physx, name, value)
        params.physx.num_threads = int(cfg.get("num_threads") or 0)
        choose_engine(params, cfg)
        return params

    def _index_states(self) -> None:
        """The environment of every rigid body and DOF, for the divergence guard."""
        bodies, dofs = [], []
        for i in range(self.num_envs):
            env = self.gym.get_env(self.sim, i)
            bodies.append(self.gym.get_env_rigid_body_count(env))
            dofs.append(self.gym.get_env_dof_count(env))
        index = torch.arange(self.num_envs, device=self.device)
        self._body_env = index.repeat_interleave(torch.tensor(bodies, device=self.device))
        self._dof_env = index.repeat_interleave(torch.tensor(dofs, device=self.device))

    def allocate_buffers(self) -> None:
        """Called once, when the simulation stands and its tensors can be read."""
        n, device = self.num_envs, self.device
        self.obs_buf = torch.zeros(n, self.num_obs, device=device)
        self.rew_buf = torch.zeros(n, device=device)
        self.reset_buf = torch.zeros(n, dtype=torch.bool, device=device)
        self.timeout_buf = torch.zeros(n, dtype=torch.bool, device=device)
        self.progress_buf = torch.zeros(n, dtype=torch.long, device=device)
        self.episode_return = torch.zeros(n, device=device)
        self.episode_length = torch.zeros(n, dtype=torch.long, device=device)
        self.extras: dict[str, Any] = {}
        self._all = torch.arange(n, device=device)
        self._done = torch.zeros(n, dtype=torch.bool, device=device)
        self._diverged_buf = torch.zeros(n, dtype=torch.bool, device=device)
        self._action_buf = torch.zeros(n, self.num_actions, device=device)

    @abstractmethod
    def create_sim(self) -> None:
        """Set ``self.sim`` (``gym.create_sim`` with ``self.sim_params``) and fill it with environments."""

    @abstractmethod
    def pre_physics_step(self, actions: Tensor) -> None:
        """Turn actions (num_envs, num_actions) in [-1, 1] into commands to the simulation."""

    @abstractmethod
    def post_physics_step(self) -> None:
        """Write ``obs_buf``, ``rew_buf`` and ``reset_buf`` for the state that was reached."""

    @abstractmethod
    def reset_idx(self, rows: Rows) -> None:
        """Start new episodes in these environments: set their root and DOF states (both, so that a diverged one recovers)."""

    @abstractmethod
    def compute_observations(self, fresh: Tensor) -> None:
        """Write ``obs_buf`` again after a reset of the environments marked in ``fresh`` (num_envs,) bool. Where the simulator
        does not show what was set, their states are what the task set, not what the tensors hold."""

    def time_is_up(self) -> Tensor:
        """(num_envs,) bool: episodes that are cut off here, and whose last observation still has a value."""
        return self.progress_buf >= self.max_episode_length

    def episode_info(self) -> dict[str, Tensor]:
        """What more to report of episodes, (num_envs,) each, before any is reset."""
        return {}

    def carriers(self) -> list[Any]:
        """Objects whose tensors change in a step, for :mod:`.recording`."""
        return [self]

    @torch.inference_mode()
    def refresh(self) -> None:
        """Bring DOF and rigid-body states up to date. A task that reads ``root_states`` refreshes them as well."""
        self.gym.refresh_dof_state_tensor(self.sim)
        self.gym.refresh_rigid_body_state_tensor(self.sim)

    @torch.inference_mode()
    def diverged(self) -> Tensor:
        """(num_envs,) bool: environments with a DOF or rigid body (roots are among them) whose state is not finite."""
        known = self.simulator.diverged()
        if known is not None:
            return known
        bad = torch.zeros(self.num_envs, device=self.device)
        for states, env in ((self.rigid_body_states, self._body_env), (self.dof_states, self._dof_env)):
            bad.index_add_(0, env, (~torch.isfinite(states.sum(1))).float())
        return bad > 0

    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        if not self._begun:
            raise RuntimeError("call reset() once before the first step()")
        self._action_buf.copy_(actions)
        self._run(self._act)
        self.simulator.before_simulate()
        self._reset_from = None
        self.simulate()
        self._run(self._judge)
        device = self.rl_device
        finished = {"mask": self._done, **self._episode}
        finished = {name: values.to(device, copy=True) for name, values in finished.items()}
        self.extras = {
            "time_outs": self.timeout_buf.to(device, copy=True),
            "final_obs": self._final_obs.to(device, copy=True),
            "finished": finished,
            "episode": Episodes(finished),
            "diverged": self._diverged_buf.sum().to(device),
            "overflow": torch.as_tensor(self.simulator.take_overflow(), device=device),
        }
        if self.masked:
            self.reset_done()
        elif self._done.any():
            self.reset_done()
        return self._observations(), self.rew_buf.to(device, copy=True), finished["mask"], self.extras

    def _run(self, part: Any) -> None:
        """A part of the step: recorded once and replayed where there is a recorder."""
        if self._recorder is None:
            part()
        else:
            with self.writing():
                self._recorder.run(part, self.carriers())

    def writing(self) -> contextlib.AbstractContextManager[Any]:
        """In which tensors that a recorded part has made may be written in place."""
        return contextlib.nullcontext() if self._recorder is None else torch.inference_mode()

    def _act(self) -> None:
        self.pre_physics_step(self._action_buf.clamp(-1.0, 1.0))

    def _judge(self) -> None:
        """What became of the step: observations, rewards, and which episodes ended."""
        self.refresh()
        self.progress_buf += 1
        self.post_physics_step()
        diverged = self.diverged() | ~torch.isfinite(self._action_buf.sum(1))
        self.rew_buf = torch.where(diverged, 0.0, self.rew_buf)
        self.timeout_buf = self.time_is_up() & ~self.reset_buf & ~diverged
        self._done = self.reset_buf | self.timeout_buf | diverged
        self._final_obs = torch.where(diverged[:, None], 0.0, self.obs_buf)
        self.episode_return += self.rew_buf
        self.episode_length += 1
        self._episode = {"return": self.episode_return, "length": self.episode_length, **self.episode_info()}
        self._diverged_buf = diverged

    def reset(self) -> dict[str, Tensor]:
        self._begun = True
        self._reset_from = self.generator.get_state()
        progress = self.initial_progress()
        self._done = torch.ones_like(self._done)
        self.reset_done()
        if progress is not None:
            self.progress_buf.copy_(progress)
        return self._observations()

    def initial_progress(self) -> Tensor | None:
        """Progress (num_envs,) at which the episodes that ``reset`` starts begin; None: 0."""
        return None

    def reset_done(self) -> None:
        """Reset the environments whose episode ended, and observe again."""
        self._run(self._restart)
        if self.masked:
            self.simulator.settle()
        self._run(self._observe)

    def _restart(self) -> None:
        if self.masked:
            rows = Rows(self._all, self._done)
        else:
            rows = Rows(self._done.nonzero().squeeze(-1))
        rows.put(self.progress_buf, 0)
        rows.put(self.episode_return, 0.0)
        rows.put(self.episode_length, 0)
        self.reset_idx(rows)

    def _observe(self) -> None:
        if self.simulator.shows_what_was_set:
            self.refresh()
        self.compute_observations(self._done)

    def _observations(self) -> dict[str, Tensor]:
        return {"obs": self.obs_buf.to(self.rl_device, copy=True)}

    def zero_actions(self) -> Tensor:
        return torch.zeros(self.num_envs, self.num_actions, device=self.rl_device)

    def close(self) -> None:
        self.gym.destroy_sim(self.sim)


def _device(option: str, name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"{option}={name} is not a device; use cpu or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"{option}={name}, but this machine has no CUDA device that PyTorch can use; use {option}=cpu")
    return device
