"""Collecting graded trajectories: a policy, disturbed less and less from one trajectory of a task to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isaacgymenvs_tasks import benchmark
from mtbench.data.trajectories import Trajectories, Writer, check_new

#: (environment) -> actions (num_envs, actions) for its present state
Policy = Callable[[Any], Tensor]
QUALITIES = ("expert", "replay", "noisy")
BLOCK = 10  #: steps that a random block lasts
LEAST = 0.1  #: competence of the first trajectory where it rises
NOISE = 2.0  #: deviation of the noise at no competence


def competence(quality: str, n: int) -> Tensor:
    """Competence (n,) of a task's trajectories: 1 for ``expert``; for ``replay`` and ``noisy`` it rises evenly from
    :data:`LEAST` to 1, as in the replay buffer of something that learns."""
    return torch.ones(n) if quality == "expert" else torch.linspace(LEAST, 1.0, n)


class Disturbance:
    """Makes actions as bad as competence ``c`` says (Gaussian noise degrades tasks unevenly, random blocks evenly).

    ``replay``: at the start of every :data:`BLOCK` steps, with probability ``1 - c``, the actions until its end are drawn
    uniformly. ``noisy``: Gaussian noise of deviation ``2 (1 - c)`` is added, and the sum clipped.

    Args:
        quality: one of :data:`QUALITIES`; ``expert`` leaves actions as they are.
        seed: of what is drawn.
    """

    def __init__(self, quality: str, seed: int) -> None:
        if quality not in QUALITIES:
            raise ValueError(f"quality={quality} does not exist; choose one of: {', '.join(QUALITIES)}")
        self.quality = quality
        self.generator = torch.Generator().manual_seed(seed)
        self._random = torch.zeros(0, dtype=torch.bool)

    def __call__(self, actions: Tensor, competence: Tensor, step: int) -> Tensor:
        """Actions (n, actions) of rows of competence (n,), at the same ``step`` of their episodes."""
        if self.quality == "replay":
            if step % BLOCK == 0:
                self._random = torch.rand(len(actions), generator=self.generator) < 1.0 - competence
            drawn = 2.0 * torch.rand(actions.shape, generator=self.generator) - 1.0
            actions = torch.where(self._random[:, None], drawn, actions)
        elif self.quality == "noisy":
            noise = torch.randn(actions.shape, generator=self.generator)
            actions = actions + NOISE * (1.0 - competence[:, None]) * noise
        return actions.clamp(-1.0, 1.0)


def collect(
    make_env: Callable[[int, int], Any],
    make_policy: Callable[[Any], Policy],
    path: str | Path,
    *,
    n: int,
    quality: str = "replay",
    seed: int = 0,
    per_round: int = 20,
    about: dict[str, Any] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Trajectories:
    """Write ``n`` trajectories of every task to the folder ``path``.

    Environments of all tasks step together, ``per_round`` of a task at a time; trajectory j of a task is the j-th in order
    of competence.

    Args:
        make_env: (num_envs, seed) -> an environment sorted by task whose episodes begin at step 0 and all end together.
        make_policy: (environment) -> what is to be disturbed, with its memory empty.
        path: must not exist.
        n: trajectories of a task.
        quality: see :class:`Disturbance`.
        seed: of starts, goals and disturbances; round r has ``seed + r``.
        per_round: environments of a task.
        about: what ``dataset.json`` is to say besides.
        progress: told a line a round.

    Raises:
        ValueError: an unknown quality, or what :class:`~.trajectories.Writer` raises.
    """
    check_new(path)
    disturb = Disturbance(quality, seed)
    grade = competence(quality, n)
    per_round = min(per_round, n)
    env = make_env(per_round, seed)
    tasks, length, features = list(env.task_names), int(env.max_episode_length), int(env.num_obs) - env.num_tasks
    lengths = np.full((len(tasks), n), length)
    description = {"benchmark": benchmark(env), "quality": quality, "seed": seed, "episode_length": length}
    if reward := getattr(env, "reward", None):
        description["reward"] = reward
    description |= (about or {}) | {"per_round": per_round}
    writer = Writer(path, tasks, lengths, features, int(env.num_actions), description)
    shape = (len(tasks), n, length)
    arrays = [
        array.reshape(*shape, *array.shape[1:]) for array in (writer.observations, writer.actions, writer.rewards)
    ]
    table = writer.episodes.reshape(shape[:2])
    try:
        for number, first in enumerate(range(0, n, per_round)):
            if number:  # new goals and starts by a seed of their own, so that a trajectory can be found again
                env.generator.manual_seed(seed + number)
            count = min(per_round, n - first)
            _round(env, make_policy(env), disturb, grade[first : first + count], arrays, table, first, seed + number)
            done = table["success"][:, : first + count]
            progress(f"{first + count:6d} of {n} trajectories a task, success {100 * done.mean():5.1f} %")
        return writer.close()
    except BaseException:
        writer.discard()
        raise


@torch.no_grad()
def _round(
    env: Any, policy: Policy, disturb: Disturbance, grade: Tensor, arrays: list[Any], table: Any, first: int, seed: int
) -> None:
    """One episode in every environment; of each task the first ``len(grade)`` are kept, from trajectory ``first`` on."""
    tasks, count = len(env.task_names), len(grade)
    rows = slice(first, first + count)
    per_task = env.num_envs // tasks
    graded = torch.ones(per_task)
    graded[:count] = grade
    spread = graded.repeat(tasks)

    def kept(x: Tensor) -> Any:
        return x.detach().cpu().unflatten(0, (tasks, per_task))[:, :count].numpy()

    obs = env.reset()["obs"]
    goal = getattr(env, "goal", None)
    table["goal"][:, rows] = np.nan if goal is None else kept(goal)
    table["seed"][:, rows], table["competence"][:, rows] = seed, grade.numpy()
    table["row"][:, rows] = (np.arange(tasks) * per_task)[:, None] + np.arange(count)
    features = arrays[0].shape[-1]
    for step in range(env.max_episode_length):
        actions = disturb(policy(env).cpu(), spread, step).to(obs.device)
        arrays[0][:, rows, step], arrays[1][:, rows, step] = kept(obs[:, :features]), kept(actions)
        following, reward, _, extras = env.step(actions)
        obs = following["obs"]
        arrays[2][:, rows, step] = kept(reward)
    finished = extras["finished"]
    if not bool(finished["mask"].all()):
        raise ValueError(
            "some episodes ended before the others, and only such are recorded that all last to the end: those of tasks that "
            "do not terminate, with randomInitialProgress=false"
        )
    table["success"][:, rows], table["return"][:, rows] = kept(finished["success"]), kept(finished["return"])
