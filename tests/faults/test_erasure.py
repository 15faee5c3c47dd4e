"""A failure or a death at every AWS call of an erasure and of a restore: all of it, or all of it later."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import context
from rollcall.people.events import Kind
from rollcall.privacy import store as erasures
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Subject
from rollcall.privacy.purge import run_erasure
from rollcall.privacy.restore import restore_member
from rollcall.runtime.errors import RefusedError
from rollcall.sweeping.run import sweep
from tests.support.aws import stack
from tests.support.faults import MODES, until_quiet
from tests.support.world import World, everything

if TYPE_CHECKING:
    from collections.abc import Callable

_HUB = World().hub
_ID = "e" * 32
MAYA = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}


def _world() -> tuple[World, str]:
    world = World(hub=_HUB).build()
    world.tell(world.event("one", 0, Kind.ADDED, fields=MAYA, attributes={"Office": "London"}))
    return world, world.enrol()


def _commit(world: World, member_id: str) -> None:
    key = context.load(world.hub.hub_id).key
    erase(world.hub.hub_id, key, _ID, Subject(members=frozenset([member_id])), cause=Cause.REQUEST)


def _pass(world: World, _: str) -> None:
    run_erasure(world.hub.hub_id, _ID)


def _restore(world: World, member_id: str) -> None:
    with suppress(RefusedError):  # done by the first try, whose answer was lost
        restore_member(world.hub.hub_id, member_id, "ada")


def _erased(world: World) -> dict[str, Any]:
    erasure = erasures.get(world.hub.hub_id, _ID)
    assert erasure is not None
    events = [(item["state"], "event" in item) for item in everything("EVENTS_TABLE")]
    return world.state() | {"counts": erasure.counts(), "subject": erasure.subject, "events": events}


def _restored(world: World) -> dict[str, Any]:
    """Return the state without the moment of the restore."""
    items = world.state().items()
    return {key: {name: value for name, value in item.items() if name != "restored"} for key, item in items}


def _run(name: str, at: int, mode: str) -> tuple[dict[str, Any], list[str]]:
    with stack():
        world, member_id = _world()
        if name == "restore":
            world.tell(world.event("gone", 5, Kind.DELETED))
        if name == "pass":
            _commit(world, member_id)
        work: Callable[[World, str], None] = {"commit": _commit, "pass": _pass, "restore": _restore}[name]
        injector = until_quiet(lambda: work(world, member_id), at=at, mode=mode)
        return _restored(world) if name == "restore" else _erased(world), injector.calls


def _strike(name: str, modes: tuple[str, ...], every: int = 1) -> None:
    expected, calls = _run(name, 0, "")
    assert len(calls) >= 7
    for at in range(1, len(calls) + 1, every):
        for mode in modes:
            state, _ = _run(name, at, mode)
            assert state == expected, f"{mode} at call {at} ({calls[at - 1]})"


def test_fault_at_every_third_call_of_the_commit_ends_as_without() -> None:
    """Ledger, tombstones and job: none without the others in the end, and the receipt counts nothing twice."""
    _strike("commit", ("kill_after",), 3)


@pytest.mark.long
@pytest.mark.parametrize("name", ["commit", "pass", "restore"])
def test_fault_of_every_mode_at_every_call_ends_as_without(name: str) -> None:
    """The same at every call with all seven modes, for the commit, a pass and a restore."""
    _strike(name, MODES)


def test_pass_that_died_is_woken_by_the_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but time is needed for an erasure whose worker is gone."""
    from rollcall.runtime.times import now
    from rollcall.sweeping import run

    with stack():
        world, member_id = _world()
        _commit(world, member_id)
        later = now() + timedelta(minutes=1)
        monkeypatch.setattr(run, "now", lambda: later)
        assert sweep()["erasures"] == 1
        assert sweep()["erasures"] == 0
