"""Different scenes as one model: the structures of several groups are merged, and what an environment lacks is switched off.

A GPU engine compiles kernels for each model structure (trees, joint and geom types, collision masks) and launches them for
each group, so fifty scenes in fifty groups cost fifty times both. Sizes, poses, masses, limits and gains may differ between
the environments of one model. Merging gives every body of every scene a *slot* in a common forest: a body goes to a slot
with the same joints below the slot of its parent. A slot that an environment does not use is inert: its geoms are points,
inside other geoms of their body or far above everything, its bodies weigh a microgram, its joints are held by a spring.

Only colliding geoms are merged; an environment's own model (``Group.models``) keeps what is only drawn.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import mujoco
import numpy as np

from .datatypes import SimParams
from .inertia import TILTED_POS, TILTED_QUAT
from .scene import MAX_CLASSES, Group, Place, add_contact_sensor, empty_spec

#: Groups are merged as long as a model has at most so many times the DOFs of the largest of its scenes.
GROWTH = 1.25
#: Metres: radius of a geom that is not used, its margin (a contact would have to be deeper), and how high above its body it
#: stands where the body has no other geom to hide it in. They stand apart, so that the broad phase sees none of them near.
POINT, MARGIN, ABOVE, APART = 1e-6, -1e-3, 50.0, 0.1
#: kg and kg m^2 of an unused body; its joints have an armature, so that the inertia matrix stays well conditioned.
INERT_MASS, INERT_ARMATURE = 1e-9, 1.0
#: wxyz: a frame parallel neither to the body's nor to that of ``TILTED_QUAT``.
TURNED_QUAT = [0.5, -0.5, 0.5, 0.5]
#: Unlimited joints in a model in which others are limited.
NO_LIMIT = 1e6

#: Families of fields, by the prefix of MuJoCo's names, whose floating-point values may differ between environments.
FAMILIES = {"body": "bodies", "jnt": "joints", "dof": "dofs", "qpos": "qpos", "geom": "geoms", "actuator": "actuators"}

GeomKind = tuple[int, int, int]  # type, condim, priority


@dataclass(eq=False)
class Slot:
    """A body of the merged model. ``geoms`` counts colliding geoms by kind."""

    joints: tuple[int, ...] = ()
    mocap: bool = False
    children: list[Slot] = field(default_factory=list)
    geoms: Counter[GeomKind] = field(default_factory=Counter)

    def walk(self) -> Iterator[Slot]:
        yield self
        for child in self.children:
            yield from child.walk()


class Merger:
    """Slots for the bodies of several models, of which no two geoms touch in one model and not in another."""

    def __init__(self) -> None:
        self.world = Slot()
        #: for each model the slot of each body
        self.slots: list[list[Slot]] = []
        self.models: list[mujoco.MjModel] = []
        self.touching: dict[frozenset[Slot], bool] = {}

    def added(self, m: mujoco.MjModel) -> Merger | None:
        """A copy that also holds ``m``; None where it cannot or where it would grow too much."""
        if m.neq or m.ntendon or m.npair or m.nexclude or m.nmesh or m.nhfield:
            return None
        if any(len({(m.geom_contype[g], m.geom_conaffinity[g]) for g in _geoms(m, b)}) > 1 for b in range(m.nbody)):
            return None
        banned: set[tuple[int, int]] = set()
        while True:
            other = Merger()
            other.world, other.slots, other.touching = copy.deepcopy((self.world, self.slots, self.touching))
            other.models = [*self.models, m]
            number = {slot: k for k, slot in enumerate(other.world.walk())}
            slots = [other.world, *[Slot()] * (m.nbody - 1)]
            _match(other.world, m, 0, slots, {(b, s) for s, k in number.items() for b, n in banned if n == k})
            other.slots.append(slots)
            for body in range(m.nbody):
                slots[body].geoms |= _kinds(m, body)
            if other.num_dofs > GROWTH * max(model.nv for model in other.models):
                return None
            clash = [
                pair for pair, touch in _contacts(m, slots).items() if other.touching.setdefault(pair, touch) != touch
            ]
            if not clash:
                return other
            # One of the two has to stand elsewhere: rather one without joints, which costs nothing.
            pair = [b for b in range(1, m.nbody) if slots[b] in clash[0]]
            body = min(pair, key=lambda b: len(_joints(m, b)))
            banned.add((body, number[slots[body]]))

    @property
    def num_dofs(self) -> int:
        return sum(6 if t == mujoco.mjtJoint.mjJNT_FREE else 1 for slot in self.world.walk() for t in slot.joints)

    def compile(self, params: SimParams, contact_sensors: bool) -> mujoco.MjModel:
        """The merged model, every slot inert. Bodies, joints and geoms are in the order of :meth:`Slot.walk`."""
        spec = empty_spec(params)
        classes = self._classes()
        names = [f"{k}" for k in range(1_000)]
        for i, root in enumerate(self.world.children):
            _add(spec.worldbody, root, [10.0 * i, 0.0, 100.0], classes, names)
        _add_geoms(spec.worldbody, self.world, classes, names)
        joints = [j for j in spec.joints if j.type != mujoco.mjtJoint.mjJNT_FREE]
        for joint in joints:
            spec.add_actuator(
                target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT, biastype=mujoco.mjtBias.mjBIAS_AFFINE
            )
        if contact_sensors:
            for body in spec.bodies[1:]:
                add_contact_sensor(spec, body.name)
        return spec.compile()

    def places(self, base: mujoco.MjModel) -> list[Place]:
        """Where each model's bodies, joints, geoms and actuators stand in the merged one."""
        body_of = {slot: k for k, slot in enumerate(self.world.walk())}
        joint_actuator = {int(j): a for a, j in enumerate(base.actuator_trnid[:, 0])}
        out = []
        for m, slots in zip(self.models, self.slots, strict=True):
            bodies = np.array([body_of[slot] for slot in slots])
            joints: list[int] = []
            dofs: list[int] = []
            qpos: list[int] = []
            for j in range(m.njnt):
                own = int(m.jnt_bodyid[j])
                joint = int(base.body_jntadr[bodies[own]]) + j - int(m.body_jntadr[own])
                free = m.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE
                joints.append(joint)
                dofs += [int(base.jnt_dofadr[joint]) + k for k in range(6 if free else 1)]
                qpos += [int(base.jnt_qposadr[joint]) + k for k in range(7 if free else 1)]
            geoms = np.full(m.ngeom, -1)
            for own in range(m.nbody):
                taken: Counter[GeomKind] = Counter()
                there = _geoms(base, int(bodies[own]))
                for g in _geoms(m, own):
                    kind = _kind(m, g)
                    geoms[g] = [h for h in there if _kind(base, h) == kind][taken[kind]]
                    taken[kind] += 1
            actuators = [joint_actuator[joints[j]] for j in m.actuator_trnid[:, 0]]
            index = [np.array(x, dtype=int) for x in (joints, dofs, qpos, actuators)]
            out.append(Place(bodies, index[0], index[1], index[2], geoms, index[3]))
        return out

    def _classes(self) -> dict[Slot, tuple[int, int]]:
        """Collision type and mask of each slot with geoms; slots that touch the same ones share a type."""
        slots = [slot for slot in self.world.walk() if slot.geoms]
        rows: dict[tuple[bool, ...], list[Slot]] = {}
        for a in slots:
            row = tuple(self.touching.get(frozenset((a, b)), False) for b in slots)
            rows.setdefault(row, []).append(a)
        number = {slot: k for k, members in enumerate(rows.values()) for slot in members}
        if len(rows) > MAX_CLASSES:
            raise ValueError(f"merged scenes have {len(rows)} collision classes; at most {MAX_CLASSES} are possible")
        out = {}
        for row, members in rows.items():
            mask = 0
            for b, touch in zip(slots, row, strict=True):
                mask |= touch << number[b]
            for slot in members:
                out[slot] = 1 << number[slot], mask
        return out


def merge(groups: Sequence[Group], params: SimParams, contact_sensors: bool = False) -> list[Group]:
    """Fewer groups with the same environments, the largest scenes first."""
    mergers: list[tuple[Merger, list[Group]]] = []
    for group in sorted(groups, key=lambda g: -g.base.nv):
        for k, (merger, members) in enumerate(mergers):
            more = merger.added(group.base)
            if more is not None:
                mergers[k] = more, [*members, group]
                break
        else:
            alone = Merger().added(group.base)
            mergers.append((alone or Merger(), [group]))
    out = []
    for merger, members in mergers:
        if len(members) == 1:
            out += members
            continue
        base = merger.compile(params, contact_sensors)
        for m, place in zip(merger.models, merger.places(base), strict=True):
            base.jnt_limited[place.joints] |= m.jnt_limited
        base.jnt_range[base.jnt_limited.astype(bool)] = -NO_LIMIT, NO_LIMIT
        merged = Group([], base, [], [], merged=True)
        for group, place in zip(members, merger.places(base), strict=True):
            merged.envs += group.envs
            merged.models += group.models
            merged.places += [place] * len(group.envs)
        out.append(merged)
    return out


def family_of(field: str) -> str | None:
    """Which numbers of a :class:`Place` say where the entries of a field of ``MjModel`` belong; None: they are no part's."""
    return FAMILIES.get(field.split("_")[0].rstrip("0"))


def padded(base: mujoco.MjModel, own: mujoco.MjModel, place: Place) -> mujoco.MjModel:
    """A copy of the merged model ``base`` that behaves as ``own``, whose parts stand at ``place``."""
    m = copy.copy(base)
    for name in dir(own):
        family = family_of(name)
        if family is None:
            continue
        values = getattr(own, name)
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            continue
        where = getattr(place, family)
        used = where >= 0
        getattr(m, name)[where[used]] = values[used]
    for body in range(1, own.nbody):
        if geoms := _geoms(own, body):
            unused = np.setdiff1d(_geoms(base, int(place.bodies[body])), place.geoms)
            thickest = max(geoms, key=lambda g: own.geom_rbound[g] and min(x for x in own.geom_size[g] if x))
            m.geom_pos[unused] = own.geom_pos[thickest]
    free = base.jnt_limited[place.joints].astype(bool) & ~own.jnt_limited.astype(bool)
    m.jnt_range[place.joints[free]] = -NO_LIMIT, NO_LIMIT
    return m


def run_models(group: Group) -> list[mujoco.MjModel]:
    """What each environment of a group runs: its own model, or the merged one with its values."""
    if not group.merged:
        return group.models
    made: dict[tuple[int, int], mujoco.MjModel] = {}
    out = []
    for own, place in zip(group.models, group.places, strict=True):
        key = id(own), id(place)
        if key not in made:
            made[key] = padded(group.base, own, place)
        out.append(made[key])
    return out


def _match(slot: Slot, m: mujoco.MjModel, body: int, slots: list[Slot], banned: set[tuple[int, Slot]]) -> None:
    """Give the children of ``body``, which stands at ``slot``, slots below it: existing ones where the joints agree."""
    vacant = list(slot.children)
    for child in sorted(_children(m, body), key=lambda b: -sum(_joints_below(m, b).values())):
        joints, mocap = _joints(m, child), bool(m.body_mocapid[child] >= 0)
        alike = [s for s in vacant if s.joints == joints and s.mocap == mocap and (child, s) not in banned]
        if alike:
            # that which lacks the fewest joints below it, then that which wastes the fewest, then the most alike in geoms
            need, geoms = _joints_below(m, child), _kinds(m, child)
            have = {s: Counter(kind for below in s.walk() for kind in below.joints) for s in alike}
            chosen = min(
                alike, key=lambda s: ((need - have[s]).total(), (have[s] - need).total(), -(s.geoms & geoms).total())
            )
            vacant.remove(chosen)
        else:
            chosen = Slot(joints, mocap)
            slot.children.append(chosen)
        slots[child] = chosen
        _match(chosen, m, child, slots, banned)


def _joints_below(m: mujoco.MjModel, body: int) -> Counter[int]:
    """Types of the joints of a body and of those below it."""
    total = Counter(_joints(m, body))
    for child in _children(m, body):
        total += _joints_below(m, child)
    return total


def _contacts(m: mujoco.MjModel, slots: list[Slot]) -> dict[frozenset[Slot], bool]:
    """Whether the masks let the geoms of two slots touch; all geoms of a body have the same masks."""
    out: dict[frozenset[Slot], bool] = {}
    first = {b: geoms[0] for b in range(m.nbody) if (geoms := _geoms(m, b))}
    for (a, g), (b, h) in combinations(first.items(), 2):  # geoms of one body never touch
        touch = m.geom_contype[g] & m.geom_conaffinity[h] or m.geom_contype[h] & m.geom_conaffinity[g]
        out[frozenset((slots[a], slots[b]))] = bool(touch)
    return out


def _add(
    parent: mujoco.MjsBody, slot: Slot, pos: list[float], classes: dict[Slot, tuple[int, int]], names: list[str]
) -> None:
    # MuJoCo notes in the model which frames equal the body's and whether gravity is compensated anywhere, and then does
    # without the values: so nothing here is as it is by default.
    body = parent.add_body(
        name=names.pop(),
        pos=pos,
        mocap=slot.mocap,
        gravcomp=1.0,
        mass=INERT_MASS,
        inertia=[INERT_MASS] * 3,
        ipos=TILTED_POS,
        iquat=TILTED_QUAT,
        explicitinertial=True,
    )
    for kind in slot.joints:
        free = kind == mujoco.mjtJoint.mjJNT_FREE
        body.add_joint(
            name=names.pop(),
            type=mujoco.mjtJoint(kind),
            armature=INERT_ARMATURE,
            damping=1.0,
            stiffness=0.0 if free else 1.0,
        )
    _add_geoms(body, slot, classes, names)
    for child in slot.children:
        _add(body, child, [0.0, 0.0, 0.0], classes, names)


def _add_geoms(body: mujoco.MjsBody, slot: Slot, classes: dict[Slot, tuple[int, int]], names: list[str]) -> None:
    for (kind, condim, priority), count in sorted(slot.geoms.items()):
        for _ in range(count):
            body.add_geom(
                name=names.pop(),
                type=mujoco.mjtGeom(kind),
                condim=condim,
                priority=priority,
                size=[POINT] * 3,
                pos=[*TILTED_POS[:2], ABOVE + APART * len(names)],
                quat=TURNED_QUAT,
                contype=classes[slot][0],
                conaffinity=classes[slot][1],
                margin=MARGIN,
            )


def _children(m: mujoco.MjModel, body: int) -> list[int]:
    return [b for b in range(1, m.nbody) if m.body_parentid[b] == body]


def _joints(m: mujoco.MjModel, body: int) -> tuple[int, ...]:
    first = m.body_jntadr[body]
    return tuple(int(t) for t in m.jnt_type[first : first + m.body_jntnum[body]]) if m.body_jntnum[body] else ()


def _geoms(m: mujoco.MjModel, body: int) -> list[int]:
    """Colliding geoms of a body."""
    first = m.body_geomadr[body]
    return [g for g in range(first, first + m.body_geomnum[body]) if m.geom_contype[g] or m.geom_conaffinity[g]]


def _kind(m: mujoco.MjModel, geom: int) -> GeomKind:
    return int(m.geom_type[geom]), int(m.geom_condim[geom]), int(m.geom_priority[geom])


def _kinds(m: mujoco.MjModel, body: int) -> Counter[GeomKind]:
    return Counter(_kind(m, g) for g in _geoms(m, body))
