"""Isaac Gym's ``gymutil``: command line of example scripts, devices, simulation parameters, and lines to draw."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from xml.etree import ElementTree

import numpy as np

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
        parser.error(f"--pipeline gpu needs physics on a GPU, not --sim_device {args.sim_device}")
    args.use_gpu = args.sim_device_type == "cuda"
    args.physics_engine = SimType.SIM_FLEX if args.flex else SimType.SIM_PHYSX
    args.slices = args.subscenes if args.slices is None else args.slices
    if no_graphics and args.nographics:
        args.headless = True
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
            _write(getattr(params, key), value)
        else:
            _write(params, {key: value})


class LineGeometry:
    """Line segments with colours, as ``gym.add_lines`` takes them."""

    def __init__(self, segments: np.ndarray, colors: np.ndarray, pose: Transform | None = None) -> None:
        """``segments`` (n, 2, 3) metres, moved by ``pose``; ``colors`` (n, 3) from 0 to 1."""
        self._segments = _moved(np.asarray(segments, dtype=np.float32).reshape(-1, 2, 3), pose)
        self._colors = np.asarray(colors, dtype=np.float32).reshape(-1, 3)

    def vertices(self) -> np.ndarray:
        """(2 n,) points, a structured array of ``Vec3``: two a segment."""
        return _structured(self._segments.reshape(-1, 3))

    def colors(self) -> np.ndarray:
        """(n,) colours, a structured array of ``Vec3``."""
        return _structured(self._colors)

    def num_lines(self) -> int:
        return len(self._segments)

    def instance_verts(self, pose: Transform | None = None) -> np.ndarray:
        """:meth:`vertices` of the geometry at a pose."""
        return _structured(_moved(self._segments, pose).reshape(-1, 3))


class AxesGeometry(LineGeometry):
    """The axes of a frame, ``scale`` metres long: x red, y green, z blue."""

    def __init__(self, scale: float = 1.0, pose: Transform | None = None) -> None:
        segments = np.stack([np.zeros((3, 3)), scale * np.eye(3)], axis=1)
        super().__init__(segments, np.eye(3), pose)


class WireframeBoxGeometry(LineGeometry):
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


class WireframeBBoxGeometry(LineGeometry):
    """The twelve edges of a box between two corners, ``bbox`` (2, 3) metres."""

    def __init__(self, bbox: np.ndarray, pose: Transform | None = None, color: Sequence[float] | None = None) -> None:
        low, high = np.asarray(bbox, dtype=float).reshape(2, 3)
        super().__init__(_box_edges(low, high), np.tile(_color(color, (1, 0, 0)), (12, 1)), pose)


class WireframeSphereGeometry(LineGeometry):
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
    points = np.array([[p1.x, p1.y, p1.z], [p2.x, p2.y, p2.z]], dtype=np.float32)
    gym.add_lines(viewer, env, 1, _structured(points), _structured(np.array([[color.x, color.y, color.z]])))


def _box_edges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(12, 2, 3): pairs of corners that differ along one axis."""
    corners = np.array([[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)])
    return np.array([[corners[i], corners[i | 1 << a]] for a in range(3) for i in range(8) if not i >> a & 1])


def _color(color: Sequence[float] | None, default: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.array(default if color is None else color, dtype=np.float32)


def _moved(points: np.ndarray, pose: Transform | None) -> np.ndarray:
    """Points (..., 3) at a pose."""
    if pose is None:
        return points
    u, w = np.array([pose.r.x, pose.r.y, pose.r.z]), pose.r.w
    t = 2.0 * np.cross(u, points)
    turned = points + w * t + np.cross(u, t)
    return (turned + np.array([pose.p.x, pose.p.y, pose.p.z])).astype(np.float32)


def _structured(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows, dtype=np.float32).view(Vec3.dtype)[:, 0]  # type: ignore[attr-defined]


def _indent_xml(element: ElementTree.Element, level: int = 0) -> None:
    """Indent the text of an XML tree; tasks that write their own MJCF call it."""
    ElementTree.indent(element, level=level)


def _write(target: Any, values: dict[str, Any]) -> None:
    known = {f.name: f for f in fields(target)}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{type(target).__name__} has no parameter {key!r}; it has {', '.join(sorted(known))}")
        setattr(target, key, type(getattr(target, key))(value))
