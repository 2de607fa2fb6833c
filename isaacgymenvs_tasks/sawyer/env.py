"""The official Meta-World in one batch: its own models, rewards, goals and conventions.

Metres, radians; x to the robot's right, y away from it, z up, the origin at the robot's base. An action moves the hand by up
to 1 cm along each axis; the last of its four numbers closes the gripper.

Observation, 39 + K numbers, as the package's multi-task benchmarks have them: hand position 3, openness 1, first object's
position 3 and orientation 4, the same 7 of the second object or zeros; the same 18 of the step before; goal 3; one-hot of the
task. In the first observation of an episode the step before equals the present one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks.columns import Columns
from isaacgymenvs_tasks.multi_task import FRAME, MultiTask
from isaacgymenvs_tasks.sawyer import wheel
from isaacgymenvs_tasks.sawyer.goals import GOALS, Starts, goal_vectors, starts_of
from isaacgymenvs_tasks.sawyer.physics import Physics
from isaacgymenvs_tasks.sawyer.reading import Reader, Reading, seen_by_rewards, states
from isaacgymenvs_tasks.sawyer.rewards import SUCCESS
from isaacgymenvs_tasks.sawyer.task import SawyerTask
from isaacgymenvs_tasks.vec_task import Rows

STEP = 0.01  #: m that an action of 1 moves the mocap body
#: Box that the package clips the observed hand to.
HAND_LOW, HAND_HIGH = (-0.525, 0.348, -0.0525), (0.525, 1.025, 0.7)


class OfficialMetaWorld(MultiTask[SawyerTask]):
    """See :class:`.MultiTask`.

    Every task has 50 goals, those that the package's benchmark of the same tasks draws from ``goalSeed``. The first episodes
    take them in order, so that 50 environments of a task meet each goal once; later ones draw from them.

    ``cfg["env"]["reward"]``: ``v2`` or ``v1``, the package's two reward functions, each with its own idea of success;
    ``sparse``, 10 in every step that succeeds under V2, else 0.

    Attributes:
        goal_index: (num_envs,) long, at which of its task's goals each environment is.

    Raises:
        ValueError: the package is not installed, or the configuration asks for what there is not, in one sentence.
    """

    REWARDS = "v2", "v1", "sparse"

    @classmethod
    def registry(cls) -> Mapping[str, SawyerTask]:
        from isaacgymenvs_tasks.sawyer.tasks import TASKS

        return TASKS

    def choose(self, env: Mapping[str, Any], registry: Mapping[str, SawyerTask]) -> list[SawyerTask]:
        specs = super().choose(env, registry)
        dead = [f"{spec.name} ({spec.dead_v1})" for spec in specs if spec.dead_v1]
        if self.reward == "v1" and dead:
            warnings.warn(f"under V1 these tasks never count a success: {'; '.join(dead)}", stacklevel=4)
        return specs

    # -- construction --------------------------------------------------------------------------------------------

    def build(self) -> None:
        if self.cfg.get("sim", {}).get("engine") == "isaacgym":
            raise ValueError("the official tasks are MuJoCo's own models: use physics_engine=mujoco or warp")
        self.create_sim()
        self.simulator = self.physics  # type: ignore[assignment]

    def create_sim(self) -> None:
        sim = self.cfg.get("sim", {})
        compatible = bool(sim.get("compatible", True))
        self.models = [wheel.load(spec.file, compatible, spec.touch) for spec in self.specs]
        self.threads = int(sim.get("num_threads") or 0)
        on_warp = self.device.type == "cuda" or sim.get("engine") == "warp"
        warp = (sim.get("warp") or {}) if on_warp else None
        self.sim = self.physics = Physics(self.models, self._counts, self.threads, self.device, warp)

    def allocate_buffers(self) -> None:
        super().allocate_buffers()
        n, device, exact = self.num_envs, self.device, self.physics.dtype
        self._rank = torch.cat([torch.arange(count, device=device) for count in self._counts])
        self._read_all = Reader(self.specs, self.models, self._counts, device)
        self._mocap_low, self._mocap_high, self._hand = (
            torch.tensor(places, dtype=exact, device=device)[self.task_index]
            for places in zip(*[(s.mocap_low, s.mocap_high, s.hand) for s in self.specs], strict=True)
        )
        one, two = torch.tensor([*HAND_LOW, -1.0]), torch.tensor([*HAND_HIGH, 1.0])
        self._frame_low = torch.cat((one, torch.full((14,), -torch.inf))).to(device)
        self._frame_high = torch.cat((two, torch.full((14,), torch.inf))).to(device)
        self._build_starts()
        self.goal_index = torch.zeros(n, dtype=torch.long, device=device)
        self._first = False
        self.memory = torch.full((n,), torch.nan, device=device)
        self.frame = torch.zeros(n, FRAME, device=device)
        self.previous = torch.zeros(n, FRAME, device=device)
        touched = torch.tensor([spec.touch for spec in self.specs], device=device)[self.task_index]
        self._touched = touched.nonzero().squeeze(1)
        self._touching = torch.zeros(n, dtype=torch.bool, device=device)
        self._columns = Columns(self._seen(self._read(), self.frame))
        self._states = states(self.specs, self._counts, self._start_views, self._columns)
        far = [np.inf] * 14
        self.bound([*HAND_LOW, -1.0, *(-x for x in far)], [*HAND_HIGH, 1.0, *far], np.inf)

    def _build_starts(self) -> None:
        """Begin once at every goal of every task, in tables whose row is ``task * 50 + goal``."""
        seed = int(self.cfg["env"].get("goalSeed", 0))
        vectors = goal_vectors(self.specs, seed)
        parts = zip(self.specs, self.models, vectors, strict=True)
        starts = [starts_of(spec, model, goals, self.threads) for spec, model, goals in parts]
        exact, device = self.physics.dtype, self.device
        self._qpos, self._qvel, self._place = (
            _stack(parts).to(device, exact)
            for parts in ([s.qpos for s in starts], [s.qvel for s in starts], [s.place for s in starts])
        )
        self._moved = torch.tensor([s.body for s in starts], device=device)[self.task_index]
        self._frames = _stack([s.frame for s in starts]).to(device, torch.float32)
        columns = [_columns(start) for start in starts]
        self._table = _stack([np.column_stack(list(c.values())) for c in columns]).to(device, torch.float32)
        #: what rewards need of the starts, (num_envs, most)
        self._start = torch.zeros(self.num_envs, self._table.shape[1], device=device)
        self._start_views: list[dict[str, Tensor]] = []
        for where, named in zip(self.task_slices, columns, strict=True):
            views, at = {}, 0
            for name, values in named.items():
                width = values.shape[1] if values.ndim == 2 else 1
                view = self._start[where, at : at + width]
                views[name] = view if values.ndim == 2 else view[:, 0]
                at += width
            self._start_views.append(views)
        self.goal = self._start[:, :3]

    # -- step ----------------------------------------------------------------------------------------------------

    def pre_physics_step(self, actions: Tensor) -> None:
        self.actions = actions
        target = self.physics.mocap + STEP * actions[:, :3]
        self.physics.mocap.copy_(torch.minimum(torch.maximum(target, self._mocap_low), self._mocap_high))
        self.physics.ctrl[:, 0] = actions[:, 3]
        self.physics.ctrl[:, 1] = -actions[:, 3]

    @property
    def step_dt(self) -> float:
        """Seconds a control step."""
        return wheel.SUBSTEPS * float(self.models[0].opt.timestep)

    def simulate(self) -> None:
        self.physics.step()

    def post_physics_step(self) -> None:
        self.previous = self.frame
        self.score(*self._look())

    # Hundreds of small operations: without the bookkeeping for gradients they take half the time.
    @torch.inference_mode()
    def _look(self) -> tuple[Tensor, Tensor]:
        """Observe; rewards and successes (num_envs,)."""
        reading = self._read()
        self.frame = reading.frame
        seen = self._clip(reading.frame)
        self.observe(seen, self._clip(self.previous))
        self._columns.fill(self._seen(reading, seen))
        parts = [
            (s.v1 if self.reward == "v1" else s.v2)(view) for s, view in zip(self.specs, self._states, strict=True)
        ]
        self.memory.copy_(self._columns["memory"])
        rewards, successes = zip(*parts, strict=True)
        success = torch.cat(successes)
        return (SUCCESS * success if self.reward == "sparse" else torch.cat(rewards)), success

    def _read(self) -> Reading:
        return self._read_all(self.physics.xpos, self.physics.xquat, self.physics.qpos)

    def _seen(self, reading: Reading, frame: Tensor) -> dict[str, Tensor]:
        """What rewards see of a reading whose clipped frame is ``frame`` (num_envs, 18)."""
        return seen_by_rewards(reading, frame, self.actions, self._touch(), self.memory)

    def _touch(self) -> Tensor:
        """(num_envs,) bool, whether both pads press on the object, where the task asks: normal force of each pad's strongest
        contact in the last substep."""
        if len(self._touched):
            forces = self.physics.sensors.view(-1, 2, 3)[:, :, 0]
            self._touching[self._touched] = (forces > 0).all(1)
        return self._touching

    def _clip(self, frame: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(frame, self._frame_low), self._frame_high)

    def refresh(self) -> None:
        """Bring poses up to date with states that were set."""
        self.physics.forward()

    def diverged(self) -> Tensor:
        return self.physics.diverged

    # -- reset ---------------------------------------------------------------------------------------------------

    def reset(self) -> dict[str, Tensor]:
        self._first = not self.started
        observations = super().reset()
        self._first = False
        return observations

    def reset_idx(self, rows: Rows) -> None:
        ids = rows.ids
        if self._first:
            goal = self._rank[ids] % GOALS
        elif self.fixed:
            goal = self.goal_index[ids]
        else:
            goal = torch.randint(GOALS, (len(rows),), generator=self.generator, device=self.device)
        self._begin(rows, goal)

    def share_starts(self, source: Tensor) -> dict[str, Tensor]:
        """Let every environment begin a new episode at the goal of another one of its task. The generator draws nothing.

        Args:
            source: (num_envs,) long, from which environment each one takes its goal.

        Returns:
            The observations.
        """
        source = source.to(self.device)
        self.check_source(source)
        self._begun = True
        self._done = torch.ones_like(self._done)
        with self.writing():
            self._begin(Rows(self._all), self.goal_index[source])
        if self.masked:
            self.simulator.settle()
        self._run(self._observe)
        return self._observations()

    def _begin(self, rows: Rows, goal: Tensor) -> None:
        """Begin in these environments, n of them, at goals (n,)."""
        ids = rows.ids
        rows.put(self.goal_index, goal)
        row = self.task_index[ids] * GOALS + goal
        start = self._qpos[row], self._qvel[row], self._hand[ids], self._moved[ids], self._place[row]
        self.physics.begin(rows, *start)
        rows.put(self._start, self._table[row])
        rows.put(self.memory, torch.nan)
        rows.put(self.actions, 0.0)
        rows.put(self.episode_success, False)

    def compute_observations(self, fresh: Tensor) -> None:
        # An episode's first frame comes with its start: the package observes some scenes before it has looked at them anew.
        frame = self._frames[self.task_index * GOALS + self.goal_index]
        self.frame = torch.where(fresh[:, None], frame, self.frame)
        self.previous = torch.where(fresh[:, None], frame, self.previous)
        now = torch.where(fresh[:, None], frame, self._clip(self.frame))
        before = torch.where(fresh[:, None], frame, self._clip(self.previous))
        self.observe(now, before)

    # -- saving --------------------------------------------------------------------------------------------------

    SAVED = (*MultiTask.SAVED, "goal_index", "memory", "frame", "previous", "obs_buf")

    def get_env_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly: physics, buffers and the generator's state."""
        return {"physics": self.physics.get_state(), **self.save_buffers()}

    def set_env_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`get_env_state`, on an environment built from the same configuration."""
        self.load_buffers(state)
        self._begun = True
        row = self.task_index * GOALS + self.goal_index
        self._start.copy_(self._table[row])
        self.physics.place(self._all, self._moved, self._place[row])
        self.physics.set_state(state["physics"])

    def close(self) -> None:
        self.physics.close()


def _columns(start: Starts) -> dict[str, np.ndarray]:
    """What rewards need of the starts, by name."""
    return {"goal": start.goal, "obj": start.obj, "tcp": start.tcp, **start.extra}


def _stack(parts: list[np.ndarray]) -> Tensor:
    """Tables (50, m) one below the other, filled up with zeros to the widest."""
    width = max(part.shape[1] for part in parts)
    return torch.from_numpy(np.vstack([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]))
