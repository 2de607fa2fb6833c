"""What a client hands over and reads back: copies, masses and inertias of any shape, floors, and what a call costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi, gymtorch

BRICK = 0.1, 0.2, 0.3


def _inertia(matrix: np.ndarray) -> gymapi.Mat33:
    return gymapi.Mat33(*(gymapi.Vec3(*map(float, row)) for row in matrix))


def _matrix(m: gymapi.Mat33) -> np.ndarray:
    return np.array([[v.x, v.y, v.z] for v in (m.x, m.y, m.z)])


def _push(w, force, torque) -> tuple[np.ndarray, np.ndarray]:
    """What a force at the centre of mass and a torque change in a step, of one body: velocity there and rotation."""
    w.refresh()
    before = w.root[:, 7:].clone()
    tensors = (gymtorch.unwrap_tensor(torch.tensor(np.array([x]), dtype=torch.float32)) for x in (force, torque))
    w.gym.apply_rigid_body_force_tensors(w.sim, *tensors, gymapi.ENV_SPACE)
    w.step()
    return np.split((w.root[:, 7:] - before)[0].double().numpy(), 2)


SHAPES = {
    "brick": lambda w: w.gym.create_box(w.sim, *BRICK, w.options()),
    "cube": lambda w: w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options()),
    "capsule": lambda w: w.gym.create_capsule(w.sim, 0.05, 0.2, w.options()),
    "sphere": lambda w: w.gym.create_sphere(w.sim, 0.1, w.options()),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_mass_centre_and_inertia(make_world, shape, after):
    """F = m a and M = I w' for values that have nothing to do with the shape's own, set before or after ``prepare_sim``."""
    w = make_world(gravity=0.0)
    env = w.env((SHAPES[shape](w), (0, 0, 1)))
    if after:
        w.prepare()
    props = w.gym.get_actor_rigid_body_properties(env, 0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    inertia = turn @ np.diag([0.02, 0.05, 0.04]) @ turn.T
    props[0].mass, props[0].com, props[0].inertia = 3.0, gymapi.Vec3(0.02, -0.03, 0.05), _inertia(inertia)
    w.gym.set_actor_rigid_body_properties(env, 0, props)
    if not after:
        w.prepare()
    read = w.gym.get_actor_rigid_body_properties(env, 0)[0]
    assert read.mass == 3.0 and read.com == props[0].com and read.invMass == 1 / 3.0
    np.testing.assert_allclose(_matrix(read.inertia), inertia, atol=1e-12)
    np.testing.assert_allclose(_matrix(read.invInertia) @ inertia, np.eye(3), atol=1e-9)
    force, torque = np.array([0.6, -0.3, 0.9]), np.array([0.02, 0.01, -0.03])
    linear, angular = _push(w, force, torque)
    expected = np.linalg.solve(inertia, torque) * w.dt
    np.testing.assert_allclose(angular, expected, rtol=1e-3, atol=1e-6)
    com = np.array([0.02, -0.03, 0.05])
    np.testing.assert_allclose(linear + np.cross(angular, com), force / 3.0 * w.dt, rtol=1e-3, atol=1e-6)
    assert _size_is_the_same(w, env)


def _size_is_the_same(w, env) -> bool:
    """The collision shape has not moved with the centre of mass."""
    model, data = w.sim.inspect(0)
    return bool(np.allclose(data.geom_xpos[-1], data.xpos[model.geom_bodyid[-1]], atol=1e-7))


@pytest.mark.parametrize("scale", [False, True])
def test_written_back_unchanged_changes_nothing(make_world, scale):
    """To the last bit: the same motion as of a brick whose properties nobody has touched."""
    states = []
    for touched in (False, True):
        w = make_world(dt=0.005)
        w.ground()
        env = w.env((SHAPES["brick"](w), (0, 0, 0.4)))
        for late in (False, True):
            if touched:
                props = w.gym.get_actor_rigid_body_properties(env, 0)
                w.gym.set_actor_rigid_body_properties(env, 0, props, recomputeInertia=scale)
                assert w.gym.get_actor_rigid_body_properties(env, 0) == props
            if not late:
                w.prepare()
        start = w.root.clone()
        start[0, 10:] = torch.tensor([3.0, -2.0, 1.0])
        w.set_roots(start)
        w.step(120)
        states.append(w.root.clone())
    assert torch.equal(*states)


def _numbers(value: object) -> Iterator[tuple[object, str]]:
    """Every object that holds a number, and the number's name."""
    for f in fields(value):  # type: ignore[arg-type]
        inner = getattr(value, f.name)
        if is_dataclass(inner):
            yield from _numbers(inner)
        else:
            yield value, f.name


def test_what_is_read_is_a_copy(make_world):
    """Every number of it can be written over, which changes neither the actor nor what was read before."""
    w = make_world()
    asset = SHAPES["brick"](w)
    env = w.env((asset, (0, 0, 1)))
    for read in (
        lambda: w.gym.get_actor_rigid_body_properties(env, 0),
        lambda: w.gym.get_actor_rigid_shape_properties(env, 0),
        lambda: w.gym.get_asset_rigid_shape_properties(asset),
    ):
        before, mine = read(), read()
        places = list(_numbers(mine[0]))
        assert len(places) > 3 and len({(id(holder), name) for holder, name in places}) == len(places)
        for holder, name in places:
            setattr(holder, name, 7)
        assert mine[0] != before[0] and read() == before


def test_the_mass_alone(make_world):
    """With ``recomputeInertia`` the inertia grows with the mass, else it stays; back to the first mass, all is as it was."""
    w = make_world(gravity=0.0)
    env = w.env((SHAPES["brick"](w), (0, 0, 1)))
    first = w.gym.get_actor_rigid_body_properties(env, 0)
    mass, inertia = 1000.0 * math.prod(BRICK), _matrix(first[0].inertia)
    assert first[0].mass == pytest.approx(mass)
    sides = np.square(BRICK)
    np.testing.assert_allclose(inertia, np.diag(mass / 12 * (sides.sum() - sides)), atol=1e-9)
    w.prepare()
    for factor, scale, grows in ((2.0, True, 2.0), (3.0, False, 2.0), (1.5, True, 1.0)):
        props = w.gym.get_actor_rigid_body_properties(env, 0)
        props[0].mass = mass * factor
        w.gym.set_actor_rigid_body_properties(env, 0, props, scale)
        read = w.gym.get_actor_rigid_body_properties(env, 0)[0]
        np.testing.assert_allclose(_matrix(read.inertia), inertia * grows, rtol=1e-9, atol=1e-12)
        linear, angular = _push(w, [0.0, 3.0, 0.0], [0.2, 0.0, 0.0])
        np.testing.assert_allclose(linear, [0, 3.0 * w.dt / (mass * factor), 0], rtol=1e-3, atol=1e-5)
        assert angular[0] == pytest.approx(0.2 * w.dt / (inertia[0, 0] * grows), rel=1e-2)
        w.set_roots(torch.tensor([[0, 0, 1, 0, 0, 0, 1.0] + [0] * 6]))
    w.gym.set_actor_rigid_body_properties(env, 0, first)
    assert w.gym.get_actor_rigid_body_properties(env, 0) == first


def test_properties_set_late_keep_the_state_and_the_others(make_world):
    """The first change to a body of an asset compiles models anew; what moves goes on, with forces that wait."""
    w = make_world(gravity=0.0)
    brick, ball = SHAPES["brick"](w), SHAPES["sphere"](w)
    envs = [w.env((brick, (0, 0, 1)), (ball, (2, 0, 1))) for _ in range(3)]
    w.prepare()
    start = w.root.clone()
    start[:, 7] = torch.linspace(0.1, 0.6, 6)
    w.set_roots(start)
    w.step(2)
    w.gym.apply_body_forces(envs[2], 1, gymapi.Vec3(0, 1, 0))
    before = w.root.clone()
    props = w.gym.get_actor_rigid_body_properties(envs[1], 0)
    props[0].com = gymapi.Vec3(0, 0, 0.1)
    w.gym.set_actor_rigid_body_properties(envs[1], 0, props)
    w.refresh()
    torch.testing.assert_close(w.root, before, atol=1e-6, rtol=0)
    w.step()
    mass = w.gym.get_actor_rigid_body_properties(envs[2], 1)[0].mass
    assert w.root[5, 8].item() == pytest.approx(w.dt / mass, rel=1e-4)
    torch.testing.assert_close(w.root[:, 7], before[:, 7], atol=1e-6, rtol=0)


def test_bodies_that_cannot_be_are_refused(make_world):
    w = make_world()
    env = w.env((SHAPES["cube"](w), (0, 0, 1)))
    for name, value in (
        ("mass", -1.0),
        ("mass", math.nan),
        ("com", gymapi.Vec3(math.inf, 0, 0)),
        ("inertia", gymapi.Mat33()),
    ):
        props = w.gym.get_actor_rigid_body_properties(env, 0)
        setattr(props[0], name, value)
        with pytest.raises(ValueError, match=r"gym\.set_actor_rigid_body_properties"):
            w.gym.set_actor_rigid_body_properties(env, 0, props)
    assert w.gym.get_actor_rigid_body_properties(env, 0)[0].mass == pytest.approx(1.0)


def _give_flags(w, env, handle: int, *flags: int) -> None:
    props = w.gym.get_actor_rigid_body_properties(env, handle)
    for body, given in zip(props, flags, strict=True):
        body.flags = given
    assert w.gym.set_actor_rigid_body_properties(env, handle, props)
    assert [p.flags for p in w.gym.get_actor_rigid_body_properties(env, handle)] == list(flags)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_gravity_is_taken_from_a_body_and_given_back(make_world, after):
    """Bodies fall by g t^2 / 2, or stay; each environment, and each body of an actor, for itself."""
    w = make_world(dt=0.01)
    on, off = gymapi.RIGID_BODY_NONE, gymapi.RIGID_BODY_DISABLE_GRAVITY
    sliders = """<mujoco><worldbody><body name="base"><geom size=".02"/>
      <body name="a"><joint name="ja" type="slide" axis="0 0 1"/><inertial pos="0 0 0" mass="2" diaginertia="1 1 1"/></body>
      <body name="b"><joint name="jb" type="slide" axis="0 0 1"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>
    </body></worldbody></mujoco>"""
    rail = w.mjcf(sliders, fix_base_link=True)
    heavy = w.gym.create_box(w.sim, *BRICK, w.options())
    light = w.gym.create_sphere(w.sim, 0.1, w.options(disable_gravity=True))
    envs = [w.env((heavy, (0, 0, 1)), (light, (2, 0, 1)), (rail, (4, 0, 1))) for _ in range(3)]
    flags = [p.flags for handle in range(3) for p in w.gym.get_actor_rigid_body_properties(envs[0], handle)]
    assert flags == [on, off, on, on, on]
    if after:
        w.prepare()
    _give_flags(w, envs[1], 0, off)
    _give_flags(w, envs[1], 1, on)
    _give_flags(w, envs[1], 2, on, on, off)
    if not after:
        w.prepare()
    w.step(40)
    falls = -9.81 * 0.01**2 * 40 * 41 / 2
    down = torch.tensor([falls, 0.0])
    expected = torch.stack([down, down.flip(0), down])
    torch.testing.assert_close(w.root[:, 2].view(3, 3)[:, :2] - 1.0, expected, atol=1e-5, rtol=1e-4)
    rails = torch.tensor([[falls, falls], [falls, 0.0], [falls, falls]])
    torch.testing.assert_close(w.dof[:, 0].view(3, 2), rails, atol=1e-5, rtol=1e-4)
    for handle, given in ((0, (on,)), (1, (off,)), (2, (on, on, on))):  # as in the beginning
        _give_flags(w, envs[1], handle, *given)
    before = w.root[:, 9].view(3, 3)[1, :2].clone()
    w.step(1)
    torch.testing.assert_close(w.root[:, 9].view(3, 3)[1, :2] - before, torch.tensor([-0.0981, 0.0]), atol=1e-5, rtol=0)


def test_flags_that_cannot_be(make_world):
    w = make_world()
    env = w.env((SHAPES["cube"](w), (0, 0, 1)))
    props = w.gym.get_actor_rigid_body_properties(env, 0)
    props[0].flags = gymapi.RIGID_BODY_DISABLE_SIMULATION
    with pytest.raises(
        NotImplementedError, match=r"gym\.set_actor_rigid_body_properties.*RIGID_BODY_DISABLE_SIMULATION"
    ):
        w.gym.set_actor_rigid_body_properties(env, 0, props)
    props[0].flags = 8
    with pytest.raises(ValueError, match=r"gym\.set_actor_rigid_body_properties.*flags 8"):
        w.gym.set_actor_rigid_body_properties(env, 0, props)
    assert w.gym.get_actor_rigid_body_properties(env, 0)[0].flags == gymapi.RIGID_BODY_NONE


@pytest.mark.parametrize("first", ["properties", "scale"])
def test_scale_and_masses_in_either_order(make_world, first):
    """Lengths times 2: masses times 8, inertias times 32; a force and a torque meet them."""
    w = make_world(gravity=0.0)
    env = w.env((SHAPES["brick"](w), (0, 0, 1)))
    inertia = np.diag([0.2, 0.3, 0.4])

    def change(times: float) -> None:
        props = w.gym.get_actor_rigid_body_properties(env, 0)
        props[0].mass, props[0].com = 5.0 * times**3, gymapi.Vec3(0.01 * times, 0, 0)
        props[0].inertia = _inertia(inertia * times**5)
        w.gym.set_actor_rigid_body_properties(env, 0, props)

    if first == "properties":
        change(1.0)
        assert w.gym.set_actor_scale(env, 0, 2.0)
    else:
        assert w.gym.set_actor_scale(env, 0, 2.0)
        change(2.0)
    w.prepare()
    read = w.gym.get_actor_rigid_body_properties(env, 0)[0]
    assert (read.mass, read.invMass) == (pytest.approx(40.0), pytest.approx(1 / 40.0))
    assert read.com.x == pytest.approx(0.02)
    np.testing.assert_allclose(_matrix(read.inertia), 32 * inertia, rtol=1e-12)
    np.testing.assert_allclose(_matrix(read.invInertia) @ _matrix(read.inertia), np.eye(3), atol=1e-12)
    linear, angular = _push(w, np.array([0.0, 0.0, 80.0]), np.array([6.4, 0.0, 0.0]))
    np.testing.assert_allclose(angular, [6.4 / 6.4 * w.dt, 0.0, 0.0], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(linear, [0.0, 0.0, 80.0 / 40.0 * w.dt], rtol=1e-3, atol=1e-6)


def test_objects_are_copied_when_they_are_handed_over(make_world):
    w = make_world()
    box, pose = SHAPES["cube"](w), gymapi.Transform()
    wanted = []
    for i in range(3):
        env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 2)
        pose.p = gymapi.Vec3(0.5 * i, 0, 1)
        w.gym.create_actor(env, box, pose, "a", i, 0)
        pose.p.y, pose.r.w = 2.0 + i, 1.0
        w.gym.create_actor(env, box, pose, "b", i, 0)
        pose.r.w = math.nan
        pose.r = gymapi.Quat()
        wanted += [[0.5 * i, 0.0, 1.0], [0.5 * i, 2.0 + i, 1.0]]
    env = w.gym.get_env(w.sim, 0)
    bodies, shapes = w.gym.get_actor_rigid_body_properties(env, 0), w.gym.get_actor_rigid_shape_properties(env, 0)
    bodies[0].com.x, shapes[0].friction = 0.01, 0.3
    w.gym.set_actor_rigid_body_properties(env, 0, bodies)
    w.gym.set_actor_rigid_shape_properties(env, 0, shapes)
    bodies[0].com.x, bodies[0].inertia.x.x, shapes[0].friction = 9.0, 9.0, 9.0
    read = w.gym.get_actor_rigid_body_properties(env, 0)[0]
    assert read.com.x == 0.01 and read.inertia.x.x == pytest.approx(1.0 / 600)
    read.inertia.x.x = 7.0
    assert w.gym.get_actor_rigid_body_properties(env, 0)[0].inertia.x.x == pytest.approx(1.0 / 600)
    assert w.gym.get_actor_rigid_shape_properties(env, 0)[0].friction == 0.3
    drives = w.gym.get_actor_dof_properties(env, 0)
    assert len(drives) == 0
    plane = gymapi.PlaneParams()
    plane.normal = gymapi.Vec3(0, 0, 1)
    w.gym.add_ground(w.sim, plane)
    plane.normal.z, plane.distance = -1.0, 5.0
    params = w.gym.get_sim_params(w.sim)
    params.gravity.z, params.dt = 0.0, 1.0
    assert w.gym.get_sim_params(w.sim).gravity.z == -9.81
    w.prepare()
    torch.testing.assert_close(w.root[:, :3], torch.tensor(wanted))
    w.step(200)
    assert w.gym.get_sim_time(w.sim) == pytest.approx(2.0)
    torch.testing.assert_close(w.root[:, 2], torch.full((6,), 0.05), atol=1e-3, rtol=0)


def test_a_simulations_parameters_are_its_own():
    gym, params = gymapi.acquire_gym(), gymapi.SimParams()
    sims = []
    for dt in (0.01, 0.02):
        params.dt, params.gravity.x = dt, dt
        sims.append(gym.create_sim(0, -1, gymapi.SIM_PHYSX, params))
    params.physx.num_threads, params.gravity.x = 3, 9.0
    gym.set_sim_params(sims[1], params)
    params.gravity.x = 7.0
    assert [gym.get_sim_params(s).dt for s in sims] == [0.01, 0.02]
    assert [gym.get_sim_params(s).gravity.x for s in sims] == [0.01, 9.0]


def test_a_floor_in_the_file_is_no_shape_of_the_robot(make_world):
    w = make_world()
    robot = """<mujoco><asset><hfield name="h" nrow="3" ncol="3" size="1 1 1 1"/></asset><worldbody>
      <geom type="plane" size="5 5 .1"/><geom type="hfield" hfield="h"/><light pos="0 0 4"/><site name="s"/>
      <body name="hull" pos="0 0 .8"><freejoint/><geom type="sphere" size=".2"/>
      <body name="limb" pos=".2 0 0"><joint name="knee" axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 .4 0 0"/>
      </body></body></worldbody></mujoco>"""
    asset = w.mjcf(robot)
    assert w.gym.get_asset_rigid_shape_count(asset) == 2
    assert [(r.start, r.count) for r in w.gym.get_asset_rigid_body_shape_indices(asset)] == [(0, 1), (1, 1)]
    env = w.env((asset, (0, 0, 1)))
    shapes = w.gym.get_actor_rigid_shape_properties(env, 0)
    shapes[1].friction = 0.77
    w.gym.set_actor_rigid_shape_properties(env, 0, shapes)
    w.prepare()
    model, _ = w.sim.inspect(0)
    assert model.geom_friction[model.geom_bodyid == 2, 0] == pytest.approx([0.77])
    w.step(20)
    assert w.root[0, 9].item() == pytest.approx(-9.81 * 0.2, rel=1e-3)  # nothing in the file's world holds it


def test_a_call_on_one_actor_touches_no_other(make_world, monkeypatch):
    """Its cost cannot grow with the number of environments: properties set in a call are compiled for that environment alone,
    once for all the calls before a step, and the tensors of all are not read."""
    from mtbench.sim import simulation

    w = make_world()
    text = "<body><geom size='.1'/><body pos='0 0 .3'><joint name='j' axis='0 1 0'/><geom size='.1'/></body></body>"
    asset = w.mjcf(f"<mujoco><worldbody>{text}</worldbody></mujoco>", fix_base_link=True)
    envs = [w.env((asset, (0, 0, 1))) for _ in range(20)]
    w.prepare()
    compiled: list[int] = []
    original = simulation.with_properties

    def noted(model, env, *more, **how):
        compiled.append(env.index)
        return original(model, env, *more, **how)

    monkeypatch.setattr(simulation, "with_properties", noted)
    whole = [(w.sim, name) for name in ("refresh_bodies", "refresh_dofs", "set_dofs", "_start_engine")]
    for owner, name in (*whole, (w.sim.bodies, "states")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("all environments are read or written"))
    w.drive(envs[7], damping=0.3)
    w.drive(envs[7], damping=0.4)
    w.gym.set_actor_rigid_shape_properties(envs[7], 0, w.gym.get_actor_rigid_shape_properties(envs[7], 0))
    w.gym.set_actor_dof_states(envs[7], 0, np.array([(0.1, 2.0)], gymapi.DofState.dtype), gymapi.STATE_ALL)
    states = w.gym.get_actor_dof_states(envs[7], 0, gymapi.STATE_ALL)
    assert (states["pos"][0], states["vel"][0]) == (np.float32(0.1), np.float32(2.0))
    body = w.gym.get_actor_rigid_body_states(envs[7], 0, gymapi.STATE_ALL)[1]
    assert body["vel"]["angular"]["y"] == pytest.approx(2.0)
    w.gym.apply_body_forces(envs[7], 1, torque=gymapi.Vec3(0, 1, 0))
    w.gym.simulate(w.sim)
    assert compiled == [7]
    model, _ = w.sim.inspect(7)
    assert model.dof_damping[0] == pytest.approx(0.4)


def test_gravity_may_change_while_it_runs(make_world):
    w = make_world(gravity=-9.81, dt=0.01)
    box = w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    for _ in range(3):
        w.env((box, (0, 0, 9)))
    w.prepare()
    if w.sim.params.warp.enabled:
        pytest.skip("on the CPU engine alone")
    w.step(10)
    params = w.gym.get_sim_params(w.sim)
    params.gravity = gymapi.Vec3(1.0, 0.0, 2.0)
    params.physx.rest_offset = 0.01  # has no effect
    w.gym.set_sim_params(w.sim, params)
    w.step(10)
    np.testing.assert_allclose(w.root[:, 7:10].numpy(), [[0.1, 0.0, -0.981 + 0.2]] * 3, atol=1e-5)
    w.gym.acquire_net_contact_force_tensor(w.sim)  # which starts another engine
    w.step(10)
    np.testing.assert_allclose(w.root[:, 7:10].numpy(), [[0.2, 0.0, -0.981 + 0.4]] * 3, atol=1e-5)
    params.dt = 0.02
    with pytest.raises(NotImplementedError, match=r"cannot change dt from 0\.01 to 0\.02"):
        w.gym.set_sim_params(w.sim, params)
