"""An open invitation is mailed again: because an admin asks for it, or by itself as a reminder."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.activity import store as activity
from rollcall.activity.model import Activity
from rollcall.activity.model import Kind as ActivityKind
from rollcall.hubs.store import get_hub
from rollcall.invitations import store
from rollcall.invitations.model import MAX_MAILS, Invitation, InvitationStatus
from rollcall.invitations.reminders import next_reminder
from rollcall.mail import store as outbox
from rollcall.mail.model import SETTLED, Kind, Mail, State
from rollcall.people import store as people
from rollcall.runtime import dynamo
from rollcall.runtime.errors import RefusedError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.times import from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

# The first mail goes some time after the invitation is made; a reminder need not wait for those minutes.
_EARLY = timedelta(hours=1)
_LATER = timedelta(days=1)
_ON_THEIR_WAY = frozenset({State.PENDING, State.SENDING})


def mail_again(hub_id: str, invitation: Invitation, at: datetime, by: str = "") -> tuple[Invitation, str]:
    """Put one more mail of an open invitation into the outbox, three in all, unless one is still on its way.

    Parameters
    ----------
    by
        The admin who asks for it; empty for a reminder that goes by itself.

    Returns
    -------
    tuple[Invitation, str]
        The invitation as it is then, and the id of the mail that is to go.

    Raises
    ------
    RefusedError
        ``not_open``, ``unsubscribed``, ``address_barred``, ``too_many_mails``.
    dynamo.ConditionFailedError
        If somebody wrote the invitation in this moment.
    """
    check_open(invitation, to_text(at))
    if invitation.unsubscribed_at:
        detail = "They asked for no more mails about invitations. Their link still works: write to them yourself."
        raise RefusedError(detail, code="unsubscribed")
    address = people.get_address(hub_id, invitation.address_id)
    if address.barred or address.suppressed or address.member_id:
        detail = "Nobody can be invited at this address."
        raise RefusedError(detail, code="address_barred")
    last = outbox.get(hub_id, invitation.mail_id(hub_id, invitation.mails))
    if last is not None and last.state in _ON_THEIR_WAY:
        return invitation, last.mail_id
    if invitation.mails >= MAX_MAILS:
        detail = f"{MAX_MAILS} mails were sent; more would be a nuisance."
        raise RefusedError(detail, code="too_many_mails")
    again = replace(invitation, mails=invitation.mails + 1)
    again = replace(again, remind_at=next_reminder(again, get_hub(hub_id).invite_reminder_days))
    mail = Mail(
        mail_id=again.mail_id(hub_id, again.mails),
        hub_id=hub_id,
        # Where no mail is known to have gone, this may be the first that they see.
        kind=Kind.INVITATION if invitation.status is InvitationStatus.QUEUED else Kind.REMINDER,
        to=invitation.email,
        language=invitation.language,
        not_before=at,
        params={"first_name": invitation.first_name, "expires_on": invitation.expires_at[:10]},
        person_id=invitation.person_id or None,
        address_id=invitation.address_id,
        invitation_epoch=invitation.epoch,
    )
    actions = [store.put_invitation(hub_id, again), outbox.put_action(mail)]
    if by:
        number = str(again.mails)
        kind = ActivityKind.INVITATION_RESENT
        actions.append(decision_action(hub_id, invitation, kind, old=None, new=number, by=by, at=at))
    dynamo.write(actions)
    return replace(again, rev=again.rev + 1), mail.mail_id


def told_sent(hub_id: str, invitation: Invitation, by: str, at: datetime) -> Invitation:
    """Settle the newest mail of an invitation as sent, if nobody knew and an admin does; return the invitation then.

    Raises
    ------
    RefusedError
        ``not_in_doubt``.
    dynamo.ConditionFailedError
        If somebody wrote the invitation or the mail in this moment.
    """
    mail = outbox.get(hub_id, invitation.mail_id(hub_id, invitation.mails))
    if mail is not None and mail.state is State.SENT:
        return invitation
    if mail is None or mail.state is not State.UNKNOWN:
        detail = "Only a mail of which nobody knows whether it went can be settled by hand. Look at its state again."
        raise RefusedError(detail, code="not_in_doubt")
    known = invitation
    if invitation.status is InvitationStatus.QUEUED:
        known = replace(invitation, status=InvitationStatus.SENT, sent_at=to_text(at))
        known = replace(known, remind_at=next_reminder(known, get_hub(hub_id).invite_reminder_days))
    kind = ActivityKind.MAIL_TOLD_SENT
    decided = decision_action(hub_id, invitation, kind, old="unknown", new="sent", by=by, at=at)
    dynamo.write([store.put_invitation(hub_id, known), outbox.told_sent_action(mail, by, at), decided])
    log.info("mail_told_sent", hub_id=hub_id, mail_id=mail.mail_id, by=by)
    return replace(known, rev=known.rev + 1)


def decision_action(
    hub_id: str,
    invitation: Invitation,
    kind: ActivityKind,
    *,
    old: str | None,
    new: str,
    by: str,
    at: datetime,
    cause: str = "admin",
) -> dynamo.Action:
    """Return the write of what an admin decided about an invitation or its mails, for the transaction that does it."""
    when = to_text(at)
    return activity.put_action(
        Activity(
            hub_id=hub_id,
            subject=invitation.address_id,
            activity_id=digest(str(kind), invitation.address_id, when),
            kind=kind,
            field="invitation" if kind is ActivityKind.INVITATION_REVOKED else "mail",
            old=old,
            new=new,
            cause=cause,
            actor=by,
            at=when,
        )
    )


def check_open(invitation: Invitation, at: str) -> None:
    """Refuse what can no longer be accepted.

    Raises
    ------
    RefusedError
        ``not_open``.
    """
    if not invitation.is_open or invitation.state_at(at) is InvitationStatus.EXPIRED:
        detail = "This invitation is no longer open."
        raise RefusedError(detail, code="not_open")


def remind(hub_id: str, invitation: Invitation, at: datetime) -> str:
    """Send the reminder of an open invitation if it is due by the hub's settings of now.

    Nobody is reminded of a mail that has not gone, or of which nobody knows whether it went: that is looked at again a
    day later.

    Returns
    -------
    str
        Id of the mail that is to go; empty if none is.

    Raises
    ------
    dynamo.ConditionFailedError
        If somebody wrote the invitation in this moment.
    """
    due = next_reminder(invitation, get_hub(hub_id).invite_reminder_days)
    last = outbox.get(hub_id, invitation.mail_id(hub_id, invitation.mails))
    has_gone = invitation.status is not InvitationStatus.QUEUED and (last is None or last.state in SETTLED)
    if due and not has_gone:
        due = to_text(at + _LATER)
    elif due and from_text(due) <= at + _EARLY:
        try:
            return mail_again(hub_id, invitation, at)[1]
        except RefusedError:
            due = ""
    dynamo.write([store.put_invitation(hub_id, replace(invitation, remind_at=due))])
    return ""
