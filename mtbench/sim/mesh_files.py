"""Mesh files: where the one that a robot's file names lies, and triangles of the formats that MuJoCo does not read itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mujoco
import numpy as np

#: How thick what has no thickness is: a box without a length along an axis, a mesh in one plane (metres).
PLATE = 1.0e-4
#: Levels above a robot's file in which ``package://`` paths are looked for.
LEVELS = 8
_FORMATS = ".obj, .stl, .msh, .dae, .glb, .gltf, .ply and .off"


def find(name: str, folder: Path) -> Path | None:
    """The file that ``name`` means in a robot's file in ``folder``, or None.

    ``package://a/b`` and relative names are looked for below the folder and each one above it, with and without the package's
    own name in front.
    """
    name = name.strip().replace("\\", "/")  # as Windows writes paths
    relative = name.split("://", 1)[1] if "://" in name else name
    plain = Path(relative)
    if name.startswith("file://") or plain.is_absolute():
        path = Path("/") / relative if name.startswith("file://") else plain
        if path.is_file():
            return path
        plain = Path(*plain.parts[1:]) if plain.is_absolute() else plain
    folder = folder.resolve()
    below = [plain, Path(*plain.parts[1:])] if "://" in name and len(plain.parts) > 1 else [plain]
    for base in [folder, *folder.parents][: LEVELS + 1]:
        for part in below:
            if (base / part).is_file():
                return (base / part).resolve()
    return None


def is_native(path: Path) -> bool:
    """Whether MuJoCo reads the file itself: OBJ, its own MSH, and STL unless it is text."""
    if path.suffix.lower() != ".stl":
        return path.suffix.lower() in (".obj", ".msh")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(84)
    return len(head) == 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little")


def triangles(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) and triangles (m, 3) of all meshes of a file together, in its units and axes.

    Raises:
        ValueError: a format that is not read, or a file without triangles.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".dae":
            vertices, faces = _collada(path)
        elif suffix in (".stl", ".glb", ".gltf", ".ply", ".off", ".obj"):
            vertices, faces = _trimesh(path)
        else:
            raise ValueError(f"meshes are read from {_FORMATS}, not {suffix or 'a file without an ending'}")
    except (ElementTree.ParseError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it is not a sound {suffix} file ({error})") from error
    if not len(faces):
        raise ValueError("it has no triangles")
    return vertices, faces


def compile_spec(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """The model of a copy of ``spec``, in which meshes whose points lie in one plane, and so have no hull, become plates.

    Raises:
        ValueError: MuJoCo's compiler refuses it for any other reason, or such a mesh is not read.
    """
    while True:
        try:
            return spec.copy().compile()
        except ValueError as error:
            flat = [m for m in spec.meshes if f"mesh '{m.name}' has coplanar vertices" in str(error)]
            if not flat or not flat[0].file:
                raise
            _thicken(flat[0], Path(spec.modelfiledir, spec.meshdir, flat[0].file))


def _thicken(mesh: mujoco.MjsMesh, path: Path) -> None:
    """Give a flat mesh :data:`PLATE` of thickness."""
    vertices, faces = triangles(path)
    normal = np.linalg.svd(vertices - vertices.mean(0), full_matrices=False)[2][2]
    step = 0.5 * PLATE / np.abs(mesh.scale).max() * normal
    mesh.file = ""
    mesh.uservert = np.concatenate([vertices - step, vertices + step]).ravel()
    mesh.userface = np.concatenate([faces, faces[:, ::-1] + len(vertices)]).ravel()


def _trimesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        import trimesh
    except ImportError as error:
        raise ValueError(f"a {path.suffix} mesh needs the package trimesh: pip install trimesh") from error
    mesh: Any = trimesh.load(str(path), force="mesh", process=False)
    return np.asarray(mesh.vertices, dtype=float), np.asarray(mesh.faces, dtype=int)


def _collada(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A COLLADA file's geometries where its scene puts them, in metres and its own axes (as robots' files mean them)."""
    root = ElementTree.parse(path).getroot()
    for element in root.iter():  # namespaces differ between versions
        element.tag = element.tag.rpartition("}")[2]
    unit = root.find("asset/unit")
    scale = float(unit.get("meter", 1.0)) if unit is not None else 1.0
    geometries = {g.get("id", ""): _geometry(g) for g in root.iterfind("library_geometries/geometry")}
    nodes = {n.get("id", ""): n for n in root.iter("node")}
    parts: list[tuple[np.ndarray, np.ndarray]] = []

    def place(node: ElementTree.Element, above: np.ndarray) -> None:
        pose = above @ _node_transform(node)
        for use in node.iterfind("instance_geometry"):
            for points, faces in geometries[use.get("url", "").lstrip("#")]:
                parts.append((points @ pose[:3, :3].T + pose[:3, 3], faces))
        for child in node.iterfind("node"):
            place(child, pose)
        for use in node.iterfind("instance_node"):
            place(nodes[use.get("url", "").lstrip("#")], pose)

    scenes = root.findall("library_visual_scenes/visual_scene")
    for node in (n for scene in scenes[:1] for n in scene.iterfind("node")):
        place(node, np.eye(4))
    if not scenes:
        parts = [part for geometry in geometries.values() for part in geometry]
    starts = np.cumsum([0, *(len(p) for p, _ in parts)])
    vertices = [p for p, _ in parts] or [np.zeros((0, 3))]
    faces = [f + start for (_, f), start in zip(parts, starts, strict=False)] or [np.zeros((0, 3), dtype=int)]
    return scale * np.concatenate(vertices), np.concatenate(faces)


def _geometry(geometry: ElementTree.Element) -> list[tuple[np.ndarray, np.ndarray]]:
    """(points, triangles) of the triangles, polylists and polygons of a geometry."""
    sources = {}
    for source in geometry.iterfind("mesh/source"):
        array = source.find("float_array")
        if array is not None:
            accessor = source.find("technique_common/accessor")
            stride = int(accessor.get("stride", 3)) if accessor is not None else 3
            sources[source.get("id", "")] = np.array((array.text or "").split(), dtype=float).reshape(-1, stride)
    positions = {
        v.get("id", ""): sources[i.get("source", "").lstrip("#")][:, :3]
        for v in geometry.iterfind("mesh/vertices")
        for i in v.iterfind("input")
        if i.get("semantic") == "POSITION"
    }
    out = []
    for primitive in geometry.iterfind("mesh/*"):
        if primitive.tag not in ("triangles", "polylist", "polygons"):
            continue
        inputs = primitive.findall("input")
        width = 1 + max(int(i.get("offset", 0)) for i in inputs)
        vertex = next(i for i in inputs if i.get("semantic") == "VERTEX")
        rows = [np.array((p.text or "").split(), dtype=int).reshape(-1, width) for p in primitive.iterfind("p")]
        corners = [r[:, int(vertex.get("offset", 0))] for r in rows]
        count = primitive.find("vcount")
        if primitive.tag == "triangles":
            sizes = [[3] * (len(c) // 3) for c in corners]
        elif count is not None:
            sizes = [[int(n) for n in (count.text or "").split()]]
        else:
            sizes = [[len(c)] for c in corners]
        faces = []
        for ring, ns in zip(corners, sizes, strict=False):
            first = 0
            for n in ns:  # a fan around the first corner
                polygon = ring[first : first + n]
                faces += [(polygon[0], polygon[k], polygon[k + 1]) for k in range(1, n - 1)]
                first += n
        out.append((positions[vertex.get("source", "").lstrip("#")], np.array(faces, dtype=int).reshape(-1, 3)))
    return out


def _node_transform(node: ElementTree.Element) -> np.ndarray:
    """The product of a node's transformations, in order."""
    out = np.eye(4)
    for child in node:
        if child.tag not in ("matrix", "translate", "scale", "rotate"):
            continue
        values, step = np.array((child.text or "").split(), dtype=float), np.eye(4)
        if child.tag == "matrix":
            step = values.reshape(4, 4)
        elif child.tag == "translate":
            step[:3, 3] = values
        elif child.tag == "scale":
            step[:3, :3] = np.diag(values)
        else:  # axis and degrees
            axis, angle = values[:3] / np.linalg.norm(values[:3]), np.radians(values[3])
            cross = np.cross(np.eye(3), axis)  # rows e_i x axis, so that cross @ v = axis x v
            step[:3, :3] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        out = out @ step
    return out
