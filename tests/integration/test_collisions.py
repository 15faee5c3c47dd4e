"""Collisions: both candidates are shown, and what an admin decides holds, whatever comes later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollcall.activity.record import record_change
from rollcall.people import collisions, event_log, store
from rollcall.people.collisions import Choice
from rollcall.people.events import Kind
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import Address, EventState, PersonRecord
from rollcall.people.sync import apply_event
from rollcall.runtime import dynamo
from rollcall.runtime.times import now
from tests.support.admin import Answer, call, claims_of
from tests.support.faults import until_quiet
from tests.support.world import SOURCE, World, everything, logged

DESK = {"email": "desk@example.com", "first_name": "Maya", "last_name": "Okafor"}


def _settle(world: World) -> None:
    for _ in range(5):
        for event in logged():
            if event.state is EventState.NEW:
                apply_event(world.hub.hub_id, event.event_id)


@pytest.fixture
def rehire(aws: None) -> World:
    """E-1, a member with a manual role, has left; E-2 has the same address."""
    world = World().build()
    world.tell(world.event("first", 1, Kind.ADDED, "E-1", fields=dict(DESK), attributes={"Office": "London"}))
    world.enrol("E-1", ("mentor",))
    world.tell(
        world.event("left", 2, Kind.DEACTIVATED, "E-1"),
        world.event("back", 9, Kind.ADDED, "E-2", fields=dict(DESK), attributes={"Office": "Toronto"}),
    )
    return world


def _call(world: World, method: str, path: str, role: str, body: Any = None) -> Answer:
    return call(method, f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:{role}"), body)


def _resolve(world: World, decision: str, person: str = "E-2", role: str = "approver") -> Answer:
    return _call(world, "POST", f"/collisions/{world.person_id(person)}/resolve", role, {"decision": decision})


def _address(world: World) -> Address:
    return store.get_address(world.hub.hub_id, world.address_id("desk@example.com"))


def _person(world: World, person: str) -> PersonRecord:
    record = store.get_person(world.hub.hub_id, world.person_id(person))
    assert record is not None
    return record


def _state(world: World, name: str, person: str = "E-2") -> tuple[EventState, str]:
    logged = event_log.get_event(world.hub.hub_id, world.event_id(name, person))
    assert logged is not None
    return logged.state, logged.reason


def test_rehire_is_proposed_and_nobody_is_joined_or_doubled(rehire: World) -> None:
    """The list shows both candidates and why; the member is as before, and the newcomer is none."""
    (shown,) = _call(rehire, "GET", "/collisions", "viewer").json["items"]
    assert (shown["kind"], shown["reason"]) == ("same_source_new_id", "maybe_same_person")
    assert (shown["wanting"]["external_id"], shown["holder"]["external_id"]) == ("E-2", "E-1")
    assert (shown["holder"]["status"], shown["email"]) == ("inactive", "desk@example.com")
    assert _state(rehire, "back") == (EventState.HELD, "maybe_same_person")
    assert _person(rehire, "E-2").member_id is None


def test_same_person_goes_on_as_the_member_they_were(rehire: World) -> None:
    """Member id and manual role stay, what the directory says comes from the new id, and the old id is a pointer."""
    member_id = _person(rehire, "E-1").member_id
    assert member_id is not None
    assert _resolve(rehire, "same_person").status == 200
    _settle(rehire)
    shown = rehire.shown(member_id)
    assert (shown["status"], shown["roles"], shown["segments"]) == ("active", ["mentor"], {"location": ["toronto"]})
    old, new = _person(rehire, "E-1"), _person(rehire, "E-2")
    assert (old.person.status, old.person.superseded_by) == (DirectoryStatus.SUPERSEDED, new.person_id)
    assert (old.person.external_id, old.person.fields, old.member_id, old.address_id) == ("", {}, None, None)
    assert (new.member_id, new.supersedes, new.waits) == (member_id, (old.person_id,), None)
    assert _address(rehire).holders[SOURCE].person_id == new.person_id
    assert _state(rehire, "back")[0] is EventState.APPLIED
    assert _call(rehire, "GET", "/collisions", "viewer").json["items"] == []
    assert _resolve(rehire, "same_person").status == 200


def test_late_events_of_the_old_id_undo_nothing(rehire: World) -> None:
    """Whatever comes for the old id, newer or replayed, the member stays who they are."""
    _resolve(rehire, "same_person")
    _settle(rehire)
    before = rehire.state()
    rehire.tell(
        rehire.event("late", 20, Kind.DELETED, "E-1"),
        rehire.event("later", 21, Kind.UPDATED, "E-1", fields=dict(DESK)),
    )
    event_log.reopen_event(rehire.hub.hub_id, rehire.event_id("left"), now())
    _settle(rehire)
    assert rehire.state() == before
    assert _state(rehire, "late", "E-1") == (EventState.NO_CHANGE, "superseded")


def test_given_address_is_the_newcomers_whatever_comes(rehire: World) -> None:
    """The former member keeps all but the address; an event that says their old e-mail again does not take it back."""
    member_id = _person(rehire, "E-1").member_id
    assert member_id is not None
    assert _resolve(rehire, "give_address").status == 200
    _settle(rehire)
    rehire.tell(rehire.event("again", 30, Kind.UPDATED, "E-1", fields=dict(DESK)))
    _settle(rehire)
    address = _address(rehire)
    assert (address.holders[SOURCE].person_id, address.member_id, address.barred) == (
        rehire.person_id("E-2"),
        None,
        None,
    )
    assert rehire.shown(member_id)["status"] == "inactive"
    assert _person(rehire, "E-2").member_id is None
    assert _resolve(rehire, "give_address").status == 200


def test_address_of_an_erased_person_is_given_out_again_by_an_admin_only(aws: None) -> None:
    """It is held; given by an admin it is the newcomer's, and the erased person stays erased."""
    world = World().build()
    erased = Address(world.address_id("desk@example.com"), erased=True)
    dynamo.write([store.put_address(world.hub.hub_id, erased)])
    world.tell(world.event("new", 1, Kind.ADDED, "E-2", fields=dict(DESK)))
    (shown,) = _call(world, "GET", "/collisions", "viewer").json["items"]
    assert (shown["kind"], shown["holder"]) == ("erased_address", None)
    assert _resolve(world, "same_person").json["code"] == "no_candidate"
    assert _resolve(world, "give_address").status == 200
    _settle(world)
    assert (_address(world).erased, _address(world).holders[SOURCE].person_id) == (False, world.person_id("E-2"))
    assert _state(world, "new") == (EventState.APPLIED, "already_applied")


def test_kept_collision_stays_listed_with_who_kept_it(rehire: World) -> None:
    """Keeping changes nothing but that it is said; it can be decided otherwise later."""
    before = {key: item for key, item in rehire.state().items() if "W#" not in key}
    assert _resolve(rehire, "keep").status == 200
    (shown,) = _call(rehire, "GET", "/collisions", "viewer").json["items"]
    assert shown["kept_by"] == "subject-of-ada"
    (waits,) = [item for item in everything("PEOPLE_TABLE") if item["sk"].startswith("W#")]
    (entry,) = record_change("1", {**waits, "kept_by": None, "kept_at": None}, waits)
    assert (entry.kind, entry.subject) == ("person_collision_kept", rehire.person_id("E-2"))
    assert (entry.actor, entry.new) == ("subject-of-ada", "kept")
    assert record_change("2", waits, waits) == []
    assert {key: item for key, item in rehire.state().items() if "W#" not in key} == before
    assert _resolve(rehire, "same_person").status == 200


def test_deleted_holder_is_shown_and_joined_with_the_privacy_permission_only(rehire: World) -> None:
    """A viewer learns no name of somebody deleted, and an approver cannot bring them back alone."""
    rehire.tell(rehire.event("gone", 10, Kind.DELETED, "E-1"))
    (shown,) = _call(rehire, "GET", "/collisions", "viewer").json["items"]
    assert (shown["holder"]["status"], shown["holder"]["first_name"]) == ("deleted", None)
    assert _resolve(rehire, "same_person").status == 403
    assert _resolve(rehire, "same_person", role="admin").status == 200
    _settle(rehire)
    assert rehire.shown(_person(rehire, "E-2").member_id or "")["status"] == "active"


def test_two_members_are_not_joined_and_nobody_without_collision_is_resolved(aws: None) -> None:
    """A member whose new e-mail is another member's cannot be that one too; who waits for nothing is refused."""
    world = World().build()
    other = DESK | {"email": "other@example.com"}
    world.tell(world.event("a", 1, Kind.ADDED, "E-1", fields=dict(DESK)))
    world.tell(world.event("b", 2, Kind.ADDED, "E-2", fields=dict(other)))
    world.enrol("E-1", ("mentor",))
    world.enrol("E-2", ("mentor",))
    world.tell(world.event("c", 3, Kind.UPDATED, "E-2", fields=dict(DESK)))
    assert _resolve(world, "same_person").json["code"] == "both_members"
    assert _resolve(world, "keep", person="E-1").json["code"] == "no_collision"
    assert _resolve(world, "same_person", role="viewer").status == 403


@pytest.mark.parametrize(
    ("choice", "step"),
    [
        (Choice.SAME_PERSON, 3),
        pytest.param(Choice.SAME_PERSON, 1, marks=pytest.mark.long),
        pytest.param(Choice.GIVE_ADDRESS, 1, marks=pytest.mark.long),
    ],
)
def test_death_at_a_call_of_a_decision_ends_as_without(aws: None, choice: Choice, step: int) -> None:
    """Whatever call dies, asked again the decision is done once and the tables are the same."""
    from rollcall.hubs import context
    from rollcall.hubs.model import Admin

    def run(at: int, mode: str) -> tuple[dict[str, Any], int]:
        world = World().build()
        admin = Admin("ada", "ada.admin@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
        world.tell(world.event("first", 1, Kind.ADDED, "E-1", fields=dict(DESK), attributes={"Office": "London"}))
        world.enrol("E-1", ("mentor",))
        world.tell(
            world.event("left", 2, Kind.DEACTIVATED, "E-1"),
            world.event("back", 9, Kind.ADDED, "E-2", fields=dict(DESK)),
        )
        ctx = context.load(world.hub.hub_id)
        person_id = world.person_id("E-2")
        calls = until_quiet(lambda: collisions.resolve(ctx, person_id, choice, admin), at=at, mode=mode).calls
        _settle(world)
        mine = {
            key.removeprefix(world.hub.hub_id): item for key, item in world.state().items() if world.hub.hub_id in key
        }
        state = {
            key: {name: value for name, value in item.items() if not name.endswith("pk")} for key, item in mine.items()
        }
        return state, len(calls)

    expected, calls = run(0, "")
    for at in range(calls, 0, -step):
        assert run(at, "kill_after")[0] == expected, at


def test_no_candidate_is_left_out_of_the_person_record(rehire: World) -> None:
    """A stored person reads back with what they wait for and whom they supersede."""
    record = replace(_person(rehire, "E-2"), supersedes=("a" * 32,))
    dynamo.write([store.put_person(rehire.hub.hub_id, record, "test", "2026-11-22T00:00:00.000Z", "ada")])
    again = _person(rehire, "E-2")
    assert (again.waits, again.supersedes) == (record.waits, record.supersedes)


def test_former_owner_does_not_show_the_address_again_though_their_events_are_gone(aws: None) -> None:
    """What gave them the address was too old to be kept, so it cannot be applied again; their next event parts them."""
    world = World().build()
    world.tell(world.event("first", 1, Kind.ADDED, "E-1", fields=dict(DESK), attributes={"Office": "London"}))
    member_id = world.enrol("E-1", ("mentor",))
    world.tell(world.event("second", 9, Kind.ADDED, "E-2", fields=dict(DESK)))
    dynamo.write([event_log.forget_action(*event_log.key(world.hub.hub_id, world.event_id("first", "E-1")), now())])
    assert _resolve(world, "give_address").status == 200
    world.tell(world.event("moved", 12, Kind.UPDATED, "E-1", attributes={"Office": "Toronto"}))
    assert world.shown(member_id)["email"] == ""
    assert world.shown(member_id)["segments"] == {"location": ["toronto"]}
    assert (_person(world, "E-1").address_id, _address(world).holders[SOURCE].person_id) == (
        None,
        world.person_id("E-2"),
    )
