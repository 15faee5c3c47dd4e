"""An entry of the activity as somebody may see it: labels in place of ids, and nothing they may not see. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.activity.model import Kind  # noqa: TC001 - pydantic reads it
from rollcall.api.shapes import Shown
from rollcall.exports.model import visible_segments
from rollcall.hubs.model import Permission

if TYPE_CHECKING:
    from collections.abc import Collection

    from rollcall.activity.model import Activity
    from rollcall.segments.model import Catalogue

SEGMENT = "segment:"
_NEEDS_PRIVATE = ("profile:", "attribute:", "group:")
_PUBLIC_FIELDS = ("status", "status_reason", "email", "first_name", "last_name")


class ActivityShown(Shown):
    """One changed field: from what to what, when, by whom or by which event."""

    activity_id: str
    subject: str
    kind: Kind
    field: str
    old: Any
    new: Any
    cause: str
    actor: str
    at: str


def show_activity(entry: Activity, catalogue: Catalogue, permissions: Collection[Permission]) -> ActivityShown | None:
    """Return an entry for somebody with these permissions; nothing if its field is not theirs to see."""
    field, old, new = entry.field, entry.old, entry.new
    if field.startswith(_NEEDS_PRIVATE) and Permission.VIEW_PRIVATE not in permissions:
        return None
    if field.startswith(SEGMENT):
        visible = {segment.segment_id: segment for segment in visible_segments(catalogue, permissions)}
        segment = visible.get(field.removeprefix(SEGMENT))
        if segment is None:
            return None
        labels = {option.option_id: option.label for option in segment.options}
        field, old, new = f"{SEGMENT}{segment.name}", _named(old, labels), _named(new, labels)
    elif field == "roles":
        labels = {role.role_id: role.label for role in catalogue.roles}
        old, new = _named(old, labels), _named(new, labels)
    elif isinstance(new, dict):
        new = {name: new[name] for name in _PUBLIC_FIELDS if name in new}
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


def _named(value: object, labels: dict[str, str]) -> list[str]:
    return [labels.get(str(identifier), str(identifier)) for identifier in value] if isinstance(value, list) else []
