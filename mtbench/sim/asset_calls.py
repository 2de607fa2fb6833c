"""The calls of ``gymapi.Gym`` on assets: files and primitives, and what they are made of, before any is placed."""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from . import shapes
from .arguments import checked
from .assets import Asset, load, primitive
from .checks import shown
from .coverage import PAGE
from .datatypes import ActuatorProperties, AssetOptions, DofType, IndexRange, JointType, RigidShapeProperties
from .handles import call, find, indices, joints, within
from .mesh_files import PLATE

if TYPE_CHECKING:
    from .simulation import Simulation as Sim


@checked
class AssetCalls:
    """Assets. Parts count within the asset; the index of what is not found is ``INVALID_HANDLE``."""

    def load_asset(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions | None = None) -> Asset:
        """A URDF (``.urdf``) or MJCF (``.xml``, ``.mjcf``) file."""
        try:
            path = Path(rootpath) / filename
        except TypeError as error:
            given = f"{shown(rootpath)} and {shown(filename)}"
            raise TypeError(f"{call()}: rootpath and filename are the parts of a path, not {given}") from error
        if path.suffix.lower() not in (".urdf", ".xml", ".mjcf"):
            raise NotImplementedError(f"gym.load_asset reads URDF and MJCF, not {path.suffix!r} ({path}); see {PAGE}")
        return load(path, options or AssetOptions())

    def load_urdf(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions | None = None) -> Asset:
        return self.load_asset(sim, rootpath, filename, options)

    def load_mjcf(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions | None = None) -> Asset:
        return self.load_asset(sim, rootpath, filename, options)

    def create_box(
        self, sim: Sim, width: float, height: float, depth: float, options: AssetOptions | None = None
    ) -> Asset:
        """Full lengths along x, y and z (metres). A length of zero is a plate's, which is :data:`PLATE` thick."""
        size = [(PLATE if x == 0.0 else x) / 2 for x in (width, height, depth)]
        return primitive(mujoco.mjtGeom.mjGEOM_BOX, size, "box", options or AssetOptions())

    def create_sphere(self, sim: Sim, radius: float, options: AssetOptions | None = None) -> Asset:
        return primitive(mujoco.mjtGeom.mjGEOM_SPHERE, [radius], "sphere", options or AssetOptions())

    def create_capsule(self, sim: Sim, radius: float, width: float, options: AssetOptions | None = None) -> Asset:
        """Along x; ``width`` is the length of the straight part (metres)."""
        size = [radius, width / 2]
        return primitive(mujoco.mjtGeom.mjGEOM_CAPSULE, size, "capsule", options or AssetOptions())

    def debug_print_asset(self, asset: Asset, outpath: str | None = None) -> None:
        """Print bodies, joints and DOFs, or write them to a file."""
        lines = [f"{len(asset.body_names)} rigid bodies: {', '.join(asset.body_names)}"]
        lines += [f"joint {name!r}: {kind.name}" for name, kind in joints(asset)]
        for name, row in zip(asset.dof_names, asset.dof_props, strict=True):
            lines.append(f"DOF {name!r}: {row['lower']:g} ... {row['upper']:g}, effort {row['effort']:g}")
        text = "\n".join(lines)
        if outpath is None:
            print(text)
        else:
            Path(outpath).write_text(text + "\n")

    def get_asset_rigid_body_count(self, asset: Asset) -> int:
        return len(asset.body_names)

    def get_asset_rigid_body_names(self, asset: Asset) -> list[str]:
        return list(asset.body_names)

    def get_asset_rigid_body_name(self, asset: Asset, index: int) -> str:
        return asset.body_names[within(index, len(asset.body_names), "rigid bodies")]

    def get_asset_rigid_body_dict(self, asset: Asset) -> dict[str, int]:
        return indices(asset.body_names)

    def find_asset_rigid_body_index(self, asset: Asset, name: str) -> int:
        return find(asset.body_names, name)

    def get_asset_joint_count(self, asset: Asset) -> int:
        """Joints, the fixed ones too: every body but the root hangs on one."""
        return len(joints(asset))

    def get_asset_joint_names(self, asset: Asset) -> list[str]:
        return [name for name, _ in joints(asset)]

    def get_asset_joint_name(self, asset: Asset, index: int) -> str:
        return joints(asset)[within(index, len(joints(asset)), "joints")][0]

    def get_asset_joint_dict(self, asset: Asset) -> dict[str, int]:
        return indices(self.get_asset_joint_names(asset))

    def find_asset_joint_index(self, asset: Asset, name: str) -> int:
        return find(self.get_asset_joint_names(asset), name)

    def get_asset_joint_type(self, asset: Asset, index: int) -> JointType:
        return joints(asset)[within(index, len(joints(asset)), "joints")][1]

    def get_asset_dof_count(self, asset: Asset) -> int:
        return len(asset.dof_names)

    def get_asset_dof_names(self, asset: Asset) -> list[str]:
        return list(asset.dof_names)

    def get_asset_dof_name(self, asset: Asset, index: int) -> str:
        return asset.dof_names[within(index, len(asset.dof_names), "DOFs")]

    def get_asset_dof_dict(self, asset: Asset) -> dict[str, int]:
        return indices(asset.dof_names)

    def find_asset_dof_index(self, asset: Asset, name: str) -> int:
        return find(asset.dof_names, name)

    def get_asset_dof_type(self, asset: Asset, index: int) -> DofType:
        return asset.dof_types[within(index, len(asset.dof_types), "DOFs")]

    def get_dof_type_string(self, dof_type: DofType) -> str:
        return {DofType.DOF_ROTATION: "Rotation", DofType.DOF_TRANSLATION: "Translation"}.get(dof_type, "Invalid")

    def get_asset_dof_properties(self, asset: Asset) -> np.ndarray:
        """Structured array: hasLimits, lower, upper, driveMode, velocity, effort, stiffness, damping, friction, armature."""
        return asset.dof_props.copy()

    def get_asset_rigid_shape_count(self, asset: Asset) -> int:
        return len(asset.shape_props)

    def get_asset_rigid_shape_properties(self, asset: Asset) -> list[RigidShapeProperties]:
        return [copy(p) for p in asset.shape_props]

    def set_asset_rigid_shape_properties(self, asset: Asset, props: list[RigidShapeProperties]) -> bool:
        """Taken over by actors created from the asset afterwards."""
        asset.shape_props = shapes.checked(props, len(asset.shape_props))
        return True

    def get_asset_rigid_body_shape_indices(self, asset: Asset) -> list[IndexRange]:
        return shapes.ranges(asset)

    def get_asset_actuator_count(self, asset: Asset) -> int:
        return len(asset.actuators)

    def get_asset_actuator_name(self, asset: Asset, index: int) -> str:
        return asset.actuators[within(index, len(asset.actuators), "actuators")][0]

    def get_asset_actuator_joint_name(self, asset: Asset, index: int) -> str:
        return asset.actuators[within(index, len(asset.actuators), "actuators")][1]

    def get_asset_actuator_properties(self, asset: Asset) -> list[ActuatorProperties]:
        """What the MJCF says of its actuators. They do not act: drives and efforts do, as in Isaac Gym."""
        return [deepcopy(props) for _, _, props in asset.actuators]

    def find_asset_actuator_index(self, asset: Asset, name: str) -> int:
        return find([n for n, _, _ in asset.actuators], name)

    def get_asset_soft_body_count(self, asset: Asset) -> int:
        return 0
