"""The event log: what could not be applied is seen, found and applied again, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from rollcall.people import event_log, replays, store, sync
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.replays import ReplayState, Wanted
from rollcall.people.sync import apply_event
from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import SHARDS, shard_of
from rollcall.runtime.times import now, to_text
from rollcall.sweeping.run import sweep
from tests.support.admin import call, claims_of
from tests.support.faults import injected, until_quiet
from tests.support.units import counted
from tests.support.world import T0, World, logged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.people.events import DirectoryEvent
    from rollcall.people.model import LoggedEvent
    from rollcall.people.replays import Replay

RECEIVED = T0 + timedelta(days=1)
DAY = (to_text(RECEIVED), to_text(RECEIVED + timedelta(days=1)))


def _logged(world: World, event: DirectoryEvent) -> LoggedEvent:
    found = event_log.get_event(world.hub.hub_id, event.event_id)
    assert found is not None
    return found


def _maya(world: World, number: int = 1, **said: Any) -> DirectoryEvent:
    return world.event(f"event-{number}", number, Kind.ADDED, fields={"email": "maya@example.com"}, **said)


def _busy(*_: object, **__: object) -> None:
    raise TransientError


def _broken(*_: object) -> None:
    raise KeyError


def test_event_that_fails_for_a_day_has_failed_and_can_be_replayed(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried for a day, then it is seen as failed with a sentence; replayed, it is applied."""
    world = World().build()
    event = _maya(world)
    world.record(event)
    begun = RECEIVED
    with monkeypatch.context() as patch:
        patch.setattr(sync, "_write", _busy)
        patch.setattr(sync, "now", lambda: begun)
        for _ in range(event_log.GIVE_UP_TRIES):
            with pytest.raises(TransientError):
                apply_event(world.hub.hub_id, event.event_id)
    due = event_log.DueEvent(world.hub.hub_id, event.event_id)
    assert event_log.put_off(due, begun + timedelta(hours=23)) is not None
    assert (_logged(world, event).state, _logged(world, event).reason) == (EventState.NEW, "trying_again")
    assert event_log.put_off(due, begun + timedelta(hours=24)) is None
    assert (_logged(world, event).state, _logged(world, event).reason) == (EventState.FAILED, "not_reached")
    event_log.reopen_event(world.hub.hub_id, event.event_id, begun)
    apply_event(world.hub.hub_id, event.event_id)
    assert (_logged(world, event).state, _logged(world, event).tries) == (EventState.APPLIED, 0)


def test_event_that_nobody_tried_is_not_given_up(aws: None) -> None:
    """A worker that stood still for days is no fault of the event."""
    world = World().build()
    event = _maya(world)
    world.record(event)
    due = event_log.DueEvent(world.hub.hub_id, event.event_id)
    assert event_log.put_off(due, RECEIVED + timedelta(days=9)) is not None
    assert _logged(world, event).state is EventState.NEW


def test_fault_of_ours_fails_with_other_words(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is raised, so that it is seen at once, and after a day the event says whose fault it is."""
    world = World().build()
    event = _maya(world)
    world.record(event)
    monkeypatch.setattr(sync, "_write", _broken)
    monkeypatch.setattr(sync, "now", lambda: RECEIVED)
    for _ in range(event_log.GIVE_UP_TRIES):
        with pytest.raises(KeyError):
            apply_event(world.hub.hub_id, event.event_id)
    event_log.put_off(event_log.DueEvent(world.hub.hub_id, event.event_id), RECEIVED + timedelta(days=1))
    assert (_logged(world, event).state, _logged(world, event).reason) == (EventState.FAILED, "our_fault")


def test_what_the_database_refuses_is_quarantined_at_once(aws: None) -> None:
    """An event that can never be stored is tried once, not for a day."""
    world = World().build()
    event = _maya(world)
    world.record(event)

    def refuse(model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems":
            response: Any = {"Error": {"Code": "ValidationException", "Message": ""}}
            raise ClientError(response, model.name)

    clients.dynamodb().meta.events.register("before-call", refuse, unique_id="refuse")
    try:
        apply_event(world.hub.hub_id, event.event_id)
    finally:
        clients.dynamodb().meta.events.unregister("before-call", unique_id="refuse")
    assert (_logged(world, event).state, _logged(world, event).reason) == (EventState.QUARANTINED, "cannot_be_stored")


# ---------------------------------------------------------------------------------------------------- search


@pytest.fixture
def crowd(aws: None) -> World:
    """Four events: two of E-1, one of E-2 who wants the address of E-1, and one from the far future."""
    world = World().build()
    world.tell(
        world.event("a", 1, Kind.ADDED, "E-1", fields={"email": "desk@example.com"}),
        world.event("b", 2, Kind.UPDATED, "E-1", attributes={"Office": "London"}),
        world.event("c", 3, Kind.ADDED, "E-2", fields={"email": "desk@example.com"}),
        world.event("d", 10**8, Kind.ADDED, "E-3"),
    )
    return world


def _found(world: World, **query: str) -> list[tuple[str, str]]:
    answer = call(
        "GET",
        f"/hubs/{world.hub.hub_id}/events",
        claims_of(f"{world.hub.hub_id}:viewer"),
        query={**query, "limit": "2"},
    )
    assert answer.status == 200, answer.text
    items = answer.json["items"]
    if answer.json["next_cursor"]:
        items += call(
            "GET",
            f"/hubs/{world.hub.hub_id}/events",
            claims_of(f"{world.hub.hub_id}:viewer"),
            query={**query, "limit": "2", "cursor": answer.json["next_cursor"]},
        ).json["items"]
    return sorted((item["state"], item["reason"]) for item in items)


def test_search_finds_by_state_reason_kind_and_person(crowd: World) -> None:
    """Each filter alone and several together give the events that fit all of them."""
    created, changed = ("applied", "person_created"), ("applied", "person_changed")
    held, future = ("held", "address_taken"), ("quarantined", "future_time")
    assert _found(crowd) == [changed, created, held, future]
    assert _found(crowd, state="held") == [held]
    assert _found(crowd, reason="person_changed") == [changed]
    assert _found(crowd, kind="updated") == [changed]
    assert _found(crowd, external_id="E-1") == [changed, created]
    assert _found(crowd, person_id=crowd.person_id("E-1"), kind="added") == [created]
    assert _found(crowd, email="Desk@Example.com") == [changed, created, held]
    assert _found(crowd, email="desk@example.com", external_id="E-2") == [held]
    assert _found(crowd, email="nobody@example.com") == []
    assert _found(crowd, since=DAY[0], until=DAY[1]) == [changed, created, held, future]
    assert _found(crowd, until=DAY[0]) == []


def test_search_for_what_needs_attention_or_of_one_person_does_not_read_the_log(crowd: World) -> None:
    """Such searches ask the index, or the partition, that holds no others."""
    for query, index in [({"state": "held"}, "attention"), ({"external_id": "E-1"}, "")]:
        asked: list[str] = []

        def note(params: Any, asked: list[str] = asked, **_: Any) -> None:
            asked.append(params.get("IndexName", ""))

        clients.dynamodb().meta.events.register("before-parameter-build.dynamodb.Query", note, unique_id="note")
        try:
            _found(crowd, **query)
        finally:
            clients.dynamodb().meta.events.unregister("before-parameter-build.dynamodb.Query", unique_id="note")
        assert index in asked
        assert "by_hub" not in asked


# ---------------------------------------------------------------------------------------------------- replay


def _finish(world: World, replay_id: str, parts: Iterable[int] = range(SHARDS)) -> Replay:
    for part in parts:
        replays.run_part(world.hub.hub_id, replay_id, part)
    _apply_new(world)
    found = replays.get_replay(world.hub.hub_id, replay_id)
    assert found is not None
    return found


def _apply_new(world: World) -> None:
    for event in logged():
        if event.state is EventState.NEW:
            apply_event(world.hub.hub_id, event.event_id)


def test_window_is_replayed_once_and_counted(crowd: World) -> None:
    """Every event of the window is applied again, tables stay as they are, and the counts say what each did."""
    before = crowd.state()
    answer = call(
        "POST",
        f"/hubs/{crowd.hub.hub_id}/events/replay",
        claims_of(f"{crowd.hub.hub_id}:admin"),
        {"since": DAY[0], "until": DAY[1]},
    )
    assert (answer.status, answer.json["state"]) == (202, "finding")
    replay = _finish(crowd, answer.json["replay_id"])
    assert (replay.state, replay.found, replay.skipped) == (ReplayState.DONE, 4, 0)
    assert replay.outcomes == {"applied": 2, "held": 1, "quarantined": 1}
    assert crowd.state() == before
    shown = call("GET", answer.headers["location"], claims_of(f"{crowd.hub.hub_id}:viewer")).json
    assert (shown["state"], shown["progress"]) == ("done", {"done": 4, "total": 4})
    listed = call("GET", f"/hubs/{crowd.hub.hub_id}/replays", claims_of(f"{crowd.hub.hub_id}:viewer")).json
    assert [one["replay_id"] for one in listed["items"]] == [replay.replay_id]
    assert _finish(crowd, replay.replay_id).outcomes == replay.outcomes


def test_selection_and_state_are_replayed(crowd: World) -> None:
    """Named events, unknown ones skipped; and only those of a window that are in a state."""
    hub_id = crowd.hub.hub_id
    known = crowd.event_id("b")
    selection = {"event_ids": [known, "0" * 48]}
    asked = call("POST", f"/hubs/{hub_id}/events/replay", claims_of(f"{hub_id}:admin"), selection)
    assert asked.status == 202, asked.text
    replay = _finish(crowd, asked.json["replay_id"])
    assert (replay.outcomes, replay.skipped) == ({"applied": 1}, 1)
    held = replays.start_replay(hub_id, Wanted(since=DAY[0], until=DAY[1], state="held"), "ada")
    assert _finish(crowd, held.replay_id).outcomes == {"held": 1}


def test_replay_does_not_bring_back_what_is_newer_or_gone(crowd: World) -> None:
    """A deletion that came later stays, and so does a newer value."""
    crowd.tell(
        crowd.event("e", 20, Kind.UPDATED, "E-1", attributes={"Office": "Toronto"}),
        crowd.event("f", 21, Kind.DELETED, "E-2"),
    )
    _apply_new(crowd)
    before = crowd.state()
    replay = replays.start_replay(crowd.hub.hub_id, Wanted(since=DAY[0], until=DAY[1]), "ada")
    assert _finish(crowd, replay.replay_id).found == 6
    assert crowd.state() == before
    person = store.get_person(crowd.hub.hub_id, crowd.person_id("E-1"))
    assert person is not None
    assert person.person.values() == {"Office": "Toronto"}


def test_refused_replays_name_what_is_wrong(crowd: World) -> None:
    """Neither events nor window, both, or no admin: nothing is begun."""
    path, admin = f"/hubs/{crowd.hub.hub_id}/events/replay", claims_of(f"{crowd.hub.hub_id}:admin")
    assert call("POST", path, admin, {}).json["faults"][0]["code"] == "events_or_window"
    assert call("POST", path, admin, {"event_ids": ["0" * 48], "since": DAY[0]}).status == 400
    assert call("POST", path, admin, {"event_ids": ["x"]}).json["faults"][0]["code"] == "bad_id"
    assert call("POST", path, admin, {"since": "yesterday"}).json["faults"][0]["code"] == "bad_time"
    assert call("POST", path, claims_of(f"{crowd.hub.hub_id}:approver"), {"since": DAY[0]}).status == 403
    assert replays.list_replays(crowd.hub.hub_id, limit=5) == ([], None)


@pytest.mark.parametrize(
    "modes", [("kill_after",), pytest.param(("kill_before", "lost_response", "throttle"), marks=pytest.mark.long)]
)
def test_death_at_every_call_of_a_replay_counts_nothing_twice(
    aws: None, monkeypatch: pytest.MonkeyPatch, modes: tuple[str, ...]
) -> None:
    """Whatever call of a part or of an event's settling dies, in the end each event was found and counted once."""
    hub = World().hub
    world = World(hub=hub).build()
    events = [world.event(f"event-{number}", number, Kind.UPDATED, attributes={"Desk": "4"}) for number in range(40)]
    part = shard_of(events[0].event_id)
    events = [event for event in events if shard_of(event.event_id) == part][:2]
    world.tell(*events)
    monkeypatch.setattr(replays, "PAGE", 1)

    def run(at: int, mode: str) -> tuple[Replay, int]:
        replay = replays.start_replay(hub.hub_id, Wanted(since=DAY[0], until=DAY[1]), "ada")

        def work() -> None:
            replays.run_part(hub.hub_id, replay.replay_id, part)
            apply_event(hub.hub_id, events[0].event_id)

        calls = len(until_quiet(work, at=at, mode=mode).calls)
        return _finish(world, replay.replay_id, [part]), calls

    plain, calls = run(0, "")
    assert (plain.found, sum(plain.outcomes.values())) == (2, 2)
    for at in range(1, calls + 1):
        for mode in modes:
            replay, _ = run(at, mode)
            assert (replay.found, sum(replay.outcomes.values())) == (2, 2), (at, mode)


def test_part_whose_message_got_lost_is_swept(aws: None) -> None:
    """A replay whose pointers never came is sent on by the sweeper; a part that is done is not."""
    world = World().build()
    with injected():
        replay = replays.start_replay(world.hub.hub_id, Wanted(since=DAY[0], until=DAY[1]), "ada")
    replays.run_part(world.hub.hub_id, replay.replay_id, 0)
    later = now() + timedelta(minutes=2)
    due = [one for shard in range(event_log.DUE_SHARDS) for one in replays.due_parts(shard, later, 100)]
    assert len(due) == SHARDS - 1
    assert replays.wake_part(*due[0], later, event_log.FIRST_SWEEP)
    assert not replays.wake_part(world.hub.hub_id, replay.replay_id, 0, later, event_log.FIRST_SWEEP)
    assert sweep()["replays"] == 0


def test_a_page_of_events_reads_the_keys_and_then_only_what_it_shows(aws: None) -> None:
    """Pages hold everything once, newest first, with a filter too; five rows do not cost five of each shard."""
    world = World().build()
    for number in range(40):
        kind = Kind.ADDED if number % 2 else Kind.UPDATED
        world.record(world.event(f"event {number}", number, kind, f"E-{number}"))
    hub_id = world.hub.hub_id
    for search, count in ((None, 40), (event_log.Search(kind=Kind.ADDED), 20)):
        found: list[LoggedEvent] = []
        cursor: str | None = ""
        while cursor is not None:
            page, cursor = event_log.list_events(hub_id, limit=7, cursor=cursor, search=search)
            assert len(page) <= 7
            found += page
        assert len({one.event_id for one in found}) == len(found) == count
        assert [one.received_at for one in found] == sorted((one.received_at for one in found), reverse=True)
    with counted() as units:
        event_log.list_events(hub_id, limit=5)
    assert units.read_units <= SHARDS / 2 + 6


def test_events_of_persons_come_newest_first_page_by_page_whatever_their_keys(aws: None) -> None:
    """Their keys say nothing of time; each is listed once, with a window and a filter too, and nobody else's is."""
    world = World().build()
    hub_id = world.hub.hub_id
    times: dict[str, str] = {}
    for number in range(30):
        event = world.event(f"event {number}", 0, Kind.ADDED if number % 2 else Kind.UPDATED, f"E-{number % 3}")
        received = RECEIVED + timedelta(minutes=number * 7 % 30)
        event_log.record_event(hub_id, event, "hash", received)
        times[event.event_id] = to_text(received)
    first, second = world.person_id("E-0"), world.person_id("E-1")
    theirs = sorted((one for one in times if one.startswith((first, second))), key=times.__getitem__, reverse=True)
    assert _pages(hub_id, event_log.Search(person_ids=(first, second))) == theirs
    since, until = times[theirs[12]], times[theirs[4]]
    window = event_log.Search(person_ids=(first, second), since=since, until=until)
    assert _pages(hub_id, window) == theirs[5:13]
    updated = [world.event_id(f"event {number}", f"E-{number % 3}") for number in range(0, 30, 2)]
    wanted = event_log.Search(person_ids=(first, second), kind=Kind.UPDATED)
    assert _pages(hub_id, wanted) == [one for one in theirs if one in updated]
    newest = event_log.newest_of_person(hub_id, first, 4)
    assert [event_log.event_id_of(item) for item in newest] == [one for one in theirs if one.startswith(first)][:4]


def _pages(hub_id: str, search: event_log.Search) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = event_log.list_events(hub_id, limit=3, cursor=cursor, search=search)
        assert 0 < len(page) <= 3
        found += [one.event_id for one in page]
    return found


def test_other_contents_under_an_id_count_as_the_later_once_an_admin_replays_them(aws: None) -> None:
    """Whatever they say; and that they come once more does not put them aside again."""
    world = World().build()
    hub_id, at = world.hub.hub_id, T0 + timedelta(days=1)
    for number in range(8):
        name, office = f"E-{number}", chr(ord("A") + number)
        first = world.event(f"told {number}", 0, Kind.ADDED, name, attributes={"Office": "D"})
        other = replace(first, attributes={"Office": office})
        world.tell(first)
        assert event_log.record_event(hub_id, other, f"hash {number}", at) == "conflict"
        (waits,) = event_log.list_events(hub_id, limit=9, search=event_log.Search(state=EventState.QUARANTINED))[0]
        assert (waits.event_id > first.event_id, waits.person_id) == (True, world.person_id(name))
        event_log.reopen_event(hub_id, waits.event_id, at)
        apply_event(hub_id, waits.event_id)
        assert event_log.record_event(hub_id, other, f"hash {number}", at) == "conflict"
        person = store.get_person(hub_id, world.person_id(name))
        assert person is not None
        assert person.person.values() == {"Office": office}
        settled = event_log.get_event(hub_id, waits.event_id)
        assert settled is not None
        assert settled.state is not EventState.QUARANTINED
