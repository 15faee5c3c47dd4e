"""The members file: each row → edits of a member, or a new member.

A row is about the member whose id is in ``ref``, else about whoever has the e-mail address. An address that no member
has brings a new member: a hub's existing community comes in this way.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from rollcall.exports.model import visible_segments
from rollcall.files.rows import Row, read_rows
from rollcall.hubs.admins import admin_addresses
from rollcall.hubs.model import Permission
from rollcall.members import store as members
from rollcall.members.edits import PROFILE, SEGMENT
from rollcall.plans import invites, member_edits, new_members
from rollcall.plans.member_edits import Column, MemberRow, Shared
from rollcall.privacy.emails import usable_email
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.runtime.ids import is_hash
from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change, Plan, Result
    from rollcall.plans.seen import Start
    from rollcall.segments.model import Segment
    from rollcall.uploads.model import Upload

BATCH = 100
_EDITABLE = ("first_name", "last_name", "status", "roles")
_FIXED = ("ref", "version", "email", *_EDITABLE)


def plan_rows(ctx: HubContext, plan: Plan, upload: Upload, stream: BinaryIO, start: Start) -> Iterator[Change]:
    """Yield one change for every row of the file.

    Raises
    ------
    MalformedError
        If the file as a whole cannot be read, or no column tells whose row it is.
    """
    segments = visible_segments(ctx.catalogue, [Permission(permission) for permission in upload.permissions])
    reader = read_rows(stream, known=(*(segment.name for segment in segments), *_FIXED))
    if "ref" not in reader.headers and "email" not in reader.headers:
        detail = "There is no column “ref” or “email”. Please start from a members file that you downloaded here."
        raise MalformedError([Fault("header", "missing_column", detail)])
    start.columns.extend(reader.headers)
    columns = _columns(reader.headers, segments, upload)
    shared = Shared(columns, start.seen, admin_addresses(ctx.hub.hub_id, ctx.key))
    rows = (_row(row) for row in islice(reader, start.skip, None))
    while batch := list(islice(rows, BATCH)):
        emails = {row.number: email for row in batch if not row.ref and (email := usable_email(row.email))}
        address_ids = {number: ctx.key.address_id(email) for number, email in emails.items()}
        known = invites.look(ctx, list(address_ids.values()), [])
        ids = {row.number: row.ref for row in batch if is_hash(row.ref)}
        ids |= {
            number: address.member_id
            for number, address_id in address_ids.items()
            if (address := known.addresses.get(address_id)) and address.member_id
        }
        found = members.get_members(ctx.hub.hub_id, ids.values())
        for row in batch:
            if row.ref or row.fault or row.number in ids:
                yield member_edits.plan_row(ctx, row, shared, found.get(ids.get(row.number, "")))
            else:
                address_id = address_ids.get(row.number, "")
                newcomer = new_members.Newcomer(row, columns, segments, address_id)
                yield new_members.plan_row(ctx, plan, newcomer, known, start.seen)


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Make the edits of one member, or one new member.

    Raises
    ------
    TransientError
        If others wrote the same too often in these moments.
    """
    if change.kind == new_members.KIND:
        return new_members.apply_change(ctx, plan, change)
    return member_edits.apply_change(ctx, plan, change)


def _columns(headers: Sequence[str], segments: Sequence[Segment], upload: Upload) -> list[Column]:
    found = [Column(name, name, name) for name in _EDITABLE if name in headers]
    found += [
        Column(segment.name, f"{SEGMENT}{segment.segment_id}", segment.name)
        for segment in segments
        if segment.name in headers and segment.name not in _FIXED
    ]
    if Permission.VIEW_PRIVATE in upload.permissions:
        for header in headers:
            start, _, name = header.partition(":")
            if normalise(start) == "profile" and name.strip():
                found.append(Column(header, f"{PROFILE}{name.strip()}", name.strip()))
    return found


def _row(row: Row) -> MemberRow:
    ref, email, version = (row.cells.get(name, "").strip() for name in ("ref", "email", "version"))
    return MemberRow(row.number, row.cells, ref, email, version, row.faults[0] if row.faults else None)
