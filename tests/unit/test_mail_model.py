"""The outbox's rules: what follows a refusal or a doubt, and when a sweeper looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollcall.mail.model import (
    MAX_ATTEMPTS,
    Attachment,
    GiveUp,
    Kind,
    Mail,
    Retry,
    State,
    after_doubt,
    after_refusal,
    due_shards,
    next_sweep,
)

NOW = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
MAIL = Mail(
    mail_id="4f1d0c2b9a8e7766554433221100ffee",
    hub_id="01J8Z3QK5V7X9WB2C4D6E8FGHJ",
    kind=Kind.INVITATION,
    to="maya.okafor@example.com",
    language="en",
    not_before=NOW,
    params={"first_name": "Maya", "expires_on": "2026-10-19"},
    address_id="a" * 32,
    invitation_epoch=1,
)


def test_mail_written_as_item_reads_back_the_same() -> None:
    """Nothing of a mail is lost on its way through the table."""
    full = replace(
        MAIL,
        attachment=Attachment("exports/x/y/invites.csv", "invites.csv"),
        state=State.SENDING,
        attempt=3,
        claim_id="c" * 32,
        doubts=1,
        lease=NOW,
        sweep_at=NOW,
        ses_message_id="m",
        person_id="b" * 32,
        reason="not_connected",
    )
    assert Mail.from_item(full.to_item()) == full


def test_mail_shown_in_a_log_hides_the_person() -> None:
    """The address and the name are not in the representation of a mail."""
    assert "maya" not in repr(MAIL).lower()


@pytest.mark.parametrize(
    ("state", "look"),
    [
        (State.PENDING, NOW),
        (State.SENDING, NOW + timedelta(minutes=1)),
        (State.SENT, None),
        (State.UNKNOWN, None),
        (State.FAILED, None),
        (State.CANCELLED, None),
    ],
)
def test_only_open_mails_lie_in_the_due_index(state: State, look: datetime | None) -> None:
    """A sweeper meets a waiting mail at its time, a claimed one at the end of its lease, others never."""
    mail = replace(MAIL, state=state, lease=NOW + timedelta(minutes=1) if state is State.SENDING else None)
    assert mail.due_at() == look
    assert mail.to_item().get("due_pk") in ([None] if look is None else due_shards())


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_refused_message_is_given_up_at_once(code: str) -> None:
    """A message that SES refuses for what it is does not get better by waiting."""
    assert after_refusal(code, 1) == GiveUp(code)


@pytest.mark.parametrize(
    "code",
    [
        "TooManyRequestsException",
        "LimitExceededException",
        "SendingPausedException",
        "AccountSuspendedException",
        "NotFoundException",
        "MailFromDomainNotVerifiedException",
        "AccessDeniedException",
        "not_connected",
    ],
)
def test_passing_refusal_waits_longer_each_time_and_ends(code: str) -> None:
    """What somebody can mend is tried again with growing pauses of at most an hour, and given up in the end."""
    pauses = []
    for attempt in range(1, MAX_ATTEMPTS):
        decision = after_refusal(code, attempt)
        assert isinstance(decision, Retry)
        pauses.append(decision.pause)
    assert pauses == sorted(pauses)
    assert pauses[0] <= timedelta(minutes=1) < pauses[-1] <= timedelta(hours=1)
    assert after_refusal(code, MAX_ATTEMPTS) == GiveUp(code)


@pytest.mark.parametrize("kind", [Kind.INVITATION, Kind.REMINDER])
def test_doubt_about_an_invitation_is_left_to_a_person(kind: Kind) -> None:
    """An invitation that may have gone is never sent again by itself."""
    after = after_doubt(replace(MAIL, kind=kind, state=State.SENDING, lease=NOW), NOW)
    assert (after.state, after.due_at()) == (State.UNKNOWN, None)


@pytest.mark.parametrize("kind", [Kind.EXPORT, Kind.PLAN_REPORT, Kind.NOTICE])
def test_doubt_about_an_admins_mail_is_settled_by_one_more_send(kind: Kind) -> None:
    """A mail an admin waits for goes once more after a quarter of an hour; a second doubt is left to a person."""
    first = after_doubt(replace(MAIL, kind=kind, state=State.SENDING, lease=NOW), NOW)
    assert (first.state, first.not_before) == (State.PENDING, NOW + timedelta(minutes=15))
    assert after_doubt(replace(first, state=State.SENDING), NOW).state is State.UNKNOWN


def test_backlog_is_swept_less_and_less_often() -> None:
    """A mail that goes on waiting is looked at after 1, 2, 4, ... minutes, at most six hours apart."""
    now, pauses = NOW, []
    for _ in range(14):
        later = next_sweep(MAIL, now)
        pauses.append(later - now)
        now = later
    assert pauses[:4] == [timedelta(minutes=m) for m in (1, 1, 2, 4)]
    assert max(pauses) == timedelta(hours=6)
