"""``python -m mtbench.evaluation.report`` is ``mtbench report``."""

import runpy

if __name__ == "__main__":
    runpy.run_module("mtbench.commands.report", run_name="__main__")
