"""The list of members holds keys and who knows them: what is shown of it is read itself, and is as it is now."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.guard import store as guard
from rollcall.hubs import context
from rollcall.members import store
from rollcall.members.model import Manual, Status
from rollcall.members.projection import single_valued, view
from rollcall.members.usage import count_usage
from rollcall.people.events import Kind
from rollcall.privacy import mentions
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Subject
from rollcall.privacy.purge import run_erasure
from rollcall.runtime import clients, dynamo, lists
from rollcall.runtime.ids import SHARDS, shard_of
from tests.support.admin import call, claims_of
from tests.support.aws import _tables
from tests.support.listed import BOSS, NAMES, add, delete, rename
from tests.support.meanwhile import meanwhile as let_happen
from tests.support.units import counted
from tests.support.world import SOURCE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rollcall.members.model import Member

    Meanwhile = Callable[[str, Callable[[], None]], None]

pytestmark = pytest.mark.usefixtures("aws")
OTHER = "01" + "Z" * 24


@pytest.fixture
def world() -> World:
    world = World().build()
    for name in NAMES:
        _add(world, name)
    return world


def _add(world: World, name: str, **said: Any) -> str:
    add(world, name, **said)
    return world.enrol(name, roles=("mentee",))


def _member_id(world: World, name: str) -> str:
    return world.key.member_id(world.address_id(f"{name.lower()}@example.com"), 1)


def _member(world: World, name: str) -> Member:
    found = store.get_member(world.hub.hub_id, _member_id(world, name))
    assert found is not None
    return found


def _write(world: World, member: Member) -> None:
    ctx = context.load(world.hub.hub_id)
    shown = view(member, ctx.hub, single_valued(ctx.catalogue))
    dynamo.write([store.put_member(world.hub.hub_id, member, shown)])


@pytest.fixture
def meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Let something happen once: after a member was found in the list, and before they are read themselves."""

    def prepare(name: str, happens: Callable[[], None]) -> None:
        let_happen(monkeypatch, store.pk(world.hub.hub_id, _member_id(world, name)), happens)

    return prepare


def _names(found: Iterable[Member]) -> list[str]:
    return [next(iter(member.slices.values())).last_name for member in found]


def test_page_goes_on_behind_the_place_of_a_member_renamed_meanwhile(world: World, meanwhile: Meanwhile) -> None:
    """They are shown under their new name in their old place; the next page begins with who comes next there."""
    hub_id = world.hub.hub_id
    meanwhile("Ben", lambda: rename(world, "Ben", "Zed"))
    first, cursor = store.list_members(hub_id, limit=2)
    assert _names(member for _, member in first) == ["Ada", "Zed"]
    assert cursor == first[-1][0]
    rest, end = store.list_members(hub_id, limit=5, cursor=cursor or "")
    assert (_names(member for _, member in rest), end) == (["Cid", "Dot", "Zed"], None)


def test_search_shows_a_member_renamed_meanwhile_and_goes_on(world: World, meanwhile: Meanwhile) -> None:
    """Who is found by their old name does not end the search for all others; nobody else is found."""
    _add(world, "Benson")
    meanwhile("Ben", lambda: rename(world, "Ben", "Zed"))
    path = f"/hubs/{world.hub.hub_id}/members"
    found = call("GET", path, claims_of(f"{world.hub.hub_id}:admin"), query={"q": "ben"}).json
    assert [member["last_name"] for member in found["items"]] == ["Zed", "Benson"]
    assert found["next_cursor"] is None


def test_search_ends_where_other_names_begin(world: World) -> None:
    """However many members come behind them."""
    world.populate(30)
    path = f"/hubs/{world.hub.hub_id}/members"
    with counted() as units:
        found = call("GET", path, claims_of(f"{world.hub.hub_id}:admin"), query={"q": "dot", "limit": "2"}).json
    assert ([member["last_name"] for member in found["items"]], found["next_cursor"]) == (["Dot"], None)
    assert units.calls["Query"] < 2 * SHARDS


def test_member_deleted_meanwhile_is_on_no_page_and_ends_none(world: World, meanwhile: Meanwhile) -> None:
    """The page is empty, and the cursor leads behind them."""
    hub_id = world.hub.hub_id
    meanwhile("Ada", lambda: delete(world, "Ada"))
    first, cursor = store.list_members(hub_id, limit=1)
    assert first == []
    assert cursor
    assert _names(member for _, member in store.list_members(hub_id, limit=5, cursor=cursor)[0]) == [
        "Ben",
        "Cid",
        "Dot",
    ]


def test_member_restored_meanwhile_is_not_shown_as_deleted(world: World, meanwhile: Meanwhile) -> None:
    """Deleted members are a list of their own: who has left it is not on it."""
    for name in ("Ada", "Ben"):
        delete(world, name)
    meanwhile("Ada", lambda: _write(world, replace(_member(world, "Ada"), slices={}, manual=Manual(first_name="Ada"))))
    path = f"/hubs/{world.hub.hub_id}/members"
    found = call("GET", path, claims_of(f"{world.hub.hub_id}:privacy"), query={"status": "deleted"}).json
    assert [member["last_name"] for member in found["items"]] == ["Ben"]


@pytest.mark.parametrize("read", [store.all_members, store.members_by_name])
def test_whoever_goes_through_all_members_meets_each_once_as_they_are_now(
    world: World, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch, read: Callable[[str], Iterable[Member]]
) -> None:
    """In batches, some side by side; who was deleted just now is left out, who was renamed is not."""
    monkeypatch.setattr(lists, "BATCH", 2)
    monkeypatch.setattr(lists, "PAGE", 1)
    many = world.populate(20)
    rename(world, "Dot", "Zed")
    meanwhile("Cid", lambda: delete(world, "Cid"))
    found = list(read(world.hub.hub_id))
    assert sorted(_names(found)) == ["Ada", "Ben", *["Okafor"] * len(many), "Zed"]
    assert {member.member_id for member in found} == {
        *many,
        *(_member_id(world, name) for name in ("Ada", "Ben", "Dot")),
    }
    by_shard = [shard_of(member.member_id) for member in found]
    assert _names(found) == sorted(_names(found)) or by_shard == sorted(by_shard)


def test_reading_goes_on_behind_the_last_member_of_another_run(world: World) -> None:
    """Whoever is named as the last one divides those who were read from those who are not yet."""
    world.populate(20)
    found = [member.member_id for member in store.all_members(world.hub.hub_id)]
    for last in (found[0], found[11], found[-1]):
        rest = [member.member_id for member in store.all_members(world.hub.hub_id, last)]
        assert rest == found[found.index(last) + 1 :]


def test_usage_counts_everybody_once_side_by_side(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches it takes; deleted members do not count."""
    monkeypatch.setattr(lists, "BATCH", 7)
    monkeypatch.setattr(lists, "PAGE", 3)
    world.populate(60, Office="London")
    delete(world, "Ada")
    usage = count_usage(world.hub.hub_id)
    assert (usage.members, usage.roles["mentee"], usage.options["location", "london"]) == (63, 3, 60)
    assert (usage.filled["location"], usage.several["location"]) == (60, 0)


def test_guard_counts_whom_a_source_knows_without_reading_a_member(world: World, figure: Callable[[str], None]) -> None:
    """It asks the list alone, for what the list holds of each: events wait for it."""
    world.populate(100)
    delete(world, "Ada")
    ben = _member(world, "Ben")
    (part,) = ben.slices.values()
    _write(world, replace(ben, slices={**ben.slices, OTHER: replace(part, source_id=OTHER)}))
    _write(world, replace(_member(world, "Cid"), slices={}))
    hub_id, at = world.hub.hub_id, datetime.now(UTC)
    with counted() as units:
        found = [guard.count_members(hub_id, source_id, at) for source_id in (world.source_id, OTHER)]
    assert [(one.known, one.members) for one in found] == [(102, 103), (1, 103)]
    assert units.calls == {"Query": 2 * SHARDS}
    figure(f"requests: the guard counts 103 members with {units.read_units / 2:g} read units")
    assert units.read_units <= 2 * SHARDS


def test_guard_counts_on_where_a_shard_has_several_pages(world: World) -> None:
    """AWS ends a page after one MB; here, after one member."""

    def cut(params: dict[str, Any], **_: Any) -> None:
        params["body"] = json.dumps({**json.loads(params["body"]), "Limit": 1}).encode()

    world.populate(40)
    clients.dynamodb().meta.events.register("before-call.dynamodb.Query", cut)
    assert store.count_known(world.hub.hub_id, world.source_id) == (44, 44)


def test_same_sources_in_another_order_do_not_write_the_list(world: World) -> None:
    """An event that only moves a member costs no entry, whichever source came first."""
    ben = _member(world, "Ben")
    (part,) = ben.slices.values()
    both = {world.source_id: part, OTHER: replace(part, source_id=OTHER)}
    _write(world, replace(ben, slices=both))
    turned = replace(_member(world, "Ben"), slices=dict(reversed(both.items())), manual=Manual(profile={"Note": "x"}))
    with counted() as units:
        _write(world, turned)
    assert set(units.written) == {"Members"}


def test_guard_asks_of_the_list_nothing_that_it_does_not_hold(world: World) -> None:
    """AWS takes what an index lacks as missing; moto and the local stack look at the whole item."""
    asked: list[dict[str, Any]] = []
    clients.dynamodb().meta.events.register(
        "before-call.dynamodb.Query", lambda params, **_: asked.append(json.loads(params["body"]))
    )
    store.count_known(world.hub.hub_id, world.source_id)
    (index,) = _tables()["MembersTable"]["GlobalSecondaryIndexes"]
    assert len(asked) == SHARDS
    named = {name for one in asked for name in re.findall(r"#(\w+)", one["FilterExpression"])}
    assert named == set(index["Projection"]["NonKeyAttributes"])


def test_mentions_go_too_where_a_whole_page_of_members_went_meanwhile(
    world: World, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure reads on behind members who were deleted while it read."""
    monkeypatch.setattr(mentions, "PAGE", 1)
    world.tell(world.event("boss", 0, Kind.ADDED, "B-1", fields={"email": BOSS, "last_name": "Boss"}))
    shards: dict[int, str] = {}
    for name in (f"E{number:03d}" for number in count()):
        shard = shard_of(_member_id(world, name))
        if shard in shards:
            first, last = shards[shard], name
            break
        shards[shard] = name
    for name in (first, last):
        _add(world, name)
    noted = _member(world, last)
    _write(world, replace(noted, manual=replace(noted.manual, profile={"Sponsor": BOSS})))
    hub_id = world.hub.hub_id
    erase(hub_id, context.load(hub_id).key, "e" * 32, Subject({world.person_id("B-1"): SOURCE}), cause=Cause.REQUEST)
    meanwhile(first, lambda: delete(world, first))
    run_erasure(hub_id, "e" * 32)
    assert world.shown(_member_id(world, first))["status"] == Status.DELETED
    assert _member(world, last).manual.profile == {}
