"""An export that takes several runs, while AWS fails, the process dies, or another worker takes over, at every call."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend

from rollcall.exports import invites, store, writing
from rollcall.exports.model import Export, Kind, State
from rollcall.exports.run import mail_id, run_export
from rollcall.files import storage
from rollcall.files.rows import read_rows
from rollcall.files.storage import open_object
from rollcall.hubs.model import Permission
from rollcall.mail import store as mails
from rollcall.people.events import Kind as EventKind
from rollcall.runtime import clients
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import World, everything

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("aws", "small")
NAMES = [f"person{number}" for number in range(7)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run take two people, and a part some three: seven people take four runs, some with a rest."""
    monkeypatch.setattr(writing, "RUN_SECONDS", -1.0)
    monkeypatch.setattr(invites, "BATCH", 2)
    monkeypatch.setattr(storage, "PART_BYTES", 400)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 400)
    monkeypatch.setattr("time.sleep", lambda _: None)
    put_part = S3Backend.upload_part

    def upload_part(self: Any, bucket_name: str, multipart_id: str, *given: Any, **named: Any) -> Any:
        if multipart_id not in self.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=multipart_id)  # as S3 answers; moto itself breaks here
        return put_part(self, bucket_name, multipart_id, *given, **named)

    monkeypatch.setattr(S3Backend, "upload_part", upload_part)


def _world() -> World:
    world = World().build()
    for name in NAMES:
        fields: dict[str, str | None] = {"email": f"{name}@example.com", "first_name": name, "last_name": "Okafor"}
        world.tell(world.event(name, 0, EventKind.ADDED, name, fields=fields, attributes={"Office": "London"}))
    return world


def _ask(world: World, **changed: Any) -> Export:
    values: dict[str, Any] = {
        "export_id": new_id(),
        "hub_id": world.hub.hub_id,
        "kind": Kind.INVITES,
        "requested_by": "admin-1",
        "email": "ana@example.com",
        "permissions": frozenset(Permission),
        "created_at": to_text(now()),
    }
    export = Export(**values | changed)
    store.create(export)
    return export


def _messages() -> Iterator[dict[str, Any]]:
    """Yield the pointers of the exports queue, received and deleted."""
    while True:
        url = env("EXPORTS_QUEUE_URL")
        found = clients.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", [])
        if not found:
            return
        clients.sqs().delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
        yield json.loads(found[0]["Body"])


def _work(export: Export) -> None:
    """Do what the first message, and those that each run sends to the next, make the function do."""
    run_export(export.hub_id, export.export_id)
    for pointer in _messages():
        run_export(pointer["hub_id"], pointer["export_id"], pointer["run"])


def _check(export: Export, where: str) -> None:
    """Everybody is in the file once, the rows are counted right, there is one mail, and no upload is left open."""
    done = store.get(export.hub_id, export.export_id)
    assert done is not None
    assert (done.state, done.rows) == (State.DONE, len(NAMES)), where
    with open_object(env("FILES_BUCKET"), done.file_key) as stream:
        rows = list(read_rows(stream))
    assert [row.cells["first_name"] for row in rows] == NAMES, where
    assert {row.cells["HRIS: Office"] for row in rows} == {"London"}, where
    mails = [item for item in everything("MAIL_TABLE") if item["params"]["link"].count(export.export_id)]
    assert len(mails) == 1, where
    assert "Uploads" not in clients.s3().list_multipart_uploads(Bucket=env("FILES_BUCKET")), where


def _places(world: World) -> list[int]:
    """Return the calls of a whole export; of a row of equal ones, such as the shards of a list, the first."""
    with injected() as counted:
        _work(_ask(world))
    calls = ["", *counted.calls]
    places = [number for number in range(1, len(calls)) if calls[number] != calls[number - 1]]
    assert {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "SendMessage"} <= set(calls)
    return places


def _strike(world: World, at: int, mode: str) -> None:
    export = _ask(world)
    injector = until_quiet(partial(_work, export), at=at, mode=mode)
    _check(export, f"{mode} at {at}: {injector.calls[at - 1 : at]}")


def test_an_export_of_several_runs_holds_everybody_once_whatever_fails() -> None:
    """At some AWS calls a failure, another kind each time: one file of all, one mail."""
    world = _world()
    for turn, at in enumerate(_places(world)[7::17]):
        _strike(world, at, MODES[turn % len(MODES)])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_an_export_of_several_runs_holds_everybody_once_whatever_fails_in_every_way() -> None:
    """At every AWS call, each of the seven kinds of failure."""
    world = _world()
    places = _places(world)
    for at in places:
        for mode in MODES:
            _strike(world, at, mode)
    print(f"{len(places)} calls, {len(MODES)} kinds of failure: {len(places) * len(MODES)} exports")


def _overtake(world: World, at: int) -> None:
    """Let a second worker do its run just before a call of the first, which then goes on."""
    export, calls, busy = _ask(world), 0, False

    def before(**_: Any) -> None:
        nonlocal calls, busy
        calls += not busy
        if calls == at and not busy:
            busy = True
            run_export(export.hub_id, export.export_id)
            busy = False

    made: list[Any] = [clients.dynamodb(), clients.sqs(), clients.s3()]
    for client in made:
        client.meta.events.register("before-call", before, unique_id="rollcall-rival")
    try:
        _work(export)
    finally:
        for client in made:
            client.meta.events.unregister("before-call", unique_id="rollcall-rival")
    _work(export)  # as a sweeper does it later
    _check(export, f"overtaken at {at}")


def test_a_run_that_is_overtaken_at_any_call_writes_nothing_any_more() -> None:
    """Two workers with the same export: the later one goes on from what is noted, and the file is that of one."""
    world = _world()
    for at in _places(world)[20::24]:
        _overtake(world, at)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_run_that_is_overtaken_at_every_call_writes_nothing_any_more() -> None:
    """The same at each call."""
    world = _world()
    places = _places(world)
    for at in places:
        _overtake(world, at)
    print(f"overtaken at each of {len(places)} calls")


def test_an_export_that_cannot_be_finished_says_so_and_leaves_no_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose time is over, or whose parts the bucket's rule took away: failed, with a reason, and nothing stays."""
    world = _world()
    taken, late = _ask(world), _ask(world)
    for _ in range(2):
        assert run_export(taken.hub_id, taken.export_id) is State.RUNNING
    (begun,) = storage.begun(env("FILES_BUCKET"), writing.file_key(taken))
    storage.drop_parts(env("FILES_BUCKET"), writing.file_key(taken), begun)
    _work(taken)
    for _ in range(2):
        assert run_export(late.hub_id, late.export_id) is State.RUNNING
    monkeypatch.setattr("rollcall.exports.run.now", lambda: now() + writing.GIVE_UP)
    _work(late)
    for export in (taken, late):
        found = store.get(export.hub_id, export.export_id)
        assert found is not None
        assert (found.state, found.reason) == (State.FAILED, "took_too_long")
        assert store.look_later(export.hub_id, export.export_id, now()) is False
        told = mails.get(export.hub_id, mail_id(export))
        assert told is not None
        assert (told.to, "ask for it again" in told.params["text"], told.attachment) == (export.email, True, None)
    assert "Uploads" not in clients.s3().list_multipart_uploads(Bucket=env("FILES_BUCKET"))
