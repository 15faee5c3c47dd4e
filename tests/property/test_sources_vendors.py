"""Merge, BambooHR, Okta and Finch: nothing changed after signing is accepted, and any body is understood or refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Ignored
from rollcall.people.model import event_from_item, event_to_item
from rollcall.runtime.errors import Fault, MalformedError, UnauthenticError
from rollcall.sources.model import Delivery, Parsed, is_denied, without_denied
from rollcall.sources.registry import provider
from rollcall.sources.standard import TOLERANCE_SECONDS
from tests.support.examples import examples
from tests.support.spoiling import JSON, spoilt
from tests.support.vendors import (
    BAMBOOHR_SECRET,
    FINCH_SECRET,
    FORM,
    MERGE_SECRET,
    OKTA_SECRET,
    sign_bamboohr,
    sign_finch,
    sign_merge,
    sign_okta,
)

EVENTS = Path(__file__).parents[2] / "events"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BODY = '{"employees": [{"id": "7", "action": "Updated", "fields": {"First Name": "久美子"}}]}'.encode()
SECRETS = {"bamboohr": BAMBOOHR_SECRET, "finch": FINCH_SECRET, "merge": MERGE_SECRET, "okta": OKTA_SECRET}
SIGNED = {
    "bamboohr": sign_bamboohr(BODY, AT),
    "finch": sign_finch(BODY, AT),
    "merge": sign_merge(BODY, AT),
    "okta": sign_okta(BODY, AT),
}
SIGNING = ("bamboohr", "finch", "merge")  # Okta signs nothing: its secret comes with each delivery
HEADERS = sorted({header for headers in SIGNED.values() for header in headers})


def accepts(name: str, body: bytes, headers: dict[str, str]) -> bool:
    """Tell whether a delivery passes; any other exception than the expected one fails the test."""
    try:
        provider(name).verify(Delivery(body, headers, AT), [SECRETS[name]])
    except UnauthenticError:
        return False
    return True


def same_token(header: str, before: str, after: str) -> bool:
    """Tell whether a changed header still holds the signed token as it was: junk beside it is no forgery."""
    if header == "finch-signature":
        return before in after.split(" ")
    if header == "x-merge-webhook-signature":
        return after.strip(" ").removesuffix("=") == before.removesuffix("=")
    return False


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> str:
    """Replace, insert, drop or cut somewhere."""
    at = draw(st.integers(0, len(text) - 1))
    letter = draw(st.characters(codec="utf-8") | st.sampled_from("0123456789abcdefABCDEF+/=-_,. "))
    ways = [text[:at] + letter + text[at + 1 :], text[:at] + letter + text[at:], text[:at] + text[at + 1 :], text[:at]]
    return draw(st.sampled_from(ways))


@pytest.mark.parametrize("name", SECRETS)
def test_untouched_delivery_is_accepted(name: str) -> None:
    """What is signed passes: else the tests below could not fail."""
    assert accepts(name, BODY, SIGNED[name])


@settings(max_examples=examples(500), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", SECRETS)
def test_changed_header_is_unauthentic(name: str, data: st.DataObject) -> None:
    """A header that was changed in any way passes only if the signed token is still in it, whole."""
    headers = dict(SIGNED[name])
    place = data.draw(st.sampled_from(sorted(headers)))
    before = headers[place]
    headers[place] = data.draw(changed_text(before))
    assert accepts(name, BODY, headers) is (headers[place] == before or same_token(place, before, headers[place]))


@settings(max_examples=examples(500), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", SIGNING)
def test_changed_body_of_any_length_is_unauthentic(name: str, data: st.DataObject) -> None:
    """Bytes replaced, inserted, dropped or appended are noticed."""
    at = data.draw(st.integers(0, len(BODY)))
    until = data.draw(st.integers(at, len(BODY)))
    body = BODY[:at] + data.draw(st.binary(max_size=8)) + BODY[until:]
    assert accepts(name, body, SIGNED[name]) is (body == BODY)


@settings(max_examples=examples(500), deadline=None)
@given(headers=st.dictionaries(st.sampled_from(HEADERS), st.text()), body=st.binary())
@pytest.mark.parametrize("name", SECRETS)
def test_invented_delivery_is_unauthentic(name: str, headers: dict[str, str], body: bytes) -> None:
    """Whatever somebody without the secret makes up is refused in the one way."""
    assert not accepts(name, body, headers)


@settings(max_examples=examples(200), deadline=None)
@given(seconds=st.integers(-100_000, 100_000))
def test_delivery_is_accepted_as_long_as_its_vendor_may_send_it(seconds: int) -> None:
    """Finch's within five minutes either way, BambooHR's for four hours, since it tries again for nearly three."""
    body, at = b"{}", datetime.fromtimestamp(AT.timestamp() + seconds, UTC)
    assert accepts("finch", body, sign_finch(body, at)) is (abs(seconds) <= TOLERANCE_SECONDS)
    assert accepts("bamboohr", body, sign_bamboohr(body, at)) is (-4 * 3600 <= seconds <= TOLERANCE_SECONDS)


# --- any body --------------------------------------------------------------------------------------------------------
SAMPLES = {name: [json.loads(path.read_bytes()) for path in sorted((EVENTS / name).glob("*.json"))] for name in SECRETS}


def bodies(name: str) -> st.SearchStrategy[bytes]:
    """Return bytes of any kind, JSON of any kind, and samples with something wrong."""
    return st.binary(max_size=200) | (JSON | spoilt(SAMPLES[name])).map(lambda value: json.dumps(value).encode())


def outcome(source: Source, delivery: Delivery) -> tuple[Parsed, list[Fault]]:
    """Return the events of a delivery, or its faults; any other exception fails the test."""
    try:
        return provider(source.provider).parse(delivery, source), []
    except MalformedError as exc:
        return [], exc.faults


def check(name: str, body: bytes, headers: dict[str, str]) -> None:
    """Parse a body: events that can be stored, ignored ones with a reason, or faults with place, code and sentence."""
    source = Source("0" * 26, "1" * 26, name, "Test", "0" * 32)
    events, faults = outcome(source, Delivery(body, headers, AT))
    assert bool(events) != bool(faults)
    assert all(fault.place and fault.code and fault.detail for fault in faults)
    for event in events:
        assert len(event.event_id) == 32
        if isinstance(event, Ignored):
            assert event.reason
            assert event.detail
            continue
        assert isinstance(event, DirectoryEvent)
        assert event.external_id
        assert event.occurred_at.endswith("Z")
        assert event_from_item(event_to_item(event)) == event
        assert json.loads(json.dumps(event_to_item(event)))["kind"] == event.kind
        assert not any(is_denied(attribute) for attribute in without_denied(event, source).attributes)


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", SECRETS)
def test_any_body_gives_events_or_faults(name: str, data: st.DataObject) -> None:
    """Whatever is signed and sent ends as events, as ignored, or as a list of faults; nothing else."""
    check(name, data.draw(bodies(name)), {"finch-event-id": "msg_1"})


FORM_KEYS = st.sampled_from(
    [
        *(
            "type",
            "timestamp",
            "data[employeeId]",
            "data[companyId]",
            "employees[7][action]",
            "employees[7][timestamp]",
        ),
        *("employees[7][fields][Status]", "employees[7][Work Email]", "employees[7][changedFields][0]", "employees[7]"),
        *("employees", "data", "employees[][x]", "employees[8][x][y][z]", "employees[8", "]", "employees[8][id]"),
    ]
)


@settings(max_examples=examples(300), deadline=None)
@given(
    st.binary(max_size=200)
    | st.lists(st.tuples(FORM_KEYS | st.text(max_size=12), st.sampled_from(["Updated", "Inactive", "7"]) | st.text()))
    .map(lambda pairs: "&".join(f"{key}={value}" for key, value in pairs))
    .map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_form_gives_events_or_faults(body: bytes) -> None:
    """A form of any contents ends as one of the three, too."""
    check("bamboohr", body, {"content-type": f"{FORM}; charset=utf-8"})


@settings(max_examples=examples(300), deadline=None)
@given(
    name=st.text(),
    before=st.sampled_from(["", "Custom.", "custom_fields."]),
    after=st.sampled_from(["", " 2", ".a"]),
)
def test_denied_stays_denied_in_company(name: str, before: str, after: str) -> None:
    """What is denied alone is denied within a longer dotted name, and with a number behind it."""
    if is_denied(name):
        assert is_denied(f"{before}{name}{after}")
    assert is_denied(f"{before}date of birth{after}")
