"""The agent on real physics: a run continues exactly from its checkpoint, and survives a state that is not finite."""

from __future__ import annotations

import pytest
import torch

from mtbench.learning.errors import UserError
from mtbench.sim import gymtorch

TASK = [
    "task=metaworld",
    "task.factory=isaacgymenvs_tasks:make",
    "task.env.tasks=[reach,drawer_open]",
    "task.env.episodeLength=12",
    "train=TOPPO",
    "num_envs=6",
    "schedule.num_minibatches=2",
]


def test_an_interrupted_run_ends_as_an_uninterrupted_one(make_agent) -> None:
    whole = make_agent(*TASK, "max_iterations=3", name="whole")
    whole.train()
    part = make_agent(*TASK, "max_iterations=2", name="part")
    part.train()
    again = make_agent(*TASK, "max_iterations=3", name="part")
    again.restore(str(part.nn_dir / "last.pth"))
    again.train()
    assert again.frame == whole.frame == 3 * 6 * 16
    for (name, expected), value in zip(
        whole.model.state_dict().items(), again.model.state_dict().values(), strict=True
    ):
        assert torch.equal(expected, value), name
    assert torch.equal(whole.obs, again.obs)


def test_a_diverged_state_is_reset_counted_and_shown(make_agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent = make_agent(*TASK, "max_iterations=2")
    env = agent.vec_env.env
    step, count = env.step, iter(range(10**6))

    def poisoned(actions: torch.Tensor):
        if next(count) == 5:
            states = env.dof_states.clone()
            states[0, 1] = float("nan")  # a joint velocity of the first environment's robot
            first = gymtorch.unwrap_tensor(torch.zeros(1, dtype=torch.int32))
            env.gym.set_dof_state_tensor_indexed(env.sim, gymtorch.unwrap_tensor(states), first, 1)
        return step(actions)

    env.step = poisoned
    agent.train()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 2 and all(line.endswith("diverged and reset: 1") for line in lines)
    assert agent.frame == 2 * 6 * 16
    assert all(torch.isfinite(p).all() for p in agent.model.state_dict().values())


def test_tasks_of_different_sizes_train_and_resume_exactly(make_agent, capsys: pytest.CaptureFixture[str]) -> None:
    mix = [*TASK, "num_envs=8", "task_counts=[6,2]"]
    whole = make_agent(*mix, "max_iterations=3", name="whole")
    assert whole.task_counts == [6, 2]
    whole.train()
    assert "environments: reach 6, drawer_open 2" in capsys.readouterr().out
    part = make_agent(*mix, "max_iterations=2", name="part")
    part.train()
    again = make_agent(*mix, "max_iterations=3", name="part")
    again.restore(str(part.nn_dir / "last.pth"))
    again.train()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    other = make_agent(*TASK, "num_envs=8", "task_counts=[5,3]", name="other")
    with pytest.raises(UserError, match=r"task_counts=\[6, 2\]"):
        other.restore(str(part.nn_dir / "last.pth"))


@pytest.mark.parametrize("reward", ["v1", "sparse"])
def test_other_rewards_train(make_agent, reward: str) -> None:
    agent = make_agent(*TASK, f"reward={reward}", "max_iterations=2")
    assert agent.vec_env.env.reward == reward
    agent.train()
    assert agent.frame == 2 * 6 * 16
    assert all(torch.isfinite(p).all() for p in agent.model.state_dict().values())
