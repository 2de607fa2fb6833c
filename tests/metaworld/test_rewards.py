"""The reward vocabulary against scalar references and analytic values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isaacgymenvs_tasks.metaworld import rewards
from isaacgymenvs_tasks.metaworld.task import Cage, State


def make_state(n: int, seed: int = 0, dofs: int = 1, params: Mapping[str, float] | None = None) -> State:
    """Random positions in the workspace, random actions."""
    g = torch.Generator().manual_seed(seed)

    def points() -> torch.Tensor:
        return torch.rand(n, 3, generator=g) * 0.8 - torch.tensor([0.4, 0.4, 0.0])

    quat = torch.nn.functional.normalize(torch.randn(n, 4, generator=g), dim=-1)
    tcp = points()
    half = torch.rand(n, 1, generator=g) * 0.04 * torch.tensor([1.0, 0.0, 0.0])
    return State(
        action=torch.rand(n, 4, generator=g) * 2 - 1,
        tcp=tcp,
        tcp_init=points(),
        left_pad=tcp + half,
        right_pad=tcp - half,
        openness=torch.rand(n, generator=g),
        obj=points(),
        obj_quat=quat,
        obj_init=points(),
        obj2=points(),
        obj2_quat=quat,
        obj2_init=points(),
        goal=points(),
        dof_pos=torch.rand(n, dofs, generator=g) * 4 - 2,
        cage=torch.rand(n, generator=g),
        params={name: torch.full((n,), value) for name, value in (params or {}).items()},
    )


def scalar_tolerance(x: float, lower: float, upper: float, margin: float, gaussian: bool) -> float:
    """dm_control's definition with value 0.1 at the margin, one number at a time."""
    if lower <= x <= upper:
        return 1.0
    if margin == 0:
        return 0.0
    d = (lower - x if x < lower else x - upper) / margin
    return math.exp(-0.5 * (d * math.sqrt(-2 * math.log(0.1))) ** 2) if gaussian else 1 / ((d * math.sqrt(9)) ** 2 + 1)


@given(
    x=st.floats(0, 2), lower=st.floats(0, 0.5), width=st.floats(0, 1), margin=st.floats(0.01, 2), gaussian=st.booleans()
)
def test_tolerance_matches_the_scalar_definition(
    x: float, lower: float, width: float, margin: float, gaussian: bool
) -> None:
    upper = lower + width
    value = rewards.tolerance(
        torch.tensor([x], dtype=torch.float64), upper, torch.tensor([margin]), lower=lower, gaussian=gaussian
    )
    assert value.item() == pytest.approx(scalar_tolerance(x, lower, upper, margin, gaussian), abs=1e-5)


def test_tolerance_is_one_inside_a_tenth_at_the_margin_and_a_step_without_margin() -> None:
    x = torch.tensor([0.0, 0.03, 0.05, 0.25])
    assert torch.allclose(rewards.tolerance(x, 0.05, 0.2), torch.tensor([1.0, 1.0, 1.0, 0.1]))
    assert torch.allclose(rewards.tolerance(x, 0.05, 0.2, gaussian=True), torch.tensor([1.0, 1.0, 1.0, 0.1]))
    assert torch.allclose(rewards.tolerance(x, 0.05, torch.zeros(4)), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-6)


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_hamacher_product(a: float, b: float) -> None:
    value = rewards.hamacher(torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)).item()
    expected = 0.0 if a + b - a * b < 1e-9 else a * b / (a + b - a * b)
    assert value == pytest.approx(expected, abs=1e-3 if a + b < 1e-6 else 1e-6)
    assert -1e-9 <= value <= min(a, b) + 1e-6


def scalar_caging(s: State, i: int, k: int, numbers: Cage) -> float:
    """Meta-World's high-density caging reward with each pad on its own side, one environment at a time."""

    def product(a: float, b: float) -> float:
        return a * b / (a + b - a * b) if a + b > 0 else 0.0

    radius, pad, plane = numbers.object_radius, numbers.pad_threshold, numbers.plane_threshold
    sides = []
    left = {0: 1.0, 1: -1.0}[k]  # the left finger is at +x or at -y
    for p, sign in ((s.left_pad, left), (s.right_pad, -left)):
        margin = abs(sign * float(p[i, k] - s.obj_init[i, k]) - pad)
        sides.append(scalar_tolerance(sign * float(p[i, k] - s.obj[i, k]), radius, pad, margin, False))
    others = [j for j in range(3) if j != k]
    margin = max(math.dist(s.obj_init[i, others].tolist(), s.tcp_init[i, others].tolist()) - plane, 0.0)
    flat = scalar_tolerance(math.dist(s.obj[i, others].tolist(), s.tcp[i, others].tolist()), 0.0, plane, margin, False)
    cage = product(product(*sides), flat)
    closing = min(max(float(s.action[i, 3]) / numbers.effort, 0.0), 1.0) if cage > 0.97 else 0.0
    return (cage + product(cage, closing)) / 2


def caged(state: State, cages: list[Cage], axes: list[str], task: torch.Tensor) -> torch.Tensor:
    pads = torch.stack((state.left_pad, state.right_pad), 1)
    caging = rewards.Caging(cages, axes, task)
    return caging(state.action[:, 3], pads, state.tcp, state.tcp_init, state.obj, state.obj_init)


def test_caging_matches_the_scalar_definition_for_several_tasks_at_once() -> None:
    state = make_state(128)
    task = torch.arange(128) // 64
    # Half of them hold the object, so that closing counts.
    near = torch.arange(128) % 2 == 0
    obj = torch.where(near[:, None], state.tcp + 0.001, state.obj)
    grip = 0.03 * torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])[task]
    state = dataclasses.replace(state, obj=obj, left_pad=state.tcp + grip, right_pad=state.tcp - grip)
    cages = [Cage(0.015, 0.05, 0.005, 1.0), Cage(0.01, 0.06, 0.01, 0.7)]
    value = caged(state, cages, ["x", "y"], task)
    expected = torch.tensor([scalar_caging(state, i, k, cages[k]) for i, k in enumerate(task.tolist())])
    assert torch.allclose(value, expected, atol=1e-4)
    assert value[near].min() >= 0.5 and value[near].max() > 0.9


def test_closing_pays_only_around_the_object() -> None:
    state = make_state(2)
    x = torch.tensor([0.03, 0.0, 0.0])
    state = dataclasses.replace(
        state,
        obj=state.tcp.clone(),
        left_pad=state.tcp + x,
        right_pad=state.tcp - x,
        action=torch.tensor([[0.0, 0, 0, 1.0], [0.0, 0, 0, -1.0]]),
    )
    assert caged(state, [Cage()], ["x"], torch.zeros(2, dtype=torch.long)).tolist() == pytest.approx([1.0, 0.5])


def test_shut_fingers_beside_the_object_are_no_cage() -> None:
    state = make_state(2)
    beside = state.obj_init + torch.tensor([[0.045, 0.0, 0.0], [-0.045, 0.0, 0.0]])
    state = dataclasses.replace(
        state, obj=state.obj_init, tcp=beside, left_pad=beside, right_pad=beside, action=torch.ones(2, 4)
    )
    assert caged(state, [Cage()], ["x"], torch.zeros(2, dtype=torch.long)).max() < 0.15


def test_the_cage_pays_more_the_nearer_open_fingers_come() -> None:
    """From either side, along the fingers' axis and across it, without a dip on the way."""
    steps = torch.linspace(0.3, 0.0, 61)
    for direction in ([1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]):
        state = make_state(61)
        obj = torch.zeros(61, 3)
        tcp = steps[:, None] * torch.tensor(direction)
        half = torch.tensor([0.04, 0.0, 0.0])
        state = dataclasses.replace(
            state,
            action=torch.zeros(61, 4),
            obj=obj,
            obj_init=obj,
            tcp=tcp,
            tcp_init=tcp[:1].expand(61, 3),
            left_pad=tcp + half,
            right_pad=tcp - half,
        )
        value = caged(state, [Cage()], ["x"], torch.zeros(61, dtype=torch.long))
        assert bool((value.diff() >= -1e-6).all()) and value[-1] > 0.49 > 4 * value[0]


def test_from_above_ignores_the_height_when_aligned() -> None:
    state = make_state(3)
    point = state.tcp - torch.tensor([[0.0, 0.0, 0.01], [0.1, 0.0, 0.06], [0.1, 0.0, -0.06]])
    value = rewards.from_above(state, point, 0.02, 0.05)
    assert value.tolist() == pytest.approx([1.0, 1.0, 0.1])
