"""Assets at another size."""

from __future__ import annotations

import copy
import dataclasses

import mujoco
import numpy as np

from .assets import Asset, new_id
from .force_sensors import AssetSensor
from .pose_types import Transform


def scaled(asset: Asset, scale: float) -> Asset:
    """The asset with all lengths multiplied by ``scale``: masses grow by its cube and inertias by its fifth power, so that
    density stays."""
    spec = asset.spec.copy()
    for body in list(spec.bodies)[1:]:
        body.pos = body.pos * scale
        if body.explicitinertial:
            body.mass, body.ipos = body.mass * scale**3, body.ipos * scale
            body.inertia, body.fullinertia = body.inertia * scale**5, body.fullinertia * scale**5
        for geom in body.geoms:
            geom.pos, geom.size, geom.fromto = geom.pos * scale, geom.size * scale, np.array(geom.fromto) * scale
            geom.mass = geom.mass * scale**3
        for joint in body.joints:
            joint.pos = joint.pos * scale
            if joint.type == mujoco.mjtJoint.mjJNT_SLIDE:
                joint.range = joint.range * scale
        for site in body.sites:
            site.pos, site.size = site.pos * scale, site.size * scale
    for mesh in spec.meshes:
        mesh.scale = mesh.scale * scale
    sensors = [AssetSensor(s.body, _moved(s.pose, scale), s.props) for s in asset.force_sensors]
    out = dataclasses.replace(asset, spec=spec, uid=new_id(), force_sensors=sensors)
    out.body_names = list(asset.body_names)
    out.shape_props = [copy.copy(p) for p in asset.shape_props]
    out.actuators = asset.actuators
    return out


def _moved(pose: Transform, scale: float) -> Transform:
    return Transform(pose.p * scale, pose.r)
