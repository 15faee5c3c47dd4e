"""When the next reminder of an invitation is due."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.invitations.reminders import next_reminder

SENT = Invitation(
    address_id="a" * 32,
    epoch=1,
    status=InvitationStatus.SENT,
    email="maya.okafor@example.com",
    created_at="2026-10-05T08:00:00.000Z",
    sent_at="2026-10-05T09:30:00.000Z",
    expires_at="2026-10-19T08:00:00.000Z",
)


@pytest.mark.parametrize(
    ("mails", "days", "expected"),
    [
        (1, (3, 7), "2026-10-08T09:30:00.000Z"),
        (2, (3, 7), "2026-10-12T09:30:00.000Z"),
        (3, (3, 7), ""),
        (2, (3,), ""),
        (1, (), ""),
        (1, (14,), ""),
    ],
    ids=["first", "second", "three mails in all", "no second one", "none at all", "after its end"],
)
def test_reminder_is_due_so_many_days_after_the_first_mail(mails: int, days: tuple[int, ...], expected: str) -> None:
    """Days count from the first mail, at most three mails go, and none after the invitation's end."""
    assert next_reminder(replace(SENT, mails=mails), days) == expected


def test_days_count_from_the_making_until_the_first_mail_has_gone() -> None:
    """An invitation that waits to be sent has a time to be looked at all the same."""
    waiting = replace(SENT, status=InvitationStatus.QUEUED, sent_at="")
    assert next_reminder(waiting, (3, 7)) == "2026-10-08T08:00:00.000Z"


@pytest.mark.parametrize("status", ["accepted", "declined", "expired", "revoked", "withdrawn", "bounced", "complained"])
def test_nobody_is_reminded_of_an_invitation_that_is_over(status: str) -> None:
    """Reminders stop by themselves."""
    assert next_reminder(replace(SENT, status=InvitationStatus(status)), (3, 7)) == ""


@pytest.mark.parametrize(
    ("remind_at", "expected"),
    [
        ("", SENT.expires_at),
        ("2026-10-08T09:30:00.000Z", "2026-10-08T09:30:00.000Z"),
        ("2026-11-08T09:30:00.000Z", SENT.expires_at),
    ],
)
def test_invitation_is_looked_at_at_its_reminder_or_its_end(remind_at: str, expected: str) -> None:
    """Whichever comes first."""
    assert replace(SENT, remind_at=remind_at).look_at == expected
