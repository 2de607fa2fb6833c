"""``python -m mtbench.evaluation.report`` is ``mtbench report``, and its function is still imported from here."""

import runpy

from mtbench.report.report import report

__all__ = ["report"]

if __name__ == "__main__":
    runpy.run_module("mtbench.commands.report", run_name="__main__")
