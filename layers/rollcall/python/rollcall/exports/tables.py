"""The files of people and members: which columns they have, and their rows from any place on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.exports import invites, members, people
from rollcall.exports.model import Kind, Place
from rollcall.files.rows import LIMITS
from rollcall.people.rows import header_of
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollcall.exports.model import Export
    from rollcall.hubs.context import HubContext

Names = tuple[str, ...]


def names_of(ctx: HubContext, export: Export) -> Names:
    """Return the names of the columns that the directory gives; everybody is read for them.

    Raises
    ------
    TooManyColumnsError
        If a people file cannot have as many.
    """
    match export.kind:
        case Kind.INVITES:
            room = LIMITS.columns - len(header(ctx, export, ()))
            return invites.attribute_names(export.hub_id, export.permissions, max(room, 0))
        case Kind.MEMBERS:
            return members.profile_names(ctx, export.permissions)
    return people.attribute_names(export.hub_id, export.source_id, export.permissions)


def header(ctx: HubContext, export: Export, names: Names) -> Sequence[str]:
    """Return the first line."""
    match export.kind:
        case Kind.INVITES:
            return invites.columns(invites.segments_of(ctx, export.permissions), names)
        case Kind.MEMBERS:
            return members.columns(members.segments_of(ctx, export.permissions), names)
    return header_of(names)


def rows(
    ctx: HubContext, export: Export, names: Names, place: Place
) -> Iterator[tuple[Place, Sequence[Sequence[str]]]]:
    """Yield some rows at a time, perhaps none, and up to which place they are all there."""
    if export.kind is Kind.INVITES:
        yield from invites.invite_rows(ctx, export, names, to_text(now()), place)
        return
    if export.kind is Kind.MEMBERS:
        found = members.member_rows(ctx, export.permissions, names, export.only, place.after)
    else:
        found = people.person_rows(export.hub_id, export.source_id, names, export.permissions, place.after)
    for after, some in found:
        yield Place(0, after), some
