"""Names and signatures against Isaac Gym Preview 4 (the package isaacgym-stubs), assets, and unchanged clients."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from enum import IntEnum
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
import torch

from mtbench.sim import coverage, coverage_page, gymapi, gymtorch
from mtbench.sim.structs import Struct
from tests.sim.world import ARM

REPO = Path(__file__).parents[2]
#: Ours alone; Isaac Gym has no exact save and restore.
EXTENSIONS = {"get_state", "set_state", "settle", "take_overflow", "take_diverged", "take_refused", "set_env_ground"}


@pytest.fixture(scope="module")
def stubs() -> dict[str, ast.ClassDef]:
    path = next(f for f in files("isaacgym-stubs") or [] if f.name == "gymapi.pyi").locate()
    # one property of the stubs is called "lambda", which does not parse
    tree = ast.parse(Path(str(path)).read_text().replace("def lambda(", "def lambda_("))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)} | {"": tree}


def _methods(cls: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {f.name: f for f in cls.body if isinstance(f, ast.FunctionDef)}


def _ours() -> dict[str, object]:
    return coverage_page.calls()


def test_every_call_is_either_here_or_refused_by_name(stubs):
    reference = set(_methods(stubs["Gym"])) - {"__init__"}
    assert set(_ours()) - EXTENSIONS == reference - set(coverage.MISSING_CALLS)
    assert reference >= set(coverage.MISSING_CALLS)
    gym = gymapi.acquire_gym()
    for name in coverage.MISSING_CALLS:
        call = getattr(gym, name)  # clients collect calls in tables; only calling one is an error
        with pytest.raises(NotImplementedError, match=f"gym.{name} .*docs/tensor_api.md"):
            call()
    assert not hasattr(gym, "no_such_call")


def test_signatures(stubs):
    """Same number of arguments; same names and optionality where the stubs name them (argN: positional in Isaac Gym)."""
    reference = _methods(stubs["Gym"])
    compared = 0
    for name, function in _ours().items():
        if name in EXTENSIONS:
            continue
        spec = reference[name].args
        if spec.vararg:  # the stub does not know this signature
            continue
        theirs = [a.arg for a in spec.args]
        ours = list(inspect.signature(function).parameters.values())
        assert len(ours) == len(theirs), name
        optional = len(spec.defaults)
        for i, (mine, their) in enumerate(zip(ours, theirs, strict=True)):
            if not their.startswith("arg") and their != "self":
                assert mine.name == their, name
            assert (mine.default is not inspect.Parameter.empty) == (i >= len(theirs) - optional), (name, their)
        compared += 1
    assert compared > 100


def test_classes_have_preview_4_members(stubs):
    """Fields, properties and methods of every class that is here, on the class or on its instances."""
    compared = 0
    for name in set(stubs) - {"", "Gym"} - set(coverage.MISSING_TYPES):
        ours = getattr(gymapi, name)
        one = next(iter(ours)) if issubclass(ours, IntEnum) else _instance(ours)
        members = {f.target.id for f in stubs[name].body if isinstance(f, ast.AnnAssign)} | set(_methods(stubs[name]))
        members = {m for m in members if not m.startswith("_") or m in ("__add__", "__sub__", "__mul__", "__truediv__")}
        missing = {f"{name}.{m}" for m in members if not hasattr(ours, m) and not hasattr(one, m)}
        assert missing == {m for m in coverage.MISSING_MEMBERS if m.startswith(f"{name}.")}, name
        compared += len(members)
    assert compared > 400


def _instance(cls: type) -> object:
    return gymtorch.Tensor(torch.zeros(1)) if cls is gymtorch.Tensor else cls() if issubclass(cls, Struct) else cls


def test_every_function_is_here(stubs):
    reference = {f.name for f in stubs[""].body if isinstance(f, ast.FunctionDef)}
    assert reference == set(coverage_page.functions()) and len(reference) == 10
    assert set(coverage_page.classes()) == set(stubs) - {""} - set(coverage.MISSING_TYPES)


def test_constants_and_classes(stubs):
    constants = {n.target.id: n.value for n in stubs[""].body if isinstance(n, ast.AnnAssign)}
    assert len(constants) > 100
    for name, value in constants.items():
        ours = getattr(gymapi, name)
        if isinstance(value, ast.Constant):
            assert ours == value.value, name
    for name in set(stubs) - {""}:
        ours = getattr(gymapi, name)
        if name in coverage.MISSING_TYPES:
            with pytest.raises(NotImplementedError, match=f"{name}.*docs/tensor_api.md"):
                ours()
    assert not hasattr(gymapi, "NoSuchClass")
    assert (gymapi.DOF_MODE_NONE, gymapi.DOF_MODE_POS, gymapi.DOF_MODE_VEL, gymapi.DOF_MODE_EFFORT) == (0, 1, 2, 3)


def test_coverage_page_is_current():
    assert (REPO / coverage.PAGE).read_text() == coverage_page.page(), "run python -m mtbench.sim.coverage_page"


def test_asset_introspection_and_options(make_world):
    w = make_world()
    asset = w.mjcf(ARM, fix_base_link=True, armature=0.02, default_dof_drive_mode=gymapi.DOF_MODE_POS)
    g = w.gym
    assert g.get_asset_rigid_body_names(asset) == ["base", "upper", "lower", "slider"]
    assert g.get_asset_dof_dict(asset) == {"yaw": 0, "pitch": 1, "reach": 2}
    assert g.get_asset_dof_type(asset, 2) == gymapi.DOF_TRANSLATION
    assert g.get_asset_rigid_shape_count(asset) == 4
    assert [r.start for r in g.get_asset_rigid_body_shape_indices(asset)] == [0, 1, 2, 3]
    props = g.get_asset_dof_properties(asset)
    np.testing.assert_allclose(props["lower"][1:], [-2, -0.2])
    assert props["hasLimits"].tolist() == [False, True, True]
    assert props["driveMode"].tolist() == [1, 1, 1] and np.allclose(props["armature"], 0.02)
    assert g.find_asset_dof_index(asset, "nothing") == gymapi.INVALID_HANDLE
    heavy = g.create_box(w.sim, 0.1, 0.2, 0.3, w.options(density=500.0))
    env = w.env((heavy, (0, 0, 1)))
    body = g.get_actor_rigid_body_properties(env, 0)[0]
    assert body.mass == pytest.approx(3.0)
    assert body.inertia.x.x == pytest.approx(3.0 * (0.2**2 + 0.3**2) / 12)


URDF = """<robot name="r"><link name="root"><inertial><mass value="1"/><inertia ixx=".1" iyy=".1" izz=".1" ixy="0"
 ixz="0" iyz="0"/>
</inertial><collision><geometry><box size=".1 .1 .1"/></geometry></collision></link>
<link name="arm"><inertial><origin xyz="0 0 -.5"/><mass value="2"/><inertia ixx=".1" iyy=".1" izz=".01" ixy="0"
 ixz="0" iyz="0"/>
</inertial></link><link name="tip"/>
<joint name="swing" type="revolute"><parent link="root"/><child link="arm"/><axis xyz="0 1 0"/>
<limit lower="-3" upper="3" effort="9" velocity="5"/><dynamics damping="0.2" friction="0.1"/></joint>
<joint name="weld" type="fixed"><parent link="arm"/><child link="tip"/><origin xyz="0 0 -1"/></joint></robot>"""


@pytest.mark.parametrize("collapse", [False, True])
def test_urdf_and_fixed_joints(make_world, tmp_path, collapse):
    (tmp_path / "r.urdf").write_text(URDF)
    w = make_world()
    options = w.options(fix_base_link=True, collapse_fixed_joints=collapse)
    asset = w.gym.load_asset(w.sim, str(tmp_path), "r.urdf", options)
    assert asset.body_names == (["root", "arm"] if collapse else ["root", "arm", "tip"])
    props = w.gym.get_asset_dof_properties(asset)[0]
    assert props["effort"] == 9 and props["damping"] == np.float32(0.2) and props["friction"] == np.float32(0.1)
    w.env((asset, (0, 0, 2)))
    w.prepare()
    w.step(10)
    if not collapse:
        assert w.body[2, 2].item() == pytest.approx(1.0, abs=1e-6)


CLIENT = """
import mtbench.sim; mtbench.sim.install()
from isaacgym import gymapi, gymtorch, gymutil
from isaacgym.torch_utils import *
import sys, torch

gym = gymapi.acquire_gym()
sim_params = gymapi.SimParams()
sim_params.up_axis = gymapi.UP_AXIS_Z
sim_params.gravity = gymapi.Vec3(0.0, 0.0, -9.8)
sim_params.dt = 1 / 60
sim = gym.create_sim(0, 0, gymapi.SIM_PHYSX, sim_params)
plane_params = gymapi.PlaneParams()
plane_params.normal = gymapi.Vec3(0.0, 0.0, 1.0)
gym.add_ground(sim, plane_params)
options = gymapi.AssetOptions()
options.fix_base_link = True
asset = gym.load_asset(sim, sys.argv[1], sys.argv[2], options)
num_dof = gym.get_asset_dof_count(asset)
pose = gymapi.Transform()
pose.p.z = 2.0
pose.r = gymapi.Quat(0, 0.0, 0.0, 1)
for i in range(3):
    env = gym.create_env(sim, gymapi.Vec3(-2, -2, 0), gymapi.Vec3(2, 2, 2), 2)
    handle = gym.create_actor(env, asset, pose, "robot", i, 1, 0)
    dof_props = gym.get_actor_dof_properties(env, handle)
    dof_props['driveMode'][:] = gymapi.DOF_MODE_EFFORT
    dof_props['stiffness'][:] = 0.0
    dof_props['damping'][:] = 0.0
    gym.set_actor_dof_properties(env, handle, dof_props)
gym.prepare_sim(sim)
dof_state = gymtorch.wrap_tensor(gym.acquire_dof_state_tensor(sim))
dof_pos = dof_state.view(3, num_dof, 2)[..., 0]
forces = torch.zeros(3 * num_dof)
forces[::num_dof] = torch.tensor([0.0, 0.5, -0.5])
env_ids_int32 = torch.arange(3, dtype=torch.int32)
dof_state[:] = 0
gym.set_dof_state_tensor_indexed(sim, gymtorch.unwrap_tensor(dof_state), gymtorch.unwrap_tensor(env_ids_int32), 3)
for _ in range(20):
    gym.set_dof_actuation_force_tensor(sim, gymtorch.unwrap_tensor(forces))
    gym.simulate(sim)
    gym.fetch_results(sim, True)
    gym.refresh_dof_state_tensor(sim)
first = dof_pos[:, 0].tolist()
assert first[1] > first[0] + 0.01 and first[2] < first[0] - 0.01, first
print("ran", num_dof)
"""


@pytest.mark.parametrize(("name", "text"), [("r.urdf", URDF.replace('friction="0.1"', "")), ("a.xml", ARM)])
def test_a_plain_isaac_gym_client_runs_unchanged(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    result = subprocess.run(
        [sys.executable, "-c", CLIENT, str(tmp_path), name], capture_output=True, text=True, cwd=REPO, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ran")


def test_the_module_of_compiled_tasks_can_be_imported():
    script = "import mtbench.sim; mtbench.sim.install(); from isaacgym import rlgpu; rlgpu.create_task_gpu('Ant', '{}')"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPO, timeout=120)
    assert "NotImplementedError: rlgpu has no tasks compiled from C++" in result.stderr


def test_a_part_of_a_tensor_is_wrapped_and_nothing_is_none(make_world):
    w = make_world()
    w.env((w.gym.create_box(w.sim, 0.1, 0.1, 0.1), (0, 0, 1)))
    w.prepare()
    assert gymtorch.wrap_tensor(w.gym.acquire_dof_state_tensor(w.sim)) is None
    handle = w.gym.acquire_actor_root_state_tensor(w.sim)
    height = gymtorch.wrap_tensor(handle, offsets=(0, 2), counts=(1, 1))
    height.fill_(5.0)  # the same memory
    assert height.shape == (1, 1) and gymtorch.wrap_tensor(handle)[0, 2] == 5.0
    assert gymtorch.wrap_tensor(handle, counts=(1, 7)).shape == (1, 7)
    assert gymtorch.wrap_tensor(handle, offsets=(0, 7)).shape == (1, 6)


def test_handles_of_tensors():
    values = torch.zeros(2, 3)
    handle = gymtorch.unwrap_tensor(values)
    assert handle.data_ptr == handle.data_address == values.data_ptr() and handle.own_data is False
    assert (handle.shape, handle.ndim, handle.dtype) == ((2, 3), 2, torch.float32)
    for other in (None, [1.0], np.zeros(3)):
        with pytest.raises(TypeError, match=f"unwrap_tensor takes a torch tensor, not a {type(other).__name__}"):
            gymtorch.unwrap_tensor(other)
    for other in (None, values):
        with pytest.raises(TypeError, match=r"wrap_tensor takes what gym.acquire_\*_tensor returns, not a "):
            gymtorch.wrap_tensor(other)
    with pytest.raises(ValueError, match="contiguous"):
        gymtorch.unwrap_tensor(values.T)
