"""Isaac Gym's ``gymutil``: command line of example scripts, devices and simulation parameters from a config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from .datatypes import SimParams, SimType, Vec3


def parse_device_str(device: str) -> tuple[str, int]:
    """``"cuda:1"`` -> ("cuda", 1), ``"cpu"`` -> ("cpu", 0)."""
    name, _, index = device.lower().partition(":")
    if name in ("gpu", "cuda"):
        return "cuda", int(index or 0)
    if name == "cpu":
        return "cpu", 0
    raise ValueError(f"device {device!r} is not cpu, cuda or cuda:N")


def parse_arguments(
    description: str = "Isaac Gym example",
    headless: bool = False,
    no_graphics: bool = False,
    custom_parameters: Sequence[dict[str, Any]] = (),
) -> argparse.Namespace:
    """The flags of Isaac Gym's example scripts. The CPU pipeline is the default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--headless", action="store_true", default=headless)
    parser.add_argument("--nographics", action="store_true", default=no_graphics)
    parser.add_argument("--sim_device", type=str, default="cpu", help="cpu")
    parser.add_argument("--pipeline", type=str, default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--graphics_device_id", type=int, default=0)
    parser.add_argument("--physx", action="store_true", help="PhysX semantics (the only choice)")
    parser.add_argument("--num_threads", type=int, default=0, help="physics threads, 0 for every core")
    parser.add_argument("--subscenes", type=int, default=0)
    for parameter in custom_parameters:
        options = {k: v for k, v in parameter.items() if k in ("type", "default", "action", "help", "choices")}
        parser.add_argument(parameter["name"], **options)
    args = parser.parse_args()
    args.sim_device_type, args.compute_device_id = parse_device_str(args.sim_device)
    args.use_gpu_pipeline = args.pipeline == "gpu"
    args.use_gpu = args.sim_device_type == "cuda"
    args.physics_engine = SimType.SIM_PHYSX
    return args


def parse_sim_config(config: dict[str, Any], params: SimParams) -> None:
    """Write the entries of ``config`` (dt, substeps, gravity, physx, ...) into ``params``.

    Raises:
        ValueError: an entry that SimParams does not have.
    """
    for key, value in config.items():
        if key == "gravity":
            params.gravity = Vec3(*(float(v) for v in value))
        elif key in ("physx", "flex"):
            if key == "physx":
                _write(params.physx, value)
        else:
            _write(params, {key: value})


def _write(target: Any, values: dict[str, Any]) -> None:
    known = {f.name: f for f in fields(target)}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{type(target).__name__} has no parameter {key!r}; it has {', '.join(sorted(known))}")
        setattr(target, key, type(getattr(target, key))(value))
