"""Which parts of Isaac Gym Preview 4 are not here, so that a client hears it by name.

``python -m mtbench.sim.coverage`` writes ``docs/tensor_api.md`` from these lists and from the calls themselves.
"""

from __future__ import annotations

PAGE = "docs/tensor_api.md"

#: Calls of ``gymapi.Gym`` that raise ``NotImplementedError``.
MISSING_CALLS = frozenset(
    """
    acquire_force_sensor_tensor acquire_particle_state_tensor acquire_pneumatic_pressure_tensor
    acquire_pneumatic_target_tensor add_lines apply_body_force_at_pos
    apply_dof_effort attach_camera_to_body attach_sim clear_lines create_aggregate create_asset_force_sensor
    create_camera_sensor create_cloth_grid create_performance_timers create_rigid_body_attractor create_tet_grid
    create_texture_from_buffer create_texture_from_file create_usd_exporter create_viewer debug_print_asset
    destroy_camera_sensor destroy_env destroy_performance_timers destroy_usd_exporter destroy_viewer
    draw_env_rigid_contacts draw_env_soft_contacts draw_viewer end_access_image_tensors export_usd_asset
    export_usd_sim find_actor_actuator_index find_actor_fixed_tendon_joint_index find_actor_joint_handle
    find_actor_joint_index find_actor_tendon_index find_asset_tendon_index free_texture
    get_actor_actuator_joint_name get_actor_actuator_name get_actor_dof_forces get_actor_dof_frames
    get_actor_fixed_tendon_joint_coefficients get_actor_fixed_tendon_joint_name get_actor_force_sensor
    get_actor_force_sensor_count get_actor_joint_handle get_actor_joint_index get_actor_joint_transforms
    get_actor_soft_body_count get_actor_soft_materials get_actor_tendon_count get_actor_tendon_name
    get_actor_tendon_offset get_actor_tendon_properties get_actor_tetrahedra_range get_actor_triangle_range
    get_asset_fixed_tendon_joint_coefficients get_asset_fixed_tendon_joint_name get_asset_soft_body_count
    get_asset_soft_materials get_asset_tendon_count get_asset_tendon_name get_asset_tendon_properties
    get_attractor_properties get_camera_image get_camera_image_gpu_tensor get_camera_proj_matrix
    get_camera_transform get_camera_view_matrix get_dof_frame get_dof_position get_dof_target_position
    get_dof_target_velocity get_dof_velocity get_elapsed_time get_env_rigid_contact_forces
    get_env_rigid_contacts get_joint_handle get_joint_name get_joint_position get_joint_target_position
    get_joint_target_velocity get_joint_transform get_joint_type_string get_joint_velocity
    get_performance_timers get_pneumatic_pressure get_pneumatic_target get_rigid_angular_velocity
    get_rigid_body_color get_rigid_body_segmentation_id get_rigid_body_texture get_rigid_contact_forces
    get_rigid_contacts get_rigid_handle get_rigid_linear_velocity get_rigid_name get_rigid_transform get_sensor
    get_sim_force_sensor_count get_sim_rigid_body_states get_sim_tetrahedra get_sim_tetrahedra_count
    get_sim_triangle_count get_sim_triangles get_soft_contacts get_usd_export_root get_vec_actor_dof_states
    get_vec_env_rigid_contact_forces get_vec_rigid_angular_velocity get_vec_rigid_linear_velocity
    get_vec_rigid_transform get_viewer_camera_handle get_viewer_camera_transform get_viewer_mouse_position
    get_viewer_size load_opensim load_sim load_usd omni_connect omni_disconnect poll_viewer_events
    query_viewer_action_events query_viewer_has_closed refresh_force_sensor_tensor refresh_particle_state_tensor
    refresh_pneumatic_pressure_tensor refresh_pneumatic_target_tensor render_all_camera_sensors
    reset_actor_materials reset_actor_particles_to_rest set_actor_fixed_tendon_joint_coefficients
    set_actor_rigid_body_states set_actor_scale set_actor_soft_materials set_actor_tendon_offset
    set_actor_tendon_properties set_asset_fixed_tendon_joint_coefficients set_asset_tendon_properties
    set_attractor_properties set_attractor_target set_camera_location set_camera_transform
    set_dof_target_position set_dof_target_velocity set_env_rigid_body_states set_joint_target_position
    set_joint_target_velocity set_light_parameters set_particle_state_tensor set_particle_state_tensor_indexed
    set_pneumatic_pressure set_pneumatic_pressure_tensor set_pneumatic_pressure_tensor_indexed
    set_pneumatic_target set_pneumatic_target_tensor set_pneumatic_target_tensor_indexed
    set_rigid_angular_velocity set_rigid_body_segmentation_id set_rigid_body_state_tensor set_rigid_body_texture
    set_rigid_linear_velocity set_rigid_transform set_sim_device set_sim_rigid_body_states set_usd_export_root
    start_access_image_tensors subscribe_viewer_keyboard_event subscribe_viewer_mouse_event
    viewer_camera_look_at write_camera_image_to_file write_viewer_image_to_file
    """.split()
)

#: Classes and constants of ``gymapi`` that raise ``NotImplementedError``.
MISSING_TYPES = frozenset(
    """
    ActionEvent AttractorProperties CameraFollowMode CameraProperties DofFrame FlexParams ForceSensor
    ForceSensorProperties ImageType Int2 Int3 KeyboardInput Mat44 MeshNormalMode MeshType
    MouseInput OmniConnectionParams ParticleState PerformanceTimers RigidContact SoftContact SoftMaterial
    SoftMaterialType SpatialForce TendonProperties TendonType UsdExportOptions UsdExporter
    UsdMaterialMode Vec2 VhacdParams Viewer AXIS_ALL AXIS_NONE AXIS_ROTATION AXIS_SWING_1 AXIS_SWING_2
    AXIS_TRANSLATION AXIS_TWIST AXIS_X AXIS_Y AXIS_Z COMPUTE_PER_FACE COMPUTE_PER_VERTEX DEFAULT_VIEWER_HEIGHT
    DEFAULT_VIEWER_WIDTH FOLLOW_POSITION FOLLOW_TRANSFORM FROM_ASSET IMAGE_COLOR IMAGE_DEPTH IMAGE_OPTICAL_FLOW
    IMAGE_SEGMENTATION KEY_0 KEY_1 KEY_2 KEY_3 KEY_4 KEY_5 KEY_6 KEY_7 KEY_8 KEY_9 KEY_A KEY_APOSTROPHE KEY_B
    KEY_BACKSLASH KEY_BACKSPACE KEY_C KEY_CAPS_LOCK KEY_COMMA KEY_D KEY_DEL KEY_DOWN KEY_E KEY_END KEY_ENTER
    KEY_EQUAL KEY_ESCAPE KEY_F KEY_F1 KEY_F10 KEY_F11 KEY_F12 KEY_F2 KEY_F3 KEY_F4 KEY_F5 KEY_F6 KEY_F7 KEY_F8
    KEY_F9 KEY_G KEY_GRAVE_ACCENT KEY_H KEY_HOME KEY_I KEY_INSERT KEY_J KEY_K KEY_L KEY_LEFT KEY_LEFT_ALT
    KEY_LEFT_BRACKET KEY_LEFT_CONTROL KEY_LEFT_SHIFT KEY_LEFT_SUPER KEY_M KEY_MENU KEY_MINUS KEY_N KEY_NUMPAD_0
    KEY_NUMPAD_1 KEY_NUMPAD_2 KEY_NUMPAD_3 KEY_NUMPAD_4 KEY_NUMPAD_5 KEY_NUMPAD_6 KEY_NUMPAD_7 KEY_NUMPAD_8
    KEY_NUMPAD_9 KEY_NUMPAD_ADD KEY_NUMPAD_DEL KEY_NUMPAD_DIVIDE KEY_NUMPAD_ENTER KEY_NUMPAD_EQUAL
    KEY_NUMPAD_MULTIPLY KEY_NUMPAD_SUBTRACT KEY_NUM_LOCK KEY_O KEY_P KEY_PAGE_DOWN KEY_PAGE_UP KEY_PAUSE
    KEY_PERIOD KEY_PRINT_SCREEN KEY_Q KEY_R KEY_RIGHT KEY_RIGHT_ALT KEY_RIGHT_BRACKET KEY_RIGHT_CONTROL
    KEY_RIGHT_SHIFT KEY_RIGHT_SUPER KEY_S KEY_SCROLL_LOCK KEY_SEMICOLON KEY_SLASH KEY_SPACE KEY_T KEY_TAB KEY_U
    KEY_UP KEY_V KEY_W KEY_X KEY_Y KEY_Z MAT_COROTATIONAL MAT_NEOHOOKEAN MESH_COLLISION MESH_NONE MESH_VISUAL
    MESH_VISUAL_AND_COLLISION MOUSE_BACK_BUTTON MOUSE_FORWARD_BUTTON MOUSE_LEFT_BUTTON MOUSE_MIDDLE_BUTTON
    MOUSE_MOVE_DOWN MOUSE_MOVE_LEFT MOUSE_MOVE_RIGHT MOUSE_MOVE_UP MOUSE_RIGHT_BUTTON MOUSE_SCROLL_DOWN
    MOUSE_SCROLL_LEFT MOUSE_SCROLL_RIGHT MOUSE_SCROLL_UP RIGID_BODY_DISABLE_GRAVITY
    RIGID_BODY_DISABLE_SIMULATION RIGID_BODY_ENABLE_GYROSCOPIC_FORCES RIGID_BODY_NONE TENDON_FIXED
    TENDON_SPATIAL USD_MATERIAL_DISPLAY_COLOR USD_MATERIAL_MDL USD_MATERIAL_PREVIEW_SURFACE
    """.split()
)

#: What acts differently from PhysX, or not at all.
NOTES = """
- **Frames.** States are in each environment's own frame; `create_env`'s bounds do not shift it. Quaternions are xyzw.
- **Velocities** of bodies and roots are those of the body's origin, world axes; the Jacobian maps to the same point.
- **Freshness.** `refresh_*` returns poses and velocities that belong to the state it returns, also right after a setter.
  Tensors change on `refresh_*` alone.
- **Order** of bodies and DOFs is depth first: siblings by the name of their joint in a URDF file, in the order of the file in
  MJCF. `collapse_fixed_joints` merges first, and leaves links whose fixed joint says `dont_collapse="true"`.
- **Fixed bases** can be moved with `set_actor_root_state_tensor(_indexed)`.
- **Drives** are implicit in stiffness and damping, as PhysX's: each substep applies kp (p* - p) + kd (v* - v) with the
  position and velocity at its end, so stiffness damps by kp times the substep too. Efforts act in the modes none and effort;
  damping acts passively in both, stiffness about zero in the mode none alone. A DOF's `effort` limits the mean force over a
  step, before the drive's own damping takes its share: at its limit a drive moves a joint of inertia I as if the limit were
  1 + h (kd + h kp) / I times less, in substeps of h (PhysX limits what remains). The `velocity` limit of a URDF file is read,
  and has no effect.
- **Masses** and inertias: `recomputeInertia` scales the inertia with the mass. The first change to bodies of an asset after
  `prepare_sim` compiles the models again; later ones do not.
- **Asset options that act**: `fix_base_link`, `disable_gravity`, `armature`, `density`, `linear_damping`,
  `angular_damping` (of a floating root), `collapse_fixed_joints`, `default_dof_drive_mode`, `override_inertia`,
  `replace_cylinder_with_capsule`. The others describe PhysX or rendering and have no effect.
- **Friction** of a contact is the larger of the two shapes' (MuJoCo), not their average (PhysX). Restitution has no
  effect and warns. Contact and rest offsets and `thickness` have no effect.
- **Collision**: groups and filters as in Isaac Gym, on top of an MJCF file's own contype and conaffinity. Parent and
  child bodies, and two static shapes, never collide.
- **MJCF** files may keep equality constraints and tendons; their actuators do not act (drives and efforts do), and ball
  joints are refused. Geoms on the worldbody (floors) are left out.
- **Ground.** Every environment has the whole ground in its own world, at the same coordinates. A height field is linear
  between samples (PhysX: two triangles); a triangle mesh becomes the height field of its upper surface, measured every 5 cm.
- **Divergence.** An environment whose state stops being finite shows NaN in every state tensor and is not stepped until
  its root and DOF states are set.
- **Beyond Isaac Gym**: `gym.get_state(sim)` and `gym.set_state(sim, state)` save and restore the physics exactly;
  `gym.set_env_ground(env, x, y, length, width)` lets an environment hold only a part of the height fields;
  `gym.settle(sim)` follows states that a replayed CUDA graph has set; `gym.take_overflow(sim)` counts lost contacts;
  a negative index in `*_indexed` calls names no actor. One past the last actor is refused, on a GPU left out and counted by
  `gym.take_refused(sim)`.
"""


def page() -> str:
    """The text of ``docs/tensor_api.md``."""
    from .gymapi import Gym

    calls = sorted(n for n, f in vars(Gym).items() if callable(f) and not n.startswith("_"))
    missing = ", ".join(f"`{n}`" for n in sorted(MISSING_CALLS))
    types = ", ".join(f"`{n}`" for n in sorted(MISSING_TYPES))
    return (
        "# Tensor API coverage\n\nWritten by `python -m mtbench.sim.coverage`; a test keeps it current.\n\n"
        f"## What differs from PhysX\n{NOTES}\n"
        f"## Calls that are here ({len(calls)})\n\n" + "\n".join(f"- `{n}`" for n in calls) + "\n\n"
        f"## Calls that raise `NotImplementedError` ({len(MISSING_CALLS)})\n\n{missing}\n\n"
        f"## Names of `gymapi` that raise `NotImplementedError`\n\n{types}\n"
    )


if __name__ == "__main__":
    from pathlib import Path

    Path(__file__).parents[2].joinpath(PAGE).write_text(page())
