"""Exports, from the request to the file in the bucket and the mail."""

from __future__ import annotations

import csv
import importlib.util
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from rollcall.exports import invites, run, store, writing
from rollcall.exports.mapping import unmapped
from rollcall.exports.members import member_rows
from rollcall.exports.model import Export, Kind, State, Wanted
from rollcall.exports.run import run_export
from rollcall.files.rows import Row, read_rows
from rollcall.files.storage import open_object
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import PERMISSIONS, Delivery, Permission
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import store as mails
from rollcall.mail.model import State as MailState
from rollcall.mapping.drift import MAX_VALUES
from rollcall.mapping.sheet import read_sheet
from rollcall.members import store as members
from rollcall.members import version_token
from rollcall.people.events import Kind as EventKind
from rollcall.runtime import clients, dynamo
from rollcall.runtime.ids import digest, new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import from_text, to_text
from rollcall.sources.policy import Policy, PreHire
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import RULES, SOURCE, T0, World, everything

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.usefixtures("aws")

APP = Path(__file__).parents[2] / "functions" / "export_csv" / "app.py"


def _person(world: World, name: str, **attributes: Any) -> None:
    fields: dict[str, str | None] = {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Okafor"}
    world.tell(world.event(name, 0, EventKind.ADDED, name, fields=fields, attributes=attributes))


def _ask(world: World, kind: Kind = Kind.INVITES, role: str = "admin", **changed: Any) -> Export:
    values: dict[str, Any] = {
        "export_id": new_id(),
        "hub_id": world.hub.hub_id,
        "kind": kind,
        "requested_by": "admin-1",
        "email": "ana@example.com",
        "permissions": PERMISSIONS[role],
        "created_at": to_text(T0),
    }
    export = Export(**values | changed)
    store.create(export)
    return export


def _file(world: World, export: Export) -> list[Row]:
    """Run the export and read its file as an upload would be read."""
    assert run_export(world.hub.hub_id, export.export_id) is State.DONE
    done = store.get(world.hub.hub_id, export.export_id)
    assert done is not None
    with open_object(env("FILES_BUCKET"), done.file_key) as stream:
        rows = list(read_rows(stream))
    assert done.rows == len(rows)
    assert [row.faults for row in rows] == [()] * len(rows)
    return rows


def _by_name(rows: list[Row]) -> dict[str, dict[str, str]]:
    return {row.cells["first_name"]: row.cells for row in rows}


def _pointers(queue: str) -> list[dict[str, str]]:
    answer = clients.sqs().receive_message(QueueUrl=env(queue), MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_template_is_filled_from_the_directory() -> None:
    """Every potential member is a row with names, role, segments and raw HRIS values."""
    world = World().build()
    _person(world, "maya", Office="London", Grade="Senior", Languages=("English", "French"))
    export = _ask(world)
    (row,) = _file(world, export)
    assert row.cells == {
        "email": "maya@example.com",
        "first_name": "Maya",
        "last_name": "Okafor",
        "role": "Mentor",
        "Location": "London",
        "Languages": "English; French",
        "language": "",
        "ref": world.person_id("maya"),
        "export": export.export_id,
        "note": "",
        "HRIS: Grade": "Senior",
        "HRIS: Languages": "English; French",
        "HRIS: Office": "London",
    }


def test_inviter_sees_neither_private_segments_nor_hris_values() -> None:
    """The file follows what the admin who asked may see."""
    world = World().build()
    _person(world, "maya", Office="London", Languages="English")
    (row,) = _file(world, _ask(world, role="inviter"))
    assert set(row.cells) == {
        "email",
        "first_name",
        "last_name",
        "role",
        "Location",
        "language",
        "ref",
        "export",
        "note",
    }


def test_members_invited_and_departed_are_left_out() -> None:
    """Only those who could be invited now are in the file."""
    world = World().build()
    for name in ("maya", "member", "invited", "gone"):
        _person(world, name)
    world.enrol("member", ("mentor",))
    invitation = Invitation(
        world.address_id("invited@example.com"),
        1,
        InvitationStatus.SENT,
        "invited@example.com",
        expires_at="2099-01-01T00:00:00.000Z",
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    world.tell(world.event("left", 60, EventKind.DELETED, "gone"))
    assert set(_by_name(_file(world, _ask(world)))) == {"Maya"}


def test_people_whom_the_source_does_not_mean_are_left_out() -> None:
    """Only who meets the source's filter and has started is a potential member; what is stored of the others stays."""
    world = World().build()
    held = hubs.get_source(world.hub.hub_id, SOURCE)
    assert held is not None
    policy = Policy(pre_hire=PreHire.FROM_START, eligible={"Office": ("London",)})
    hubs.update_source(replace(held, policy=policy), seen=held.version)
    _person(world, "maya", Office="London")
    _person(world, "jonas", Office="Toronto")
    _person(world, "priya", Office="London")
    world.tell(world.event("later", 1, person="priya", fields={"start_date": "2999-01-01"}))
    assert set(_by_name(_file(world, _ask(world)))) == {"Maya"}


def test_people_without_usable_email_are_listed_with_a_note() -> None:
    """No e-mail, a broken one, or one that is somebody else's: listed, without an address to invite by mistake."""
    world = World().build()
    _person(world, "maya")
    for name, email in (("none", None), ("broken", "no at sign"), ("twin", "maya@example.com")):
        fields = {"email": email, "first_name": name.title()}
        world.tell(world.event(name, 1, EventKind.ADDED, name, fields=fields))
    rows = _by_name(_file(world, _ask(world)))
    assert (rows["None"]["email"], rows["None"]["note"]) == ("", "no usable e-mail")
    assert (rows["Broken"]["email"], rows["Broken"]["note"]) == ("", "no usable e-mail")
    assert rows["Twin"]["email"] == ""
    assert rows["Twin"]["note"] == "the e-mail belongs to somebody else in the hub"
    assert rows["Maya"]["email"] == "maya@example.com"


def test_names_that_are_formulas_or_any_script_survive_the_way_out_and_back() -> None:
    """No cell of the raw file begins a formula, and reading gives the names as they were."""
    world = World().build()
    names = ["=cmd|' /C calc'!A0", "久美子", "O'Brien-Ñúñez", "ליאור", '+1 "quoted"; a\nb']
    for number, name in enumerate(names):
        fields: dict[str, str | None] = {"email": f"p{number}@example.com", "first_name": name}
        world.tell(
            world.event(str(number), 0, EventKind.ADDED, str(number), fields=fields, attributes={"Office": name})
        )
    export = _ask(world)
    rows = _file(world, export)
    assert {row.cells["first_name"] for row in rows} == set(names)
    assert {row.cells["HRIS: Office"] for row in rows} == set(names)
    done = store.get(world.hub.hub_id, export.export_id)
    assert done is not None
    raw = clients.s3().get_object(Bucket=env("FILES_BUCKET"), Key=done.file_key)["Body"].read()
    cells = [cell for line in csv.reader(raw.decode("utf-8-sig").splitlines(keepends=True)) for cell in line]
    assert "'=cmd|' /C calc'!A0" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


def test_value_longer_than_the_reader_takes_is_cut() -> None:
    """A huge HRIS text does not make the whole file unreadable."""
    world = World().build()
    _person(world, "maya", Essay="x" * 10_000)
    (row,) = _file(world, _ask(world))
    assert len(row.cells["HRIS: Essay"]) == 4000


def test_more_attributes_than_columns_leave_the_file_readable() -> None:
    """However many HRIS fields there are, the file has no more columns than the upload takes."""
    world = World().build()
    _person(world, "maya", **{f"Field {n:03}": "x" for n in range(300)})
    (row,) = _file(world, _ask(world))
    assert len(row.cells) == 200


def test_members_file_has_everybody_who_is_not_deleted() -> None:
    """Active and inactive members are rows with what they show; deleted ones are in no export."""
    world = World().build()
    for name in ("maya", "noor", "gone"):
        _person(world, name, Office="London", **{"Job title": "Lead"})
        world.enrol(name, ("mentor",))
    world.tell(world.event("off", 60, EventKind.DEACTIVATED, "noor"))
    world.tell(world.event("del", 60, EventKind.DELETED, "gone"))
    rows = _by_name(_file(world, _ask(world, Kind.MEMBERS)))
    assert {name: row["status"] for name, row in rows.items()} == {"Maya": "active", "Noor": "inactive"}
    maya = rows["Maya"]
    assert (maya["email"], maya["roles"], maya["Location"]) == ("maya@example.com", "Mentor", "London")
    assert maya["profile: Job title"] == "Lead"


def test_member_deleted_while_the_index_lags_is_not_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are a moment behind; the file is not."""
    world = World().build()
    _person(world, "maya")
    world.enrol("maya", ("mentor",))
    listed = list(members.places_after(world.hub.hub_id))
    assert len(listed) == 1
    world.tell(world.event("del", 60, EventKind.DELETED, "maya"))
    monkeypatch.setattr(members, "places_after", lambda *_: iter(listed))
    ctx = context.load(world.hub.hub_id)
    assert [row for _, some in member_rows(ctx, PERMISSIONS["admin"], ()) for row in some] == []


def test_version_in_the_members_file_tells_what_moved_since() -> None:
    """After an event has changed one segment, exactly that column of the row has moved."""
    world = World().build()
    _person(world, "maya", Office="London")
    member_id = world.enrol("maya", ("mentor",))
    (row,) = _file(world, _ask(world, Kind.MEMBERS))
    world.tell(world.event("moved", 60, person="maya", attributes={"Office": "Toronto"}))
    key = context.load(world.hub.hub_id).key
    shown = world.shown(member_id)
    now = {
        "status": (shown["status"],),
        "roles": tuple(shown["roles"]),
        "segment:location": tuple(shown["segments"]["location"]),
        "segment:languages": (),
        "first_name": (shown["first_name"],),
    }
    found = {
        column: version_token.moved(row.cells["version"], key, row.cells["ref"], column, now[column]) for column in now
    }
    assert found == {column: column == "segment:location" for column in now}


def test_version_says_nothing_of_columns_the_admin_did_not_see() -> None:
    """A viewer's file holds no trace of private segments or profile fields."""
    world = World().build()
    _person(world, "maya", Languages="English", **{"Job title": "Lead"})
    world.enrol("maya", ("mentor",))
    (row,) = _file(world, _ask(world, Kind.MEMBERS, role="viewer"))
    key = context.load(world.hub.hub_id).key
    token, ref = row.cells["version"], row.cells["ref"]
    assert version_token.moved(token, key, ref, "segment:languages", ("en",)) is None
    assert version_token.moved(token, key, ref, "profile:Job title", ("Lead",)) is None
    assert version_token.moved(token, key, ref, "roles", ("mentor",)) is False


def test_mapping_table_is_filled_up_with_what_no_rule_covers() -> None:
    """The file has the rules as they are, then every other field and value with how many people have it."""
    world = World().build()
    _person(world, "maya", Office="London", Team="Red")
    _person(world, "noor", Office="Oslo ", Team=("RED", "Blue"))
    export = _ask(world, Kind.MAPPING)
    run_export(world.hub.hub_id, export.export_id)
    done = store.get(world.hub.hub_id, export.export_id)
    assert done is not None
    with open_object(env("FILES_BUCKET"), done.file_key) as stream:
        sheet = read_sheet(stream)
    assert [(row.field, row.value) for row in sheet.rows] == [(rule.field, rule.value) for rule in RULES]
    assert (sheet.undecided, done.rows) == (3, len(RULES) + 3)
    found = {
        (item.field, item.value.strip().casefold()): item.people for item in unmapped(context.load(world.hub.hub_id))
    }
    assert found == {("Office", "oslo"): 1, ("Team", "red"): 2, ("Team", "blue"): 1}


def test_field_with_a_value_for_everybody_is_one_row_for_any_value() -> None:
    """Employee numbers do not fill the table with one row for each person."""
    world = World().build()
    numbers = tuple(str(number) for number in range(MAX_VALUES + 1))
    _person(world, "maya", Number=numbers, Desk=numbers[1:])
    found = unmapped(context.load(world.hub.hub_id))
    assert [(item.value, item.people) for item in found if item.field == "Number"] == [("*", 1)]
    assert len([item for item in found if item.field == "Desk"]) == MAX_VALUES


def test_done_export_has_one_mail_to_the_admin_and_its_pointer() -> None:
    """The mail has the file with it and a link to our API, and only ids are on the queue."""
    world = World().build()
    _person(world, "maya")
    export = _ask(world)
    run_export(world.hub.hub_id, export.export_id)
    mail = mails.get(world.hub.hub_id, digest("export", export.export_id))
    assert mail is not None
    assert (mail.to, mail.state) == ("ana@example.com", MailState.PENDING)
    assert mail.attachment is not None
    assert mail.attachment.key == f"exports/{world.hub.hub_id}/{export.export_id}/invites.csv"
    page = f"https://hub.example.com/hubs/{world.hub.hub_id}/exports/{export.export_id}"
    assert mail.params == {
        "file": "invites.csv",
        "rows": 1,
        "purpose": "invites",
        "days": 7,
        "link": f"{page}/file",
        "values": f"{page}/values",
    }
    assert _pointers("EMAILS_QUEUE_URL") == [{"hub_id": world.hub.hub_id, "mail_id": mail.mail_id}]


def test_delivery_by_link_attaches_nothing() -> None:
    """Where the hub wants a login first, the mail has the link alone."""
    world = World().build()
    export = _ask(world, delivery=Delivery.LINK)
    run_export(world.hub.hub_id, export.export_id)
    mail = mails.get(world.hub.hub_id, digest("export", export.export_id))
    assert mail is not None
    assert mail.attachment is None
    assert mail.params["link"]


def test_admin_without_email_gets_a_file_and_no_mail() -> None:
    """A token without an e-mail still makes the export; there is nobody to write to."""
    world = World().build()
    export = _ask(world, email="")
    assert run_export(world.hub.hub_id, export.export_id) is State.DONE
    assert everything("MAIL_TABLE") == []
    assert _pointers("EMAILS_QUEUE_URL") == []


def test_pointer_that_comes_twice_makes_one_mail_and_writes_the_file_once() -> None:
    """A repeated message leaves file, export and mail as they are."""
    world = World().build()
    export = _ask(world)
    run_export(world.hub.hub_id, export.export_id)
    before = (everything("PLANS_TABLE"), everything("MAIL_TABLE"))
    with injected() as calls:
        assert run_export(world.hub.hub_id, export.export_id) is State.DONE
    assert (everything("PLANS_TABLE"), everything("MAIL_TABLE")) == before
    assert "PutObject" not in calls.calls


def test_export_of_a_hub_that_is_gone_fails_for_good() -> None:
    """There is nothing to come back for, so it does not stay due."""
    world = World().build()
    export = _ask(world, hub_id="9" * 26)
    assert run_export("9" * 26, export.export_id) is State.FAILED
    assert run_export("9" * 26, export.export_id) is State.FAILED
    found = store.get("9" * 26, export.export_id)
    assert found is not None
    assert (found.state, found.reason) == (State.FAILED, "hub_gone")
    assert _due(T0 + timedelta(days=1)) == []


def test_unknown_export_is_nothing() -> None:
    """A pointer to nothing is no failure that comes back for ever."""
    world = World().build()
    assert run_export(world.hub.hub_id, new_id()) is None


def _due(at: Any) -> list[tuple[str, str]]:
    return [found for shard in range(store.DUE_SHARDS) for found in store.due(shard, to_text(at))]


def test_export_is_due_after_the_longest_run_until_it_is_done() -> None:
    """A sweeper finds it when its message was lost, looks again later, and never once it is done."""
    world = World().build()
    export = _ask(world)
    me = (world.hub.hub_id, export.export_id)
    assert _due(T0 + timedelta(minutes=19)) == []
    assert _due(T0 + timedelta(minutes=20)) == [me]
    assert store.look_later(*me, T0 + timedelta(minutes=20))
    assert _due(T0 + timedelta(minutes=39)) == []
    assert _due(T0 + timedelta(minutes=40)) == [me]
    run_export(*me)
    assert _due(T0 + timedelta(days=1)) == []
    assert not store.look_later(*me, T0 + timedelta(days=1))


def test_exports_are_listed_newest_first_in_their_hub() -> None:
    """The list pages through, newest first, and holds nothing of another hub."""
    world = World().build()
    made = [
        _ask(world, created_at=to_text(from_text(to_text(T0)) + timedelta(minutes=number))).export_id
        for number in range(3)
    ]
    _ask(world, hub_id="9" * 26)
    found, cursor = store.list_exports(world.hub.hub_id, limit=2)
    rest, end = store.list_exports(world.hub.hub_id, limit=2, cursor=cursor or "")
    assert [export.export_id for export in (*found, *rest)] == made[::-1]
    assert end is None
    assert found[0].permissions == frozenset(Permission)


@pytest.mark.parametrize("mode", MODES)
def test_fault_at_any_call_ends_in_one_file_and_one_mail(mode: str) -> None:
    """Whatever fails, at whatever call, the pointer's next delivery ends in one export done, one mail, one file."""
    world = World().build()
    _person(world, "maya", Office="London")
    counted = _ask(world)
    with injected() as counter:
        run_export(world.hub.hub_id, counted.export_id)
    # The shards of a list are asked one after the other: of such a row of equal calls the first stands for all.
    calls = ["", *counter.calls]
    places = [n for n in range(1, len(calls)) if calls[n] != calls[n - 1] or calls[n] != "Query"]
    assert len(places) >= 8
    for number in places:
        export = _ask(world)
        with patch("time.sleep"):
            until_quiet(partial(_run, export), at=number, mode=mode)
        found = store.get(world.hub.hub_id, export.export_id)
        assert found is not None
        assert (found.state, found.rows) == (State.DONE, 1)
        with open_object(env("FILES_BUCKET"), found.file_key) as stream:
            assert [row.cells["Location"] for row in read_rows(stream)] == ["London"]
        mail = mails.get(world.hub.hub_id, digest("export", export.export_id))
        assert mail is not None
        assert mail.state is MailState.PENDING


def _run(export: Export) -> None:
    """Handle the pointer once."""
    run_export(export.hub_id, export.export_id)


def _app() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_csv_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_function_runs_the_pointer_and_reports_what_failed() -> None:
    """Of a batch, only the message that AWS failed comes back."""
    world = World().build()
    exports = [_ask(world), _ask(world)]
    records = [
        {"messageId": f"m{n}", "body": json.dumps({"hub_id": export.hub_id, "export_id": export.export_id})}
        for n, export in enumerate(exports)
    ]
    with injected(1, "throttle"):
        answer = _app().handler({"Records": records}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    states = [found.state for export in exports if (found := store.get(export.hub_id, export.export_id))]
    assert states == [State.QUEUED, State.DONE]


def _names(world: World, **wanted: Any) -> set[str]:
    source_id = wanted.pop("source_id", "")
    return set(_by_name(_file(world, _ask(world, wanted=Wanted(**wanted), source_id=source_id))))


def test_invite_file_may_hold_some_people_only() -> None:
    """By source, by HRIS values in any case, and those who were in no earlier file; together they narrow."""
    world = World().build()
    _person(world, "maya", Office="London", Grade="Senior")
    _person(world, "ben", Office="Toronto", Grade="Senior")
    _person(world, "cem", Languages=("English", "French"))
    assert _names(world, attributes={"office": ("LONDON", "Paris"), "Grade": ("Senior",)}) == {"Maya"}
    assert _names(world, attributes={"Languages": ("french",)}) == {"Cem"}
    assert _names(world, attributes={"Office": ("Lima",)}) == set()
    assert _names(world, source_id=world.source_id) == {"Maya", "Ben", "Cem"}
    assert _names(world, source_id=new_id()) == set()
    assert _names(world, is_new=True) == set()
    _person(world, "dua")
    assert _names(world, is_new=True) == {"Dua"}
    assert _names(world, is_new=True) == set()


def test_file_of_everybody_holds_members_too_and_says_who_cannot_be_invited() -> None:
    """It serves to maintain the mapping table; it does not count as an earlier file of those in it."""
    world = World().build()
    for name in ("maya", "member"):
        _person(world, name, Grade="Senior")
    world.enrol("member", ("mentor",))
    rows = _by_name(_file(world, _ask(world, wanted=Wanted(is_everybody=True))))
    assert {name: bool(row["note"]) for name, row in rows.items()} == {"Maya": False, "Member": True}
    assert rows["Member"]["HRIS: Grade"] == "Senior"
    assert _names(world, is_new=True) == {"Maya"}


def test_allowed_values_lie_beside_the_invite_file_as_far_as_its_admin_may_see_them() -> None:
    """Roles, options of visible segments and languages, one row each; the mail says where."""
    world = World().build()
    found = {}
    for role in ("admin", "inviter"):
        export = _ask(world, role=role)
        assert run_export(world.hub.hub_id, export.export_id) is State.DONE
        done = store.get(world.hub.hub_id, export.export_id)
        assert done is not None
        with open_object(env("FILES_BUCKET"), done.values_key) as stream:
            found[role] = {(row.cells["column"], row.cells["value"]) for row in read_rows(stream)}
        mail = mails.get(world.hub.hub_id, run.mail_id(export))
        assert mail is not None
        assert mail.params["values"].endswith(f"/exports/{export.export_id}/values")
    assert {("role", "Mentor"), ("Location", "London"), ("Languages", "French"), ("language", "ar")} <= found["admin"]
    assert {column for column, _ in found["inviter"]} == {"role", "Location", "language"}


def test_rows_are_counted_on_the_export_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits sees it move; the count ends with the file."""
    world = World().build()
    for number in range(3):
        _person(world, f"p{number}")
    monkeypatch.setattr(writing, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(invites, "BATCH", 1)
    export, seen, note = _ask(world), [], store.note_progress

    def noted(export: Export, rows: int) -> None:
        note(export, rows)
        held = store.get(export.hub_id, export.export_id)
        assert held is not None
        seen.append((held.state, held.rows))

    monkeypatch.setattr(store, "note_progress", noted)
    _file(world, export)
    assert seen == [(State.RUNNING, 1), (State.RUNNING, 2), (State.RUNNING, 3)]
