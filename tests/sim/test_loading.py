"""Robots' files as they are found: incomplete, repeated, obsolete; and what is refused, in one sentence."""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from mtbench.sim import gymapi
from tests.sim.world import World

FULL = "<inertia ixx='{}' iyy='{}' izz='{}' ixy='0' ixz='0' iyz='0'/>"
GOOD = f"<inertial><mass value='2'/>{FULL.format(0.02, 0.02, 0.02)}</inertial>"
BOX = "<collision><geometry><box size='.2 .2 .1'/></geometry></collision>"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def load(w: World, text: str, name: str = "r.urdf", **options: object) -> gymapi.Asset:
    path = w.tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return w.gym.load_asset(w.sim, str(path.parent), path.name, w.options(**options))


def link(name: str, inside: str = GOOD + BOX) -> str:
    return f"<link name='{name}'>{inside}</link>"


def joint(name: str, parent: str, child: str, kind: str = "revolute", more: str = "") -> str:
    limit = "" if "<limit" in more else "<limit lower='-1' upper='1' effort='9' velocity='9'/>"
    return (
        f"<joint name='{name}' type='{kind}'><parent link='{parent}'/><child link='{child}'/>"
        f"<axis xyz='0 1 0'/>{limit}{more}</joint>"
    )


def robot(*parts: str) -> str:
    return f"<robot name='r'>{''.join(parts)}</robot>"


def properties(w: World, asset: gymapi.Asset) -> list[gymapi.RigidBodyProperties]:
    return w.gym.get_actor_rigid_body_properties(w.env((asset, (0, 0, 1))), 0)


BOX_INERTIA = np.array([0.2**2 + 0.1**2, 0.2**2 + 0.1**2, 0.2**2 + 0.2**2]) / 12


@pytest.mark.parametrize(
    ("inertial", "mass"),
    [
        ("<inertial><mass value='3'/></inertial>", 3.0),
        (f"<inertial><mass value='3'/>{FULL.format(0, 0, 0)}</inertial>", 3.0),
        ("<inertial><density value='400'/></inertial>", 400 * 0.2 * 0.2 * 0.1),
        (f"<inertial><mass value='0'/>{FULL.format(0, 0, 0)}</inertial>", 500 * 0.2 * 0.2 * 0.1),
        (f"<inertial>{FULL.format(1, 1, 1)}</inertial>", 500 * 0.2 * 0.2 * 0.1),
        ("", 500 * 0.2 * 0.2 * 0.1),
    ],
)
def test_incomplete_inertials(world, inertial, mass):
    asset = load(world, robot(link("a", inertial + BOX)), density=500.0)
    body = properties(world, asset)[0]
    assert body.mass == pytest.approx(mass, rel=1e-6)
    moments = body.inertia.x.x, body.inertia.y.y, body.inertia.z.z
    np.testing.assert_allclose(moments, mass * BOX_INERTIA, rtol=1e-5)


def test_the_stated_centre_of_mass_and_a_mass_without_shapes(world):
    inertial = "<inertial><origin xyz='0 0 .3'/><mass value='3'/></inertial>"
    body, ball = properties(
        world, load(world, robot(link("a", inertial + BOX), link("b", inertial), joint("j", "a", "b")))
    )
    assert (body.com.z, body.mass) == (pytest.approx(0.3), pytest.approx(3.0))
    radius = (3.0 / (4 / 3 * math.pi * 1000.0)) ** (1 / 3)
    assert (ball.mass, ball.com.z) == (pytest.approx(3.0), pytest.approx(0.3))
    assert ball.inertia.x.x == pytest.approx(0.4 * 3.0 * radius**2)


def test_an_impossible_inertia_is_balanced_with_one_warning(world):
    bad = f"<inertial><mass value='1'/>{FULL.format(0.1, 0.1, 0.3)}</inertial>"
    text = robot(link("a"), link("wing", bad), link("tail", bad), joint("i", "a", "wing"), joint("j", "a", "tail"))
    with pytest.warns(UserWarning, match="'wing', 'tail'") as said:
        asset = load(world, text)
    assert len(said) == 1
    for body in properties(world, asset)[1:]:
        assert body.mass == 1.0 and body.inertia.z.z == pytest.approx(0.3, rel=1e-6)
        assert body.inertia.x.x == pytest.approx(0.15, rel=1e-6) and body.inertia.y.y == pytest.approx(0.15, rel=1e-6)


def test_a_repeated_inertial_counts_once(world):
    second = f"<inertial><mass value='7'/>{FULL.format(1, 1, 1)}</inertial>"
    assert properties(world, load(world, robot(link("a", GOOD + second + BOX))))[0].mass == pytest.approx(2.0)


def test_names(world):
    """A root called world, names missing and repeated, and fixed joints in their place."""
    text = robot(
        link("world", ""), link("arm"), link("hand"), link("tip"),
        joint("mount", "world", "arm", "fixed"), joint("wrist", "arm", "hand"), joint("wrist", "hand", "tip"),
    )  # fmt: skip
    with pytest.warns(UserWarning, match="joint 'wrist' is defined more than once"):
        asset = load(world, text, fix_base_link=True)
    g = world.gym
    assert g.get_asset_rigid_body_names(asset) == ["world", "arm", "hand", "tip"]
    assert g.get_asset_dof_names(asset) == ["wrist", "wrist_1"]
    env = world.env((asset, (0, 0, 1)))
    assert g.get_actor_joint_dict(env, 0) == {"mount": 0, "wrist": 1, "wrist_1": 2}
    types = [g.get_asset_joint_type(asset, k) for k in range(g.get_asset_joint_count(asset))]
    assert types == [gymapi.JOINT_FIXED, gymapi.JOINT_REVOLUTE, gymapi.JOINT_REVOLUTE]
    assert g.find_asset_joint_index(asset, "wrist_1") == 2 and g.get_joint_handle(env, "actor0", "wrist") == 1
    # where a body is, before anything is prepared and after
    before = g.get_rigid_transform(env, 3).p
    world.prepare()
    g.acquire_net_contact_force_tensor(world.sim)
    after = g.get_rigid_transform(env, 3).p
    assert (before.x, before.y, before.z) == pytest.approx((after.x, after.y, after.z))
    nameless = robot("<link>" + GOOD + "</link>", link("b"), "<joint type='revolute'><parent link='link_0'/>"
                     "<child link='b'/><limit lower='0' upper='1' effort='1' velocity='1'/></joint>")  # fmt: skip
    assert load(world, nameless).dof_names == ["joint_0"]
    with pytest.warns(UserWarning, match="link 'b' is defined more than once"):
        assert load(world, robot(link("a"), link("b"), link("b"), joint("j", "a", "b"))).body_names == ["a", "b"]


def test_looks_and_foreign_elements_do_not_matter(world):
    visual = (
        "<visual><geometry><mesh filename='package://nowhere/skin.dae'/></geometry>"
        "<material name='steel'/></visual><visual><geometry/></visual>"
    )
    extra = "<material name='steel'><texture filename='nowhere.png'/></material><gazebo reference='a'/>"
    asset = load(world, robot(link("a", GOOD + visual + BOX), extra, "<transmission name='t'/>"))
    assert world.gym.get_asset_rigid_shape_count(asset) == 1


CORNERS = np.array([[0, 0, 0], [0.3, 0, 0], [0, 0.2, 0], [0, 0, 0.1]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def write_mesh(path: Path) -> None:
    """The tetrahedron of CORNERS in the format of the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".obj":
        lines = [f"v {x} {y} {z}" for x, y, z in CORNERS] + [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in FACES]
        path.write_text("\n".join(lines))
    elif path.suffix == ".stl":  # as text, which MuJoCo does not read
        facets = "".join(
            "facet normal 0 0 0\nouter loop\n" + "".join("vertex {} {} {}\n".format(*CORNERS[i]) for i in face)
            + "endloop\nendfacet\n" for face in FACES
        )  # fmt: skip
        path.write_text(f"solid t\n{facets}endsolid t\n")
    elif path.suffix == ".glb":
        pytest.importorskip("trimesh").Trimesh(CORNERS, FACES).export(path)
    else:  # half as large, and twice as large again in its scene; one face is given as a polygon
        numbers = " ".join(str(x) for x in (0.5 * CORNERS).ravel())
        triangles = " ".join(f"{i} 0" for face in FACES[:3] for i in face)
        path.write_text(f"""<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit meter="1"/></asset><library_geometries><geometry id="g"><mesh>
<source id="p"><float_array id="a" count="12">{numbers}</float_array><technique_common><accessor source="#a" count="4"
 stride="3"/></technique_common></source><source id="n"><float_array id="b" count="3">0 0 1</float_array></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
<triangles count="3"><input semantic="VERTEX" source="#v" offset="0"/><input semantic="NORMAL" source="#n" offset="1"/>
<p>{triangles}</p></triangles>
<polylist count="1"><input semantic="VERTEX" source="#v" offset="0"/><vcount>3</vcount><p>1 2 3</p></polylist>
</mesh></geometry></library_geometries><library_visual_scenes><visual_scene id="s">
<node><matrix>2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1</matrix><instance_geometry url="#g"/></node>
</visual_scene></library_visual_scenes></COLLADA>""")


@pytest.mark.parametrize("ending", ["obj", "stl", "dae", "glb"])
@pytest.mark.parametrize("name", ["package://pkg/meshes/t", "package://meshes/t", "../meshes/t", "..\\meshes\\t"])
def test_meshes_of_any_format_from_any_folder(world, name, ending):
    write_mesh(world.tmp_path / "pkg" / "meshes" / f"t.{ending}")
    inside = f"<collision><geometry><mesh filename='{name}.{ending}' scale='2 2 2'/></geometry></collision>"
    asset = load(world, robot(link("a", inside)), "pkg/robots/r.urdf", density=1000.0)
    body = properties(world, asset)[0]
    volume = 8 * 0.3 * 0.2 * 0.1 / 6
    assert body.mass == pytest.approx(1000 * volume, rel=1e-4)
    np.testing.assert_allclose([body.com.x, body.com.y, body.com.z], [0.15, 0.1, 0.05], atol=1e-5)


def test_meshes_of_the_same_name_and_binary_stl(world):
    for folder, size in (("one", 1.0), ("two", 2.0)):
        path = world.tmp_path / folder / "t.stl"
        path.parent.mkdir()
        facets = b"".join(struct.pack("<12fH", 0, 0, 0, *(size * CORNERS[f]).ravel(), 0) for f in FACES)
        path.write_bytes(b"solid in its header".ljust(80) + struct.pack("<I", 4) + facets)
    shapes = [f"<collision><geometry><mesh filename='{f}/t.stl'/></geometry></collision>" for f in ("one", "two")]
    a, b = properties(world, load(world, robot(link("a", shapes[0]), link("b", shapes[1]), joint("j", "a", "b"))))
    assert b.mass == pytest.approx(8 * a.mass, rel=1e-4)


def test_limits(world):
    same = joint("lock", "a", "b", more="<limit lower='.5' upper='.5' effort='1' velocity='1'/>")
    free = joint("free", "b", "c", more="<limit lower='-inf' upper='inf' effort='inf' velocity='1'/>")
    props = load(world, robot(link("a"), link("b"), link("c"), same, free)).dof_props
    assert props["upper"][0] - props["lower"][0] < 1e-5 and props["lower"][0] == np.float32(0.5)
    assert not props["hasLimits"][1]


def test_mjcf_as_found(world):
    (world.tmp_path / "part.xml").write_text(
        "<mujoco><worldbody><body name='a'><geom name='g' size='.1' material='none'/>"
        "<body><joint/><joint axis='0 1 0'/><geom name='g' size='.1' material='skin'/></body></body></worldbody></mujoco>"
    )
    text = """<mujoco><size nuser_geom='1'/><option apirate='200' timestep='0.002'/><asset>
      <texture name='wood' type='2d' file='wood.png'/><material name='skin' texture='wood' rgba='1 0 0 1'/></asset>
      <include file='part.xml'/></mujoco>"""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asset = load(world, text, "r.xml", fix_base_link=True)
    assert any("apirate of <option>" in str(w.message) for w in said)
    assert any("geom 'g'" in str(w.message) for w in said)
    assert asset.body_names[0] == "a" and len(set(asset.body_names)) == 2 and all(asset.body_names)
    assert len(asset.dof_names) == 2 and all(asset.dof_names)


def test_a_mesh_that_is_not_there_matters_where_it_collides_alone(world):
    text = """<mujoco><default><geom density='500'/><default class='looks'><geom type='mesh' contype='0' conaffinity='0'/>
      </default></default><asset><mesh name='skin' file='no/skin.stl'/></asset><worldbody><body name='a' childclass='looks'>
      <geom mesh='skin'/><geom type='mesh' mesh='skin' {}/><geom type='sphere' class='main' size='.1'/>
      </body></worldbody></mujoco>"""
    with pytest.warns(UserWarning, match=r"'no/skin\.stl' is not there; it is looks alone"):
        asset = load(world, text.format(""), "r.xml")
    assert world.gym.get_asset_rigid_shape_count(asset) == 1
    assert properties(world, asset)[0].mass == pytest.approx(500 * 4 / 3 * math.pi * 0.1**3)
    with pytest.raises(ValueError, match=r"mesh 'skin': 'no/skin\.stl' is not there"):
        load(world, text.format("contype='1'"), "r.xml")


@pytest.mark.parametrize(("geom", "read"), [("contype='1s'", "1"), ("pos='0, 0, .3'", "0 0 .3"), ("mass='2kg'", "2")])
def test_numbers_in_mjcf_are_read_as_far_as_they_go(world, geom, read):
    text = f"<mujoco><worldbody><body name='a'><geom size='.1' {geom}/></body></worldbody></mujoco>"
    with pytest.warns(UserWarning, match=f"is read as {read}"):
        asset = load(world, text, "r.xml")
    body = properties(world, asset)[0]
    assert world.gym.get_asset_rigid_shape_count(asset) == 1
    assert body.com.z == pytest.approx(0.3 if "pos" in geom else 0.0)
    assert body.mass == pytest.approx(2.0 if "mass" in geom else 1000 * 4 / 3 * math.pi * 0.1**3)


@pytest.mark.parametrize("ending", ["obj", "dae", "glb"])
def test_mjcf_meshes(world, ending):
    write_mesh(world.tmp_path / "meshes" / f"t.{ending}")
    text = f"""<mujoco><compiler meshdir='meshes'/><asset><mesh name='t' file='t.{ending}' scale='2 2 2'/></asset>
      <worldbody><body name='a'><geom type='mesh' mesh='t'/></body></worldbody></mujoco>"""
    assert properties(world, load(world, text, "r.xml"))[0].mass == pytest.approx(8.0, rel=1e-4)


ONE = "<mujoco><worldbody><body name='a' {}><geom size='.1' {}/></body></worldbody></mujoco>"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("<robot", "r.urdf", "is not XML"),
        (robot(), "r.urdf", "<robot>: it has no links"),
        (robot(link("a"), link("b")), "r.urdf", "2 links hang on no joint ('a', 'b')"),
        (robot(link("a"), link("b"), joint("j", "a", "b", "floating")), "r.urdf", "joint 'j': its type is 'floating'"),
        (robot(link("a"), joint("j", "a", "c")), "r.urdf", "joint 'j': its child 'c' is no link"),
        (robot(link("a"), link("b"), joint("j", "a", "b"), joint("k", "a", "b")), "r.urdf", "joint 'k': its child 'b'"),
        (robot(link("a"), link("b"), joint("j", "a", "b"), joint("k", "b", "a")), "r.urdf", "form a ring"),
        (
            robot(link("a", "<inertial><mass value='inf'/></inertial>")),
            "r.urdf",
            "link 'a': the value of <mass> is inf",
        ),
        (robot(link("a", "<inertial><mass value='-1'/></inertial>")), "r.urdf", "link 'a': its mass is -1"),
        (robot(link("a", "<inertial><mass value='x'/></inertial>")), "r.urdf", "link 'a': the value of <mass> is 'x'"),
        (
            robot(link("a"), link("b"), joint("j", "a", "b", more="<origin xyz='nan 0 0'/>")),
            "r.urdf",
            "joint 'j': the xyz",
        ),
        (
            robot(
                link("a"), link("b"), joint("j", "a", "b", more="<limit lower='1' upper='0' effort='1' velocity='1'/>")
            ),
            "r.urdf",
            "joint 'j': its lower limit 1",
        ),
        (
            robot(link("a", "<collision><geometry><mesh filename='no.stl'/></geometry></collision>")),
            "r.urdf",
            "link 'a': its mesh 'no.stl' is not there",
        ),
        (
            robot(link("a", "<collision><geometry><mesh filename='r.urdf'/></geometry></collision>")),
            "r.urdf",
            "mesh 'r.urdf': meshes are read from .obj",
        ),
        (
            robot(link("a", "<collision><geometry><mesh filename='line.obj'/></geometry></collision>")),
            "r.urdf",
            "a: line.obj",
        ),
        (ONE.format("", "mass='inf'"), "r.xml", "geom '': its mass is inf"),
        (ONE.format("pos='0 nan 0'", ""), "r.xml", "body 'a': its pos is 0 nan 0"),
        (ONE.format("", "type='mesh' mesh='no'"), "r.xml", "mesh 'no' not found"),
        (
            "<mujoco><worldbody><replicate count='100000000'><body><geom size='.1'/></body></replicate></worldbody></mujoco>",
            "r.xml",
            "<replicate>: it makes 100000000 bodies",
        ),
        ("<mujoco><include file='r.xml'/></mujoco>", "r.xml", "includes itself"),
        (
            "<mujoco><asset><mesh file='no.obj'/></asset><worldbody><body><geom type='mesh' mesh='no'/></body></worldbody>"
            "</mujoco>",
            "r.xml",
            "'no.obj' is not there",
        ),
    ],
)
def test_what_is_refused_says_file_element_and_reason(world, text, name, said):
    (world.tmp_path / "line.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nv 3 0 0\nf 1 2 3\nf 2 4 3\n")
    with pytest.raises(ValueError) as caught:
        load(world, text, name)
    message = str(caught.value)
    assert name in message and said in message and "\n" not in message


def test_scaled_actors(world):
    """Lengths times 2, masses times 8, also of meshes and slides; two actors of the asset keep their own sizes."""
    write_mesh(world.tmp_path / "t.obj")
    mesh = "<collision><geometry><mesh filename='t.obj'/></geometry></collision>"
    slide = joint(
        "s", "a", "b", "prismatic", "<origin xyz='0 0 .5'/><limit lower='0' upper='.1' effort='1' velocity='1'/>"
    )
    asset = load(world, robot(link("a"), link("b", mesh), slide), fix_base_link=True, disable_gravity=True)
    env, g = world.env((asset, (0, 0, 0)), (asset, (5, 0, 0))), world.gym
    assert g.set_actor_scale(env, 1, 2.0) and g.get_actor_scale(env, 1) == 2.0 and g.get_actor_scale(env, 0) == 1.0
    small, large = (g.get_actor_rigid_body_properties(env, k) for k in range(2))
    for a, b in zip(small, large, strict=True):
        assert b.mass == pytest.approx(8 * a.mass) and b.inertia.z.z == pytest.approx(32 * a.inertia.z.z)
        assert b.com.x == pytest.approx(2 * a.com.x)
    assert [g.get_actor_dof_properties(env, k)["upper"][0] for k in range(2)] == pytest.approx([0.1, 0.2])
    world.prepare()
    world.step(1)
    assert (world.body[1, 2].item(), world.body[3, 2].item()) == (pytest.approx(0.5), pytest.approx(1.0))
    with pytest.raises(RuntimeError, match="before prepare_sim"):
        g.set_actor_scale(env, 1, 3.0)
    with pytest.raises(ValueError, match="positive"):
        g.set_actor_scale(env, 1, 0.0)


@pytest.mark.parametrize("inertial", ["<inertial><mass value='2'/></inertial>", GOOD])
@pytest.mark.parametrize("scale", ["1 1 1", ".5 2 1"])
def test_a_mesh_in_one_plane_is_a_plate(world, inertial, scale):
    """It has no hull; a ball comes to rest on it all the same."""
    corners = "\n".join(f"v {x} {y} 0.2" for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    (world.tmp_path / "flat.obj").write_text(f"{corners}\nf 1 2 3\nf 1 3 4\n")
    shape = f"<collision><geometry><mesh filename='flat.obj' scale='{scale}'/></geometry></collision>"
    table = load(world, robot(link("table", inertial + shape)), fix_base_link=True)
    assert world.gym.get_asset_rigid_shape_count(table) == 1
    world.env((table, (0, 0, 1)), (world.gym.create_sphere(world.sim, 0.1), (0.2, 0.2, 1.32)))
    world.prepare()
    world.step(200)
    assert world.root[1, 2].item() == pytest.approx(1.3, abs=2e-3)
