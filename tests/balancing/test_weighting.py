import pytest
import torch

from mtbench.learning.balancing import REGISTRY, FairGrad, Mean, PCGrad, combine, gram, make_weighting
from mtbench.learning.errors import UserError


def random_gram(num_tasks: int = 5) -> torch.Tensor:
    return gram(torch.randn(num_tasks, 20, generator=torch.Generator().manual_seed(0)))


def test_names() -> None:
    assert {"mean": Mean, "pcgrad": PCGrad, "fairgrad": FairGrad}.items() <= REGISTRY.items()


def test_parameters_reach_the_weighting() -> None:
    fairgrad = make_weighting("fairgrad", alpha=2.0)
    assert isinstance(fairgrad, FairGrad) and fairgrad.alpha == 2.0


def test_the_generator_goes_to_those_that_draw() -> None:
    generator = torch.Generator()
    pcgrad = make_weighting("pcgrad", generator=generator)
    assert isinstance(pcgrad, PCGrad) and pcgrad.generator is generator
    make_weighting("mean", generator=generator)


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(UserError, match=r"'fairgard'.*fairgrad.*fairgrad, mean, pcgrad"):
        make_weighting("fairgard")


def test_an_unknown_parameter_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"fairgrad.*'alhpa'.*alpha"):
        make_weighting("fairgrad", alhpa=1.0)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_weighting_maps_a_gram_matrix_to_float64_weights_and_leaves_it_alone(name: str) -> None:
    matrix = random_gram()
    before = matrix.clone()
    weights = make_weighting(name)(matrix)
    assert weights.shape == (5,) and weights.dtype == torch.float64
    assert torch.equal(matrix, before)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_weighting_handles_one_task_and_no_gradient_at_all(name: str) -> None:
    weighting = make_weighting(name)
    assert weighting(torch.tensor([[4.0]])).item() > 0
    assert weighting(torch.zeros(3, 3)).isfinite().all()


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_weighting_wants_a_square_matrix(name: str) -> None:
    with pytest.raises(ValueError, match="square"):
        make_weighting(name)(torch.ones(2, 3))


def test_mean_is_the_average() -> None:
    gradients = torch.randn(5, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(combine(make_weighting("mean")(gram(gradients)), gradients), gradients.mean(0))
