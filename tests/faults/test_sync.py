"""A failure or a death at every AWS call of applying an event: nothing lost, nothing doubled."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.people import event_log
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.runtime import dynamo
from rollcall.runtime.times import to_text
from tests.support.aws import empty, make_cold
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import T0, World

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")

MAYA = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}


def _first_event(world: World) -> DirectoryEvent:
    return world.event("one", 0, Kind.ADDED, fields=MAYA, attributes={"Office": "London", "Grade": "Senior"})


def _known_person(world: World) -> None:
    world.tell(_first_event(world))


def _member(world: World) -> None:
    _known_person(world)
    world.enrol()


def _invited(world: World) -> None:
    _known_person(world)
    invitation = Invitation(
        address_id=world.address_id("maya@example.com"),
        epoch=1,
        status=InvitationStatus.SENT,
        email="maya@example.com",
        created_at=to_text(T0),
        expires_at=to_text(T0 + timedelta(days=14)),
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])


SCENARIOS: dict[str, tuple[Callable[[World], None], Callable[[World], DirectoryEvent]]] = {
    "added": (lambda _: None, _first_event),
    "moved": (_member, lambda world: world.event("two", 5, attributes={"Office": "Toronto"})),
    "new_address": (_member, lambda world: world.event("two", 5, fields={"email": "maya.o@example.com"})),
    "left": (_invited, lambda world: world.event("two", 5, Kind.DEACTIVATED)),
    "deleted": (_member, lambda world: world.event("two", 5, Kind.DELETED)),
}


def _outcome(name: str, at: int, mode: str) -> tuple[dict[str, Any], int, list[str]]:
    """Run a scenario with one fault; return the final state, the number of settled events, and the calls made."""
    prepare, make = SCENARIOS[name]
    empty()
    world = World().build()
    prepare(world)
    event = make(world)
    world.record(event)
    make_cold()
    injector = until_quiet(lambda: _work(world, event), at=at, mode=mode)
    logged = event_log.get_event(world.hub.hub_id, event.event_id)
    assert logged is not None
    return world.state(), int(logged.state is EventState.APPLIED), injector.calls


def test_outcome_is_that_of_the_first_write_though_the_second_had_to_be_tried_again() -> None:
    """The person is written, the member's write is throttled: the event still says that the person changed."""
    _, _, calls = _outcome("moved", 0, "")
    prepare, make = SCENARIOS["moved"]
    empty()
    world = World().build()
    prepare(world)
    event = make(world)
    world.record(event)
    member_write = [number for number, name in enumerate(calls, start=1) if name == "PutItem"][1]
    make_cold()
    with injected(member_write, "throttle") as injector:
        outcome = apply_event(world.hub.hub_id, event.event_id)
    assert len(injector.calls) > len(calls)
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (EventState.APPLIED, "person_changed")


def _work(world: World, event: DirectoryEvent) -> None:
    apply_event(world.hub.hub_id, event.event_id)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_fault_at_every_call_ends_as_without(name: str) -> None:
    """Whatever call fails or dies, after redelivery the tables are the same and the event is settled once."""
    strike_every_call(name, ("lost_response", "throttle", "kill_after"))


@pytest.mark.long
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_fault_of_every_mode_at_every_call_ends_as_without(name: str, figure: Callable[[str], None]) -> None:
    """The same with all seven modes."""
    figure(strike_every_call(name, MODES))


def strike_every_call(name: str, modes: tuple[str, ...]) -> str:
    """Strike every AWS call of a scenario in every mode; returns a sentence that says how many."""
    expected, settled, calls = _outcome(name, 0, "")
    assert settled == 1
    assert len(calls) >= 6
    runs = 0
    for at in range(1, len(calls) + 1):
        for mode in modes:
            state, settled, _ = _outcome(name, at, mode)
            assert settled == 1, f"{mode} at call {at} ({calls[at - 1]})"
            assert state == expected, f"{mode} at call {at} ({calls[at - 1]})"
            runs += 1
    return f"faults, {name}: {len(calls)} AWS calls, {runs} runs"
