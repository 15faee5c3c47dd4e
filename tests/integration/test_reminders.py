"""Reminders: mailed by themselves, once each, three mails in all, and never about what is over or in doubt."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import store as outbox
from rollcall.mail.model import Kind, State
from rollcall.people import store as people
from rollcall.people.model import Address
from rollcall.runtime import clients, dynamo
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.sweeping.invitations import look_at_invitation
from rollcall.sweeping.run import sweep
from tests.support.aws import back_to, snapshot, stack
from tests.support.faults import MODES, until_quiet
from tests.support.world import World, everything

if TYPE_CHECKING:
    from datetime import datetime

DAY = timedelta(days=1)
SHORT = ("lost_response", "kill_after")


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def _invited(world: World, begun: datetime, **more: Any) -> Invitation:
    """Store an invitation whose first mail went at a time, looked at first three days later."""
    invitation = Invitation(
        address_id=world.address_id("maya.okafor@example.com"),
        epoch=1,
        status=InvitationStatus.SENT,
        email="maya.okafor@example.com",
        first_name="Maya",
        created_at=to_text(begun),
        sent_at=to_text(begun),
        remind_at=to_text(begun + 3 * DAY),
        expires_at=to_text(begun + 14 * DAY),
    )
    invitation = replace(invitation, **more)
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    return invitation


def _look(world: World, invitation: Invitation, at: datetime) -> int:
    return look_at_invitation(world.hub.hub_id, invitation.address_id, at)


def _now(world: World, invitation: Invitation) -> Invitation:
    found = invitations.get_invitation(world.hub.hub_id, invitation.address_id)
    assert found is not None
    return found


def _mails() -> list[dict[str, Any]]:
    return sorted(everything("MAIL_TABLE"), key=lambda item: item["not_before"])


def _all_sent(world: World, at: datetime) -> None:
    """Let every mail that waits be sent."""
    for item in _mails():
        mail = outbox.get(world.hub.hub_id, item["mail_id"])
        assert mail is not None
        if mail.state is State.PENDING:
            claimed = outbox.claim(mail, at)
            assert not isinstance(claimed, str)
            outbox.mark_sent(claimed, "ses-1", at)


def test_sweep_sends_the_reminder_that_is_due_and_its_pointer(world: World) -> None:
    """One mail of kind reminder to the same address, on the queue at once; the next sweep makes no other."""
    invitation = _invited(world, now() - 3 * DAY)
    assert sweep()["invitations"] == 1
    (mail,) = _mails()
    assert (mail["kind"], mail["to"], mail["invitation_epoch"]) == (Kind.REMINDER, "maya.okafor@example.com", 1)
    answer = clients.sqs().receive_message(QueueUrl=env("EMAILS_QUEUE_URL"), MaxNumberOfMessages=10)
    pointers = [json.loads(message["Body"]) for message in answer["Messages"]]
    assert pointers == [{"hub_id": world.hub.hub_id, "mail_id": mail["mail_id"]}]
    assert sweep()["invitations"] == 0
    assert (len(_mails()), _now(world, invitation).mails) == (1, 2)


def test_two_reminders_go_and_then_the_invitation_expires(world: World) -> None:
    """After 3 and 7 days, three mails in all; at the end of its time it is over."""
    begun = now()
    invitation = _invited(world, begun)
    for day in range(15):
        _look(world, invitation, begun + day * DAY)
        _all_sent(world, begun + day * DAY)
    assert [item["sent_at"] for item in _mails()] == [to_text(begun + 3 * DAY), to_text(begun + 7 * DAY)]
    assert (_now(world, invitation).mails, _now(world, invitation).status) == (3, InvitationStatus.EXPIRED)


def test_days_of_the_hub_count_as_they_are_now(aws: None) -> None:
    """Reminders that the hub has switched off since are not sent."""
    world = World(hub=replace(World().hub, invite_reminder_days=())).build()
    invitation = _invited(world, now() - 3 * DAY)
    assert sweep()["invitations"] == 1
    assert _mails() == []
    assert _now(world, invitation).look_at == invitation.expires_at


def test_mail_that_an_admin_asked_for_takes_the_place_of_a_reminder(world: World) -> None:
    """Two mails by the second day: the one after three days is not sent, the one after seven is."""
    begun = now()
    invitation = _invited(world, begun, mails=2)
    _look(world, invitation, begun + 3 * DAY)
    assert _mails() == []
    _look(world, invitation, begun + 7 * DAY)
    assert len(_mails()) == 1


@pytest.mark.parametrize("status", ["accepted", "declined", "revoked", "withdrawn", "bounced"])
def test_invitation_that_is_over_is_not_looked_at(world: World, status: str) -> None:
    """It lies in no list of a sweeper, and a late look changes nothing."""
    invitation = _invited(world, now() - 3 * DAY, status=InvitationStatus(status))
    assert sweep()["invitations"] == 0
    assert _look(world, invitation, now()) == 0
    assert _mails() == []


def test_nobody_is_reminded_of_a_mail_that_has_not_gone(world: World) -> None:
    """While the first mail waits, it is looked at a day later; once it went, the days count from then."""
    begun = now() - 3 * DAY
    invitation = _invited(world, begun, status=InvitationStatus.QUEUED, sent_at="")
    assert sweep()["invitations"] == 1
    assert _mails() == []
    later = now() + DAY
    stored = replace(_now(world, invitation), status=InvitationStatus.SENT, sent_at=to_text(now()))
    dynamo.write([invitations.put_invitation(world.hub.hub_id, replace(stored, rev=2))])
    _look(world, invitation, later + timedelta(minutes=1))
    assert _mails() == []
    assert _now(world, invitation).remind_at > to_text(later + DAY)


def test_reminder_in_doubt_is_not_followed_by_another(world: World) -> None:
    """Nobody knows whether it went: that is for a person to decide."""
    begun = now()
    invitation = _invited(world, begun)
    _look(world, invitation, begun + 3 * DAY)
    (item,) = _mails()
    mail = outbox.get(world.hub.hub_id, item["mail_id"])
    assert mail is not None
    claimed = outbox.claim(mail, begun + 3 * DAY)
    assert not isinstance(claimed, str)
    assert outbox.expire_lease(claimed, begun + 4 * DAY) is State.UNKNOWN
    for day in range(7, 14):
        _look(world, invitation, begun + day * DAY)
    assert len(_mails()) == 1


def test_suppressed_address_is_not_reminded(world: World) -> None:
    """Nor asked again every minute."""
    invitation = _invited(world, now() - 3 * DAY)
    dynamo.write([people.put_address(world.hub.hub_id, Address(invitation.address_id, suppressed="complained"))])
    assert sweep()["invitations"] == 1
    assert sweep()["invitations"] == 0
    assert _mails() == []


@pytest.mark.parametrize("modes", [SHORT, pytest.param(MODES, marks=pytest.mark.long)], ids=["some", "all"])
def test_any_failure_or_death_at_any_call_makes_one_reminder(modes: tuple[str, ...]) -> None:
    """Whatever fails in between, and however often it is looked at: one mail, counted once."""
    with stack():
        world = World().build()
        begun = now() - 3 * DAY
        invitation = _invited(world, begun)
        base = snapshot()

        def run(at: int, mode: str) -> tuple[list[Any], int]:
            back_to(base)
            injector = until_quiet(lambda: _look(world, invitation, now()), at=at, mode=mode)
            _look(world, invitation, now())
            return [[item["state"] for item in _mails()], _now(world, invitation).mails], len(injector.calls)

        expected, calls = run(0, "")
        assert expected == [["PENDING"], 2]
        for at in range(1, calls + 1):
            for mode in modes:
                assert run(at, mode)[0] == expected, f"{mode} at call {at}"
