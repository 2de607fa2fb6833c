"""Isaac Gym's ``gymutil``: command line of example scripts, devices, simulation parameters, and lines to draw."""

from __future__ import annotations

import argparse
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from xml.etree import ElementTree

import numpy as np

from .array_math import records
from .datatypes import SimParams, SimType
from .pose_types import Transform, Vec3
from .randomization import (  # noqa: F401 (Isaac Gym has them here)
    apply_random_samples,
    check_buckets,
    generate_random_samples,
    get_bucketed_val,
    get_default_setter_args,
    get_property_getter_map,
    get_property_setter_map,
)
from .structs import Struct, nearest


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
    """The flags of Isaac Gym's example scripts, and the client's own. The CPU pipeline is the default.

    Args:
        headless: take the flag ``--headless``; clients that pass False often bring a flag of that name themselves.
        no_graphics: take the flag ``--nographics``, which also means headless.
        custom_parameters: each with ``name`` and what ``add_argument`` takes (``type``, ``default``, ``action``, ...). One
            with the name of a flag from here replaces it.

    Raises:
        ValueError: a custom parameter without a name.
    """
    parser = argparse.ArgumentParser(description=description, conflict_handler="resolve")
    if headless:
        parser.add_argument("--headless", action="store_true", help="run without a viewer")
    if no_graphics:
        parser.add_argument(
            "--nographics", action="store_true", help="run without a graphics context; implies headless"
        )
    parser.add_argument("--sim_device", type=str, default="cpu", help="physics device: cpu, cuda or cuda:N")
    parser.add_argument("--pipeline", type=str, default="cpu", help="tensor API pipeline: cpu or gpu")
    parser.add_argument("--graphics_device_id", type=int, default=0, help="graphics device")
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--flex", action="store_true", help="FleX, which create_sim refuses")
    engine.add_argument("--physx", action="store_true", help="PhysX semantics (the default)")
    parser.add_argument("--num_threads", type=int, default=0, help="physics threads, 0 for every core")
    parser.add_argument("--subscenes", type=int, default=0, help="number of PhysX subscenes; no meaning here")
    parser.add_argument("--slices", type=int, help="number of client threads; no meaning here")
    for parameter in custom_parameters:
        if "name" not in parameter:
            raise ValueError(f"parse_arguments: the custom parameter {parameter} has no name")
        parser.add_argument(parameter["name"], **{k: v for k, v in parameter.items() if k != "name"})
    args = parser.parse_args()
    args.sim_device_type, args.compute_device_id = parse_device_str(str(args.sim_device))
    pipeline = str(args.pipeline).lower()
    if pipeline not in ("cpu", "gpu", "cuda"):
        parser.error(f"--pipeline {args.pipeline} is neither cpu nor gpu")
    args.pipeline = "cpu" if pipeline == "cpu" else "gpu"
    args.use_gpu_pipeline = args.pipeline == "gpu"
    if args.use_gpu_pipeline and args.sim_device_type != "cuda":
        warnings.warn(
            f"--pipeline {args.pipeline} needs physics on a GPU, not --sim_device {args.sim_device}; the pipeline is cpu",
            stacklevel=2,
        )
        args.pipeline, args.use_gpu_pipeline = "cpu", False
    args.use_gpu = args.sim_device_type == "cuda"
    args.physics_engine = SimType.SIM_FLEX if args.flex else SimType.SIM_PHYSX
    args.slices = args.subscenes if args.slices is None else args.slices
    if no_graphics and args.nographics:
        args.headless = True
    return args


def parse_sim_config(config: Mapping[str, Any], params: SimParams) -> None:
    """Write the entries of ``config`` (dt, substeps, gravity, physx, ...) into ``params``.

    Entries of other names are left out, with a warning, as in Isaac Gym: clients keep settings of their own there.
    """
    unknown: list[str] = []
    _write(params, config, unknown)
    if unknown:
        warnings.warn(f"parse_sim_config leaves out what Isaac Gym does not have: {', '.join(unknown)}", stacklevel=2)


class LineGeometry(ABC):
    """Line segments with colours, as :func:`draw_lines` takes them; clients derive their own."""

    @abstractmethod
    def vertices(self) -> np.ndarray:
        """(n, 2) ends of the segments (metres), a structured array of ``Vec3``."""

    @abstractmethod
    def colors(self) -> np.ndarray:
        """(n,) colours, from 0 to 1, a structured array of ``Vec3``."""

    def num_lines(self) -> int:
        return len(self.vertices())

    def instance_verts(self, pose: Transform | None = None) -> np.ndarray:
        """:meth:`vertices` of the geometry at a pose."""
        return np.copy(self.vertices()) if pose is None else pose.transform_points(self.vertices())


class _Segments(LineGeometry):
    """Given segments."""

    def __init__(self, segments: np.ndarray, colors: np.ndarray, pose: Transform | None) -> None:
        """``segments`` (n, 2, 3) metres, moved by ``pose``; ``colors`` (n, 3) from 0 to 1."""
        verts = records(segments, Vec3.dtype)
        self.verts = verts if pose is None else pose.transform_points(verts)
        self._colors = records(colors, Vec3.dtype)

    def vertices(self) -> np.ndarray:
        return self.verts

    def colors(self) -> np.ndarray:
        return self._colors


class AxesGeometry(_Segments):
    """The axes of a frame, ``scale`` metres long: x red, y green, z blue."""

    def __init__(self, scale: float = 1.0, pose: Transform | None = None) -> None:
        segments = np.stack([np.zeros((3, 3)), scale * np.eye(3)], axis=1)
        super().__init__(segments, np.eye(3), pose)


class WireframeBoxGeometry(_Segments):
    """The twelve edges of a box around the origin; full lengths in metres."""

    def __init__(
        self,
        xdim: float = 1,
        ydim: float = 1,
        zdim: float = 1,
        pose: Transform | None = None,
        color: Sequence[float] | None = None,
    ) -> None:
        half = 0.5 * np.array([xdim, ydim, zdim])
        super().__init__(_box_edges(-half, half), np.tile(_color(color, (1, 0, 0)), (12, 1)), pose)


class WireframeBBoxGeometry(_Segments):
    """The twelve edges of a box between two corners, ``bbox`` (2, 3) metres."""

    def __init__(self, bbox: np.ndarray, pose: Transform | None = None, color: Sequence[float] | None = None) -> None:
        low, high = np.asarray(bbox, dtype=float).reshape(2, 3)
        super().__init__(_box_edges(low, high), np.tile(_color(color, (1, 0, 0)), (12, 1)), pose)


class WireframeSphereGeometry(_Segments):
    """Circles of latitude and longitude on a sphere around the origin; ``color2`` is that of the latitudes."""

    def __init__(
        self,
        radius: float = 1.0,
        num_lats: int = 8,
        num_lons: int = 8,
        pose: Transform | None = None,
        color: Sequence[float] | None = None,
        color2: Sequence[float] | None = None,
    ) -> None:
        polar = np.linspace(0.0, np.pi, num_lats + 1)[:, None]
        azimuth = np.linspace(0.0, 2.0 * np.pi, num_lons + 1)[None]
        grid = radius * np.stack(
            [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar) + 0 * azimuth], axis=-1
        )
        along = np.stack([grid[:-1, :-1], grid[1:, :-1]], axis=2).reshape(-1, 2, 3)
        around = np.stack([grid[1:-1, :-1], grid[1:-1, 1:]], axis=2).reshape(-1, 2, 3)
        first = _color(color, (1, 0, 0))
        second = _color(color2, first)
        colors = [np.tile(first, (len(along), 1)), np.tile(second, (len(around), 1))]
        super().__init__(np.concatenate([along, around]), np.concatenate(colors), pose)


def draw_lines(geom: LineGeometry, gym: Any, viewer: Any, env: Any, pose: Transform | None) -> None:
    """Add a geometry at a pose to the viewer."""
    gym.add_lines(viewer, env, geom.num_lines(), geom.instance_verts(pose), geom.colors())


def draw_line(p1: Vec3, p2: Vec3, color: Vec3, gym: Any, viewer: Any, env: Any) -> None:
    """Add one line to the viewer."""
    points = np.array([[[p1.x, p1.y, p1.z], [p2.x, p2.y, p2.z]]])
    gym.add_lines(
        viewer, env, 1, records(points, Vec3.dtype), records(np.array([[color.x, color.y, color.z]]), Vec3.dtype)
    )


def _box_edges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(12, 2, 3): pairs of corners that differ along one axis."""
    corners = np.array([[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)])
    return np.array([[corners[i], corners[i | 1 << a]] for a in range(3) for i in range(8) if not i >> a & 1])


def _color(color: Sequence[float] | None, default: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.array(default if color is None else color, dtype=np.float32)


def _indent_xml(element: ElementTree.Element, level: int = 0) -> None:
    """Indent the text of an XML tree; tasks that write their own MJCF call it."""
    ElementTree.indent(element, level=level)


def _write(target: Struct, values: Mapping[str, Any], unknown: list[str]) -> None:
    """``unknown`` gets the names that are not the target's, each with the nearest that is."""
    known = [f.name for f in fields(target)]  # type: ignore[arg-type]
    for key, value in values.items():
        if key in known:
            current = getattr(target, key)
            if isinstance(current, Vec3):
                setattr(target, key, Vec3(*(float(v) for v in value)))
            elif isinstance(current, Struct):
                _write(current, value if isinstance(value, Mapping) else vars(value), unknown)
            else:
                setattr(target, key, type(current)(value))
        elif not str(key).startswith("__"):  # the vars of a class have names of Python's
            near = nearest(str(key), known)
            unknown.append(f"{key} (did you mean {near}?)" if near else str(key))
