"""One sweep: what got stuck is sent again, what is over is expired, one trouble stops nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.people import event_log
from rollcall.people.events import Kind
from rollcall.people.model import EventState, Outcome
from rollcall.people.sync import apply_event
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.sweeping import run
from rollcall.sweeping.run import sweep
from tests.support.world import T0, World


def _pointers() -> list[dict[str, Any]]:
    answer = clients.sqs().receive_message(QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"), MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def _invite(world: World, address: str, expires_in: timedelta) -> str:
    address_id = world.address_id(address)
    invitation = Invitation(
        address_id=address_id,
        epoch=1,
        status=InvitationStatus.SENT,
        email=address,
        created_at=to_text(T0),
        expires_at=to_text(now() + expires_in),
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    return address_id


def test_event_whose_pointer_was_lost_is_sent_again_and_applied(aws: None) -> None:
    """An event that is durable and never woke the worker is found, once, and its pointer carries ids only."""
    world = World().build()
    lost = world.event("lost", 1, Kind.ADDED, fields={"email": "maya@example.com"})
    world.record(lost)
    assert sweep()["events"] == 1
    (pointer,) = _pointers()
    assert pointer == {"hub_id": world.hub.hub_id, "source_id": lost.source_id, "event_id": lost.event_id}
    assert sweep()["events"] == 0
    apply_event(pointer["hub_id"], pointer["event_id"])
    logged = event_log.get_event(world.hub.hub_id, lost.event_id)
    assert logged is not None
    assert logged.state is EventState.APPLIED


def test_invitation_whose_time_is_over_is_expired_and_others_are_not(aws: None) -> None:
    """Expiry happens by itself, and only then."""
    world = World().build()
    over = _invite(world, "over@example.com", timedelta(seconds=-1))
    fresh = _invite(world, "fresh@example.com", timedelta(days=1))
    assert sweep()["invitations"] == 1
    found = invitations.get_invitations(world.hub.hub_id, [over, fresh])
    assert found[over].status is InvitationStatus.EXPIRED
    assert found[fresh].status is InvitationStatus.SENT


def test_trouble_of_one_kind_does_not_stop_the_others(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events are woken although plans fail; the sweep says so at its end."""
    world = World().build()
    world.record(world.event("lost", 1, Kind.ADDED))
    over = _invite(world, "over@example.com", timedelta(seconds=-1))

    def broken(_: int) -> int:
        raise TransientError

    monkeypatch.setattr(run, "wake_due", broken)
    with pytest.raises(TransientError):
        sweep()
    assert len(_pointers()) == 1
    invitation = invitations.get_invitation(world.hub.hub_id, over)
    assert invitation is not None
    assert invitation.status is InvitationStatus.EXPIRED


def test_event_made_new_again_while_it_was_applied_stays_new(aws: None) -> None:
    """An outcome counts only for the round that was looked at, so a reopening is never lost."""
    world = World().build()
    event = world.event("one", 1, Kind.ADDED)
    world.record(event)
    before = event_log.get_event(world.hub.hub_id, event.event_id)
    assert before is not None
    event_log.reopen_event(world.hub.hub_id, event.event_id, now())
    held = Outcome(EventState.HELD, "address_taken", "")
    assert not event_log.settle_event(world.hub.hub_id, event.event_id, held, now(), before.round)
    apply_event(world.hub.hub_id, event.event_id)
    after = event_log.get_event(world.hub.hub_id, event.event_id)
    assert after is not None
    assert after.state is EventState.APPLIED
