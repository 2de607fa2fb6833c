"""``python -m mtbench.learning.networks.count`` is ``mtbench count``."""

import runpy

if __name__ == "__main__":
    runpy.run_module("mtbench.commands.count", run_name="__main__")
