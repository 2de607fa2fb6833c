"""Wrong objects, options that make no sense, and calls that come too late: one sentence each, by the name of the call."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi
from tests.sim.test_bad_input import NO_NUMBER
from tests.sim.world import ARM

NAN, INF = math.nan, math.inf
ASTRAY = [gymapi.Transform(gymapi.Vec3(NAN, 0, 0)), gymapi.Transform(r=gymapi.Quat(0, 0, 0, 0))]
#: Calls whose arguments are checked when they come in, by the annotation of an argument.
KINDS = ("Sim", "Env", "Asset", "Vec3", "Transform", "AssetOptions", "PlaneParams", "IndexDomain", "ImageType")
MODULES = "actor asset attractor camera property sensor simulation tendon viewer".split()


@pytest.fixture
def cube(make_world):
    w = make_world()
    box = w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options())
    return w, box, w.env((box, (0, 0, 1)))


def _typed_arguments() -> list[tuple[str, str]]:
    calls = [(name, call) for name, call in vars_of_gym().items() if call.__module__.split(".")[-1][:-6] in MODULES]
    return [
        (name, p.name)
        for name, call in calls
        for p in inspect.signature(call).parameters.values()
        if str(p.annotation).split(" | ")[0] in KINDS
    ]


def vars_of_gym() -> dict:
    calls = {name: getattr(gymapi.Gym, name) for name in dir(gymapi.Gym) if not name.startswith("_")}
    return {name: call for name, call in calls.items() if inspect.isfunction(call)}


def test_arguments_of_another_kind():
    """Each argument of each call is a string once, and nothing else is looked at before that is said."""
    gym, arguments = gymapi.acquire_gym(), _typed_arguments()
    assert len(arguments) > 150
    for name, argument in arguments:
        with pytest.raises(TypeError, match=rf"^gym\.{name}: {argument} is .*, not 'x'$"):
            getattr(gym, name)(**{argument: "x"})


def test_none_dicts_and_handles(cube):
    w, box, env = cube
    g = w.gym
    for bad in (None, {}, torch.zeros(3), np.zeros((40, 40))):
        with pytest.raises(
            TypeError, match=r"gym.create_actor: env is an environment, which create_env gives, not .{2,20}$"
        ):
            g.create_actor(bad, box, gymapi.Transform())
        with pytest.raises(
            TypeError, match=r"gym.get_actor_index: domain is one of DOMAIN_ACTOR, DOMAIN_ENV, DOMAIN_SIM, not"
        ):
            g.get_actor_index(env, 0, bad)
    with pytest.raises(
        TypeError, match=r"gym.load_asset: options is a gymapi.AssetOptions, not {'fix_base_link': True}"
    ):
        g.load_asset(w.sim, "x", "y.urdf", {"fix_base_link": True})
    with pytest.raises(
        TypeError, match=r"gym.load_urdf: rootpath and filename are the parts of a path, not None and 'y.urdf'"
    ):
        g.load_urdf(w.sim, None, "y.urdf")
    for bad in (None, "x", 0.5, [1, 2]):
        with pytest.raises(TypeError, match=r"gym.get_actor_name: a handle or an index is an integer, not "):
            g.get_actor_name(env, bad)
    assert g.get_actor_index(env, 0, 2) == g.get_actor_index(env, np.int32(0), gymapi.DOMAIN_SIM) == 0


def test_simulation_parameters(make_world):
    gym = gymapi.acquire_gym()
    for field, bad in (*(("dt", x) for x in (*NO_NUMBER, 0.0, -0.01, 1e10, 1e-12)), ("substeps", 0)):
        params = gymapi.SimParams()
        setattr(params, field, bad)
        with pytest.raises(ValueError, match=rf"gym.create_sim: SimParams.{field} is .*, not"):
            gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
    w = make_world()
    for bad in NO_NUMBER:
        params = gymapi.SimParams()
        params.gravity = gymapi.Vec3(0, bad, 0)
        with pytest.raises(ValueError, match=r"gym.create_sim: SimParams.gravity is three finite numbers, not"):
            gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
        with pytest.raises(ValueError, match=r"gym.set_sim_params: SimParams.gravity"):
            gym.set_sim_params(w.sim, params)
    assert gym.get_sim_params(w.sim).gravity.y == 0.0


def test_grounds(cube):
    w, _, _ = cube
    g, up = w.gym, gymapi.Vec3(0, 0, 1)
    frictions = [(field, x) for field in ("static_friction", "dynamic_friction") for x in (*NO_NUMBER, -1.0)]
    normals = [("normal", v) for v in (gymapi.Vec3(), gymapi.Vec3(NAN, 0, 1))]
    poses = [("transform", pose) for pose in ASTRAY]
    scales = [(field, x) for field in ("row_scale", "column_scale") for x in (*NO_NUMBER, 0.0, -1.0)]
    vertices = np.array([[-5, -5, 0], [5, -5, 0], [5, 5, 0], [-5, 5, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
    samples = np.zeros(64, np.int16)
    fields = (
        (gymapi.PlaneParams, [*frictions, *normals, ("distance", NAN)], g.add_ground, ()),
        (
            gymapi.HeightFieldParams,
            [*frictions, *poses, *scales, ("vertical_scale", NAN)],
            g.add_heightfield,
            (samples,),
        ),
        (gymapi.TriangleMeshParams, [*frictions, *poses], g.add_triangle_mesh, (vertices, triangles)),
    )
    for kind, bad, call, given in fields:
        for field, value in bad:
            params = kind()
            if kind is gymapi.PlaneParams:
                params.normal = up
            if kind is gymapi.HeightFieldParams:
                params.nbRows = params.nbColumns = 8
            setattr(params, field, value)
            with pytest.raises(ValueError, match=rf"gym.{call.__name__}: {kind.__name__}.{field} is"):
                call(w.sim, *given, params)
    field = gymapi.HeightFieldParams()
    field.nbRows = field.nbColumns = 8
    for bad in (np.full(64, NAN), None, ["x"] * 64):
        with pytest.raises((TypeError, ValueError), match=r"gym.add_heightfield: heightSamples"):
            g.add_heightfield(w.sim, bad, field)
    with pytest.raises(ValueError, match=r"gym.add_heightfield: a height field of 8 columns and 8 rows cannot have 60"):
        g.add_heightfield(w.sim, samples[:60], field)
    lost, far, mesh = vertices.copy(), vertices.copy(), gymapi.TriangleMeshParams()
    lost[0, 0], far[0, 0] = NAN, 1e9
    for v, f, said in (
        (lost, triangles, "vertices must be finite, and 1 of 12 numbers are not"),
        (far, triangles, r"the mesh extends over 1e\+09 m x 10 m, .* is a vertex astray"),
        (None, triangles, "vertices is an array of numbers, not None"),
        (vertices, triangles[:, :2], "triangles are three numbers each, and 4 are given"),
        (vertices, triangles + 0.5, "triangles are indices of vertices, integers"),
        (vertices, triangles + 9, r"triangles must name vertices 0\.\.3"),
    ):
        with pytest.raises((TypeError, ValueError), match=rf"gym.add_triangle_mesh: {said}"):
            g.add_triangle_mesh(w.sim, v, f, mesh)
    assert w.sim.ground.plane is None and not w.sim.ground.maps
    g.add_triangle_mesh(w.sim, vertices.ravel().tolist(), torch.tensor(triangles.astype(np.int64)), mesh)
    assert w.sim.ground.maps[0].heights.shape == (201, 201)
    with pytest.raises(ValueError, match=r"gym.set_env_ground: a window is finite and its sizes positive"):
        g.set_env_ground(g.get_env(w.sim, 0), 0.0, 0.0, -1.0, 1.0)


def test_asset_options(make_world):
    w = make_world()
    for field in ("linear_damping", "angular_damping", "armature", "density"):
        for bad in (*NO_NUMBER, -1.0):
            with pytest.raises(
                ValueError, match=rf"gym.create_box: AssetOptions.{field} is finite and not negative, not"
            ):
                w.gym.create_box(w.sim, 0.1, 0.1, 0.1, w.options(**{field: bad}))
            with pytest.raises(ValueError, match=rf"gym.load_asset: AssetOptions.{field}"):
                w.mjcf(ARM, **{field: bad})
    with pytest.raises(ValueError, match=r"AssetOptions.default_dof_drive_mode is one of DOF_MODE_NONE.*, not 7"):
        w.mjcf(ARM, default_dof_drive_mode=7)


def test_dof_properties(make_world):
    w = make_world()
    env = w.env((w.mjcf(ARM, fix_base_link=True), (0, 0, 0)))
    good = w.gym.get_actor_dof_properties(env, 0)
    for fields, said in (
        ({"driveMode": 7}, "driveMode of actor 'actor0' is"),
        ({"driveMode": -1}, "driveMode of actor 'actor0' is"),
        ({"lower": 1.0, "upper": -1.0}, "actor 'actor0' has lower limits"),
        ({"lower": INF, "upper": INF}, "actor 'actor0' has lower limits"),
        ({"upper": -INF, "lower": -INF}, "actor 'actor0' has lower limits"),
    ):
        props = good.copy()
        for field, value in fields.items():
            props[field][1] = value  # of the pitch, which has limits
        with pytest.raises(ValueError, match=rf"gym.set_actor_dof_properties: {said}"):
            w.gym.set_actor_dof_properties(env, 0, props)
    for bad in ([1, 2, 3], np.zeros(3), torch.zeros(3, 10), None):
        with pytest.raises(
            TypeError, match=r"gym.set_actor_dof_properties: props are as get_actor_dof_properties gives"
        ):
            w.gym.set_actor_dof_properties(env, 0, bad)
    assert w.gym.get_actor_dof_properties(env, 0).tobytes() == good.tobytes()
    free = good.copy()
    free["lower"][0], free["upper"][0] = 1.0, -1.0  # of the yaw, which has none
    assert w.gym.set_actor_dof_properties(env, 0, free)


def test_attractors(cube):
    w, _, env = cube

    def props(**fields):
        out = gymapi.AttractorProperties()
        out.rigid_handle, out.stiffness = 0, 10.0
        for field, value in fields.items():
            setattr(out, field, value)
        return out

    handle = w.gym.create_rigid_body_attractor(env, props())
    numbers = [(field, x) for field in ("stiffness", "damping") for x in (*NO_NUMBER, -1.0)]
    poses = [(field, pose) for field in ("target", "offset") for pose in ASTRAY]
    for field, bad in (*numbers, *poses):
        with pytest.raises((TypeError, ValueError), match=rf"gym.create_rigid_body_attractor: .*{field} is"):
            w.gym.create_rigid_body_attractor(env, props(**{field: bad}))
        with pytest.raises((TypeError, ValueError), match=rf"gym.set_attractor_properties: .*{field} is"):
            w.gym.set_attractor_properties(env, handle, props(**{field: bad}))
    for pose in ASTRAY:
        with pytest.raises(ValueError, match=r"gym.set_attractor_target: an attractor's target is finite"):
            w.gym.set_attractor_target(env, handle, pose)
    assert w.gym.get_attractor_properties(env, handle) == props()


def test_colours_and_labels_of_bodies_that_are_not_there(cube):
    w, _, env = cube
    g, red = w.gym, gymapi.Vec3(1, 0, 0)
    for handle, body in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        with pytest.raises(IndexError, match=r"gym.set_rigid_body_color: there is no"):
            g.set_rigid_body_color(env, handle, body, gymapi.MESH_VISUAL, red)
        with pytest.raises(IndexError, match=r"gym.set_rigid_body_segmentation_id: there is no"):
            g.set_rigid_body_segmentation_id(env, handle, body, 3)
        with pytest.raises(IndexError, match=r"gym.set_rigid_body_texture: there is no"):
            g.set_rigid_body_texture(env, handle, body, gymapi.MESH_VISUAL, 0)
    assert not env.colors and not env.segmentation and not env.textures
    g.set_rigid_body_color(env, 0, 0, gymapi.MESH_VISUAL, red)
    assert g.get_rigid_body_color(env, 0, 0, gymapi.MESH_VISUAL) == red


def test_calls_that_come_too_late(cube):
    w, box, env = cube
    g, plane = w.gym, gymapi.PlaneParams()
    other = g.create_box(w.sim, 0.2, 0.2, 0.2, w.options())
    big = g.create_actor(env, other, gymapi.Transform(), "big", 0, 0)
    g.set_actor_scale(env, big, 2.0)
    assert g.create_asset_force_sensor(w.gym.create_box(w.sim, 1, 1, 1, w.options()), 0, gymapi.Transform()) == 0
    w.prepare()
    field, mesh, ramp = gymapi.HeightFieldParams(), gymapi.TriangleMeshParams(), np.zeros((3, 3), np.float32)
    for late in (
        lambda: g.add_ground(w.sim, plane),
        lambda: g.add_heightfield(w.sim, np.zeros(4, np.int16), field),
        lambda: g.add_triangle_mesh(w.sim, ramp, np.zeros((1, 3), int), mesh),
        lambda: g.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1),
        lambda: g.create_actor(env, box, gymapi.Transform()),
        lambda: g.set_actor_scale(env, 0, 3.0),
        lambda: g.create_rigid_body_attractor(env, gymapi.AttractorProperties()),
    ):
        with pytest.raises(RuntimeError, match=r"gym.\w+: .* cannot .* after prepare_sim; call it before prepare_sim"):
            late()
    for asset in (box, other, g.get_actor_asset(env, big)):
        with pytest.raises(
            RuntimeError, match=r"gym.create_asset_force_sensor: an actor of the asset is in a simulation"
        ):
            g.create_asset_force_sensor(asset, 0, gymapi.Transform())
        assert not asset.force_sensors
    g.destroy_sim(w.sim)
    with pytest.raises(RuntimeError, match=r"gym.create_env: the simulation has been destroyed \(destroy_sim\)"):
        g.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    with pytest.raises(RuntimeError, match=r"gym.create_actor: the simulation has been destroyed"):
        g.create_actor(env, box, gymapi.Transform())


URDF = """<robot name="r"><link name="a"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/>
</inertial></link>{links}</robot>"""
LINK = """<link name="b{k}"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
</link>
<joint name="j{k}" type="{kind}"><parent link="{above}"/><child link="b{k}"/><axis xyz="0 0 1"/>{more}</joint>"""


def _load(w, text: str, suffix: str):
    (w.tmp_path / f"robot.{suffix}").write_text(text)
    return w.gym.load_asset(w.sim, str(w.tmp_path), f"robot.{suffix}", w.options())


def test_numbers_of_urdf_files(make_world):
    w = make_world()
    sound = '<limit lower="-1" upper="1" effort="5" velocity="3"/>'
    for more, said in (
        (f'<dynamics damping="-0.5"/>{sound}', "the damping of <dynamics> is -0.5, and cannot be negative"),
        (f'<dynamics friction="-2"/>{sound}', "the friction of <dynamics> is -2, and cannot be negative"),
        (f'<dynamics damping="soft"/>{sound}', "the damping of <dynamics> is 'soft', not a number"),
        ('<limit lower="x" upper="1" effort="5" velocity="3"/>', "the lower of <limit> is 'x', not a number"),
        ('<limit lower="0" upper="1" effort="5" velocity="fast"/>', "the velocity of <limit> is 'fast', not a number"),
    ):
        text = URDF.format(links=LINK.format(k=0, kind="revolute", above="a", more=more))
        with pytest.raises(ValueError, match=rf"robot.urdf: joint 'j0': {said}"):
            _load(w, text, "urdf")
    crossed = '<limit lower="1" upper="-1" effort="5" velocity="3"/>'  # as exported for wheels
    asset = _load(w, URDF.format(links=LINK.format(k=0, kind="continuous", above="a", more=crossed)), "urdf")
    assert not w.gym.get_asset_dof_properties(asset)["hasLimits"][0]


def test_files_nested_too_deep(make_world):
    w = make_world()
    opened = "".join('<body pos="0 0 .1"><geom size=".01"/>' for _ in range(3000))
    text = f"<mujoco><worldbody>{opened}{'</body>' * 3000}</worldbody></mujoco>"
    with pytest.raises(ValueError, match=r"robot.xml: <mujoco>: its elements are nested 3003 deep; at most 300"):
        _load(w, text, "xml")
    links = "".join(LINK.format(k=k, kind="fixed", above=f"b{k - 1}" if k else "a", more="") for k in range(400))
    with pytest.raises(ValueError, match=r"robot.urdf: <robot>: more than 300 links hang on each other in a row"):
        _load(w, URDF.format(links=links), "urdf")
