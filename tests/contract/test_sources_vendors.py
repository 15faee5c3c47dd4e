"""Merge, BambooHR, Okta, Finch, Svix: what their samples say exactly, and that we agree with the vendors' packages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import svix
from finch import Finch

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import MalformedError, UnauthenticError
from rollcall.sources import finch, okta, standard
from rollcall.sources.model import Delivery, Parsed, without_denied
from rollcall.sources.policy import Away, EmailChoice, Policy
from rollcall.sources.registry import provider
from tests.support.vendors import FINCH_SECRET, FORM, STANDARD_SECRET, sign_finch, sign_standard, sign_svix

EVENTS = Path(__file__).parents[2] / "events"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def source(name: str, **settings: str) -> Source:
    return Source("0" * 26, "1" * 26, name, "Test", "0" * 32, settings=settings)


def parse(name: str, document: Any, **settings: str) -> Parsed:
    """Return what a source understands of a document."""
    body = json.dumps(document).encode()
    return provider(name).parse(Delivery(body, {"finch-event-id": "msg_1"}, AT), source(name, **settings))


def parse_form(body: bytes) -> Parsed:
    """Return what a BambooHR source understands of a form."""
    return provider("bamboohr").parse(Delivery(body, {"content-type": FORM}, AT), source("bamboohr"))


def sample(path: str) -> Any:
    return json.loads((EVENTS / path).read_bytes())


def one(parsed: Parsed) -> DirectoryEvent:
    (event,) = parsed
    assert isinstance(event, DirectoryEvent)
    return event


def reasons(parsed: Parsed) -> list[str]:
    return [event.reason for event in parsed if isinstance(event, Ignored)]


def faults(name: str, document: Any, **settings: str) -> list[tuple[str, str]]:
    with pytest.raises(MalformedError) as caught:
        parse(name, document, **settings)
    return [(fault.place, fault.code) for fault in caught.value.faults]


def merge_employee(event: str = "Employee.changed", **data: Any) -> dict[str, Any]:
    document = sample("merge/Employee.changed.json")
    document["hook"]["event"] = event
    document["data"].update(data)
    return dict(document)


# --- signatures ------------------------------------------------------------------------------------------------------
def test_published_finch_vector_is_accepted() -> None:
    """The vector of Finch's Go package passes at its time and not five minutes later."""
    headers = {
        "finch-event-id": "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj",
        "finch-timestamp": "1676312382",
        "finch-signature": "v1,m7y0TV2C+hlHxU42wCieApTSTaA8/047OAplBqxIV/s=",
    }
    body = b'{"company_id":"720be419-0293-4d32-a707-32179b0827ab"}'
    at = datetime.fromtimestamp(1676312382, UTC)
    finch.verify(Delivery(body, headers, at + timedelta(seconds=299)), [FINCH_SECRET])
    for wrong in (301, -301):
        with pytest.raises(UnauthenticError):
            finch.verify(Delivery(body, headers, at + timedelta(seconds=wrong)), [FINCH_SECRET])


def test_what_we_accept_from_finch_their_verifier_accepts() -> None:
    """Finch's own package agrees with ours on a fresh delivery, on a changed one, and on a second signature."""
    body = (EVENTS / "finch" / "individual.deleted.json").read_bytes()
    at = datetime.now(UTC)
    good = sign_finch(body, at)
    client = Finch(client_id="test", client_secret="test")
    for headers, is_good in (
        (good, True),
        ({**good, "finch-signature": f"v1,{'A' * 43}= {good['finch-signature']}"}, True),
        ({**good, "finch-event-id": "msg_2"}, False),
        ({**good, "finch-signature": f"v2{good['finch-signature'][2:]}"}, False),
    ):
        theirs = ours = True
        try:
            client.webhooks.verify_signature(body, headers, secret=FINCH_SECRET)
        except ValueError:
            theirs = False
        try:
            finch.verify(Delivery(body, headers, at), [FINCH_SECRET])
        except UnauthenticError:
            ours = False
        assert (theirs, ours) == (is_good, is_good)


def test_svix_and_we_agree() -> None:
    """What Svix's package signs we accept, and what we accept of Standard Webhooks Svix's package accepts."""
    body = (EVENTS / "standard" / "person.added-complete.json").read_bytes()
    at = datetime.now(UTC)
    standard.verify(Delivery(body, sign_svix(body, at), at), [STANDARD_SECRET])
    for headers in (sign_svix(body, at), sign_standard(body, at)):
        svix.Webhook(STANDARD_SECRET).verify(body, headers)


def test_event_through_svix_has_the_name_svix_gives_it() -> None:
    """The id of the message names the event under either header, so a delivery through both is one event."""
    body = (EVENTS / "standard" / "person.added-complete.json").read_bytes()
    through = [
        one(standard.parse(Delivery(body, headers, AT), source("standard")))
        for headers in (sign_svix(body, AT), sign_standard(body, AT))
    ]
    assert through[0] == through[1]


# --- Merge -----------------------------------------------------------------------------------------------------------
def test_merge_record_becomes_a_whole_person() -> None:
    """Work e-mail, names and the record's own clock; custom fields and field mappings have names of their own."""
    event = one(parse("merge", sample("merge/Employee.changed.json")))
    assert (event.external_id, event.occurred_at) == (
        "0958cbc6-6040-430a-848e-aafacbadf4ae",
        "2026-11-02T06:00:40.000Z",
    )
    assert (event.kind, event.complete, event.active) == (Kind.UPDATED, True, True)
    assert event.fields == {
        "email": "jonas.weber@example.com",
        "first_name": "Jonas",
        "last_name": "Weber-Stein",
        "start_date": "2026-08-03",
        "end_date": None,
    }
    assert event.attributes["custom_fields.chapter"] == "Berlin"
    assert event.attributes["field_mappings.membership_tier"] == "silver"
    assert event.attributes["employment_status"] == "ACTIVE"
    assert event.attributes["groups"] == (
        "21a54124-397f-494d-985e-3c5b330b8a68",
        "4b0f6d31-88a2-4d1a-bb3b-1d6f6d3d2c11",
    )
    assert not {"personal_email", "mobile_phone_number", "home_location", "remote_data"} & set(event.attributes)


def test_merge_leaves_out_what_is_never_stored() -> None:
    """Government id, birth date, salary and bank are dropped wherever they stand; the rest stays, in any script."""
    given = one(parse("merge", sample("merge/Employee.changed.sensitive_fields.json")))
    event = without_denied(given, source("merge"))
    dropped = {"ssn", "date_of_birth", "custom_fields.Base salary", "custom_fields.assignments.Bank account"}
    assert set(given.attributes) - set(event.attributes) == dropped
    assert event.attributes["custom_fields.assignments.Region"] == "North"
    assert event.attributes["custom_fields.languages"] == ("English", "Polski")
    assert event.attributes["team.name"] == "Field"
    assert event.fields["first_name"] == "久美子"


def test_merge_deletion_is_either_word_for_it() -> None:
    """A removed employee and one that is gone from the HR system are both deleted."""
    assert one(parse("merge", sample("merge/Employee.removed.json"))).kind is Kind.DELETED
    assert one(parse("merge", merge_employee(remote_was_deleted=True))).kind is Kind.DELETED


@pytest.mark.parametrize(
    ("data", "kind", "ends"),
    [
        ({"employment_status": "INACTIVE"}, Kind.DEACTIVATED, None),
        ({"termination_date": "2026-11-22T00:00:00Z"}, Kind.DEACTIVATED, "2026-11-22"),
        ({"termination_date": "2026-11-23"}, Kind.UPDATED, "2026-11-23"),
        ({"termination_date": "2026-01-31", "start_date": "2026-02-01", "hire_date": None}, Kind.UPDATED, None),
        ({"employment_status": "PENDING"}, Kind.UPDATED, None),
        ({"employment_status": "On garden leave"}, Kind.UPDATED, None),
        ({"employment_status": None}, Kind.UPDATED, None),
    ],
    ids=range(7),
)
def test_merge_employment_decides_who_is_inactive(data: dict[str, Any], kind: Kind, ends: str | None) -> None:
    """Inactive, or past the end date unless hired again since; a word that we do not know removes nobody."""
    event = one(parse("merge", merge_employee(**data)))
    assert (event.kind, event.fields["end_date"]) == (kind, ends)


def test_merge_source_may_take_the_personal_address() -> None:
    """Which of the two addresses counts is the source's setting; without that address there is none."""
    personal = replace(source("merge"), policy=Policy(email=EmailChoice.PERSONAL))
    delivery = Delivery(json.dumps(merge_employee()).encode(), {}, AT)
    (event,) = provider("merge").parse(delivery, personal)
    assert isinstance(event, DirectoryEvent)
    assert event.fields["email"] == "jonas.home@example.com"
    assert one(parse("merge", merge_employee(work_email=None))).fields["email"] is None


def test_merge_events_are_told_apart_by_their_bodies() -> None:
    """The id of the hook is the same for all; the same body again is the same event."""
    names = [one(parse("merge", merge_employee(first_name=name))).event_id for name in ("A", "B", "A")]
    assert names[0] == names[2] != names[1]


def test_merge_field_mapping_of_the_linked_account_wins() -> None:
    """Both kinds of field mapping come under one name; the narrower one counts."""
    mappings = {"organization_defined_targets": {"a": "1", "b": "2"}, "linked_account_defined_targets": {"b": "3"}}
    event = one(parse("merge", merge_employee(field_mappings=mappings)))
    assert (event.attributes["field_mappings.a"], event.attributes["field_mappings.b"]) == ("1", "3")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"id": None}, [("$.data.id", "bad_id")]),
        ({"modified_at": "yesterday"}, [("$.data.modified_at", "bad_time")]),
        ({"work_email": ["x"]}, [("$.data.work_email", "bad_text")]),
        ({"termination_date": "soon"}, [("$.data.termination_date", "bad_date")]),
        ({"employment_status": 5}, [("$.data.employment_status", "bad_text")]),
        ({"field_mappings": "x"}, [("$.data.field_mappings", "bad_attributes")]),
        ({"custom_fields": {"x": "\x00"}}, [("$.data.custom_fields.x", "bad_value")]),
    ],
    ids=range(7),
)
def test_merge_record_with_a_fault_is_refused(data: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each fault is told with its place."""
    assert faults("merge", merge_employee(**data)) == expected


# --- BambooHR --------------------------------------------------------------------------------------------------------
def test_bamboohr_fields_become_a_partial_person() -> None:
    """Each employee of a delivery is an event of its own, with the fields that were chosen, at its own time."""
    lena, aiko = parse("bamboohr", sample("bamboohr/employee_with_fields.updated.json"))
    assert isinstance(lena, DirectoryEvent)
    assert isinstance(aiko, DirectoryEvent)
    assert lena.fields == {"email": "lena.fischer@example.com", "first_name": "Lena", "last_name": "Fischer-Moss"}
    assert lena.attributes == {"Employee #": "100", "Department": "Field", "Status": "Active"}
    assert (lena.external_id, lena.occurred_at, lena.complete) == ("100", "2026-11-01T00:05:00.000Z", False)
    assert (lena.kind, lena.active) == (Kind.UPDATED, True)
    assert (aiko.external_id, aiko.kind, aiko.occurred_at) == ("101", Kind.DEACTIVATED, "2026-11-01T00:05:01.000Z")
    assert lena.event_id != aiko.event_id


def test_bamboohr_chosen_field_names_are_understood() -> None:
    """Usual names are recognised in any spelling; all others stay what they are called."""
    event = one(parse("bamboohr", sample("bamboohr/employee_with_fields.updated.chosen_post_fields.json")))
    assert event.fields == {"email": "aiko.tanaka@example.com", "first_name": "Aiko", "last_name": "Tanaka"}
    assert event.attributes == {"segment_department": "Field", "status": "Inactive"}


def test_bamboohr_source_may_name_its_fields() -> None:
    """A name of the client's own choice is taken instead of the usual one, which then is an attribute."""
    entry = {"id": 7, "action": "Updated", "fields": {"Dienstmail": "x@example.com", "Email": "y@example.com"}}
    event = one(parse("bamboohr", {"employees": [entry]}, field_email="dienstmail"))
    assert (event.external_id, event.fields) == ("7", {"email": "x@example.com"})
    assert event.attributes == {"Email": "y@example.com"}


def test_bamboohr_wrapped_values_are_unwrapped_and_the_created_waits_for_its_update() -> None:
    """Older webhooks wrap values; the entry that somebody was created carries nothing, the next one is the add."""
    created, updated = parse(
        "bamboohr", sample("bamboohr/employee_with_fields.created_then_updated.wrapped_values.json")
    )
    assert isinstance(created, DirectoryEvent)
    assert (created.kind, created.look, created.fields) == (Kind.ADDED, True, {})
    assert isinstance(updated, DirectoryEvent)
    kept = without_denied(updated, source("bamboohr"))
    assert kept.fields["first_name"] == "Łukasz"
    assert kept.attributes == {"Department": "Field"}


def test_bamboohr_form_says_the_same_as_json() -> None:
    """The form of a webhook is read like its JSON; an entry without time has the time of receipt."""
    body = (EVENTS / "bamboohr/employee_with_fields.updated.form.txt").read_bytes()
    lena, aiko = parse_form(body)
    assert isinstance(lena, DirectoryEvent)
    assert isinstance(aiko, DirectoryEvent)
    assert lena.fields == {"email": "lena.fischer@example.com", "first_name": "Lena", "last_name": "Fischer-Moß"}
    assert (lena.external_id, lena.occurred_at, lena.attributes) == ("100", "2026-11-01T00:05:02.000Z", {})
    assert (aiko.kind, aiko.occurred_at, aiko.attributes) == (
        Kind.DEACTIVATED,
        "2026-11-22T12:00:00.000Z",
        {"Status": "Inactive"},
    )
    deleted = one(parse_form((EVENTS / "bamboohr/employee.deleted.form.txt").read_bytes()))
    assert (deleted.kind, deleted.external_id) == (Kind.DELETED, "100")


def test_bamboohr_deletion_carries_no_values() -> None:
    """A deletion says who and when, and clears nothing."""
    for path in ("bamboohr/employee.deleted.json", "bamboohr/employee_with_fields.deleted.json"):
        event = one(parse("bamboohr", sample(path)))
        assert (event.kind, event.external_id, event.occurred_at) == (Kind.DELETED, "100", "2026-11-20T12:00:00.000Z")
        assert (event.fields, event.attributes, event.complete) == ({}, {}, False)


def test_bamboohr_empty_value_clears_its_field_only() -> None:
    """What comes empty is cleared; what does not come stays."""
    entry = {"id": "1", "action": "Updated", "fields": {"Work Email": "", "Department": None}}
    event = one(parse("bamboohr", {"employees": [entry]}))
    assert (event.fields, event.attributes) == ({"email": None}, {"Department": None})


@pytest.mark.parametrize("status", ["Pending", "", None, "On leave"])
def test_bamboohr_unknown_status_removes_nobody(status: str | None) -> None:
    """Only the status that means inactivity deactivates."""
    event = one(parse("bamboohr", {"employees": [{"id": "1", "action": "Updated", "fields": {"Status": status}}]}))
    assert (event.kind, event.active) == (Kind.UPDATED, None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], [("$", "not_an_object")]),
        ({}, [("$.type", "missing_type")]),
        ({"type": "employee.deleted"}, [("$.data", "missing_data")]),
        ({"type": "employee.deleted", "data": {}}, [("$.data.employeeId", "bad_id")]),
        ({"employees": {}}, [("$.employees", "bad_count")]),
        ({"employees": [{}] * 1001}, [("$.employees", "bad_count")]),
        ({"employees": ["x", {"id": None}]}, [("$.employees[0]", "not_an_object"), ("$.employees[1].id", "bad_id")]),
        (
            {"employees": [{"id": "1", "action": "Moved", "timestamp": "soon", "fields": "x"}]},
            [
                ("$.employees[0].fields", "bad_attributes"),
                ("$.employees[0].action", "bad_action"),
                ("$.employees[0].timestamp", "bad_time"),
            ],
        ),
    ],
    ids=range(8),
)
def test_bamboohr_delivery_with_faults_is_refused(document: Any, expected: list[tuple[str, str]]) -> None:
    """Every fault is told with its place, and nothing is taken."""
    assert faults("bamboohr", document) == expected


def test_bamboohr_form_that_is_none_is_refused() -> None:
    """A form must be readable text, and not of endless fields."""
    for body in (b"\xff=1", b"a=%ff", b"&".join([b"a=1"] * 50_001)):
        with pytest.raises(MalformedError) as caught:
            parse_form(body)
        assert caught.value.faults[0].code == "not_a_form"


# --- Okta ------------------------------------------------------------------------------------------------------------
def test_okta_creation_takes_what_is_there() -> None:
    """Login and display name, as a partial event at the time it was published."""
    event = one(parse("okta", sample("okta/user.lifecycle.create.json")))
    assert (event.external_id, event.kind, event.complete) == ("00u8maya0okafor0Ab1d", Kind.ADDED, False)
    assert event.fields == {"email": "maya.okafor@example.com", "first_name": "Maya Okafor"}
    assert (event.occurred_at, event.attributes) == ("2026-11-02T09:15:22.104Z", {})


def test_okta_batch_is_one_event_each() -> None:
    """Several events come at once, in any order, each with its own person and time; they carry no values."""
    jonas, aiko = parse("okta", sample("okta/user.lifecycle.deactivate.json"))
    assert isinstance(jonas, DirectoryEvent)
    assert isinstance(aiko, DirectoryEvent)
    assert (jonas.external_id, jonas.occurred_at) == ("00u8jonas0weber00Ab1", "2026-11-04T18:15:12.862Z")
    assert (aiko.external_id, aiko.occurred_at) == ("00u8aiko0tanaka00Ab1", "2026-11-04T18:15:11.001Z")
    assert (jonas.kind, aiko.kind, jonas.fields, aiko.fields) == (Kind.DEACTIVATED, Kind.DEACTIVATED, {}, {})


def test_okta_login_that_is_no_address_is_no_address() -> None:
    """A login may be any name; only an address is taken as one."""
    document = sample("okta/user.account.update_profile.json")
    document["data"]["events"][0]["target"][0]["alternateId"] = "maya"
    assert one(parse("okta", document)).fields == {"first_name": "Maya Okafor-Hale"}


def test_okta_group_moves_the_membership_only() -> None:
    """A group event is about the user among its targets, and says nothing of their record."""
    document = sample("okta/group.user_membership.add.json")
    event = one(parse("okta", document))
    assert (event.external_id, event.groups, event.fields) == ("00u8jonas0weber00Ab1", {"Mentors": True}, {})
    document["data"]["events"][0]["eventType"] = "group.user_membership.remove"
    assert one(parse("okta", document)).groups == {"Mentors": False}


@pytest.mark.parametrize("outcome", [None, {}, "SUCCESS", {"result": "FAILURE"}, {"result": "success"}])
def test_okta_event_that_did_not_succeed_is_ignored(outcome: object) -> None:
    """Only what happened counts; the others of the delivery still do."""
    document = sample("okta/user.lifecycle.deactivate.json")
    document["data"]["events"][0]["outcome"] = outcome
    failed, done = parse("okta", document)
    assert reasons([failed]) == ["not_done"]
    assert isinstance(done, DirectoryEvent)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"uuid": None}, ("uuid", "bad_id")),
        ({"eventType": 5}, ("eventType", "missing_type")),
        ({"published": "soon"}, ("published", "bad_time")),
        ({"target": None}, ("target.id", "bad_id")),
        ({"target": [{"type": "AppUser", "id": "x"}]}, ("target.id", "bad_id")),
        ({"target": [{"type": "User", "id": 7}]}, ("target[0].id", "bad_id")),
        ({"target": [7, {"type": "User", "id": "x", "alternateId": []}]}, ("target[1].alternateId", "bad_text")),
    ],
    ids=range(7),
)
def test_okta_event_with_a_fault_is_refused(change: dict[str, Any], expected: tuple[str, str]) -> None:
    """Each fault is told with its place."""
    document = sample("okta/user.lifecycle.create.json")
    document["data"]["events"][0].update(change)
    place, code = expected
    assert faults("okta", document) == [(f"$.data.events[0].{place}", code)]


@pytest.mark.parametrize(
    "document", [None, [], {}, {"data": []}, {"data": {"events": []}}, {"data": {"events": [1] * 1001}}]
)
def test_okta_delivery_without_events_is_refused(document: object) -> None:
    """A delivery has one event or more, and not endlessly many."""
    assert faults("okta", document) == [("$.data.events", "bad_count")]


def test_okta_challenge_sample_is_answered_as_it_says() -> None:
    """The sample of Okta's challenge names the answer it wants."""
    asked = sample("okta/challenge/verification_challenge.request.json")
    headers = {name.lower(): value for name, value in asked["headers"].items()}
    secret = headers["authorization"].removeprefix("Bearer ")
    assert okta.answer_challenge(Delivery(b"", headers, AT), [secret]) == asked["expected_response"]["body"]


@pytest.mark.parametrize("kind", ["user.lifecycle.suspend", "user.lifecycle.unsuspend"])
def test_okta_suspension_does_nothing_where_the_source_says_so(kind: str) -> None:
    """A suspension is recorded only, and so is its end, which else would take somebody back whom it never took out."""
    document = sample("okta/user.lifecycle.deactivate.json")
    for entry in document["data"]["events"]:
        entry["eventType"] = kind
    body = json.dumps(document).encode()
    lenient = replace(source("okta"), policy=Policy(suspended=Away.NOTHING))
    assert set(reasons(provider("okta").parse(Delivery(body, {}, AT), lenient))) == {"suspended"}
    assert all(isinstance(event, DirectoryEvent) for event in parse("okta", document))


# --- Finch -----------------------------------------------------------------------------------------------------------
def test_finch_deletion_acts() -> None:
    """It says who; when is the time of receipt, and its name is that of the delivery, which a retry keeps."""
    event = one(parse("finch", sample("finch/individual.deleted.json")))
    assert (event.kind, event.external_id) == (Kind.DELETED, "5d0f4c3e-1b2a-4c9d-8e7f-6a5b4c3d2e1f")
    assert (event.occurred_at, event.fields, event.complete) == ("2026-11-22T12:00:00.000Z", {}, False)
    again = one(parse("finch", {**sample("finch/individual.deleted.json"), "entity_id": "x"}))
    assert again.event_id == event.event_id


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        *((kind, "unused_type") for kind in ("company.updated", "payment.created", "job.benefit_create.completed")),
        ("account.updated", "whole_source"),
        ("test", "test"),
    ],
)
def test_finch_event_about_no_person_is_recorded(kind: str, reason: str) -> None:
    """What is about nobody is recorded with the reason why it does nothing."""
    assert reasons(parse("finch", {**sample("finch/individual.deleted.json"), "event_type": kind})) == [reason]


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        ("individual.created", Kind.ADDED),
        ("directory.created", Kind.ADDED),
        *((f"{what}.updated", Kind.UPDATED) for what in ("individual", "directory", "employment")),
        *((f"employment.{how}", Kind.UPDATED) for how in ("created", "deleted")),
    ],
)
def test_finch_event_about_a_person_is_to_be_looked_up(kind: str, means: Kind) -> None:
    """It says who; an employment that is gone removes nobody before it was looked up."""
    event = one(parse("finch", {**sample("finch/individual.deleted.json"), "event_type": kind}))
    assert (event.kind, event.look, event.external_id) == (means, True, "5d0f4c3e-1b2a-4c9d-8e7f-6a5b4c3d2e1f")


def test_finch_deletion_of_nobody_is_refused() -> None:
    """A deletion must say whose."""
    nobody: tuple[Any, ...] = (None, {}, {"individual_id": None}, [])
    for data in nobody:
        document = {"event_type": "directory.deleted", "data": data}
        assert faults("finch", document) == [("$.data.individual_id", "bad_id")]


# --- all -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "setting", "mine"),
    [
        ("merge/Employee.removed.json", "linked_account_id", "8e6f0a7b-2c41-4b6d-9a57-31f2c9d0e5b4"),
        ("finch/individual.deleted.json", "connection_id", "c0ffee12-3456-4789-8abc-def012345678"),
        ("bamboohr/employee.deleted.json", "company_id", "48213"),
    ],
)
def test_event_of_another_account_removes_nobody(path: str, setting: str, mine: str) -> None:
    """A source that is bound to one account ignores the genuine events of others, which share its secret."""
    name = path.partition("/")[0]
    assert one(parse(name, sample(path), **{setting: mine})).kind is Kind.DELETED
    assert reasons(parse(name, sample(path), **{setting: "other"})) == ["other_account"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("merge", {"hook": {"event": "LinkedAccount.deleted"}}),
        ("merge", {"hook": {"event": "LinkedAccount.synced"}, "data": {"id": "x"}}),
        ("bamboohr", {"type": "company.deleted", "data": {"companyId": "1", "employeeId": "100"}}),
        ("bamboohr", {"type": "company-integrations.updated"}),
        ("finch", {"event_type": "account.updated", "data": {"status": "disconnected", "individual_id": "x"}}),
    ],
    ids=range(5),
)
def test_event_about_a_whole_source_removes_nobody(name: str, document: dict[str, Any]) -> None:
    """A source that disconnects is recorded, whatever else its event holds."""
    assert reasons(parse(name, document)) == ["whole_source"]
