"""What a change of a stored member or person means in the activity: one entry for each field that differs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.activity.model import Activity, Kind, Value
from rollcall.runtime.ids import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Item = dict[str, Any]
Difference = tuple[Kind, str, Value, Value]

ERASURE = "erase:"
_MEMBER_TEXTS = {"first_name": Kind.NAME_CHANGED, "last_name": Kind.NAME_CHANGED, "email": Kind.EMAIL_CHANGED}
_PERSON_FIELDS = {
    "first_name": Kind.PERSON_NAME_CHANGED,
    "last_name": Kind.PERSON_NAME_CHANGED,
    "email": Kind.PERSON_EMAIL_CHANGED,
}


def record_change(change_id: str, old: Item | None, new: Item | None) -> list[Activity]:
    """Return the entries of one change of one item of the Members or People table.

    Parameters
    ----------
    change_id
        Names the change, the same every time it is read: the id of the stream record.
    old, new
        The item before and after, plain; ``None`` where there was or is none.

    Returns
    -------
    list[Activity]
        Of an address item only that an admin kept a collision there. Nothing for items that are gone, and where nothing
        that is shown differs.
    """
    if new is None:
        return []
    hub_id, kind, subject = new["pk"].split("#")
    match kind:
        case "M":
            differences = list(_member(old, new))
        case "P":
            differences = list(_person(old, new))
        case "A":
            return _kept(hub_id, change_id, old or {}, new)
        case _:
            return []
    cause = str(new["cause"])
    return [
        Activity(
            hub_id=hub_id,
            subject=subject,
            activity_id=digest(change_id, name),
            kind=what,
            field=name,
            # What went since it named somebody who is erased is not written down once more.
            old=None if cause.startswith(ERASURE) else before,
            new=after,
            cause=cause,
            actor=str(new.get("actor") or _actor(cause)),
            at=str(new["changed_at"]),
        )
        for what, name, before, after in differences
    ]


def _kept(hub_id: str, change_id: str, old: Item, new: Item) -> list[Activity]:
    """Return the entry of the person who goes on waiting for an address, since an admin said so."""
    if not new.get("kept_at") or new["kept_at"] == old.get("kept_at"):
        return []
    person_id = str(new["person_id"])
    return [
        Activity(
            hub_id=hub_id,
            subject=person_id,
            activity_id=digest(change_id, "collision"),
            kind=Kind.PERSON_COLLISION_KEPT,
            field="collision",
            old=None,
            new="kept",
            cause=f"collision:{person_id}",
            actor=str(new["kept_by"]),
            at=str(new["kept_at"]),
        )
    ]


def _actor(cause: str) -> str:
    """Return who stands behind a change of a person, whose item does not say it."""
    match cause.partition(":")[0]:
        case "event":
            return "directory"
        case "accept":
            return "member"
        case _:
            return ""


def _member(old: Item | None, new: Item) -> Iterator[Difference]:
    after = new["shown"]
    if old is None:
        yield Kind.MEMBER_CREATED, "member", None, after
        return
    before = old["shown"]
    yield from _standing(old, new)
    for name, one, other in _differing(before["segments"], after["segments"]):
        if sorted(one or []) != sorted(other or []):
            yield Kind.SEGMENTS_CHANGED, f"segment:{name}", one, other
    for name, one, other in _differing(before["profile"], after["profile"]):
        yield Kind.PROFILE_CHANGED, f"profile:{name}", one, other
    for name, kind in _MEMBER_TEXTS.items():
        if before[name] != after[name]:
            yield kind, name, before[name], after[name]


def _standing(old: Item, new: Item) -> Iterator[Difference]:
    before, after = old["shown"], new["shown"]
    if before["status"] != after["status"]:
        kind = Kind.MEMBER_DELETED if after["status"] == "deleted" else Kind.STATUS_CHANGED
        yield kind, "status", before["status"], after["status"]
    if before["status_reason"] != after["status_reason"]:
        yield Kind.STATUS_CHANGED, "status_reason", before["status_reason"], after["status_reason"]
    if sorted(before["roles"]) != sorted(after["roles"]):
        yield Kind.ROLES_CHANGED, "roles", before["roles"], after["roles"]
    if sorted(old.get("kept_roles", [])) != sorted(new.get("kept_roles", [])):
        yield Kind.ROLES_KEPT, "kept_roles", old.get("kept_roles", []), new.get("kept_roles", [])
    held, holds = _holds(old), _holds(new)
    if held != holds:
        yield Kind.HOLD_CHANGED, "holds", held, holds


def _holds(item: Item) -> list[str]:
    return sorted(str(hold["plan_id"]) for hold in item.get("holds", {}).values())


def _person(old: Item | None, new: Item) -> Iterator[Difference]:
    if new.get("erased"):
        # What was erased is not written down once more.
        if old is None or not old.get("erased"):
            yield Kind.PERSON_ERASED, "person", None, None
        return
    if new.get("superseded_by"):
        if old is None or not old.get("superseded_by"):
            yield Kind.PERSON_SUPERSEDED, "person", None, new["superseded_by"]
        return
    if old is None:
        yield Kind.PERSON_CREATED, "person", None, {"status": new["status"], **_values(new["f"])}
        return
    if old["status"] != new["status"]:
        kind = Kind.PERSON_DELETED if new["status"] == "deleted" else Kind.PERSON_STATUS_CHANGED
        yield kind, "status", old["status"], new["status"]
    for name, one, other in _differing(_values(old.get("f", {})), _values(new["f"])):
        yield _PERSON_FIELDS.get(name, Kind.PERSON_FIELD_CHANGED), name, one, other
    for name, one, other in _differing(_values(old.get("a", {})), _values(new["a"])):
        yield Kind.PERSON_ATTRIBUTE_CHANGED, f"attribute:{name}", one, other
    for name, one, other in _differing(_values(old.get("g", {})), _values(new["g"])):
        yield Kind.PERSON_GROUP_CHANGED, f"group:{name}", one, other


def _values(cells: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {name: value for name, (value, _) in cells.items() if value}


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield name, before, after
