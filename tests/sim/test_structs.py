"""The value types of ``gymapi`` as structs: fields hold values, records become structs, and mistakes are named."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mtbench.sim import gymapi
from mtbench.sim.structs import Record, Struct
from tests.sim.world import ARM

CLASSES = sorted(
    (t for t in vars(gymapi).values() if isinstance(t, type) and issubclass(t, Struct) and t not in (Struct, Record)),
    key=lambda t: t.__name__,
)
HOLDERS = [
    (cls, f.name) for cls in CLASSES for f in dataclasses.fields(cls) if isinstance(getattr(cls(), f.name), Struct)
]


def spoil(struct):
    """Another value for every number."""
    for f in dataclasses.fields(struct):
        value = getattr(struct, f.name)
        if isinstance(value, Struct):
            spoil(value)
        elif type(value) in (bool, int, float):
            setattr(struct, f.name, 1 if value == 0 else 0)


@pytest.mark.parametrize(("cls", "name"), HOLDERS, ids=lambda x: getattr(x, "__name__", x))
def test_a_struct_is_assigned_by_value_and_read_by_reference(cls, name):
    one, other = cls(), cls()
    given = type(getattr(one, name))()
    kept = copy.deepcopy(given)
    setattr(one, name, given)
    setattr(other, name, given)
    spoil(given)
    assert getattr(one, name) == kept != given
    spoil(getattr(one, name))
    assert getattr(one, name) == given and getattr(other, name) == kept


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_shares_nothing(cls, copied):
    first = cls()
    second = copied(first)
    assert type(second) is cls and second == first
    spoil(first)
    assert second == cls() and second != first


def test_poses_are_values():
    table, cube = gymapi.Transform(gymapi.Vec3(0, 0, 0.25)), gymapi.Transform()
    cube.p = table.p
    cube.p.z += 0.3
    cube.r.w = 0.5
    made = gymapi.Transform(table.p, table.r)
    made.p.x, made.r.x = 9.0, 9.0
    assert table == gymapi.Transform(gymapi.Vec3(0, 0, 0.25))
    assert cube == gymapi.Transform(gymapi.Vec3(0, 0, 0.55), gymapi.Quat(0, 0, 0, 0.5))


def test_cubes_on_tables(make_world):
    """One pose for all tables and one for all cubes, set from it in a loop."""
    w = make_world(gravity=0.0)
    table, cube = (w.gym.create_box(w.sim, a, a, 0.5 * a, w.options()) for a in (1.0, 0.1))
    table_pose, cube_pose = gymapi.Transform(gymapi.Vec3(0, 0, 0.25)), gymapi.Transform()
    for i in range(3):
        env = w.env()
        w.gym.create_actor(env, table, table_pose, "table", i, 0)
        cube_pose.p = table_pose.p
        cube_pose.p.z += 0.3
        w.gym.create_actor(env, cube, cube_pose, "cube", i, 0)
    w.prepare()
    assert w.root[:, 2].tolist() == pytest.approx([0.25, 0.55] * 3)


def test_a_body_state_is_a_target(make_world):
    """A row of the states' structured array, as a field takes it."""
    w = make_world()
    env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 1)))
    states = w.gym.get_actor_rigid_body_states(env, 0, gymapi.STATE_ALL)
    lower = w.gym.get_actor_rigid_body_dict(env, 0)["lower"]
    props = gymapi.AttractorProperties()
    props.target = states["pose"][:][lower]
    assert props.target.p.z == pytest.approx(1.4) and props.target.r == gymapi.Quat()
    props.target.p.z += 0.1
    assert states["pose"]["p"]["z"][lower] == np.float32(1.4)
    props.target.p = states["pose"]["p"][:1]
    assert props.target.p.z == 1.0
    state = gymapi.RigidBodyState()
    state.pose, state.vel = states["pose"][lower], states["vel"][lower]
    assert state == gymapi.RigidBodyState.from_buffer(states[lower])
    props.rigid_handle, props.stiffness = lower, 1.0
    assert w.gym.create_rigid_body_attractor(env, props) == 0


@pytest.mark.parametrize("cls", [c for c in CLASSES if issubclass(c, Record)])
def test_from_buffer(cls):
    numbers = np.arange(1, 1 + cls.dtype.itemsize // 4)
    array = numbers.astype("<i4" if cls.__name__.startswith("Int") else "<f4").view(cls.dtype)
    made = cls.from_buffer(array[0])

    def numbers_of(x):
        return [y for n in x.dtype.names for y in numbers_of(getattr(x, n))] if isinstance(x, Record) else [x]

    assert numbers_of(made) == numbers.tolist()
    assert cls.from_buffer(array) == cls.from_buffer(array.tobytes()) == made
    wrong = [array[:0], np.concatenate([array, array]), numbers.astype(float), array.tobytes()[:-1], "pose", None]
    for buffer in wrong:
        with pytest.raises(
            TypeError, match=f"{cls.__name__}.from_buffer takes one record of {cls.__name__}.dtype, or its"
        ):
            cls.from_buffer(buffer)


def test_values_of_states():
    velocity = gymapi.Velocity(gymapi.Vec3(1, 2, 3), gymapi.Vec3(4, 5, 6))
    assert velocity == gymapi.Velocity(p=gymapi.Vec3(1, 2, 3), q=gymapi.Vec3(4, 5, 6))
    assert (velocity.linear.y, velocity.angular.z) == (2.0, 6.0)
    assert gymapi.Velocity().linear == gymapi.Vec3() and gymapi.DofState().pos == 0.0
    assert (
        gymapi.RigidBodyState.dtype["vel"] == gymapi.Velocity.dtype and gymapi.RigidBodyState.dtype.itemsize == 13 * 4
    )


MISSPELT = [
    (gymapi.SimParams, "sub_steps", "substeps"),
    (gymapi.AssetOptions, "fix_base", "fix_base_link"),
    (gymapi.RigidShapeProperties, "frictoin", "friction"),
    (gymapi.PhysXParams, "num_position_iteration", "num_position_iterations"),
    (gymapi.CameraProperties, "widht", "width"),
    (gymapi.ActuatorProperties, "kP", "kp"),
]


@pytest.mark.parametrize(("cls", "name", "near"), MISSPELT, ids=lambda x: getattr(x, "__name__", x))
def test_misspelt_fields(cls, name, near):
    struct = cls()
    with pytest.raises(AttributeError, match=f"^{cls.__name__} has no field '{name}'; did you mean '{near}'.$"):
        setattr(struct, name, 1)
    assert struct == cls() and not hasattr(struct, name)


@pytest.mark.parametrize("cls", CLASSES)
def test_no_class_takes_any_field(cls):
    with pytest.raises(AttributeError, match=rf"^{cls.__name__} has no field 'no_such_thing'; "):
        cls().no_such_thing = 1


def test_fields_of_nothing_near():
    with pytest.raises(AttributeError, match=r"^Transform has no field 'position'; it has p, r$"):
        gymapi.Transform().position = gymapi.Vec3()
    with pytest.raises(AttributeError, match=r"^Vec3 has no field 'w'; it has x, y, z$"):
        gymapi.Vec3().w = 1.0


@pytest.mark.parametrize("value", [[0, 0, 1], (0, 0, 1), np.zeros(3), None, 1.0, gymapi.Quat()])
def test_a_field_takes_its_struct_alone(value):
    pose = gymapi.Transform()
    with pytest.raises(TypeError, match=r"^Transform\.p takes a Vec3, not "):
        pose.p = value
    with pytest.raises(TypeError, match=r"^Transform\.p takes a Vec3, not "):
        gymapi.Transform(value)
    assert pose == gymapi.Transform()
    with pytest.raises(TypeError):
        gymapi.Vec3() + value
    with pytest.raises(TypeError):
        gymapi.Quat() * gymapi.Vec3()


def test_a_clients_own_class():
    """What derives from a struct may have attributes of its own; a field takes the struct in it."""

    class Pose(gymapi.Transform):
        pass

    mine = Pose(gymapi.Vec3(1, 2, 3))
    mine.label = "grasp"
    props = gymapi.AttractorProperties()
    props.target = mine
    mine.p.x = 5.0
    assert mine.label == "grasp" and props.target == gymapi.Transform(gymapi.Vec3(1, 2, 3))
    options = gymapi.AssetOptions()
    options.__class__ = type("Options", (gymapi.AssetOptions,), {})
    options.source = "file"
    assert options.source == "file"
    with pytest.raises(TypeError, match="takes a Vec3"):
        mine.p = 1


def vectors(n, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    return rows, rows.view(gymapi.Vec3.dtype)[:, 0]


def quats(n, seed=1):
    turns = Rotation.random(n, random_state=seed)
    return turns, turns.as_quat().astype(np.float32).view(gymapi.Quat.dtype)[:, 0]


def flat(array):
    return np.ascontiguousarray(array).view(np.float32).reshape(*array.shape, -1)


def test_functions_on_arrays():
    """Against numpy and scipy."""
    (a, a_), (b, b_), (turn, q_) = vectors(6), vectors(6, 2), quats(6)
    close = dict(rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gymapi.dot(a_, b_), (a * b).sum(1), **close)
    assert gymapi.dot(a_, b_).dtype == np.float32
    np.testing.assert_allclose(gymapi.dot(q_, q_), np.ones(6), **close)
    np.testing.assert_allclose(flat(gymapi.cross(a_, b_)), np.cross(a, b), **close)
    np.testing.assert_allclose(flat(gymapi.rotate(q_, a_)), turn.apply(a), **close)
    np.testing.assert_allclose(flat(gymapi.rotate_inverse(q_, a_)), turn.inv().apply(a), **close)
    poses = np.zeros(6, gymapi.Transform.dtype)
    poses["p"], poses["r"] = b_, q_
    np.testing.assert_allclose(flat(gymapi.transform(poses, a_)), turn.apply(a) + b, **close)
    np.testing.assert_allclose(flat(gymapi.transform_inverse(poses, a_)), turn.inv().apply(a - b), **close)
    np.testing.assert_allclose(flat(gymapi.rotate(q_[:, None], a_[None])[2, 3]), turn[2].apply(a[3]), **close)
    np.testing.assert_allclose(flat(gymapi.rotate(q_[0], a_)), turn[0].apply(a), **close)
    eulers = np.random.default_rng(3).uniform([-3.1, -1.5, -3.1], [3.1, 1.5, 3.1], (6, 3)).astype(np.float32)
    made = gymapi.eulers_to_quats_zyx(eulers.view(gymapi.Vec3.dtype)[:, 0])
    np.testing.assert_allclose(Rotation.from_quat(flat(made)).as_euler("xyz"), eulers, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(flat(gymapi.quats_to_eulers_zyx(made)), eulers, rtol=1e-3, atol=1e-5)
    one = gymapi.Quat.from_euler_zyx(*eulers[0])
    np.testing.assert_allclose(flat(made)[0], [one.x, one.y, one.z, one.w], atol=1e-6)
    for call in (gymapi.cross, gymapi.dot):
        with pytest.raises(TypeError, match=rf"{call.__name__} takes an array of records \(x, y, z\), not float32"):
            call(a, b)
    with pytest.raises(TypeError, match=r"transform takes an array of records \(p, r\)"):
        gymapi.transform(q_, a_)


def test_a_pose_moves_arrays():
    (a, a_), (turn, _) = vectors(6), quats(1)
    pose = gymapi.Transform(gymapi.Vec3(1, 2, 3), gymapi.Quat(*turn.as_quat()[0]))
    moved, turned = pose.transform_points(a_.reshape(3, 2)), pose.transform_vectors(a_)
    assert moved.shape == (3, 2) and moved.dtype == gymapi.Vec3.dtype
    np.testing.assert_allclose(flat(moved).reshape(6, 3), turn.apply(a) + np.array([1, 2, 3]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(flat(turned), turn.apply(a), rtol=1e-5, atol=1e-6)
    one = pose.transform_point(gymapi.Vec3(*a[4]))
    np.testing.assert_allclose([one.x, one.y, one.z], flat(moved).reshape(6, 3)[4], atol=1e-5)
    there_and_back = pose * pose.inverse()
    assert math.dist((there_and_back.p.x, there_and_back.p.y, there_and_back.p.z), (0, 0, 0)) < 1e-6
    assert abs(there_and_back.r.w) == pytest.approx(1.0)
    with pytest.raises(TypeError, match="transform_points takes an array of records"):
        pose.transform_points(a)


def test_what_starts_plug_ins_is_there():
    assert gymapi.carb_init() is True and gymapi.carb_init("{}") is True


def test_planes():
    a, b = gymapi.Vec2(1, 2), gymapi.Vec2(3, 5)
    assert (a + b, b - a, a * 2, b / 2, -a) == tuple(
        gymapi.Vec2(*v) for v in ((4, 7), (2, 3), (2, 4), (1.5, 2.5), (-1, -2))
    )
