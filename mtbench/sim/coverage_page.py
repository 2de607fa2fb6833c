"""Writes ``docs/tensor_api.md``, the page about the calls of ``gymapi``: ``python -m mtbench.sim.coverage_page``."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

from mtbench.sim import gymapi
from mtbench.sim.coverage import CALLS_BY_REASON, MEMBERS_BY_REASON, MISSING_CALLS, NOTES, PAGE, TYPES_BY_REASON

#: Classes that are not Isaac Gym's.
OURS = {"Record", "Struct", "WarpParams"}


def calls() -> dict[str, object]:
    """The calls of ``gymapi.Gym`` that are here, by name."""
    Gym = gymapi.Gym
    return {n: getattr(Gym, n) for n in sorted(dir(Gym)) if callable(getattr(Gym, n)) and not n.startswith("_")}


def classes() -> list[str]:
    """The classes of ``gymapi`` that are here."""
    found = {n: t for n, t in vars(gymapi).items() if isinstance(t, type) and t.__module__.startswith("mtbench.sim.")}
    return sorted(n for n in found if n not in OURS and not n.startswith("_") and not n.endswith("Calls"))


def functions() -> list[str]:
    """The functions of ``gymapi`` that are here."""
    found = {n: f for n, f in vars(gymapi).items() if isinstance(f, FunctionType) and not n.startswith("_")}
    return sorted(n for n, f in found.items() if f.__module__.startswith("mtbench.sim."))


def page() -> str:
    """The text of ``docs/tensor_api.md``."""
    here = list(calls())

    def by_reason(groups: dict[str, str]) -> str:
        lines = (
            f"- {reason}: " + ", ".join(f"`{n}`" for n in sorted(names.split())) for reason, names in groups.items()
        )
        return "\n".join(lines)

    def listed(names: list[str]) -> str:
        return ", ".join(f"`{n}`" for n in names)

    return (
        "# Tensor API coverage\n\nWritten by `python -m mtbench.sim.coverage_page`; a test keeps it current.\n\n"
        f"## What differs from PhysX\n{NOTES}\n"
        f"## Calls that are here ({len(here)})\n\n" + "\n".join(f"- `{n}`" for n in here) + "\n\n"
        f"## Calls that raise `NotImplementedError` when called ({len(MISSING_CALLS)})\n\n{by_reason(CALLS_BY_REASON)}\n\n"
        f"## Classes of `gymapi` that raise `NotImplementedError` when constructed\n\n{by_reason(TYPES_BY_REASON)}\n\n"
        f"## Classes of `gymapi` that are here ({len(classes())})\n\n{listed(classes())}\n\n"
        f"They have Isaac Gym's fields and methods, except:\n\n{by_reason(MEMBERS_BY_REASON)}\n\n"
        f"## Functions of `gymapi` ({len(functions())}, which are all)\n\n{listed(functions())}\n"
    )


if __name__ == "__main__":
    Path(__file__).parents[2].joinpath(PAGE).write_text(page())
