"""What the collector hands to the update."""

from typing import Any

import torch
from torch import Tensor

from mtbench.learning.agents.rollout import collect, compute_targets


def test_values_follow_each_step_within_its_episode(make_agent) -> None:  # type: ignore[no-untyped-def]
    """Next values: V of the next row, V of the final observation at a time-out, 0 where the task terminated."""
    agent = make_agent("schedule.horizon_length=80", "train.params.config.tau=0.0")
    seen: list[dict[str, torch.Tensor]] = []
    obs = agent.vec_env.reset()["obs"]

    def step(actions: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        following = agent.step(actions)
        seen.append(following[3])
        return following

    rollout, last = collect(step, agent.act, agent.model, obs, agent.task_index, 80)
    targets = compute_targets(rollout, agent.model, 4, agent.gamma, 0.0, update_statistics=False)

    def value(observation: torch.Tensor) -> torch.Tensor:
        return agent.model.values(agent.model.normalize_obs(observation, agent.task_index), agent.task_index)

    kinds = set()
    rows = rollout.obs.view(80, 30, -1)
    for t in range(80):
        following = value(rows[t + 1] if t < 79 else last)
        time_outs, dones = seen[t]["time_outs"], rollout.dones[t]
        following = torch.where(dones, torch.where(time_outs, value(seen[t]["final_obs"]), 0.0), following)
        kinds |= {(bool(d), bool(o)) for d, o in zip(dones, time_outs, strict=True)}
        expected = rollout.rewards[t] + agent.gamma * following - value(rows[t])
        torch.testing.assert_close(targets.advantages.view(80, 30)[t], expected, rtol=1e-4, atol=1e-4)
    assert kinds == {(False, False), (True, True), (True, False)}, "the toy must show time-outs and terminations"


def test_first_minibatch_has_ratio_one(make_agent) -> None:  # type: ignore[no-untyped-def]
    agent = make_agent()
    agent.obs = agent.vec_env.reset()["obs"]
    agent.train_epoch()  # so that the normalizers are in use
    rollout, _ = collect(agent.step, agent.act, agent.model, agent.obs, agent.task_index, 16)
    targets = compute_targets(rollout, agent.model, 4, 0.99, 0.97, update_statistics=True)
    rows = next(agent.minibatches.passes(agent.generators["minibatches"]))
    scalars = agent.update(rollout, targets, rows)
    assert scalars["info/kl"].abs() < 1e-6
    assert scalars["info/clip_fraction"] == 0
