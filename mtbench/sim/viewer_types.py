"""The value types of ``gymapi`` for drawing: meshes' roles, cameras, images, keyboard and mouse."""

from __future__ import annotations

import string
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np

from .structs import Record, Struct

DEFAULT_VIEWER_WIDTH, DEFAULT_VIEWER_HEIGHT = 1600, 900


class MeshType(IntEnum):
    """Which of a body's meshes a call means."""

    MESH_NONE = 0
    MESH_COLLISION = 1
    MESH_VISUAL = 2
    MESH_VISUAL_AND_COLLISION = 3


class MeshNormalMode(IntEnum):
    FROM_ASSET = 0
    COMPUTE_PER_VERTEX = 1
    COMPUTE_PER_FACE = 2


class ImageType(IntEnum):
    IMAGE_COLOR = 0
    IMAGE_DEPTH = 1
    IMAGE_SEGMENTATION = 2
    IMAGE_OPTICAL_FLOW = 3


class CameraFollowMode(IntEnum):
    """Whether a camera on a body follows its position alone or turns with it."""

    FOLLOW_POSITION = 0
    FOLLOW_TRANSFORM = 1


class UsdMaterialMode(IntEnum):
    USD_MATERIAL_DISPLAY_COLOR = 0
    USD_MATERIAL_PREVIEW_SURFACE = 1
    USD_MATERIAL_MDL = 2


class SoftMaterialType(IntEnum):
    MAT_COROTATIONAL = 0
    MAT_NEOHOOKEAN = 1


_KEYS = [
    *string.ascii_uppercase,
    *string.digits,
    *(f"F{k}" for k in range(1, 13)),
    *(f"NUMPAD_{k}" for k in range(10)),
    *"NUMPAD_ADD NUMPAD_DEL NUMPAD_DIVIDE NUMPAD_ENTER NUMPAD_EQUAL NUMPAD_MULTIPLY NUMPAD_SUBTRACT".split(),
    *"SPACE APOSTROPHE COMMA MINUS PERIOD SLASH SEMICOLON EQUAL LEFT_BRACKET BACKSLASH RIGHT_BRACKET".split(),
    *"GRAVE_ACCENT ESCAPE TAB ENTER BACKSPACE INSERT DEL RIGHT LEFT DOWN UP PAGE_UP PAGE_DOWN HOME END".split(),
    *"CAPS_LOCK SCROLL_LOCK NUM_LOCK PRINT_SCREEN PAUSE LEFT_SHIFT LEFT_CONTROL LEFT_ALT LEFT_SUPER".split(),
    *"RIGHT_SHIFT RIGHT_CONTROL RIGHT_ALT RIGHT_SUPER MENU".split(),
]
_MOUSE = [
    *"LEFT_BUTTON RIGHT_BUTTON MIDDLE_BUTTON FORWARD_BUTTON BACK_BUTTON".split(),
    *"SCROLL_RIGHT SCROLL_LEFT SCROLL_UP SCROLL_DOWN MOVE_RIGHT MOVE_LEFT MOVE_UP MOVE_DOWN".split(),
]
KeyboardInput = IntEnum("KeyboardInput", {f"KEY_{name}": k for k, name in enumerate(_KEYS)})  # type: ignore[misc]
MouseInput = IntEnum("MouseInput", {f"MOUSE_{name}": k for k, name in enumerate(_MOUSE)})  # type: ignore[misc]


@dataclass
class ActionEvent(Struct):
    """A subscribed action: its name, and 1 when its key went down, 0 when it went up."""

    action: str = ""
    value: float = 0.0


@dataclass
class CameraProperties(Struct):
    """A camera: pixels, horizontal field of view (degrees), and the distances (metres) between which it sees."""

    enable_tensors: bool = False
    far_plane: float = 2.0e6
    height: int = DEFAULT_VIEWER_HEIGHT
    horizontal_fov: float = 90.0
    near_plane: float = 0.0010000000474974513
    supersampling_horizontal: int = 1
    supersampling_vertical: int = 1
    use_collision_geometry: bool = False
    width: int = DEFAULT_VIEWER_WIDTH


class Viewer:
    """A window. There is none here: ``create_viewer`` returns None, as Isaac Gym does without a display."""


@dataclass
class Vec2(Record):
    x: float = 0.0
    y: float = 0.0

    dtype: ClassVar[np.dtype] = np.dtype([("x", "<f4"), ("y", "<f4")])

    def __add__(self, other: Vec2) -> Vec2:
        if not isinstance(other, Vec2):
            return NotImplemented
        return Vec2(self.x + other.x, self.y + other.y)

    def __sub__(self, other: Vec2) -> Vec2:
        if not isinstance(other, Vec2):
            return NotImplemented
        return Vec2(self.x - other.x, self.y - other.y)

    def __mul__(self, scale: float) -> Vec2:
        return Vec2(self.x * scale, self.y * scale)

    def __truediv__(self, scale: float) -> Vec2:
        return self * (1.0 / scale)

    def __neg__(self) -> Vec2:
        return self * -1.0


@dataclass
class Int2(Record):
    x: int = 0
    y: int = 0

    dtype: ClassVar[np.dtype] = np.dtype([("x", "<i4"), ("y", "<i4")])


@dataclass
class Int3(Record):
    x: int = 0
    y: int = 0
    z: int = 0

    dtype: ClassVar[np.dtype] = np.dtype([("x", "<i4"), ("y", "<i4"), ("z", "<i4")])
