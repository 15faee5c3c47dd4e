"""What a change of the catalogue was, in plain sentences: roles, segments and their options. Pure.

A sentence about a segment carries the segment's id and the narrower one of its visibilities before and after, so that
only those read it who may see the segment now and could see it then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollcall.activity.model import Activity, Kind
from rollcall.runtime.ids import digest
from rollcall.segments.model import Visibility

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rollcall.segments.model import Catalogue, Option, Role, Segment

SUBJECT = "catalogue"
# Of options that were added at once, so many are named; fewer where many segments change, since an entry is one item.
NAMED = 20
FEWER = 1
_SEEN_BY = {
    Visibility.PUBLIC: "everybody",
    Visibility.PRIVATE: "admins and the member",
    Visibility.HIDDEN: "admins only",
}
_NARROWEST_FIRST = (Visibility.HIDDEN, Visibility.PRIVATE, Visibility.PUBLIC)


def record_catalogue(
    hub_id: str,
    version: int,
    before: Catalogue,
    roles: Iterable[Role],
    segments: Iterable[Segment],
    *,
    actor: str,
    cause: str,
    at: str,
) -> Activity:
    """Return the entry of one version of the catalogue: all that changed with it.

    Parameters
    ----------
    version
        The new one; one version is one entry.
    before
        The catalogue as it was.
    roles, segments
        Those that are new or changed, as they are now.
    """
    told: list[dict[str, Any]] = []
    changed = list(segments)
    named = NAMED if len(changed) == 1 else FEWER
    for role in roles:
        told += [{"text": text} for text in _of_role(before.roles_by_id.get(role.role_id), role)]
    for segment in changed:
        held = before.segments_by_id.get(segment.segment_id)
        visibility = min((held or segment).visibility, segment.visibility, key=_NARROWEST_FIRST.index)
        needs = {"segment": segment.segment_id, "visibility": str(visibility)}
        told += [{"text": text, **needs} for text in _of_segment(held, segment, named)]
    return Activity(
        hub_id=hub_id,
        subject=SUBJECT,
        activity_id=digest(SUBJECT, hub_id, str(version)),
        kind=Kind.CATALOGUE_CHANGED,
        field=SUBJECT,
        old=None,
        new=told,
        cause=cause,
        actor=actor,
        at=at,
    )


def _of_role(old: Role | None, new: Role) -> Iterator[str]:
    if old is None:
        yield f"Made the role “{new.label}”."
        return
    if old.label != new.label:
        yield f"Renamed the role “{old.label}” to “{new.label}”."
    yield from _common(old, new, f"the role “{new.label}”")


def _of_segment(old: Segment | None, new: Segment, named: int) -> Iterator[str]:
    if old is None:
        yield f"Made the segment “{new.name}”, seen by {_SEEN_BY[new.visibility]}."
        old = replace(new, options=())
    elif old.name != new.name:
        yield f"Renamed the segment “{old.name}” to “{new.name}”."
    yield from _common(old, new, f"the segment “{new.name}”")
    if old.visibility != new.visibility:
        yield f"“{new.name}” is seen by {_SEEN_BY[new.visibility]}; before, by {_SEEN_BY[old.visibility]}."
    if old.multi != new.multi:
        yield f"“{new.name}” takes {'several options' if new.multi else 'one option'}."
    if old.required != new.required:
        yield f"“{new.name}” {'must' if new.required else 'need not'} be filled in."
    yield from _of_options(old, new, named)


def _common(old: Role | Segment, new: Role | Segment, what: str) -> Iterator[str]:
    if old.description != new.description:
        yield f"Changed the description of {what}."
    if old.archived != new.archived:
        yield f"Archived {what}." if new.archived else f"Brought back {what}."
    if old.order != new.order:
        yield f"Moved {what} to another place in the list."


def _of_options(old: Segment, new: Segment, named: int) -> Iterator[str]:
    added = [option.label for option in new.options if option.option_id not in old.options_by_id]
    if added:
        labels = ", ".join(f"“{label}”" for label in added[:named])
        more = f" and {len(added) - named} more" if len(added) > named else ""
        count = "an option" if len(added) == 1 else f"{len(added)} options"
        yield f"Added {count} to “{new.name}”: {labels}{more}."
    for option in new.options:
        held = old.options_by_id.get(option.option_id)
        if held is not None:
            yield from _of_option(held, option, new)


def _of_option(old: Option, new: Option, segment: Segment) -> Iterator[str]:
    if old.label != new.label:
        yield f"Renamed the option “{old.label}” of “{segment.name}” to “{new.label}”."
    if old.merged_into != new.merged_into:
        into = segment.options_by_id[new.merged_into].label
        # Those that were merged into it before go along, and are archived already.
        if not old.merged_into:
            yield f"Merged the option “{old.label}” of “{segment.name}” into “{into}”."
    elif old.archived != new.archived:
        yield f"{'Archived' if new.archived else 'Brought back'} the option “{new.label}” of “{segment.name}”."
