"""Which parts of Isaac Gym Preview 4 are not here, so that a client hears it by name.

:mod:`.coverage_page` writes ``docs/tensor_api.md`` from these lists and from the calls themselves.
"""

from __future__ import annotations

PAGE = "docs/tensor_api.md"

_SOFT = "there are no soft bodies, particles, cloth or pneumatics"
_USD = "USD, Omniverse and OpenSim files are neither read nor written"

#: Calls of ``gymapi.Gym`` that raise ``NotImplementedError``, by the reason.
CALLS_BY_REASON = {
    _SOFT: """
        acquire_particle_state_tensor acquire_pneumatic_pressure_tensor acquire_pneumatic_target_tensor create_cloth_grid
        create_tet_grid get_actor_soft_materials get_actor_tetrahedra_range get_actor_triangle_range
        get_asset_soft_materials get_pneumatic_pressure get_pneumatic_target get_sim_tetrahedra get_sim_tetrahedra_count
        get_sim_triangle_count get_sim_triangles get_soft_contacts refresh_particle_state_tensor
        refresh_pneumatic_pressure_tensor refresh_pneumatic_target_tensor reset_actor_particles_to_rest
        set_actor_soft_materials set_particle_state_tensor set_particle_state_tensor_indexed set_pneumatic_pressure
        set_pneumatic_pressure_tensor set_pneumatic_pressure_tensor_indexed set_pneumatic_target
        set_pneumatic_target_tensor set_pneumatic_target_tensor_indexed
    """,
    _USD: """
        attach_sim create_usd_exporter destroy_usd_exporter export_usd_asset export_usd_sim get_usd_export_root
        load_opensim load_sim load_usd omni_connect omni_disconnect set_usd_export_root
    """,
    "states of bodies follow from root and DOF states, which have setters": """
        set_env_rigid_body_states set_rigid_body_state_tensor set_sim_rigid_body_states
    """,
    "contacts are given as net forces on bodies": "get_env_rigid_contacts get_rigid_contacts",
    "nothing is timed": "create_performance_timers destroy_performance_timers get_performance_timers",
    "environments are compiled together and end with destroy_sim": "destroy_env",
    "get_dof_frame gives a joint's place and axis": "get_actor_joint_transforms get_joint_transform",
    "Isaac Gym does not say what it does": "get_sensor",
    "there is no viewer": "write_viewer_image_to_file",
}
MISSING_CALLS = {name: reason for reason, names in CALLS_BY_REASON.items() for name in names.split()}

#: Classes of ``gymapi`` whose construction raises ``NotImplementedError``, by the reason.
TYPES_BY_REASON = {
    _SOFT: "ParticleState SoftContact SoftMaterial",
    _USD: "OmniConnectionParams UsdExportOptions UsdExporter",
    "contacts are given as net forces on bodies": "RigidContact",
}
MISSING_TYPES = {name: reason for reason, names in TYPES_BY_REASON.items() for name in names.split()}

#: Members of classes that are here, by the reason for which they are not.
MEMBERS_BY_REASON = {"Isaac Gym does not say what it holds": "ActuatorProperties.type"}
MISSING_MEMBERS = {name: reason for reason, names in MEMBERS_BY_REASON.items() for name in names.split()}

#: What acts differently from PhysX, or not at all.
NOTES = """
- **Frames.** States are in each environment's own frame; `create_env`'s bounds do not shift it. Quaternions are xyzw.
- **Velocities** of bodies and roots are those of the body's origin, world axes; the Jacobian maps to the same point.
- **Freshness.** `refresh_*` returns poses and velocities that belong to the state it returns, also right after a setter.
  Tensors change on `refresh_*` alone.
- **Order** of bodies and DOFs is depth first: siblings by the name of their joint in a URDF file, in the order of the file in
  MJCF. `collapse_fixed_joints` merges first, in URDF files alone, and leaves links whose fixed joint says
  `dont_collapse="true"`.
- **Fixed bases** can be moved with `set_actor_root_state_tensor(_indexed)`.
- **Drives** are implicit in stiffness and damping, as PhysX's: each substep applies kp (p* - p) + kd (v* - v) with the
  position and velocity at its end, so stiffness damps by kp times the substep too. Efforts act in the modes none and effort:
  those of `apply_dof_effort` and `apply_actor_dof_efforts` in the next `simulate` alone, where all of them add up, as in
  Isaac Gym; those of `set_dof_actuation_force_tensor(_indexed)` in every one until they are set again (Isaac Gym's
  documentation does not say for how long its tensor acts, and its environments set it once for several steps);
  damping acts passively in both, stiffness about zero in the mode none alone. Contacts, joint limits and equality constraints
  are solved for together with what drives and dampers do by the end of the substep, as in PhysX, unless
  `SimParams.implicit_contacts` (ours) is false: that is MuJoCo's `implicitfast`, in which a stiff drive that presses on
  something bounces. A DOF's `effort` limits the force that remains at the end of a substep h: at its limit a stiff drive
  moves a joint as that force alone would: exactly for one joint that nothing pulls, while several at their limits that pull
  on each other get from two thirds to twice of it. Steps in which that happens take three to four times as long.
  Drives of h (kd + h kp) less than a
  tenth of their joint's inertia, and all on MuJoCo Warp, are limited in what they begin a substep with, so they are at most
  a tenth slower (on Warp as if the joint were heavier by h (kd + h kp)). Without implicit contacts the mean over a step is
  limited. The `velocity` limit of a URDF file is read, and has no effect.
- **Value types** act as C++ structs: a field that is a struct is read by reference and assigned by value (`a.p = b.p`
  copies), a record of a structured array is taken for one, and fields that there are not cannot be set.
- **Parameters**: `set_sim_params` after `prepare_sim` changes gravity alone (CPU engine); settings of PhysX have no effect.
- **Before `prepare_sim`** states and targets of DOFs and roots can be set and read as environments are created.
- **Masses** and inertias: `recomputeInertia` scales the inertia with the mass. The first change to bodies of an asset after
  `prepare_sim` compiles the models again; later ones do not. Of the flags `RIGID_BODY_DISABLE_GRAVITY` acts, at any time;
  an asset with `disable_gravity` has it, and `RIGID_BODY_NONE` brings gravity back. `RIGID_BODY_DISABLE_SIMULATION` is
  refused.
- **Asset options that act**: `fix_base_link`, `disable_gravity`, `armature`, `density`, `linear_damping`,
  `angular_damping` (of a floating root), `collapse_fixed_joints`, `default_dof_drive_mode`, `override_inertia`,
  `replace_cylinder_with_capsule`. The others describe PhysX or rendering and have no effect.
- **Friction** of a contact between the ground and the only actor of an environment is the mean of the two, as in PhysX
  (its parts meet each other with that, too). In an environment of several actors it is the larger of the two shapes'
  (MuJoCo), and a negative one, which warns, acts as 0. Restitution has no effect and warns. Contact and
  rest offsets and `thickness` have no effect.
- **Collision**: groups and filters as in Isaac Gym, on top of an MJCF file's own contype and conaffinity. Parent and
  child bodies, and two static shapes, never collide. Each environment is a world of its own: an actor of group -1 meets all
  in its environment, and nothing of the others.
- **URDF** files are loaded as they are found. An inertial without inertia gets that of the link's shapes (without shapes,
  of a ball of the asset's density), `<density>` and links without an inertial the mass of their shapes; an inertia that no
  body can have is balanced by raising its smaller moments, with one warning. The first of repeated links and inertials
  counts. Meshes are found by `package://` and relative paths in the folder and up to eight above it; OBJ, STL, MSH, DAE,
  GLB, GLTF, PLY and OFF are read, and collide as their convex hulls (those in one plane as plates, 0.1 mm thick). Visuals
  are left out. What cannot be loaded is refused with file, element and reason.
- **MJCF** files may keep equality constraints and tendons; their actuators do not act (drives and efforts do). Several root
  bodies, ball joints, and joints of the root under `fix_base_link` are refused, with file, element and reason. The root
  stands where the actor does, wherever the file has it, turned as the file has it: its rotation, also in the root state, is
  the actor's times the file's. Geoms on the worldbody (floors) are left out. Elements and
  attributes that MuJoCo does not know are left out with a warning, numbers are read as far as they go (`1s`); materials,
  textures, and meshes that nothing collides with do not matter when they are not there; names that are missing or repeated
  are completed. Joints of a floating root are dropped.
- **Joints** of an asset are those on which its bodies hang, fixed ones too, in the order of the bodies: with a fixed base,
  a joint's index is its body's row in the Jacobian.
- **Force sensors** tell, as in Isaac Gym, the sum of all that acts on a body (zero at rest). Without forces of forward
  dynamics they tell contacts alone. They read the last substep. CPU engine.
- **Tendons.** Fixed tendons are MuJoCo's. Limits are as hard as MuJoCo's joint limits until a client gives a
  `limit_stiffness` of its own, which then acts as an implicit spring.
- **Attractors** are implicit springs of any stiffness, for `AXIS_TRANSLATION` and `AXIS_ALL`, made before `prepare_sim`.
  CPU engine.
- **Scale.** `set_actor_scale` comes before `prepare_sim`; masses, also those that a client gave, grow by its cube, and each
  scale is a structure of its own.
- **Cameras** are drawn by MuJoCo's renderer (EGL, or OSMesa with `MUJOCO_GL=osmesa`) from an asset's shapes, with the colours
  of the file or of `set_rigid_body_color`; textures and lights that a client sets are not drawn. Image tensors are on the
  CPU. CPU engine.
- **Viewer.** There is none: `create_viewer` returns None with a warning, and the calls that take a viewer do nothing.
- **Ground.** Every environment has the whole ground in its own world, at the same coordinates. A height field is linear
  between samples (PhysX: two triangles); a triangle mesh becomes the height field of its upper surface, measured every 5 cm.
  It is compiled once for each structure and copied for each distinct set of properties.
- **Divergence.** MuJoCo has no caps on velocities, which keep PhysX finite. An environment whose state stops being finite in
  a step is put back to what it was before the step, at rest (to where it was created, if a client had written what is not
  finite). So is one whose targets or efforts are not finite, or call for a force beyond 1e10, in every step until they are
  set anew. The first time is said by a warning, `gym.take_diverged(sim)` (ours) counts them all. With
  `SimParams.keep_finite` (ours) false it shows NaN in every state tensor instead, and is not stepped until its root and DOF
  states are set.
- **Beyond Isaac Gym**: `gym.get_state(sim)` and `gym.set_state(sim, state)` save and restore the physics exactly;
  `gym.set_env_ground(env, x, y, length, width)` lets an environment hold only a part of the height fields;
  `gym.settle(sim)` follows states that a replayed CUDA graph has set; `gym.take_overflow(sim)` counts lost contacts;
  a negative index in `*_indexed` calls names no actor. One past the last actor is refused, on a GPU left out and counted by
  `gym.take_refused(sim)`.
"""
