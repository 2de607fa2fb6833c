"""What every weighting of the Gram matrix promises, and those of TorchJD against TorchJD."""

from typing import Any

import numpy as np
import pytest
import torch
import torchjd.aggregation as theirs
from hypothesis import given, settings

from mtbench.learning.balancing import NashMTL, make_weighting
from mtbench.learning.balancing.torchjd import NAMES
from mtbench.learning.errors import UserError
from tests.balancing.problems import GRAMIAN, KINDS, PARAMETERS, gradient_matrices, gradients_of, gram_of, scheme

LEAVES_THE_CONE = {
    "imtl_g": "solves G w = norms without a sign constraint",
    "aligned_mtl": "its weights are G^(-1/2) 1, whose entries may have any sign",
}
ORDER_MATTERS = {
    "pcgrad": "draws an order of tasks",
    "gradvac": "draws an order of tasks",
    "random": "draws the weights",
    "pcd": "the first task is the primary one",
}
IN_THE_CONE = [name for name in GRAMIAN if name not in LEAVES_THE_CONE]


def check_cone(name: str, gradients: np.ndarray) -> None:
    weights = scheme(name)(gram_of(gradients)).numpy()
    # Weights count by what they weigh: a solver's last digits on a gradient of norm 1e-8 are nothing.
    shares = weights * np.linalg.norm(gradients, axis=1)
    assert np.isfinite(shares).all(), name
    assert shares.min() >= -1e-9 * np.abs(shares).max(), name


@given(gradient_matrices(least=4))
@settings(max_examples=40, deadline=None)
def test_directions_lie_in_the_cone_of_the_task_gradients(gradients: np.ndarray) -> None:
    """TOPPO paper, Theorem C.1: a combination with weights of at least 0."""
    for name in IN_THE_CONE:
        check_cone(name, gradients)


@given(gradient_matrices(singular=True, least=4))
@settings(max_examples=40, deadline=None)
def test_directions_lie_in_the_cone_of_dependent_gradients_too(gradients: np.ndarray) -> None:
    for name in IN_THE_CONE:
        check_cone(name, gradients)


@pytest.mark.parametrize("name", sorted(LEAVES_THE_CONE))
def test_the_excluded_do_leave_the_cone(name: str) -> None:
    gradients = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 3.0, 0.1]])
    assert scheme(name)(gram_of(gradients)).min() < -0.01


@pytest.mark.parametrize("name", [name for name in GRAMIAN if name not in ORDER_MATTERS])
@pytest.mark.parametrize("kind", KINDS)
def test_reordering_tasks_reorders_weights(name: str, kind: str) -> None:
    gradients = gradients_of(kind, 8, 3)
    order = np.random.default_rng(0).permutation(8)
    weights, reordered = scheme(name)(gram_of(gradients)).numpy(), scheme(name)(gram_of(gradients[order])).numpy()
    sizes = np.linalg.norm(gradients, axis=1)
    tolerance = 1e-5 * (weights * sizes).max()
    np.testing.assert_allclose(reordered * sizes[order], (weights * sizes)[order], atol=tolerance)


# --- TorchJD ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("kind", KINDS)
def test_the_adapter_hands_on_what_torchjd_says(name: str, kind: str) -> None:
    matrix = gram_of(gradients_of(kind, 6, 0))
    weighting = scheme(name, seed=5)
    generator = torch.Generator().manual_seed(5)
    reference = getattr(theirs, f"{NAMES[name]}Weighting")(**PARAMETERS.get(name, {}))
    for _ in range(2):  # some remember
        before = torch.get_rng_state()
        weights = weighting(matrix)
        assert torch.equal(before, torch.get_rng_state())
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        torch.testing.assert_close(weights, reference(matrix).double(), rtol=0, atol=0)


def test_every_gramian_weighting_of_torchjd_is_here_or_ours() -> None:
    base = theirs.PCGradWeighting.__mro__[1]
    gramian = {name.removesuffix("Weighting") for name in theirs.__all__ if issubclass(getattr(theirs, name), base)}
    assert gramian - {"PCGrad", "CAGrad", "FairGrad"} <= set(NAMES.values())


def test_parameters_reach_torchjd() -> None:
    matrix = gram_of(gradients_of("conflicting", 6, 0))
    exact, rough = make_weighting("mgda", epsilon=1e-9, max_iters=1000), make_weighting("mgda", max_iters=1)
    assert not torch.allclose(exact(matrix), rough(matrix))
    preferred = make_weighting({"name": "upgrad", "pref_vector": [1.0, 0, 0, 0, 0, 0]})
    assert preferred(matrix).argmax() == 0


@pytest.mark.parametrize("name", ["gradvac", "pcd"])
def test_what_torchjd_remembers_can_be_saved(name: str) -> None:
    matrices = [gram_of(gradients_of("conflicting", 6, seed)) for seed in range(3)]
    whole = scheme(name)
    expected = [whole(matrix) for matrix in matrices][-1]
    first = scheme(name)
    for matrix in matrices[:2]:
        first(matrix)
    second = scheme(name)
    second.load_state_dict(first.state_dict())
    second.generator.set_state(first.generator.get_state())
    assert torch.equal(second(matrices[2]), expected)


def test_a_missing_solver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchjd._mixins

    monkeypatch.setattr(torchjd._mixins, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"upgrad.*quadprog.*pip install"):
        make_weighting("upgrad")


# --- Nash-MTL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_tasks", [2, 5, 10])
@pytest.mark.parametrize("max_norm", [1.0, 0.0])
def test_nash_mtl_equals_torchjd(num_tasks: int, max_norm: float) -> None:
    gradients = gradients_of("random", num_tasks, 0)
    reference = theirs.NashMTL(num_tasks, max_norm=max_norm)(torch.from_numpy(gradients)).numpy()
    direction = NashMTL(max_norm)(gram_of(gradients)).numpy() @ gradients
    np.testing.assert_allclose(direction, reference, atol=2e-3 * np.abs(reference).max())


@pytest.mark.parametrize("kind", ["random", "conflicting", "ill-scaled"])
def test_nash_mtl_is_a_direction_of_norm_one_along_fairgrads(kind: str) -> None:
    gradients = gradients_of(kind, 10, 0)
    matrix = gram_of(gradients)
    directions = [make_weighting(name)(matrix).numpy() @ gradients for name in ("nash_mtl", "fairgrad")]
    assert np.linalg.norm(directions[0]) == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_allclose(directions[0], directions[1] / np.linalg.norm(directions[1]), atol=1e-9)


def test_nash_mtl_without_any_gradient() -> None:
    assert not NashMTL()(torch.zeros(3, 3)).any()


@pytest.mark.parametrize(("name", "params"), [("nash_mtl", {"max_norm": -1.0}), ("mgda", {"epsilon": -1.0})])
def test_senseless_parameters_are_refused(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="-1"):
        make_weighting(name, **params)
