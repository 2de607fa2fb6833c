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
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from isaacgym import gymapi, gymtorch
from torch import Tensor

from isaacgymenvs_tasks.columns import Columns
from isaacgymenvs_tasks.metaworld import kinematics, posed
from isaacgymenvs_tasks.metaworld.blocks import merge, task_blocks, view
from isaacgymenvs_tasks.metaworld.control import EndEffectorControl
from isaacgymenvs_tasks.metaworld.creation import create_environments
from isaacgymenvs_tasks.metaworld.reading import ANCHOR, FAR, Reading
from isaacgymenvs_tasks.metaworld.rewards import SUCCESS, Caging
from isaacgymenvs_tasks.metaworld.rewards_v1 import V1Reward
from isaacgymenvs_tasks.metaworld.tables import ROBOT_BASE, TABLE_TOP, follow, index_of, resets_of
from isaacgymenvs_tasks.metaworld.task import State, TaskSpec
from isaacgymenvs_tasks.multi_task import FRAME, MultiTask
from isaacgymenvs_tasks.vec_task import Rows

#: Box for the target of the tcp; heights above the table. Tips end 9.5 mm below the tcp, and never press on the table: their
#: friction would hold the hand where it is.
WORKSPACE_LOW, WORKSPACE_HIGH = (-0.3, -0.5, 0.012), (0.3, 0.5, 0.45)
CANDIDATES = 32  #: draws of the reset vector made at once, of which the first valid one is taken


class MetaWorld(MultiTask[TaskSpec]):
    """See :class:`.MultiTask`.

    ``cfg["env"]["reward"]``: ``v2``, dense and between 0 and 10; ``v2_metaworld``, with Meta-World's own shaping of the tasks
    that name one; ``v1``, see :mod:`.rewards_v1`; ``sparse``, 10 in every step that succeeds, else 0.
    """

    REWARDS = "v2", "v2_metaworld", "v1", "sparse"

    @classmethod
    def registry(cls) -> Mapping[str, TaskSpec]:
        from isaacgymenvs_tasks.metaworld.scenes import TASKS

        return TASKS

    def choose(self, env: Mapping[str, Any], registry: Mapping[str, TaskSpec]) -> list[TaskSpec]:
        specs = super().choose(env, registry)
        self.reset_noise = float(env.get("resetNoise", 0.075))
        if self.reward == "v2_metaworld":
            specs = [replace(spec, reward=spec.reward_metaworld or spec.reward) for spec in specs]
        return specs

    # -- construction --------------------------------------------------------------------------------------------

    def create_sim(self) -> None:
        self.sim = self.gym.create_sim(
            self.device.index or 0, self.graphics_device_id, gymapi.SIM_PHYSX, self.sim_params
        )
        substep = self.sim_params.dt / self.sim_params.substeps
        self.robot_bodies, self._joints = create_environments(self.gym, self.sim, self.specs, self._counts, substep)

    def allocate_buffers(self) -> None:
        super().allocate_buffers()
        n, device = self.num_envs, self.device
        rest = not self.simulator.shows_what_was_set
        self.index = index_of(self.gym, self.sim, self.specs, self._counts, len(self.root_states), self.device, rest)
        self.resets = resets_of(self.specs, self.task_index, self.index, self._joints, self.dof_states)
        self._lift = torch.tensor([0.0, 0.0, TABLE_TOP], device=device)
        self._task_blocks = task_blocks(self.specs, self.index.blocks, self._counts, device)
        self._reward_blocks = merge(self._task_blocks)
        self._v1 = V1Reward(self.specs, self.task_index)
        specs = self.specs
        self._caging = Caging([s.cage for s in specs], [s.finger_axis for s in specs], self.task_index)
        target = torch.stack([_hand_quat(spec.finger_axis) for spec in self.specs]).to(device)[self.task_index]
        low, high = (torch.tensor(box, device=device).expand(n, 3) for box in (WORKSPACE_LOW, WORKSPACE_HIGH))
        scale = float(self.cfg["env"].get("actionScale", 0.01))
        self.control = EndEffectorControl(target, self.resets.start, low, high, scale)
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
        self._posed = torch.zeros(n, ANCHOR + 1, 7, device=device)
        self.reading = Reading(self.index.offset, self.index.there, self._lift)
        self._read()
        self._columns = Columns(self._seen())
        self._reward_states = view(self._reward_blocks, self._columns)
        point = [FAR] * 3 + [1.0] * 4
        self.bound([-FAR] * 3 + [0.0] + [-x for x in 2 * point], [FAR] * 3 + [1.0] + 2 * point, FAR)

    # -- step ----------------------------------------------------------------------------------------------------

    def pre_physics_step(self, actions: Tensor) -> None:
        self.actions = actions
        q = self._dof_position[self.index.dofs]
        qd = self._dof_velocity[self.index.dofs[:, :7]]
        read = self.reading
        arm = self.control.arm(actions[:, :3], q[:, :7], qd, read.origins, read.axes, read.hand_quat, read.hand_tcp)
        self._position_targets[self.index.dofs[:, :7]] = arm
        self._efforts[self.index.dofs[:, 7:]] = self.control.gripper(actions[:, 3], q[:, 7:])
        self.gym.set_dof_position_target_tensor(self.sim, gymtorch.unwrap_tensor(self._position_targets))
        self.gym.set_dof_actuation_force_tensor(self.sim, gymtorch.unwrap_tensor(self._efforts))
        self._unshown.zero_()

    def post_physics_step(self) -> None:
        self.previous = self.reading.frame
        self._read()
        self.observe(self.reading.frame, self.previous)
        self.score(*self._reward())

    def carriers(self) -> list[Any]:
        return [self, self.control, self.reading]

    # A thousand small operations: without the bookkeeping for gradients they take half the time.
    @torch.inference_mode()
    def _reward(self) -> tuple[Tensor, Tensor]:
        """Rewards and successes (num_envs,) of the state that was read."""
        self._columns.fill(self._seen())
        blocks = zip(self._reward_blocks, self._reward_states, strict=True)
        rewards, successes = zip(*[block.spec.reward(state) for block, state in blocks], strict=True)
        success = torch.cat(successes)
        if self.reward == "sparse":
            return SUCCESS * success, success
        if self.reward == "v1":
            points = self.reading.points[:, :2], self.objects_init
            return self._v1(self.actions[:, 3], self.reading.tcp, self.tcp_init, *points, self.goal), success
        return torch.cat(rewards), success

    def refresh(self) -> None:
        """Bring DOF states up to date; poses are read where they are needed, without the velocities of all bodies."""
        self.gym.refresh_dof_state_tensor(self.sim)

    @torch.inference_mode()
    def _read(self, rows: Tensor | None = None) -> None:
        """Take over DOFs, and the bodies of environments ``rows`` (m,), None: of all."""
        index = self.index.bodies if rows is None else self.index.bodies[rows]
        bodies = self.simulator.poses(self.rigid_body_states, index.reshape(-1)).view(-1, ANCHOR + 1, 7)
        self._dof_position, self._dof_velocity = self.dof_states.clone().unbind(1)
        if not self.simulator.shows_what_was_set:
            bodies = torch.where(self._unshown[:, None, None], self._posed, bodies)
            unshown = self._unshown[self._dof_env]
            self._dof_position = torch.where(unshown, self.resets.dofs[:, 0], self._dof_position)
            self._dof_velocity = torch.where(unshown, 0.0, self._dof_velocity)
        if rows is None:
            self.reading.read(bodies, self._dof_position[self.index.dofs[:, 7:]])
        else:
            self.reading.read_again(rows, bodies, self._dof_position[self.index.dofs[rows, 7:]])

    def states(self) -> list[State]:
        """The batch as scripted policies see it, one ``State`` a task."""
        return view(self._task_blocks, Columns(self._seen()))

    def _seen(self) -> dict[str, Tensor]:
        """What rewards see, by the names of ``State``; ``dofs`` are those of all environments."""
        read = self.reading
        return {
            "action": self.actions,
            "tcp": read.tcp,
            "tcp_init": self.tcp_init,
            "left_pad": read.pads[:, 0],
            "right_pad": read.pads[:, 1],
            "openness": read.openness,
            "obj": read.points[:, 0],
            "obj_quat": read.quats[:, 0],
            "obj_init": self.objects_init[:, 0],
            "obj2": read.points[:, 1],
            "obj2_quat": read.quats[:, 1],
            "obj2_init": self.objects_init[:, 1],
            "goal": self.goal,
            "cage": self._caging(
                self.actions[:, 3], read.pads, read.tcp, self.tcp_init, read.points[:, 0], self.objects_init[:, 0]
            ),
            "dofs": self._dof_position,
        }

    # -- reset ---------------------------------------------------------------------------------------------------

    def _draw(self, rows: Rows) -> Tensor:
        """(n, 6) reset vectors: uniform in the task's box, the first candidate whose object and goal are apart enough in
        xy, or the one with the widest distance where none is."""
        low, high = self.resets.low[rows.ids, None], self.resets.high[rows.ids, None]
        size = (len(rows), CANDIDATES, 6)
        draws = low + (high - low) * torch.rand(size, generator=self.generator, device=self.device)
        apart = (draws[..., 3:5] - draws[..., :2]).norm(dim=-1)
        valid = apart >= self.resets.min_distance[rows.ids, None]
        choice = torch.where(valid.any(1), valid.float().argmax(1), apart.argmax(1))
        return draws.take_along_dim(choice[:, None, None], 1)[:, 0]

    def reset_idx(self, rows: Rows) -> None:
        ids, n = rows.ids, len(rows)
        vector = self._draw(rows)
        if self.fixed:
            vector = torch.where(self.drawn[ids, None], self.reset_vector[ids], vector)
        noise = torch.rand((n, 7), generator=self.generator, device=self.device)
        self._place(rows, vector, self.resets.start[ids] + self.reset_noise * (2.0 * noise - 1.0))

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
        arm = self.resets.dofs[self.index.dofs[:, :7], 0]
        with self.writing():
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
        rows.put(self.goal, follow(self.resets.goals[ids], vector))

        actors = self.index.actors[ids]
        position = follow(self.resets.placements[ids], vector[:, None]) + self._lift
        self.resets.roots[actors.reshape(-1), :3] = position.reshape(-1, 3)

        joints = self.index.dofs[ids, :7]
        self.resets.dofs[joints, 0] = arm
        rows.write(self._position_targets, joints, arm)
        placed, jointed = self._named(rows, self.index.actors), self._named(rows, self.index.jointed)
        self.simulator.set_actors(self.resets.roots[:-1], self.resets.dofs, placed, jointed)
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
        robot = posed.robot_poses(self.resets.dofs[self.index.dofs[env_ids], 0], base)
        roots = self.resets.roots[self.index.actors[env_ids].gather(1, self.index.carrier[env_ids]), :7]
        return torch.cat((robot, posed.compose(roots, self.index.rest[env_ids])), 1)

    def compute_observations(self, fresh: Tensor) -> None:
        alone = not self.masked and self.simulator.shows_what_was_set
        self._read(fresh.nonzero().squeeze(-1) if alone else None)
        read, mask = self.reading, fresh[:, None]
        follows = mask & (self.index.there[:, 2] > 0)
        self.goal = torch.where(follows, read.points[:, 2] + self.resets.goals[:, :3], self.goal)
        self.tcp_init = torch.where(mask, read.tcp, self.tcp_init)
        self.objects_init = torch.where(mask[:, None], read.points[:, :2], self.objects_init)
        self.previous = torch.where(mask, read.frame, self.previous)
        self.control.reset(fresh, read.hand_tcp)
        self.observe(read.frame, self.previous)

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
        self.observe(self.reading.frame, self.previous)
        return None


def _hand_quat(finger_axis: str) -> Tensor:
    """Quaternion (4,) xyzw of a hand that points down: half a turn about the bisector of its x axis and the world's."""
    y = kinematics.FINGER_DIRECTION[finger_axis]
    # The hand's x axis is y cross (-z); a half turn about u maps x to 2 (u . x) u - x.
    half = math.atan2(y[0], -y[1]) / 2
    return torch.tensor((math.cos(half), math.sin(half), 0.0, 0.0))
