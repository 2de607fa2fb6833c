"""The two kinds of weightings, from the Gram matrix and from the losses, and the registry they are found by."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from mtbench.errors import UserError, nearest, unknown
from mtbench.schema import check, of_parameters, show, signature

REGISTRY: dict[str, type[Scheme]] = {}
CONTEXT = ("num_tasks", "device", "generator")  # given by the agent to schemes whose __init__ asks for them

S = TypeVar("S", bound="type[Scheme]")


class Scheme:
    """What :class:`Weighting` and :class:`LossWeighting` share. One that remembers something between updates overrides
    :meth:`state_dict` and :meth:`load_state_dict`; a checkpoint then continues it exactly.
    """

    def state_dict(self) -> dict[str, Any]:
        """Return what the next update depends on, or counts on: tensors and plain data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`. An empty state is that of a new run."""

    @classmethod
    def parameters(cls) -> Mapping[str, inspect.Parameter]:
        """Return the arguments of ``__init__`` by name. Their types say what they may be, see :mod:`mtbench.schema`."""
        return signature(cls)


class Weighting(Scheme, ABC):
    """Chooses how much each task's gradient counts, from the Gram matrix.

    Calling it maps the Gram matrix ``G`` ``(K, K)`` of the per-task gradients to weights ``w`` ``(K,)``, float64 on the
    device of ``G``. The update direction is ``d = sum_i w_i g_i`` (:func:`~mtbench.learning.balancing.combine`).

    Attributes:
        wants_losses: the agent is to call :meth:`see_losses` before.
    """

    wants_losses = False

    def see_losses(self, losses: Tensor) -> None:
        """Take note of the losses ``(K,)`` whose gradients come next."""

    def __call__(self, gram: Tensor) -> Tensor:
        if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or gram.shape[0] == 0:
            raise ValueError(f"A Gram matrix is square, (K, K) with K >= 1; got {tuple(gram.shape)}.")
        return self.weights(gram.detach().to(torch.float64))

    @abstractmethod
    def weights(self, gram: Tensor) -> Tensor:
        """``(K, K)`` float64 -> ``(K,)`` float64 on the same device."""


class LossWeighting(Scheme, ABC):
    """Chooses how much each task's gradient counts from the losses alone: one plain backward pass, no Gram matrix.

    The agent calls it once an optimizer step with the task losses ``(K,)``, detached, each at least 0 (those of
    :mod:`mtbench.learning.agents.losses` are; a side whose losses are not refuses such schemes), and steps along
    ``d = sum_i w_i g_i``. Ours are on the scale of the mean: weights add up to about 1, so that the shared clip and
    learning rate mean the same under each scheme.

    Attributes:
        wants_step: the agent is to call :meth:`after_step`, at the price of one more forward pass without gradients.
    """

    wants_step = False

    @abstractmethod
    def __call__(self, losses: Tensor) -> Tensor:
        """``(K,)`` -> weights ``(K,)``, at least 0, of the same dtype on the same device."""

    def after_step(self, before: Tensor, after: Tensor) -> None:
        """Learn from the losses ``(K,)`` of the same minibatch before and after the optimizer step."""

    def after_epoch(self) -> None:
        """Called when a rollout has been learned from."""


def register(name: str) -> Callable[[S], S]:
    """Class decorator: make a :class:`Weighting` or :class:`LossWeighting` known to :func:`make_weighting`."""

    def add(cls: S) -> S:
        if name in REGISTRY:
            raise ValueError(f"A weighting named '{name}' exists already: {REGISTRY[name].__name__}.")
        REGISTRY[name] = cls
        return cls

    return add


def check_scheme(scheme: object, place: str) -> None:
    """Compare a scheme's name and parameters with what there is.

    Args:
        scheme: as for :func:`make_weighting`.
        place: dotted name of the setting, for the sentence.

    Raises:
        UserError: a name or parameter that does not exist or has no sensible value, saying which ones do.
    """
    given = dict(scheme) if isinstance(scheme, Mapping) else {"name": scheme}
    name = given.pop("name", None)
    if not isinstance(name, str) or name not in REGISTRY:
        raise UserError(
            f"{place}={show(scheme)} must be a weighting, by name or as {{name: ..., and its parameters}}"
            f"{nearest(str(name), REGISTRY)}: {', '.join(sorted(REGISTRY))}"
        )
    own = {key: kind for key, kind in REGISTRY[name].parameters().items() if key not in CONTEXT}
    check(of_parameters(name, own), given, place)


def weighs_losses(scheme: object) -> bool:
    """Whether a scheme that exists looks at the losses, which then have to be at least 0, and not at gradients alone."""
    cls = REGISTRY[str(dict(scheme)["name"] if isinstance(scheme, Mapping) else scheme)]
    return issubclass(cls, LossWeighting) or (issubclass(cls, Weighting) and cls.wants_losses)


def make_weighting(scheme: str | Mapping[str, Any], **params: Any) -> Weighting | LossWeighting:
    """Make a weighting from its registered name, or from a mapping with its ``name`` and parameters.

    Args:
        scheme: ``"fairgrad"`` or ``{"name": "fairgrad", "alpha": 2}``.
        params: its parameters, and what an agent knows (``CONTEXT``): ``num_tasks`` (K), ``device`` (of the losses) and
            ``generator`` (a CPU ``torch.Generator``). Those are handed to weightings that ask for them and dropped for
            the others, so that callers need not know which is which.

    Raises:
        UserError: a name or parameter that does not exist or has no sensible value, saying which ones do.
    """
    given = dict(scheme) if isinstance(scheme, Mapping) else {"name": scheme}
    name = given.pop("name", None)
    if name not in REGISTRY:
        raise unknown("weighting", name, REGISTRY)
    cls = REGISTRY[name]
    accepted = cls.parameters()
    params = given | params
    own = {key: value for key, value in params.items() if key not in CONTEXT or key in accepted}
    check_scheme({"name": name, **{key: value for key, value in own.items() if key not in CONTEXT}}, name)
    try:
        return cls(**own)  # type: ignore[return-value]
    except TypeError as error:
        settings = ", ".join(f"{key}: {value}" for key, value in own.items() if key not in CONTEXT)
        raise UserError(f"weighting {name} cannot work with {{{settings}}}: {error}") from error
