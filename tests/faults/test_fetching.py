"""Looking up whom an event is about: every call to AWS fails or dies once, and the person is there all the same."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from rollcall.people import event_log
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from tests.support.faults import MODES, until_quiet
from tests.support.thin import RECEIVED, person, rest, thin, thin_world

if TYPE_CHECKING:
    from rollcall.people.events import DirectoryEvent
    from tests.support.world import World

SHORT = ("lost_response", "kill_after")


@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=[] if mode in SHORT else [pytest.mark.long]) for mode in MODES]
)
def test_failure_at_any_call_leaves_the_event_to_be_applied(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Whatever call to AWS fails or dies, coming again ends in the same person, and is settled."""
    with thin_world(monkeypatch) as (world, vendor):
        for at in itertools.count(1):
            name, event = f"F-{at}", thin(world, "finch", str(at), f"F-{at}")
            vendor.add_finch(name, f"person.{at}@example.com")
            event_log.record_event(world.hub.hub_id, event, "hash", RECEIVED)
            rest(world, "finch")
            injector = until_quiet(lambda: _apply_in_turn(world, event), at=at, mode=mode)  # noqa: B023 - called at once
            logged = event_log.get_event(world.hub.hub_id, event.event_id)
            assert logged is not None
            assert logged.event is not None
            assert (logged.state, logged.event.look) == (EventState.APPLIED, False)
            assert person(world, "finch", name).text("email") == f"person.{at}@example.com"
            if injector.struck is None and len(injector.calls) < at:
                assert at > 10
                return


def _apply_in_turn(world: World, event: DirectoryEvent) -> None:
    rest(world, "finch")
    apply_event(world.hub.hub_id, event.event_id)
