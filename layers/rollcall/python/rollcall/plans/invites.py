"""The bulk invite: rows → invitations, and an invitation made.

Every row is judged before anything is sent. What the directory gives a person is not stored with their invitation: it
follows the directory; only what the row adds to that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from rollcall.exports.model import visible_segments
from rollcall.files.rows import read_rows
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Permission
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.invitations.quick import quick_judge
from rollcall.invitations.reminders import next_reminder
from rollcall.invitations.rows import InviteRow, column_of, export_of, keys_of, parse_row, unknown_columns, unknown_ref
from rollcall.mail import store as outbox
from rollcall.mail.model import Kind, Mail
from rollcall.members.joining import granted
from rollcall.members.projection import derive, single_valued
from rollcall.people import store as people
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import Address, Barred
from rollcall.plans import left_out
from rollcall.plans.consequences import DECLINED, NOT_MEANT
from rollcall.plans.model import LEFT_OUT, Change, Plan, Result
from rollcall.privacy.emails import identity_of
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, MalformedError, TransientError
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries
from rollcall.segments.model import Catalogue
from rollcall.sources.policy import is_meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Slice
    from rollcall.people.model import PersonRecord
    from rollcall.plans.seen import Start
    from rollcall.sources.policy import Policy
    from rollcall.uploads.model import Upload

BATCH = 100
SKIPS = {
    "already_member": "This person is a member already.",
    "already_invited": "This person has an open invitation.",
    "deactivated": "The directory says that this person is not active.",
    "erased": "This person was erased and is not invited again.",
    "suppressed": "Mail to this address bounced or was complained about.",
}
_GONE = {DirectoryStatus.DELETED, DirectoryStatus.ERASED}


_OTHER_PERSON = "The directory has this address for somebody else than the row was exported for."


@dataclass(frozen=True, slots=True)
class Known:
    """What lies in the tables about the rows of one batch."""

    addresses: Mapping[str, Address]
    invitations: Mapping[str, Invitation]
    persons: Mapping[str, PersonRecord]

    def people_of(self, address_id: str, ref: str) -> list[PersonRecord]:
        """Return the persons a row is about: the one it was exported for first, then those who hold the address."""
        address = self.addresses.get(address_id)
        holders = [holder.person_id for holder in address.holders.values()] if address else []
        return [self.persons[name] for name in dict.fromkeys((ref, *holders)) if name in self.persons]


def plan_rows(ctx: HubContext, plan: Plan, upload: Upload, stream: BinaryIO, start: Start) -> Iterator[Change]:
    """Yield one change for every row of the file, in its order, then who was left out of it.

    Rows are read with the segments that the admin who asked for the upload may see; other columns are not read.

    Raises
    ------
    MalformedError
        If the file as a whole cannot be read or has no column for the e-mail address.
    """
    del plan
    reader = read_rows(stream)
    if not any(column_of(header) == "email" for header in reader.headers):
        detail = "There is no column “email”. Please start from an invite file that you exported here."
        raise MalformedError([Fault("header", "missing_column", detail)])
    segments = visible_segments(ctx.catalogue, [Permission(permission) for permission in upload.permissions])
    catalogue = Catalogue(ctx.catalogue.roles, tuple(segments))
    start.columns.extend(reader.headers)
    start.unread.extend(unknown_columns(reader.headers, catalogue))
    policies = hubs.policies(ctx.hub.hub_id)
    rows, named, skipped, last = reader.judged(quick_judge(reader.headers, catalogue)), left_out.Named(start.seen), 0, 1
    for number, record, _ in islice(rows, start.skip):
        last, skipped = number, skipped + 1
        named.note(export_of(reader.row(number, record).cells))
    while batch := [(reader.row(number, record), row) for number, record, row in islice(rows, BATCH)]:
        keys = [(identity_of(row.email), row.ref) if row else keys_of(cells) for (_, cells, _), row in batch]
        address_ids = [ctx.key.address_id(email) if email else "" for email, _ in keys]
        known = look(ctx, address_ids, [ref for _, ref in keys])
        at = to_text(now())
        for ((number, cells, faults), good), address_id, (_, ref) in zip(batch, address_ids, keys, strict=True):
            last = number
            named.note(export_of(cells))
            persons = known.people_of(address_id, ref)
            base = Change(row=number, outcome="error", kind="invitation", cells=cells)
            parts = [derive(record, ctx.table, ctx.catalogue) for record in persons if not record.person.erased]
            row = list(faults) or good or parse_row(cells, catalogue, _filled(parts))
            if not isinstance(row, InviteRow) or (told := _ref_faults(ref, known.persons, persons)):
                named.keep(number, ref)
                yield _faulty(base, told if isinstance(row, InviteRow) else row)
                continue
            base = replace(base, subject=address_id)
            first = start.seen.first(number, (address_id, *(record.person_id for record in persons)))
            if first != number:
                named.keep(number, ref)
                detail = f"Row {first} is for the same address or person."
                yield replace(base, outcome="duplicate_of_row", reason="duplicate_of_row", detail=detail)
                continue
            address = known.addresses.get(address_id, Address(address_id))
            reason = skip_reason(address, persons, known.invitations.get(address_id), at)
            if reason:
                yield replace(base, outcome=reason, reason=reason, detail=SKIPS[reason])
                continue
            warnings = _warnings(known.invitations.get(address_id), persons, policies, at[:10])
            yield replace(base, outcome="invite", todo=True, data=_data(ctx, row, parts), warnings=warnings)
    yield from islice(left_out.changes(ctx, named, last), start.skip - skipped, None)


def _warnings(
    invitation: Invitation | None, persons: Sequence[PersonRecord], policies: Mapping[str, Policy], today: str
) -> tuple[str, ...]:
    """Return what the admin should know of a row before it is applied.

    The template leaves out whom no source means, but a row is an admin's own decision: it counts, and they are told.
    """
    declined = invitation is not None and invitation.status is InvitationStatus.DECLINED
    is_outside = bool(persons) and not any(is_meant(record.person, policies, today) for record in persons)
    return (*((DECLINED,) if declined else ()), *((NOT_MEANT,) if is_outside else ()))


def look(ctx: HubContext, address_ids: Sequence[str], refs: Sequence[str]) -> Known:
    """Read what lies in the tables about addresses and persons; empty ids are left out."""
    hub_id = ctx.hub.hub_id
    asked = [address_id for address_id in address_ids if address_id]
    addresses = people.get_addresses(hub_id, asked)
    holders = [holder.person_id for address in addresses.values() for holder in address.holders.values()]
    return Known(
        addresses=addresses,
        invitations=invitations.get_invitations(hub_id, asked),
        persons=people.get_persons(hub_id, [*holders, *(ref for ref in refs if ref)]),
    )


def _filled(parts: Sequence[Slice]) -> set[str]:
    """Return the segments that the directory fills."""
    return {segment_id for part in parts for segment_id, options in part.segments.items() if options}


def _ref_faults(ref: str, stored: Mapping[str, PersonRecord], persons: Sequence[PersonRecord]) -> list[Fault]:
    """Return what is wrong with the person a row names: nobody here, or not the one of their source at the address."""
    if not ref:
        return []
    if ref not in stored:
        return [unknown_ref()]
    person = stored[ref].person
    others = {record.person.source_id for record in persons if record.person_id != ref}
    if person.status is DirectoryStatus.ACTIVE and person.source_id in others:
        return [Fault("email", "other_person", _OTHER_PERSON)]
    return []


def _faulty(base: Change, faults: Sequence[Fault]) -> Change:
    detail = " ".join(f"{fault.place}: {fault.detail}" for fault in faults)
    codes = " ".join(dict.fromkeys(fault.code for fault in faults))
    return replace(base, reason=codes, detail=detail)


def skip_reason(address: Address, persons: Sequence[PersonRecord], invitation: Invitation | None, at: str) -> str:
    """Return why nobody is invited at an address, or these persons at any; empty if somebody can be."""
    statuses = {record.person.status for record in persons}
    if address.barred in (Barred.ERASED, Barred.DELETED) or statuses & _GONE:
        # The same word for both: a file must not tell who was erased and who is in the grace time.
        return "erased"
    if address.barred or DirectoryStatus.INACTIVE in statuses:
        return "deactivated"
    if address.member_id or any(record.member_id for record in persons):
        return "already_member"
    if address.suppressed:
        return "suppressed"
    if invitation is not None and invitation.is_open and invitation.state_at(at) is not InvitationStatus.EXPIRED:
        return "already_invited"
    return ""


def _data(ctx: HubContext, row: InviteRow, parts: Sequence[Slice]) -> dict[str, object]:
    """Return what the invitation needs; of roles and segments only what the directory does not give anyway."""
    roles, segments = granted(parts, row.roles, row.segments, single_valued(ctx.catalogue))
    return {
        "email": row.email,
        "person_id": row.ref,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "language": row.language,
        "roles": list(roles),
        "segments": {segment_id: list(options) for segment_id, options in segments.items()},
    }


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Invite one address: invitation and mail in one transaction, which also checks address and person; or leave out.

    Run again it finds the invitation of this plan and says the same.

    Raises
    ------
    TransientError
        If others wrote the invitation or the address too often in these moments.
    """
    if change.kind == LEFT_OUT:
        return left_out.apply_change(plan, change)
    hub_id = plan.hub_id
    for _ in tries():
        at = now()
        held = invitations.get_invitation(hub_id, change.subject)
        if held is not None and held.plan_id == plan.plan_id:
            is_waiting = held.status is InvitationStatus.QUEUED
            return Result("invited", mail_id=held.mail_id(hub_id, 1) if is_waiting else "")
        person_id = change.data.get("person_id", "")
        person = people.get_person(hub_id, person_id) if person_id else None
        address = people.get_address(hub_id, change.subject)
        reason = skip_reason(address, [person] if person else [], held, to_text(at))
        if reason:
            return Result(reason, reason, SKIPS[reason])
        holder = address.holders.get(person.person.source_id) if person else None
        if holder and holder.person_id != person_id:
            return Result("error", "other_person", _OTHER_PERSON)
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
                    *([_check_person(hub_id, person_id)] if person else []),
                ]
            )
        except (dynamo.ConditionFailedError, TransientError):
            continue
        return Result("invited", mail_id=mail.mail_id)
    raise TransientError


def _check_person(hub_id: str, person_id: str) -> dynamo.Action:
    """Return a check that the person has not left and is no member yet."""
    return dynamo.check_action(
        people.TABLE,
        people.person_pk(hub_id, person_id),
        "-",
        "#status = :active AND attribute_not_exists(#member_id)",
        {"active": str(DirectoryStatus.ACTIVE)},
    )


def _invitation(ctx: HubContext, plan: Plan, change: Change, held: Invitation | None, at: datetime) -> Invitation:
    data = change.data
    fresh = Invitation(
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
        person_id=data.get("person_id", ""),
        created_at=to_text(at),
        expires_at=to_text(at + timedelta(days=ctx.hub.invite_expiry_days)),
        unsubscribed_at=held.unsubscribed_at if held else "",
        rev=held.rev if held else 0,
    )
    return replace(fresh, remind_at=next_reminder(fresh, ctx.hub.invite_reminder_days))


def _mail(ctx: HubContext, invitation: Invitation, at: datetime) -> Mail:
    return Mail(
        mail_id=invitation.mail_id(ctx.hub.hub_id, 1),
        hub_id=ctx.hub.hub_id,
        kind=Kind.INVITATION,
        to=invitation.email,
        language=invitation.language,
        not_before=at,
        params={"first_name": invitation.first_name, "expires_on": invitation.expires_at[:10]},
        person_id=invitation.person_id or None,
        address_id=invitation.address_id,
        invitation_epoch=invitation.epoch,
    )
