"""Entries of the activity as somebody may see them: labels in place of ids, and nothing they may not see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollcall.activity.catalogue import SUBJECT as CATALOGUE
from rollcall.activity.model import Kind
from rollcall.activity.origin import is_person
from rollcall.api.presence import gone_addresses, gone_members, gone_persons
from rollcall.api.shapes import Shown
from rollcall.exports.model import may_see, visible_segments
from rollcall.hubs.model import Permission
from rollcall.segments.model import Visibility

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rollcall.activity.model import Activity
    from rollcall.hubs.context import HubContext
    from rollcall.segments.model import Catalogue

SEGMENT = "segment:"
PUBLIC_FIELDS = ("status", "status_reason", "email", "first_name", "last_name")
# The others are HRIS values: profile fields, attributes, groups, and core fields such as the end date.
_SEEN_BY_ALL = frozenset(
    {
        *(*PUBLIC_FIELDS, "roles", "kept_roles", "holds", "member", "person", "collision"),
        *("invitation", "mail", "event", CATALOGUE),
    }
)
DECISIONS = frozenset({Kind.MAIL_TOLD_SENT, Kind.INVITATION_RESENT, Kind.INVITATION_REVOKED, Kind.SUPPRESSION_LIFTED})
_DELETIONS = frozenset({Kind.MEMBER_DELETED, Kind.PERSON_DELETED, Kind.PERSON_ERASED})


class ActivityShown(Shown):
    """One changed field: from what to what, when, by whom or by which event.

    Of the catalogue (kind `catalogue_changed`) `new` is a list of sentences.
    """

    activity_id: str
    subject: str
    kind: Kind
    field: str
    old: Any
    new: Any
    cause: str
    actor: str
    at: str


def show_entries(
    ctx: HubContext, entries: Iterable[Activity], permissions: Collection[Permission]
) -> list[ActivityShown]:
    """Return entries for somebody with these permissions, without those that are not theirs to see.

    Of deleted people there is only that they were deleted.
    """
    listed = list(entries)
    gone = gone_persons(ctx, [entry.subject for entry in listed if is_person(entry)])
    gone |= gone_addresses(ctx, [entry.subject for entry in listed if entry.kind in DECISIONS])
    gone |= gone_members(ctx, [entry.subject for entry in listed if _is_member(entry)])
    kept = [entry for entry in listed if entry.subject not in gone or entry.kind in _DELETIONS]
    shown = [show_activity(entry, ctx.catalogue, permissions) for entry in kept]
    return [entry for entry in shown if entry is not None]


def _is_member(entry: Activity) -> bool:
    return not is_person(entry) and entry.kind not in DECISIONS and entry.kind is not Kind.CATALOGUE_CHANGED


def show_activity(entry: Activity, catalogue: Catalogue, permissions: Collection[Permission]) -> ActivityShown | None:
    """Return an entry for somebody with these permissions; nothing if its field is not theirs to see."""
    field, old, new = entry.field, entry.old, entry.new
    is_open = field in _SEEN_BY_ALL or field.startswith(SEGMENT)
    if not is_open and Permission.VIEW_PRIVATE not in permissions:
        return None
    if field.startswith(SEGMENT):
        visible = {segment.segment_id: segment for segment in visible_segments(catalogue, permissions)}
        segment = visible.get(field.removeprefix(SEGMENT))
        if segment is None:
            return None
        labels = {option.option_id: option.label for option in segment.options}
        field, old, new = f"{SEGMENT}{segment.name}", _named(old, labels), _named(new, labels)
    elif field in ("roles", "kept_roles"):
        labels = {role.role_id: role.label for role in catalogue.roles}
        old, new = _named(old, labels), _named(new, labels)
    elif field == CATALOGUE:
        new = _readable(new, catalogue, permissions)
        if not new:
            return None
    elif isinstance(new, dict):
        new = _show_new(new, catalogue, permissions)
    return ActivityShown(
        activity_id=entry.activity_id,
        subject=entry.subject,
        kind=entry.kind,
        field=field,
        old=old,
        new=new,
        cause=entry.cause,
        actor=entry.actor,
        at=entry.at,
    )


def _readable(told: Any, catalogue: Catalogue, permissions: Collection[Permission]) -> list[str]:  # noqa: ANN401 - stored
    """Return the sentences about what somebody may see now and could see when it was changed, archived or not."""
    found: list[str] = []
    for one in told:
        if "segment" in one:
            segment = catalogue.segments_by_id.get(one["segment"])
            then = segment and replace(segment, visibility=Visibility(one["visibility"]))
            if not segment or not then or not (may_see(segment, permissions) and may_see(then, permissions)):
                continue
        found += [one["text"]] if one["text"] else []
    return found


def _show_new(new: dict[str, Any], catalogue: Catalogue, permissions: Collection[Permission]) -> dict[str, Any]:
    """Return what a new member or person was made of, as far as it is theirs to see."""
    is_member = "roles" in new
    sees_private = Permission.VIEW_PRIVATE in permissions
    shown = {name: value for name, value in new.items() if name in PUBLIC_FIELDS or (sees_private and not is_member)}
    if not is_member:
        return shown
    shown["roles"] = _named(new["roles"], {role.role_id: role.label for role in catalogue.roles})
    segments = {segment.segment_id: segment for segment in visible_segments(catalogue, permissions)}
    shown["segments"] = {
        segments[name].name: _named(given, {one.option_id: one.label for one in segments[name].options})
        for name, given in new["segments"].items()
        if name in segments
    }
    return shown | ({"profile": new["profile"]} if sees_private else {})


def _named(value: object, labels: dict[str, str]) -> list[str]:
    return [labels.get(str(identifier), str(identifier)) for identifier in value] if isinstance(value, list) else []
