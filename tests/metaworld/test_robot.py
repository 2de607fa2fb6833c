"""The Franka: published kinematics and masses, inverse kinematics, and the end-effector control in physics."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
import torch
from isaacgym import gymtorch

from isaacgymenvs_tasks.metaworld import control, kinematics
from mtbench.resources import ASSETS

# Joint positions, tcp and directions of the hand's z and y axes, worked out from the published chain.
CHECKS = [
    ((0.0,) * 7, (0.0880, 0.0, 0.8226), (0, 0, -1), (0.707, -0.707, 0)),
    (
        (0, -math.pi / 4, 0, -3 * math.pi / 4, 0, math.pi / 2, math.pi / 4),
        (0.3069, 0, 0.4869),
        (0, 0, -1),
        (0, -1, 0),
    ),
    ((0, 0, 0, -1.57079, 0, 1.57079, -0.7853), (0.5545, 0, 0.5211), (0, 0, -1), (1, 0, 0)),
    ((0, 0.2, 0, -2.5, -0.17, 2.6, -0.7), (0.4493, -0.0056, 0.0965), (-0.093, -0.087, -0.992), (0.993, 0.06, -0.099)),
    ((0, -0.1, 0, -2.6, -0.17, 2.6, 0.7), (0.4554, -0.0056, 0.1971), (0.106, -0.087, -0.991), (0.219, -0.97, 0.109)),
]


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(ASSETS / "franka" / "franka.xml"))


@pytest.mark.parametrize(("q", "tcp", "z", "y"), CHECKS)
def test_forward_kinematics(model, q, tcp, z, y):
    data = mujoco.MjData(model)
    data.qpos[:7] = q
    mujoco.mj_kinematics(model, data)
    rotation = data.body("panda_hand").xmat.reshape(3, 3)
    in_model = data.body("panda_hand").xpos + kinematics.TCP_OFFSET * rotation[:, 2]
    np.testing.assert_allclose(in_model, tcp, atol=1e-4)
    np.testing.assert_allclose(rotation[:, 2], z, atol=1e-3)
    np.testing.assert_allclose(rotation[:, 1], y, atol=1e-3)
    position, hand, _ = kinematics.forward(torch.tensor([q], dtype=torch.float64))
    np.testing.assert_allclose(position[0], in_model, atol=1e-9)
    np.testing.assert_allclose(hand[0], rotation, atol=1e-9)
    pads = [
        data.body(f).xpos + kinematics.PAD_OFFSET * rotation[:, 2] for f in ("panda_leftfinger", "panda_rightfinger")
    ]
    np.testing.assert_allclose(np.mean(pads, 0), in_model, atol=1e-9)


def test_published_figures(model):
    assert model.body_mass.sum() == pytest.approx(17.452, abs=1e-3)
    np.testing.assert_allclose(model.jnt_range[:7, 0], kinematics.JOINT_LOWER)
    np.testing.assert_allclose(model.jnt_range[:7, 1], kinematics.JOINT_UPPER)
    np.testing.assert_allclose(model.jnt_actfrcrange[:7, 1], [87, 87, 87, 87, 12, 12, 12])
    np.testing.assert_allclose(model.jnt_range[7:], [[0, 0.04], [0, 0.04]])
    np.testing.assert_allclose(model.jnt_actfrcrange[7:, 1], 70.0)


def test_an_open_hand_closes_in_a_quarter_of_a_second(model):
    """A mass M under a force F and the friction D v: x(t) = F / D (t - tau (1 - exp(-t / tau))), tau = M / D."""
    force, damping = model.jnt_actfrcrange[7:, 1], model.dof_damping[7:]
    tau, t = (model.dof_armature[7:] + 0.015) / damping, 0.23
    np.testing.assert_allclose(force / damping * (t - tau * (1.0 - np.exp(-t / tau))), 0.04, rtol=0.01)


def test_fingers_open_symmetrically(model):
    data = mujoco.MjData(model)
    data.qpos[7:] = 0.03, 0.02
    mujoco.mj_kinematics(model, data)
    y = data.body("panda_hand").xmat.reshape(3, 3)[:, 1]
    gap = data.body("panda_leftfinger").xpos - data.body("panda_rightfinger").xpos
    np.testing.assert_allclose(gap, 0.05 * y, atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_inverse_kinematics(axis):
    generator = torch.Generator().manual_seed(0)
    radius = 0.35 + 0.38 * torch.rand(24, generator=generator)
    angle = 0.8 * (torch.rand(24, generator=generator) - 0.5)
    height = 0.25 * torch.rand(24, generator=generator)
    goal = torch.stack((radius * angle.cos(), radius * angle.sin(), height), -1)
    q = kinematics.inverse(goal, axis)
    position, rotation, _ = kinematics.forward(q.double())
    assert (position - goal).norm(dim=-1).max() < 1e-4
    target = kinematics.down_rotation(axis, position)
    assert kinematics.rotation_error(target.expand_as(rotation), rotation).norm(dim=-1).max() < 1e-4
    assert (q >= torch.tensor(kinematics.JOINT_LOWER)).all() and (q <= torch.tensor(kinematics.JOINT_UPPER)).all()


def test_inverse_kinematics_says_what_is_out_of_reach():
    with pytest.raises(ValueError, match="cannot point down"):
        kinematics.inverse(torch.tensor([[0.95, 0.0, 0.1]]), "x")


def test_jacobian_of_the_kinematics_by_differences():
    q = torch.tensor([[0.1, 0.3, -0.2, -2.1, 0.1, 2.4, 0.5]], dtype=torch.float64)
    _, _, jacobian = kinematics.forward(q)
    for i in range(7):
        step = torch.zeros_like(q)
        step[0, i] = 1e-6
        (up, turn_up, _), (down, turn_down, _) = kinematics.forward(q + step), kinematics.forward(q - step)
        torch.testing.assert_close(jacobian[0, :3, i], (up - down)[0] / 2e-6, atol=1e-8, rtol=1e-6)
        turn = kinematics.rotation_error(turn_up, turn_down)[0] / 2e-6
        torch.testing.assert_close(jacobian[0, 3:, i], turn, atol=1e-7, rtol=1e-6)


def test_control_solves_the_damped_least_squares():
    """The joint step equals J^T (J J^T + lambda^2 I)^-1 e of the plain formula, and with it moves tcp and hand as asked."""
    q = kinematics.inverse(torch.tensor([[0.5, 0.1, 0.1], [0.45, -0.1, 0.2]]), "x")
    tcp, _, jacobian = (value.float() for value in kinematics.forward(q.double()))
    down = torch.tensor([[1.0, 1.0, 0.0, 0.0]]).expand(2, 4) / math.sqrt(2)
    box = torch.ones(2, 3)
    law = control.EndEffectorControl(down, q.clone(), -box, box, 0.01)
    law.reset(torch.tensor([True, True]), tcp)
    links = _links(q)
    action = torch.tensor([[1.0, 0.0, -0.5], [0.0, -1.0, 0.5]])
    target = law.arm(action, q, torch.zeros_like(q), *links, down, tcp)
    error = torch.cat((0.01 * action, torch.zeros(2, 3)), -1)[..., None]
    gram = jacobian @ jacobian.mT + 0.05**2 * torch.eye(6)
    expected = q + (jacobian.mT @ torch.linalg.inv(gram) @ error)[..., 0]
    torch.testing.assert_close(target, expected, atol=2e-6, rtol=1e-5)


def test_jacobian_of_the_control_is_the_simulators(make_env):
    """Position and axes of the links give the Tensor API's Jacobian of the hand, carried to the tcp."""
    env = make_env(num_envs=3)
    jacobian = gymtorch.wrap_tensor(env.gym.acquire_jacobian_tensor(env.sim, "robot"))
    env.reset()
    env.step(torch.ones(3, 4))
    env.gym.refresh_jacobian_tensors(env.sim)
    env.gym.refresh_rigid_body_state_tensor(env.sim)
    hand = jacobian[:, env.robot_bodies["panda_hand"] - 1, :, :7]
    arm = env.reading.hand_tcp + env._lift - env.rigid_body_states[env.index.bodies].view(3, -1, 13)[:, 7, :3]
    linear = hand[:, :3] + torch.linalg.cross(hand[:, 3:], arm[..., None].expand(-1, -1, 7), dim=1)
    origin, axis = env.reading.origins, env.reading.axes
    ours = torch.linalg.cross(axis, env.reading.hand_tcp[:, None] - origin)
    torch.testing.assert_close(ours.mT, linear, atol=1e-5, rtol=0)
    torch.testing.assert_close(axis.mT, hand[:, 3:], atol=1e-5, rtol=0)


def test_control_turns_the_hand_back():
    q = kinematics.inverse(torch.tensor([[0.5, 0.1, 0.1]]), "x")
    down = torch.tensor([[1.0, 1.0, 0.0, 0.0]]) / math.sqrt(2)
    box = torch.ones(1, 3)
    tilted = q + 0.06 * torch.randn(1, 7, generator=torch.Generator().manual_seed(1))
    law = control.EndEffectorControl(down, q, -box, box, 0.01)
    for sign in (1.0, -1.0):  # both quaternions of one rotation
        moved = tilted.clone()
        tcp, _, _ = kinematics.forward(moved)
        law.reset(torch.tensor([True]), tcp)
        for _ in range(30):
            tcp, rotation, _ = kinematics.forward(moved)
            quat = np.zeros(4)
            mujoco.mju_mat2Quat(quat, rotation[0].double().numpy().ravel())
            hand = sign * torch.tensor(quat[[1, 2, 3, 0]], dtype=torch.float32)[None]
            moved = law.arm(torch.zeros(1, 3), moved, torch.zeros(1, 7), *_links(moved), hand, tcp)
        _, rotation, _ = kinematics.forward(moved)
        assert _tilt(rotation) < 0.2


def test_target_stays_near_a_blocked_hand():
    """And soon leaves it for the other side."""
    q = kinematics.inverse(torch.tensor([[0.5, 0.0, 0.1]]), "x")
    tcp, _, _ = kinematics.forward(q)
    down = torch.tensor([[1.0, 1.0, 0.0, 0.0]]) / math.sqrt(2)
    law = control.EndEffectorControl(down, q, -torch.ones(1, 3), torch.ones(1, 3), 0.01)
    law.reset(torch.tensor([True]), tcp)
    for _ in range(100):
        target = law.arm(torch.tensor([[1.0, 0.0, 0.0]]), q, torch.zeros_like(q), *_links(q), down, tcp)
    assert (law.target - tcp).norm() == pytest.approx(control.SLACK, abs=1e-5)
    assert ((target - q).abs() <= law.lead + 1e-6).all()
    for _ in range(3):
        law.arm(torch.tensor([[-1.0, 0.0, 0.0]]), q, torch.zeros_like(q), *_links(q), down, tcp)
    assert law.target[0, 0] < tcp[0, 0]


def test_target_leads_a_moving_hand_by_the_lag_of_its_drives():
    q = kinematics.inverse(torch.tensor([[0.5, 0.0, 0.1]]), "x")
    tcp, _, jacobian = (value.float() for value in kinematics.forward(q.double()))
    down = torch.tensor([[1.0, 1.0, 0.0, 0.0]]) / math.sqrt(2)
    law = control.EndEffectorControl(down, q, -torch.ones(1, 3), torch.ones(1, 3), 0.01)
    law.reset(torch.tensor([True]), tcp)
    qd = torch.linalg.pinv(jacobian) @ torch.tensor([[0.6], [0.0], [0.0], [0.0], [0.0], [0.0]])
    for _ in range(20):
        law.arm(torch.tensor([[1.0, 0.0, 0.0]]), q, qd[..., 0], *_links(q), down, tcp)
    lead = 0.6 * control.DAMPING / control.STIFFNESS + control.SLACK
    torch.testing.assert_close(law.target - tcp, torch.tensor([[lead, 0.0, 0.0]]), atol=1e-4, rtol=0)


def test_fingertips_do_not_reach_the_table(make_env):
    env = make_env(num_envs=2, tasks=("touch",), resetNoise=0.0, randomInitialProgress=False)
    env.reset()
    for _ in range(80):
        env.step(torch.tensor([[0.0, 0.0, -1.0, 1.0]]).expand(2, 4))
    assert (env.reading.tcp[:, 2] > 0.0095).all()


def test_hand_moves_where_asked_and_keeps_pointing_down(make_env):
    env = make_env(num_envs=4, tasks=("touch", "tray"), resetNoise=0.0, randomInitialProgress=False)
    env.reset()
    start = env.reading.tcp.clone()
    torch.testing.assert_close(start[:2], torch.tensor([[0.0, 0.0, 0.15]] * 2), atol=1e-3, rtol=0)
    ways = torch.tensor([[0.6, 0.6, 0.4, 0.0], [-0.8, 0.3, 0.3, 0.0], [0.5, -1.0, 0.8, 0.0], [-0.3, -0.5, 1.0, 0.0]])
    worst = 0.0
    expected = start + 20 * 0.01 * ways[:, :3]
    for step in range(100):
        env.step(ways if step < 20 else torch.zeros(4, 4))
        worst = max(worst, float(_tilts(env).max()))
    torch.testing.assert_close(env.reading.tcp, expected, atol=0.005, rtol=0)
    assert worst < 3.0, f"tilt or yaw of {worst:.1f} degrees"


def test_reset_noise_is_straightened_out(make_env):
    env = make_env(num_envs=8, resetNoise=0.075, randomInitialProgress=False)
    env.reset()
    assert _tilts(env).max() > 3.0
    for _ in range(30):
        env.step(torch.zeros(8, 4))
    assert _tilts(env).max() < 1.0


def test_gripper_signs_and_speed(make_env):
    env = make_env(num_envs=2, resetNoise=0.0, randomInitialProgress=False)
    env.reset()
    assert (env.reading.openness > 0.99).all()
    close = torch.tensor([[0.0, 0.0, 0.0, 1.0]]).expand(2, 4)
    widths = []
    for _ in range(25):
        env.step(close)
        widths.append(env.reading.openness.clone())
    assert (widths[-1] < 0.02).all()
    speed = 0.08 * (widths[4] - widths[7]) / 2 / (3 / 60)
    assert torch.allclose(speed, torch.full((2,), 0.2), atol=0.05)
    assert (env.reading.pads[:, 0] - env.reading.pads[:, 1]).norm(dim=-1).max() < 0.003
    for _ in range(25):
        env.step(-close)
    assert (env.reading.openness > 0.98).all()


@pytest.mark.parametrize("task", ["touch", "tray"])
def test_grasp_and_lift(make_env, task):
    """A 0.1 kg box is gripped, lifted, carried at full speed and still held after two seconds."""
    env = make_env(num_envs=4, tasks=(task,), resetNoise=0.02, randomInitialProgress=False, episodeLength=1000)
    env.reset()

    def drive(goal: torch.Tensor, gripper: float, steps: int) -> None:
        for _ in range(steps):
            move = (12.0 * (goal - env.reading.tcp)).clamp(-1.0, 1.0)
            env.step(torch.cat((move, torch.full((4, 1), gripper)), -1))

    box = env.states()[0].obj.clone()
    box[:, 2] = 0.02
    drive(box + torch.tensor([0.0, 0.0, 0.1]), -1.0, 40)
    drive(box, -1.0, 30)
    drive(box, 1.0, 15)
    grip = _box(env) - env.reading.tcp
    drive(box + torch.tensor([0.0, 0.0, 0.2]), 1.0, 40)
    assert (_box(env)[:, 2] > 0.18).all()
    assert (_box(env)[:, 2] < 0.26).all()
    drive(torch.tensor([[0.0, 0.15, 0.25]]).expand(4, 3), 1.0, 60)
    drive(torch.tensor([[0.05, -0.15, 0.15]]).expand(4, 3), 1.0, 120)
    assert ((_box(env) - env.reading.tcp) - grip).norm(dim=-1).max() < 0.012
    drive(torch.tensor([[0.05, -0.15, 0.15]]).expand(4, 3), -1.0, 40)
    assert (_box(env)[:, 2] < 0.05).all()


def _links(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and z axes of links 1 to 7, each (n, 7, 3), from MuJoCo."""
    model = mujoco.MjModel.from_xml_path(str(ASSETS / "franka" / "franka.xml"))
    data, rows = mujoco.MjData(model), []
    for row in q:
        data.qpos[:7] = row.numpy()
        mujoco.mj_kinematics(model, data)
        ids = [model.body(f"panda_link{i}").id for i in range(1, 8)]
        rows.append(np.stack((data.xpos[ids], data.xmat[ids].reshape(7, 3, 3)[..., 2])))
    origin, axis = torch.tensor(np.array(rows), dtype=torch.float32).unbind(1)
    return origin, axis


def _tilt(rotation: torch.Tensor) -> float:
    return float(torch.rad2deg(torch.arccos((-rotation[:, 2, 2]).clamp(-1.0, 1.0))).max())


def _tilts(env) -> torch.Tensor:
    """Angle (degrees) between every hand and the orientation it should hold."""
    turn = torch.einsum("nij,nj->ni", env.control.map, env.reading.hand_quat)
    return torch.rad2deg(2.0 * torch.asin(turn[:, :3].norm(dim=-1).clamp(max=1.0)))


def _box(env) -> torch.Tensor:
    """Centre of the box."""
    return env.states()[0].obj - torch.tensor([0.0, 0.0, 0.02 if env.task_names == ["tray"] else 0.0])
