"""``python -m mtbench.evaluation.watch`` is ``mtbench watch``."""

import runpy

if __name__ == "__main__":
    runpy.run_module("mtbench.commands.watch", run_name="__main__")
