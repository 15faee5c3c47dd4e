"""When an invitation is mailed again by itself. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.invitations.model import MAX_MAILS
from rollcall.runtime.times import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.invitations.model import Invitation


def next_reminder(invitation: Invitation, days: Sequence[int]) -> str:
    """Return when the next reminder is due; empty if none is to come.

    Parameters
    ----------
    days
        Days after the first mail, rising. A mail that an admin asked for takes the place of the next reminder.

    Notes
    -----
    Until the first mail has gone the days count from when the invitation was made; who reminds asks again then.
    """
    number = invitation.mails
    if not invitation.is_open or invitation.unsubscribed_at or number >= MAX_MAILS or number > len(days):
        return ""
    begun = from_text(invitation.sent_at or invitation.created_at)
    at = to_text(begun + timedelta(days=days[number - 1]))
    return at if at < invitation.expires_at else ""
