"""The calls of ``gymapi.Gym`` about fixed tendons."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .arguments import checked
from .component_types import TendonProperties
from .datatypes import FLT_MAX
from .handles import actor_of, find, index_of, simulation, within
from .numbers import number

if TYPE_CHECKING:
    from .assets import Asset
    from .scene import Env
    from .tendons import Tendon


@checked
class TendonCalls:
    """Fixed tendons of MJCF assets. An actor starts with its asset's properties."""

    def get_asset_tendon_count(self, asset: Asset) -> int:
        return len(asset.tendons)

    def get_asset_tendon_name(self, asset: Asset, index: int) -> str:
        return _tendon(asset.tendons, index).name

    def find_asset_tendon_index(self, asset: Asset, name: str) -> int:
        return find([t.name for t in asset.tendons], name)

    def get_asset_fixed_tendon_joint_name(self, asset: Asset, index: int, joint: int) -> str:
        return _joint_name(_tendon(asset.tendons, index), joint)

    def get_asset_fixed_tendon_joint_coefficients(self, asset: Asset, index: int) -> list[float]:
        return list(_tendon(asset.tendons, index).coefficients)

    def set_asset_fixed_tendon_joint_coefficients(self, asset: Asset, index: int, values: Sequence[float]) -> bool:
        """Taken over by actors created from the asset afterwards."""
        _set_coefficients(_tendon(asset.tendons, index), values)
        return True

    def get_asset_tendon_properties(self, asset: Asset) -> list[TendonProperties]:
        return [copy.copy(t.props) for t in asset.tendons]

    def set_asset_tendon_properties(self, asset: Asset, props: Sequence[TendonProperties]) -> bool:
        """Taken over by actors created from the asset afterwards. See :meth:`set_actor_tendon_properties`."""
        _set_properties(asset.tendons, props)
        return True

    def get_actor_tendon_count(self, env: Env, handle: int) -> int:
        return len(actor_of(env, handle).tendons)

    def get_actor_tendon_name(self, env: Env, handle: int, index: int) -> str:
        return _tendon(actor_of(env, handle).tendons, index).name

    def find_actor_tendon_index(self, env: Env, handle: int, name: str) -> int:
        return find([t.name for t in actor_of(env, handle).tendons], name)

    def get_actor_fixed_tendon_joint_name(self, env: Env, handle: int, index: int, joint: int) -> str:
        return _joint_name(_tendon(actor_of(env, handle).tendons, index), joint)

    def find_actor_fixed_tendon_joint_index(self, env: Env, handle: int, index: int, name: str) -> int:
        return find(_tendon(actor_of(env, handle).tendons, index).joints, name)

    def get_actor_fixed_tendon_joint_coefficients(self, env: Env, handle: int, index: int) -> list[float]:
        return list(_tendon(actor_of(env, handle).tendons, index).coefficients)

    def set_actor_fixed_tendon_joint_coefficients(
        self, env: Env, handle: int, index: int, values: Sequence[float]
    ) -> bool:
        _set_coefficients(_tendon(actor_of(env, handle).tendons, index), values)
        simulation(env).properties_changed(env)
        return True

    def get_actor_tendon_properties(self, env: Env, handle: int) -> list[TendonProperties]:
        return [copy.copy(t.props) for t in actor_of(env, handle).tendons]

    def set_actor_tendon_properties(self, env: Env, handle: int, props: Sequence[TendonProperties]) -> bool:
        """Stiffness and damping about the rest length, and limits. Limits are as hard as MuJoCo's until a limit stiffness of
        the client's own makes them springs of it; zero takes them away."""
        _set_properties(actor_of(env, handle).tendons, props)
        simulation(env).properties_changed(env)
        return True

    def get_actor_tendon_offset(self, env: Env, handle: int, index: int) -> float:
        tendons, index = actor_of(env, handle).tendons, index_of(index)
        return tendons[index].offset if 0 <= index < len(tendons) else FLT_MAX

    def set_actor_tendon_offset(self, env: Env, handle: int, index: int, offset: float) -> bool:
        """What is added to the tendon's length."""
        _tendon(actor_of(env, handle).tendons, index).offset = number(offset, float, "a tendon's offset")
        simulation(env).properties_changed(env)
        return True


def _tendon(tendons: Sequence[Tendon], index: int) -> Tendon:
    return tendons[within(index, len(tendons), "fixed tendons")]


def _joint_name(tendon: Tendon, joint: int) -> str:
    return tendon.joints[within(joint, len(tendon.joints), f"joints of tendon {tendon.name!r}")]


def _set_properties(tendons: Sequence[Tendon], props: Sequence[TendonProperties]) -> None:
    if len(props) != len(tendons):
        raise ValueError(f"there are {len(tendons)} fixed tendons, not {len(props)}")
    for p in props:
        if min(p.stiffness, p.damping, p.limit_stiffness) < 0.0:
            raise ValueError(f"stiffness, damping and limit stiffness of a tendon are not negative: {p}")
    for tendon, p in zip(tendons, props, strict=True):
        tendon.props = copy.copy(p)


def _set_coefficients(tendon: Tendon, values: Sequence[float]) -> None:
    if len(values) != len(tendon.coefficients):
        raise ValueError(f"tendon {tendon.name!r} has {len(tendon.coefficients)} joints, not {len(values)}")
    tendon.coefficients = [number(v, float, "a coefficient of a tendon") for v in values]
