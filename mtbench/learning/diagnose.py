"""``python -m mtbench.learning.diagnose`` is ``mtbench diagnose``."""

import runpy

if __name__ == "__main__":
    runpy.run_module("mtbench.commands.diagnose", run_name="__main__")
