"""The activity, from stream records to lists."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.activity import store
from rollcall.activity.model import Activity, Kind
from rollcall.runtime import dynamo
from tests.support.faults import injected
from tests.support.world import World, everything

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.usefixtures("aws")

HUB = "0" * 26
APP = Path(__file__).parents[2] / "functions" / "record_activity" / "app.py"


def _entry(number: int, subject: str = "a" * 32, cause: str = "event:1", kind: Kind = Kind.NAME_CHANGED) -> Activity:
    return Activity(
        hub_id=HUB,
        subject=subject,
        activity_id=f"{number:032x}",
        kind=kind,
        field="first_name",
        old="Maya",
        new="Mia",
        cause=cause,
        actor="admin-1",
        at=f"2026-10-05T08:00:{number:02d}.000Z",
    )


def _numbers(entries: list[Activity]) -> list[int]:
    return [int(entry.activity_id, 16) for entry in entries]


def _app() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_activity_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _record(number: int, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    images = {name: dynamo.to_item(item) for name, item in (("OldImage", old), ("NewImage", new)) if item}
    return {"eventID": f"change{number}", "dynamodb": {"SequenceNumber": str(100 + number), **images}}


def test_timeline_is_newest_first_page_by_page() -> None:
    """A member's timeline comes back whole over its pages, newest first, without entries of others."""
    store.put_entries([_entry(n) for n in range(5)] + [_entry(9, "b" * 32)])
    found, cursor = store.list_for(HUB, "a" * 32, limit=3)
    rest, end = store.list_for(HUB, "a" * 32, limit=3, cursor=cursor or "")
    assert (_numbers(found), _numbers(rest), end) == ([4, 3, 2], [1, 0], None)
    assert found[0] == _entry(4)


def test_hub_list_mixes_subjects_by_time_and_filters() -> None:
    """The hub's list holds all subjects in order of time, and only the kind and time asked for."""
    store.put_entries(
        [_entry(n, f"{n:032x}", kind=Kind.ROLES_CHANGED if n % 2 else Kind.NAME_CHANGED) for n in range(20)]
    )
    assert _numbers(store.list_for_hub(HUB, limit=50)[0]) == list(range(19, -1, -1))
    assert _numbers(store.list_for_hub(HUB, limit=50, kind=Kind.ROLES_CHANGED)[0]) == list(range(19, 0, -2))
    assert _numbers(store.list_for_hub(HUB, limit=50, since="2026-10-05T08:00:17.000Z")[0]) == [19, 18, 17]
    assert store.list_for_hub("1" * 26, limit=50) == ([], None)


def test_time_between_lists_what_happened_then() -> None:
    """From one time to another, both included, the oldest first, and of this subject only."""
    store.put_entries([*(_entry(n) for n in range(5)), _entry(2, "b" * 32)])
    found = store.between(HUB, "a" * 32, "2026-10-05T08:00:01.000Z", "2026-10-05T08:00:03.000Z")
    assert _numbers(list(found)) == [1, 2, 3]


def test_stream_of_real_writes_becomes_activity_once() -> None:
    """What the stores write is understood as it is, and a batch that comes twice is stored once."""
    world = World().build()
    states: dict[str, list[dict[str, Any]]] = {}

    def note() -> None:
        for table in ("PEOPLE_TABLE", "MEMBERS_TABLE"):
            for item in everything(table):
                versions = states.setdefault(item["pk"], [])
                if item not in versions:
                    versions.append(item)

    said: dict[str, Any] = {"fields": {"email": "maya@example.com"}, "attributes": {"Office": "London"}}
    world.tell(world.event("1", 0, **said))
    note()
    member_id = world.enrol()
    note()
    world.tell(world.event("2", 1, attributes={"Office": "Toronto"}))
    note()
    pairs = [pair for items in states.values() for pair in zip([None, *items], items, strict=False)]
    batch = {"Records": [_record(number, *pair) for number, pair in enumerate(pairs)]}
    app = _app()
    assert app.handler(batch, None) == {"batchItemFailures": []}
    once = everything("ACTIVITY_TABLE")
    app.handler(batch, None)
    assert sorted(everything("ACTIVITY_TABLE"), key=repr) == sorted(once, key=repr)
    member = [(entry.kind, entry.field) for entry in store.list_for(world.hub.hub_id, member_id, limit=50)[0]]
    assert sorted(member) == [(Kind.MEMBER_CREATED, "member"), (Kind.SEGMENTS_CHANGED, "segment:location")]
    person = store.list_for(world.hub.hub_id, world.person_id(), limit=50)[0]
    assert {(entry.field, entry.new) for entry in person if entry.kind is Kind.PERSON_ATTRIBUTE_CHANGED} == {
        ("attribute:Office", "Toronto")
    }


def test_failing_record_is_reported_and_the_rest_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    """The stream goes on from the first record that failed; its values are not logged."""
    good = {
        "pk": f"{HUB}#M#{'a' * 32}",
        "sk": "-",
        "cause": "admin",
        "actor": "x",
        "changed_at": "2026-10-05T08:00:00.000Z",
        "shown": {"status": "active"},
    }
    bad = {"pk": f"{HUB}#M#{'b' * 32}", "shown": {"email": "canary@example.com"}}
    batch = {"Records": [_record(n, None, item) for n, item in enumerate([good, bad, good])]}
    assert _app().handler(batch, None) == {"batchItemFailures": [{"itemIdentifier": "101"}]}
    assert len(everything("ACTIVITY_TABLE")) == 1
    logged = str([record.__dict__ for record in caplog.records])
    assert "record_failed" in logged
    assert "canary" not in logged


def test_aws_failure_is_reported_for_the_record_it_hit() -> None:
    """A throttled put makes the stream come again from that record."""
    good = {
        "pk": f"{HUB}#M#{'a' * 32}",
        "sk": "-",
        "cause": "admin",
        "actor": "x",
        "changed_at": "2026-10-05T08:00:00.000Z",
        "shown": {"status": "active"},
    }
    batch = {"Records": [_record(n, None, good) for n in range(3)]}
    with injected(2, "throttle"):
        assert _app().handler(batch, None) == {"batchItemFailures": [{"itemIdentifier": "101"}]}
    assert _app().handler(batch, None) == {"batchItemFailures": []}
    assert len(everything("ACTIVITY_TABLE")) == 3
