"""Helpers of domain randomization, which Isaac Gym's clients take from ``gymutil``.

Parameters of one randomized property are a mapping, as in the clients' YAML: ``range`` (two numbers), ``distribution``
(uniform, loguniform, or gaussian with mean and standard deviation), ``operation`` (additive or scaling), and perhaps
``schedule`` (linear or constant, from none at first to all after ``schedule_steps``) and ``num_buckets``.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .datatypes import SimParams
from .pose_types import Vec3

_PROPERTIES = "dof_properties", "tendon_properties", "rigid_body_properties", "rigid_shape_properties"
#: Shapes of one simulation may have at most so many materials in PhysX.
MOST_BUCKETS = 64_000


def get_property_setter_map(gym: Any) -> dict[str, Callable]:
    """The call that sets each kind of properties."""
    return {name: getattr(gym, f"set_actor_{name}") for name in _PROPERTIES} | {"sim_params": gym.set_sim_params}


def get_property_getter_map(gym: Any) -> dict[str, Callable]:
    """The call that reads each kind of properties."""
    return {name: getattr(gym, f"get_actor_{name}") for name in _PROPERTIES} | {"sim_params": gym.get_sim_params}


def get_default_setter_args(gym: Any) -> dict[str, list]:
    """What a setter takes after the properties: inertias are to follow masses."""
    return {name: [True] if name == "rigid_body_properties" else [] for name in (*_PROPERTIES, "sim_params")}


def generate_random_samples(
    attr_randomization_params: Mapping[str, Any],
    shape: int | Sequence[int],
    curr_gym_step_count: int,
    extern_sample: Any = None,
) -> Any:
    """Samples of a ``shape``, or ``extern_sample``, as far as the schedule has come: from 0 (additive) or 1 (scaling) to what
    the distribution says.

    Raises:
        ValueError: a distribution, operation or schedule that does not exist.
    """
    p = attr_randomization_params
    neutral = {"additive": 0.0, "scaling": 1.0}.get(p["operation"])
    if neutral is None:
        raise ValueError(f"operation is additive or scaling, not {p['operation']!r}")
    part = _progress(p, curr_gym_step_count)
    if extern_sample is not None:
        return extern_sample * part + neutral * (1.0 - part)
    first, second = p["range"]
    first = first * part + neutral * (1.0 - part)
    if p["distribution"] == "gaussian":
        return np.random.normal(first, second * part, shape)
    second = second * part + neutral * (1.0 - part)
    if p["distribution"] == "uniform":
        return np.random.uniform(first, second, shape)
    if p["distribution"] == "loguniform":
        return np.exp(np.random.uniform(np.log(first), np.log(second), shape))
    raise ValueError(f"distribution is uniform, loguniform or gaussian, not {p['distribution']!r}")


def _progress(p: Mapping[str, Any], step: int) -> float:
    schedule = p.get("schedule")
    if schedule is None:
        return 1.0
    if schedule == "linear":
        return min(step, p["schedule_steps"]) / p["schedule_steps"]
    if schedule == "constant":
        return float(step >= p["schedule_steps"])
    raise ValueError(f"schedule is linear or constant, not {schedule!r}")


def get_bucketed_val(new_prop_val: float, attr_randomization_params: Mapping[str, Any]) -> float:
    """The lower end of the bucket in which a value lies, of ``num_buckets`` over the range (uniform), or over two times the
    root of its second number on either side of its first."""
    first, second = attr_randomization_params["range"]
    if attr_randomization_params["distribution"] != "uniform":
        first, second = first - 2.0 * np.sqrt(second), first + 2.0 * np.sqrt(second)
    count = attr_randomization_params["num_buckets"]
    ends = [first + (second - first) * k / count for k in range(count)]
    return ends[max(bisect(ends, float(np.asarray(new_prop_val).reshape(()))) - 1, 0)]


def apply_random_samples(
    prop: Any,
    og_prop: Any,
    attr: str,
    attr_randomization_params: Mapping[str, Any],
    curr_gym_step_count: int,
    extern_sample: Any = None,
    bucketing_randomization_params: Mapping[str, Any] | None = None,
) -> None:
    """Set ``attr`` of ``prop`` to ``og_prop[attr]`` plus, or times, samples. ``prop`` is a structured array of DOF
    properties, one object of properties, or ``SimParams`` (of which ``gravity`` and ``rest_offset`` can be randomized)."""
    p, step = attr_randomization_params, curr_gym_step_count

    def changed(value: Any, shape: int | Sequence[int]) -> Any:
        sample = generate_random_samples(p, shape, step, extern_sample)
        return value * sample if p["operation"] == "scaling" else value + sample

    if isinstance(prop, SimParams):
        if attr == "gravity":
            g = og_prop["gravity"]
            prop.gravity = Vec3(*changed(np.array([g.x, g.y, g.z]), 3))
        elif attr == "rest_offset":
            prop.physx.rest_offset = generate_random_samples(p, 1, step)
        return
    if isinstance(prop, np.ndarray):
        value = changed(og_prop[attr], prop[attr].shape)
        if p.get("num_buckets", 0) > 0:
            value = np.reshape([get_bucketed_val(v, p) for v in np.ravel(value)], np.shape(value))
        prop[attr] = value
        return
    value = changed(og_prop[attr], 1)
    if p.get("num_buckets", 0) > 0:
        value = get_bucketed_val(value, bucketing_randomization_params or p)
    setattr(prop, attr, value)


def check_buckets(gym: Any, envs: Sequence[Any], dr_params: Mapping[str, Any]) -> None:
    """Count the materials that ``dr_params["actor_params"]`` may make.

    Raises:
        ValueError: they are more than PhysX has room for.
    """
    total = 0
    for name, properties in dr_params["actor_params"].items():
        shapes = properties.get("rigid_shape_properties", {})
        handle = gym.find_actor_handle(envs[0], name)
        buckets = [
            shapes[key]["num_buckets"] for key in ("friction", "restitution") if "num_buckets" in shapes.get(key, {})
        ]
        if buckets:
            total += int(np.prod(buckets)) * gym.get_actor_rigid_shape_count(envs[0], handle)
    if total > MOST_BUCKETS:
        raise ValueError(
            f"{total} buckets of friction and restitution are asked for; at most {MOST_BUCKETS} are possible"
        )
