"""The Parkour environment: the robot stands, sees what it should, and episodes go on as they should."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.parkour import rewards
from isaacgymenvs_tasks.parkour.curriculum import next_level
from isaacgymenvs_tasks.parkour.env import DEFAULT_POSE, SCAN_X, SCAN_Y, Parkour, euler, wrap
from isaacgymenvs_tasks.parkour.terrain.tile import CELL
from mtbench.sim.torch_utils import quat_from_euler_xyz
from tests.test_train import train_here

WEIGHT = 12.743448 * 9.81
SAME = {  # every robot as in the asset, standing still
    "randomize.friction": [1.0, 1.0],
    "randomize.mass": [0.0, 0.0],
    "randomize.centreOfMass": [0.0, 0.0],
    "randomize.motorStrength": [1.0, 1.0],
    "resetNoise": 0.0,
    "pushInterval": 10_000,
    "randomInitialProgress": False,
}


def make(task: str = "ParkourFlat", num_envs: int = 2, seed: int = 0, **settings: Any) -> Parkour:
    top = {key: settings.pop(key) for key in ("task_id", "task_counts") if key in settings}
    dotted = {f"task.env.{key}": value for key, value in settings.items()}
    return isaacgymenvs_tasks.make(task, num_envs=num_envs, seed=seed, **top, **dotted)


def idle(env: Parkour):
    return env.step(env.zero_actions())


def move(env: Parkour, position: torch.Tensor, quat: torch.Tensor | None = None) -> None:
    """Put the bases somewhere at rest, joints in their default pose."""
    env._roots.zero_()
    env._roots[:, :3] = position
    env._roots[:, 3:7] = torch.tensor([0.0, 0.0, 0.0, 1.0]) if quat is None else quat
    env._set_dofs[..., 0], env._set_dofs[..., 1] = torch.tensor(DEFAULT_POSE), 0.0
    everyone = torch.arange(env.num_envs, dtype=torch.int32)
    env.simulator.set_actors(env._roots, env._set_dofs.view(-1, 2), everyone, everyone)


def actions(env: Parkour, generator: torch.Generator) -> torch.Tensor:
    return 0.5 * torch.randn(env.num_envs, 12, generator=generator)


def test_stands_for_twenty_seconds_and_its_feet_carry_it() -> None:
    env = make(episodeLength=2000, **SAME)
    env.reset()
    heights = []
    for _ in range(1000):
        _, _, done, _ = idle(env)
        heights.append(env._root[:, 2].clone())
        assert not done.any()
    assert (torch.stack(heights[100:]) - 0.30).abs().max() < 0.02
    assert env._root[:, 7:].abs().max() < 0.01
    forces = env.contact_forces
    torch.testing.assert_close(forces[:, env._robots.feet, 2].sum(1), torch.full((2,), WEIGHT), rtol=0.01, atol=0)
    others = [k for k in range(forces.shape[1]) if k not in env._robots.feet.tolist()]
    assert forces[:, others].abs().max() == 0.0
    assert (env.obs_buf[:, 44:48] == 0.5).all()


def test_stands_on_a_height_field_as_on_a_plane() -> None:
    env = make("ParkourEasy", 1, task_id=["squeeze"], **SAME)  # level before the first gate, but for its roughness
    env.reset()
    for _ in range(100):
        idle(env)
    assert abs(float(env._root[0, 2] - env._origins[0, 0, 2]) - 0.30) < 0.06
    total = float(env.contact_forces[0, env._robots.feet, 2].sum())
    assert total == pytest.approx(WEIGHT, rel=0.05)


def test_shapes_and_order() -> None:
    env = make("ParkourEasy", 5, task_id=["flat", 17], task_counts=[3, 2])
    assert env.task_names == ["flat", "squeeze"] and env.task_index.tolist() == [0, 0, 0, 1, 1]
    assert env.level.tolist() == [0, 1, 2, 0, 1]
    obs = env.reset()["obs"]
    assert obs.shape == (5, 214) == (env.num_envs, env.num_obs) and env.action_space.shape == (12,)
    torch.testing.assert_close(obs[:, 212:], torch.eye(2)[env.task_index])
    extras = idle(env)[3]
    assert extras["terrain_level"].tolist() == [1.0, 0.5] and extras["ordered_task_names"] == env.task_names


def test_observation_layout() -> None:
    env = make("ParkourEasy", 4, task_id=["staircase_walking"], randomInitialProgress=False)
    env.reset()
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        action = actions(env, generator).clamp(-1, 1)
        obs = env.step(action)[0]["obs"]
    root, dofs = env.root_states, env.dof_states.view(4, 12, 2)
    roll, pitch, yaw = euler(root[:, 3:7]).unbind(1)
    for k in range(4):
        x, y, z, w = root[k, 3:7].tolist()
        turn = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        np.testing.assert_allclose(obs[k, :3], 0.25 * turn.T @ root[k, 10:13].numpy(), atol=1e-5)
        np.testing.assert_allclose(obs[k, 180:183], 2.0 * turn.T @ root[k, 7:10].numpy(), atol=1e-5)
        # Rz Ry Rx, element by element
        np.testing.assert_allclose(math.atan2(turn[2, 1], turn[2, 2]), roll[k], atol=1e-5)
        np.testing.assert_allclose(math.asin(-turn[2, 0]), pitch[k], atol=1e-5)
        np.testing.assert_allclose(math.atan2(turn[1, 0], turn[0, 0]), yaw[k], atol=1e-5)
        for ahead in (0, 1):
            to = env.goals[k, ahead, :2] - root[k, :2]
            assert float(obs[k, 5 + ahead]) == pytest.approx(math.atan2(to[1], to[0]) - float(yaw[k]), abs=1e-5)
    torch.testing.assert_close(obs[:, 3:5], torch.stack((roll, pitch), 1))
    torch.testing.assert_close(obs[:, 7], env.command)
    torch.testing.assert_close(obs[:, 8:20], dofs[..., 0] - torch.tensor(DEFAULT_POSE))
    torch.testing.assert_close(obs[:, 20:32], 0.05 * dofs[..., 1])
    torch.testing.assert_close(obs[:, 32:44], action)
    assert set(obs[:, 44:48].unique().tolist()) <= {-0.5, 0.5}


def test_scandots_against_a_plain_loop() -> None:
    env = make("ParkourHard", 10, task_id=["sphere_bump"], randomInitialProgress=False)
    env.reset()
    generator = torch.Generator().manual_seed(1)
    place = env.goals[:, 2].clone()
    place[:, 2] += 0.4
    yaws = 6.0 * torch.rand(10, generator=generator)
    move(env, place, quat_from_euler_xyz(0.1 * yaws, -0.1 * yaws, yaws))
    env.progress_buf.fill_(4)  # the next step looks
    obs = idle(env)[0]["obs"]
    assert float((obs[:, 48:180].std(1)).min()) > 0.01
    terrain, root = env.terrain, env.root_states.numpy()
    heights = terrain.heights * terrain.vertical_scale
    for k in range(10):
        yaw = float(euler(env.root_states[k : k + 1, 3:7])[0, 2])
        n = 0
        for x in SCAN_X:
            for y in SCAN_Y:
                px = root[k, 0] + math.cos(yaw) * x - math.sin(yaw) * y
                py = root[k, 1] + math.sin(yaw) * x + math.cos(yaw) * y
                a, b = (px + terrain.border) / CELL, (py + terrain.border) / CELL
                near_edge = min(a % 1, b % 1) < 1e-3 or max(a % 1, b % 1) > 1 - 1e-3
                i, j = int(a), int(b)
                lowest = min(heights[i, j], heights[i + 1, j], heights[i, j + 1])
                if not near_edge:  # float32 may round to the neighbour
                    expected = min(max(root[k, 2] - 0.3 - lowest, -1.0), 1.0)
                    assert float(obs[k, 48 + n]) == pytest.approx(expected, abs=1e-4)
                n += 1
        assert n == 132
    before = env._scandots.clone()
    env._roots[:, 0] += 1.0
    everyone = torch.arange(10, dtype=torch.int32)
    env.simulator.set_actors(env._roots, env._set_dofs.view(-1, 2), everyone, everyone)
    for _ in range(4):
        idle(env)
        assert (env._scandots == before).all()
    idle(env)
    assert not (env._scandots == before).all()


def test_waypoints() -> None:
    env = make("ParkourEasy", 1, task_id=["squeeze"], curriculum=True, **SAME)
    env.reset()
    goals = env.goals[0].clone()
    lift = torch.tensor([0.0, 0.0, 1.5])  # over the gates: only the way along the ground counts
    move(env, goals[1:2] + lift)  # not the first one's turn yet
    for _ in range(3):
        idle(env)
    assert int(env.goal_index) == 0
    aside = goals + torch.tensor([-0.2, 0.15, 0.0])  # 0.25 m away
    for k in range(8):
        move(env, aside[k : k + 1] + lift)
        idle(env)
        assert int(env.goal_index) == k
        _, _, done, extras = idle(env)
        if k < 7:
            assert int(env.goal_index) == k + 1 and not done.any()
    assert done.all() and extras["time_outs"].all()
    assert extras["episode"]["success"].tolist() == [1.0]
    assert int(env.goal_index) == 0 and int(env.level) == 1  # a new episode, one level up, and there
    torch.testing.assert_close(env._root[0, :2], env._origins[1, 0, :2])
    torch.testing.assert_close(env.goals[0], env._goal_table[1, 0])
    move(env, env.goals[:, 0] + lift)
    idle(env)
    move(env, env._origins[1, :1] + lift)  # it counts steps inside, together
    idle(env)
    assert int(env.goal_index) == 0
    move(env, env.goals[:, 0] + lift)
    idle(env)
    assert int(env.goal_index) == 1


def test_terminations() -> None:
    env = make("ParkourEasy", 4, task_id=["box_jump_even"], **SAME)
    env.reset()
    roll, pitch = torch.tensor([2.6, 0.0, 0.0, 0.0]), torch.tensor([0.0, 1.55, 0.0, 0.0])
    place = env._origins[env.level, 0] + torch.tensor([0.0, 0.0, 0.6])
    place[2] += torch.tensor([4.0, 1.2, 0.0])  # over the pit beside the boxes
    place[2, 2] = -0.3
    move(env, place, quat_from_euler_xyz(roll, pitch, torch.zeros(4)))
    _, _, done, extras = idle(env)
    assert done.tolist() == [True, True, True, False] and not extras["time_outs"].any()
    assert extras["episode"]["env_ids"].tolist() == [0, 1, 2]
    env = make(episodeLength=3, terminateOnFall=False, **SAME)
    env.reset()
    ends = [idle(env) for _ in range(3)]
    assert [bool(end[2].all()) for end in ends] == [False, False, True] and ends[-1][3]["time_outs"].all()


def test_a_fallen_robot_ends_its_episode_where_asked_to() -> None:
    for ends in (True, False):
        env = make(terminateOnFall=ends, **SAME)
        env.reset()
        nose_down = quat_from_euler_xyz(torch.zeros(2), torch.tensor([1.0, 0.0]), torch.zeros(2))
        move(env, env._origins[env.level, 0] + torch.tensor([0.0, 0.0, 0.3]), nose_down)
        for _ in range(20):
            done = idle(env)[2]
            if env.fell[0]:
                break
        assert env.fell.tolist() == [True, False] and done.tolist() == [ends, False]


def test_rewards() -> None:
    rng = np.random.default_rng(0)
    speed, command, heading = rng.normal(size=50), rng.uniform(0.3, 0.8, 50), rng.uniform(-3, 3, 50)
    torque, velocity = rng.normal(size=(2, 50, 12)) * 10
    forces = rng.choice([0.0, 0.05, 3.0], size=(50, 8), p=[0.9, 0.05, 0.05])
    weights = {"goalVelocity": 4.0, "yaw": 1.0, "energy": -0.0005, "collision": -10.0}
    state = rewards.State(*map(torch.from_numpy, (speed, command, heading, torque, velocity, forces)))
    found = rewards.total(state, weights, 0.02)
    for k in range(50):
        power = sum(max(torque[k, j] * velocity[k, j], 0.0) for j in range(12))
        value = 4 * min(speed[k], command[k]) / (command[k] + 1e-5) + math.exp(-abs(heading[k]))
        value += -0.0005 * power - 10 * sum(f > 0.1 for f in forces[k])
        assert float(found[k]) == pytest.approx(max(0.02 * value, 0.0), abs=1e-9)
    assert 0 < int((found > 0).sum()) < 50
    faster = rewards.TERMS["overspeed"](state).numpy()
    np.testing.assert_allclose(faster, np.maximum(speed - command, 0) / (command + 1e-5))
    with pytest.raises(ValueError, match="goalVelocity"):
        rewards.check({"speed": 1.0})


def test_reward_of_a_step() -> None:
    env = make(**SAME, **{"reward.energy": 0.0, "reward.overspeed": 0.0})
    env.reset()
    for _ in range(60):
        _, reward, _, _ = idle(env)
    to = env.goals[:, 0, :2] - env._root[:, :2]
    speed = (env._root[:, 7:9] * to).sum(1) / to.norm(dim=1)
    turned = (torch.atan2(to[:, 1], to[:, 0]) - euler(env._root[:, 3:7])[:, 2]).abs()
    expected = 0.02 * (4.0 * torch.minimum(speed, env.command) / env.command + torch.exp(-turned))
    torch.testing.assert_close(reward, expected, atol=1e-5, rtol=1e-4)


def test_only_new_ground_pays_with_advance_only() -> None:
    env = make("ParkourFlat", 2, advanceOnly=True, **SAME)
    env.reset()
    goal, lift = env.goals[:, 0], torch.tensor([0.0, 0.0, 0.6])

    def pays(distance: float, towards: torch.Tensor) -> bool:
        move(env, towards + torch.tensor([-distance, 0.0, 0.0]) + lift)
        reward = idle(env)[1]
        assert reward.tolist() in ([0.0, 0.0], pytest.approx([0.02, 0.02], abs=1e-3))  # at rest: yaw alone
        return bool(reward.all())

    assert [pays(d, goal) for d in (0.9, 0.7, 0.8, 0.71, 0.6, 0.6, 0.5)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert [pays(d, goal) for d in (0.4995, 0.497)] == [False, True]  # 0.05 m/s are 1 mm a step
    assert [pays(d, goal) for d in (0.2, 0.1)] == [True, True]  # which reaches it
    assert env.goal_index.tolist() == [1, 1]
    assert pays(1.0, env.goals[:, 1]) and not pays(1.2, env.goals[:, 1])  # the next goal counts anew
    env.reset()
    assert pays(2.0, goal)  # and so does the next episode


def test_what_waiting_pays() -> None:
    """MTBench pays a robot that stands and faces its goal 1 a second, of 5 at the most; ``advanceOnly`` nothing."""
    for advance_only, expected in ((False, 0.02), (True, 0.0)):
        env = make("ParkourFlat", 2, advanceOnly=advance_only, **SAME)
        env.reset()
        env.goals[..., 1] = env._root[:, None, 1]  # straight ahead
        rewards_seen = torch.stack([idle(env)[1] for _ in range(150)])[50:]
        assert float(rewards_seen.mean()) == pytest.approx(expected, abs=0.001)


def test_next_level() -> None:
    goals = torch.arange(9).repeat(2)
    level = torch.tensor([0] * 9 + [5] * 9)
    stay = next_level(level, goals, 10, torch.tensor([[0.3, 0.5]]).expand(18, 2))
    assert stay.tolist() == [0] * 7 + [1, 1] + [4] * 4 + [5] * 3 + [6, 6]
    back = next_level(level, goals, 10, torch.tensor([[0.2, 0.5]]).expand(18, 2))
    assert back.tolist() == [0] * 7 + [1, 1] + [4] * 4 + [2] * 3 + [6, 6]
    assert next_level(torch.tensor([9]), torch.tensor([8]), 10, torch.tensor([[0.9, 0.75]])).tolist() == [7]


def test_robots_differ_as_they_are_told() -> None:
    env = make(num_envs=3)
    for k in range(3):
        model, _ = env.sim.inspect(k)
        mass, *centre, friction = env._privileged[k, :5].tolist()
        trunk = model.body("0/trunk")
        assert trunk.mass[0] == pytest.approx(5.204 + mass, abs=1e-5) and 0 <= mass <= 3
        np.testing.assert_allclose(trunk.ipos, np.array([0.0223, 0.002, -0.0005]) + centre, atol=1e-6)
        assert 0.6 <= friction <= 2.0
        met = 0.5 * (friction + 1.0)  # with the ground's
        assert model.geom("0/FL_foot").friction[0] == pytest.approx(met, abs=1e-6)
        strength = env._privileged[k, 5:].reshape(2, 12).numpy() + 1
        np.testing.assert_allclose(-model.actuator_biasprm[:, 1], 50 * strength[0], rtol=1e-5)
        np.testing.assert_allclose(-model.actuator_biasprm[:, 2], 3 * strength[1], rtol=1e-5)
    assert (env._privileged.std(0) > 0).all()


def test_pushes_and_commands() -> None:
    env = make(**{**SAME, "pushInterval": 60}, commandInterval=70)
    env.reset()
    for _ in range(60):
        idle(env)
    command = env.command.clone()
    still = env._root[:, 7:9].clone()
    idle(env)
    assert ((env._root[:, 7:9] - still).abs().amax(1) > 0.03).all() and (env._root[:, 7:9].abs() < 0.6).all()
    for _ in range(8):
        idle(env)
    assert (env.command == command).all()
    for _ in range(2):
        idle(env)
    assert (env.command != command).all() and ((env.command >= 0.3) & (env.command <= 0.8)).all()


@pytest.mark.parametrize("task", ["ParkourFlat", "ParkourHardCL"])
def test_the_same_seed_gives_the_same_run_and_a_saved_one_continues(task: str) -> None:
    runs = []
    for _ in range(2):
        env = make(task, 4, seed=3, episodeLength=20, task_id=["flat" if task == "ParkourFlat" else "squeeze"])
        generator = torch.Generator().manual_seed(2)
        seen = [env.reset()["obs"]]
        for k in range(30):
            if k == 14:
                saved, draws = env.get_env_state(), generator.get_state()
            obs, reward, done, _ = env.step(actions(env, generator))
            seen += [obs["obs"], reward, done]
        runs.append(seen)
    for a, b in zip(*runs, strict=True):
        assert torch.equal(a, b)
    other = make(task, 4, seed=3, episodeLength=20, task_id=["flat" if task == "ParkourFlat" else "squeeze"])
    other.reset()
    assert other.set_env_state(saved) is None
    generator.set_state(draws)
    for k in range(14, 30):
        obs, reward, done, _ = other.step(actions(other, generator))
        for mine, theirs in zip((obs["obs"], reward, done), runs[1][1 + 3 * k : 4 + 3 * k], strict=True):
            assert torch.equal(mine, theirs), k


def test_angles() -> None:
    angle = torch.linspace(-20, 20, 1001)
    found = wrap(angle)
    assert (found >= -math.pi).all() and (found < math.pi + 1e-6).all()
    torch.testing.assert_close(torch.sin(found), torch.sin(angle), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cos(found), torch.cos(angle), atol=1e-5, rtol=0)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="did you mean 'squeeze'"):
        make("ParkourEasy", 2, task_id=["sqeeze"])
    with pytest.raises(ValueError, match="no reward term 'yaaw'"):
        env = isaacgymenvs_tasks.configure("ParkourFlat", num_envs=1)
        env.env.reward = {"yaaw": 1.0}
        isaacgymenvs_tasks.make(env, num_envs=1)


def test_every_set_trains_from_a_pretrained_checkpoint(tmp_path: Path) -> None:
    """Two epochs of flat ground, and from there two of terrains, with another number of tasks."""
    small = ["schedule.horizon_length=4", "schedule.mini_epochs=1", "schedule.num_minibatches=1", "eval_goals=1"]
    small += ["actor.units=[16]", "critic.units=[16]", "task.env.episodeLength=5", "max_iterations=2"]
    small += ["train=MTPPO_parkour", "sim_device=cpu", "rl_device=cpu"]
    runs: dict[str, list[str]] = {
        "ParkourFlat": ["num_envs=2"],
        "ParkourEasy": ["num_envs=20", "pretrained=runs/ParkourFlat/nn/last.pth"],
        "ParkourHardCL": ["task_id=[squeeze,3]", "num_envs=4", "pretrained=runs/ParkourEasy/nn/last.pth"],
    }
    for task, settings in runs.items():
        result = train_here(tmp_path, f"task={task}", f"experiment={task}", *settings, *small)
        assert result.returncode == 0, result.stderr
        assert "epoch     2" in result.stdout
    header = (tmp_path / "runs/ParkourHardCL/metrics.csv").read_text().splitlines()[0]
    assert "success/squeeze,success/forward_ramp_no_lips" in header
    models = [torch.load(tmp_path / f"runs/{task}/nn/last.pth", weights_only=True) for task in runs]
    assert [model["model_config"]["num_obs"] for model in models] == [213, 232, 214]
