"""Events of a hub that are applied together: what goes wrong with one, or in between, costs nothing of the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from rollcall.members import store as members
from rollcall.people import event_log, sync
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_events
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TransientError
from tests.support.aws import back_to, empty, snapshot
from tests.support.faults import MODES, until_quiet
from tests.support.functions import function
from tests.support.races import second_at
from tests.support.world import RULES, World, everything, logged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.people.events import DirectoryEvent

pytestmark = pytest.mark.usefixtures("aws")

PEOPLE = ("E-1", "E-2")


def _members(*names: str) -> World:
    """Return a hub with two members, or these."""
    world = World().build()
    for person in names or PEOPLE:
        fields = {"email": f"{person.lower()}@example.com", "first_name": person}
        world.tell(world.event(f"first-{person}", 0, Kind.ADDED, person, fields=fields))
        world.enrol(person, roles=("mentee",))
    return world


def _three(world: World) -> list[DirectoryEvent]:
    """Return two events of one member that say the same thing otherwise, and one of another between them."""
    return [
        world.event("office-1", 5, person="E-1", attributes={"Office": "Toronto"}),
        world.event("office-2", 5, person="E-2", attributes={"Office": "Toronto"}),
        world.event("later-1", 6, person="E-1", attributes={"Office": "London", "Job title": "Lead"}),
    ]


def _apply(world: World, ids: list[str]) -> None:
    """Apply a batch as the function does; what failed comes again."""
    for what in apply_events(world.hub.hub_id, ids).values():
        if isinstance(what, Exception):
            raise what


class Batch:
    """The three events, waiting; put back as they were before each run."""

    def __init__(self) -> None:
        empty()
        self.world = _members()
        self.ids = [self.world.record(event) for event in _three(self.world)]
        self._kept = snapshot()

    def end(self, at: int, mode: str) -> tuple[dict[str, Any], list[str]]:
        """Apply the three with one fault; return the final state and the calls that were made."""
        back_to(self._kept)
        injector = until_quiet(lambda: _apply(self.world, self.ids), at=at, mode=mode)
        settled = {event.event_id: event for event in logged()}
        assert {settled[one].state for one in self.ids} == {EventState.APPLIED}, f"{mode} at call {at}"
        # Not "older": each did something.
        assert {settled[one].reason for one in self.ids} <= {"person_changed", "already_applied"}, f"{mode} at {at}"
        return self.world.state(), injector.calls

    def published(self, at: int) -> list[Any]:
        """Publish a table without rules for offices before a call, and recompute nobody; return where members are."""
        back_to(self._kept)
        with second_at(at, lambda: self.world.publish(2, tuple(rule for rule in RULES if rule.field != "Office"))):
            _apply(self.world, self.ids)
        return [item["shown"]["segments"].get("location") for item in everything("MEMBERS_TABLE")]


def _strike(modes: tuple[str, ...], *, is_short: bool = False) -> str:
    batch = Batch()
    expected, calls = batch.end(0, "")
    assert calls.count("PutItem") == 6
    runs = 0
    for at in range(calls.index("PutItem") if is_short else 1, len(calls) + 1):
        for mode in modes:
            assert batch.end(at, mode)[0] == expected, f"{mode} at call {at} ({calls[at - 1]})"
            runs += 1
    return f"faults, a batch of three: {len(calls)} AWS calls, {runs} runs"


def test_death_at_every_call_of_a_batch_ends_as_without() -> None:
    """Whatever call the worker dies after, from the last read on, once the three come again each is settled once."""
    _strike(("kill_after",), is_short=True)


def test_rules_published_before_the_events_are_settled_reach_every_member_of_the_batch() -> None:
    """The versions are read after the last write: each event is applied once more, on the new rules."""
    batch = Batch()
    calls = batch.end(0, "")[1]
    last_before_settling = calls.index("UpdateItem")
    assert batch.published(last_before_settling) == [None, None]
    assert batch.published(last_before_settling - 6) == [None, None]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_fault_of_every_mode_at_every_call_of_a_batch_ends_as_without(figure: Callable[[str], None]) -> None:
    """The same with all seven modes."""
    figure(_strike(MODES))


def _record(world: World, event_id: str, message_id: str) -> dict[str, Any]:
    body = json.dumps({"hub_id": world.hub.hub_id, "source_id": world.source_id, "event_id": event_id})
    return {"messageId": message_id, "body": body, "attributes": {"MessageGroupId": world.hub.hub_id}}


def test_failing_event_comes_again_alone_and_its_neighbours_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three events and two broken messages only the one that fails, and the messages, are reported."""
    world = _members()
    first, second, third = (world.record(event) for event in _three(world))
    write = sync._write

    def failing(ctx: Any, task: Any, ahead: Any) -> None:
        if task.logged.event_id == second:
            raise KeyError
        write(ctx, task, ahead)

    monkeypatch.setattr(sync, "_write", failing)
    records = [_record(world, one, name) for one, name in ((first, "a"), (second, "b"), (third, "c"))]
    records += [{"messageId": "d", "body": "no pointer", "attributes": {}}, _record(world, "no id", "e")]
    answer = function("sync_member")({"Records": records}, None)
    assert sorted(one["itemIdentifier"] for one in answer["batchItemFailures"]) == ["b", "d", "e"]
    found = {event.event_id: event for event in logged()}
    assert [found[one].state for one in (first, second, third)] == [
        EventState.APPLIED,
        EventState.NEW,
        EventState.APPLIED,
    ]
    assert (found[second].reason, found[second].tries) == ("trying_again", 1)


class _Killed(BaseException):
    """The worker ends here."""


def test_event_on_which_the_worker_dies_keeps_the_others_waiting_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes again is applied by itself, so the others are settled then, whoever dies behind them."""
    world = _members("E-1", "E-2", "E-3")
    ids = [world.record(world.event("office", 5, person=f"E-{n}", attributes={"Office": "Oslo"})) for n in (1, 2, 3)]
    write = sync._write

    def deadly(ctx: Any, task: Any, ahead: Any) -> None:
        if task.logged.event_id == ids[-1]:
            raise _Killed
        write(ctx, task, ahead)

    monkeypatch.setattr(sync, "_write", deadly)
    for attempt, expected in (("1", EventState.NEW), ("2", EventState.APPLIED)):
        records = [_record(world, one, one) for one in ids]
        for record in records:
            record["attributes"]["ApproximateReceiveCount"] = attempt
        with pytest.raises(_Killed):
            function("sync_member")({"Records": records}, None)
        found = {event.event_id: event.state for event in logged()}
        assert [found[one] for one in ids] == [expected, expected, EventState.NEW]


def test_event_that_is_not_begun_in_time_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first takes all the time: it is settled, the others are left for the next time and lose nothing."""
    world = _members("E-1", "E-2", "E-3")
    ids = [world.record(world.event("office", 5, person=f"E-{n}", attributes={"Office": "Oslo"})) for n in (1, 2, 3)]
    clock, write = [0.0], sync._write

    def slow(ctx: Any, task: Any, ahead: Any) -> None:
        write(ctx, task, ahead)
        clock[0] += sync.LONGEST + 1

    with monkeypatch.context() as patch:
        patch.setattr(sync, "_write", slow)
        patch.setattr(sync, "_clock", lambda: clock[0])
        found = apply_events(world.hub.hub_id, ids)
    assert [isinstance(found[one], TransientError) for one in ids] == [False, True, True]
    assert {event.event_id: event.state for event in logged()}[ids[0]] is EventState.APPLIED
    _apply(world, ids)
    assert {event.state for event in logged()} == {EventState.APPLIED}


def test_trouble_that_cannot_be_noted_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fails, and that cannot be written down either: the other is told all the same."""
    world = _members()
    good, bad = (world.record(event) for event in _three(world)[:2])
    write = sync._write

    def failing(ctx: Any, task: Any, ahead: Any) -> None:
        if task.logged.event_id == bad:
            raise KeyError
        write(ctx, task, ahead)

    def denied(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "UpdateItem")

    monkeypatch.setattr(sync, "_write", failing)
    monkeypatch.setattr(event_log, "note_trouble", denied)
    records = [_record(world, good, "a"), _record(world, bad, "b")]
    odd: Any = ["no", "id"]
    records.append(_record(world, odd, "c"))
    answer = function("sync_member")({"Records": records}, None)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["b", "c"]


def test_item_that_cannot_be_read_fails_its_own_event_alone() -> None:
    """Something broke the event of one of four, the person of another, the member of a third: the last is settled."""
    world = _members("E-1", "E-2", "E-3", "E-4")
    hub_id = world.hub.hub_id
    one, two, three, four = (
        world.record(world.event("office", 5, person=f"E-{number}", attributes={"Office": "Toronto"}))
        for number in range(1, 5)
    )
    member_id = world.key.member_id(world.address_id("e-3@example.com"), 1)
    broken = [
        ("EVENTS_TABLE", *event_log.key(hub_id, one), "event"),
        ("PEOPLE_TABLE", people.person_pk(hub_id, world.person_id("E-2")), "-", "a"),
        ("MEMBERS_TABLE", members.pk(hub_id, member_id), "-", "slices"),
    ]
    for table, pk, sk, attribute in broken:
        update = f"SET #{attribute} = :broken"
        dynamo.write([dynamo.update_action(table, pk, sk, update, values={"broken": ["broken"]})])
    found = apply_events(hub_id, [one, two, three, four])
    assert [isinstance(found[name], Exception) for name in (one, two, three, four)] == [True, True, True, False]
    assert (event_log.get_event(hub_id, four) or _none()).state is EventState.APPLIED


def _none() -> Any:
    raise AssertionError


def test_events_of_two_hubs_and_twice_the_same_are_each_applied_once() -> None:
    """A batch with two hubs, one event told twice, and one that was settled before: nothing fails, all are settled."""
    small, large = _members(), _members()
    settled = small.record(_three(small)[0])
    _apply(small, [settled])
    ids = [large.record(event) for event in _three(large)]
    waiting = small.record(_three(small)[1])
    records = [_record(large, one, f"large-{number}") for number, one in enumerate([*ids, ids[0]])]
    records += [_record(small, one, f"small-{one}") for one in (settled, waiting)]
    assert function("sync_member")({"Records": records}, None) == {"batchItemFailures": []}
    states = {event.event_id: event.state for event in logged()}
    assert {states[one] for one in (*ids, settled, waiting)} == {EventState.APPLIED}
