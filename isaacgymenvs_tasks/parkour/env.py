"""A Go1 that runs over terrains from waypoint to waypoint, one family of terrains a task (MTBench, section 3.2).

Frames and units: metres, radians, seconds; the terrains lie side by side on one ground in the plane z = 0, a family a column
along y and a level a row along x (:mod:`.terrain.grid`); x is forward. Each environment is a world of its own.

Observation, 212 + K numbers:

====  =====  ==================================================================================================
from  count  what
====  =====  ==================================================================================================
0     3      angular velocity of the base, its own axes, x 0.25
3     2      roll, pitch
5     2      angle from the yaw to the current goal and to the one after it, in [-pi, pi); ten times a second
7     1      commanded speed
8     12     joint positions from the default pose
20    12     joint velocities, x 0.05
32    12     last action
44    4      whether a foot touches the ground, now or a step ago, minus 0.5
48    132    scandots: how far the ground lies below the base, less 0.3 m, within [-1, 1]; ten times a second. Points
             12 x 11 in the frame of the base's yaw, x = -0.45 ... 1.2, y = -0.75 ... 0.75 (y fastest), 0.15 m apart
180   3      velocity of the base, its own axes, x 2
183   29     what is random about this robot: added mass 1, offset of the centre of mass 3, friction 1, strength of
             stiffness and damping of each motor less 1, 12 + 12
212   K      one-hot of the task
====  =====  ==================================================================================================

Actions are twelve joint positions: the target is the default pose + ``actionScale`` x action, which a drive of 50 N m/rad and
3 N m s/rad chases at 200 Hz within the motors' limits. Joints are ordered FL, FR, RL, RR, each hip, thigh, calf.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from isaacgym import gymapi, gymtorch
from torch import Tensor

from isaacgymenvs_tasks.parkour import rewards
from isaacgymenvs_tasks.parkour.angles import euler, wrap
from isaacgymenvs_tasks.parkour.curriculum import next_level
from isaacgymenvs_tasks.parkour.ground import Ground
from isaacgymenvs_tasks.parkour.robots import create_robots
from isaacgymenvs_tasks.parkour.terrain import TERRAINS
from isaacgymenvs_tasks.parkour.terrain.tile import LENGTH, NUM_GOALS, WIDTH
from isaacgymenvs_tasks.selection import divide
from isaacgymenvs_tasks.vec_task import Rows, VecTask
from mtbench.sim.torch_utils import quat_rotate_inverse

DEFAULT_POSE = (0.1, 0.8, -1.5, -0.1, 0.8, -1.5, 0.1, 1.0, -1.5, -0.1, 1.0, -1.5)
SCAN_X = tuple(round(-0.45 + 0.15 * i, 2) for i in range(12))
SCAN_Y = tuple(round(-0.75 + 0.15 * i, 2) for i in range(11))
SCANDOTS = slice(48, 180)  #: of the observation
SCAN_LIFT = 0.3  #: m, about the height of the base
SLOW = 5  #: steps between two looks at terrain and goals
GOAL_RADIUS, GOAL_STEPS = 0.3, 2  #: m from a goal, and steps within it, that reach it
ADVANCE = 0.05  #: m/s, slower than which a robot stands
TOUCH = 2.0  #: N on a foot
ROLL, PITCH, LOW = 2.5, 1.5, -0.25  #: rad and m; a robot beyond them has lost
FALLEN = 1.0  #: N on the trunk
MARGIN = 1.0  #: m of the neighbourhood that belongs to an environment's window of the ground
NUM_FEATURES = 212


class Parkour(VecTask):
    """``cfg["env"]["tasks"]`` names the families, ``taskCounts`` the environments of each (evenly when null).

    ``cfg["env"]["terrain"]``: ``rows`` levels with difficulties evenly between ``difficulty`` = [lowest, highest]; ``plane``
    replaces all ground by a level plane. Without ``curriculum`` the i-th environment of a task stays on level i mod rows.

    An episode ends when the robot has fallen over or off, which is a termination, and after ``episodeLength`` steps or with
    the last goal, which is a time-out. What is reported as ``success`` is the share of the eight goals that were reached.

    Attributes:
        task_names: K names; ``task_index``: (num_envs,) long, sorted; ``task_slices``: K slices of the batch.
        specs: K terrain families; ``terrain``: the ground, a row a level and a column a task.
        level: (num_envs,) long; ``goals``: (num_envs, 8, 3) m; ``goal_index``: (num_envs,) long, goals reached.
        success_buf: (num_envs,) progress after the last step, in [0, 1].
        command: (num_envs,) m/s; ``speed``, ``asked``, ``fell``: (num_envs,) velocity towards the goal, command and
            whether the trunk touched anything in the last step.
    """

    def __init__(
        self,
        cfg: Mapping[str, Any],
        rl_device: str = "cpu",
        sim_device: str = "cpu",
        graphics_device_id: int = -1,
        headless: bool = True,
    ) -> None:
        env = cfg["env"]
        self.specs, self._counts, self.task_slices = divide(env, TERRAINS)
        self.task_names = [spec.name for spec in self.specs]
        self.num_tasks = len(self.specs)
        self.curriculum = bool(env["curriculum"])
        self.random_initial_progress = bool(env["randomInitialProgress"])
        self.terminate_on_fall = bool(env["terminateOnFall"])
        self.action_scale, self.reset_noise = float(env["actionScale"]), float(env["resetNoise"])
        self.reset_height, self.command_range = float(env["resetHeight"]), tuple(map(float, env["command"]))
        self.command_interval, self.push_interval = int(env["commandInterval"]), int(env["pushInterval"])
        self.push_speed, self.randomize = float(env["pushSpeed"]), dict(env["randomize"])
        self.reward_weights, self.advance_only = rewards.check(env["reward"]), bool(env.get("advanceOnly"))
        self.rows = int(env["terrain"]["rows"])
        numbers = {"numObservations": NUM_FEATURES + self.num_tasks, "numActions": 12}
        super().__init__({**cfg, "env": {**env, **numbers}}, rl_device, sim_device, graphics_device_id, headless)

    # -- construction --------------------------------------------------------------------------------------------

    def create_sim(self) -> None:
        self.sim = self.gym.create_sim(
            self.device.index or 0, self.graphics_device_id, gymapi.SIM_PHYSX, self.sim_params
        )
        index = torch.arange(self.num_tasks, device=self.device)
        self.task_index = index.repeat_interleave(torch.tensor(self._counts, device=self.device))
        within = torch.cat([torch.arange(count, device=self.device) for count in self._counts])
        self.level = torch.zeros_like(within) if self.curriculum else within % self.rows
        self._ground = ground = Ground(self.specs, self.cfg["env"]["terrain"], self.device)
        self.terrain, self.plane = ground.terrain, ground.plane
        self._origins, self._goal_table = ground.origins, ground.goals
        ground.add_to(self.gym, self.sim)
        levels, tasks = self.level.tolist(), self.task_index.tolist()
        self._robots = create_robots(
            self.gym,
            self.sim,
            places=self._origins[self.level, self.task_index],
            height=self.reset_height,
            windows=None if self.plane else [self._window(*where) for where in zip(levels, tasks, strict=True)],
            ranges=self.randomize,
            substep=self.sim_params.dt / self.sim_params.substeps,
            generator=self.generator,
        )
        self._privileged = self._robots.privileged

    def _window(self, level: int, task: int) -> tuple[float, float, float, float]:
        """Corner and extent of the ground that a robot may come to: its terrain, or with a curriculum those of all
        levels, and a margin."""
        first, count = (0, self.rows) if self.curriculum else (level, 1)
        x, y = first * LENGTH - MARGIN, task * WIDTH - MARGIN
        return x, y, count * LENGTH + 2 * MARGIN, WIDTH + 2 * MARGIN

    def allocate_buffers(self) -> None:
        super().allocate_buffers()
        n, device = self.num_envs, self.device
        forces = gymtorch.wrap_tensor(self.gym.acquire_net_contact_force_tensor(self.sim))
        self.contact_forces = forces.view(n, -1, 3)
        self.torques = gymtorch.wrap_tensor(self.gym.acquire_dof_force_tensor(self.sim)).view(n, 12)
        self.dofs = self.dof_states.view(n, 12, 2)
        self._one_hot = torch.nn.functional.one_hot(self.task_index, self.num_tasks).float()
        self._task_counts = torch.tensor(self._counts, device=device)
        self._default = torch.tensor(DEFAULT_POSE, device=device)
        grid = torch.meshgrid(torch.tensor(SCAN_X), torch.tensor(SCAN_Y), indexing="ij")
        self._scan = torch.stack(grid, -1).view(-1, 2).to(device)
        # What resets write; the simulator takes rows of the whole tensors.
        self._roots = torch.zeros(n, 13, device=device)
        self._roots[:, 6] = 1.0
        self._set_dofs = torch.zeros(n, 12, 2, device=device)
        self.actions = torch.zeros(n, 12, device=device)
        self.command = torch.zeros(n, device=device)
        self.goals = self._goal_table[self.level, self.task_index]
        self.goal_index = torch.zeros(n, dtype=torch.long, device=device)
        self._goal_steps = torch.zeros_like(self.goal_index)
        self._closest = torch.full((n,), math.inf, device=device)  # m, least distance to the current goal so far
        self.success_buf = torch.zeros(n, device=device)
        self._played = torch.zeros(n, dtype=torch.bool, device=device)
        self._touch = torch.zeros(n, 4, dtype=torch.bool, device=device)
        self._touch_before = self._touch.clone()
        self._headings = torch.zeros(n, 2, device=device)
        self._scandots = torch.zeros(n, len(self._scan), device=device)
        #: environments that were reset since the last step, where the simulator does not show them
        self._unshown = torch.zeros(n, dtype=torch.bool, device=device)
        self.started = False
        self._read()

    # -- step ----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        super().refresh()
        with torch.inference_mode():
            self.gym.refresh_actor_root_state_tensor(self.sim)
            if hasattr(self, "contact_forces"):
                self.gym.refresh_net_contact_force_tensor(self.sim)
                self.gym.refresh_dof_force_tensor(self.sim)

    def pre_physics_step(self, actions: Tensor) -> None:
        self.actions = actions
        targets = self._default + self.action_scale * actions
        self.gym.set_dof_position_target_tensor(self.sim, gymtorch.unwrap_tensor(targets.view(-1)))
        chance = torch.rand((self.num_envs, 3), generator=self.generator, device=self.device)
        began = self.progress_buf > 0
        renewed = began & (self.progress_buf % self.command_interval == 0)
        self.command = torch.where(renewed, self._command(chance[:, 0]), self.command)
        self._push(began & (self.progress_buf % self.push_interval == 0), chance[:, 1:])
        self._unshown.zero_()

    def _push(self, pushed: Tensor, chance: Tensor) -> None:
        """Replace the horizontal velocity of the robots marked in ``pushed`` (num_envs,) bool."""
        rows = Rows(self._all, pushed) if self.masked else Rows(pushed.nonzero().squeeze(-1))
        if len(rows) == 0:
            return
        state = self._root.clone()
        state[:, 7:9] = self.push_speed * (2.0 * chance - 1.0)
        rows.put(self._roots, state[rows.ids])
        self._place(rows, rows.ids[:0])

    def post_physics_step(self) -> None:
        self._read()
        self._played = torch.ones_like(self._played)
        offset, distance = self._to_goal(self.goal_index)
        speed = (self._root[:, 7:9] * offset).sum(1) / distance.clamp_min(1e-5)
        self.speed, self.asked = speed, self.command
        forces = self.contact_forces.norm(dim=-1)
        state = rewards.State(
            speed=speed,
            command=self.command,
            heading=wrap(torch.atan2(offset[:, 1], offset[:, 0]) - self._euler[:, 2]),
            torque=self.torques,
            dof_velocity=self._dof[..., 1],
            leg_forces=forces[:, self._robots.legs],
        )
        self.rew_buf = rewards.total(state, self.reward_weights, self.step_dt)
        if self.advance_only:
            self.rew_buf = torch.where(distance < self._closest - ADVANCE * self.step_dt, self.rew_buf, 0.0)
        self._closest = torch.minimum(self._closest, distance)
        self._goal_steps = self._goal_steps + (distance < GOAL_RADIUS)
        reached = self._goal_steps >= GOAL_STEPS
        self._goal_steps = torch.where(reached, 0, self._goal_steps)
        self._closest = torch.where(reached, math.inf, self._closest)
        self.goal_index = (self.goal_index + reached).clamp_max(NUM_GOALS)
        self.success_buf = self.goal_index / NUM_GOALS
        self.fell = forces[:, 0] > FALLEN
        lost = (self._euler[:, 0].abs() > ROLL) | (self._euler[:, 1].abs() > PITCH) | (self._root[:, 2] < LOW)
        self.reset_buf = lost | self.fell if self.terminate_on_fall else lost
        self._touch_before = self._touch
        self._touch = forces[:, self._robots.feet] > TOUCH
        self._look((self.progress_buf % SLOW == 0)[:, None])
        self._write_observation()

    def time_is_up(self) -> Tensor:
        """After ``episodeLength`` steps, or with the last goal: rewards are never negative, and ending them there would make
        the goal a place to avoid."""
        return super().time_is_up() | (self.goal_index >= NUM_GOALS)

    def step(self, actions: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """See :class:`VecTask`; adds ``terrain_level`` (K,), mean of each task, ``task_indices`` (num_envs,) and
        ``ordered_task_names`` to ``extras``."""
        result = super().step(actions)
        levels = torch.zeros(self.num_tasks, device=self.device).index_add_(0, self.task_index, self.level.float())
        result[3]["terrain_level"] = (levels / self._task_counts).to(self.rl_device)
        result[3]["task_indices"] = self.task_index
        result[3]["ordered_task_names"] = self.task_names
        return result

    def episode_info(self) -> dict[str, Tensor]:
        """Progress: the share of the goals that were reached."""
        return {"success": self.success_buf}

    # -- what the robot perceives --------------------------------------------------------------------------------

    @torch.inference_mode()
    def _read(self) -> None:
        """Take the state out of the simulator's tensors."""
        if self.simulator.shows_what_was_set:
            self._root, self._dof = self.root_states.clone(), self.dofs.clone()
        else:
            unshown = self._unshown[:, None]
            self._root = torch.where(unshown, self._roots, self.root_states)
            self._dof = torch.where(unshown[..., None], self._set_dofs, self.dofs)
        self._euler = euler(self._root[:, 3:7])

    def _to_goal(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2) from the base to the goals ``index`` (n,), the last one at most, in the plane, and the distance (n,)."""
        goal = self.goals.take_along_dim(index.clamp_max(NUM_GOALS - 1)[:, None, None], 1)[:, 0, :2]
        offset = goal - self._root[:, :2]
        return offset, offset.norm(dim=1)

    def _look(self, due: Tensor) -> None:
        """Renew what is seen of goals and terrain in the environments marked in ``due`` (num_envs, 1) bool."""
        headings = []
        for ahead in (0, 1):
            offset, _ = self._to_goal(self.goal_index + ahead)
            headings.append(wrap(torch.atan2(offset[:, 1], offset[:, 0]) - self._euler[:, 2]))
        self._headings = torch.where(due, torch.stack(headings, 1), self._headings)
        self._scandots = torch.where(due, self._scan_ground(), self._scandots)

    def _scan_ground(self) -> Tensor:
        """(n, 132) depth of the ground at the scan points, see the module's table."""
        c, s = torch.cos(self._euler[:, 2:]), torch.sin(self._euler[:, 2:])
        x, y = self._scan.unbind(1)
        points = torch.stack((c * x - s * y, s * x + c * y), -1) + self._root[:, None, :2]
        return (self._root[:, 2:3] - SCAN_LIFT - self._ground.lowest_at(points)).clamp(-1.0, 1.0)

    def _write_observation(self) -> None:
        quat = self._root[:, 3:7]
        parts = (
            0.25 * quat_rotate_inverse(quat, self._root[:, 10:13]),
            self._euler[:, :2],
            self._headings,
            self.command[:, None],
            self._dof[..., 0] - self._default,
            0.05 * self._dof[..., 1],
            self.actions,
            (self._touch | self._touch_before).float() - 0.5,
            self._scandots,
            2.0 * quat_rotate_inverse(quat, self._root[:, 7:10]),
            self._privileged,
            self._one_hot,
        )
        self.obs_buf = torch.cat(parts, 1).clamp(-100.0, 100.0)

    # -- reset ---------------------------------------------------------------------------------------------------

    def initial_progress(self) -> Tensor | None:
        """Random at the first reset, so that episodes do not end all at once."""
        begun, self.started = self.started, True
        if begun or not self.random_initial_progress:
            return None
        return torch.randint(self.max_episode_length, (self.num_envs,), generator=self.generator, device=self.device)

    def reset_idx(self, rows: Rows) -> None:
        ids, n = rows.ids, len(rows)
        chance = torch.rand((n, 15), generator=self.generator, device=self.device)
        if self.curriculum:
            level = next_level(self.level[ids], self.goal_index[ids], self.rows, chance[:, 13:15])
            rows.put(self.level, torch.where(self._played[ids], level, self.level[ids]))
        level, task = self.level[ids], self.task_index[ids]
        rows.put(self.goals, self._goal_table[level, task])
        root = torch.zeros(n, 13, device=self.device)
        root[:, :3] = self._origins[level, task]
        root[:, 2] += self.reset_height
        root[:, 6] = 1.0
        rows.put(self._roots, root)
        joints = self._default + self.reset_noise * (2.0 * chance[:, :12] - 1.0)
        joints = torch.minimum(torch.maximum(joints, self._robots.dof_low), self._robots.dof_high)
        rows.put(self._set_dofs, torch.stack((joints, torch.zeros_like(joints)), -1))
        self._place(rows, ids)
        rows.put(self._unshown, not self.simulator.shows_what_was_set)
        rows.put(self.command, self._command(chance[:, 12]))
        rows.put(self.goal_index, 0)
        rows.put(self._goal_steps, 0)
        rows.put(self._closest, math.inf)
        rows.put(self._played, False)
        rows.put(self.actions, 0.0)
        rows.put(self._touch, False)
        rows.put(self._touch_before, False)

    def _place(self, rows: Rows, jointed: Tensor) -> None:
        """Hand root states of ``rows`` and joint states of the environments ``jointed`` among them to the simulator."""
        actors = rows.keep(rows.ids, -1).int()
        dofs = actors if len(jointed) else actors[:0]
        self.simulator.set_actors(self._roots, self._set_dofs.view(-1, 2), actors, dofs)

    def _command(self, chance: Tensor) -> Tensor:
        low, high = self.command_range
        return low + (high - low) * chance

    def compute_observations(self, fresh: Tensor) -> None:
        self._read()
        self._look(fresh[:, None])
        self._write_observation()

    # -- saving --------------------------------------------------------------------------------------------------

    _SAVED = (
        "obs_buf",
        "actions",
        "command",
        "level",
        "goals",
        "goal_index",
        "_goal_steps",
        "_closest",
        "_played",
        "_touch",
        "_touch_before",
        "_headings",
        "_scandots",
        "_roots",
        "_set_dofs",
        "_privileged",
        "progress_buf",
        "episode_return",
        "episode_length",
    )

    def get_env_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly: physics, buffers and the generator's state. See ``MetaWorld``'s."""
        physics = self.simulator.get_state()
        again = self._reset_from if physics is None else None
        return {
            "physics": physics,
            "buffers": {name: getattr(self, name).clone() for name in self._SAVED},
            "started": self.started,
            "generator": self.generator.get_state() if again is None else again,
        }

    def set_env_state(self, state: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """The inverse of :meth:`get_env_state`, on an environment built from the same configuration and seed. Where the
        physics cannot be restored, all environments begin new episodes, and their first observations are returned."""
        exact = state["physics"] is not None and self.simulator.shows_what_was_set
        if exact:
            self.simulator.set_state(state["physics"])
        for name in self._SAVED:
            setattr(self, name, state["buffers"][name].clone().to(self.device))
        self.started = state["started"]
        self.generator.set_state(state["generator"])
        if not exact:
            self.started = False
            return self.reset()
        self.refresh()
        self._read()
        return None
