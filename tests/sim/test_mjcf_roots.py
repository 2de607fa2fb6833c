"""Root bodies and joints of MJCF files: what an actor is made of, where it stands, and what is refused, in words."""

from __future__ import annotations

import math

import pytest
import torch

from mtbench.sim import gymapi


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
        ("pos='3 1 2' euler='0 0 1'", "<freejoint/>"),
        ("pos='3 1 2'", "<joint name='free' type='free'/>"),
        ("pos='3 1 2'", "<joint name='slide' type='slide'/><joint name='turn' type='ball'/>"),
        ("mocap='true' pos='0 0 1'", ""),
    ],
)
@pytest.mark.parametrize("frame", ["<frame>", "<frame pos='0 0 1'><frame pos='1 2 3' euler='0.3 0 0'>"])
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
