"""The members file: one row for each member, to be edited and uploaded again.

The column ``version`` tells the upload which values moved since (``members.version_token``).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rollcall.exports.invites import option_labels, role_labels
from rollcall.exports.model import Only, columns_of_segments
from rollcall.hubs.model import Permission
from rollcall.members import store as members
from rollcall.members.edits import deactivation_value
from rollcall.members.model import Status
from rollcall.members.projection import single_valued, view
from rollcall.members.version_token import column_values, make_token
from rollcall.runtime.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Member
    from rollcall.segments.model import Segment

BATCH = 100
LOOK_AHEAD = 4
MAX_PROFILE_FIELDS = 100
EVERYBODY = Only()
# A longer text could not be read back; an empty cell means "unchanged".
_MAX_CELL = 4000
_FIRST = ("ref", "version", "email", "first_name", "last_name", "status", "roles")


def profile_names(
    ctx: HubContext, permissions: Collection[Permission], limit: int = MAX_PROFILE_FIELDS
) -> tuple[str, ...]:
    """Return the names of the profile fields that any member shows, sorted; nothing for those who may not see them."""
    if Permission.VIEW_PRIVATE not in permissions:
        return ()
    single = single_valued(ctx.catalogue)
    seen: set[str] = set()
    for member in members.members_by_name(ctx.hub.hub_id):
        seen |= view(member, ctx.hub, single).profile.keys()
    return tuple(sorted(seen)[:limit])


def segments_of(ctx: HubContext, permissions: Collection[Permission]) -> list[Segment]:
    """Return the segments that have a column in the file."""
    return columns_of_segments(ctx.catalogue, permissions, _FIRST)


def columns(segments: Iterable[Segment], profile: Iterable[str]) -> list[str]:
    """Return the header of the file."""
    return [*_FIRST, *(segment.name for segment in segments), *(f"profile: {name}" for name in profile)]


def member_rows(
    ctx: HubContext,
    permissions: Collection[Permission],
    profile: tuple[str, ...],
    only: Only = EVERYBODY,
    after: str = "",
) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield some rows at a time, in the order of ``columns``, and up to which place they are all there.

    Members are read by id once more, consistently, so that one who was deleted a moment ago is not in it. Memory does
    not grow with the hub.

    Parameters
    ----------
    after
        Place in the list behind which to begin.
    """
    hub_id = ctx.hub.hub_id
    segments = segments_of(ctx, permissions)
    segment_ids = [segment.segment_id for segment in segments]
    single = single_valued(ctx.catalogue)

    def row(member: Member) -> list[str] | None:
        shown = view(member, ctx.hub, single)
        if shown.status is Status.DELETED or not only.keeps(shown):
            return None
        values = column_values(shown, segment_ids, profile) | deactivation_value(member)
        return [
            member.member_id,
            make_token(ctx.key, member.member_id, values),
            shown.email,
            shown.first_name,
            shown.last_name,
            str(shown.status),
            role_labels(ctx.catalogue, shown.roles),
            *(option_labels(segment, shown.segments.get(segment.segment_id, ())) for segment in segments),
            *(text if len(text := shown.profile.get(name, "")) <= _MAX_CELL else "" for name in profile),
        ]

    def look(batch: list[tuple[str, str]]) -> dict[str, Member]:
        return members.get_members(hub_id, [member_id for _, member_id in batch])

    for batch, found in ahead(look, _batches(hub_id, after), LOOK_AHEAD):
        rows = (row(found[member_id]) for _, member_id in batch if member_id in found)
        yield batch[-1][0], [cells for cells in rows if cells is not None]


def _batches(hub_id: str, after: str) -> Iterator[list[tuple[str, str]]]:
    """Yield place and id of members, some at a time."""
    listed = members.places_after(hub_id, after)
    while batch := list(islice(listed, BATCH)):
        yield batch
