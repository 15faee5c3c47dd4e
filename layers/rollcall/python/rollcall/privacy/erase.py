"""Commit an erasure: ledger first, then one transaction that makes tombstones of everything that is somebody.

What cannot wait is done here: whoever looks afterwards finds a tombstone at the person's own key, a barred address, no
member and an invitation without contents. The rest goes in passes (``purge.py``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.invitations import store as invitations
from rollcall.invitations.model import InvitationStatus
from rollcall.members import store as members
from rollcall.people import store as people
from rollcall.people.decide import in_effect
from rollcall.people.merge import DirectoryStatus, Person, tombstone
from rollcall.people.model import PersonRecord
from rollcall.people.schedule import purge_at
from rollcall.privacy import ledger, store
from rollcall.privacy.model import Cause, Erasure, ErasureState, Subject, begun_again, erasure_id_of
from rollcall.privacy.subjects import Known, look, own
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.hubs.model import Hub
    from rollcall.invitations.model import Invitation
    from rollcall.people.model import Address
    from rollcall.privacy.hashing import HubKey

_NOT_THERE = "NotFoundException"


def erase(
    hub_id: str,
    key: HubKey,
    erasure_id: str,
    subject: Subject,
    *,
    cause: Cause,
    by: str = "",
    written: Iterable[str] = (),
) -> Erasure:
    """Erase a human, known or not, and return the erasure; asked for again, everything is looked through again.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often: it may or may not have been done, and may be tried again.
    """
    for _ in tries():
        at = to_text(now())
        known = look(hub_id, key, subject, written)
        forget_suppressed(known.emails)
        held = store.get(hub_id, erasure_id)
        erasure = (
            begun_again(held, known.subject, at) if held else _new(hub_id, erasure_id, known, cause=cause, by=by, at=at)
        )
        ledger.write(hub_id, erasure_id, erasure.subject)
        actions = _tombstones(hub_id, known, f"erase:{erasure_id}", at)
        try:
            dynamo.write([*actions, store.put_action(erasure, at)])
        except (dynamo.ConditionFailedError, TransientError):
            continue
        log.info("erased", hub_id=hub_id, kind=str(cause), count=len(actions))
        _wake(hub_id, erasure_id)
        return erasure
    raise TransientError


def widen(hub_id: str, key: HubKey, erasure: Erasure, subject: Subject, written: Iterable[str]) -> Erasure:
    """Return an erasure that reaches what its passes came upon: more addresses and persons of the same human.

    Raises
    ------
    TransientError
        As ``erase``.
    """
    texts = set(written)
    for _ in tries():
        held = store.get(hub_id, erasure.erasure_id)
        if held is None:
            return erasure
        at = to_text(now())
        known = look(hub_id, key, own(hub_id, held.subject | subject), texts)
        actions = _tombstones(hub_id, known, f"erase:{erasure.erasure_id}", at)
        if known.subject == held.subject and not actions:
            return held
        forget_suppressed(known.emails)
        ledger.write(hub_id, erasure.erasure_id, known.subject)
        wider = replace(held, subject=known.subject)
        try:
            dynamo.write([*actions, store.put_action(wider, to_text(now() + store.LOOK_AGAIN))])
        except (dynamo.ConditionFailedError, TransientError):
            continue
        return replace(wider, rev=wider.rev + 1)
    raise TransientError


def purge_after_grace(hub: Hub, key: HubKey, person_id: str) -> Erasure | None:
    """Erase a deleted person whose grace time is over; nothing if they were restored, are erased, or still wait.

    A deletion that is held has no effect yet, and so no grace time: it begins when an admin lets the person go.
    """
    hub_id = hub.hub_id
    record = people.get_person(hub_id, person_id)
    if record is None or _in_effect(hub_id, record).status is not DirectoryStatus.DELETED:
        return None
    if not record.deleted_at or purge_at(record.deleted_at, hub) > to_text(now()):
        return None
    subject = Subject({person_id: record.person.source_id})
    return erase(hub_id, key, erasure_id_of(hub_id, "person", person_id), subject, cause=Cause.GRACE_OVER)


def _in_effect(hub_id: str, record: PersonRecord) -> Person:
    member = members.get_member(hub_id, record.member_id) if record.member_id else None
    return in_effect(record.person, member.holds.get(record.person.source_id) if member else None)


def forget_suppressed(emails: Iterable[str]) -> None:
    """Take addresses off SES's own suppression list, which holds them in plain text; ours stay barred by their hash.

    Raises
    ------
    TransientError
        If SES could not be reached.
    """
    for email in sorted(set(emails)):
        try:
            clients.sesv2().delete_suppressed_destination(EmailAddress=email)
        except ClientError as exc:
            if exc.response["Error"]["Code"] in (_NOT_THERE, "BadRequestException"):
                continue
            raise TransientError from exc
        except BotoCoreError as exc:
            raise TransientError from exc


def _new(hub_id: str, erasure_id: str, known: Known, *, cause: Cause, by: str, at: str) -> Erasure:
    return Erasure(
        erasure_id=erasure_id,
        hub_id=hub_id,
        subject=known.subject,
        cause=cause,
        requested_by=by,
        requested_at=at,
        began_at=at,
        state=ErasureState.RUNNING,
        purged=_counted(known),
    )


def _counted(known: Known) -> dict[str, int]:
    persons = sum(not record.person.erased for record in known.persons.values())
    found = {
        "people": persons,
        "members": len(known.members),
        "invitations": sum(not _is_empty(one) for one in known.invitations.values()),
    }
    return {kind: number for kind, number in found.items() if number}


def _tombstones(hub_id: str, known: Known, cause: str, at: str) -> list[dynamo.Action]:
    """Return the writes that leave nothing but keyed hashes of what is known; nothing where that is so already."""
    actions: list[dynamo.Action] = []
    for person_id, source_id in sorted(known.subject.persons.items()):
        record = known.persons.get(person_id) or PersonRecord(person_id, Person(source_id, ""))
        if not record.person.erased:
            gone = PersonRecord(person_id, tombstone(record.person), record.rev)
            actions.append(people.put_person(hub_id, gone, cause, at))
            actions += [people.drop_waiting(hub_id, record.waits)] if record.waits else []
    actions += [
        people.put_address(hub_id, barred)
        for address in known.addresses.values()
        if (barred := _barred(address, known.subject)) != address
    ]
    actions += [
        invitations.put_invitation(hub_id, _without_contents(invitation, at))
        for invitation in known.invitations.values()
        if not _is_empty(invitation)
    ]
    for member in known.members.values():
        key, condition = members.pk(hub_id, member.member_id), "#rev = :rev"
        actions.append(dynamo.delete_action(members.TABLE, key, "-", condition, {"rev": member.rev}))
    return actions


def _barred(address: Address, subject: Subject) -> Address:
    formers = {person: why for person, why in address.formers.items() if person not in subject.persons}
    return replace(address, erased=True, holders={}, formers=formers, member_id=None, is_loose=False)


def _is_empty(invitation: Invitation) -> bool:
    return not (invitation.email or invitation.first_name or invitation.last_name or invitation.is_open)


def _without_contents(invitation: Invitation, at: str) -> Invitation:
    """Return the invitation as it stays: its round, so that old links stay void, and what became of it."""
    return replace(
        invitation,
        status=InvitationStatus.WITHDRAWN if invitation.is_open else invitation.status,
        settled_at=invitation.settled_at or at,
        email="",
        first_name="",
        last_name="",
        roles=(),
        segments={},
        person_id="",
        member_id="",
    )


def _wake(hub_id: str, erasure_id: str) -> None:
    try:
        store.wake(hub_id, erasure_id)
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub_id)
