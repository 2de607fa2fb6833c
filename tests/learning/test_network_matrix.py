"""Every architecture with every kind of gradient scheme, as a run from the command line would build it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.learning.architectures import write_embeddings

SMALL = {
    "multihead": ["actor.units=[16,16]", "critic.units=[16,16]"],
    "asymmetric": ["actor.task_embedding=4", "actor.units=[16]", "critic.multi_head=true", "critic.units=[32]"],
    "moore": ["actor.width=16", "critic.width=16"],
    "care": ["actor.units=[16]", "critic.units=[16]", "critic.multi_head=true"],
    "paco": ["actor.width=16", "critic.width=16"],
    "soft_modularization": ["actor.width=16", "critic.width=16", "actor.layers=2"],
    "simbav2": ["actor.width=16", "critic.width=16", "critic.layer_norm=false"],
    "bro": ["actor.width=16", "critic.width=16"],
    "residual_mlp": ["actor.width=16", "critic.width=16"],
}


@pytest.mark.parametrize("scheme", ["MTPPO", "TOPPO"])
@pytest.mark.parametrize("network", SMALL)
def test_trains(make_agent, network: str, scheme: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    overrides = [f"network={network}", f"train={scheme}", "max_iterations=1", *SMALL[network]]
    if network == "care":
        path = write_embeddings(tmp_path, ["near", "far", "left", "right"])
        overrides += [f"actor.embeddings={path}", f"critic.embeddings={path}"]
    agent = make_agent(*overrides)
    before = {name: value.clone() for name, value in agent.model.named_parameters() if value.requires_grad}
    agent.train()
    after = dict(agent.model.named_parameters())
    for name, value in before.items():
        assert torch.isfinite(after[name]).all(), name
        assert not torch.equal(after[name], value), f"{name} was not trained"


def test_a_run_with_owned_parameters_continues_exactly(make_agent, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    options = ["network=paco", "train=TOPPO", *SMALL["paco"]]
    whole = make_agent(*options, "max_iterations=3", name="whole")
    whole.train()
    make_agent(*options, "max_iterations=1", name="parts").train()
    second = make_agent(*options, "max_iterations=3", name="parts")
    second.restore(str(tmp_path / "parts" / "nn" / "last.pth"))
    second.train()
    first, again = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
