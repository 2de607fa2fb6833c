"""The Go1: published kinematics, masses and limits, its mirror symmetry, and that it stands."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.optimize import minimize

from mtbench.resources import ASSETS
from tests.sim.world import World

LEGS = ("FL", "FR", "RL", "RR")
PARTS = ("hip", "thigh", "calf")
DEFAULT = np.array([0.1, 0.8, -1.5, -0.1, 0.8, -1.5, 0.1, 1.0, -1.5, -0.1, 1.0, -1.5])
KP, KD, DT = 50.0, 3.0, 0.005
FOOT_RADIUS = 0.02
NOMINAL = 0.30  #: m, the trunk under this drive
WEIGHT = 12.743448 * 9.81


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(ASSETS / "go1" / "go1.xml"))


def on_ground() -> tuple[mujoco.MjModel, mujoco.MjData]:
    """On a plane, in its keyframe."""
    spec = mujoco.MjSpec.from_file(str(ASSETS / "go1" / "go1.xml"))
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    model = spec.compile()
    model.opt.timestep = DT
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    return model, data


def drive(model: mujoco.MjModel, data: mujoco.MjData, target: np.ndarray) -> None:
    torque = KP * (target - data.qpos[7:]) - KD * data.qvel[6:]
    data.qfrc_applied[6:] = np.clip(torque, *model.jnt_actfrcrange[1:].T)
    mujoco.mj_step(model, data)


def inertia(model: mujoco.MjModel, body: str) -> np.ndarray:
    """About the centre of mass, body axes."""
    b, flat = model.body(body), np.empty(9)
    mujoco.mju_quat2Mat(flat, b.iquat)
    rotation = flat.reshape(3, 3)
    return rotation @ np.diag(b.inertia) @ rotation.T


def leg(q: np.ndarray, front: float, left: float) -> np.ndarray:
    """Foot position in the trunk's frame from the published lengths: the leg's plane is turned about x by the hip."""
    hip, thigh, calf = q
    x = -0.213 * (np.sin(thigh) + np.sin(thigh + calf))
    z = -0.213 * (np.cos(thigh) + np.cos(thigh + calf))
    y = 0.08 * left
    c, s = np.cos(hip), np.sin(hip)
    return np.array([0.1881 * front + x, 0.04675 * left + c * y - s * z, s * y + c * z])


def test_published_figures(model):
    assert model.body_mass.sum() == pytest.approx(12.743, abs=1e-3)
    for name in LEGS:
        masses = [model.body(f"{name}_{part}").mass[0] for part in (*PARTS, "foot")]
        np.testing.assert_allclose(masses, [0.68, 1.009, 0.135862, 0.06])
        ranges = [model.joint(f"{name}_{part}_joint").range for part in PARTS]
        np.testing.assert_allclose(ranges, [[-0.863, 0.863], [-0.686, 4.501], [-2.818, -0.888]])
        limits = [model.jnt_actfrcrange[model.joint(f"{name}_{part}_joint").id, 1] for part in PARTS]
        np.testing.assert_allclose(limits, [23.7, 23.7, 35.55])
        # Principal moments of Menagerie's model, which was made from the same description.
        principal = [np.sort(model.body(f"{name}_{part}").inertia)[::-1] for part in ("hip", "thigh")]
        np.testing.assert_allclose(principal[0], [0.000734064, 0.000468438, 0.000398719], rtol=1e-4)
        np.testing.assert_allclose(principal[1], [0.00478717, 0.00460903, 0.000709268], rtol=1e-4)


@pytest.mark.parametrize("q", [np.zeros(3), DEFAULT[:3], np.array([-0.4, 1.7, -2.3]), np.array([0.8, -0.5, -0.9])])
def test_forward_kinematics(model, q):
    data = mujoco.MjData(model)
    data.qpos[:] = [0, 0, 0, 1, 0, 0, 0, *np.tile(q, 4)]
    mujoco.mj_kinematics(model, data)
    for name in LEGS:
        front, left = (1 if name[0] == "F" else -1), (1 if name[1] == "L" else -1)
        np.testing.assert_allclose(data.body(f"{name}_foot").xpos, leg(q, front, left), atol=1e-9)


def test_left_mirrors_right(model):
    mirror = np.diag([1.0, -1.0, 1.0])
    for end in "FR":
        for part in ("hip", "thigh"):
            left, right = model.body(f"{end}L_{part}"), model.body(f"{end}R_{part}")
            np.testing.assert_allclose(left.pos, mirror @ right.pos, atol=1e-12)
            np.testing.assert_allclose(left.ipos, mirror @ right.ipos, atol=1e-12)
            assert np.abs(left.ipos[1]) > 1e-3
            a, b = inertia(model, f"{end}L_{part}"), inertia(model, f"{end}R_{part}")
            np.testing.assert_allclose(a, mirror @ b @ mirror, atol=1e-12)
        geoms = [model.geom(f"{end}{side}_{part}") for side in "LR" for part in (*PARTS, "foot")]
        for left, right in zip(geoms[:4], geoms[4:], strict=True):
            np.testing.assert_allclose(left.pos, mirror @ right.pos, atol=1e-12)
            np.testing.assert_allclose(left.size, right.size)
    data = mujoco.MjData(model)
    data.qpos[:] = [0, 0, 0, 1, 0, 0, 0, *(0.3, 1.1, -1.9, -0.3, 1.1, -1.9) * 2]
    mujoco.mj_kinematics(model, data)
    for end in "FR":
        left, right = (data.body(f"{end}{side}_foot").xpos for side in "LR")
        np.testing.assert_allclose(left, mirror @ right, atol=1e-9)


def test_only_simple_shapes_collide_and_never_with_the_robot(model):
    collides = (model.geom_contype | model.geom_conaffinity) > 0
    simple = {mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_SPHERE}
    assert {mujoco.mjtGeom(t) for t in model.geom_type[collides]} <= simple and collides.sum() == 19
    assert all(model.geom_type[model.geom(f"{name}_foot").id] == mujoco.mjtGeom.mjGEOM_SPHERE for name in LEGS)
    data = mujoco.MjData(model)
    data.qpos[:] = [0, 0, 0, 1, 0, 0, 0, *(0.0, 4.0, -2.8) * 4]  # legs folded into the trunk
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


def sagged_height(model: mujoco.MjModel) -> float:
    """Height of the trunk where springs of KP at the joints carry the weight on frictionless feet: the least energy."""
    data = mujoco.MjData(model)

    def energy(v: np.ndarray) -> float:
        pitch, q = v[1], v[2:]
        data.qpos[:] = [0, 0, v[0], np.cos(pitch / 2), 0, np.sin(pitch / 2), 0, *q]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        return float(WEIGHT * data.subtree_com[1][2] + 0.5 * KP * ((q - DEFAULT) ** 2).sum())

    def feet(v: np.ndarray) -> np.ndarray:
        energy(v)
        return np.array([data.body(f"{name}_foot").xpos[2] - FOOT_RADIUS for name in LEGS])

    start = np.array([0.32, 0.0, *DEFAULT])
    # Roll and yaw stay at zero: the offset of the centre of mass to the left, 0.8 mm, is left out.
    found = minimize(energy, start, constraints={"type": "ineq", "fun": feet}, options={"maxiter": 200, "ftol": 1e-10})
    assert found.success
    return float(found.x[0])


def test_stands_for_twenty_seconds(model):
    """Under the benchmark's drive, 200 times a second: it sinks to where the springs carry it, and stays.

    It gets there slowly: MuJoCo's friction lets the feet creep apart until nothing pulls at them sideways."""
    predicted = sagged_height(model)
    assert predicted == pytest.approx(NOMINAL, abs=0.005)
    ground, data = on_ground()
    heights, places = [], []
    for _ in range(int(20 / DT)):
        drive(ground, data, DEFAULT)
        heights.append(data.qpos[2])
        places.append(data.qpos[:2].copy())
    later = int(2 / DT)
    assert max(abs(np.array(heights[later:]) - NOMINAL)) < 0.02
    assert heights[-1] == pytest.approx(predicted, abs=0.004)  # feet sink in by 2 mm
    assert np.ptp(np.array(places[later:]), axis=0).max() < 0.002
    assert abs(data.qpos[3]) > np.cos(0.01)  # half the angle to upright and straight ahead
    assert abs(data.qvel).max() < 1e-3
    touching = {ground.geom(g).name for contact in data.contact for g in contact.geom if ground.geom(g).name}
    assert touching == {f"{name}_foot" for name in LEGS}
    force, total = np.empty(6), 0.0
    for c in range(data.ncon):
        mujoco.mj_contactForce(ground, data, c, force)
        total += force[0]
    assert total == pytest.approx(WEIGHT, rel=0.01)


def test_armature_keeps_the_drive_stable():
    """In the air, knocked, the knees come to rest; without armature they would swing ever more (see the asset)."""
    speeds = []
    for armature in (0.01, 0.0):
        model = mujoco.MjModel.from_xml_path(str(ASSETS / "go1" / "go1.xml"))
        model.opt.timestep, model.opt.gravity[:] = DT, 0.0
        model.dof_armature[6:] = armature
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, 0)
        data.qvel[6:] = 0.1
        for _ in range(200):
            drive(model, data, DEFAULT)
        speeds.append(abs(data.qvel[6:]).max())
    assert speeds[0] < 0.01 and speeds[1] > 1.0


def test_falls_freely(model):
    model = mujoco.MjModel.from_xml_path(str(ASSETS / "go1" / "go1.xml"))
    model.opt.timestep = DT
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    begin = data.subtree_com[1][2]
    for _ in range(100):
        drive(model, data, DEFAULT)
    mujoco.mj_forward(model, data)
    assert begin - data.subtree_com[1][2] == pytest.approx(0.5 * 9.81 * 0.5**2, rel=0.02)


def test_in_the_tensor_api(tmp_path: Path):
    """Loaded with a free base: names and order, limits, and feet that carry the weight."""
    import torch

    from mtbench.sim import gymapi, gymtorch

    world = World(tmp_path, dt=DT)
    world.ground()
    options = world.options(fix_base_link=False, default_dof_drive_mode=int(gymapi.DOF_MODE_EFFORT))
    asset = world.gym.load_asset(world.sim, str(ASSETS / "go1"), "go1.xml", options)
    joints = [f"{name}_{part}_joint" for name in LEGS for part in PARTS]
    bodies = ["trunk"] + [f"{name}_{part}" for name in LEGS for part in (*PARTS, "foot")]
    assert world.gym.get_asset_dof_names(asset) == joints
    assert world.gym.get_asset_rigid_body_names(asset) == bodies
    props = world.gym.get_asset_dof_properties(asset)
    np.testing.assert_allclose(props["effort"], [23.7, 23.7, 35.55] * 4)
    world.env((asset, (0.0, 0.0, 0.322)))
    forces = gymtorch.wrap_tensor(world.gym.acquire_net_contact_force_tensor(world.sim))
    world.prepare()
    target = torch.from_numpy(DEFAULT).float()
    world.dof[:, 0] = target
    world.gym.set_dof_state_tensor(world.sim, gymtorch.unwrap_tensor(world.dof))
    for _ in range(int(3 / DT)):
        world.gym.refresh_dof_state_tensor(world.sim)
        torque = KP * (target - world.dof[:, 0]) - KD * world.dof[:, 1]
        world.gym.set_dof_actuation_force_tensor(world.sim, gymtorch.unwrap_tensor(torque))
        world.gym.simulate(world.sim)
    world.refresh()
    world.gym.refresh_net_contact_force_tensor(world.sim)
    assert float(world.root[0, 2]) == pytest.approx(NOMINAL, abs=0.005)
    feet = [k for k, name in enumerate(bodies) if name.endswith("foot")]
    assert float(forces[feet, 2].sum()) == pytest.approx(WEIGHT, rel=0.01)
    assert float(forces[[k for k in range(len(bodies)) if k not in feet]].abs().max()) == 0.0
