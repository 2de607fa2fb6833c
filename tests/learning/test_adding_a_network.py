"""The network documented in docs/adding_a_network.md."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch
from omegaconf import OmegaConf

from mtbench.commands.launch import CFG
from mtbench.learning.networks import NETWORKS

PAGE = (CFG.parent / "docs" / "adding_a_network.md").read_text()


def test_the_documented_network_trains(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (settings,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.splitlines()) <= 30
    exec(compile(code, "film.py", "exec"), {})
    try:
        (tmp_path / "network").mkdir()
        (tmp_path / "network" / "film.yaml").write_text(settings)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning would say that its gradients need backward passes
            agent = make_agent(f"hydra.searchpath=[file://{tmp_path}]", "network=film", "max_iterations=1")
            before = {name: value.clone() for name, value in agent.model.named_parameters()}
            agent.train()
    finally:
        del NETWORKS["film"]
    side = OmegaConf.create(settings).actor
    assert agent.model.network.actor.head.in_features == side.units[-1]
    owned = agent.model.owned_parameters("critic")
    assert [tuple(parameter.shape) for parameter in owned[:1]] == [(4, 2 * side.units[-1])]
    assert all(not torch.equal(value, before[name]) for name, value in agent.model.named_parameters())


def test_the_page_lists_every_network() -> None:
    table = PAGE.partition("## What exists")[2]
    for path in (CFG / "network").glob("*.yaml"):
        assert f"`{path.stem}`" in table, path.stem
