"""What a URDF file says that MuJoCo does not read: Isaac Gym's order, links to keep, speeds; and small inertias."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtbench.sim import gymapi
from tests.sim.world import World


def link(name: str, mass: float = 1.0, inertia: float = 0.01, more: str = "") -> str:
    moments = f'ixx="{inertia}" iyy="{inertia}" izz="{inertia}" ixy="0" ixz="0" iyz="0"'
    return f'<link name="{name}"><inertial><mass value="{mass}"/><inertia {moments}/></inertial>{more}</link>'


def joint(name: str, kind: str, parent: str, child: str, more: str = "", limit: str = "", keep: str = "") -> str:
    return (
        f'<joint name="{name}" type="{kind}" {keep}><parent link="{parent}"/><child link="{child}"/><axis xyz="0 1 0"/>'
        f'{more}<limit lower="-1" upper="1" effort="9" {limit}/></joint>'
    )


def load(tmp_path: Path, *parts: str, **options: object) -> tuple[World, gymapi.Asset]:
    (tmp_path / "r.urdf").write_text(f"<robot name='r'>{''.join(parts)}</robot>")
    w = World(tmp_path, gravity=0.0)
    return w, w.gym.load_asset(w.sim, str(tmp_path), "r.urdf", w.options(**options))


def test_siblings_are_sorted_by_the_name_of_their_joint(tmp_path):
    """Not by their own name, not as in the file, capitals first; and depth first."""
    links = [link(n) for n in ("trunk", "a", "b", "c", "d", "e")]
    joints = [
        joint("z", "revolute", "trunk", "a"),
        joint("m", "revolute", "trunk", "b"),
        joint("B", "revolute", "trunk", "c"),
        joint("y2", "revolute", "a", "d"),
        joint("y1", "fixed", "a", "e"),
    ]
    w, asset = load(tmp_path, *joints, *links)
    assert w.gym.get_asset_rigid_body_names(asset) == ["trunk", "c", "b", "a", "e", "d"]
    assert w.gym.get_asset_dof_names(asset) == ["B", "m", "z", "y2"]


def test_a_gripper_has_the_indices_that_clients_know(tmp_path):
    """MTBench reads its Franka's fingertips at 10 and 12 and its end effector at 13; the file has another order."""
    arm = [f"link{i}" for i in range(9)]  # link8 is the hand
    joints = [joint(f"panda_joint{i}", "revolute", arm[i - 1], arm[i]) for i in range(1, 9)]
    hand = [
        joint("panda_grip_joint", "fixed", "link8", "grip_site"),
        joint("panda_finger_joint2", "prismatic", "link8", "right"),
        joint("panda_finger_joint1", "prismatic", "link8", "left"),
        joint("right_tip", "fixed", "right", "rightfingertip"),
        joint("left_tip", "fixed", "left", "leftfingertip"),
    ]
    links = [link(n) for n in (*arm, "grip_site", "right", "left", "rightfingertip", "leftfingertip")]
    w, asset = load(tmp_path, *links, *hand, *joints)
    index = w.gym.get_asset_rigid_body_dict(asset)
    assert [index[n] for n in ("leftfingertip", "rightfingertip", "grip_site")] == [10, 12, 13]


def test_an_mjcf_keeps_the_order_of_its_file(tmp_path):
    w = World(tmp_path)
    text = "".join(f"<body name='{n}'><joint name='{n}'/><geom size='.1'/></body>" for n in ("right", "left"))
    asset = w.mjcf(f"<mujoco><worldbody><body name='base'><geom size='.1'/>{text}</body></worldbody></mujoco>")
    assert asset.body_names == ["base", "right", "left"] and asset.dof_names == ["right", "left"]


COLLAPSIBLE = [
    link("trunk", 2.0),
    link("bracket", 0.5),
    link("leg", 1.0),
    link("arm", 1.0),
    link("foot", 0.2, more='<collision><geometry><box size=".3 .3 .04"/></geometry></collision>'),
    joint("z_bracket", "fixed", "trunk", "bracket", '<origin xyz="0.1 0.2 0.3" rpy="0.3 -0.4 0.5"/>'),
    joint("b_leg", "revolute", "bracket", "leg", '<origin xyz="0 0 -0.2" rpy="0.2 0 0"/>'),
    joint("c_arm", "revolute", "trunk", "arm", '<origin xyz="0 0 0.4"/>'),
    joint("foot", "fixed", "leg", "foot", '<origin xyz="0 0 -0.3"/>', keep='dont_collapse="true"'),
]


def test_collapsing_merges_all_but_marked_links(tmp_path):
    """Children of a merged link are sorted among their new siblings, and nothing moves."""
    whole, plain = load(tmp_path, *COLLAPSIBLE, fix_base_link=True)
    merged, asset = load(tmp_path, *COLLAPSIBLE, fix_base_link=True, collapse_fixed_joints=True)
    assert plain.body_names == ["trunk", "arm", "bracket", "leg", "foot"]
    assert asset.body_names == ["trunk", "leg", "foot", "arm"] and asset.dof_names == ["b_leg", "c_arm"]
    assert merged.gym.get_asset_rigid_body_shape_indices(asset)[2].count == 1
    for w, a, dofs in ((whole, plain, [[0.3, 0.0], [-0.2, 0.0]]), (merged, asset, [[-0.2, 0.0], [0.3, 0.0]])):
        env = w.env((a, (0, 0, 1)))
        w.prepare()
        w.set_dofs(torch.tensor(dofs))
        w.refresh()
        assert sum(p.mass for p in w.gym.get_actor_rigid_body_properties(env, 0)) == pytest.approx(4.7)
    torch.testing.assert_close(merged.body[:, :7], whole.body[[0, 3, 4, 1], :7], atol=1e-6, rtol=0)


def test_links_merged_in_a_chain_and_a_kept_link_below_one(tmp_path):
    parts = [link(n) for n in ("base", "p", "q", "sensor", "wheel")]
    parts += [joint("1", "fixed", "base", "p"), joint("2", "fixed", "p", "q"), joint("3", "revolute", "q", "wheel")]
    parts += [joint("4", "fixed", "q", "sensor", '<origin xyz="1 2 3"/>', keep='dont_collapse="TRUE"')]
    w, asset = load(tmp_path, *parts, collapse_fixed_joints=True)
    assert asset.body_names == ["base", "wheel", "sensor"]
    w.env((asset, (0, 0, 0)))
    w.prepare()
    torch.testing.assert_close(w.body[2, :3], torch.tensor([1.0, 2.0, 3.0]))


def test_velocity_limits_are_the_files(tmp_path):
    parts = [link(n) for n in ("base", "a", "b", "c")]
    parts += [joint("turn", "revolute", "base", "a", limit='velocity="7.5"')]
    parts += [joint("slide", "prismatic", "a", "b", limit='velocity="0.4"'), joint("free", "continuous", "b", "c")]
    w, asset = load(tmp_path, *parts)
    velocity = dict(zip(asset.dof_names, w.gym.get_asset_dof_properties(asset)["velocity"], strict=True))
    assert velocity["turn"] == np.float32(7.5) and velocity["slide"] == np.float32(0.4)
    assert velocity["free"] == np.finfo(np.float32).max


def test_small_inertias_are_left_alone(tmp_path):
    """A torque turns a light link as fast as its own inertia says; a link that is only a frame weighs next to nothing."""
    tiny = 2e-8
    parts = [link("base"), link("needle", 1e-5, tiny), '<link name="frame"/>']
    parts += [joint("spin", "continuous", "base", "needle"), joint("mark", "fixed", "needle", "frame")]
    w, asset = load(tmp_path, *parts, fix_base_link=True, collapse_fixed_joints=True)
    env = w.env((asset, (0, 0, 0)))
    body = w.gym.get_actor_rigid_body_properties(env, 0)[1]
    assert (body.mass, body.inertia.x.x) == pytest.approx((1e-5, tiny))
    w.prepare()
    w.gym.apply_actor_dof_efforts(env, 0, np.array([1e-7], dtype=np.float32))
    w.step()
    assert w.dof[0, 1].item() == pytest.approx(1e-7 / tiny * w.dt, rel=1e-4)
    _, loose = load(tmp_path, *parts)
    assert w.gym.get_asset_rigid_body_names(loose) == ["base", "needle", "frame"]
    assert loose.body_props[2].mass <= 1e-6
