"""``python -m isaacgymenvs_tasks.parkour.walking`` is ``mtbench walking``."""

import runpy

if __name__ == "__main__":
    runpy.run_module("mtbench.commands.walking", run_name="__main__")
