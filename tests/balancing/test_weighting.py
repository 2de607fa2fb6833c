import pytest
import torch

from mtbench.learning.balancing import (
    FAMO,
    REGISTRY,
    FairGrad,
    LossWeighting,
    Mean,
    PCGrad,
    Weighting,
    combine,
    gram,
    make_weighting,
    register,
)
from mtbench.learning.errors import UserError
from tests.balancing.problems import GRAMIAN, gradients_of, gram_of, scheme


def test_names() -> None:
    assert {"mean": Mean, "pcgrad": PCGrad, "fairgrad": FairGrad, "famo": FAMO}.items() <= REGISTRY.items()
    assert {"cagrad", "nash_mtl", "mgda", "upgrad", "aligned_mtl", "imtl_g", "dwa", "uncertainty"} <= REGISTRY.keys()


@pytest.mark.parametrize("spec", [{"name": "fairgrad", "alpha": 2.0}, "fairgrad"])
def test_parameters_reach_the_weighting(spec: str | dict) -> None:
    fairgrad = make_weighting(spec) if isinstance(spec, dict) else make_weighting(spec, alpha=2.0)
    assert isinstance(fairgrad, FairGrad) and fairgrad.alpha == 2.0


def test_what_the_agent_knows_goes_to_those_that_ask() -> None:
    generator = torch.Generator()
    pcgrad = make_weighting("pcgrad", generator=generator, num_tasks=3, device="cpu")
    assert isinstance(pcgrad, PCGrad) and pcgrad.generator is generator
    famo = make_weighting("famo", generator=generator, num_tasks=3, device="cpu")
    assert isinstance(famo, FAMO) and famo.logits.shape == (3,)
    make_weighting("mean", generator=generator, num_tasks=3, device="cpu")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("fairgard", r"unknown weighting 'fairgard' \(nearest: fairgrad\); choose one of: .*cagrad.*mgda"),
        ({"nam": "fairgrad"}, "unknown weighting 'None'"),
        ({"name": "fairgrad", "alhpa": 1.0}, r"no setting 'fairgrad\.alhpa' \(nearest: alpha\)"),
        ({"name": "mgda", "max_iter": 1}, r"no setting 'mgda\.max_iter' \(nearest: max_iters\)"),
        ({"name": "famo", "device": "cpu", "logits": 1}, "famo takes: lr, gamma, epsilon, normalize"),
        ({"name": "fairgrad", "alpha": "big"}, r"fairgrad\.alpha=big must be a number above 0"),
        ("krum", r"krum\.n_byzantine is missing; it must be a whole number"),
    ],
)
def test_mistakes_get_one_sentence(spec: str | dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_weighting(spec)


@pytest.mark.parametrize("name", GRAMIAN)
def test_every_weighting_maps_a_gram_matrix_to_float64_weights_and_leaves_it_alone(name: str) -> None:
    matrix = gram_of(gradients_of("random", 5, 0))
    before = matrix.clone()
    weights = scheme(name)(matrix.float())
    assert weights.shape == (5,) and weights.dtype == torch.float64
    scheme(name)(matrix)
    assert torch.equal(matrix, before)


@pytest.mark.parametrize("name", GRAMIAN)
def test_every_weighting_handles_one_task_and_no_gradient_at_all(name: str) -> None:
    weighting = scheme(name)
    if name != "krum":  # which looks for outliers among at least four
        assert weighting(torch.tensor([[4.0]])).item() > 0
    assert scheme(name)(torch.zeros(4, 4)).isfinite().all()


@pytest.mark.parametrize("name", GRAMIAN)
def test_every_weighting_wants_a_square_matrix(name: str) -> None:
    with pytest.raises(ValueError, match="square"):
        scheme(name)(torch.ones(2, 3))


def test_every_scheme_is_of_one_kind() -> None:
    assert all(issubclass(cls, Weighting) != issubclass(cls, LossWeighting) for cls in REGISTRY.values())


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="'mean' exists already: Mean"):
        register("mean")(Mean)


def test_mean_is_the_average() -> None:
    gradients = torch.randn(5, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(combine(make_weighting("mean")(gram(gradients)), gradients), gradients.mean(0))
