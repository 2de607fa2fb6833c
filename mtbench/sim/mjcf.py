"""MJCF files as they are found: written for older MuJoCo, for other folders, or by hand.

A file that MuJoCo reads is left alone. Otherwise what it stumbles over is taken out, with a warning where that changes
anything but looks.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import mujoco

from . import mesh_files
from .checks import warn

#: Bodies that ``<replicate>`` may make in all.
MOST_REPLICATES = 10_000
_MOST_REPAIRS = 200
#: Elements within each other, from the outermost on.
DEEPEST = 300
#: MuJoCo's own name for the world's body.
RESERVED = "world"
#: Between limits that are equal, in the file's units.
PLAY = 1e-6


def read(root: Element, path: Path) -> mujoco.MjSpec:
    """The specification of a file, of which ``root`` is the parsed text.

    Raises:
        ValueError: what cannot be loaded.
    """
    repaired = _expand(root, path, (path,))
    _check_depth(root, path)
    repaired |= _check_numbers(root, path)
    repaired |= _name(root, path)
    repaired |= _drop_looks(root, path)
    repaired |= _give_play(root)
    meshes, gone = _take_meshes(root, path)
    repaired |= gone
    if not repaired and not meshes:
        try:
            return mujoco.MjSpec.from_file(str(path))
        except ValueError:
            pass  # perhaps an obsolete attribute
    spec = _parse(root, path)
    spec.modelfiledir = str(path.parent)
    for name, file in meshes.items():
        try:
            vertices, faces = mesh_files.triangles(file)
        except ValueError as error:
            raise ValueError(f"asset file {path}: mesh {name!r}: {file.name}: {error}") from error
        spec.mesh(name).uservert, spec.mesh(name).userface = vertices.ravel(), faces.ravel()
    return spec


def _parse(root: Element, path: Path) -> mujoco.MjSpec:
    """Let MuJoCo parse the text, without the elements and attributes that it does not know (any more)."""
    unknown: list[str] = []
    bad: list[str] = []
    for _ in range(_MOST_REPAIRS):
        # One element a line, so that MuJoCo's line number says which one it means.
        elements, lines = _lines(root)
        try:
            spec = mujoco.MjSpec.from_string("\n".join(lines))
        except ValueError as error:
            found = re.search(r"bad format in attribute '(\w+)'.*line (\d+)", str(error), re.DOTALL)
            if found is not None and (said := _read_as_far(elements[int(found[2]) - 1][0], found[1])):
                bad.append(said)
                continue
            found = re.search(r"unrecognized (element|attribute)(?:: '(\w+)')?.*line (\d+)", str(error), re.DOTALL)
            if found is None:
                raise
            what, key, line = found.groups()
            element, parent = elements[int(line) - 1]
            if what == "attribute":
                del element.attrib[key]
                unknown.append(f"{key} of <{element.tag}>")
            elif parent is not None:
                parent.remove(element)
                unknown.append(f"<{element.tag}>")
            else:
                raise
            continue
        if bad:
            warn(f"asset file {path}: {', '.join(dict.fromkeys(bad))}")
        if unknown:
            names = ", ".join(dict.fromkeys(unknown))
            warn(f"asset file {path}: MuJoCo does not know {names}; left out")
        return spec
    raise ValueError(f"more than {_MOST_REPAIRS} elements and attributes are not MuJoCo's")


def _read_as_far(element: Element, key: str) -> str:
    """Cut off what follows a number in an attribute's words ("1s"), as C's parsers do. What was done; "" if nothing can."""
    text = element.get(key, "")
    numbers = [re.match(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word) for word in text.replace(",", " ").split()]
    read = " ".join(n[0] for n in numbers if n is not None)
    if None in numbers or not read or read == text:
        return ""
    element.set(key, read)
    return f"the {key} of a {element.tag}, {text!r}, is read as {read}"


def _lines(root: Element) -> tuple[list[tuple[Element, Element | None]], list[str]]:
    """The text with one tag a line; and for each line its element and its parent."""
    elements: list[tuple[Element, Element | None]] = []
    lines: list[str] = []

    def write(element: Element, parent: Element | None) -> None:
        alone = Element(element.tag, element.attrib)
        tag = ElementTree.tostring(alone, encoding="unicode")
        lines.append(tag if not len(element) else tag[: -len("/>")].rstrip() + ">")
        elements.append((element, parent))
        for child in element:
            write(child, element)
        if len(element):
            lines.append(f"</{element.tag}>")
            elements.append((element, parent))

    write(root, None)
    return elements, lines


def _expand(root: Element, path: Path, open_files: tuple[Path, ...]) -> bool:
    """Put included files in place. Only a file that includes others is changed."""
    changed = False
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag != "include":
                continue
            file = mesh_files.find(child.get("file", ""), path.parent)
            if file is None:
                raise ValueError(f"asset file {path}: <include>: {child.get('file')!r} is not there")
            if file in open_files:
                raise ValueError(f"asset file {path}: <include>: {file.name} includes itself")
            try:
                included = ElementTree.parse(file).getroot()
            except ElementTree.ParseError as error:
                raise ValueError(f"asset file {file} is not XML: {error}") from error
            _expand(included, path, (*open_files, file))
            at = list(parent).index(child)
            parent.remove(child)
            for k, element in enumerate(included):
                parent.insert(at + k, element)
            changed = True
    return changed


def _check_depth(root: Element, path: Path) -> None:
    level, depth = [root], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
    if depth > DEEPEST:
        raise ValueError(
            f"asset file {path}: <{root.tag}>: its elements are nested {depth} deep; at most {DEEPEST} are possible"
        )


def _check_numbers(root: Element, path: Path) -> bool:
    """Refuse what is not finite, and replicates without end."""
    for element in root.iter():
        for key, text in element.attrib.items():
            for word in text.split() if key in _NUMBERS else ():
                try:
                    finite = math.isfinite(float(word))
                except ValueError:
                    continue
                if not finite:
                    where = f"{element.tag} {element.get('name', '')!r}"
                    raise ValueError(f"asset file {path}: {where}: its {key} is {text}, which is no finite number")

    def copies(element: Element) -> int:
        below = sum(copies(child) for child in element) + (element.tag == "body")
        return below * _count(element, path) if element.tag == "replicate" else below

    if any(e.tag == "replicate" for e in root.iter()) and (most := copies(root)) > MOST_REPLICATES:
        raise ValueError(
            f"asset file {path}: <replicate>: it makes {most} bodies; at most {MOST_REPLICATES} are possible"
        )
    return False


_NUMBERS = frozenset(
    "pos quat euler axisangle xyaxes zaxis mass inertia diaginertia fullinertia size fromto density friction damping "
    "stiffness armature frictionloss springref ref axis scale gravity timestep coef".split()
)


def _count(element: Element, path: Path) -> int:
    try:
        count = int(element.get("count", "0"))
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError(
            f"asset file {path}: <replicate>: its count is {element.get('count')!r}, not a positive integer"
        )
    return count


def _name(root: Element, path: Path) -> bool:
    """Name bodies and joints without a name (unless they are replicated), and give repeated names a number.

    What refers to a repeated name means the first one.
    """
    changed = False
    replicated = {e for r in root.iter("replicate") for e in r.iter()}
    repeated: list[str] = []
    for kind in ("body", "joint", "geom", "site"):
        seen = {RESERVED} if kind == "body" else set()
        for worldbody in root.iter("worldbody"):
            elements = [e for e in worldbody.iter(kind) if e not in replicated]
            given = {e.get("name") for e in elements}
            for k, element in enumerate(elements):
                name = element.get("name")
                if name is None and kind in ("body", "joint") and element.get("type", "hinge") != "free":
                    name = _free(f"{kind}_{k}", given | seen)
                    element.set("name", name)
                    changed = True
                elif name is not None and name in seen:
                    repeated.append(f"{kind} {name!r}")
                    name = _free(name, given | seen)
                    element.set("name", name)
                    changed = True
                if name is not None:
                    seen.add(name)
    if repeated:
        names = ", ".join(dict.fromkeys(repeated))
        warn(f"asset file {path}: {names} is there more than once; later ones have a number added")
    return changed


def _give_play(root: Element) -> bool:
    """A joint or tendon that is locked by equal limits gets a little room, which MuJoCo wants."""
    changed = False
    for element in root.iter():
        words = element.get("range", "").split()
        if element.tag in ("joint", "fixed", "spatial") and len(words) == 2 and words[0] == words[1]:
            limits = float(words[0]), float(words[1]) + PLAY
            element.set("range", f"{limits[0]!r} {limits[1]!r}")
            element.set("limited", element.get("limited", "true"))
            changed = True
    return changed


def _free(name: str, taken: set) -> str:
    """A name that is not taken."""
    return name if name not in taken else next(n for k in range(1, len(taken) + 2) if (n := f"{name}_{k}") not in taken)


def _drop_looks(root: Element, path: Path) -> bool:
    """Take out references to materials, textures and images that are not there: they are looks alone."""
    changed = False
    folder = _folder(root, path, "texturedir")
    for asset in root.iter("asset"):
        for texture in asset.findall("texture"):
            files = [texture.get(k) for k in texture.keys() if k.startswith("file")]
            if any(mesh_files.find(f, folder) is None for f in files if f):
                asset.remove(texture)
                changed = True
    textures = {t.get("name") for t in root.iter("texture")}
    for asset in root.iter("asset"):
        for material in asset.findall("material"):
            if material.get("texture") not in (None, *textures):
                del material.attrib["texture"]
                changed = True
    materials = {m.get("name") for a in root.iter("asset") for m in a.iter("material")}
    for element in root.iter():
        if element.tag != "material" and element.get("material") not in (None, *materials):
            del element.attrib["material"]
            changed = True
    return changed


def _take_meshes(root: Element, path: Path) -> tuple[dict[str, Path], bool]:
    """Files of meshes by name that MuJoCo does not read, and whether any were left out because their files are not there and
    nothing collides with them. Changes their elements, also to paths where the files are."""
    folder, out, gone = _folder(root, path, "meshdir"), {}, False
    for asset in root.iter("asset"):
        for mesh in asset.findall("mesh"):
            filename = mesh.get("file")
            if filename is None:
                continue
            file = mesh_files.find(filename, folder)
            mesh.set("name", mesh.get("name") or Path(filename).stem)
            if file is None and _drop_visuals(root, mesh.get("name", "")):
                asset.remove(mesh)
                warn(f"asset file {path}: {filename!r} is not there; it is looks alone and left out")
                gone = True
                continue
            if file is None:
                raise ValueError(f"asset file {path}: mesh {mesh.get('name', '')!r}: {filename!r} is not there")
            if mesh_files.is_native(file):
                mesh.set("file", str(file))
            else:
                out[mesh.get("name", "")] = file
                del mesh.attrib["file"]
                mesh.set("vertex", "0 0 0 1 0 0 0 1 0 0 0 1")  # until the file's are set
    return out, gone


def _drop_visuals(root: Element, mesh: str) -> bool:
    """Take out the geoms of a mesh if none of them collides; whether that was so."""
    defaults: dict[str, dict[str, str]] = {}

    def inherit(default: Element, above: dict[str, str]) -> None:
        geom = default.find("geom")
        values = above | (dict(geom.attrib) if geom is not None else {})
        defaults[default.get("class", "main")] = values
        for below in default.findall("default"):
            inherit(below, values)

    for default in root.findall("default"):
        inherit(default, {})
    found: list[tuple[Element, Element]] = []

    def look(element: Element, inherited: str) -> bool:
        inherited, fine = element.get("childclass", inherited), True
        for child in element:
            if child.tag == "geom":
                values = defaults.get(child.get("class", inherited), {}) | child.attrib
                if values.get("mesh") == mesh:
                    found.append((element, child))
                    fine &= values.get("contype", "1") == values.get("conaffinity", "1") == "0"
            else:
                fine &= look(child, inherited)
        return fine

    if not all([look(world, "main") for world in root.iter("worldbody")]):
        return False
    for owner, geom in found:
        owner.remove(geom)
    return True


def _folder(root: Element, path: Path, key: str) -> Path:
    """Where files of a kind are, as the compiler element says."""
    folder = path.parent
    for compiler in root.iter("compiler"):
        name = compiler.get(key) or compiler.get("assetdir")
        if name:
            folder = path.parent / name
    return folder
