"""Models of the official Meta-World, read from the installed package ``metaworld``, which is never imported: it needs another
MuJoCo than ours. ``make official`` installs it without what it depends on.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mujoco
import numpy as np

VERSION = "3.1.1"
COMMAND = f"make official, or pip install --no-deps metaworld=={VERSION}"

SUBSTEPS = 5  #: physics steps of 2.5 ms a control step: 80 Hz
#: Equality constraint between the mocap body and the hand as the package sets it: anchor, relative position and quaternion,
#: torque scale, and that the relative pose is given, not measured.
WELD = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 5.0, 0.0)
MOCAP_QUAT = (1.0, 0.0, 1.0, 0.0)  #: wxyz, as the package writes it: MuJoCo normalizes it

PADS = ("leftpad_geom", "rightpad_geom")
INERTIA_GROUPS = (4, 5)  #: geoms in these groups give bodies their mass
#: MuJoCo's collision settings of the package's time (3.3): islands and several contacts of one convex pair came later.
COMPATIBLE = mujoco.mjtDisableBit.mjDSBL_ISLAND | mujoco.mjtDisableBit.mjDSBL_MULTICCD
COMPATIBLE_CCD_ITERATIONS = 50


def assets() -> Path:
    """The folder of the package's MJCF files.

    Raises:
        ValueError: the package is not installed, or in another version.
    """
    try:
        package = distribution("metaworld")
    except PackageNotFoundError:
        raise ValueError(f"the official tasks need metaworld {VERSION}, which is not installed: {COMMAND}") from None
    if package.version != VERSION:
        raise ValueError(f"the official tasks need metaworld {VERSION}, but {package.version} is installed: {COMMAND}")
    folder = Path(str(package.locate_file("metaworld/assets/sawyer_xyz")))
    if not folder.is_dir():
        raise ValueError(f"metaworld {VERSION} is installed without its models ({folder} is missing): {COMMAND}")
    return folder


@lru_cache(maxsize=64)
def load(file: str, compatible: bool = True, touch: bool = False, drawn: bool = False) -> mujoco.MjModel:
    """A task's model. It is shared: do not change it.

    Args:
        file: name of the MJCF file.
        compatible: with the collision settings of the package's own MuJoCo, else with ours.
        touch: with two sensors, the normal forces of the left and right pad on ``objGeom``.
        drawn: with textures and geoms that are only drawn; without them it moves alike and takes a sixth of the memory.
    """
    spec = mujoco.MjSpec.from_file(str(assets() / file))
    if not drawn:
        _strip(spec)
    if touch:
        for pad in PADS:
            spec.add_sensor(
                name=f"touch_{pad}",
                type=mujoco.mjtSensor.mjSENS_CONTACT,
                objtype=mujoco.mjtObj.mjOBJ_GEOM,
                objname=pad,
                reftype=mujoco.mjtObj.mjOBJ_GEOM,
                refname="objGeom",
                intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 2, 1],  # of the strongest contact
            )
    model = spec.compile()
    weld = model.eq_type == mujoco.mjtEq.mjEQ_WELD
    model.eq_data[weld] = np.array(WELD)
    # What diverges is seen and its episode ended; MuJoCo would put it back to the model's default in silence.
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    if compatible:
        model.opt.disableflags |= int(COMPATIBLE)
        model.opt.ccd_iterations = COMPATIBLE_CCD_ITERATIONS
    return model


def _strip(spec: mujoco.MjSpec) -> None:
    """Delete what is only drawn: nothing that collides, gives mass or has a name that a task may ask for."""
    for geom in list(spec.geoms):
        collides = geom.contype or geom.conaffinity
        if not (collides or geom.name or geom.group in INERTIA_GROUPS):
            spec.delete(geom)
        else:
            geom.material = ""
    for site in spec.sites:
        site.material = ""
    for material in list(spec.materials):
        spec.delete(material)
    for texture in list(spec.textures):
        spec.delete(texture)
