"""The bulk invite: rows → invitations, and an invitation made.

Every row is judged before anything is sent. What the directory gives a person is not stored with their invitation: it
follows the directory; only what the row adds to that is.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from rollcall.files.rows import read_rows
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.invitations.rows import InviteRow, column_of, parse_row
from rollcall.mail import store as outbox
from rollcall.mail.model import Kind, Mail
from rollcall.members.projection import derive, single_valued
from rollcall.people import store as people
from rollcall.people.model import Address, Barred
from rollcall.plans.model import Change, Plan, Result
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, MalformedError, TransientError
from rollcall.runtime.ids import digest
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.context import HubContext
    from rollcall.people.model import PersonRecord
    from rollcall.uploads.model import Upload

BATCH = 100
TRIES = 6
SKIPS = {
    "already_member": "This person is a member already.",
    "already_invited": "This person has an open invitation.",
    "deactivated": "The directory says that this person is not active.",
    "erased": "This person was erased and is not invited again.",
    "suppressed": "Mail to this address bounced or was complained about.",
}


@dataclass(frozen=True, slots=True)
class _Good:
    """A row without faults of its own, and the address it is for."""

    number: int
    cells: Mapping[str, str]
    row: InviteRow
    address_id: str


def plan_rows(ctx: HubContext, plan: Plan, upload: Upload, stream: BinaryIO) -> Iterator[Change]:
    """Yield one change for every row of the file, in its order.

    Raises
    ------
    MalformedError
        If the file as a whole cannot be read or has no column for the e-mail address.
    """
    del plan, upload
    reader = read_rows(stream)
    if not any(column_of(header) == "email" for header in reader.headers):
        detail = "There is no column “email”. Please start from an invite file that you exported here."
        raise MalformedError([Fault("header", "missing_column", detail)])
    rows = iter(reader)
    seen: dict[bytes, int] = {}
    while batch := list(islice(rows, BATCH)):
        judged = [_judge(ctx, number, cells, faults, seen) for number, cells, faults in batch]
        yield from _decided(ctx, judged)


def _judge(
    ctx: HubContext, number: int, cells: Mapping[str, str], faults: Sequence[Fault], seen: dict[bytes, int]
) -> Change | _Good:
    """Judge a row by itself and by the rows before it."""
    parsed = list(faults) if faults else parse_row(cells, ctx.catalogue)
    if not isinstance(parsed, InviteRow):
        detail = " ".join(f"{fault.place}: {fault.detail}" for fault in parsed)
        codes = " ".join(dict.fromkeys(fault.code for fault in parsed))
        return Change(row=number, outcome="error", reason=codes, detail=detail, kind="invitation", cells=cells)
    address_id = ctx.key.address_id(parsed.email)
    first = seen.setdefault(bytes.fromhex(address_id), number)
    if first != number:
        return Change(
            row=number,
            outcome="duplicate_of_row",
            reason="duplicate_of_row",
            detail=f"Row {first} is for the same address.",
            kind="invitation",
            subject=address_id,
            cells=cells,
        )
    return _Good(number, cells, parsed, address_id)


def _decided(ctx: HubContext, judged: Sequence[Change | _Good]) -> Iterator[Change]:
    hub_id, at = ctx.hub.hub_id, to_text(now())
    asked = [good.address_id for good in judged if isinstance(good, _Good)]
    addresses = people.get_addresses(hub_id, asked)
    open_ones = invitations.get_invitations(hub_id, asked)
    holders = [holder.person_id for address in addresses.values() for holder in address.holders.values()]
    records = people.get_persons(hub_id, holders)
    for good in judged:
        if isinstance(good, Change):
            yield good
            continue
        address = addresses.get(good.address_id, Address(good.address_id))
        base = Change(row=good.number, outcome="invite", kind="invitation", subject=good.address_id, cells=good.cells)
        reason = _skip(address, open_ones.get(good.address_id), at)
        if reason:
            yield replace(base, outcome=reason, reason=reason, detail=SKIPS[reason])
            continue
        found = [records[h.person_id] for h in address.holders.values() if h.person_id in records]
        yield replace(base, todo=True, data=_data(ctx, good.row, found))


def _skip(address: Address, invitation: Invitation | None, at: str) -> str:
    """Return why nobody is invited at an address; empty if somebody can be."""
    match address.barred:
        case Barred.ERASED | Barred.DELETED:
            # The same word for both: a file must not tell who was erased and who is in the grace time.
            return "erased"
        case Barred.DEACTIVATED:
            return "deactivated"
        case None:
            pass
    if address.member_id:
        return "already_member"
    if address.suppressed:
        return "suppressed"
    if invitation is not None and invitation.is_open and invitation.state_at(at) is not InvitationStatus.EXPIRED:
        return "already_invited"
    return ""


def _data(ctx: HubContext, row: InviteRow, records: Sequence[PersonRecord]) -> dict[str, object]:
    """Return what the invitation needs; of roles and segments only what the directory does not give anyway."""
    parts = [derive(record, ctx.table, ctx.catalogue) for record in records if not record.person.erased]
    roles = {role for part in parts for role in part.roles}
    single = single_valued(ctx.catalogue)
    segments: dict[str, list[str]] = {}
    for segment_id, options in row.segments.items():
        given = {option for part in parts for option in part.segments.get(segment_id, ())}
        same = set(options) <= given
        kept = list(options) if segment_id in single else [option for option in options if option not in given]
        if kept and not same:
            segments[segment_id] = kept
    return {
        "email": row.email,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "language": row.language,
        "roles": [role for role in row.roles if role not in roles],
        "segments": segments,
    }


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Invite one address: invitation and mail in one transaction, which also checks that the address may be invited.

    Run again it finds the invitation of this plan and says the same.

    Raises
    ------
    TransientError
        If others wrote the invitation or the address too often in these moments.
    """
    hub_id = plan.hub_id
    for attempt in range(TRIES):
        if attempt:
            time.sleep(random.uniform(0.01, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
        at = now()
        held = invitations.get_invitation(hub_id, change.subject)
        if held is not None and held.plan_id == plan.plan_id:
            is_waiting = held.status is InvitationStatus.QUEUED
            return Result("invited", mail_id=_mail_id(hub_id, held) if is_waiting else "")
        reason = _skip(people.get_address(hub_id, change.subject), held, to_text(at))
        if reason:
            return Result(reason, reason, SKIPS[reason])
        invitation = _invitation(ctx, plan, change, held, at)
        mail = _mail(ctx, invitation, at)
        try:
            dynamo.write(
                [
                    invitations.put_invitation(hub_id, invitation),
                    outbox.put_action(mail),
                    dynamo.check_action(
                        people.TABLE,
                        people.address_pk(hub_id, change.subject),
                        "-",
                        "attribute_not_exists(#member_id) AND attribute_not_exists(#barred) "
                        "AND attribute_not_exists(#suppressed)",
                    ),
                ]
            )
        except (dynamo.ConditionFailedError, TransientError):
            continue
        return Result("invited", mail_id=mail.mail_id)
    raise TransientError


def _invitation(ctx: HubContext, plan: Plan, change: Change, held: Invitation | None, at: datetime) -> Invitation:
    data = change.data
    return Invitation(
        address_id=change.subject,
        epoch=(held.epoch if held else 0) + 1,
        status=InvitationStatus.QUEUED,
        email=data["email"],
        first_name=data["first_name"],
        last_name=data["last_name"],
        language=data["language"] or ctx.hub.locale,
        roles=tuple(data["roles"]),
        segments={segment_id: tuple(options) for segment_id, options in data["segments"].items()},
        plan_id=plan.plan_id,
        created_at=to_text(at),
        expires_at=to_text(at + timedelta(days=ctx.hub.invite_expiry_days)),
        rev=held.rev if held else 0,
    )


def _mail_id(hub_id: str, invitation: Invitation) -> str:
    return digest("invitation", hub_id, invitation.address_id, str(invitation.epoch), "1")


def _mail(ctx: HubContext, invitation: Invitation, at: datetime) -> Mail:
    return Mail(
        mail_id=_mail_id(ctx.hub.hub_id, invitation),
        hub_id=ctx.hub.hub_id,
        kind=Kind.INVITATION,
        to=invitation.email,
        language=invitation.language,
        not_before=at,
        params={"first_name": invitation.first_name, "expires_on": invitation.expires_at[:10]},
        address_id=invitation.address_id,
        invitation_epoch=invitation.epoch,
    )
