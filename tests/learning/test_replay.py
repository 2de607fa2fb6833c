"""The replay buffer against plain loops over what was stored."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtbench.learning.agents.replay import ReplayBuffer
from mtbench.learning.errors import UserError

GAMMA = 0.9


def fill(
    task: list[int], steps: int, added: int, n_step: int, seed: int
) -> tuple[ReplayBuffer, dict[str, torch.Tensor], torch.Generator]:
    """A buffer of ``steps`` steps after ``added`` ones, and all that was added, (added, N, ...). The first feature of an
    observation numbers its step, the second its environment; that of a next observation is 0.5 more."""
    generator = torch.Generator().manual_seed(seed)
    num_envs, index = len(task), torch.tensor(task)
    buffer = ReplayBuffer(steps * num_envs, index, 2, 1, "cpu", n_step, GAMMA)
    number = torch.arange(added).float().view(-1, 1).expand(-1, num_envs)
    env = torch.arange(num_envs).float().expand(added, -1)
    terminated = torch.rand(added, num_envs, generator=generator) < 0.2
    history = {
        "obs": torch.stack((number, env), 2),
        "actions": torch.rand(added, num_envs, 1, generator=generator),
        "rewards": torch.randn(added, num_envs, generator=generator),
        "next_obs": torch.stack((number + 0.5, env), 2),
        "terminated": terminated,
        "truncated": (torch.rand(added, num_envs, generator=generator) < 0.2) & ~terminated,
    }
    one_hot = torch.eye(max(task) + 1)[index]
    for t in range(added):
        row = {name: values[t] for name, values in history.items()}
        row |= {name: torch.cat((row[name], one_hot), 1) for name in ("obs", "next_obs")}
        buffer.add(**row)
    return buffer, history, generator


@settings(max_examples=60, deadline=None)
@given(
    task=st.lists(st.integers(0, 2), max_size=4).map(lambda extra: [2, 0, 1, *extra]),
    n_step=st.integers(1, 5),
    room=st.integers(1, 8),
    more=st.integers(1, 30),
    seed=st.integers(0, 10**6),
)
def test_what_is_sampled_was_stored_and_windows_end_with_the_episode(
    task: list[int], n_step: int, room: int, more: int, seed: int
) -> None:
    steps, added = n_step + room, n_step + more
    buffer, history, generator = fill(task, steps, added, n_step, seed)
    assert buffer.ready and len(buffer) == min(steps, added) * len(task)
    batch = buffer.sample(3 * 7 + 1, generator)
    assert batch.task.tolist() == [k for k in range(3) for _ in range(7)]
    for i in range(21):
        start, env = int(batch.obs[i, 0]), int(batch.obs[i, 1])
        assert task[env] == batch.task[i] and max(0, added - steps) <= start <= added - n_step
        total, discount, t = 0.0, 1.0, start
        while True:
            total += discount * float(history["rewards"][t, env])
            discount *= GAMMA
            if history["terminated"][t, env] or history["truncated"][t, env] or t == start + n_step - 1:
                break
            t += 1
        assert float(batch.rewards[i]) == pytest.approx(total, abs=1e-5)
        expected = 0.0 if history["terminated"][t, env] else discount
        assert float(batch.discount[i]) == pytest.approx(expected, rel=1e-5)
        assert batch.next_obs[i, :2].tolist() == [t + 0.5, env]
        assert torch.equal(batch.actions[i], history["actions"][start, env])
        one_hot = torch.eye(3)[batch.task[i]]
        assert torch.equal(batch.obs[i, 2:], one_hot) and torch.equal(batch.next_obs[i, 2:], one_hot)


def test_every_stored_window_is_drawn_equally_often() -> None:
    buffer, _, generator = fill([0, 1, 1], 6, 11, 3, 0)
    batch = buffer.sample(24_000, generator)
    starts, counts = batch.obs[batch.task == 1, 0].unique(return_counts=True)
    assert starts.tolist() == [5, 6, 7, 8]  # steps 5 to 10 are stored, three make a window
    assert (counts / 12_000 - 0.25).abs().max() < 0.02
    assert (batch.obs[batch.task == 1, 1] == 1).float().mean() == pytest.approx(0.5, abs=0.02)


def test_a_task_has_at_least_one_row() -> None:
    buffer, _, generator = fill([0, 1, 2], 4, 4, 1, 0)
    assert buffer.sample(1, generator).task.tolist() == [0, 1, 2]


def test_mean_absolute_reward_is_that_of_what_is_stored() -> None:
    buffer, history, _ = fill([1, 0, 1], 5, 13, 2, 0)
    rewards = history["rewards"][-5:].abs()
    expected = torch.stack((rewards[:, 1].mean(), rewards[:, [0, 2]].mean()))
    torch.testing.assert_close(buffer.mean_absolute_reward(), expected)
    buffer, history, _ = fill([1, 0, 1], 5, 3, 2, 0)
    torch.testing.assert_close(buffer.mean_absolute_reward()[0], history["rewards"][:, 1].abs().mean())


def test_its_size_is_what_it_says() -> None:
    buffer, *_ = fill([0, 1, 1], 7, 1, 2, 0)
    assert buffer.bytes == ReplayBuffer.size_in_bytes(7 * 3 + 2, 3, 2, 1) == 21 * (4 * (2 + 2 + 1 + 1) + 2)


def test_a_buffer_smaller_than_a_window_is_refused() -> None:
    with pytest.raises(UserError, match="nstep=4 needs at least 10"):
        ReplayBuffer(8, torch.tensor([0, 1]), 2, 1, "cpu", 4, GAMMA)
