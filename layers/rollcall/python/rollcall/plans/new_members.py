"""A row of the members file about somebody who is no member yet: → a new member, without an invitation.

They are linked to the person of each source who has the address, and follow the directory from then on; what the row
says beside that is kept by hand. An open invitation at the address is settled: they are in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rollcall.hubs import context
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.members import store as members
from rollcall.members.edits import PROFILE, SEGMENT, current_values
from rollcall.members.joining import granted, new_member, one_of_each_source
from rollcall.members.model import Change as MemberChange
from rollcall.members.model import Manual, Member, Status
from rollcall.members.projection import derive, single_valued, view
from rollcall.members.recompute import follow, recompute_member
from rollcall.people import store as people
from rollcall.people.model import Address
from rollcall.plans.invites import SKIPS, Known, look, skip_reason
from rollcall.plans.member_edits import faulty, labels_of, read_cell
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.privacy.emails import written_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, TooLargeToStoreError, TransientError
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries
from rollcall.segments.model import Catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Slice
    from rollcall.people.model import PersonRecord
    from rollcall.plans.member_edits import Column, MemberRow
    from rollcall.plans.seen import Seen
    from rollcall.segments.model import Segment

KIND = "new_member"
_REFUSED = {
    **SKIPS,
    "deactivated": "The directory says that this person is not active. Write “inactive” under status to keep them so.",
    "erased": "Row {row} is about somebody who was deleted or erased; a file does not bring them back.",
    "suppressed": "Mail to this address bounced or was complained about: ask them for another one.",
    "already_member": "The directory has this address for somebody who is a member already.",
}
_NO_ADDRESS = "Write an e-mail address, or leave “ref” as it was exported."
_BAD_ADDRESS = "This is not an e-mail address. It needs one @ and a domain, such as maya@example.com."
_NO_ROLE = "Nobody in the hub has this address. To make them a member, write at least one role."
_JOINS_INVITED = "Their open invitation is settled with it."


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A row without a member: what columns it has, of which visible segments; its address id, empty if unusable."""

    row: MemberRow
    columns: Sequence[Column]
    segments: Sequence[Segment]
    address_id: str


def plan_row(ctx: HubContext, plan: Plan, asked: Newcomer, known: Known, seen: Seen) -> Change:
    """Return what a row about somebody new would do."""
    row = asked.row
    base = Change(row=row.number, outcome="error", kind=KIND, cells=row.cells)
    if not asked.address_id:
        fault = Fault(
            "email", "bad_email" if row.email else "missing_value", _BAD_ADDRESS if row.email else _NO_ADDRESS
        )
        return faulty(base, [fault])
    base = replace(base, subject=asked.address_id)
    persons = known.people_of(asked.address_id, "")
    first = seen.first(row.number, (asked.address_id, *(record.person_id for record in persons)))
    if first != row.number:
        return faulty(base, [Fault("email", "duplicate_of_row", f"Row {first} is for the same address or person.")])
    values, faults = _read(asked, ctx.catalogue)
    parts = [derive(record, ctx.table, ctx.catalogue) for record in one_of_each_source(persons)]
    faults += _missing(asked, values, parts, ctx.catalogue)
    if faults:
        return faulty(base, faults)
    data = _data(ctx, row, values, parts)
    if reason := _reason(known.addresses.get(asked.address_id, Address(asked.address_id)), persons, data):
        detail = _REFUSED[reason].format(row=row.number)
        cells = dict.fromkeys(row.cells, "") if reason == "erased" else row.cells
        return replace(base, outcome=reason, reason=reason, detail=detail, cells=cells)
    member = _member(ctx, plan, asked.address_id, data, persons)
    try:
        members.put_member(ctx.hub.hub_id, member, view(member, ctx.hub, single_valued(ctx.catalogue)))
    except TooLargeToStoreError as exc:
        return faulty(base, [Fault("row", exc.code, exc.detail)])
    invitation = known.invitations.get(asked.address_id)
    detail = _JOINS_INVITED if invitation and invitation.is_open else ""
    return replace(base, outcome="create", todo=True, detail=detail, edits=_edits(ctx, asked, member), data=data)


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Make one member: member, address, persons and an open invitation in one transaction.

    Run again it finds the member of this plan and says the same.

    Raises
    ------
    TransientError
        If others wrote the address or its persons too often in these moments.
    """
    hub_id = plan.hub_id
    member_id = ctx.key.imported_member_id(change.subject, plan.plan_id)
    for _ in tries():
        if held := members.get_member(hub_id, member_id):
            recompute_member(context.load(hub_id), member_id, held.change)  # perhaps it died before
            return Result("created", data={"member_id": member_id})
        known = look(ctx, [change.subject], [])
        persons = known.people_of(change.subject, "")
        address = known.addresses.get(change.subject, Address(change.subject))
        if reason := _reason(address, persons, change.data):
            return Result(reason, reason, _REFUSED[reason].format(row=change.row))
        member = _member(ctx, plan, change.subject, change.data, persons)
        try:
            dynamo.write(_actions(ctx, member, address, persons, known.invitations.get(change.subject)))
        except (dynamo.ConditionFailedError, TransientError):
            continue
        except TooLargeToStoreError as exc:
            return Result("error", exc.code, exc.detail)
        follow(ctx, member_id, member.change)
        return Result("created", data={"member_id": member_id})
    raise TransientError


def _read(asked: Newcomer, catalogue: Catalogue) -> tuple[dict[str, tuple[str, ...]], list[Fault]]:
    """Return the cells that say something, by column id; roles and options that are archived are none."""
    in_use = Catalogue(
        tuple(role for role in catalogue.roles if not role.archived),
        tuple(
            replace(one, options=tuple(option for option in one.options if not option.archived))
            for one in asked.segments
        ),
    )
    values: dict[str, tuple[str, ...]] = {}
    faults: list[Fault] = []
    for column in asked.columns:
        text = asked.row.cells.get(column.header, "").strip()
        given = read_cell(text, column, in_use) if text else ()
        if isinstance(given, Fault):
            faults.append(given)
        elif given:
            values[column.column] = given
    return values, faults


def _missing(
    asked: Newcomer, values: Mapping[str, tuple[str, ...]], parts: Sequence[Slice], catalogue: Catalogue
) -> list[Fault]:
    """Return what a new member cannot be without and neither row nor directory says: a role, required segments."""
    faults = []
    in_use = [role for role in catalogue.roles if not role.archived]
    if not values.get("roles") and len(in_use) > 1 and not any(part.roles for part in parts):
        faults.append(Fault("roles", "missing_value", _NO_ROLE))
    for segment in asked.segments:
        is_filled = any(part.segments.get(segment.segment_id) for part in parts)
        if segment.required and not is_filled and not values.get(f"{SEGMENT}{segment.segment_id}"):
            faults.append(Fault(segment.name, "missing_value", "This column must be filled in."))
    return faults


def _data(
    ctx: HubContext, row: MemberRow, values: Mapping[str, tuple[str, ...]], parts: Sequence[Slice]
) -> dict[str, Any]:
    """Return what the new member is made of; of roles and segments only what the directory does not give anyway."""
    segments = {name.removeprefix(SEGMENT): value for name, value in values.items() if name.startswith(SEGMENT)}
    roles, kept = granted(parts, values.get("roles", ()), segments, single_valued(ctx.catalogue))
    profile = {name.removeprefix(PROFILE): value[0] for name, value in values.items() if name.startswith(PROFILE)}
    return {
        "email": written_email(row.email),
        "first_name": "".join(values.get("first_name", ())),
        "last_name": "".join(values.get("last_name", ())),
        "inactive": values.get("status") == (str(Status.INACTIVE),),
        "roles": list(roles),
        "segments": {name: list(options) for name, options in kept.items()},
        "profile": {
            name: text for name, text in profile.items() if not any(part.profile.get(name) == text for part in parts)
        },
    }


def _reason(address: Address, persons: Sequence[PersonRecord], data: Mapping[str, Any]) -> str:
    """Return why nobody becomes a member at an address; empty if somebody can."""
    reason = skip_reason(address, persons, None, "")
    if reason != "deactivated" or not data["inactive"]:
        return reason
    return skip_reason(replace(address, holders={}), [], None, "")


def manual_of(data: Mapping[str, Any]) -> Manual:
    """Return what the row says by hand of the new member: the data of the change that makes them."""
    return Manual(
        roles=tuple(data["roles"]),
        segments={name: tuple(options) for name, options in data["segments"].items()},
        profile=data["profile"],
        email=data["email"],
        first_name=data["first_name"],
        last_name=data["last_name"],
    )


def _member(
    ctx: HubContext, plan: Plan, address_id: str, data: Mapping[str, Any], persons: Sequence[PersonRecord]
) -> Member:
    at = to_text(now())
    member_id = ctx.key.imported_member_id(address_id, plan.plan_id)
    change = MemberChange(f"plan:{plan.plan_id}", plan.approved_by, at)
    joined = [replace(record, member_id=member_id) for record in one_of_each_source(persons)]
    member = new_member(ctx, member_id, address_id, manual=manual_of(data), joined=joined, change=change)
    return replace(member, suspended=at) if data["inactive"] else member


def _actions(
    ctx: HubContext,
    member: Member,
    address: Address,
    persons: Sequence[PersonRecord],
    invitation: Invitation | None,
) -> list[dynamo.Action]:
    hub_id, cause, at = ctx.hub.hub_id, member.change.cause, member.change.at
    joined = [replace(record, member_id=member.member_id) for record in one_of_each_source(persons)]
    actions = [
        members.put_member(hub_id, member, view(member, ctx.hub, single_valued(ctx.catalogue))),
        people.put_address(hub_id, replace(address, member_id=member.member_id)),
        *(people.put_person(hub_id, record, cause, at) for record in joined),
    ]
    if invitation is not None and invitation.is_open:
        settled = replace(invitation, status=InvitationStatus.ACCEPTED, settled_at=at, member_id=member.member_id)
        actions.append(invitations.put_invitation(hub_id, settled))
    return actions


def _edits(ctx: HubContext, asked: Newcomer, member: Member) -> tuple[Edit, ...]:
    """Return what the new member would show, in the columns of the file."""
    shown = view(member, ctx.hub, single_valued(ctx.catalogue))
    names = {"first_name": "first_name", "last_name": "last_name", "status": "status", "roles": "roles"}
    names |= {column.column: column.name for column in asked.columns}
    values = current_values(member, names, ctx.hub, ctx.catalogue)
    told = [Edit("email", (), (shown.email,), "email")]
    told += [
        Edit(name, (), labels_of(column, values[column], ctx.catalogue), column)
        for column, name in names.items()
        if values[column]
    ]
    return tuple(told)
