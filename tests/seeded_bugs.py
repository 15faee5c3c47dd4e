"""Bugs that somebody might make in the merge and in applying events, each with the test that must notice it.

A bug is a small patch; its killer raises AssertionError under it, and nothing without it. A bug that survives its
killer fails the run: the tests would not notice it either.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from rollcall.hubs import context
from rollcall.invitations import store as invitations
from rollcall.invitations.model import InvitationStatus
from rollcall.mapping.table import ProfileTarget, Rule
from rollcall.members import projection
from rollcall.members.model import Manual, member_id_of
from rollcall.people import decide as deciding
from rollcall.people import event_log, store, sync
from rollcall.people import merge as merging
from rollcall.people.decide import Decision
from rollcall.people.events import DirectoryEvent, Kind, Stamp
from rollcall.people.merge import Cell, DirectoryStatus, Person
from rollcall.people.model import EventState, Outcome
from rollcall.runtime import dynamo
from rollcall.runtime.times import now
from tests.faults.test_sync import strike_every_call
from tests.support.aws import empty
from tests.support.faults import until_quiet
from tests.support.histories import RULES, random_histories
from tests.support.races import BASES, MAYA, Races, every_place, publish_to_all, second_at
from tests.support.world import RULES as MAPPING_RULES
from tests.support.world import World, everything, logged

Plant = Callable[[pytest.MonkeyPatch], None]
HISTORIES = 600


@dataclass(frozen=True)
class Bug:
    """A bug and what notices it.

    Attributes
    ----------
    harm
        What it would do, in one sentence.
    """

    harm: str
    plant: Plant
    kill: Callable[[], None]


# --- what notices them -----------------------------------------------------------------------------------------------
def merge_rules_hold() -> None:
    """Try every rule of the merge on random histories."""
    chance = random.Random(20261122)
    for events in random_histories(chance, HISTORIES):
        for rule in RULES.values():
            rule(events, chance)


def orders_end_alike(make: Callable[[World], list[DirectoryEvent]]) -> Callable[[], None]:
    """Return a killer that applies a history in every order; held events are applied again when they are woken."""

    def kill() -> None:
        ends = []
        for order in itertools.permutations(range(3)):
            empty()
            world = World().build()
            history = make(world)
            world.tell(*[history[place] for place in order])
            for event in logged():
                sync.apply_event(world.hub.hub_id, event.event_id)
            ends.append(world.state())
        for end in ends[1:]:
            assert end == ends[0]

    return kill


def _life(world: World) -> list[DirectoryEvent]:
    return [
        world.event("one", 1, Kind.ADDED, fields=MAYA),
        world.event("two", 2, attributes={"Office": "London"}),
        world.event("three", 3, Kind.DELETED),
    ]


def _handed_on(world: World) -> list[DirectoryEvent]:
    return [
        world.event("one", 1, Kind.ADDED, "E-1", fields={"email": "desk@example.com"}),
        world.event("two", 2, Kind.UPDATED, "E-1", fields={"email": "former@example.com"}),
        world.event("three", 3, Kind.ADDED, "E-2", fields={"email": "desk@example.com"}),
    ]


def strikes(scenario: str, *modes: str) -> Callable[[], None]:
    """Return a killer that fails or dies at every AWS call of a scenario."""

    def kill() -> None:
        strike_every_call(scenario, modes)

    return kill


def races(base: str, one: str, two: str, places: Callable[[int], list[int]] = every_place) -> Callable[[], None]:
    """Return a killer that lets a second writer commit at every AWS call of the first, or at those places."""

    def kill() -> None:
        Races().check(base, one, two, places)

    return kill


def _world(base: str = "member") -> World:
    empty()
    world = World().build()
    BASES[base][0](world)
    return world


def tombstone_stays() -> None:
    """Lay a tombstone, as the ledger of erasures does, at every AWS call of an event: it must stay."""
    for at in itertools.count(1):
        world = _world()
        event = world.event("office", 5, attributes={"Office": "Toronto"})
        world.record(event)
        key = store.person_pk(world.hub.hub_id, world.person_id())
        held = dynamo.get(store.TABLE, key) or {}
        gone = {name: held[name] for name in ("pk", "sk", "rev", "source_id")} | {"status": "erased", "erased": True}
        with second_at(at, partial(dynamo.write, [dynamo.put_action(store.TABLE, gone)])) as calls:
            sync.apply_event(world.hub.hub_id, event.event_id)
        if len(calls) < at:
            return
        laid_before_the_write = "PutItem" in calls[at - 1 :]
        item = dynamo.get(store.TABLE, key) or {}
        assert item.get("erased") or not laid_before_the_write, f"the person is back, at call {at}"


def rules_published_meanwhile_count() -> None:
    """Publish rules at every AWS call of an event that brings what only they cover: the member must have it."""
    rules = (*MAPPING_RULES, Rule("Desk", "4", ProfileTarget("Desk", "Four"), 9))
    for at in itertools.count(1):
        world = _world()
        event = world.event("desk", 5, attributes={"Desk": "4"})
        world.record(event)
        member_id = (store.get_person(world.hub.hub_id, world.person_id()) or _nobody()).member_id or ""
        with second_at(at, partial(publish_to_all, world, rules)) as calls:
            sync.apply_event(world.hub.hub_id, event.event_id)
        if len(calls) < at:
            return
        assert world.shown(member_id)["profile"] == {"Desk": "Four"}, f"published at call {at} ({calls[at - 1]})"


def recomputed_meanwhile_follows() -> None:
    """Compute a member anew, on new rules, at every AWS call from the last read of an event that says nothing of them.

    By these they have a value that the event takes away: they must not keep it.
    """
    rules = (*MAPPING_RULES, Rule("Desk", "4", ProfileTarget("Desk", "Four"), 9))
    for at in itertools.count(4):
        world = _world()
        world.tell(world.event("desk", 5, attributes={"Desk": "4"}))
        world.publish(2, rules)
        event = world.event("no desk", 6, attributes={"Desk": None})
        world.record(event)
        member_id = (store.get_person(world.hub.hub_id, world.person_id()) or _nobody()).member_id or ""
        with second_at(at, partial(publish_to_all, world, rules)) as calls:
            sync.apply_event(world.hub.hub_id, event.event_id)
        if len(calls) < at:
            return
        assert world.shown(member_id)["profile"] == {}, f"computed anew at call {at} ({calls[at - 1]})"


def accepting_is_whole() -> None:
    """Die after every AWS call of accepting an invitation; pressed again, there is one whole member."""
    for at in itertools.count(1):
        world = _world("invited")
        press = BASES["invited"][1]["accept"]
        injector = until_quiet(partial(press.run, world), at=at, mode="kill_after")
        if len(injector.calls) < at:
            return
        (member,) = everything("MEMBERS_TABLE") or [_nobody()]
        record = store.get_person(world.hub.hub_id, world.person_id()) or _nobody()
        assert record.member_id == member_id_of(member), f"died after call {at} ({injector.calls[at - 1]})"


def _nobody() -> Any:
    raise AssertionError


def clock_far_ahead_freezes_nobody() -> None:
    """Tell of an event a year ahead, then of a present one: the present one counts."""
    world = _world()
    world.tell(world.event("ahead", 400 * 86_400, attributes={"Office": "Toronto"}))
    world.tell(world.event("office", 6, attributes={"Office": "London"}))
    record = store.get_person(world.hub.hub_id, world.person_id()) or _nobody()
    assert record.person.values()["Office"] == "London"


def one_id_is_one_event() -> None:
    """Send other contents under the id of an event: the first stays, the other is kept apart."""
    world = _world()
    world.record(world.event("office", 5, attributes={"Office": "Toronto"}))
    other = world.event("office", 5, attributes={"Office": "Warsaw"})
    said = event_log.record_event(world.hub.hub_id, other, "other hash", now())
    logged = event_log.get_event(world.hub.hub_id, other.event_id) or _nobody()
    assert said == "conflict"
    assert (logged.event or _nobody()).attributes == {"Office": "Toronto"}


def manual_grants_and_the_last_role_stay() -> None:
    """Let the directory take a role away: what an admin granted stays, and so does the last role of all."""
    world = _world()
    member_id = (store.get_person(world.hub.hub_id, world.person_id()) or _nobody()).member_id or ""
    world.tell(world.event("grade", 5, attributes={"Grade": None}))
    assert world.shown(member_id)["roles"] == ["mentee"]
    empty()
    world = World().build()
    world.tell(world.event("one", 0, Kind.ADDED, fields=MAYA, attributes={"Grade": "Senior"}))
    member_id = world.enrol()
    world.tell(world.event("grade", 5, attributes={"Grade": None}))
    assert world.shown(member_id)["roles"] == ["mentor"]


def leaver_is_not_invited() -> None:
    """Deactivate somebody who is invited: their invitation is withdrawn."""
    world = _world("invited")
    world.tell(world.event("left", 5, Kind.DEACTIVATED))
    found = invitations.get_invitation(world.hub.hub_id, world.address_id(str(MAYA["email"]))) or _nobody()
    assert found.status is InvitationStatus.WITHDRAWN


# --- bugs of the merge -----------------------------------------------------------------------------------------------
def _patched(target: object, name: str, value: Any) -> Plant:
    return lambda monkeypatch: monkeypatch.setattr(target, name, value)


def _stamps(person: Person) -> list[Stamp]:
    cells = (*person.fields.values(), *person.attributes.values(), *person.groups.values())
    registers = (person.floor, person.activated, person.deactivated, person.deleted)
    return [*(cell.stamp for cell in cells), *filter(None, registers)]


def _drop_stale(person: Person | None, event: DirectoryEvent) -> Person:
    said = merging.lift(event)
    if person is None or person.erased:
        return person or said
    return person if event.stamp < max(_stamps(person), default=event.stamp) else merging.join(person, said)


_join, _lift, _above, _join_cells = merging.join, merging.lift, merging._above, merging._join_cells


def _forget_floor(one: Person, other: Person) -> Person:
    return replace(_join(one, other), floor=None)


def _floor_on_groups(one: Person, other: Person) -> Person:
    joined = _join(one, other)
    return replace(joined, groups=_above(joined.floor, dict(joined.groups)))


def _forget_clears(one: Person, other: Person) -> Person:
    joined = _join(one, other)
    kept = {name: cell for name, cell in joined.attributes.items() if cell.value is not None}
    return replace(joined, attributes=kept)


def _last_arrival_decides_status(one: Person, other: Person) -> Person:
    joined = _join(one, other)
    if joined.erased:
        return joined
    return replace(
        joined,
        activated=other.activated or (None if other.deactivated else one.activated),
        deactivated=other.deactivated or (None if other.activated else one.deactivated),
    )


def _equal_times_by_arrival(one: Any, other: Any) -> dict[str, Cell]:
    joined = dict(one)
    for name, cell in other.items():
        if name not in joined or cell.stamp.at >= joined[name].stamp.at:
            joined[name] = cell
    return joined


def _complete_wipes_all(one: Person, other: Person) -> Person:
    if one.erased or other.erased:
        return _join(one, other)
    joined = _join(one, other)
    if other.floor:
        kept = {name: cell for name, cell in joined.attributes.items() if name in other.attributes}
        return replace(joined, attributes=kept)
    return joined


def _union_of_lists(one: Any, other: Any) -> dict[str, Cell]:
    joined = _join_cells(one, other)
    for name, cell in joined.items():
        values = [held[name].value for held in (one, other) if name in held]
        if len(values) == 2 and all(isinstance(value, tuple) for value in values):
            union = tuple(sorted({text for value in values for text in value}))
            joined[name] = Cell(union, cell.stamp)
    return joined


def _erased_comes_back(one: Person, other: Person) -> Person:
    return _join(replace(one, erased=False), replace(other, erased=False))


def _activation_undoes_deletion(person: Person) -> DirectoryStatus:
    if person.erased:
        return DirectoryStatus.ERASED
    newest = max(filter(None, (person.activated, person.deactivated)), default=None)
    if person.deleted and (newest is None or person.deleted > newest):
        return DirectoryStatus.DELETED
    return DirectoryStatus.INACTIVE if person.deactivated and newest == person.deactivated else DirectoryStatus.ACTIVE


def _record_says_nothing_of_activity(event: DirectoryEvent) -> Person:
    return _lift(replace(event, active=None))


def _complete_reaches_only_attributes(one: Person, other: Person) -> Person:
    joined = _join(one, other)
    return joined if joined.erased else replace(joined, fields=_join_cells(one.fields, other.fields))


def _restore_forgets(person: Person, at: str, change_id: str) -> Person:
    del at, change_id
    return replace(person, deleted=None)


MERGE_BUGS: dict[str, tuple[str, Plant]] = {
    "drop_stale_event": ("An older partial event loses its fields.", _patched(merging, "merge", _drop_stale)),
    "floor_ignored": (
        "What a complete event does not mention stays.",
        _patched(merging, "_above", lambda _, cells: cells),
    ),
    "floor_forgotten": (
        "An older, late event brings back what is gone.",
        _patched(merging, "join", _forget_floor),
    ),
    "floor_reaches_groups": (
        "A complete record ends group memberships.",
        _patched(merging, "join", _floor_on_groups),
    ),
    "floor_spares_fields": (
        "A complete record leaves an old e-mail or name in place.",
        _patched(merging, "join", _complete_reaches_only_attributes),
    ),
    "clear_forgets_its_stamp": (
        "A cleared value comes back.",
        _patched(merging, "join", _forget_clears),
    ),
    "status_overwritten": (
        "Who arrives last decides whether somebody is active.",
        _patched(merging, "join", _last_arrival_decides_status),
    ),
    "equal_stamps_by_arrival": (
        "Of two events of one moment the later arrival wins.",
        _patched(merging, "_join_cells", _equal_times_by_arrival),
    ),
    "complete_wipes_newer_partial": (
        "A complete event wipes what a newer partial one said.",
        _patched(merging, "join", _complete_wipes_all),
    ),
    "lists_united": ("A value taken out of a list never goes.", _patched(merging, "_join_cells", _union_of_lists)),
    "erased_does_not_absorb": (
        "A late event brings the erased back.",
        _patched(merging, "join", _erased_comes_back),
    ),
    "activation_undoes_deletion": (
        "A newer event brings a deleted member back.",
        _patched(Person, "status", property(_activation_undoes_deletion)),
    ),
    "record_activity_ignored": (
        "A record that says inactive deactivates nobody.",
        _patched(merging, "lift", _record_says_nothing_of_activity),
    ),
    "restore_forgets_the_deletion": (
        "A deletion that is told again deletes a restored member again.",
        _patched(merging, "restore", _restore_forgets),
    ),
}


# --- bugs of applying events -----------------------------------------------------------------------------------------
_put_person, _write, _put_action = store.put_person, dynamo.write, dynamo.put_action
_decide, _apply, _settle = deciding.decide, sync._apply_together, event_log.settle_event
_with_slice, _record_from_item = projection.with_slice, store.record_from_item


def _hard_delete(hub_id: str, record: Any, cause: str, at: str) -> dynamo.Action:
    if record.person.status is DirectoryStatus.DELETED:
        return dynamo.delete_action(store.TABLE, store.person_pk(hub_id, record.person_id))
    return _put_person(hub_id, record, cause, at)


def _no_tombstone(known: Any, event: DirectoryEvent, **rest: Any) -> Decision:
    if known.is_new and event.kind is Kind.DELETED:
        return Decision(Outcome(EventState.NO_CHANGE, "unknown", ""))
    return _decide(known, event, **rest)


def _split(actions: Any) -> None:
    for action in actions:
        if action.verb != "ConditionCheck":
            _write([action])


def _marked_first(hub_id: str, tasks: Any, end: float) -> None:
    for task in tasks:
        _settle(hub_id, task.logged.event_id, Outcome(EventState.APPLIED, "", ""), now(), task.logged.round)
    _apply(hub_id, tasks, end)


def _any_round(hub_id: str, event_id: str, outcome: Outcome, at: Any, seen_round: int = 0, **named: Any) -> bool:
    logged = event_log.get_event(hub_id, event_id)
    return _settle(hub_id, event_id, outcome, at, logged.round if logged else seen_round, **named)


def _without_condition(table: str, part: str = "") -> Plant:
    def put(name: str, item: Any, condition: str = "", values: Any = None) -> dynamo.Action:
        if name != table:
            return _put_action(name, item, condition, values)
        if part and part in condition:
            left = {key: value for key, value in (values or {}).items() if f":{key}" not in part}
            return _put_action(name, item, condition.replace(part, ""), left)
        return _put_action(name, item, condition, values) if part else _put_action(name, item)

    return _patched(dynamo, "put_action", put)


class _Same:
    """Equal to everything: nobody notices that rules moved."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


STORE_BUGS: dict[str, Bug] = {
    "hard_delete": Bug(
        "A deleted person comes back by an older event.",
        _patched(store, "put_person", _hard_delete),
        orders_end_alike(_life),
    ),
    "no_tombstone_on_unknown_person": Bug(
        "A deletion that comes before everything else is lost.",
        _patched(sync, "decide", _no_tombstone),
        orders_end_alike(_life),
    ),
    "nobody_is_woken": Bug(
        "An event that waited for an address is never applied.",
        _patched(sync, "decide", lambda *given, **named: replace(_decide(*given, **named), reopen=())),
        orders_end_alike(_handed_on),
    ),
    "split_transaction": Bug(
        "A death between two writes leaves an accepted invitation without a member.",
        _patched(dynamo, "write", _split),
        accepting_is_whole,
    ),
    "marked_before_applied": Bug(
        "A death loses an event for good.",
        _patched(sync, "_apply_together", _marked_first),
        strikes("moved", "kill_before"),
    ),
    "no_revision_check_on_people": Bug(
        "Two workers at one person: one overwrites the other.",
        _without_condition("PEOPLE_TABLE"),
        races("member", "event_office", "event_title"),
    ),
    "no_revision_check_on_members": Bug(
        "An event overwrites an admin's edit.",
        _without_condition("MEMBERS_TABLE"),
        races("member", "event_office", "patch_hobby"),
    ),
    "no_revision_check_on_invitations": Bug(
        "Two answers to one invitation are both taken.",
        _without_condition("INVITATIONS_TABLE"),
        races("invited", "accept", "revoke"),
    ),
    "erased_not_in_the_condition": Bug(
        "A worker that read before an erasure writes the person back.",
        _without_condition("PEOPLE_TABLE", " AND #status <> :erased"),
        tombstone_stays,
    ),
    "round_of_the_event_ignored": Bug(
        "An event that was woken while it was being held stays held.",
        _patched(event_log, "settle_event", _any_round),
        races("member", "event_wants_address", "event_address"),
    ),
    "rules_read_once": Bug(
        "A member keeps what an old mapping table gave.",
        _patched(context, "current_versions", lambda _: _Same()),
        rules_published_meanwhile_count,
    ),
    "member_not_read_after_the_person": Bug(
        "A member keeps what was computed from the person as they were before.",
        _patched(sync, "_is_followed", lambda *_: True),
        recomputed_meanwhile_follows,
    ),
    "write_of_the_member_under_way_ignored": Bug(
        "Of two events the older one's value stays with the member.",
        _patched(store, "record_from_item", lambda item: replace(_record_from_item(item), member_rev=0)),
        races("member", "event_office", "event_back", lambda calls: [calls - 2]),
    ),
    "far_future_accepted": Bug(
        "A wrong clock freezes a person.",
        _patched(sync, "FAR_FUTURE", timedelta(days=100_000)),
        clock_far_ahead_freezes_nobody,
    ),
    "event_overwritten": Bug(
        "Other contents under the id of an event replace it.", _without_condition("EVENTS_TABLE"), one_id_is_one_event
    ),
    "manual_part_overwritten": Bug(
        "Sync takes away what an admin granted.",
        _patched(deciding, "with_slice", lambda member, *rest: replace(_with_slice(member, *rest), manual=Manual())),
        manual_grants_and_the_last_role_stay,
    ),
    "last_role_taken": Bug(
        "A member is left without a role.",
        _patched(deciding, "with_slice", lambda member, *rest: replace(_with_slice(member, *rest), kept_roles=())),
        manual_grants_and_the_last_role_stay,
    ),
    "invitation_of_a_leaver_stays": Bug(
        "Somebody who left can still accept.",
        _patched(deciding, "_invitation", lambda *_, **__: None),
        leaver_is_not_invited,
    ),
}

BUGS = {name: Bug(harm, plant, merge_rules_hold) for name, (harm, plant) in MERGE_BUGS.items()} | STORE_BUGS
