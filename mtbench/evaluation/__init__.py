"""Old names of commands, which still run: see :mod:`mtbench.commands`."""
