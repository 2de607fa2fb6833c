"""Measure: the scripts of ``benchmarks/``, by name, with their own settings.

    mtbench benchmark                                          # lists them
    mtbench benchmark throughput task=MT50 num_envs=1000

They write their figures beside themselves, so they run from a clone of the repository.
"""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Sequence

from mtbench.learning.errors import UserError, unknown
from mtbench.resources import CFG

BENCHMARKS = CFG.parent / "benchmarks"


def main(arguments: Sequence[str]) -> None:
    """Run a script of ``benchmarks/``, or list them."""
    scripts = {path.stem: path for path in sorted(BENCHMARKS.glob("*.py"))}
    if not scripts:
        raise UserError(
            "benchmarks are part of the repository, not of the installed package; run this in a clone of it"
        )
    if not arguments:
        for name, path in scripts.items():
            print(f"{name:<20} {(ast.get_docstring(ast.parse(path.read_text())) or '').partition(chr(10))[0]}")
        return
    name, *rest = arguments
    if name not in scripts:
        raise unknown("benchmark", name, scripts)
    sys.argv = [str(scripts[name]), *rest]
    sys.path.insert(0, str(BENCHMARKS))  # as when a script is run by its path
    runpy.run_path(str(scripts[name]), run_name="__main__")
