"""Root bodies and joints of MJCF files: what an actor is made of, where it stands, and what is refused, in words."""

from __future__ import annotations

import math

import pytest
import torch

from mtbench.sim import gymapi, gymtorch


def mjcf(bodies: str, more: str = "") -> str:
    return f"<mujoco><compiler angle='radian'/>{more}<worldbody>{bodies}</worldbody></mujoco>"


def body(name: str, inside: str = "", place: str = "") -> str:
    return f"<body name='{name}' {place}><geom type='box' size='.1 .1 .1' mass='1'/>{inside}</body>"


BALL = body("trunk", body("arm", "<joint name='shoulder' type='ball' {}/>"))


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (
            mjcf(body("left") + body("right")),
            {},
            "<worldbody>: it has 2 root bodies ('left', 'right'), and an actor is one",
        ),
        (
            mjcf(body("left") + "<frame pos='0 0 1'>" + body("right") + "</frame>"),
            {},
            "2 root bodies ('left', 'right')",
        ),
        (mjcf("<replicate count='3' offset='1 0 0'>" + body("leg") + "</replicate>"), {}, "('leg0', 'leg1', 'leg2')"),
        (mjcf("<geom type='plane' size='1 1 1'/>"), {}, "<worldbody>: it has 0 root bodies, and"),
        (mjcf(BALL.format("")), {}, "joint 'shoulder' of body 'arm' is a ball joint"),
        (mjcf(BALL.format("range='0 0.5'")), {"fix_base_link": True}, "joint 'shoulder' of body 'arm' is a ball joint"),
        (
            mjcf(
                BALL.format("class='loose'"), "<default><default class='loose'><joint type='ball'/></default></default>"
            ),
            {},
            "joint 'shoulder' of body 'arm' is a ball joint",
        ),
        (
            mjcf(body("cart", "<joint name='rail' type='slide' axis='1 0 0'/>")),
            {"fix_base_link": True},
            "joint 'rail' moves the root body 'cart', which fix_base_link holds",
        ),
    ],
)
def test_what_is_no_actor_is_refused_by_file_element_and_reason(make_world, text, options, said):
    w = make_world()
    with pytest.raises(ValueError) as caught:
        w.mjcf(text, **options)
    message = str(caught.value)
    assert ".xml" in message and said in message and "\n" not in message


HINGES = "<joint name='{0}_x' axis='1 0 0'/><joint name='{0}_y' axis='0 1 0'/><joint name='{0}_z' axis='0 0 1'/>"


@pytest.mark.parametrize(
    ("root", "joints"),
    [
        ("", ""),
        ("pos='3 1 2'", "<freejoint/>"),
        ("pos='3 1 2'", "<joint name='free' type='free'/>"),
        ("pos='3 1 2'", "<joint name='slide' type='slide'/><joint name='turn' type='ball'/>"),
        ("mocap='true' pos='0 0 1'", ""),
    ],
)
@pytest.mark.parametrize("frame", ["<frame>", "<frame pos='0 0 1'><frame pos='1 2 3'>"])
def test_an_actor_stands_where_it_is_put_wherever_its_file_has_the_root(make_world, root, joints, frame):
    """The root's own joints and place in the file do not count: a floating root has six numbers of its own, no DOF."""
    w = make_world(gravity=0.0)
    leg = body("leg", HINGES.format("hip") + body("foot", "<joint name='ankle' axis='0 1 0'/>", "pos='0 0 -.5'"))
    text = mjcf(f"{frame}{body('trunk', joints + leg, root)}" + "</frame>" * frame.count("<frame"))
    asset = w.mjcf(text)
    assert w.gym.get_asset_dof_names(asset) == ["hip_x", "hip_y", "hip_z", "ankle"]
    assert w.gym.get_asset_rigid_body_names(asset) == ["trunk", "leg", "foot"]
    pose = gymapi.Transform(gymapi.Vec3(0.5, -1.0, 2.0), gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 0, 1), math.pi / 2))
    env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    w.gym.create_actor(env, asset, pose, "walker", 0, 0)
    before = [w.gym.get_rigid_transform(env, k) for k in (0, 2)]
    w.prepare()
    expected = torch.tensor([0.5, -1.0, 2.0, 0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5)])
    torch.testing.assert_close(w.root[0, :7], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(w.body[0, :7], expected, atol=1e-6, rtol=0)
    foot = torch.tensor([0.5, -1.0, 1.5])
    torch.testing.assert_close(w.body[2, :3], foot, atol=1e-6, rtol=0)
    for pose, place in zip(before, (expected[:3], foot), strict=True):
        torch.testing.assert_close(torch.tensor([pose.p.x, pose.p.y, pose.p.z]), place, atol=1e-6, rtol=0)


# A file whose root looks along -y with its z axis: Rx(90 degrees) Rz(180 degrees), in the spellings of MJCF.
TURNS = {
    "euler": ("euler='1.5707963 0 3.1415927'", ""),
    "quaternion": ("quat='0 0 -1 1'", ""),
    "axes": ("xyaxes='-1 0 0 0 0 -1'", ""),
    "of frames": (
        "pos='1 2 3' euler='0 0 3.1415927'",
        "<frame pos='0 0 1' euler='0.5 0 0'><frame euler='1.0707963 0 0'>",
    ),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("options", [{"fix_base_link": True}, {}, {"collapse_fixed_joints": True}])
def test_a_root_is_turned_as_its_file_has_it_and_then_as_the_actor(make_world, turn, options):
    """The palm of a hand whose file turns the root lies along -y of the actor, and the root state says so."""
    w = make_world(gravity=0.0)
    place, frames = TURNS[turn]
    palm = body("palm", "", "pos='0 0 .4'").replace("><geom", "><joint name='wrist' axis='1 0 0'/><geom")
    text = mjcf(f"{frames}{body('mount', palm, place)}" + "</frame>" * frames.count("<frame"))
    asset, yaw = w.mjcf(text, **options), gymapi.Quat.from_axis_angle(gymapi.Vec3(0, 0, 1), math.pi / 2)
    env = w.gym.create_env(w.sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    for k, r in enumerate((gymapi.Quat(), yaw)):
        w.gym.create_actor(env, asset, gymapi.Transform(gymapi.Vec3(0, 0, 1 + k), r), f"hand{k}", k, 0)
    before = [w.gym.get_rigid_transform(env, k).p for k in (1, 3)]
    w.prepare()
    half = math.sqrt(0.5)
    palms = torch.tensor([[0.0, -0.4, 1.0], [0.4, 0.0, 2.0]])
    torch.testing.assert_close(w.body[[1, 3], :3], palms, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.tensor([[p.x, p.y, p.z] for p in before]), palms, atol=1e-6, rtol=0)
    turned = torch.tensor([0.0, -half, half, 0.0])  # xyzw
    for root in (w.root[0, 3:7], w.body[0, 3:7]):
        torch.testing.assert_close(root * root[2].sign(), turned, atol=1e-6, rtol=0)
    w.gym.set_actor_root_state_tensor(w.sim, gymtorch.unwrap_tensor(w.root.clone()))
    w.gym.refresh_rigid_body_state_tensor(w.sim)
    torch.testing.assert_close(w.body[[1, 3], :3], palms, atol=1e-6, rtol=0)


def test_welded_bodies_of_a_file_stay_bodies(make_world):
    """``collapse_fixed_joints`` is about URDF files: clients count the 26 bodies of a hand whose forearm has no joint."""
    w = make_world()
    hand = body("forearm", body("palm", "<joint name='wrist' axis='1 0 0'/>", "pos='0 0 .3'"), "pos='0 0 .1'")
    asset = w.mjcf(mjcf(body("mount", hand)), collapse_fixed_joints=True)
    assert w.gym.get_asset_rigid_body_names(asset) == ["mount", "forearm", "palm"]
    assert w.gym.get_asset_joint_names(asset)[-1] == "wrist"
