"""Files that take several runs: the same as in one, whatever the hub does meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollcall.exports import invites, members, people, store, writing
from rollcall.exports.model import Export, Kind, Place, Progress, State, Wanted
from rollcall.exports.run import run_export
from rollcall.files import storage
from rollcall.files.rows import read_rows
from rollcall.files.storage import open_object
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.invitations.left_out import LeftOut, put_action
from rollcall.people.events import Kind as EventKind
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Subject
from rollcall.privacy.purge import run_erasure
from rollcall.runtime import clients, dynamo, lists
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.segments import store as segments
from rollcall.segments.model import Segment
from rollcall.sweeping.run import sweep
from tests.support.world import SOURCE, World

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")
NAMES = [f"person{number}" for number in range(7)]


@pytest.fixture
def world() -> World:
    world = World().build()
    for name in NAMES:
        fields: dict[str, str | None] = {"email": f"{name}@example.com", "first_name": name, "last_name": "Okafor"}
        world.tell(world.event(name, 0, EventKind.ADDED, name, fields=fields, attributes={"Office": "London"}))
    return world


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run take two people, and a part some three."""
    monkeypatch.setattr(writing, "RUN_SECONDS", -1.0)
    for module in (invites, members, people):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(storage, "PART_BYTES", 400)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 400)


def _ask(world: World, kind: Kind = Kind.INVITES, **changed: Any) -> Export:
    values: dict[str, Any] = {
        "export_id": "01JA00000000000000000000X1",
        "hub_id": world.hub.hub_id,
        "kind": kind,
        "requested_by": "admin-1",
        "email": "",
        "permissions": frozenset(Permission),
        "created_at": to_text(now()),
        "source_id": SOURCE if kind is Kind.PEOPLE else "",
    }
    export = Export(**values | changed)
    store.create(export)
    return export


def _now(export: Export) -> Export:
    found = store.get(export.hub_id, export.export_id)
    assert found is not None
    return found


def _run(export: Export, *, meanwhile: Callable[[], object] = lambda: None) -> int:
    """Run until it is done, as the messages of each run to the next make it; return how many runs that took."""
    for run in range(20):
        if run_export(export.hub_id, export.export_id, 0) is not State.RUNNING:
            return run + 1
        if run == 1:
            meanwhile()
    raise AssertionError


def _text(export: Export) -> str:
    done = _now(export)
    assert done.state is State.DONE
    assert done.progress == Progress()
    with open_object(env("FILES_BUCKET"), done.file_key) as stream:
        return stream.read().decode("utf-8-sig")


def _forget(export: Export) -> None:
    dynamo.write([dynamo.delete_action(store.TABLE, store.pk(export.hub_id, export.export_id))])


@pytest.mark.parametrize("kind", [Kind.INVITES, Kind.MEMBERS, Kind.PEOPLE])
def test_file_of_several_runs_is_that_of_one(world: World, request: pytest.FixtureRequest, kind: Kind) -> None:
    """Byte for byte; those who were left out of an earlier file come last there too."""
    if kind is Kind.MEMBERS:
        for name in NAMES:
            world.enrol(name, ("mentor",))
    for name in NAMES[2:4]:
        dynamo.write([put_action(world.hub.hub_id, LeftOut(world.person_id(name), to_text(now()), "admin-1"))])
    whole = _ask(world, kind, include_declined=True)
    assert _run(whole) == 1
    text = _text(whole)
    assert text.count("\r\n") == len(NAMES) + 1
    _forget(whole)
    request.getfixturevalue("small")
    export = _ask(world, kind, include_declined=True)
    assert _run(export) >= 4
    assert _text(export) == text


def test_file_without_rows_for_many_people_goes_on_all_the_same(
    world: World, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is passed over counts for the time too: a search for few among many does not begin again for ever."""
    monkeypatch.setattr(invites, "PASSED", 2)
    export = _ask(world, wanted=Wanted({"Office": ("Lima",)}))
    assert _run(export) == 5
    assert _text(export).count("\r\n") == 1


def test_segment_that_comes_between_two_runs_lets_the_file_begin_anew(world: World, small: None) -> None:
    """No row stands under a header that it does not fit, and nothing of the first try is left open."""
    export = _ask(world)

    def add() -> None:
        assert _now(export).progress.place != Place()
        segments.change_catalogue(world.hub.hub_id, 1, (), [Segment("team", "Team", order=9)])

    _run(export, meanwhile=add)
    header, *rows = _text(export).splitlines()
    assert "Team" in header
    assert {row.count(",") for row in rows} == {header.count(",")}
    assert len(rows) == len(NAMES)
    assert "Uploads" not in clients.s3().list_multipart_uploads(Bucket=env("FILES_BUCKET"))


def test_whoever_is_erased_between_two_runs_is_not_among_the_rows_that_were_put_aside(
    world: World, small: None
) -> None:
    """The rest is a file of its own, from which the erasure takes the row; the header of it stays as it was."""
    export = _ask(world)
    assert run_export(export.hub_id, export.export_id) is State.RUNNING
    rest = _now(export).progress.rest_key
    with open_object(env("FILES_BUCKET"), rest) as stream:
        assert [row.cells["first_name"] for row in read_rows(stream)] == NAMES[:2]
    key = context.load(world.hub.hub_id).key
    subject = Subject({world.person_id(NAMES[1]): SOURCE})
    erase(world.hub.hub_id, key, "e" * 32, subject, cause=Cause.REQUEST)
    run_erasure(world.hub.hub_id, "e" * 32)
    _run(export)
    found = _text(export)
    assert NAMES[1] not in found
    assert [line.split(",")[1] for line in found.splitlines()] == ["first_name", NAMES[0], *NAMES[2:]]


def test_long_row_of_runs_is_taken_up_by_the_sweeper(
    world: World, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function does not wake itself for ever: the last run of a row leaves the export to the next sweep."""
    monkeypatch.setattr(writing, "RUNS_IN_A_ROW", 2)
    export = _ask(world)
    hub_id, export_id = export.hub_id, export.export_id
    queue: dict[str, Any] = {"QueueUrl": env("EXPORTS_QUEUE_URL"), "WaitTimeSeconds": 0}
    run_export(hub_id, export_id)
    (message,) = clients.sqs().receive_message(**queue)["Messages"]
    assert message["Body"] == f'{{"hub_id":"{hub_id}","export_id":"{export_id}","run":1}}'
    clients.sqs().delete_message(QueueUrl=queue["QueueUrl"], ReceiptHandle=message["ReceiptHandle"])
    run_export(hub_id, export_id, 1)
    assert "Messages" not in clients.sqs().receive_message(**queue)
    sweep()
    (message,) = clients.sqs().receive_message(**queue)["Messages"]
    assert message["Body"] == f'{{"hub_id":"{hub_id}","export_id":"{export_id}"}}'
    _run(export)
    assert _text(export).count("\r\n") == len(NAMES) + 1


def test_whole_list_of_a_hub_comes_in_its_order_from_any_place_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all shards, page by page, as the index sorts them; behind a place nothing comes twice or is missed."""
    monkeypatch.setattr(lists, "PAGE", 2)
    found = [item["by_name_sk"] for item in lists.every("PEOPLE_TABLE", world.hub.hub_id, "by_name", whole=True)]
    assert found == sorted(found)
    assert len(found) == len(NAMES)
    for number, place in enumerate(found):
        rest = lists.every("PEOPLE_TABLE", world.hub.hub_id, "by_name", after=place, whole=True)
        assert [item["by_name_sk"] for item in rest] == found[number + 1 :]
    assert list(lists.every("PEOPLE_TABLE", new_id(), "by_name")) == []


def test_overtaken_run_writes_nothing_more(world: World) -> None:
    """Of two runs only the later one notes how far it is, and only that one ends the export."""
    first = store.start(_ask(world), now())
    assert first is not None
    second = store.start(first, now())
    assert second is not None
    with pytest.raises(store.OvertakenError):
        store.checkpoint(first, Progress(rows=3), now())
    assert not store.fail(first, "hub_gone", to_text(now()))
    assert not store.finish(first, "key", 3, to_text(now()), [])
    assert store.checkpoint(second, Progress(rows=4), now()).rows == 4
    assert store.finish(second, "key", 4, to_text(now()), [])
    assert _now(first).rows == 4
