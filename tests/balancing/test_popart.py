import numpy as np
import pytest
import torch

from mtbench.learning.balancing import PopArt


def batches(num_tasks: int, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Returns of very different offset and scale per task, in unequal batches; the last task is often absent."""
    rng = np.random.default_rng(seed)
    offset, scale = rng.normal(0, 1000, num_tasks), 10.0 ** rng.uniform(-2, 3, num_tasks)
    result = []
    for size in (7, 300, 64, 1, 500):
        task = rng.integers(0, num_tasks - (size < 100), size)
        result.append((torch.from_numpy(rng.normal(offset[task], scale[task])), torch.from_numpy(task)))
    return result


def test_statistics_are_those_of_the_whole_history() -> None:
    popart = PopArt(4)
    history = batches(4)
    for returns, task in history:
        popart.update(returns, task)
    every_return, every_task = (torch.cat(parts).numpy() for parts in zip(*history, strict=True))
    for i in range(4):
        mine = every_return[every_task == i]
        assert popart.count[i] == len(mine)
        np.testing.assert_allclose(popart.mean[i], mine.mean(), rtol=1e-12)
        np.testing.assert_allclose(popart.scale[i], mine.std(), rtol=1e-9)


def test_statistics_survive_a_large_offset() -> None:
    returns = 1e8 + torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    popart = PopArt(1)
    for part in returns.split(10):
        popart.update(part, torch.zeros(10, dtype=torch.long))
    np.testing.assert_allclose(popart.scale, returns.numpy().std(), rtol=1e-6)


@pytest.mark.parametrize(("beta", "dtype", "tolerance"), [(0.0, torch.float64, 1e-13), (0.1, torch.float32, 1e-6)])
def test_an_update_changes_no_value(beta: float, dtype: torch.dtype, tolerance: float) -> None:
    popart = PopArt(4, beta=beta).to(dtype)
    z = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=dtype)
    task = torch.arange(200) % 4
    with torch.no_grad():
        popart.weight.copy_(torch.tensor([1.0, -0.5, 2.0, 0.3]))
        popart.bias.copy_(torch.tensor([0.0, 3.0, -1.0, 0.1]))
        for returns, returns_task in batches(4):
            before = popart.denormalize(popart(z, task), task)
            old_mean = popart.mean.clone()
            popart.update(returns, returns_task)
            after = popart.denormalize(popart(z, task), task)
            assert not torch.equal(popart.mean, old_mean)
            # Rounding is relative to the largest term that is added up, the mean.
            size = float(before.abs().max() + popart.mean.abs().max())
            torch.testing.assert_close(after, before, rtol=0, atol=tolerance * size)


def test_absent_tasks_keep_their_statistics_and_head() -> None:
    popart = PopArt(3)
    popart.update(torch.tensor([5.0, 9.0]), torch.tensor([1, 1]))
    assert popart.mean.tolist() == [0, 7, 0] and popart.scale.tolist() == [1, 2, 1]
    assert popart.weight.tolist() == [1, 0.5, 1] and popart.bias.tolist() == [0, -3.5, 0]


def test_normalize_and_denormalize_are_inverse_and_standardize() -> None:
    popart = PopArt(4).double()
    returns, task = batches(4)[1]
    popart.update(returns, task)
    normalized = popart.normalize(returns, task)
    for i in range(4):
        assert normalized[task == i].mean().abs() < 1e-9
        assert normalized[task == i].std(correction=0) == pytest.approx(1)
    torch.testing.assert_close(popart.denormalize(normalized, task), returns)
    assert popart.normalize(returns.float(), task).dtype == torch.float32


def test_moving_average() -> None:
    popart = PopArt(1, beta=0.25)
    mean = square = np.float64(0)
    for step, values in enumerate(([1.0, 3.0], [5.0, 5.0], [0.0, 2.0], [9.0, 1.0], [4.0, 4.0], [7.0, 8.0])):
        rate = max(0.25, 1 / (step + 1))
        mean += rate * (np.mean(values) - mean)
        square += rate * (np.mean(np.square(values)) - square)
        popart.update(torch.tensor(values), torch.zeros(2, dtype=torch.long))
    assert popart.mean.item() == pytest.approx(mean)
    assert popart.scale.item() == pytest.approx(np.sqrt(square - mean**2))


def test_the_scale_has_a_floor() -> None:
    popart = PopArt(1, min_scale=0.01)
    popart.update(torch.full((10,), 3.0), torch.zeros(10, dtype=torch.long))
    assert popart.scale.item() == 0.01
    assert popart.normalize(torch.tensor([3.01]), torch.tensor([0])).item() == pytest.approx(1, rel=1e-4)


def test_a_checkpoint_continues_exactly() -> None:
    first, *rest = batches(4)
    original, restored = PopArt(4), PopArt(4)
    original.update(*first)
    restored.load_state_dict(original.state_dict())
    for batch in rest:
        original.update(*batch)
        restored.update(*batch)
    for name, value in original.state_dict().items():
        assert torch.equal(value, restored.state_dict()[name]), name


def test_casting_the_module_leaves_the_statistics_in_float64() -> None:
    popart = PopArt(1)
    popart.update(torch.tensor([0.1, 0.2], dtype=torch.float64), torch.zeros(2, dtype=torch.long))
    mean = popart.mean.clone()
    popart.half()
    assert popart.weight.dtype == torch.float16
    assert torch.equal(popart.mean, mean) and popart.count.dtype == torch.float64


def test_it_adds_two_parameters_a_task_and_each_task_trains_its_own() -> None:
    popart = PopArt(5)
    assert sum(p.numel() for p in popart.parameters()) == 10
    popart(torch.ones(3), torch.tensor([1, 1, 4])).sum().backward()
    assert popart.weight.grad is not None and popart.weight.grad.tolist() == [0, 2, 0, 0, 1]


@pytest.mark.parametrize(
    "params", [{"num_tasks": 0}, {"num_tasks": 2, "beta": 2.0}, {"num_tasks": 2, "min_scale": 0.0}]
)
def test_senseless_parameters_are_refused(params: dict) -> None:
    with pytest.raises(ValueError, match="PopArt needs"):
        PopArt(**params)
