# mypy: ignore-errors
"""Warp kernels of the engine in :mod:`.warp`; Warp gives their annotations a meaning of its own."""

import mujoco_warp as mjw
import warp as wp

#: A coordinate, velocity or command beyond this is a diverged simulation, as in MuJoCo (mjMAXVAL).
MAX_VALUE = wp.constant(1e10)
#: Bits of ``Data.overflow`` that mean that contacts or constraints were left out.
LEFT_OUT = wp.constant(
    int(
        mjw.OverflowType.NEFC
        | mjw.OverflowType.NJMAX_NNZ
        | mjw.OverflowType.BROADPHASE
        | mjw.OverflowType.NARROWPHASE
        | mjw.OverflowType.CCD
        | mjw.OverflowType.HFIELD
    )
)


@wp.kernel
def check(
    nefc: wp.array[int],
    nacon: wp.array[int],
    ncollision: wp.array[int],
    lost_qpos: wp.array2d[float],
    lost_qvel: wp.array2d[float],
    ctrl: wp.array2d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    warmstart: wp.array2d[float],
    diverged: wp.array[bool],
    overflow: wp.array[int],
    peak: wp.array[int],
):
    """Flag worlds whose state or commands are not finite, show their state as NaN and let their solver start anew; note what
    was needed."""
    world = wp.tid()
    bad = wp.int32(0)
    for i in range(qpos.shape[1]):
        if not (wp.abs(qpos[world, i]) < MAX_VALUE):
            bad = 1
    for i in range(qvel.shape[1]):
        if not (wp.abs(qvel[world, i]) < MAX_VALUE):
            bad = 1
    for i in range(ctrl.shape[1]):
        if not (wp.abs(ctrl[world, i]) < MAX_VALUE):
            bad = 1
    if bad != 0:
        diverged[world] = True
        for i in range(qpos.shape[1]):
            qpos[world, i] = lost_qpos[world, i]
        for i in range(qvel.shape[1]):
            qvel[world, i] = lost_qvel[world, i]
            warmstart[world, i] = 0.0
    overflow[world] = overflow[world] & LEFT_OUT
    if world == 0:
        wp.atomic_max(peak, 0, wp.max(nacon[0], ncollision[0]))
    wp.atomic_max(peak, 1, nefc[world])


@wp.kernel
def net_forces(sensordata: wp.array2d[float], force: wp.array2d[wp.vec3]):
    """Contact sensors of bodies 1.. into rows 1.. of the buffer."""
    world, k = wp.tid()
    force[world, k + 1] = wp.vec3(sensordata[world, 3 * k], sensordata[world, 3 * k + 1], sensordata[world, 3 * k + 2])


@wp.kernel
def follow(
    geoms: wp.array[int],
    geom_bodyid: wp.array[int],
    geom_pos: wp.array2d[wp.vec3],
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
    geom_xpos: wp.array2d[wp.vec3],
):
    """Put geoms where their bodies are, (worlds, geoms): MuJoCo Warp leaves those alone that hang on the world."""
    world, k = wp.tid()
    geom = geoms[k]
    body = geom_bodyid[geom]
    q = xquat[world, body]  # wxyz
    turned = wp.quat_rotate(wp.quat(q[1], q[2], q[3], q[0]), geom_pos[world, geom])
    geom_xpos[world, geom] = xpos[world, body] + turned


@wp.kernel
def hide(
    diverged: wp.array[bool],
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
    cvel: wp.array2d[wp.spatial_vector],
):
    """Show bodies 1.. of diverged worlds as NaN, also those that do not hang on what diverged."""
    world, k = wp.tid()
    if diverged[world]:
        xpos[world, k + 1] = wp.vec3(wp.nan, wp.nan, wp.nan)
        xquat[world, k + 1] = wp.quat(wp.nan, wp.nan, wp.nan, wp.nan)
        cvel[world, k + 1] = wp.spatial_vector(wp.nan, wp.nan, wp.nan, wp.nan, wp.nan, wp.nan)
