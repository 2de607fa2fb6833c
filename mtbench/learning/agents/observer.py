"""What an agent tells whoever watches it."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from rl_games.common.algo_observer import AlgoObserver
from torch import Tensor

from mtbench.learning.evaluate import Evaluation


class AgentObserver(AlgoObserver):
    """rl-games' observer with the calls that an agent adds to it.

    ``after_init(agent)``, ``process_infos(extras, None)``, ``after_steps()``, ``after_clear_stats()`` and
    ``after_print_stats(frame, epoch, seconds)`` are rl-games' own.
    """

    last_evaluation = -1  #: frame of the last evaluation that was written, also before the run was continued

    @abstractmethod
    def after_init(self, algo: Any) -> None:
        """The agent is built."""

    @abstractmethod
    def before_training(self) -> None:
        """The environments have begun, and the run starts or continues."""

    @abstractmethod
    def write_epoch(self, scalars: dict[str, Tensor | float]) -> None:
        """An epoch has been learned from; ``scalars`` are what it logs, by TensorBoard name."""

    @abstractmethod
    def write_evaluation(self, result: Evaluation) -> None:
        """An evaluation has been made."""

    @abstractmethod
    def flush(self) -> None:
        """A checkpoint was written: what was logged before it must last as well."""

    @abstractmethod
    def finished(self, checkpoint: Path) -> None:
        """A limit is reached; ``checkpoint`` continues the run."""

    @abstractmethod
    def stopped(self, cause: str, frame: int, checkpoint: Path) -> None:
        """A signal stopped the run, which ``checkpoint`` continues from ``frame``."""

    @abstractmethod
    def close(self) -> None:
        """Nothing follows."""
