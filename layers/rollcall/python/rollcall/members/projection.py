"""What is shown of a member: the slices of all sources and the manual part, combined. Pure.

Roles and multi-valued segments are the union of all parts. For a single-valued segment and for a profile field the
manual value wins, then the sources in the hub's order of precedence. Nothing here is stored as truth: the same member
gives the same view, whatever the order in which its parts came.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rollcall.mapping.table import project
from rollcall.members.model import Item, Manual, Member, Slice, Status
from rollcall.people.events import Stamp
from rollcall.people.merge import DirectoryStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rollcall.hubs.model import Hub
    from rollcall.mapping.table import MappingTable
    from rollcall.members.model import Hold
    from rollcall.people.merge import Person
    from rollcall.people.model import PersonRecord
    from rollcall.segments.model import Catalogue

MANUAL = "manual"
KEPT = "kept"
# Newer than every stamp that a hold can name.
_ERASED = Stamp("9999-12-31T23:59:59.999Z", "~")


@dataclass(frozen=True, slots=True)
class View:
    """A member as shown.

    Attributes
    ----------
    status_reason
        ``""``, ``directory``, ``leave`` (the directory, because they are on leave), ``suspended`` or ``deleted``.
    provenance
        ``roles.<id>``, ``segments.<id>.<option id>``, ``profile.<name>`` → the parts that say so: source ids,
        ``manual``, ``kept``.
    """

    member_id: str
    status: Status
    status_reason: str
    email: str = field(repr=False)
    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    roles: tuple[str, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    profile: Mapping[str, str] = field(default_factory=dict, repr=False)
    provenance: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)


def view(member: Member, hub: Hub, single_valued: frozenset[str]) -> View:
    """Return the member as shown.

    Parameters
    ----------
    single_valued
        Ids of the segments that take one option only.
    """
    slices = in_precedence(member.slices.values(), hub.source_precedence)
    parts: list[tuple[str, Manual | Slice]] = [(MANUAL, member.manual), *((part.source_id, part) for part in slices)]
    provenance: dict[str, list[str]] = {}
    roles: list[str] = []
    segments: dict[str, list[str]] = {}
    profile: dict[str, str] = {}
    for name, part in parts:
        for role in part.roles:
            _add(roles, role)
            provenance.setdefault(f"roles.{role}", []).append(name)
        for segment, options in part.segments.items():
            if not options or (segment in single_valued and segments.get(segment)):
                continue
            for option in options:
                _add(segments.setdefault(segment, []), option)
                provenance.setdefault(f"segments.{segment}.{option}", []).append(name)
        for key, text in part.profile.items():
            if text and key not in profile:
                profile[key] = text
                provenance.setdefault(f"profile.{key}", []).append(name)
    if not roles:
        roles = list(member.kept_roles)
        provenance |= {f"roles.{role}": [KEPT] for role in roles}
    status, reason = _status(member, reactivate_on_event=hub.reactivate_on_event)
    return View(
        member_id=member.member_id,
        status=status,
        status_reason=reason,
        email=_first(slices, member.manual, "email"),
        first_name=_first(slices, member.manual, "first_name"),
        last_name=_first(slices, member.manual, "last_name"),
        roles=tuple(roles),
        segments={segment: tuple(options) for segment, options in segments.items()},
        profile=profile,
        provenance={key: tuple(names) for key, names in provenance.items()},
    )


def with_current_options(manual: Manual, catalogue: Catalogue) -> Manual:
    """Return the manual part with the options that others were merged into; the same one if none were."""
    if not catalogue.has_merged or not manual.segments:
        return manual
    known = catalogue.segments_by_id
    segments = {
        name: known[name].current_ids(options) if name in known else options
        for name, options in manual.segments.items()
    }
    return manual if segments == manual.segments else replace(manual, segments=segments)


def shown_item(shown: View) -> Item:
    """Return what is shown of a member as it is stored beside the parts that it is made of."""
    return {
        "status": str(shown.status),
        "status_reason": shown.status_reason,
        "email": shown.email,
        "first_name": shown.first_name,
        "last_name": shown.last_name,
        "roles": list(shown.roles),
        "segments": {name: list(options) for name, options in shown.segments.items()},
        "profile": dict(shown.profile),
    }


def in_precedence(slices: Iterable[Slice], precedence: Sequence[str]) -> list[Slice]:
    """Return the slices, the one that wins first: in the hub's order, others after it by source id."""
    place = {source_id: n for n, source_id in enumerate(precedence)}
    return sorted(slices, key=lambda part: (place.get(part.source_id, len(place)), part.source_id))


def with_slice(member: Member, part: Slice, hub: Hub, single_valued: frozenset[str]) -> Member:
    """Put a source's newly computed slice in place of its old one; the last role stays.

    A slice computed from an older person or mapping table than the stored one changes nothing, and neither does one of
    another person: a member is one person of each source.
    """
    held = member.slices.get(part.source_id)
    if held and held.person_id != part.person_id:
        return member
    if held and (held.person_rev > part.person_rev or held.table_version > part.table_version):
        return member
    before = view(member, hub, single_valued).roles
    bare = replace(member, slices={**member.slices, part.source_id: part}, kept_roles=())
    after = view(bare, hub, single_valued).roles
    return bare if after or not before else replace(bare, kept_roles=before)


def same_content(one: Slice | None, other: Slice) -> bool:
    """Tell whether two slices say the same, whatever person and table they were computed from."""
    if one is None:
        return False
    return replace(one, person_rev=other.person_rev, table_version=other.table_version) == other


def derive(record: PersonRecord, table: MappingTable, catalogue: Catalogue) -> Slice:
    """Return the slice of a person: the mapping table applied to what their source says of them."""
    person = record.person
    projected = project(person.values(), table, catalogue)
    return Slice(
        source_id=person.source_id,
        person_id=record.person_id,
        person_rev=record.rev,
        table_version=table.version,
        email=person.text("email"),
        first_name=person.text("first_name"),
        last_name=person.text("last_name"),
        roles=projected.roles,
        segments=projected.segments,
        profile=projected.profile,
        activated=person.activated,
        deactivated=max(filter(None, (person.deactivated, person.left)), default=None),
        deleted=_deleted(person),
        on_leave=person.on_leave,
    )


def single_valued(catalogue: Catalogue) -> frozenset[str]:
    """Return the ids of the segments that take one option only."""
    return frozenset(segment.segment_id for segment in catalogue.segments if not segment.multi)


def left(member: Member, part: Slice) -> tuple[Stamp | None, Stamp | None]:
    """Return when a source deactivated and when it deleted the member, as far as that has an effect: not while held."""
    hold = member.holds.get(part.source_id)
    if hold is None:
        return part.deactivated, part.deleted
    return _beyond(part.deactivated, hold.upto), _beyond(part.deleted, hold.upto)


def changed_its_mind(part: Slice, hold: Hold) -> bool:
    """Tell whether the source has taken somebody back since it wanted the removal that is held."""
    removed = max((stamp for stamp in (part.deactivated, part.deleted) if stamp), default=None)
    return removed is None or (part.activated is not None and part.activated > max(removed, hold.upto))


def newest_deactivation(member: Member) -> Stamp | None:
    """Return the newest deactivation by any source that has an effect; nothing if there is none."""
    return max((stamp for part in member.slices.values() if (stamp := left(member, part)[0])), default=None)


def _beyond(stamp: Stamp | None, upto: Stamp) -> Stamp | None:
    return stamp if stamp and stamp > upto else None


def _deleted(person: Person) -> Stamp | None:
    match person.status:
        case DirectoryStatus.ERASED:
            return _ERASED
        case DirectoryStatus.DELETED:
            return person.deleted
        case _:
            return None


def _status(member: Member, *, reactivate_on_event: bool) -> tuple[Status, str]:
    slices = member.slices.values()
    if any(left(member, part)[1] for part in slices):
        return Status.DELETED, "deleted"
    if member.suspended:
        return Status.INACTIVE, "suspended"
    deactivated = newest_deactivation(member)
    if deactivated is None or (member.reactivated and member.reactivated >= deactivated):
        return Status.ACTIVE, ""
    activated = max((part.activated for part in slices if part.activated), default=None)
    if reactivate_on_event and activated and activated > deactivated:
        return Status.ACTIVE, ""
    is_leave = any(part.on_leave == deactivated for part in slices)
    return Status.INACTIVE, "leave" if is_leave else "directory"


def _first(slices: Sequence[Slice], manual: Manual, name: str) -> str:
    # The directory's name and address win over what came with the invitation: it follows the person.
    return next((text for part in (*slices, manual) if (text := str(getattr(part, name)))), "")


def _add(values: list[str], value: str) -> None:
    if value not in values:
        values.append(value)
