"""Erasing a human through the stores: nothing but keyed hashes stays, and nothing brings them back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from rollcall.activity import store as activity
from rollcall.activity.record import record_change
from rollcall.exports import store as exports
from rollcall.exports.model import Export
from rollcall.exports.model import Kind as ExportKind
from rollcall.exports.run import run_export
from rollcall.hubs import context
from rollcall.hubs.model import Admin, Permission
from rollcall.invitations import accept, links
from rollcall.invitations import store as invitations
from rollcall.mail import store as mails
from rollcall.members import store as members
from rollcall.people import event_log, store
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.plans.applying import handle_pointer as apply_plan
from rollcall.plans.planning import plan_upload
from rollcall.privacy import purge
from rollcall.privacy import store as erasures
from rollcall.privacy.erase import erase, purge_after_grace
from rollcall.privacy.model import PASSES, Cause, Erasure, ErasureState, Subject, erasure_id_of
from rollcall.privacy.purge import run_erasure
from rollcall.runtime import clients, dynamo
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.world import SOURCE, World, everything

TABLES = ("EVENTS", "PEOPLE", "MEMBERS", "INVITATIONS", "MAIL", "PLANS", "ACTIVITY")
MAYA = {"email": "maya.okafor@example.com", "first_name": "Maya", "last_name": "Okafor"}
# Whatever names her: e-mail, a former one, the other address she was invited at, names, external id.
MARKS = ("maya", "okafor", "e-1042", "m.hale")
LIO = {"email": "lio.stone@example.com", "first_name": "Lio", "last_name": "Stone"}
ADMIN = Admin("subject-of-ada", "ada@example.com", frozenset())


def _admin(world: World) -> Admin:
    return Admin("subject-of-ada", "ada@example.com", frozenset([f"{world.hub.hub_id}:admin"]))


def _files() -> dict[str, str]:
    """Return every version of every file of both buckets."""
    found: dict[str, str] = {}
    for bucket in (env("FILES_BUCKET"), env("LEDGER_BUCKET")):
        for page in clients.s3().get_paginator("list_object_versions").paginate(Bucket=bucket):
            for one in page.get("Versions", []):
                body = clients.s3().get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
                found[f"{bucket}/{one['Key']}@{one['VersionId']}"] = body.decode("utf-8", "replace")
    return found


def _messages() -> list[str]:
    found: list[str] = []
    for name in ("DIRECTORY_EVENTS", "EXPORTS", "PLAN_PARTS", "EMAILS", "UPLOADS", "ERASURES"):
        while (
            batch := clients.sqs()
            .receive_message(QueueUrl=env(f"{name}_QUEUE_URL"), MaxNumberOfMessages=10)
            .get("Messages")
        ):
            found += [message["Body"] for message in batch]
    return found


def _mentions(marks: tuple[str, ...] = MARKS) -> list[str]:
    """Return where in all stores any of the marks stands."""
    places = {
        f"{table} {item['pk']} {item['sk']}": json.dumps(item, ensure_ascii=False)
        for table in TABLES
        for item in everything(f"{table}_TABLE")
    }
    places |= _files() | {f"message {n}": body for n, body in enumerate(_messages())}
    return [f"{place}: {mark}" for place, text in places.items() for mark in marks if mark in (place + text).lower()]


def _upload(world: World, kind: UploadKind, text: str) -> Any:
    """Upload a file, plan it and return the plan."""
    upload = uploads.create_upload(world.hub.hub_id, kind, "people.csv", _admin(world), now())
    put = clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=upload.key, Body=text.encode())
    return plan_upload(upload, put["VersionId"])


def _apply(plan: Any) -> None:
    for part in range(plan.parts + 1):
        apply_plan({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})


def _export(world: World, kind: ExportKind) -> Export:
    export = Export(
        export_id=new_id(),
        hub_id=world.hub.hub_id,
        kind=kind,
        requested_by=ADMIN.subject,
        email=ADMIN.email,
        permissions=frozenset(Permission),
        created_at=to_text(now()),
    )
    exports.create(export)
    run_export(export.hub_id, export.export_id)
    return export


def _stream(world: World) -> None:
    """Write down the activity of everything that lies in People and Members, as their streams do."""
    for table in ("PEOPLE_TABLE", "MEMBERS_TABLE"):
        for item in everything(table):
            activity.put_entries(record_change(f"{item['pk']}{item['rev']}", None, item))


def _live(world: World) -> str:
    """Let Maya live through everything that leaves a trace, beside Lio; return her member id."""
    first = {**MAYA, "email": "m.hale@example.com"}
    world.tell(
        world.event("one", 0, Kind.ADDED, person="E-1042", fields=first, attributes={"Office": "London"}),
        world.event("two", 5, person="E-1042", fields=MAYA, attributes={"Boss": "lio.stone@example.com"}),
        world.event("lio", 0, Kind.ADDED, person="E-2", fields=LIO, attributes={"Office": "Toronto"}),
    )
    _stream(world)
    _export(world, ExportKind.INVITES)
    rows = ["email,first_name,last_name,role", "maya.okafor@example.com,Maya,Okafor,Mentor"]
    rows += ["lio.stone@example.com,Lio,Stone,Mentee"]
    _apply(_upload(world, UploadKind.INVITES, "\r\n".join([*rows, ""])))
    ctx = context.load(world.hub.hub_id)
    for email in ("maya.okafor@example.com", "lio.stone@example.com"):
        accept.accept(links.make_token(ctx.key, world.hub.hub_id, world.address_id(email), 1))
    person = store.get_person(world.hub.hub_id, world.person_id("E-1042"))
    assert person is not None
    assert person.member_id is not None
    _stream(world)
    _export(world, ExportKind.MEMBERS)
    text = clients.s3().get_object(Bucket=env("FILES_BUCKET"), Key=_last_export(world))["Body"].read().decode()
    _apply(_upload(world, UploadKind.MEMBERS, text.replace("Maya", "Maya-Lou")))
    world.record(world.event("three", 9, person="E-1042", attributes={"Office": "Toronto"}))
    return person.member_id


def _last_export(world: World) -> str:
    listed = clients.s3().list_objects_v2(Bucket=env("FILES_BUCKET"), Prefix=f"exports/{world.hub.hub_id}/")
    return str(next(one["Key"] for one in listed["Contents"] if one["Key"].endswith("members.csv")))


def _erase(world: World, subject: Subject, name: str = "test", *written: str) -> Erasure:
    key = context.load(world.hub.hub_id).key
    erasure_id = erasure_id_of(world.hub.hub_id, "test", name)
    return erase(world.hub.hub_id, key, erasure_id, subject, cause=Cause.REQUEST, by=ADMIN.subject, written=written)


def _all_passes(world: World, erasure: Erasure, monkeypatch: pytest.MonkeyPatch) -> Erasure:
    for pause in PASSES:
        with monkeypatch.context() as patch:
            moment = now() + pause + timedelta(minutes=1)
            patch.setattr(purge, "now", lambda moment=moment: moment)
            run_erasure(world.hub.hub_id, erasure.erasure_id)
    done = erasures.get(world.hub.hub_id, erasure.erasure_id)
    assert done is not None
    assert done.state is ErasureState.DONE
    return done


def test_erased_member_is_named_nowhere_and_others_are_left_alone(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tables, both buckets with every version, and all queues: nothing but keyed hashes; the receipt counts it."""
    world = World().build()
    member_id = _live(world)
    assert {"EVENTS", "PEOPLE", "MEMBERS", "INVITATIONS", "ACTIVITY"} <= {place.split()[0] for place in _mentions()}
    erasure = _erase(world, Subject(members=frozenset([member_id])))
    assert members.get_member(world.hub.hub_id, member_id) is None
    done = _all_passes(world, erasure, monkeypatch)
    assert _mentions() == []
    lio = _mentions(("lio",))
    assert any("PEOPLE" in place for place in lio)
    assert any("exports/" in place for place in lio)
    assert any("plans/" in place for place in lio)
    counts = done.counts()
    assert counts["people"] == counts["members"] == counts["invitations"] == 1
    assert counts["events"] == 3
    assert counts["uploads"] == 2
    assert counts["exports"] == 2
    assert counts["activity"] > 0
    assert counts["plans"] > 0
    assert {entry["file"] for entry in done.beyond.values()} == {"export", "report"}


def test_nothing_brings_an_erased_person_back(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Late, changed and far-future events, replay, the old file, acceptance, another source: all find the tombstone."""
    world = World().build()
    member_id = _live(world)
    erasure = _erase(world, Subject(members=frozenset([member_id])))
    _all_passes(world, erasure, monkeypatch)
    hub_id = world.hub.hub_id
    late = world.event("late", 99, Kind.ADDED, person="E-1042", fields=MAYA)
    world.tell(late)
    logged = event_log.get_event(hub_id, late.event_id)
    assert logged is not None
    assert (logged.state, logged.reason, logged.event) == (EventState.NO_CHANGE, "erased", None)
    person_id = world.person_id("E-1042")
    changed = DirectoryEvent(**{**_values(late), "attributes": {"Office": "Maya's"}})
    assert event_log.record_event(hub_id, changed, "other hash", now()) == "conflict"
    future = world.event("future", 10**9, person="E-1042", fields=MAYA)
    world.tell(future)
    event_log.reopen_event(hub_id, world.event_id("one", "E-1042"), now())
    apply_event(hub_id, world.event_id("one", "E-1042"))
    assert _mentions() == []
    row = "email,role,ref\r\nmaya.okafor@example.com,Mentor,\r\nsomebody@example.com,Mentor," + person_id + "\r\n"
    plan = _upload(world, UploadKind.INVITES, row)
    _apply(plan)
    assert store.get_person(hub_id, person_id) is not None
    assert invitations.get_invitation(hub_id, world.address_id("somebody@example.com")) is None
    ctx = context.load(hub_id)
    token = links.make_token(ctx.key, hub_id, world.address_id("maya.okafor@example.com"), 1)
    assert accept.accept(token).state is not accept.PageState.OPEN
    assert members.get_member(hub_id, member_id) is None
    other = "01JA0000000000000000000TWQ"
    newcomer = World(world.hub, other).event("x", 0, Kind.ADDED, "N-1", fields={**LIO, **MAYA})
    world.tell(newcomer)
    held = event_log.get_event(hub_id, newcomer.event_id)
    assert held is not None
    assert held.state is EventState.HELD
    person = store.get_person(hub_id, person_id)
    assert person is not None
    assert person.person.erased


def _values(event: DirectoryEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in DirectoryEvent.__slots__}


def test_somebody_unknown_is_erased_before_they_come(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tombstone is written all the same, by external id and by address (I12)."""
    world = World().build()
    erasure = _erase(world, Subject({world.person_id("E-1042"): SOURCE}))
    _erase(world, Subject(addresses=frozenset([world.address_id("m.hale@example.com")])), "email", "M.Hale@example.com")
    world.tell(
        world.event("one", 0, Kind.ADDED, person="E-1042", fields=MAYA),
        world.event("two", 0, Kind.ADDED, person="E-7", fields={"email": "m.hale@example.com"}),
    )
    _all_passes(world, erasure, monkeypatch)
    person = store.get_person(world.hub.hub_id, world.person_id("E-1042"))
    assert person is not None
    assert person.person.status is DirectoryStatus.ERASED
    assert _mentions(("maya", "okafor", "e-1042")) == []
    assert not store.get_address(world.hub.hub_id, world.address_id("m.hale@example.com")).holders


def test_waiting_mail_of_an_erased_person_loses_its_contents_and_never_goes(aws: None) -> None:
    """A mail that waits in the outbox holds nothing after the first pass."""
    world = World().build()
    _apply(_upload(world, UploadKind.INVITES, "email,first_name,role\r\nmaya.okafor@example.com,Maya,Mentor\r\n"))
    assert mails.to_address(world.hub.hub_id, world.address_id("maya.okafor@example.com"))
    subject = Subject(addresses=frozenset([world.address_id("maya.okafor@example.com")]))
    erasure = _erase(world, subject)
    run_erasure(world.hub.hub_id, erasure.erasure_id)
    assert _mentions() == []
    (mail,) = [item for item in everything("MAIL_TABLE") if item["kind"] == "invitation"]
    assert "to" not in mail
    found = mails.get(world.hub.hub_id, mail["mail_id"])
    assert found is not None
    assert not isinstance(mails.claim(found, now()), type(found))


def test_former_address_that_somebody_else_has_now_stays_theirs(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Companies give addresses out again: erasing the former holder does not touch the new one."""
    world = World().build()
    shared = "desk@example.com"
    world.tell(
        world.event("one", 0, Kind.ADDED, person="E-1042", fields={**MAYA, "email": shared}),
        world.event("two", 5, person="E-1042", fields=MAYA),
        world.event("three", 9, Kind.ADDED, person="E-2", fields={**LIO, "email": shared}),
    )
    erasure = _erase(world, Subject({world.person_id("E-1042"): SOURCE}))
    _all_passes(world, erasure, monkeypatch)
    address = store.get_address(world.hub.hub_id, world.address_id(shared))
    assert not address.erased
    assert address.holders[SOURCE].person_id == world.person_id("E-2")
    assert _mentions(("maya", "okafor", "e-1042")) == []


@pytest.mark.parametrize("days", [0, 30])
def test_deleted_person_is_purged_when_the_grace_time_is_over(
    aws: None, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Not before; then by the same engine."""
    from dataclasses import replace

    from rollcall.hubs import store as hubs
    from rollcall.sweeping import run

    world = World().build()
    hub = hubs.update_hub(replace(world.hub, deletion_grace_days=days), seen=1)
    member_id = _live(world)
    world.tell(world.event("gone", 50, Kind.DELETED, person="E-1042"))
    assert purge_after_grace(hub, context.load(hub.hub_id).key, world.person_id("E-2")) is None
    _messages()
    moment = now() + timedelta(days=days, minutes=1)
    if days:
        assert run.sweep()["people"] == 0
    for module in ("rollcall.sweeping.run", "rollcall.privacy.erase", "rollcall.privacy.purge"):
        monkeypatch.setattr(f"{module}.now", lambda: moment)
    assert run.sweep()["people"] == 1
    (pointer,) = [json.loads(body) for body in _messages() if "person_id" in body]
    purge.handle_pointer(pointer)
    listed, _ = erasures.list_erasures(hub.hub_id, limit=10)
    assert [one.cause for one in listed] == [Cause.GRACE_OVER]
    run_erasure(hub.hub_id, listed[0].erasure_id)
    assert _mentions() == []
    assert members.get_member(hub.hub_id, member_id) is None
    assert dynamo.get("PEOPLE_TABLE", store.person_pk(hub.hub_id, world.person_id("E-1042"))) is not None


def test_restored_backup_is_erased_again_from_the_ledger(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as they were before the erasure, the job gone: the ledger alone knows, and that is enough (I36)."""
    from rollcall.privacy.replay import replay

    world = World().build()
    member_id = _live(world)
    backup = {table: everything(f"{table}_TABLE") for table in TABLES}
    erasure = _erase(world, Subject(members=frozenset([member_id])))
    _all_passes(world, erasure, monkeypatch)
    for table in TABLES:
        for item in everything(f"{table}_TABLE"):
            dynamo.write([dynamo.delete_action(f"{table}_TABLE", item["pk"], item["sk"])])
        for item in backup[table]:
            dynamo.write([dynamo.put_action(f"{table}_TABLE", item)])
    assert _mentions()
    assert (world.hub.hub_id, erasure.erasure_id) in list(replay())
    assert _mentions() == []
    assert any("PEOPLE" in place for place in _mentions(("lio",)))


def test_address_given_to_somebody_else_is_theirs_when_the_ledger_is_replayed(aws: None) -> None:
    """What an admin gave out again after the erasure is not taken from its new holder."""
    from dataclasses import replace

    from rollcall.people.model import Holder
    from rollcall.privacy.replay import replay

    world = World().build()
    world.tell(world.event("one", 0, Kind.ADDED, person="E-1042", fields=MAYA))
    _erase(world, Subject({world.person_id("E-1042"): SOURCE}))
    world.tell(world.event("two", 5, Kind.ADDED, person="E-2", fields=LIO))
    address = store.get_address(world.hub.hub_id, world.address_id(MAYA["email"]))
    given = replace(address, erased=False, holders={SOURCE: Holder(world.person_id("E-2"))})
    dynamo.write([store.put_address(world.hub.hub_id, given)])
    assert list(replay())
    person = store.get_person(world.hub.hub_id, world.person_id("E-2"))
    assert person is not None
    assert person.person.status is DirectoryStatus.ACTIVE
    assert not store.get_address(world.hub.hub_id, world.address_id(MAYA["email"])).erased
