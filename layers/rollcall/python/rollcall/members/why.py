"""Why a member shows what they show: for each value the rule, the HRIS value, and the event that set it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollcall.mapping.table import Hit, project
from rollcall.members.projection import KEPT, MANUAL, in_precedence, view

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rollcall.activity.model import Activity
    from rollcall.hubs.model import Hub
    from rollcall.mapping.table import MappingTable
    from rollcall.members.model import Member
    from rollcall.people.events import Stamp
    from rollcall.people.merge import Cell, Person
    from rollcall.segments.model import Catalogue

_TEXTS = ("email", "first_name", "last_name")
_GROUP = "group"


@dataclass(frozen=True, slots=True)
class Reason:
    """One value that is shown, and one part that says so.

    Attributes
    ----------
    key
        ``status``, ``email``, ``first_name``, ``last_name``, ``roles.<id>``, ``segments.<id>.<option id>``,
        ``profile.<name>``.
    part
        ``directory``, ``manual``, ``kept`` (a last role that sync would have taken), ``suspended`` or ``default``:
        nobody ever said otherwise.
    source_id
        Of the directory; else empty.
    stamp
        The event that set the HRIS value, and its time.
    hit
        The rule that was met, and by what; nothing for what needs no rule.
    table_version
        Of the data mapping table that the rule stands in.
    """

    key: str
    part: str
    source_id: str = ""
    stamp: Stamp | None = None
    hit: Hit | None = field(default=None, repr=False)
    table_version: int | None = None


def explain(
    member: Member, persons: Mapping[str, Person], hub: Hub, catalogue: Catalogue, table: MappingTable
) -> list[Reason]:
    """Return why each value of the member is shown; a value that several parts give has a reason of each.

    Parameters
    ----------
    persons
        Source id → what it says of the person that this member is.
    """
    single = frozenset(segment.segment_id for segment in catalogue.segments if not segment.multi)
    shown = view(member, hub, single)
    given = {source_id: project(person.values(), table, catalogue).why for source_id, person in persons.items()}
    reasons = [_status(member, persons, shown.status_reason)]
    reasons += _texts(member, persons, hub)
    for key, parts in shown.provenance.items():
        for part in parts:
            if part in (MANUAL, KEPT):
                reasons.append(Reason(key, part))
                continue
            hit = given.get(part, {}).get(key)
            stamp = _stamp_of(persons[part], hit) if hit and part in persons else None
            reasons.append(Reason(key, "directory", part, stamp, hit, table.version))
    return reasons


def _status(member: Member, persons: Mapping[str, Person], reason: str) -> Reason:
    if member.suspended:
        return Reason("status", "suspended")
    registers = "deactivated" if reason in ("directory", "leave") else "deleted" if reason == "deleted" else "activated"
    said = [
        (stamp, source_id) for source_id, person in persons.items() if (stamp := getattr(person, registers)) is not None
    ]
    newest = max(said, default=None)
    is_taken_back = registers == "activated" and member.reactivated and any(p.deactivated for p in persons.values())
    if is_taken_back:
        return Reason("status", MANUAL, stamp=member.reactivated)
    return Reason("status", "directory", newest[1], newest[0]) if newest else Reason("status", "default")


def _texts(member: Member, persons: Mapping[str, Person], hub: Hub) -> Iterator[Reason]:
    for name in _TEXTS:
        for part in in_precedence(member.slices.values(), hub.source_precedence):
            if getattr(part, name):
                cell = persons[part.source_id].fields.get(name) if part.source_id in persons else None
                yield Reason(name, "directory", part.source_id, cell.stamp if cell else None)
                break
        else:
            if getattr(member.manual, name):
                yield Reason(name, MANUAL)


def _stamp_of(person: Person, hit: Hit) -> Stamp | None:
    cell: Cell | None = person.groups.get(hit.value) if hit.field == _GROUP else None
    cell = cell or person.attributes.get(hit.field)
    return cell.stamp if cell else None


def brought_by(entries: Iterable[Activity], reason: Reason) -> Activity | None:
    """Return the entry that brought a value that somebody set by hand, or nothing if none of them did.

    Parameters
    ----------
    entries
        Of the member, newest first.
    """
    return next((entry for entry in entries if _brings(entry, reason)), None)


def _brings(entry: Activity, reason: Reason) -> bool:
    key = reason.key
    place, _, rest = key.partition(".")
    if entry.field == "member" and isinstance(entry.new, dict):
        return _has(entry.new.get(place), rest)
    if reason.part == KEPT:
        return entry.field == "kept_roles" and _is_new(entry, rest)
    match place:
        case "roles":
            return entry.field == "roles" and _is_new(entry, rest)
        case "segments":
            segment_id, _, option_id = rest.partition(".")
            return entry.field == f"segment:{segment_id}" and _is_new(entry, option_id)
        case "profile":
            return entry.field == f"profile:{rest}"
        case _:
            return entry.field == place


def _is_new(entry: Activity, value: str) -> bool:
    return value in (entry.new or ()) and value not in (entry.old or ())


def _has(shown: object, rest: str) -> bool:
    """Tell whether a value is among what was shown when the member was made."""
    if isinstance(shown, dict):
        name, _, option_id = rest.partition(".")
        found = shown.get(name) if name in shown else shown.get(rest)
        return option_id in found if isinstance(found, list) and option_id else bool(found)
    return rest in shown if isinstance(shown, list) else bool(shown)
