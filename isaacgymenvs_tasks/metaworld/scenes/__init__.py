"""Meta-World's scenes on the Franka's table, one file a scene; :data:`TASKS` lists their tasks by name."""

from __future__ import annotations

from isaacgymenvs_tasks.metaworld.scenes.button import BUTTON_PRESS_TOPDOWN
from isaacgymenvs_tasks.metaworld.scenes.cylinder import PICK_PLACE, PUSH, REACH
from isaacgymenvs_tasks.metaworld.scenes.door import DOOR_OPEN
from isaacgymenvs_tasks.metaworld.scenes.drawer import DRAWER_CLOSE, DRAWER_OPEN
from isaacgymenvs_tasks.metaworld.scenes.peg import PEG_INSERT_SIDE
from isaacgymenvs_tasks.metaworld.scenes.window import WINDOW_CLOSE, WINDOW_OPEN
from isaacgymenvs_tasks.metaworld.task import TaskSpec

_ALL = (
    BUTTON_PRESS_TOPDOWN,
    DOOR_OPEN,
    DRAWER_CLOSE,
    DRAWER_OPEN,
    PEG_INSERT_SIDE,
    PICK_PLACE,
    PUSH,
    REACH,
    WINDOW_CLOSE,
    WINDOW_OPEN,
)

#: name -> specification, ordered by Meta-World id.
TASKS: dict[str, TaskSpec] = {spec.name: spec for spec in _ALL}
