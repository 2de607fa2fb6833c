"""Many Meta-World tasks on a Franka in one batch.

Frames and units: metres, radians; x away from the robot, y to its left, z up, the origin of an environment below the
middle of its table. Heights that leave this module (observations, ``State``) are measured from the table top, as in
Meta-World; only the simulation itself has the table top at ``TABLE_TOP`` (MTBench).

Observation, 39 + K numbers: tcp position 3, openness 1, first object's position 3 and quaternion 4 (xyzw), the same 7 of the
second object or zeros; the same 18 of the step before; goal 3; one-hot of the task. In the first observation of an episode
the step before equals the present one. ``observation_space`` has the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from isaacgym import gymapi, gymtorch
from torch import Tensor

from isaacgymenvs_tasks.metaworld import kinematics, posed
from isaacgymenvs_tasks.metaworld.control import DAMPING, EFFORT, GRIPPER_FORCE, STIFFNESS, EndEffectorControl, z_axis
from isaacgymenvs_tasks.metaworld.rewards import SUCCESS, Caging, rotate
from isaacgymenvs_tasks.metaworld.rewards_v1 import V1Reward
from isaacgymenvs_tasks.metaworld.task import Placement, State, TaskSpec, Vec3, reset_bounds
from isaacgymenvs_tasks.multi_task import MultiTask
from isaacgymenvs_tasks.vec_task import Rows
from mtbench.resources import ASSETS

TABLE_TOP = 1.027  #: height of the table top in the simulation (MTBench)
TABLE_SIZE = (1.2, 1.2, 0.054)
ROBOT_BASE = (-0.55, 0.0, 1.037)  #: link 0; a hand that points down reaches 0.27 to 0.79 m from its axis
#: Box for the target of the tcp; heights above the table. Tips end 9.5 mm below the tcp, and never press on the table: their
#: friction would hold the hand where it is.
WORKSPACE_LOW, WORKSPACE_HIGH = (-0.3, -0.5, 0.012), (0.3, 0.5, 0.45)
FINGER_STROKE = 0.04
CANDIDATES = 32  #: draws of the reset vector made at once, of which the first valid one is taken

FRAME = 18  #: numbers of one observed frame
FAR = 3.0  #: m; observed positions are clamped to +-FAR, which only what was thrown off the table ever leaves
LINKS = tuple(f"panda_link{i}" for i in range(1, 8))
HAND, LEFT, RIGHT, FIRST, SECOND, ANCHOR = range(7, 13)  #: columns of the gathered bodies after the seven links


REWARDS = ("v2", "v2_metaworld", "v1", "sparse")


@dataclass(frozen=True)
class Block:
    """Neighbouring environments that are looked at together: one task, or some that share a reward.

    Attributes:
        spec: specification of the first of its tasks.
        first, width, count: the DOFs of its environments: where they begin, how many each has, and environments.
        params: ``State.params``.
    """

    spec: TaskSpec
    first: int
    width: int
    count: int
    params: dict[str, Tensor]


class MetaWorld(MultiTask):
    """``cfg["env"]["tasks"]`` names the tasks, ``taskCounts`` the environments of each (evenly when null).

    ``cfg["env"]["reward"]``: ``v2``, dense and between 0 and 10; ``v2_metaworld``, with Meta-World's own shaping of the tasks
    that name one; ``v1``, see :mod:`.rewards_v1`; ``sparse``, 10 in every step that succeeds, else 0.

    Attributes:
        specs: K task specifications.
    """

    def __init__(
        self,
        cfg: Mapping[str, Any],
        rl_device: str = "cpu",
        sim_device: str = "cpu",
        graphics_device_id: int = -1,
        headless: bool = True,
        registry: Mapping[str, TaskSpec] | None = None,
    ) -> None:
        """``registry`` replaces the tasks of :mod:`isaacgymenvs_tasks.metaworld.scenes`."""
        if registry is None:
            from isaacgymenvs_tasks.metaworld.scenes import TASKS

            registry = TASKS
        env = cfg["env"]
        self.specs = self.choose(env, registry)
        self.reset_noise = float(env.get("resetNoise", 0.075))
        self.check_reward(REWARDS)
        if self.reward == "v2_metaworld":
            self.specs = [replace(spec, reward=spec.reward_metaworld or spec.reward) for spec in self.specs]
        numbers = {"numObservations": 2 * FRAME + 3 + self.num_tasks, "numActions": 4}
        super().__init__({**cfg, "env": {**env, **numbers}}, rl_device, sim_device, graphics_device_id, headless)
        point = [FAR] * 3 + [1.0] * 4
        frame = np.array([FAR] * 3 + [1.0] + 2 * point)
        high = np.concatenate([frame, frame, [FAR] * 3, np.ones(self.num_tasks)]).astype(np.float32)
        low = -high
        low[[3, FRAME + 3]] = 0.0
        low[2 * FRAME + 3 :] = 0.0
        self.observation_space = spaces.Box(low, high)

    # -- construction --------------------------------------------------------------------------------------------

    def create_sim(self) -> None:
        gym = self.gym
        compute = self.device.index or 0
        self.sim = gym.create_sim(compute, self.graphics_device_id, gymapi.SIM_PHYSX, self.sim_params)
        ground = gymapi.PlaneParams()  # what falls off the table stays in sight
        ground.normal = gymapi.Vec3(0.0, 0.0, 1.0)
        gym.add_ground(self.sim, ground)
        options = gymapi.AssetOptions()
        options.fix_base_link = True
        table = gym.create_box(self.sim, *TABLE_SIZE, options)
        options = gymapi.AssetOptions()
        options.fix_base_link = True
        options.disable_gravity = True
        robot = gym.load_asset(self.sim, str(ASSETS / "franka"), "franka.xml", options)
        self.robot_bodies = gym.get_asset_rigid_body_dict(robot)
        drives = gym.get_asset_dof_properties(robot)
        drives["driveMode"][:7] = gymapi.DOF_MODE_POS
        # A drive acts on where the joint will be: over a substep its stiffness damps too. DAMPING is what both do together.
        damping = DAMPING - STIFFNESS * self.sim_params.dt / self.sim_params.substeps
        drives["stiffness"][:7], drives["damping"][:7] = STIFFNESS, damping
        drives["effort"][:7] = EFFORT
        drives["driveMode"][7:] = gymapi.DOF_MODE_EFFORT
        drives["effort"][7:] = GRIPPER_FORCE

        assets: dict[tuple[str, bool], Any] = {}
        for spec in self.specs:
            for actor in spec.actors:
                key = actor.asset, actor.fixed_base
                if key not in assets:
                    options = gymapi.AssetOptions()
                    options.fix_base_link = actor.fixed_base
                    assets[key] = gym.load_asset(self.sim, str(ASSETS / "metaworld"), actor.asset, options)
        self._assets = assets

        spacing = gymapi.Vec3(1.0, 1.0, 1.0)
        per_row = math.isqrt(self.num_envs - 1) + 1
        index = 0
        for spec, count in zip(self.specs, self._counts, strict=True):
            for _ in range(count):
                env = gym.create_env(self.sim, gymapi.Vec3(-1.0, -1.0, 0.0), spacing, per_row)
                # Filter 1 on all of the robot's shapes keeps it from colliding with itself.
                handle = gym.create_actor(env, robot, _pose(ROBOT_BASE), "robot", index, 1)
                gym.set_actor_dof_properties(env, handle, drives)
                middle = (0.0, 0.0, TABLE_TOP - TABLE_SIZE[2] / 2)
                gym.create_actor(env, table, _pose(middle), "table", index, 0)
                for actor in spec.actors:
                    asset = assets[actor.asset, actor.fixed_base]
                    x, y, z = actor.placement.offset
                    pose = _pose((x, y, z + TABLE_TOP), actor.yaw)
                    gym.create_actor(env, asset, pose, actor.name, index, 0)
                index += 1

    def allocate_buffers(self) -> None:
        super().allocate_buffers()
        n, device = self.num_envs, self.device
        self._build_index_tables()
        self._build_reset_tables()
        self._build_blocks()
        target = torch.stack([_hand_quat(spec.finger_axis) for spec in self.specs])[self.task_index].to(device)
        low, high = (torch.tensor(box, device=device).expand(n, 3) for box in (WORKSPACE_LOW, WORKSPACE_HIGH))
        scale = float(self.cfg["env"].get("actionScale", 0.01))
        self.control = EndEffectorControl(target, self._start, low, high, scale)
        self._position_targets = torch.zeros(len(self.dof_states), device=device)
        self._efforts = torch.zeros(len(self.dof_states), device=device)
        self.reset_vector = torch.zeros(n, 6, device=device)
        self.drawn = torch.zeros(n, dtype=torch.bool, device=device)
        self.goal = torch.zeros(n, 3, device=device)
        self.tcp_init = torch.zeros(n, 3, device=device)
        self.objects_init = torch.zeros(n, 2, 3, device=device)
        self.previous = torch.zeros(n, FRAME, device=device)
        #: environments that were reset since the last step, and their bodies, where the simulator does not show them
        self._unshown = torch.zeros(n, dtype=torch.bool, device=device)
        self._posed = torch.zeros(n, ANCHOR + 1, 13, device=device)
        self._read()

    def _build_index_tables(self) -> None:
        """Where each environment's actors, DOFs and watched bodies are in the flat tensors."""
        gym, n = self.gym, self.num_envs
        width = 2 + max(len(spec.actors) for spec in self.specs)
        spare = len(self.root_states)  # padding points behind the last actor
        actors = torch.full((n, width), spare, dtype=torch.long)
        jointed = actors.clone()
        bodies = torch.zeros(n, ANCHOR + 1, dtype=torch.long)
        robot_dofs = torch.zeros(n, 9, dtype=torch.long)
        self._body_offset = torch.zeros(n, 3, 3, device=self.device)
        self._watched_actor = torch.zeros(n, 3, dtype=torch.long, device=self.device)
        self._rest_pose = torch.zeros(n, 3, 7, device=self.device)  # in the frame of that actor's root
        self._watched = torch.zeros(n, 3, 1, device=self.device)
        #: per task: first DOF of its first environment and DOFs an environment, for a view of the scene's joints
        self._task_dofs: list[tuple[int, int]] = []
        domain = gymapi.DOMAIN_SIM
        first = {"actor": 0, "body": 0, "dof": 0}  # environments of one task are alike: index one, then count on
        for k, (spec, where) in enumerate(zip(self.specs, self.task_slices, strict=True)):
            env = gym.get_env(self.sim, where.start)
            size = {
                "actor": gym.get_actor_count(env),
                "body": gym.get_env_rigid_body_count(env),
                "dof": gym.get_env_dof_count(env),
            }
            handle = {a.name: gym.find_actor_handle(env, a.name) for a in spec.actors}
            row = [gym.find_actor_rigid_body_handle(env, 0, name) for name in LINKS]
            row += [
                gym.find_actor_rigid_body_handle(env, 0, name)
                for name in ("panda_hand", "panda_leftfinger", "panda_rightfinger")
            ]
            points = [*spec.observed, *([None] if len(spec.observed) == 1 else []), spec.goal_point]
            for j, point in enumerate(points):
                if point is None:
                    row.append(0)
                    continue
                if point.actor not in handle:
                    raise ValueError(f"{spec.name}: no actor {point.actor!r}; actors are {sorted(handle)}")
                body = gym.find_actor_rigid_body_handle(env, handle[point.actor], point.body)
                if body == gymapi.INVALID_HANDLE:
                    raise ValueError(f"{spec.name}: actor {point.actor!r} has no body {point.body!r}")
                row.append(body)
                self._body_offset[where, j] = torch.tensor(point.offset, device=self.device)
                self._watched[where, j] = 1.0
                if self.simulator.shows_what_was_set:
                    continue
                self._watched_actor[where, j] = handle[point.actor]
                actor = next(a for a in spec.actors if a.name == point.actor)
                rest = posed.rest_pose(ASSETS / "metaworld" / actor.asset, point.body, actor.dofs)
                self._rest_pose[where, j] = rest.to(self.device)
            count = torch.arange(self._counts[k])[:, None]
            actors[where, : size["actor"]] = first["actor"] + count * size["actor"] + torch.arange(size["actor"])
            with_dofs = [a for a in range(size["actor"]) if gym.get_actor_dof_count(env, a)]
            jointed[where, : len(with_dofs)] = actors[where][:, with_dofs]
            bodies[where] = first["body"] + count * size["body"] + torch.tensor(row)
            robot_dofs[where] = first["dof"] + count * size["dof"] + torch.arange(9)
            self._task_dofs.append((first["dof"], size["dof"]))
            if gym.get_actor_index(env, 0, domain) != first["actor"]:
                raise RuntimeError("actors are not in creation order")
            for what in first:
                first[what] += size[what] * self._counts[k]
        self._actor_index = actors.to(self.device)
        self._jointed_index = jointed.to(self.device)
        self._body_index = bodies.reshape(-1).to(self.device)
        self._dof_index = robot_dofs.to(self.device)

    def _build_reset_tables(self) -> None:
        """What a reset draws from and writes to, one row an environment."""
        device, task = self.device, self.task_index
        slots = self._actor_index.shape[1]
        positions = torch.zeros(self.num_tasks, slots, 9)  # offset 3, weight of object and of goal (as 3 + 3)
        quats = torch.zeros(self.num_tasks, slots, 4)
        quats[..., 3] = 1.0
        goals = torch.zeros(self.num_tasks, 9)
        starts = torch.zeros(self.num_tasks, 7)
        default_dofs = self.dof_states.clone()
        for k, spec in enumerate(self.specs):
            positions[k, 0, :3] = torch.tensor((ROBOT_BASE[0], ROBOT_BASE[1], ROBOT_BASE[2] - TABLE_TOP))
            positions[k, 1, :3] = torch.tensor((0.0, 0.0, -TABLE_SIZE[2] / 2))
            for j, actor in enumerate(spec.actors):
                positions[k, 2 + j] = _placement(actor.placement)
                quats[k, 2 + j] = torch.tensor((0.0, 0.0, math.sin(actor.yaw / 2), math.cos(actor.yaw / 2)))
            goals[k] = _placement(spec.goal)
            try:
                starts[k] = torch.tensor(_start_joints(spec.tcp_start, spec.finger_axis))
            except ValueError as error:
                raise ValueError(f"{spec.name}: tcp_start {spec.tcp_start} is out of reach: {error}") from error
            begin, width = self._task_dofs[k]
            rows = default_dofs[begin : begin + width * self._counts[k]].view(self._counts[k], width, 2)
            rows[...] = self._joint_defaults(spec, starts[k])
        bounds = torch.stack([reset_bounds(spec) for spec in self.specs]).to(device)
        self._reset_low, self._reset_high = bounds[task, 0], bounds[task, 1]
        self._min_distance = torch.tensor([spec.min_distance for spec in self.specs], device=device)[task]
        self._placements = positions.to(device)[task]
        self._goal_placement = goals.to(device)[task]
        self._start = starts.to(device)[task]
        self._default_dofs = default_dofs
        # Root states that resets write; one spare row takes what padding points to.
        self._roots = torch.zeros(len(self.root_states) + 1, 13, device=device)
        self._roots[self._actor_index.reshape(-1), 3:7] = quats.to(device)[task].reshape(-1, 4)
        self._lift = torch.tensor([0.0, 0.0, TABLE_TOP], device=device)

    def _build_blocks(self) -> None:
        """One block a task for scripted policies, and as few as possible for rewards: every call has a fixed cost."""
        self._task_blocks = [
            Block(
                spec,
                first,
                width,
                count,
                {name: torch.full((count,), value, device=self.device) for name, value in spec.params.items()},
            )
            for spec, (first, width), count in zip(self.specs, self._task_dofs, self._counts, strict=True)
        ]
        self._reward_blocks: list[Block] = []
        for block in self._task_blocks:
            last = self._reward_blocks[-1] if self._reward_blocks else None
            if last and (last.spec.reward, last.width, last.params.keys()) == (
                block.spec.reward,
                block.width,
                block.params.keys(),
            ):
                params = {name: torch.cat((last.params[name], block.params[name])) for name in last.params}
                self._reward_blocks[-1] = replace(last, count=last.count + block.count, params=params)
            else:
                self._reward_blocks.append(block)
        self._v1 = V1Reward(self.specs, self.task_index)
        specs = self.specs
        self._caging = Caging([s.cage for s in specs], [s.finger_axis for s in specs], self.task_index)

    def _joint_defaults(self, spec: TaskSpec, start: Tensor) -> Tensor:
        """(DOFs of an environment, 2): arm at its start, fingers open, the scene's joints as the task wants them."""
        values = [*start.tolist(), FINGER_STROKE, FINGER_STROKE]
        for actor in spec.actors:
            names = self.gym.get_asset_dof_names(self._assets[actor.asset, actor.fixed_base])
            unknown = sorted(set(actor.dofs) - set(names))
            if unknown:
                raise ValueError(f"{spec.name}: actor {actor.name!r} has no joint {unknown[0]!r}; joints are {names}")
            values += [actor.dofs.get(name, 0.0) for name in names]
        return torch.tensor([[v, 0.0] for v in values], device=self.device)

    # -- step ----------------------------------------------------------------------------------------------------

    def pre_physics_step(self, actions: Tensor) -> None:
        self.actions = actions
        q = self._dof_position[self._dof_index]
        qd = self._dof_velocity[self._dof_index[:, :7]]
        arm = self.control.arm(actions[:, :3], q[:, :7], qd, *self._joints, self._hand_quat, self._hand_tcp)
        self._position_targets[self._dof_index[:, :7]] = arm
        self._efforts[self._dof_index[:, 7:]] = self.control.gripper(actions[:, 3], q[:, 7:])
        self.gym.set_dof_position_target_tensor(self.sim, gymtorch.unwrap_tensor(self._position_targets))
        self.gym.set_dof_actuation_force_tensor(self.sim, gymtorch.unwrap_tensor(self._efforts))
        self._unshown.zero_()

    def post_physics_step(self) -> None:
        self.previous = self._frame
        self._read()
        self.obs_buf = torch.cat((self._frame, self.previous, self.goal, self._one_hot), 1)
        self.score(*self._reward())

    def carriers(self) -> list[Any]:
        return [self, self.control]

    # A thousand small operations: without the bookkeeping for gradients they take half the time.
    @torch.inference_mode()
    def _reward(self) -> tuple[Tensor, Tensor]:
        """Rewards and successes (num_envs,) of the state that was read."""
        blocks = zip(self._reward_blocks, self._view(self._reward_blocks), strict=True)
        rewards, successes = zip(*[block.spec.reward(state) for block, state in blocks], strict=True)
        success = torch.cat(successes)
        if self.reward == "sparse":
            return SUCCESS * success, success
        if self.reward == "v1":
            points = self._points[:, :2], self.objects_init
            return self._v1(self.actions[:, 3], self.tcp, self.tcp_init, *points, self.goal), success
        return torch.cat(rewards), success

    @torch.inference_mode()
    def _read(self) -> None:
        """Take what control, observations and rewards need out of the flat tensors."""
        bodies = self.rigid_body_states.index_select(0, self._body_index).view(self.num_envs, ANCHOR + 1, 13)
        self._dof_position, self._dof_velocity = self.dof_states.clone().unbind(1)
        if not self.simulator.shows_what_was_set:
            bodies = torch.where(self._unshown[:, None, None], self._posed, bodies)
            unshown = self._unshown[self._dof_env]
            self._dof_position = torch.where(unshown, self._default_dofs[:, 0], self._dof_position)
            self._dof_velocity = torch.where(unshown, 0.0, self._dof_velocity)
        self._hand_quat = bodies[:, HAND, 3:7]
        axes = z_axis(bodies[:, : HAND + 1, 3:7])
        down = axes[:, HAND]
        self._joints = bodies[:, :HAND, :3] - self._lift, axes[:, :HAND]
        self._hand_tcp = bodies[:, HAND, :3] + kinematics.TCP_OFFSET * down - self._lift
        self._pads = bodies[:, LEFT : RIGHT + 1, :3] + (kinematics.PAD_OFFSET * down - self._lift)[:, None]
        self.tcp = self._pads.mean(1)
        points = bodies[:, FIRST:]
        turned = rotate(points[..., 3:7], self._body_offset)
        self._points = (points[..., :3] + turned - self._lift) * self._watched
        self._point_quats = points[..., 3:7] * self._watched
        fingers = self._dof_position[self._dof_index[:, 7:]]
        self.openness = (fingers.sum(1) / (2 * FINGER_STROKE)).clamp(0.0, 1.0)
        observed = torch.cat((self._points[:, :2], self._point_quats[:, :2]), -1).reshape(self.num_envs, 14)
        self._frame = torch.cat((self.tcp, self.openness[:, None], observed), 1).clamp(-FAR, FAR)

    def states(self) -> list[State]:
        """The batch as scripted policies see it, one ``State`` a task."""
        return self._view(self._task_blocks)

    def _view(self, blocks: Sequence[Block]) -> list[State]:
        """The batch, divided into ``blocks``."""
        columns = {
            "action": self.actions,
            "tcp": self.tcp,
            "tcp_init": self.tcp_init,
            "left_pad": self._pads[:, 0],
            "right_pad": self._pads[:, 1],
            "openness": self.openness,
            "obj": self._points[:, 0],
            "obj_quat": self._point_quats[:, 0],
            "obj_init": self.objects_init[:, 0],
            "obj2": self._points[:, 1],
            "obj2_quat": self._point_quats[:, 1],
            "obj2_init": self.objects_init[:, 1],
            "goal": self.goal,
            "cage": self._caging(
                self.actions[:, 3], self._pads, self.tcp, self.tcp_init, self._points[:, 0], self.objects_init[:, 0]
            ),
        }
        counts = [block.count for block in blocks]
        parts = [
            dict(zip(columns, rows, strict=True))
            for rows in zip(*[c.split(counts) for c in columns.values()], strict=True)
        ]
        out = []
        for block, part in zip(blocks, parts, strict=True):
            dofs = self._dof_position[block.first : block.first + block.width * block.count]
            out.append(State(dof_pos=dofs.view(block.count, block.width)[:, 9:], params=block.params, **part))
        return out

    # -- reset ---------------------------------------------------------------------------------------------------

    def _draw(self, rows: Rows) -> Tensor:
        """(n, 6) reset vectors: uniform in the task's box, the first candidate whose object and goal are apart enough in
        xy, or the one with the widest distance where none is."""
        low, high = self._reset_low[rows.ids, None], self._reset_high[rows.ids, None]
        size = (len(rows), CANDIDATES, 6)
        draws = low + (high - low) * torch.rand(size, generator=self.generator, device=self.device)
        apart = (draws[..., 3:5] - draws[..., :2]).norm(dim=-1)
        valid = apart >= self._min_distance[rows.ids, None]
        choice = torch.where(valid.any(1), valid.float().argmax(1), apart.argmax(1))
        return draws.take_along_dim(choice[:, None, None], 1)[:, 0]

    def reset_idx(self, rows: Rows) -> None:
        ids, n = rows.ids, len(rows)
        vector = self._draw(rows)
        if self.fixed:
            vector = torch.where(self.drawn[ids, None], self.reset_vector[ids], vector)
        noise = torch.rand((n, 7), generator=self.generator, device=self.device)
        self._place(rows, vector, self._start[ids] + self.reset_noise * (2.0 * noise - 1.0))

    def share_starts(self, source: Tensor) -> dict[str, Tensor]:
        """Let every environment begin a new episode where that of another one of its task began, as long as no step was
        made since the reset: the same objects, goal and joints. The generator draws nothing.

        Args:
            source: (num_envs,) long, from which environment each one takes its start.

        Returns:
            The observations.
        """
        source = source.to(self.device)
        self.check_source(source)
        self._begun = True
        self._done = torch.ones_like(self._done)
        arm = self._default_dofs[self._dof_index[:, :7], 0]
        self._place(Rows(self._all), self.reset_vector[source], arm[source])
        if self.masked:
            self.simulator.settle()
        self._run(self._observe)
        return self._observations()

    def _place(self, rows: Rows, vector: Tensor, arm: Tensor) -> None:
        """Begin in these environments: reset vectors (n, 6) and joint positions of the arm (n, 7)."""
        ids = rows.ids
        rows.put(self.reset_vector, vector)
        rows.put(self.drawn, True)
        rows.put(self.goal, _follow(self._goal_placement[ids], vector))

        actors = self._actor_index[ids]
        position = _follow(self._placements[ids], vector[:, None]) + self._lift
        self._roots[actors.reshape(-1), :3] = position.reshape(-1, 3)

        joints = self._dof_index[ids, :7]
        self._default_dofs[joints, 0] = arm
        self._position_targets[joints] = rows.keep(arm, self._position_targets[joints])
        placed, jointed = self._named(rows, self._actor_index), self._named(rows, self._jointed_index)
        self.simulator.set_actors(self._roots[:-1], self._default_dofs, placed, jointed)
        if not self.simulator.shows_what_was_set:
            rows.put(self._unshown, True)
            self._posed[ids, :, :7] = self._pose(ids)

        rows.put(self.actions, 0.0)
        rows.put(self.episode_success, False)

    def _named(self, rows: Rows, table: Tensor) -> Tensor:
        """Actors that ``table`` (num_envs, most) gives these environments, int32; by a mask, -1 names no actor."""
        actors = rows.keep(table[rows.ids], -1).reshape(-1)
        exist = actors < len(self.root_states)
        return (actors[exist] if rows.mask is None else torch.where(exist, actors, -1)).int()

    def _pose(self, env_ids: Tensor) -> Tensor:
        """(m, ANCHOR + 1, 7) poses of the gathered bodies of environments that were just reset."""
        base = self._lift.new_tensor(ROBOT_BASE)
        robot = posed.robot_poses(self._default_dofs[self._dof_index[env_ids], 0], base)
        roots = self._roots[self._actor_index[env_ids].gather(1, self._watched_actor[env_ids]), :7]
        return torch.cat((robot, posed.compose(roots, self._rest_pose[env_ids])), 1)

    def compute_observations(self, fresh: Tensor) -> None:
        self._read()
        mask = fresh[:, None]
        follows = mask & (self._watched[:, 2] > 0)
        self.goal = torch.where(follows, self._points[:, 2] + self._goal_placement[:, :3], self.goal)
        self.tcp_init = torch.where(mask, self.tcp, self.tcp_init)
        self.objects_init = torch.where(mask[:, None], self._points[:, :2], self.objects_init)
        self.previous = torch.where(mask, self._frame, self.previous)
        self.control.reset(fresh, self._hand_tcp)
        self.obs_buf = torch.cat((self._frame, self.previous, self.goal, self._one_hot), 1)

    # -- saving --------------------------------------------------------------------------------------------------

    SAVED = (
        *MultiTask.SAVED,
        "reset_vector",
        "drawn",
        "goal",
        "tcp_init",
        "objects_init",
        "previous",
        "_position_targets",
    )

    def get_env_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly: physics, buffers, the control's target and the generator's state.

        Where the physics cannot be read, it is None, and the generator's state is the one before the reset if no step was
        made since: from there :meth:`set_env_state` repeats the reset.
        """
        physics = self.simulator.get_state()
        again = self._reset_from if physics is None else None
        state = {"physics": physics, **self.save_buffers(), "control_target": self.control.target.clone()}
        return state if again is None else {**state, "generator": again}

    def set_env_state(self, state: Mapping[str, Any]) -> dict[str, Tensor] | None:
        """The inverse of :meth:`get_env_state`, on an environment built from the same configuration.

        Where the physics was not saved or cannot be restored, all environments begin new episodes with the saved generator,
        and their first observations are returned.
        """
        exact = state["physics"] is not None and self.simulator.shows_what_was_set
        if exact:
            self.simulator.set_state(state["physics"])
        self.load_buffers(state)
        self.control.target = state["control_target"].clone().to(self.device)
        if not exact:
            self.started = False
            return self.reset()
        self.refresh()
        self._read()
        self.obs_buf = torch.cat((self._frame, self.previous, self.goal, self._one_hot), 1)
        return None


@cache
def _start_joints(tcp_start: Vec3, finger_axis: str) -> tuple[float, ...]:
    """Joint positions (7) with the tcp there; many tasks and every further environment ask for the same."""
    start = torch.tensor([tcp_start]) + torch.tensor([0.0, 0.0, TABLE_TOP]) - torch.tensor(ROBOT_BASE)
    return tuple(kinematics.inverse(start, finger_axis)[0].tolist())


def _pose(position: Vec3, yaw: float = 0.0) -> gymapi.Transform:
    pose = gymapi.Transform()
    pose.p = gymapi.Vec3(*position)
    pose.r = gymapi.Quat(0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
    return pose


def _placement(placement: Placement) -> Tensor:
    """A placement as 9 numbers: offset, and for each coordinate the weight of object and goal."""
    row = torch.zeros(9)
    row[:3] = torch.tensor(placement.offset)
    if placement.follows is not None:
        row[3 + 3 * placement.follows : 6 + 3 * placement.follows] = 1.0
    return row


def _follow(placement: Tensor, vector: Tensor) -> Tensor:
    """Positions (..., 3) from placements (..., 9) and reset vectors (..., 6)."""
    return placement[..., :3] + placement[..., 3:6] * vector[..., :3] + placement[..., 6:9] * vector[..., 3:]


def _hand_quat(finger_axis: str) -> Tensor:
    """Quaternion (4,) xyzw of a hand that points down: half a turn about the bisector of its x axis and the world's."""
    y = kinematics.FINGER_DIRECTION[finger_axis]
    # The hand's x axis is y cross (-z); a half turn about u maps x to 2 (u . x) u - x.
    half = math.atan2(y[0], -y[1]) / 2
    return torch.tensor((math.cos(half), math.sin(half), 0.0, 0.0))
