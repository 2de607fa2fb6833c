"""Writes ``docs/tensor_api.md``, the page about the calls of ``gymapi``: ``python -m mtbench.sim.coverage_page``."""

from __future__ import annotations

from pathlib import Path

from mtbench.sim import gymapi
from mtbench.sim.coverage import CALLS_BY_REASON, MISSING_CALLS, NOTES, PAGE, TYPES_BY_REASON


def calls() -> dict[str, object]:
    """The calls of ``gymapi.Gym`` that are here, by name."""
    Gym = gymapi.Gym
    return {n: getattr(Gym, n) for n in sorted(dir(Gym)) if callable(getattr(Gym, n)) and not n.startswith("_")}


def page() -> str:
    """The text of ``docs/tensor_api.md``."""
    here = list(calls())

    def by_reason(groups: dict[str, str]) -> str:
        lines = (
            f"- {reason}: " + ", ".join(f"`{n}`" for n in sorted(names.split())) for reason, names in groups.items()
        )
        return "\n".join(lines)

    return (
        "# Tensor API coverage\n\nWritten by `python -m mtbench.sim.coverage_page`; a test keeps it current.\n\n"
        f"## What differs from PhysX\n{NOTES}\n"
        f"## Calls that are here ({len(here)})\n\n" + "\n".join(f"- `{n}`" for n in here) + "\n\n"
        f"## Calls that raise `NotImplementedError` when called ({len(MISSING_CALLS)})\n\n{by_reason(CALLS_BY_REASON)}\n\n"
        f"## Classes of `gymapi` that raise `NotImplementedError` when constructed\n\n{by_reason(TYPES_BY_REASON)}\n"
    )


if __name__ == "__main__":
    Path(__file__).parents[2].joinpath(PAGE).write_text(page())
