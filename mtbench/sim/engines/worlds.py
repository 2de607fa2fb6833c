"""One group of environments on MuJoCo Warp: a model whose properties are each world's own, its data in the engine's buffers.

The engine (:mod:`.warp`) has one of these for each group, and says when they step.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp
from torch import Tensor

from ..padding import family_of, padded, run_models
from ..scene import CONTACT_SENSOR, Group
from . import kernels
from .engine import own_sensors

if TYPE_CHECKING:
    from .warp import WarpEngine

#: Buffers by name: MuJoCo Warp's name, its dtype (None: number), and the numbers an entry has.
STATE: dict[str, tuple[str, Any, int]] = {
    "qpos": ("qpos", None, 1),
    "qvel": ("qvel", None, 1),
    "ctrl": ("ctrl", None, 1),
    "mocap_pos": ("mocap_pos", wp.vec3, 3),
    "mocap_quat": ("mocap_quat", wp.quat, 4),
}
OTHERS: dict[str, tuple[str, Any, int]] = {
    "force": ("xfrc_applied", wp.spatial_vector, 6),
    "xpos": ("xpos", wp.vec3, 3),
    "xquat": ("xquat", wp.quat, 4),
    "xipos": ("xipos", wp.vec3, 3),
    "cvel": ("cvel", wp.spatial_vector, 6),
    "com": ("subtree_com", wp.vec3, 3),
    "xaxis": ("xaxis", wp.vec3, 3),
    "xanchor": ("xanchor", wp.vec3, 3),
    "dof_force": ("qfrc_actuator", None, 1),
    "warmstart": ("qacc_warmstart", None, 1),
}
#: m. With MuJoCo's 1e-6, which single precision does not resolve, a cylinder that rests on a box is now and then found deep
#: inside it and shot away: in 38 of 19,200 substeps of the official coffee tasks, in none with this.
CCD_TOLERANCE = 1e-5


class Worlds:
    """One group: a MuJoCo Warp model whose floating-point fields are all per world, and data over the engine's buffers."""

    def __init__(
        self,
        engine: WarpEngine,
        group: Group,
        at: dict[str, int],
        peak: Tensor,
        contacts: int,
        constraints: int,
        jacobian: int,
    ) -> None:
        self.base, self.models, self.places, self.merged = group.base, list(group.models), group.places, group.merged
        self.placed = group.placed
        self.num_envs = n = len(self.models)
        m = copy.copy(self.base)
        m.opt.jacobian = jacobian
        m.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)  # MuJoCo Warp has no such reset
        # Boxes meet by MuJoCo's own box routine, as on the CPU; the general one finds other normals and loses contacts.
        m.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_NATIVECCD)
        m.opt.ccd_tolerance = max(m.opt.ccd_tolerance, CCD_TOLERANCE)
        device = engine._warp_device
        with wp.ScopedDevice(device):
            self.model = mjw.put_model(m)
            self.model.opt.warn_overflow = 0  # counted, not printed by every world in every step
            self.data = mjw.make_data(m, nworld=n, nconmax=contacts, njmax=constraints)
            self.stream: Any = wp.Stream(device) if device.is_cuda else None
        self._device = device
        self._fields = {}
        runs = run_models(group)
        distinct = list({id(run): run for run in runs}.values())
        numbers = {id(run): k for k, run in enumerate(distinct)}
        if any(not np.array_equal(v.hfield_data, m.hfield_data) for v in distinct):
            raise ValueError(
                "MuJoCo Warp shares height fields between environments, and these stand on different ones: use sim_device=cpu"
            )
        index = torch.tensor([numbers[id(run)] for run in runs], device=engine.device)
        for field in fields(mjw.Model):
            family = family_of(field.name)
            shared: Any = getattr(self.model, field.name, None)
            per_world = (getattr(field.type, "shape", None) or ("",))[0] == "*"
            if family is None or not per_world or not hasattr(m, field.name) or shared.size == 0:
                continue
            if getattr(m, field.name).dtype.kind != "f":
                continue
            values = np.stack([getattr(v, field.name) for v in distinct]).astype(np.float32)
            flat = torch.from_numpy(values).to(engine.device).reshape(len(distinct), -1)[index]
            tensor = flat.view(n, *shared.shape[1:], *_entry(shared.dtype))
            self._fields[field.name] = tensor
            setattr(self.model, field.name, wp.from_torch(tensor, dtype=shared.dtype))
        # Geoms of the world itself are placed here, once: no step moves them.
        posed = [mujoco.MjData(v) for v in distinct]
        for v, d in zip(distinct, posed, strict=True):
            mujoco.mj_kinematics(v, d)
        for name in ("geom_xpos", "geom_xmat"):
            target = wp.to_torch(getattr(self.data, name))
            values = np.stack([getattr(d, name) for d in posed]).astype(np.float32)
            target.copy_(torch.from_numpy(values).to(engine.device)[index].view_as(target))
        sizes = {
            "qpos": m.nq,
            "qvel": m.nv,
            "ctrl": m.nu,
            "env": 1,
            **dict.fromkeys(("mocap_pos", "mocap_quat"), m.nmocap),
            **dict.fromkeys(("force", "xpos", "xquat", "xipos", "cvel", "com", "contact_force"), m.nbody),
            **dict.fromkeys(("xaxis", "xanchor"), m.njnt),
            **dict.fromkeys(("dof_force", "warmstart"), m.nv),
            "body_pos": m.nbody,
            "sensordata": own_sensors(m),
        }
        self.first = dict(at)
        self._views = {}
        for name, size in sizes.items():
            if name != "env":
                part = getattr(engine, name)[at[name] : at[name] + n * size]
                self._views[name] = part.view(n, size, *part.shape[1:])
            at[name] += n * size
        for name, (theirs, dtype, _) in (STATE | OTHERS).items():
            view = self._views[name]
            if view.numel():
                view.copy_(wp.to_torch(getattr(self.data, theirs)).view_as(view))
                setattr(self.data, theirs, wp.from_torch(view, dtype=dtype or wp.float32))
        envs = slice(self.first["env"], self.first["env"] + n)
        self.data.overflow = wp.from_torch(engine.overflow[envs])
        self._diverged = wp.from_torch(engine.diverged[envs])
        self._peak = wp.from_torch(peak)
        if self.placed:
            self._place(m)
        if self._views["sensordata"].numel():
            self.data.sensordata = wp.from_torch(self._views["sensordata"])
        self._has_sensors = bool(m.nsensor and m.sensor(0).name.startswith(CONTACT_SENSOR))
        self._contact_force = wp.from_torch(self._views["contact_force"], dtype=wp.vec3)
        if "qpos0" in self._fields:
            self._views["qpos"].copy_(self._fields["qpos0"])
        # What a diverged world shows: NaN, but for what no client sets.
        lost = [self._views["qpos"].cpu().clone(), torch.zeros_like(self._views["qvel"], device="cpu")]
        for row, place in enumerate(self.places):
            lost[0][row, place.qpos] = torch.nan
            lost[1][row, place.dofs] = torch.nan
        self._lost = [wp.from_torch(values.to(engine.device)) for values in lost]
        mocap = torch.as_tensor(np.flatnonzero(m.body_mocapid >= 0), device=engine.device)
        order = torch.as_tensor(m.body_mocapid[m.body_mocapid >= 0], device=engine.device).long()
        self._views["mocap_pos"][:, order] = self._fields["body_pos"][:, mocap]
        self._views["mocap_quat"][:, order] = self._fields["body_quat"][:, mocap]

    def _place(self, m: mujoco.MjModel) -> None:
        """Let positions of bodies be the engine's buffer, and geoms of bodies that no joint moves follow them."""
        places = self._views["body_pos"]
        places.copy_(self._fields["body_pos"])
        self._fields["body_pos"] = places
        self.model.body_pos = wp.from_torch(places, dtype=wp.vec3)
        fixed = np.flatnonzero((m.body_weldid[m.geom_bodyid] == 0) & (m.geom_bodyid > 0)).astype(np.int32)
        self._fixed_geoms: Any = wp.array(fixed, dtype=wp.int32, device=self._device)

    def view(self, name: str) -> Tensor:
        """This group's part of a buffer, (environments, entries of one, ...)."""
        return self._views[name]

    def step(self, substeps: int) -> None:
        for _ in range(substeps):
            mjw.step(self.model, self.data)
        wp.launch(
            kernels.check,
            dim=self.num_envs,
            inputs=[self.data.nefc, self.data.nacon, self.data.ncollision, *self._lost, self.data.ctrl],
            outputs=[
                self.data.qpos,
                self.data.qvel,
                self.data.qacc_warmstart,
                self._diverged,
                self.data.overflow,
                self._peak,
            ],
            device=self._device,
        )
        self.data.xfrc_applied.zero_()
        if self._has_sensors:
            shape = self.num_envs, self.base.nbody - 1
            wp.launch(
                kernels.net_forces,
                dim=shape,
                inputs=[self.data.sensordata],
                outputs=[self._contact_force],
                device=self._device,
            )
        self.forward()

    def forward(self) -> None:
        """Poses and velocities of the present state."""
        mjw.kinematics(self.model, self.data)
        mjw.com_pos(self.model, self.data)
        mjw.com_vel(self.model, self.data)
        d = self.data
        if self.placed:
            wp.launch(
                kernels.follow,
                dim=(self.num_envs, self._fixed_geoms.size),
                inputs=[self._fixed_geoms, self.model.geom_bodyid, self.model.geom_pos, d.xpos, d.xquat],
                outputs=[d.geom_xpos],
                device=self._device,
            )
        shape = self.num_envs, self.base.nbody - 1
        wp.launch(
            kernels.hide, dim=shape, inputs=[self._diverged], outputs=[d.xpos, d.xquat, d.cvel], device=self._device
        )

    def replace_models(self, models: Mapping[int, mujoco.MjModel]) -> None:
        rows, run = list(models), []
        for row, model in models.items():
            self.models[row] = model
            run.append(padded(self.base, model, self.places[row]) if self.merged else model)
        for name, tensor in self._fields.items():
            values = np.stack([getattr(m, name) for m in run]).astype(np.float32)
            index = torch.tensor(rows, device=tensor.device)
            tensor[index] = torch.from_numpy(values).to(tensor.device).view(len(rows), *tensor.shape[1:])


def _entry(dtype: type) -> tuple[int, ...]:
    """Shape of one entry of a Warp array as torch sees it."""
    return tuple(getattr(dtype, "_shape_", ()))
