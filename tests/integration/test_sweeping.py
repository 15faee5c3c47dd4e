"""One sweep: what got stuck is sent again, what is over is expired, one trouble stops nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.people import event_log, upkeep
from rollcall.people.events import Kind
from rollcall.people.model import EventState, Outcome
from rollcall.people.sync import apply_event
from rollcall.runtime import clients, dynamo, queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.sweeping import run
from rollcall.sweeping.run import sweep
from tests.support.world import T0, World

if TYPE_CHECKING:
    from datetime import datetime


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


def _at(monkeypatch: pytest.MonkeyPatch, at: datetime) -> dict[str, int]:
    """Sweep at a time."""
    with monkeypatch.context() as patch:
        patch.setattr(run, "now", lambda: at)
        return sweep()


def test_event_whose_pointer_is_gone_is_found_the_next_day_and_applied(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daily look finds it, once; then the sweep sends its pointer, which carries ids only."""
    world = World().build()
    upkeep.watch(world.hub.hub_id, now())
    lost = world.event("lost", 1, Kind.ADDED, fields={"email": "maya@example.com"})
    world.record(lost)
    swept = sweep()
    assert (swept["events"], swept["event_logs"], _pointers()) == (0, 0, [])
    tomorrow = now() + timedelta(days=1)
    swept = _at(monkeypatch, tomorrow)
    assert (swept["events"], swept["event_logs"], _pointers()) == (0, 1, [])
    assert _at(monkeypatch, tomorrow + timedelta(minutes=1))["events"] == 1
    (pointer,) = _pointers()
    assert pointer == {"hub_id": world.hub.hub_id, "source_id": lost.source_id, "event_id": lost.event_id}
    assert _at(monkeypatch, tomorrow + timedelta(minutes=1))["events"] == 0
    apply_event(pointer["hub_id"], pointer["event_id"])
    logged = event_log.get_event(world.hub.hub_id, lost.event_id)
    assert logged is not None
    assert logged.state is EventState.APPLIED
    swept = _at(monkeypatch, tomorrow + timedelta(days=2))
    assert (swept["events"], swept["event_logs"]) == (0, 0)


def test_event_that_is_on_its_way_is_not_overlooked(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came within the hour is left alone, and is looked at the next day, should it still be new."""
    world = World().build()
    upkeep.watch(world.hub.hub_id, now() - timedelta(days=1))
    event = world.event("young", 1, Kind.ADDED)
    event_log.record_event(world.hub.hub_id, event, "hash", now() - timedelta(minutes=55))
    assert sweep()["event_logs"] == 0
    assert _at(monkeypatch, now() + timedelta(days=1))["event_logs"] == 1


def test_dead_letter_of_an_event_is_left_to_the_sweep(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pointer that failed five times is taken up; one of an event that is applied, or of a replay, is only taken."""
    world = World().build()
    stuck, done = (world.event(name, n, Kind.ADDED, name) for n, name in enumerate(("stuck", "done")))
    world.record(stuck)
    world.tell(done)
    names = {"hub_id": world.hub.hub_id, "source_id": world.source_id}
    for letter in (stuck, stuck, done):
        queues.send(run.DEAD_EVENTS, names | {"event_id": letter.event_id})
    queues.send(run.DEAD_EVENTS, {"hub_id": world.hub.hub_id, "replay_id": "R", "part": 1, "hop": 0})
    swept = sweep()
    assert (swept["dead_letters"], swept["events"], _pointers()) == (1, 0, [])
    assert queues.receive(run.DEAD_EVENTS, 10) == []
    assert _at(monkeypatch, now() + timedelta(minutes=2))["events"] == 1
    assert [pointer["event_id"] for pointer in _pointers()] == [stuck.event_id]


@pytest.mark.parametrize(
    "body", ["3", "null", "[]", "{}", '{"hub_id":"H","event_id":5}', '{"hub_id":"H","event_id":"x"}', "no"]
)
def test_letter_that_is_no_pointer_stays_and_stops_nothing(aws: None, body: str) -> None:
    """A person has to look at it: the alarm on the dead letters stays on, and the sweep does not fail over it."""
    client, url = clients.sqs(), env(run.DEAD_EVENTS)
    client.send_message(QueueUrl=url, MessageBody=body)
    assert sweep()["dead_letters"] == 0
    asked: Any = ["ApproximateNumberOfMessagesNotVisible"]
    assert client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"] == {asked[0]: "1"}


def test_dead_letter_stays_until_its_event_is_looked_after(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that does not answer costs no letter: it is there for the next sweep."""
    world = World().build()
    event = world.event("stuck", 1, Kind.ADDED)
    world.record(event)
    pointer = {"hub_id": world.hub.hub_id, "source_id": world.source_id, "event_id": event.event_id}
    queues.send(run.DEAD_EVENTS, pointer)

    def fails(*_: object) -> bool:
        raise TransientError

    with monkeypatch.context() as patch:
        patch.setattr(event_log, "look_after", fails)
        with pytest.raises(TransientError):
            sweep()
    client, url = clients.sqs(), env(run.DEAD_EVENTS)
    asked: Any = ["ApproximateNumberOfMessagesNotVisible"]
    assert client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"] == {asked[0]: "1"}


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
    event_id = world.record(world.event("lost", 1, Kind.ADDED))
    event_log.look_after(world.hub.hub_id, event_id, now() - timedelta(minutes=2))
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
