"""A member's timeline, newest first: what changed, what the directory said, their invitation and its mails."""

from __future__ import annotations

import dataclasses
import heapq
from itertools import islice
from typing import TYPE_CHECKING

from rollcall.activity import store
from rollcall.activity.model import Activity, Kind
from rollcall.invitations import store as invitations
from rollcall.invitations.model import MAX_MAILS, InvitationStatus
from rollcall.mail import store as outbox
from rollcall.mail.model import Kind as MailKind
from rollcall.mail.model import State as MailState
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.model import EventState
from rollcall.runtime.ids import digest
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollcall.invitations.model import Invitation
    from rollcall.mail.model import Mail
    from rollcall.members.model import Member
    from rollcall.people.model import LoggedEvent

_ANSWERS = (InvitationStatus.ACCEPTED, InvitationStatus.DECLINED)
# Three mails in all, each of which may be in doubt or bounce once: more than there can be.
MOST_DECISIONS = 20
_ON_THE_WAY = (MailState.PENDING, MailState.SENDING)


def timeline(
    hub_id: str, member: Member, *, limit: int, cursor: str = "", kind: Kind | None = None, since: str = ""
) -> tuple[list[Activity], str | None]:
    """Return what happened to a member, newest first, and the cursor of the next page.

    That is every change of what is shown of them and of what their sources say of them, every event about them that
    changed nothing, and their newest invitation with its mails.

    Parameters
    ----------
    kind
        Only entries of this kind; a page may then hold fewer than there are.
    since
        RFC 3339 with milliseconds; older entries are left out and end the list.
    """
    persons = people.get_persons(hub_id, [part.person_id for part in member.slices.values()])
    subjects = [member.member_id, *sorted(persons)]
    pages = [store.list_for(hub_id, subject, limit=limit, cursor=cursor) for subject in subjects]
    if persons:
        # An event's own order is when it was received and its id: what a cursor is made of here.
        search = event_log.Search(person_ids=tuple(sorted(persons)))
        logged, more = event_log.list_events(hub_id, limit=limit, cursor=cursor, search=search)
        pages.append(([of_event(hub_id, member.member_id, event) for event in logged], more))
    addresses = {member.address_id, *(record.address_id for record in persons.values() if record.address_id)}
    found = invitations.get_invitations(hub_id, sorted(addresses)).values()
    invited = [entry for one in found for entry in of_invitation(hub_id, member.member_id, one)]
    invited += [entry for one in found for entry in _of_mails(hub_id, member.member_id, one)]
    invited += [entry for one in found for entry in _decided(hub_id, member.member_id, one)]
    later = sorted((entry for entry in invited if not cursor or order(entry) < cursor), key=order, reverse=True)
    merged = heapq.merge(*(entries for entries, _ in pages), later, key=order, reverse=True)
    # A page that is shorter than asked for and not the last: beyond its end there is what was not read.
    floor = max((end for page, end in pages if end and len(page) < limit), default="")
    entries = [entry for entry in islice(merged, limit) if order(entry) >= floor]
    is_more = any(following for _, following in pages) or len(later) + sum(len(page) for page, _ in pages) > limit
    following = (order(entries[-1]) if entries else floor) if is_more else None
    if following is not None and following < since:
        following = None
    # What an event that was applied did stands in the entries of what it changed.
    told = [entry for entry in entries if entry.kind is not Kind.EVENT_WITHOUT_EFFECT or entry.new]
    return [entry for entry in told if kind in (None, entry.kind) and entry.at >= since], following


def order(entry: Activity) -> str:
    """Return what entries are sorted by, as they lie in the table: time, then id."""
    return f"{entry.at}#{entry.activity_id}"


def of_event(hub_id: str, member_id: str, logged: LoggedEvent) -> Activity:
    """Return what is told of an event: the reason for which it changed nothing; nothing if it was applied."""
    return Activity(
        hub_id=hub_id,
        subject=member_id,
        activity_id=logged.event_id,
        kind=Kind.EVENT_WITHOUT_EFFECT,
        field="event",
        old=None,
        new=None if logged.state is EventState.APPLIED else logged.reason,
        cause=f"event:{logged.event_id}",
        actor="directory",
        at=logged.received_at,
    )


def of_invitation(hub_id: str, member_id: str, invitation: Invitation) -> Iterator[Activity]:
    """Yield what happened to an invitation: made, what became of its mails, and how it ended."""
    made_by = f"plan:{invitation.plan_id}" if invitation.plan_id else ""
    ended = str(invitation.status)
    is_answered = invitation.status in _ANSWERS
    answered = f"accept:{invitation.address_id}" if is_answered else made_by
    steps = (
        (Kind.INVITED, "invitation", invitation.created_at, None, "queued", made_by, ""),
        (Kind.MAIL_DELIVERED, "mail", invitation.delivered_at, "sent", "delivered", made_by, ""),
        (Kind.MAIL_BOUNCED, "mail", invitation.bounced_at, "sent", "bounced", made_by, ""),
        (Kind.MAIL_COMPLAINED, "mail", invitation.complained_at, "sent", "complained", made_by, ""),
        (
            Kind.INVITATION_SETTLED,
            "invitation",
            invitation.settled_at,
            "sent",
            ended,
            answered,
            "member" if is_answered else "",
        ),
    )
    for kind, field, at, old, new, cause, actor in steps:
        if kind is Kind.INVITATION_SETTLED and invitation.status is InvitationStatus.REVOKED:
            continue  # who did that is written down by itself
        if at:
            yield Activity(
                hub_id=hub_id,
                subject=member_id,
                activity_id=digest("invitation", invitation.address_id, str(invitation.epoch), str(kind)),
                kind=kind,
                field=field,
                old=old,
                new=new,
                cause=cause,
                actor=actor,
                at=at,
            )


def _of_mails(hub_id: str, member_id: str, invitation: Invitation) -> Iterator[Activity]:
    ids = [invitation.mail_id(hub_id, number) for number in range(1, max(invitation.mails, MAX_MAILS) + 1)]
    cause = f"plan:{invitation.plan_id}" if invitation.plan_id else ""
    for mail in outbox.get_many(hub_id, ids):
        if mail.state not in _ON_THE_WAY:
            yield of_mail(member_id, mail, cause)


def _decided(hub_id: str, member_id: str, invitation: Invitation) -> Iterator[Activity]:
    """Yield what admins decided about the mails of an invitation since it was made."""
    entries, _ = store.list_for(hub_id, invitation.address_id, limit=MOST_DECISIONS)
    for entry in entries:
        if entry.at >= invitation.created_at:
            yield dataclasses.replace(entry, subject=member_id)


def of_mail(member_id: str, mail: Mail, cause: str) -> Activity:
    """Return what became of a mail that is on its way no more: when it was sent, or why it was not."""
    is_sent = mail.state is MailState.SENT
    sent = Kind.REMINDER_SENT if mail.kind is MailKind.REMINDER else Kind.INVITATION_SENT
    return Activity(
        hub_id=mail.hub_id,
        subject=member_id,
        activity_id=mail.mail_id,
        kind=sent if is_sent else Kind.MAIL_NOT_SENT,
        field="mail",
        old="queued",
        new="sent" if is_sent else mail.reason or mail.state.lower(),
        cause=cause,
        actor="",
        at=(mail.sent_at if is_sent else "") or to_text(mail.not_before),
    )
