"""Steps without waiting for the device, resets by mask, and parts of a step that are recorded and replayed."""

from __future__ import annotations

import pytest
import torch

from isaacgymenvs_tasks import make
from isaacgymenvs_tasks.recording import WARM_UP, Recorder
from isaacgymenvs_tasks.vec_task import Rows
from tests.metaworld.graph_emulation import EmulatedGraph, no_waiting, roll

SETTINGS = {"num_envs": 50, "seed": 3, "task.env.episodeLength": 7}


def _masked(recorder: Recorder | None = None):
    env = make("MT50", **SETTINGS)
    env.masked, env._recorder = True, recorder
    return env


@pytest.fixture(scope="module")
def eager():
    return roll(_masked(), 20)


def test_replayed_steps_equal_eager_ones(eager):
    recorder = Recorder(EmulatedGraph)
    replayed = roll(_masked(recorder), 20)
    assert not recorder.failed and set(recorder._graphs) == {"_act", "_judge", "_restart", "_observe"}
    assert recorder._calls["_act"] == 20 > WARM_UP
    for one, other in zip(eager, replayed, strict=True):
        assert torch.equal(one, other)


def test_replayed_steps_follow_states_set_from_outside():
    recorder = Recorder(EmulatedGraph)
    env = _masked(recorder)
    roll(env, 8)
    state = env.get_env_state()
    actions = torch.zeros(env.num_envs, 4)
    first = env.step(actions)[0]["obs"]
    roll(env, 3)
    env.set_env_state(state)
    assert torch.equal(env.step(actions)[0]["obs"], first)


@pytest.mark.parametrize("task", ["MT10", "MetaWorldMT10"])
def test_starts_are_shared_between_replayed_steps(task):
    """As between eager ones, to the bit: what a recorded part made may be written afterwards."""
    seen = []
    for recorder in (None, Recorder(EmulatedGraph)):
        env = make(task, 20, 3, task_id=["reach", "push"])
        env.masked, env._recorder = True, recorder
        source, found = torch.arange(20) // 2 * 2, []
        for _ in range(3):
            env.reset()
            found.append(env.share_starts(source)["obs"].clone())
            found += [env.step(torch.full((20, 4), 0.3))[0]["obs"].clone() for _ in range(4)]
        seen.append(torch.stack(found))
        env.close()
    assert torch.equal(*seen) and torch.equal(seen[0][:, ::2], seen[0][:, 1::2])


@pytest.mark.parametrize("reward", ["v2", "v2_metaworld", "v1", "sparse"])
def test_no_part_of_a_step_waits(reward):
    env = make("MT50", **SETTINGS, reward=reward)
    env.masked = True
    env.reset()
    env.step(torch.zeros(50, 4))  # constants are made at the first call
    with no_waiting() as waits:
        for part in (env._act, env._judge, env._restart):
            part()
    env.gym.settle(env.sim)
    with no_waiting() as more:
        env._observe()
    assert not waits + more


def test_resets_by_mask_touch_only_those_that_ended():
    env = _masked()
    env.reset()
    for _ in range(2):
        env.step(torch.zeros(50, 4))
    before = env.get_env_state()
    env.gym.refresh_rigid_body_state_tensor(env.sim)
    goal, roots = env.goal.clone(), env.rigid_body_states.clone()
    env._done = torch.arange(50) % 7 == 0
    env.reset_done()
    env.gym.refresh_rigid_body_state_tensor(env.sim)
    kept = ~env._done
    assert torch.equal(env.goal[kept], goal[kept])
    same = (env.rigid_body_states == roots).all(1)
    assert same[kept[env._body_env]].all()
    assert not torch.equal(env.goal[env._done], goal[env._done])
    assert (env.progress_buf[env._done] == 0).all() and (
        env.progress_buf[kept] == before["buffers"]["progress_buf"][kept]
    ).all()
    low, high = env.resets.low[env._done], env.resets.high[env._done]
    vector = env.reset_vector[env._done]
    assert (vector >= low).all() and (vector <= high).all()


def test_a_part_that_cannot_be_recorded_still_runs():
    class Counter:
        def __init__(self) -> None:
            self.total = torch.zeros(3)

        def part(self) -> None:
            self.total = self.total + len(torch.ones(3).nonzero())

    counter, recorder = Counter(), Recorder(EmulatedGraph)
    with pytest.warns(UserWarning, match="part runs without a CUDA graph: .*nonzero"):
        for _ in range(WARM_UP + 2):
            recorder.run(counter.part, [counter])
    assert counter.total.tolist() == [3.0 * (WARM_UP + 2)] * 3


def test_values_that_change_places_are_recorded_in_order():
    class Swap:
        def __init__(self) -> None:
            self.old, self.new = torch.zeros(1), torch.ones(1)

        def part(self) -> None:
            self.old, self.new = self.new, self.old + self.new

    swap, recorder = Swap(), Recorder(EmulatedGraph)
    for _ in range(10):
        recorder.run(swap.part, [swap])
    assert (swap.old.item(), swap.new.item()) == (55.0, 89.0)


def test_rows_by_index_and_by_mask_write_the_same():
    ids, mask = torch.tensor([1, 3]), torch.tensor([False, True, False, True])
    one, other = torch.zeros(4, 2), torch.zeros(4, 2)
    Rows(ids).put(one, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    Rows(torch.arange(4), mask).put(other, torch.tensor([[9.0, 9.0], [1.0, 2.0], [9.0, 9.0], [3.0, 4.0]]))
    assert torch.equal(one, other)
