"""An invitation whose time has come: it expires, or is mailed again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollcall.invitations import store
from rollcall.invitations.again import remind
from rollcall.invitations.model import InvitationStatus
from rollcall.runtime import dynamo, queues
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from datetime import datetime

    from rollcall.invitations.model import Invitation

EMAILS_QUEUE = "EMAILS_QUEUE_URL"


def look_at_invitation(hub_id: str, address_id: str, at: datetime) -> int:
    """Expire or remind one invitation that is due; 1 if it was moved on, 0 if there was nothing to do any more."""
    invitation = store.get_invitation(hub_id, address_id)
    now = to_text(at)
    if invitation is None or not invitation.is_open or invitation.look_at > now:
        return 0
    try:
        if invitation.expires_at <= now:
            _expire(hub_id, invitation, now)
        elif mail_id := remind(hub_id, invitation, at):
            # Should this get lost, the mail itself is found by the next sweep.
            queues.send(EMAILS_QUEUE, {"hub_id": hub_id, "mail_id": mail_id})
    except dynamo.ConditionFailedError:
        return 0  # it was accepted, revoked or withdrawn in this moment
    return 1


def _expire(hub_id: str, invitation: Invitation, now: str) -> None:
    expired = replace(invitation, status=InvitationStatus.EXPIRED, settled_at=now)
    dynamo.write([store.put_invitation(hub_id, expired)])
