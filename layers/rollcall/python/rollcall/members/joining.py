"""Somebody becomes a member: what the directory gives them, beside what they bring."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollcall.members import projection
from rollcall.members.model import Change, Manual, Member, Slice
from rollcall.members.projection import derive, view, with_current_options
from rollcall.privacy.emails import usable_email

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.people.model import PersonRecord


def one_of_each_source(records: Iterable[PersonRecord]) -> list[PersonRecord]:
    """Return who becomes the member, in order: a member is one person of each source; erased ones are nobody."""
    by_source: dict[str, PersonRecord] = {}
    for record in records:
        if not record.person.erased:
            by_source.setdefault(record.person.source_id, record)
    return list(by_source.values())


def new_member(
    ctx: HubContext, member_id: str, address_id: str, *, manual: Manual, joined: Sequence[PersonRecord], change: Change
) -> Member:
    """Return a member who joins now; where neither they nor the directory bring a role they get the hub's default.

    Parameters
    ----------
    joined
        The persons of the member as they were read; each of them is written in the same transaction.
    """
    manual = with_current_options(manual, ctx.catalogue)
    member = Member(
        member_id=member_id,
        address_id=address_id,
        slices={record.person.source_id: _slice(ctx, replace(record, rev=record.rev + 1)) for record in joined},
        manual=manual,
        created_at=change.at,
        change=change,
    )
    if view(member, ctx.hub, projection.single_valued(ctx.catalogue)).roles:
        return member
    return replace(member, manual=replace(manual, roles=default_roles(ctx)))


def granted(
    parts: Sequence[Slice],
    roles: Iterable[str],
    segments: Mapping[str, Sequence[str]],
    single_valued: Collection[str],
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return the roles and options to be granted by hand: of those wanted, what the directory does not give anyway.

    Parameters
    ----------
    parts
        What the directory gives.
    segments
        Segment id → ids of the options wanted.
    single_valued
        Ids of the segments that take one option only.
    """
    derived = {role for part in parts for role in part.roles}
    kept: dict[str, tuple[str, ...]] = {}
    for segment_id, options in segments.items():
        given = {option for part in parts for option in part.segments.get(segment_id, ())}
        missing = tuple(option for option in options if option not in given)
        if missing:
            kept[segment_id] = tuple(options) if segment_id in single_valued else missing
    return tuple(role for role in roles if role not in derived), kept


def default_roles(ctx: HubContext) -> tuple[str, ...]:
    """Return the role of somebody for whom neither row nor mapping table names one: every member has at least one."""
    usable = [role.role_id for role in ctx.catalogue.roles if not role.archived]
    return (ctx.hub.default_role,) if ctx.hub.default_role in usable else tuple(usable[:1])


def _slice(ctx: HubContext, record: PersonRecord) -> Slice:
    """Return the person's slice, without an e-mail that is somebody else's address."""
    part = derive(record, ctx.table, ctx.catalogue)
    email = usable_email(part.email)
    wanted = ctx.key.address_id(email) if email else None
    if record.address_id is None or (wanted and wanted != record.address_id):
        return replace(part, email="")
    return part
