"""Every other weighting of TorchJD that is a function of the Gram matrix (https://torchjd.org), by its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Le, Len
from torch import Tensor

from mtbench.errors import UserError
from mtbench.schema import Count, NotNegative, Positive, Share, Whole

from .weighting import Weighting, register

NAMES = {
    "aligned_mtl": "AlignedMTL",
    "dualproj": "DualProj",
    "gradvac": "GradVac",
    "imtl_g": "IMTLG",
    "krum": "Krum",
    "mgda": "MGDA",
    "pcd": "PCD",
    "random": "Random",
    "sum": "Sum",
    "upgrad": "UPGrad",
}
#: what their parameters may be; one that is not named here (a solver) is no setting
MAY_BE = {
    "pref_vector": Annotated[list[NotNegative], Len(1, 1000)] | None,
    "scale_mode": Literal["min", "median", "rmse"],
    "beta": Share,
    "eps": Positive,
    "n_byzantine": Whole,
    "n_selected": Count,
    "epsilon": Positive,
    "max_iters": Annotated[int, Ge(1), Le(1_000_000)],
    "tau": Positive,
}
_STATE = {"gradvac": ("_phi_t", "_state_key"), "pcd": ("_sq_norm_ema", "_n_steps", "_state_key")}


class TorchJD(Weighting):
    """A weighting of TorchJD, with its parameters; TorchJD's documentation has the method, the paper and the scale.

    Not here: those that need two minibatches (MoDo, SDMGrad), all gradients (ConFIG, ExcessMTL, GradDrop, TrimmedMean), or
    another weighting (CR-MOGM); and PCGrad, CAGrad, FairGrad and Nash-MTL, of which this package has faster ones.

    Runs on the CPU. What it draws at random (gradvac, random) follows ``generator``.

    Raises:
        UserError: a solver that the weighting needs is not installed.
    """

    name: ClassVar[str]

    def __init__(self, generator: torch.Generator | None = None, **params: Any) -> None:
        self.generator = generator
        params = {key: torch.tensor(v, dtype=torch.float64) if isinstance(v, list) else v for key, v in params.items()}
        try:
            self.weighting = self._theirs()(**params)
        except ImportError as error:
            raise UserError(
                f"weighting {self.name} cannot start: {error}; pip install 'torchjd[quadprog-projector]'"
            ) from error

    @classmethod
    def _theirs(cls) -> Any:
        import torchjd.aggregation  # only now: it takes a second, or three where CVXPY is installed

        return getattr(torchjd.aggregation, f"{NAMES[cls.name]}Weighting")

    @classmethod
    def parameters(cls) -> Mapping[str, inspect.Parameter]:
        ours = inspect.signature(TorchJD).parameters["generator"]
        theirs = inspect.signature(cls._theirs()).parameters
        named = {name: theirs[name].replace(annotation=MAY_BE[name]) for name in theirs if name in MAY_BE}
        return {"generator": ours, **named}

    def weights(self, gram: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=self.generator)))
            weights = self.weighting(gram.cpu())
        return weights.to(gram)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self.weighting, name) for name in _STATE.get(self.name, ())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            setattr(self.weighting, name, value)


for _name, _theirs in NAMES.items():
    register(_name)(type(_theirs, (TorchJD,), {"name": _name, "__doc__": f"{_theirs} of TorchJD."}))
