"""The multi-task environment against its contract: batch layout, resets, observations, episodes, divergence, saving."""

from __future__ import annotations

import copy

import pytest
import torch
from isaacgym import gymtorch

import isaacgymenvs_tasks
from isaacgymenvs_tasks.metaworld.reading import FIRST
from isaacgymenvs_tasks.metaworld.tables import TABLE_TOP
from isaacgymenvs_tasks.multi_task import FRAME
from isaacgymenvs_tasks.selection import select_tasks
from isaacgymenvs_tasks.vec_task import Rows

ACTIONS = torch.Generator().manual_seed(5)


def _random(n: int) -> torch.Tensor:
    return 2.0 * torch.rand(n, 4, generator=ACTIONS) - 1.0


def _step(env, actions: torch.Tensor):
    obs, reward, done, extras = env.step(actions)
    return obs["obs"], reward, done, extras


def test_counts_spaces_and_order(make_env):
    env = make_env(num_envs=5, tasks=("tray", "touch"))
    assert env.task_names == ["tray", "touch"]
    assert env.task_index.tolist() == [0, 0, 0, 1, 1]
    assert (env.num_envs, env.num_obs, env.num_actions, env.num_tasks) == (5, 41, 4, 2)
    assert env.observation_space.shape == (41,) and env.action_space.shape == (4,)
    obs = env.reset()["obs"]
    assert obs.shape == (5, 41) and obs.dtype == torch.float32
    torch.testing.assert_close(obs[:, 39:], torch.eye(2)[env.task_index])
    _, reward, done, extras = _step(env, _random(5))
    assert reward.shape == done.shape == (5,) and done.dtype == torch.bool
    assert extras["ordered_task_names"] == ["tray", "touch"]
    assert extras["task_indices"] is env.task_index


def test_observation_layout(make_env):
    env = make_env(num_envs=2)
    obs = env.reset()["obs"]
    touch, tray = env.states()
    for row, state in ((0, touch), (1, tray)):
        expected = torch.cat(
            (state.tcp[0], state.openness, state.obj[0], state.obj_quat[0], state.obj2[0], state.obj2_quat[0])
        )
        torch.testing.assert_close(obs[row, :FRAME], expected)
        torch.testing.assert_close(obs[row, FRAME : 2 * FRAME], expected)
        torch.testing.assert_close(obs[row, 36:39], state.goal[0])
    assert (obs[0, 11:18] == 0).all()  # no second object
    box = env.reset_vector[:, :2]
    torch.testing.assert_close(obs[:, 4:6], box, atol=1e-5, rtol=0)
    assert obs[0, 6] == pytest.approx(0.02, abs=1e-5)  # heights count from the table top
    assert obs[1, 6] == pytest.approx(0.04, abs=1e-5)  # a point 2 cm above the box's centre
    # The slider is turned by 90 degrees and its tray stands at 0.05 along its x axis.
    torch.testing.assert_close(obs[1, 11:14], torch.tensor([0.1, 0.35, 0.07]), atol=1e-4, rtol=0)
    torch.testing.assert_close(obs[1, 14:18].abs(), torch.tensor([0, 0, 0.5**0.5, 0.5**0.5]), atol=1e-4, rtol=0)
    torch.testing.assert_close(tray.goal[0], obs[1, 11:14] + torch.tensor([0.0, 0.0, 0.1]))
    assert tray.dof_pos.tolist() == [[pytest.approx(0.05)]] and touch.dof_pos.shape == (1, 0)
    torch.testing.assert_close(tray.obj2_init, tray.obj2)


def test_previous_frame(make_env):
    env = make_env(num_envs=2)
    before = env.reset()["obs"]
    for _ in range(4):
        after, *_ = _step(env, _random(2))
        torch.testing.assert_close(after[:, FRAME : 2 * FRAME], before[:, :FRAME], atol=0, rtol=0)
        before = after


def test_step_results_are_not_overwritten(make_env):
    env = make_env(num_envs=2)
    obs = env.reset()["obs"]
    copy_ = obs.clone()
    first, reward, done, extras = _step(env, _random(2))
    kept = [x.clone() for x in (first, reward, done, extras["final_obs"], extras["time_outs"])]
    env.step(_random(2))
    torch.testing.assert_close(obs, copy_)
    for was, now in zip(kept, (first, reward, done, extras["final_obs"], extras["time_outs"]), strict=True):
        assert torch.equal(was, now)


def test_resets_are_uniform_and_far_enough(make_env):
    env = make_env(num_envs=600, tasks=("touch",))
    vector = env._draw(Rows(torch.arange(600)))
    low, high = env.resets.low, env.resets.high
    assert (vector >= low).all() and (vector <= high).all()
    apart = (vector[:, 3:5] - vector[:, :2]).norm(dim=-1)
    assert (apart >= 0.12).all()
    assert vector[:, 5].mean() == pytest.approx(0.125, abs=0.008)
    assert vector[:, 0].std() > 0.055


def test_impossible_distance_takes_the_widest_draw(make_env):
    env = make_env(num_envs=8, tasks=("touch",))
    env.resets.min_distance.fill_(5.0)
    vector = env._draw(Rows(torch.arange(8)))
    assert ((vector[:, 3:5] - vector[:, :2]).norm(dim=-1) > 0.14).all()


def test_new_positions_at_every_reset_unless_fixed(make_env):
    for fixed in (False, True):
        env = make_env(num_envs=4, episodeLength=2, fixed=fixed, randomInitialProgress=False)
        first = env.reset()["obs"].clone()
        env.step(_random(4))
        second, _, done, _ = _step(env, _random(4))
        assert done.all()
        same = (first[:2, 36:39] == second[:2, 36:39]).all(1)
        assert same.all() if fixed else not same.any()
        arm = (first[:, :3] == second[:, :3]).all(1)
        assert not arm.any()  # joint noise is drawn anew


def test_initial_values_belong_to_the_running_episode(make_env):
    env = make_env(num_envs=4, episodeLength=3, randomInitialProgress=False)
    env.reset()
    for step in range(7):
        env.step(_random(4))
        if step in (2, 5):
            for state in env.states():
                torch.testing.assert_close(state.tcp_init, state.tcp, atol=0, rtol=0)
                torch.testing.assert_close(state.obj_init, state.obj, atol=0, rtol=0)
                assert (state.action == 0).all()
            torch.testing.assert_close(env.control.target, env.reading.hand_tcp, atol=0, rtol=0)


def test_time_outs_and_final_observation(make_env):
    env = make_env(num_envs=3, tasks=("touch",), episodeLength=4, randomInitialProgress=False)
    env.reset()
    total = torch.zeros(3)
    for step in range(4):
        obs, reward, done, extras = _step(env, _random(3))
        total += reward
        assert bool(done.all()) == bool(extras["time_outs"].all()) == (step == 3)
        if step < 3:
            assert torch.equal(obs, extras["final_obs"])
            assert len(extras["episode"]["env_ids"]) == 0
            previous = obs
    episode = extras["episode"]
    assert episode["env_ids"].tolist() == [0, 1, 2]
    torch.testing.assert_close(episode["return"], total)
    assert episode["length"].tolist() == [4, 4, 4]
    final = extras["final_obs"]
    torch.testing.assert_close(final[:, FRAME : 2 * FRAME], previous[:, :FRAME], atol=0, rtol=0)
    assert not torch.equal(final, obs)
    torch.testing.assert_close(obs[:, :FRAME], obs[:, FRAME : 2 * FRAME], atol=0, rtol=0)


def test_success_counts_at_any_step_and_may_end_the_episode(make_env):
    for terminate in (False, True):
        env = make_env(num_envs=2, tasks=("touch",), episodeLength=30, randomInitialProgress=False, resetNoise=0.0,
                       terminateOnSuccess=terminate)  # fmt: skip
        env.reset()
        env.goal[0] = env.reading.tcp[0] + torch.tensor([0.0, 0.0, 0.05])
        env.goal[1] = torch.tensor([0.0, 0.5, 0.5])
        episodes = []
        for step in range(30):
            push = torch.tensor([[0.0, 0.0, 1.0, 0.0]]).expand(2, 4)
            _, _, _, extras = _step(env, push if step < 15 else -push)
            ids = extras["episode"]["env_ids"].tolist()
            episodes += [(i, step, bool(extras["time_outs"][i]), bool(extras["episode"]["success"][k]))
                         for k, i in enumerate(ids)]  # fmt: skip
            if terminate and ids:
                break
        if terminate:
            (env_id, step, time_out, success) = episodes[0]
            assert env_id == 0 and step < 15 and not time_out and success
        else:
            assert episodes == [(0, 29, True, True), (1, 29, True, False)]


def test_random_initial_progress_only_at_first(make_env):
    env = make_env(num_envs=64, tasks=("touch",))
    env.reset()
    assert env.progress_buf.unique().numel() > 20 and env.progress_buf.max() < 150
    env.reset()
    assert (env.progress_buf == 0).all()


def test_first_episodes_report_the_steps_they_took(make_env):
    env = make_env(num_envs=16, tasks=("touch",), episodeLength=10)
    env.reset()
    left = 10 - env.progress_buf
    lengths = torch.zeros(16, dtype=torch.long)
    for _ in range(10):
        episode = _step(env, _random(16))[3]["episode"]
        first = lengths[episode["env_ids"]] == 0
        lengths[episode["env_ids"][first]] = episode["length"][first]
    assert torch.equal(lengths, left)


def test_reward_scale(make_env):
    rewards = []
    for scale in (1.0, 0.25):
        env = make_env(num_envs=4, rewardScale=scale)
        env.reset()
        rewards.append(env.step(torch.zeros(4, 4))[1])
    torch.testing.assert_close(0.25 * rewards[0], rewards[1])


def test_same_seed_same_run(make_env):
    runs = []
    for seed in (1, 1, 2):
        env = make_env(num_envs=4, seed=seed, episodeLength=6)
        out, generator = [env.reset()["obs"]], torch.Generator().manual_seed(9)
        for _ in range(12):
            obs, reward, *_ = _step(env, 2.0 * torch.rand(4, 4, generator=generator) - 1.0)
            out += [obs, reward[:, None].expand(4, 41)]
        runs.append(torch.stack(out))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_state_continues_bit_for_bit(make_env):
    """Through a contact (the box is pushed), resets and in another process' place: a fresh environment."""
    env = make_env(num_envs=4, episodeLength=20, seed=3)
    env.reset()
    generator = torch.Generator().manual_seed(1)
    actions = 2.0 * torch.rand(60, 4, 4, generator=generator) - 1.0
    actions[:, :, 2] -= 0.5
    for a in actions[:15]:
        env.step(a)
    saved = copy.deepcopy(env.get_env_state())
    expected = [_step(env, a) for a in actions[15:]]
    other = make_env(num_envs=4, episodeLength=20, seed=77)
    other.reset()
    other.step(actions[0])
    other.set_env_state(saved)
    for a, (obs, reward, done, extras) in zip(actions[15:], expected, strict=True):
        obs_, reward_, done_, extras_ = _step(other, a)
        assert torch.equal(obs, obs_) and torch.equal(reward, reward_) and torch.equal(done, done_)
        assert torch.equal(extras["final_obs"], extras_["final_obs"])
        for key, value in extras["episode"].items():
            assert torch.equal(value, extras_["episode"][key])


@pytest.mark.parametrize("masked", [False, True])
def test_environments_begin_where_another_of_their_task_begins(make_env, masked):
    """At once and after an episode, by indices and by masks; the same actions then lead to the same states."""
    env = make_env(num_envs=8, episodeLength=5, randomInitialProgress=False, seed=3)
    env.masked = masked
    source = torch.tensor([0, 0, 2, 2, 4, 4, 4, 4])
    obs = env.reset()["obs"]
    for _ in range(2):
        shared = env.share_starts(source)["obs"]
        assert torch.equal(shared, shared[source])
        assert torch.allclose(shared[source.unique()], obs[source.unique()], atol=1e-6)
        assert not torch.equal(shared[0], shared[2])
        assert not env.progress_buf.any()
        actions = _random(8)
        for _ in range(5):
            obs, reward, done, extras = _step(env, actions[source])
            assert torch.equal(extras["final_obs"], extras["final_obs"][source])
            assert torch.equal(reward, reward[source])
        assert done.all()
    with pytest.raises(ValueError, match="another task"):
        env.share_starts(torch.zeros(8, dtype=torch.long))


def test_what_is_read_is_what_the_flat_tensor_holds(make_env):
    env = make_env(num_envs=5, tasks=("tray", "touch"))
    env.reset()
    env.step(_random(5))
    env.gym.refresh_rigid_body_state_tensor(env.sim)
    bodies = torch.tensor([7, 0, len(env.rigid_body_states) - 1])
    assert torch.equal(env.simulator.poses(env.rigid_body_states, bodies), env.rigid_body_states[bodies, :7])
    box = env.rigid_body_states[env.index.bodies[:, FIRST], :3] - torch.tensor([0.0, 0.0, TABLE_TOP])
    touch = env.task_slices[1]  # the tray is observed 2 cm off its body's origin
    torch.testing.assert_close(env.reading.points[touch, 0], box[touch])


def test_after_a_reset_reading_some_environments_is_reading_all(make_env):
    env = make_env(num_envs=6, tasks=("tray", "touch"), episodeLength=7)
    env.reset()
    ended = 0
    for _ in range(7):
        done = env.step(_random(6))[2]
        ended += int(0 < done.sum() < 6)
        shown = {name: getattr(env.reading, name).clone() for name in env.reading.FIELDS}
        env._read()
        assert all(torch.equal(getattr(env.reading, name), values) for name, values in shown.items())
    assert ended >= 2


def test_divergence_resets_one_environment_and_is_counted(make_env):
    env = make_env(num_envs=4, randomInitialProgress=False)
    env.reset()
    twin = make_env(num_envs=4, randomInitialProgress=False)
    twin.reset()
    for _ in range(3):
        a = _random(4)
        env.step(a)
        twin.step(a)
    states = env.dof_states.clone()
    states[env.index.dofs[2, 1], 1] = float("nan")
    index = env.index.actors[2:3, 0].int()
    env.gym.set_dof_state_tensor_indexed(env.sim, gymtorch.unwrap_tensor(states), gymtorch.unwrap_tensor(index), 1)
    a = _random(4)
    obs, reward, done, extras = _step(env, a)
    obs_, reward_, *_ = _step(twin, a)
    assert done.tolist() == [False, False, True, False]
    assert not extras["time_outs"].any() and int(extras["diverged"]) == 1
    assert reward[2] == 0 and (extras["final_obs"][2] == 0).all()
    assert torch.isfinite(obs).all() and torch.isfinite(reward).all()
    others = torch.tensor([0, 1, 3])
    assert torch.equal(obs[others], obs_[others]) and torch.equal(reward[others], reward_[others])
    assert extras["episode"]["env_ids"].tolist() == [2] and torch.isfinite(extras["episode"]["return"]).all()
    assert env.progress_buf.tolist() == [4, 4, 0, 4]
    for _ in range(20):
        obs, reward, done, extras = _step(env, _random(4))
        assert torch.isfinite(obs).all() and int(extras["diverged"]) == 0
    assert env.progress_buf.tolist() == [24, 24, 20, 24]
    assert (obs[2, 2:4] > 0).all()


def test_actions_that_are_not_finite_end_only_their_episode(make_env):
    env = make_env(num_envs=3, tasks=("touch",), randomInitialProgress=False)
    env.reset()
    actions = _random(3)
    actions[1] = float("nan")
    _, _, done, extras = _step(env, actions)
    assert done.tolist() == [False, True, False] and int(extras["diverged"]) == 1
    obs, _, done, _ = _step(env, _random(3))
    assert torch.isfinite(obs).all() and not done.any()


def test_unknown_tasks_and_impossible_counts(make_env, tiny_tasks):
    with pytest.raises(ValueError, match=r"unknown task 'toch'; did you mean 'touch'\? Tasks are: touch, tray"):
        make_env(tasks=("toch",))
    with pytest.raises(ValueError, match="named twice"):
        make_env(tasks=("touch", "touch"))
    with pytest.raises(ValueError, match="name at least one task"):
        select_tasks([], tiny_tasks)
    with pytest.raises(ValueError, match="num_envs is 1, but 2 tasks need"):
        make_env(num_envs=1)
    with pytest.raises(ValueError, match="num_envs is -3"):
        make_env(num_envs=-3)


def test_make_builds_shipped_tasks():
    cfg = {"name": "metaworld", "env": {"tasks": ["reach", "push"], "episodeLength": 150}, "sim": {"num_threads": 1}}
    env = isaacgymenvs_tasks.make(cfg, num_envs=3, seed=4)
    assert env.num_obs == 41 and env.task_index.tolist() == [0, 0, 1]
    env.reset()
    obs, *_ = _step(env, env.zero_actions())
    assert torch.isfinite(obs).all()
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="sim_device=cuda:0, but this machine has no CUDA device"):
            isaacgymenvs_tasks.make(cfg, num_envs=3, sim_device="cuda:0")
    with pytest.raises(ValueError, match="is not a device"):
        isaacgymenvs_tasks.make(cfg, num_envs=3, rl_device="gpu7")


def test_motion_does_not_depend_on_threads_nor_on_neighbours() -> None:
    """Batches are cut by the number of threads; each environment moves as it does with one."""

    def run(threads: int) -> list[torch.Tensor]:
        settings = {"task.env.randomInitialProgress": False, "task.sim.num_threads": threads}
        env = isaacgymenvs_tasks.make("MT50", 26, seed=1, task_id=["push", "soccer"], task_counts=[19, 7], **settings)
        seen = [env.reset()["obs"]]
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            seen.append(env.step(torch.rand(26, 4, generator=generator) * 2 - 1)[0]["obs"])
        env.close()
        return seen

    one, three = run(1), run(3)
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))
    assert not torch.equal(one[0], one[-1])


def test_tasks_that_share_a_reward_are_rewarded_as_if_alone() -> None:
    settings = {"task.env.randomInitialProgress": False}
    together = isaacgymenvs_tasks.make("MT50", 10, task_id=[4, 5, 6, 7, 40], task_counts=[3, 2, 2, 2, 1], **settings)
    assert [block.count for block in together._reward_blocks] == [9, 1]
    together.reset()
    for _ in range(10):
        together.step(torch.rand(10, 4) * 2 - 1)
    alone = torch.cat([spec.reward(state)[0] for spec, state in zip(together.specs, together.states(), strict=True)])
    assert torch.equal(alone, together.rew_buf)
