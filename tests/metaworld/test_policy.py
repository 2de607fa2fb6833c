"""The committed policy of MT10, ``assets/mt10``, still does what its run recorded.

It fails when the tasks, the control, the observations or the loading of a policy change under it. Then train again and
replace it: ``mtbench.learning.agents.checkpoint.save_policy`` writes ``nn/policy.pth``; ``config.yaml`` and
``evaluation.csv`` are its run's.
"""

from __future__ import annotations

from pathlib import Path

import pandas

import isaacgymenvs_tasks
from mtbench.learning.evaluate import Evaluator
from mtbench.learning.player import load_policy

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "mt10"
EPISODES = 10


def test_the_policy_solves_what_its_run_recorded() -> None:
    """80 % of it at least, with goals that it has not been evaluated on."""
    recorded = pandas.read_csv(FOLDER / "evaluation.csv").set_index("task")["success"]
    names, model = load_policy(str(FOLDER / "nn" / "policy.pth"))
    assert names == list(recorded.index)

    def make_env(num_envs: int) -> object:
        return isaacgymenvs_tasks.make("MT10", num_envs, seed=11, **{"task.env.randomInitialProgress": False})

    result = Evaluator(make_env, len(names), EPISODES, max_steps=150)(model)
    assert result.mean_success >= 0.8 * recorded.mean(), result.table()
    never = [name for name, share in zip(names, result.success, strict=True) if share == 0.0 and recorded[name] > 0.6]
    assert not never, result.table()


def test_the_policy_is_light() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"config.yaml", "evaluation.csv", "policy.pth"}
    assert sum(path.stat().st_size for path in files) < 4e6
