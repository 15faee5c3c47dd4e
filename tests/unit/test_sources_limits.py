"""The edges of what a source may send: what is too much or makes no sense is a fault, no crash and no guess."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.runtime.errors import MalformedError, UnauthenticError
from rollcall.sources import standard, workos
from rollcall.sources.model import MAX_FAULTS, Delivery
from tests.support.vendors import STANDARD_SECRET, WORKOS_SECRET, sign_standard, sign_workos

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024


def from_standard(data: dict[str, Any], **top: Any) -> DirectoryEvent:
    """Return what a standard source understands of one event."""
    body = json.dumps({"type": "person.updated", "data": {"external_id": "E-1", **data}, **top}).encode()
    source = Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32)
    (event,) = standard.parse(Delivery(body, {"webhook-id": "msg_1"}, AT), source)
    assert isinstance(event, DirectoryEvent)
    return event


def from_workos(kind: str, data: dict[str, Any], **top: Any) -> DirectoryEvent:
    """Return what a WorkOS source understands of one event."""
    body = json.dumps({"id": "event_1", "event": kind, "data": data, **top}).encode()
    (event,) = workos.parse(Delivery(body, {}, AT), Source("0" * 26, "1" * 26, "workos", "Test", "0" * 32))
    assert isinstance(event, DirectoryEvent)
    return event


def faults_of(data: dict[str, Any], **top: Any) -> list[tuple[str, str]]:
    """Return place and code of each fault of a standard event."""
    with pytest.raises(MalformedError) as caught:
        from_standard(data, **top)
    return [(fault.place, fault.code) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.5, "1234567.5"),
        (12345678.0, "12345678"),
        (1042, "1042"),
        (0, "0"),
        (False, "false"),
        (True, "true"),
        (-0.25, "-0.25"),
        (10**60, "1" + "0" * 60),
        ("  London ", "London"),
        ("", None),
        ([], None),
        ({}, None),
        (["English", "", None, "Yoruba", "English"], ("English", "Yoruba")),
        ([7, True], ("7", "true")),
        ([None], None),
    ],
)
def test_attribute_value_becomes_exact_text(value: object, text: object) -> None:
    """Numbers keep every digit, truth values are JSON's words, lists keep their order once each, nothing clears."""
    assert from_standard({"attributes": {"A": value}}).attributes == {"A": text}


def test_list_of_objects_becomes_one_list_per_name() -> None:
    """Addresses and e-mails, which come as lists of objects, can be mapped by their inner names."""
    event = from_workos(
        "dsync.user.updated",
        {
            "id": "u1",
            "custom_attributes": {
                "addresses": [{"locality": "London", "country": "GB"}, {"locality": "Łódź", "country": "PL"}]
            },
        },
    )
    assert event.attributes == {"addresses.locality": ("London", "Łódź"), "addresses.country": ("GB", "PL")}


@pytest.mark.parametrize(
    ("attributes", "place", "code"),
    [
        ({"A": "x" * 4097}, "$.data.attributes.A", "bad_value"),
        ({"A": "é" * 2049}, "$.data.attributes.A", "bad_value"),
        ({"A": 10**300}, "$.data.attributes.A", "bad_value"),
        ({"A": "\ud800"}, "$.data.attributes.A", "bad_value"),
        ({"A": [{"b": "\ud800"}]}, "$.data.attributes.A.b", "bad_value"),
        ({"A": "\x00"}, "$.data.attributes.A", "bad_value"),
        ({"": "x"}, "$.data.attributes", "bad_name"),
        ({"  ": "x"}, "$.data.attributes", "bad_name"),
        ({"n" * 201: "x"}, "$.data.attributes", "bad_name"),
        ({"a": {"n" * 200: "x"}}, "$.data.attributes", "bad_name"),
        ({"a\ud800": "x"}, "$.data.attributes", "bad_name"),
        ({"a.b": "1", "a": {"b": "2"}}, "$.data.attributes", "duplicate_name"),
        ({f"a{n}": "x" for n in range(201)}, "$.data.attributes", "too_many_attributes"),
        ([], "$.data.attributes", "bad_attributes"),
        ("x", "$.data.attributes", "bad_attributes"),
    ],
    ids=range(15),
)
def test_attributes_out_of_bounds_are_one_fault(attributes: object, place: str, code: str) -> None:
    """Each limit has its own code, and the place names the attribute but never repeats a value."""
    assert faults_of({"attributes": attributes}) == [(place, code)]


def test_limits_are_inclusive() -> None:
    """Exactly as much as is allowed passes."""
    attributes = {f"{n:0200d}": "x" for n in range(199)} | {"A": "x" * 4096}
    assert from_standard({"attributes": attributes, "external_id": "e" * 256}).attributes["A"] == "x" * 4096


def test_infinite_number_is_a_fault() -> None:
    """A number too large for a float does not become the text inf."""
    body = b'{"type": "person.added", "data": {"external_id": "E", "attributes": {"A": 1e400}}}'
    with pytest.raises(MalformedError) as caught:
        standard.parse(
            Delivery(body, {"webhook-id": "m"}, AT), Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32)
        )
    assert [fault.code for fault in caught.value.faults] == ["bad_value"]


@pytest.mark.parametrize("value", [["x" * 4096] + [f"{n:04000d}" for n in range(66)], [f"{n}" for n in range(40_000)]])
def test_person_too_large_to_store_is_a_fault(value: list[str]) -> None:
    """More than a table item can hold is told the sender, who would else try again for ever."""
    assert faults_of({"attributes": {"A": value}}) == [("$.data", "person_too_large")]


def test_nesting_too_deep_is_a_fault() -> None:
    """Objects and lists may be nested only so deep."""
    deep: Any = "x"
    for _ in range(400):
        deep = [{"a": deep}]
    assert {code for _, code in faults_of({"attributes": {"A": deep}})} == {"too_deep"}


def test_thousands_of_faults_still_make_an_answer() -> None:
    """The answer to a large and utterly wrong delivery fits into what a function may return, and counts the rest."""
    bad = {f"{n}": [{}, "\x00"] for n in range(200)}
    body = json.dumps([{"type": "person.added", "data": {"attributes": bad}}] * 200).encode()
    assert len(body) < 1024 * 1024
    with pytest.raises(MalformedError) as caught:
        standard.parse(
            Delivery(body, {"webhook-id": "m"}, AT), Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32)
        )
    assert len(caught.value.faults) == MAX_FAULTS + 1
    assert caught.value.faults[-1].code == "more_faults"
    assert len(json.dumps(caught.value.to_problem())) < LAMBDA_ANSWER_BYTES


@pytest.mark.parametrize(
    "external_id", [None, "", "   ", 1042, True, [], "a\nb", "a\u2028b", "\x00", "\ud800", "e" * 257], ids=range(11)
)
def test_unusable_external_id_is_a_fault(external_id: object) -> None:
    """Nobody can be known by nothing, by a control character, or by what is not text."""
    assert faults_of({"external_id": external_id}) == [("$.data.external_id", "bad_id")]


def test_external_id_in_any_script_is_taken_without_outer_spaces() -> None:
    """A person is the same with and without a stray space."""
    assert from_standard({"external_id": " 社員\u3000七 "}).external_id == "社員\u3000七"


@pytest.mark.parametrize(
    "timestamp",
    ["0999-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x", "", 1764590000, []],
)
def test_time_that_cannot_order_events_is_a_fault(timestamp: object) -> None:
    """A year of three digits, which would sort after every other, is no time to order events by."""
    assert faults_of({}, timestamp=timestamp) == [("$.timestamp", "bad_time")]


def test_what_is_null_counts_as_left_out() -> None:
    """Serialisers that write null for what they do not have are understood."""
    event = from_standard({"attributes": None, "complete": None, "email": None}, timestamp=None)
    assert (event.attributes, event.complete, event.fields) == ({}, False, {"email": None})
    assert event.occurred_at == "2026-11-22T12:00:00.000Z"


def test_end_date_is_a_date() -> None:
    """An end date is kept as a date; anything else is a fault."""
    assert from_standard({"end_date": "2026-12-31T17:00:00Z"}).fields == {"end_date": "2026-12-31"}
    assert faults_of({"end_date": "soon"}) == [("$.data.end_date", "bad_date")]


@pytest.mark.parametrize("state", ["pending", "", "ACTIVE", None])
def test_unknown_state_removes_nobody(state: str | None) -> None:
    """Only the states that mean inactivity deactivate."""
    event = from_workos("dsync.user.updated", {"id": "u1", "state": state})
    assert (event.kind, event.active) == (Kind.UPDATED, None)


@pytest.mark.parametrize("state", ["inactive", "suspended"])
@pytest.mark.parametrize("kind", ["dsync.user.created", "dsync.user.updated"])
def test_inactive_record_deactivates_and_keeps_its_values(kind: str, state: str) -> None:
    """The record of somebody inactive still says who they are."""
    event = from_workos(kind, {"id": "u1", "state": state, "first_name": "Maya"})
    assert (event.kind, event.complete, event.fields["first_name"]) == (Kind.DEACTIVATED, True, "Maya")


@pytest.mark.parametrize("custom", [[], "", 0, False, "x"])
def test_attributes_of_the_wrong_shape_wipe_nothing(custom: object) -> None:
    """A complete record whose attributes cannot be read is refused, not taken as one without attributes."""
    with pytest.raises(MalformedError):
        from_workos("dsync.user.updated", {"id": "u1", "custom_attributes": custom})


@pytest.mark.parametrize("state", [5, {}, [], True])
def test_state_that_is_not_text_is_a_fault(state: object) -> None:
    """What is not a state is not taken for inactivity."""
    with pytest.raises(MalformedError):
        from_workos("dsync.user.updated", {"id": "u1", "state": state})


@pytest.mark.parametrize("name", ["👩‍💻 Engineering", "می‌خواهم", "R\u00a0&\u00a0D", "久美子", "\u200fمجموعة"])
def test_group_in_any_script_is_taken(name: str) -> None:
    """Joiners, direction marks and no-break spaces belong to names."""
    event = from_workos("dsync.group.user_removed", {"user": {"id": "u1"}, "group": {"name": name}})
    assert event.groups == {name: False}


def test_roles_join_what_the_customer_mapped_to_role() -> None:
    """Neither the identity provider's roles nor the customer's own attribute hides the other."""
    given = {"role": {"slug": "member"}, "roles": [{"slug": "admin"}, 7]}
    data = {"id": "u1", "custom_attributes": {"role": "Mentor"}, **given}
    assert from_workos("dsync.user.created", data).attributes["role"] == ("Mentor", "admin", "member")


def test_record_without_time_has_the_time_of_its_event() -> None:
    """The envelope says when, if the record does not."""
    event = from_workos("dsync.user.updated", {"id": "u1", "updated_at": None}, created_at="2023-04-28 20:05:31.093")
    assert event.occurred_at == "2023-04-28T20:05:31.093Z"


def test_other_spelling_of_the_signature_is_unauthentic() -> None:
    """Base64 has spare bits in its last letter: of the four spellings of the same bytes only the signed one counts."""
    body = b"{}"
    good = sign_standard(body, AT)
    token = good["webhook-signature"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    accepted = []
    for letter in letters:
        headers = {**good, "webhook-signature": f"{token[:-2]}{letter}="}
        try:
            standard.verify(Delivery(body, headers, AT), [STANDARD_SECRET])
        except UnauthenticError:
            continue
        accepted.append(letter)
    assert accepted == [token[-2]]


@pytest.mark.parametrize("secrets", [[], [""], ["another"]])
def test_workos_without_its_secret_is_unauthentic(secrets: list[str]) -> None:
    """No secret, an empty one or another one lets nothing through."""
    body = b"{}"
    with pytest.raises(UnauthenticError):
        workos.verify(Delivery(body, sign_workos(body, AT, secret="x"), AT), secrets)


def test_second_live_secret_is_accepted() -> None:
    """During a rotation both secrets work."""
    body = b"{}"
    workos.verify(Delivery(body, sign_workos(body, AT), AT + timedelta(seconds=170)), ["newer", WORKOS_SECRET])
    standard.verify(
        Delivery(body, sign_standard(body, AT), AT + timedelta(seconds=299)), ["whsec_" + "A" * 32, STANDARD_SECRET]
    )
