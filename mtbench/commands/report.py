"""Compare runs on one page of figures and tables.

    mtbench report runs/... [out=report]

Takes folders of runs (or of many), and CSV files of metrics with their YAML configuration beside, and writes ``report.html``,
``report.md``, and a PNG and a CSV file of each figure and table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mtbench.commands.command_line import run_command
from mtbench.learning.errors import UserError
from mtbench.report.report import report


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    out, paths = Path("report"), []
    rest = iter(arguments)
    for item in rest:
        key, given, value = item.removeprefix("--").partition("=")
        if key == "out" and item != "out":
            out = Path(value if given else next(rest, ""))
            if not out.name:
                raise UserError("out= needs the name of a folder; mtbench report runs/... [out=report]")
        elif item.startswith("-") or (given and not Path(item).exists()):
            raise UserError(f"there is no setting '{key}'; mtbench report runs/... [out=report]")
        else:
            paths.append(Path(item))
    if not paths:
        raise UserError("name the runs to compare: mtbench report runs/... [out=report]")
    for sentence in report(paths, out):
        print(sentence)
    print(f"written to {out / 'report.html'} and {out / 'report.md'}")


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
