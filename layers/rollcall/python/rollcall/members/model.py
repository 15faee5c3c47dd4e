"""A member as stored: one slice per source, a manual part beside them, and the decisions of admins. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.people.events import Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, Any]


class Status(StrEnum):
    """Whether a member is there for others."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Slice:
    """What one source says of a member: the mapping table applied to the person, and where it was computed from.

    Attributes
    ----------
    person_rev, table_version
        Of the person and the mapping table that this was computed from.
    roles
        Role ids.
    segments
        Segment id → option ids.
    profile
        Profile field → text.
    activated, deactivated, deleted
        When the source last said so; ``deleted`` is nothing where an admin took the deletion back.
    on_leave
        When it last said so because of a leave.
    """

    source_id: str
    person_id: str
    person_rev: int
    table_version: int
    email: str = field(default="", repr=False)
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    roles: tuple[str, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    profile: Mapping[str, str] = field(default_factory=dict, repr=False)
    activated: Stamp | None = None
    deactivated: Stamp | None = None
    deleted: Stamp | None = None
    on_leave: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A removal by one source that waits for an admin.

    Attributes
    ----------
    upto
        What the source says of leaving up to this stamp has no effect on what is shown.
    plan_id
        The held-removals plan that lists it, or the plan that undid it.
    reason
        ``removal_held``, ``hub_admin``, or ``removal_undone`` where an admin took back one that had taken place.
    """

    upto: Stamp
    plan_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manual:
    """What people set by hand (or brought with their invitation). Sync never touches it."""

    roles: tuple[str, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    profile: Mapping[str, str] = field(default_factory=dict, repr=False)
    email: str = field(default="", repr=False)
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What made the last change.

    Attributes
    ----------
    cause
        ``event:<id>``, ``plan:<id>``, ``accept:<address id>``, ``admin``, ``catalogue:<version>``.
    actor
        The admin's subject, or ``directory``, or ``member``.
    """

    cause: str
    actor: str
    at: str


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the hub.

    Attributes
    ----------
    address_id
        Of the address that this member holds.
    kept_roles
        Roles that a sync would have removed last; the member keeps them and the case is listed for the admin.
    reactivated
        The admin's reactivation: deactivations up to this stamp no longer count.
    suspended
        Time of an admin's suspension, which no event undoes.
    holds
        Source id → a removal by that source which has no effect yet.
    recent_changes
        Ids of the last plan changes applied, so that applying one again is known for what it is.
    shown
        What was shown of them when they were last written; nothing if nothing is stored yet.
    rev
        Counts writes; 0 means that nothing is stored yet.
    """

    member_id: str
    address_id: str
    slices: Mapping[str, Slice] = field(default_factory=dict)
    manual: Manual = field(default_factory=Manual)
    kept_roles: tuple[str, ...] = ()
    reactivated: Stamp | None = None
    suspended: str | None = None
    created_at: str = ""
    holds: Mapping[str, Hold] = field(default_factory=dict)
    recent_changes: tuple[str, ...] = ()
    shown: Item | None = field(default=None, repr=False, compare=False)
    rev: int = 0
    change: Change = field(default_factory=lambda: Change("", "", ""))


RECENT = 8


def member_to_item(member: Member) -> Item:
    """Return the member as a plain dict."""
    return {
        "member_id": member.member_id,
        "address_id": member.address_id,
        "slices": {source_id: _slice_to_item(part) for source_id, part in member.slices.items()},
        "manual": {
            "roles": list(member.manual.roles),
            "segments": _lists(member.manual.segments),
            "profile": dict(member.manual.profile),
            "email": member.manual.email,
            "first_name": member.manual.first_name,
            "last_name": member.manual.last_name,
        },
        "kept_roles": list(member.kept_roles),
        "reactivated": _stamp(member.reactivated),
        "suspended": member.suspended,
        "created_at": member.created_at,
        "holds": {source_id: _hold_to_item(hold) for source_id, hold in member.holds.items()},
        "recent_changes": list(member.recent_changes),
        "cause": member.change.cause,
        "actor": member.change.actor,
        "changed_at": member.change.at,
    }


def stored(member: Member) -> Item:
    """Return the member as they are stored: without what is empty, and without their id, which is in the key.

    Most members have less than 1 KB then, so that a write of them costs one unit.
    """
    item = member_to_item(member)
    del item["member_id"]
    item["manual"] = _filled(item["manual"])
    item["slices"] = {source_id: _filled(part) for source_id, part in item["slices"].items()}
    return {name: value for name, value in item.items() if value or name in _ALWAYS}


_ALWAYS = ("slices", "cause", "actor", "changed_at")


def _filled(part: Item) -> Item:
    return {name: value for name, value in part.items() if value or value == 0}


def member_from_item(item: Item) -> Member:
    """Read a member from their stored item."""
    manual = item.get("manual", {})
    return Member(
        member_id=member_id_of(item),
        address_id=item.get("address_id", ""),
        slices={source_id: _slice_from_item(source_id, part) for source_id, part in item["slices"].items()},
        manual=Manual(**manual | {"roles": tuple(manual.get("roles", ())), "segments": _tuples(manual)}),
        kept_roles=tuple(item.get("kept_roles", ())),
        reactivated=_read_stamp(item.get("reactivated")),
        suspended=item.get("suspended"),
        created_at=item.get("created_at", ""),
        holds={source_id: _hold_from_item(hold) for source_id, hold in item.get("holds", {}).items()},
        recent_changes=tuple(item.get("recent_changes", ())),
        shown=item.get("shown"),
        rev=item["rev"],
        change=Change(item["cause"], item["actor"], item["changed_at"]),
    )


def member_id_of(item: Item) -> str:
    """Return whose item it is, or whose entry in a list."""
    return str(item["pk"]).rpartition("#")[2]


def _slice_to_item(part: Slice) -> Item:
    item: Item = {name: getattr(part, name) for name in Slice.__slots__ if name != "source_id"}
    return item | {
        "roles": list(part.roles),
        "segments": _lists(part.segments),
        "profile": dict(part.profile),
        "activated": _stamp(part.activated),
        "deactivated": _stamp(part.deactivated),
        "deleted": _stamp(part.deleted),
        "on_leave": _stamp(part.on_leave),
    }


def _slice_from_item(source_id: str, item: Item) -> Slice:
    return Slice(
        **item
        | {
            "source_id": source_id,
            "roles": tuple(item.get("roles", ())),
            "segments": _tuples(item),
            "activated": _read_stamp(item.get("activated")),
            "deactivated": _read_stamp(item.get("deactivated")),
            "deleted": _read_stamp(item.get("deleted")),
            "on_leave": _read_stamp(item.get("on_leave")),
        }
    )


def _hold_to_item(hold: Hold) -> Item:
    return {"upto": _stamp(hold.upto), "plan_id": hold.plan_id, "reason": hold.reason}


def _hold_from_item(item: Item) -> Hold:
    return Hold(Stamp(*item["upto"]), item["plan_id"], item["reason"])


def _stamp(stamp: Stamp | None) -> list[str] | None:
    return [stamp.at, stamp.event_id] if stamp else None


def _read_stamp(item: list[str] | None) -> Stamp | None:
    return Stamp(*item) if item else None


def _lists(values: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(inner) for name, inner in values.items()}


def _tuples(part: Item) -> dict[str, tuple[str, ...]]:
    return {name: tuple(inner) for name, inner in part.get("segments", {}).items()}
