"""The architectures: what each computes, against explicit loops, and how it starts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from mtbench.learning.errors import UserError
from mtbench.learning.networks import Shape, make_network
from mtbench.learning.networks.base import project
from mtbench.learning.networks.care import CARE
from mtbench.learning.networks.layers import ExpertLayerNorm, ExpertLinear, TaskHeads, hidden_layers
from mtbench.learning.networks.moore import MOORE, orthonormalize
from mtbench.learning.networks.paco import PaCo
from mtbench.learning.networks.soft_modularization import SoftModularization
from tests.learning.architectures import ACTIONS, FEATURES, TASKS, VARIANTS, build

K = len(TASKS)
TASK = torch.tensor([2, 0, 0, 4, 1, 3, 3, 3, 2, 1, 0])  # in any order, unequal numbers


def rows(task: torch.Tensor = TASK) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.cat((torch.randn(len(task), FEATURES), F.one_hot(task, K)), dim=1).double()


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_in_any_order_do_not_see_each_other(variant: str, layer_norm: bool, tmp_path: Path) -> None:
    network = build(variant, tmp_path, layer_norm).double()
    inputs = rows()
    for side, outputs in ((network.actor, ACTIONS), (network.critic, 1)):
        whole = side(inputs)
        assert whole.shape == (len(inputs), outputs)
        torch.testing.assert_close(torch.cat([side(row) for row in inputs.split(1)]), whole)


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if v in ("multihead", "embedding", "moore-m", "care-m", "paco")]
)
def test_a_task_does_not_depend_on_what_others_own(variant: str, tmp_path: Path) -> None:
    network = build(variant, tmp_path).double()
    inputs, mine = rows(), TASK == 3
    before = network.critic(inputs)
    owned = network.owned_parameters("critic")
    assert owned and all(parameter.shape[0] == K for parameter in owned)
    with torch.no_grad():
        for parameter in owned:
            parameter[torch.arange(K) != 3] += torch.randn_like(parameter[torch.arange(K) != 3])
    after = network.critic(inputs)
    assert torch.equal(after[mine], before[mine])
    assert not (after[~mine] == before[~mine]).any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_actions_start_near_zero_and_values_do_not(variant: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(variant, tmp_path).double()
    inputs = rows()
    if variant != "simbav2":  # whose last rows have length one as well: the mean starts around 1 / sqrt(width)
        assert network.actor(inputs).abs().max() < 0.05
    assert network.critic(inputs).std() > 0.005
    assert network.log_std.shape == (K, ACTIONS)
    assert network.owned_parameters("actor")[0] is network.log_std


@pytest.mark.parametrize("experts", [0, 4])
def test_layers_keep_the_scale_of_what_passes_through(experts: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(512, 300)
    for layer in hidden_layers(300, [300, 300, 300], "relu", experts=experts):
        x = layer(x)
        if isinstance(layer, ExpertLinear | nn.Linear):
            # He: before each ReLU a second moment of 2, for every expert
            assert ((x.square().mean(0).mean(-1) - 2.0).abs() < 0.5).all()
            assert not layer.bias.any()


def test_experts_start_different() -> None:
    for module in (ExpertLinear(5, 10, 8), TaskHeads(5, 10, 8)):
        distance = torch.cdist(module.weight.flatten(1), module.weight.flatten(1))
        assert (distance + torch.eye(5) > 0.5).all()


def test_parameter_sets_start_different_and_average_to_he_variance() -> None:
    torch.manual_seed(0)
    network = PaCo(Shape(FEATURES, K, 1), sets=20, layers=3, width=200, activation="relu")
    weights = torch.softmax(network.compositions.weight, 1)
    composed = torch.einsum("ks,sio->kio", weights, network.layers[1].weight)
    assert composed.var().item() == pytest.approx(2.0 / 200, rel=0.1)
    assert torch.pdist(network.layers[1].weight.flatten(1)).min() > 1.0


@pytest.mark.parametrize("bias", [False, True])
def test_expert_linear_is_a_linear_each(bias: bool) -> None:
    layer = ExpertLinear(3, 4, 5, bias).double()
    if bias:
        nn.init.normal_(layer.bias)
    common, each = torch.randn(7, 4, dtype=torch.float64), torch.randn(7, 3, 4, dtype=torch.float64)
    for e in range(3):
        b = layer.bias[e, 0] if bias else None
        torch.testing.assert_close(layer(common)[:, e], F.linear(common, layer.weight[e].T, b))
        torch.testing.assert_close(layer(each)[:, e], F.linear(each[:, e], layer.weight[e].T, b))


def test_expert_layer_norm_is_a_layer_norm_each() -> None:
    layer = ExpertLayerNorm(3, 4).double()
    nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    x = torch.randn(7, 3, 4, dtype=torch.float64)
    for e in range(3):
        torch.testing.assert_close(layer(x)[:, e], F.layer_norm(x[:, e], (4,), layer.weight[e], layer.bias[e]))


def test_heads_are_a_linear_each() -> None:
    heads = TaskHeads(K, 4, 3).double()
    hidden = torch.randn(len(TASK), 4, dtype=torch.float64)
    out = heads(hidden, F.one_hot(TASK, K).double())
    for row, task in enumerate(TASK):
        torch.testing.assert_close(out[row], hidden[row] @ heads.weight[task] + heads.bias[task])


def test_paco_is_an_mlp_of_composed_parameters_for_every_row(tmp_path: Path) -> None:
    network = build("paco", tmp_path).critic.double()
    inputs = rows()
    out = network(inputs)
    for row, task in enumerate(TASK):
        w = torch.softmax(network.compositions.weight[task], 0)
        x = inputs[row, :FEATURES]
        for layer in [*network.layers, network.head]:
            weight = sum(w[s] * layer.weight[s] for s in range(len(w)))
            bias = sum(w[s] * layer.bias[s, 0] for s in range(len(w)))
            x = x @ weight + bias
            x = x if layer is network.head else x.relu()
        torch.testing.assert_close(out[row], x)


def gram_schmidt(x: torch.Tensor) -> torch.Tensor:
    basis: list[torch.Tensor] = []
    for v in x:
        for q in basis:
            v = v - (v @ q) * q
        basis.append(v / v.norm())
    return torch.stack(basis)


@given(seed=st.integers(0, 10**6), experts=st.integers(1, 6), log_scale=st.floats(-3, 3), angle=st.floats(1e-3, 1.0))
@settings(max_examples=50, deadline=None)
def test_representations_are_orthonormal(seed: int, experts: int, log_scale: float, angle: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, experts, 12, generator=generator, dtype=torch.float64)
    x = 10.0**log_scale * (x[:, :1] + angle * x)  # the smaller the angle, the more alike the experts
    out = orthonormalize(x)
    torch.testing.assert_close(
        out @ out.transpose(1, 2), torch.eye(experts).double().expand(4, -1, -1), rtol=0, atol=1e-6
    )
    for row in range(4):
        torch.testing.assert_close(out[row], gram_schmidt(x[row]), rtol=0, atol=1e-6)


def test_a_spanned_or_silent_representation_gives_zero_and_finite_gradients() -> None:
    x = torch.randn(2, 3, 12)
    x[0, 2] = x[0, 0] - 2.0 * x[0, 1]
    x[1, 1] = 0.0
    x.requires_grad_()
    out = orthonormalize(x)
    assert out[0, 2].norm() < 0.5 and out[1, 1].norm() == 0
    assert torch.isfinite(torch.autograd.grad(out.sum(), x)[0]).all()


def test_moore_weighs_orthonormal_representations(tmp_path: Path) -> None:
    network = build("moore", tmp_path).critic.double()
    assert isinstance(network, MOORE)
    inputs = rows()
    weights = network.task_encoder(inputs[:, FEATURES:])
    representations = network.experts(inputs[:, :FEATURES])
    out = network(inputs)
    for row in range(len(TASK)):
        hidden = torch.tanh(weights[row] @ gram_schmidt(representations[row]))
        torch.testing.assert_close(out[row], network.head(torch.cat((hidden, inputs[row, FEATURES:]))))


def test_routings_are_means_and_depend_on_task_and_observation(tmp_path: Path) -> None:
    network = build("soft_modularization", tmp_path).critic.double()
    assert isinstance(network, SoftModularization)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    inputs = rows()
    routings = network.routings(inputs)
    assert len(routings) == 3
    other = inputs.clone()
    other[:, FEATURES:] = inputs[:, FEATURES:].roll(1, 1)
    for routing, changed in zip(routings, network.routings(other), strict=True):
        assert routing.shape == (len(TASK), 2, 2) and (routing > 0).all()
        torch.testing.assert_close(routing.sum(2), torch.ones(len(TASK), 2).double())
        assert not torch.isclose(routing, changed).all(2).any()


def test_soft_modularization_routes_the_state_code(tmp_path: Path) -> None:
    network = build("soft_modularization", tmp_path).critic.double()
    inputs = rows()
    routings = network.routings(inputs)
    out = network(inputs)
    for row in range(len(TASK)):
        code = network.state_encoder(inputs[row, :FEATURES])
        modules = [code, code]
        for layer, routing in zip(network.layers, routings, strict=True):
            weight, bias = layer[0].weight, layer[0].bias
            sent = [(modules[j] @ weight[j] + bias[j, 0]).relu() for j in range(2)]
            modules = [sum(routing[row, i, j] * sent[j] for j in range(2)) for i in range(2)]
        head = network.head
        torch.testing.assert_close(out[row], sum(modules[j] @ head.weight[j] + head.bias[j, 0] for j in range(2)))


def test_care_attends_by_the_context(tmp_path: Path) -> None:
    network = build("care", tmp_path).critic.double()
    assert isinstance(network, CARE)
    inputs = rows()
    out = network(inputs)
    for row, task in enumerate(TASK):
        context = network.context.layers(network.context.tasks[task])
        each = network.experts(inputs[row : row + 1, :FEATURES])[0]
        attention = torch.softmax(torch.stack([context @ expert for expert in each]), 0)
        attended = network.attended(sum(a * expert for a, expert in zip(attention, each, strict=True)))
        torch.testing.assert_close(out[row], network.head(network.trunk(torch.cat((attended, context)))))


def test_care_needs_a_description_of_every_task(tmp_path: Path) -> None:
    name, side = VARIANTS["care"]
    shape = {"num_inputs": FEATURES + 1, "num_tasks": 1, "num_actions": 1}
    known = {**side, "embeddings": "assets/metaworld/task_embeddings.npz"}
    make_network(name, actor={**known, "tasks": ["reach"]}, critic={**known, "tasks": ["reach"]}, **shape)
    with pytest.raises(UserError, match=r"none of 'reech' \(nearest: reach\)"):
        make_network(name, actor={**known, "tasks": ["reech"]}, critic=known, **shape)
    with pytest.raises(UserError, match=r"no file of task embeddings 'nowhere\.npz'"):
        make_network(name, actor={**side, "tasks": ["reach"], "embeddings": "nowhere.npz"}, critic=known, **shape)


def test_every_metaworld_task_has_an_embedding_of_its_present_description() -> None:
    from isaacgymenvs_tasks.metaworld.scenes import TASKS as METAWORLD
    from mtbench.learning.networks.care import load_embeddings
    from mtbench.resources import locate

    path = "assets/metaworld/task_embeddings.npz"
    with np.load(locate(path)) as data:
        described = dict(zip(data["names"].tolist(), data["sentences"].tolist(), strict=True))
    assert {name: described[name] for name in METAWORLD} == {name: spec.description for name, spec in METAWORLD.items()}
    vectors = load_embeddings(path, list(METAWORLD))
    torch.testing.assert_close(vectors.square().mean(1), torch.ones(50))
    similarity = F.normalize(vectors, dim=1) @ F.normalize(vectors, dim=1).T
    names = list(METAWORLD)
    drawers = similarity[names.index("drawer_open"), names.index("drawer_close")]
    assert drawers > similarity[names.index("drawer_open"), names.index("soccer")]
    assert (similarity - torch.eye(50)).max() < 0.995, "no two tasks have the same embedding"


def test_unknown_and_missing_settings_say_what_an_architecture_takes() -> None:
    shape = {"num_inputs": 5, "num_tasks": 2, "num_actions": 2}
    side = {"sets": 2, "layers": 1, "width": 4, "activation": "relu"}
    with pytest.raises(UserError, match=r"'critic\.widht' \(nearest: width\); critic takes: sets, layers, width"):
        make_network("paco", actor=side, critic={**side, "widht": 5}, **shape)
    with pytest.raises(UserError, match=r"actor\.width is missing; it must be a whole number"):
        make_network("paco", actor={"sets": 2, "layers": 1}, critic=side, **shape)
    with pytest.raises(UserError, match=r"activation=rellu must be .*\(nearest: relu\)"):
        make_network("paco", actor={**side, "activation": "rellu"}, critic=side, **shape)


def test_simbav2_keeps_features_and_weights_on_the_sphere(tmp_path: Path) -> None:
    network = build("simbav2", tmp_path).double()
    inputs = rows()

    def lengths() -> torch.Tensor:
        linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
        return torch.cat([linear.weight.norm(dim=1) for linear in linears])

    torch.testing.assert_close(lengths(), torch.ones_like(lengths()))
    features = network.critic.embedding(F.normalize(F.pad(inputs, (0, 1), value=3.0), dim=1))
    for block in network.critic.blocks:
        target = block.mlp(features)
        share = block.share.factor * block.share.weight
        torch.testing.assert_close(share, torch.full_like(share, 1.0 / 3.0))  # 2 blocks
        moved = features + share * (target - features)
        features = block(features)
        torch.testing.assert_close(features, moved / moved.norm(dim=1, keepdim=True))
        torch.testing.assert_close(features.norm(dim=1), torch.ones(len(inputs)).double())
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    network.critic(inputs).sum().backward()
    optimizer.step()
    assert (lengths() - 1.0).abs().max() > 0.01
    project(network)
    torch.testing.assert_close(lengths(), torch.ones_like(lengths()))


def test_simbav2_refuses_a_layer_norm() -> None:
    side = {"width": 8, "blocks": 1}
    with pytest.raises(UserError, match=r"critic\.layer_norm=false"):
        make_network(
            "simbav2", actor=side, critic={**side, "layer_norm": True}, num_inputs=5, num_tasks=2, num_actions=2
        )
