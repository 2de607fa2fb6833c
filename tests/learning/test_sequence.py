"""The transformer sees what it may and nothing else, masks are K networks, and acting is acting on the whole window."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from mtbench.data.windows import Windows
from mtbench.learning.agents.gradients import PerTaskTape
from mtbench.learning.networks.masked import MaskedLinear, get_masks, masked_layers, put_masks, set_masking
from mtbench.learning.networks.sequence import DecisionTransformer
from mtbench.learning.networks.sequence_model import SequenceModel

K, F, A, C, L = 3, 4, 2, 5, 2
SIZES = {"width": 16, "layers": 2, "heads": 2, "max_steps": 12, "returns": True, "dropout": 0.0}


def windows(batch: int, length: int, features: int = F, seed: int = 0) -> Windows:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(batch, length, *shape, generator=generator)  # noqa: E731
    steps = torch.arange(length).expand(batch, length)
    return Windows(draw(), draw(features), draw(A), steps, torch.ones(batch, length, dtype=torch.bool))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def loud(network: nn.Module) -> Any:
    """Weights so large that every input shows in the output."""
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)
    return network


def test_an_action_depends_on_the_past_and_on_nothing_else() -> None:
    network = loud(DecisionTransformer(F, A, prompt=L, **SIZES))
    past, prompt = windows(1, C), windows(1, L, seed=1)
    before = network(past, prompt)
    for name in ("returns", "features", "actions"):
        for t in range(C):
            changed = getattr(past, name).clone()
            changed[:, t] += 1.0
            moved = ((network(past._replace(**{name: changed}), prompt) - before).abs().amax(-1) > 1e-6)[0]
            first = t + 1 if name == "actions" else t  # an action is seen from the next state on
            assert moved.tolist() == [False] * min(first, C) + [True] * (C - first), (name, t)


def test_prompts_are_seen_in_their_order_and_by_their_own_embedding() -> None:
    network = loud(DecisionTransformer(F, A, prompt=L, **SIZES))
    past, prompt = windows(2, C), windows(2, L, seed=1)
    before = network(past, prompt)
    turned = Windows(*(part.flip(1) for part in prompt))
    assert not torch.allclose(network(past, turned), before)
    assert not torch.allclose(network(past, windows(2, L, seed=2)), before)
    network.prompt.states.weight.data *= -1.0
    assert not torch.allclose(network(past, prompt), before)


@pytest.mark.parametrize("padding", [1, 4])
def test_padding_is_never_attended(padding: int) -> None:
    network = loud(DecisionTransformer(F, A, **SIZES))
    past = windows(2, C)
    past.valid[:, :padding] = False
    before = network(past)
    noise = windows(2, C, seed=5)
    changed = Windows(
        *(torch.where(past.valid.view(2, C, *[1] * (x.ndim - 2)), x, y) for x, y in zip(past, noise, strict=True))
    )
    after = network(changed._replace(valid=past.valid))
    assert torch.equal(after[:, padding:], before[:, padding:]) and after.isfinite().all()
    short = network(Windows(*(part[:, padding:] for part in past)))
    assert torch.allclose(short, before[:, padding:], atol=1e-6)


def test_rows_of_nothing_but_padding_give_numbers() -> None:
    past = windows(2, C)
    past.valid[:] = False
    network = DecisionTransformer(F, A, **SIZES)
    out = network(past)
    out.sum().backward()
    assert out.isfinite().all() and all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def masked_transformer() -> DecisionTransformer:
    network = loud(DecisionTransformer(F, A, linear=lambda i, o: MaskedLinear(K, i, o), **SIZES))
    shape = get_masks(network).shape
    put_masks(network, torch.rand(shape) < 0.6)
    return network


def test_masks_are_k_networks() -> None:
    network, past = masked_transformer(), windows(2 * K, C)
    out = network(past)
    for k in range(K):
        own = DecisionTransformer(F, A, **SIZES)
        state = {name: value.clone() for name, value in network.state_dict().items() if not name.endswith("masks")}
        for name, module in network.named_modules():
            if isinstance(module, MaskedLinear):
                state[f"{name}.weight"] *= module.masks[k]
        own.load_state_dict(state)
        rows = slice(2 * k, 2 * k + 2)
        assert torch.allclose(own(Windows(*(part[rows] for part in past))), out[rows], atol=1e-5)
    set_masking(network, False)
    plain = DecisionTransformer(F, A, **SIZES)
    plain.load_state_dict({n: v for n, v in network.state_dict().items() if not n.endswith("masks")})
    assert torch.allclose(network(past), plain(past), atol=1e-6)


def test_what_a_mask_leaves_out_does_not_matter_to_its_task() -> None:
    network, past = masked_transformer(), windows(2 * K, C)
    before = network(past)
    with torch.no_grad():
        for layer in masked_layers(network):
            layer.weight += 3.0 * ~layer.masks[1]
    after = network(past)
    assert torch.equal(after[2:4], before[2:4])
    assert not torch.allclose(after[:2], before[:2]) and not torch.allclose(after[4:], before[4:])


@pytest.mark.parametrize("masking", [True, False])
@pytest.mark.filterwarnings("error:per-task gradients")
def test_the_tape_has_every_gradient_of_the_transformer(masking: bool) -> None:
    linear = lambda i, o: MaskedLinear(K, i, o)  # noqa: E731
    network = loud(DecisionTransformer(F, A, linear=linear, prompt=L, **SIZES)).double()
    put_masks(network, torch.rand(get_masks(network).shape) < 0.6)
    set_masking(network, masking)
    past, prompt = (
        Windows(*(p.double() if p.is_floating_point() else p for p in w))
        for w in (windows(2 * K, C), windows(2 * K, L, seed=1))
    )
    tape = PerTaskTape(network)

    def losses() -> torch.Tensor:
        return (network(past, prompt) - past.actions).square().unflatten(0, (K, -1)).flatten(1).mean(1)

    with tape:
        taped = losses()
    gradients, _ = tape.gradients(taped)
    for k, loss in enumerate(losses()):
        exact = torch.autograd.grad(loss, tape.parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        assert torch.allclose(gradients[k], torch.cat([g.flatten() for g in exact]), atol=1e-12)


def model(masked: bool = False, **settings: Any) -> SequenceModel:
    network = {**SIZES, "context": C, "prompt": L, "task_id": False, "return_scale": 10.0, "masked": masked, **settings}
    made = SequenceModel(F + K, K, A, network, "none")
    loud(made.network)
    made.target.copy_(torch.tensor([5.0, 6.0, 7.0]))
    made.set_prompts(windows(K, L, seed=3))
    if masked:
        put_masks(made.network, torch.rand(get_masks(made.network).shape) < 0.6)
    return made


@pytest.mark.parametrize("masked", [False, True])
def test_acting_step_by_step_is_acting_on_the_whole_window(masked: bool) -> None:
    policy = model(masked)
    task = torch.tensor([0, 1, 1, 1, 2])  # unequal counts
    n, generator = len(task), torch.Generator().manual_seed(7)
    begun = torch.ones(n, dtype=torch.bool)
    rewards = torch.zeros(n)
    episodes: list[list[Any]] = [[] for _ in range(n)]
    one_hot = torch.nn.functional.one_hot(task, K).float()
    for t in range(11):
        policy.observe(rewards, begun)
        features = torch.randn(n, F, generator=generator)
        actions = policy.act(torch.cat((features, one_hot), 1), task)
        for i in range(n):
            if begun[i]:
                episodes[i] = []
            earned = sum(step[2] for step in episodes[i])
            wanted = float(policy.target[task[i]]) - earned
            episodes[i].append([features[i], actions[i], None, wanted])
            last = episodes[i][-C:]
            first = len(episodes[i]) - len(last)
            acts = torch.stack([step[1] for step in last]).clone()
            acts[-1] = 0.0
            whole = Windows(
                torch.tensor([[step[3] for step in last]]),
                torch.stack([step[0] for step in last])[None],
                acts[None],
                torch.arange(first, first + len(last))[None],
                torch.ones(1, len(last), dtype=torch.bool),
            )
            rows = K if masked else 1  # with masks, the row of its task among K equal ones
            repeated = Windows(*(part.expand(rows, *part.shape[1:]) for part in whole))
            ids = torch.arange(K) if masked else task[i : i + 1]
            prompt = Windows(*(part[ids] for part in policy.prompt))
            out = policy(repeated, prompt, ids)[int(task[i]) if masked else 0, -1]
            assert torch.allclose(out, actions[i], atol=1e-5), (t, i)
        rewards = torch.rand(n, generator=generator)
        for i in range(n):
            episodes[i][-1][2] = float(rewards[i])
        begun = torch.tensor([t == 3, False, t == 6, False, False])


def test_a_row_that_begins_anew_forgets() -> None:
    one, other = model(), model()
    other.load_state_dict(one.state_dict())
    task, obs = torch.tensor([0, 2]), torch.randn(2, F + K)
    obs[:, F:] = torch.nn.functional.one_hot(task, K).float()
    for _ in range(4):
        one.observe(torch.rand(2), torch.zeros(2, dtype=torch.bool))
        one.act(torch.randn(2, F + K), task)
    one.observe(torch.ones(2), torch.tensor([True, False]))
    remembered, fresh = one.act(obs, task), other.act(obs, task)
    assert torch.equal(remembered[0], fresh[0]) and not torch.allclose(remembered[1], fresh[1])


def test_without_returns_to_go_the_wanted_return_does_not_matter() -> None:
    policy, task = model(returns=False), torch.tensor([0, 1])
    obs = torch.randn(2, F + K)
    before = policy.act(obs, task)
    policy.target += 100.0
    policy.observe(torch.zeros(2), torch.ones(2, dtype=torch.bool))
    assert torch.equal(policy.act(obs, task), before)
