"""The list of people holds keys alone: whoever changes while it is read neither moves in it nor ends it."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from rollcall.hubs import context
from rollcall.people import store
from rollcall.people.events import Kind
from rollcall.privacy import mentions
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Subject
from rollcall.privacy.purge import run_erasure
from rollcall.runtime.ids import shard_of
from tests.support.admin import call, claims_of
from tests.support.listed import BOSS, NAMES, add, delete, rename
from tests.support.meanwhile import meanwhile as let_happen
from tests.support.world import SOURCE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rollcall.people.model import PersonRecord

    Meanwhile = Callable[[str, Callable[[], None]], None]

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def world() -> World:
    world = World().build()
    for name in NAMES:
        add(world, name)
    return world


@pytest.fixture
def meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Let something happen once: after somebody was found in the list, and before they are read themselves."""

    def prepare(name: str, happens: Callable[[], None]) -> None:
        let_happen(monkeypatch, store.person_pk(world.hub.hub_id, world.person_id(name)), happens)

    return prepare


def _names(records: Iterable[tuple[str, PersonRecord]]) -> list[str]:
    return [record.person.text("last_name") for _, record in records]


def test_somebody_renamed_meanwhile_is_shown_so_in_their_old_place(world: World, meanwhile: Meanwhile) -> None:
    """Order and places are those of the list, so that a file goes on behind the right one."""
    hub_id = world.hub.hub_id
    places = [place for place, _ in store.persons_after(hub_id)]
    meanwhile("Ada", lambda: rename(world, "Ada", "Zed"))
    found = list(store.persons_after(hub_id))
    assert _names(found) == ["Zed", "Ben", "Cid", "Dot"]
    assert [place for place, _ in found] == places
    assert _names(store.persons_after(hub_id)) == ["Ben", "Cid", "Dot", "Zed"]


def test_page_goes_on_behind_the_place_of_somebody_renamed_meanwhile(world: World, meanwhile: Meanwhile) -> None:
    """The cursor is of the list: the next page begins with who comes next there."""
    hub_id = world.hub.hub_id
    meanwhile("Ben", lambda: rename(world, "Ben", "Zed"))
    first, cursor = store.list_persons(hub_id, limit=2)
    assert _names(first) == ["Ada", "Zed"]
    assert cursor == first[-1][0]
    rest, end = store.list_persons(hub_id, limit=5, cursor=cursor or "")
    assert (_names(rest), end) == (["Cid", "Dot", "Zed"], None)


def test_search_shows_somebody_renamed_meanwhile_and_goes_on(world: World, meanwhile: Meanwhile) -> None:
    """Who is found by their old name does not end the search for all others."""
    add(world, "Benson")
    meanwhile("Ben", lambda: rename(world, "Ben", "Zed"))
    path = f"/hubs/{world.hub.hub_id}/people"
    found = call("GET", path, claims_of(f"{world.hub.hub_id}:admin"), query={"q": "ben"}).json
    assert [person["last_name"] for person in found["items"]] == ["Zed", "Benson"]


def test_page_of_people_who_went_meanwhile_does_not_end_the_list(world: World, meanwhile: Meanwhile) -> None:
    """They are not shown, and the cursor leads behind them."""
    hub_id = world.hub.hub_id
    meanwhile("Ada", lambda: delete(world, "Ada"))
    first, cursor = store.list_persons(hub_id, limit=1)
    assert first == []
    assert cursor
    assert _names(store.list_persons(hub_id, limit=5, cursor=cursor)[0]) == ["Ben", "Cid", "Dot"]


def test_mentions_go_too_where_a_whole_page_of_the_list_went_meanwhile(
    world: World, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure reads on behind people who were deleted while it read."""
    monkeypatch.setattr(mentions, "PAGE", 1)
    world.tell(world.event("boss", 0, Kind.ADDED, "B-1", fields={"email": BOSS, "last_name": "Boss"}))
    names = (f"E{number:03d}" for number in count())
    first, last = islice((name for name in names if shard_of(world.person_id(name)) == 0), 2)
    for name in (first, last):
        add(world, name, attributes={"Manager": BOSS})
    hub_id = world.hub.hub_id
    erase(hub_id, context.load(hub_id).key, "e" * 32, Subject({world.person_id("B-1"): SOURCE}), cause=Cause.REQUEST)
    meanwhile(first, lambda: delete(world, first))
    run_erasure(hub_id, "e" * 32)
    record = store.get_person(hub_id, world.person_id(last))
    assert record is not None
    assert BOSS not in repr(record.person.attributes["Manager"].value)
