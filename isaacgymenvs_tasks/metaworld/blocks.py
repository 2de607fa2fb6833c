"""Blocks of environments that one call of a reward or of a scripted policy sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isaacgymenvs_tasks.columns import Columns
from isaacgymenvs_tasks.metaworld.task import State, TaskSpec


@dataclass(frozen=True)
class Block:
    """Neighbouring environments that are looked at together: one task, or some that share a reward.

    Attributes:
        spec: specification of the first of its tasks.
        first, width, count: the DOFs of its environments: where they begin, how many each has, and environments.
        params: ``State.params``.
    """

    spec: TaskSpec
    first: int
    width: int
    count: int
    params: dict[str, Tensor]


def task_blocks(
    specs: Sequence[TaskSpec], dofs: Sequence[tuple[int, int]], counts: Sequence[int], device: torch.device
) -> list[Block]:
    """One block a task, for scripted policies; ``dofs``: where those of its environments begin, and how many each has."""
    return [
        Block(
            spec,
            first,
            width,
            count,
            {name: torch.full((count,), value, device=device) for name, value in spec.params.items()},
        )
        for spec, (first, width), count in zip(specs, dofs, counts, strict=True)
    ]


def merge(blocks: Sequence[Block]) -> list[Block]:
    """As few blocks as possible, for rewards: every call has a fixed cost."""
    merged: list[Block] = []
    for block in blocks:
        last = merged[-1] if merged else None
        if last and (last.spec.reward, last.width, last.params.keys()) == (
            block.spec.reward,
            block.width,
            block.params.keys(),
        ):
            params = {name: torch.cat((last.params[name], block.params[name])) for name in last.params}
            merged[-1] = replace(last, count=last.count + block.count, params=params)
        else:
            merged.append(block)
    return merged


def view(blocks: Sequence[Block], columns: Columns) -> list[State]:
    """What ``columns`` hold of each of ``blocks``, by the names of ``State``; ``dofs`` are those of all environments."""
    parts = columns.parts([block.count for block in blocks], but="dofs")
    dofs = columns["dofs"]
    own = [dofs[b.first : b.first + b.width * b.count].view(b.count, b.width)[:, 9:] for b in blocks]
    return [
        State(dof_pos=joints, params=block.params, **part)
        for block, joints, part in zip(blocks, own, parts, strict=True)
    ]
