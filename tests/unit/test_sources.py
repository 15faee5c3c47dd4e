"""Bad deliveries: what is not signed is refused in one way, what is malformed is told fault by fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Ignored
from rollcall.runtime.errors import Fault, MalformedError, UnauthenticError
from rollcall.sources.model import Delivery
from rollcall.sources.registry import PROVIDERS, provider
from tests.support.examples import examples
from tests.support.vendors import STANDARD_SECRET, WORKOS_SECRET, sign_standard, sign_workos

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BODY = b'{"type": "person.added", "data": {"external_id": "E-1"}}'
GOOD = sign_standard(BODY, AT)
TOKEN = GOOD["webhook-signature"]
STAMP = GOOD["webhook-timestamp"]
WORKOS_BODY = b'{"id": "event_1", "event": "dsync.user.created", "data": {"id": "u1"}}'
WORKOS_GOOD = sign_workos(WORKOS_BODY, AT)["workos-signature"]
WORKOS_T, WORKOS_V1 = WORKOS_GOOD.split(", ")

STANDARD_HEADERS: list[dict[str, str]] = [
    {},
    *({key: value for key, value in GOOD.items() if key != gone} for gone in GOOD),
    *({**GOOD, "webhook-id": name} for name in ("", "msg_2", "msg_1 ", "mśg_1", "\x00")),
    *(
        {**GOOD, "webhook-timestamp": stamp}
        for stamp in (
            "",
            "0",
            "-1",
            "now",
            f"{STAMP}.0",
            f"{STAMP}.9",
            f"+{STAMP}",
            f" {STAMP}",
            f"{STAMP} ",
            f"{STAMP[:5]}_{STAMP[5:]}",
            "1" * 400,
            "１７６３８１２８００",
            f"{STAMP}000",
            f"0{STAMP}",
            "NaN",
            "1e9",
            str(int(STAMP) + 1),
            str(int(STAMP) - 301),
        )
    ),
    *(
        {**GOOD, "webhook-signature": signature}
        for signature in (
            "",
            "v1",
            "v1,",
            "v1,a,b",
            ",",
            " ",
            "v1 ," + TOKEN[3:],
            TOKEN[3:],
            f"v2{TOKEN[2:]}",
            f"V1{TOKEN[2:]}",
            f"v1a{TOKEN[2:]}",
            TOKEN[:-1],
            TOKEN[:-2],
            f"{TOKEN}=",
            f"{TOKEN}A",
            "v1,%%%",
            "v1,ß",
            "v1,\udcff",
            f"v1,{'A' * 43}=",
            "v1," + "A" * 100_000,
            TOKEN.swapcase(),
            TOKEN.replace(TOKEN[5], "*"),
            f"v1,{TOKEN}",
            f"v1;{TOKEN[3:]}",
            "v1,\n" + TOKEN[3:],
            "null",
            "[]",
        )
    ),
]
WORKOS_HEADERS = [
    "",
    ",",
    ", ",
    WORKOS_T,
    WORKOS_V1,
    f"{WORKOS_T},",
    f"{WORKOS_V1}, {WORKOS_V1}",
    f"{WORKOS_T}, {WORKOS_T}, {WORKOS_V1}",
    f"{WORKOS_T}, v1=",
    f"{WORKOS_T}, v1={'0' * 64}",
    f"{WORKOS_T}, {WORKOS_V1.upper()}",
    f"{WORKOS_T}, {WORKOS_V1[:-1]}",
    f"{WORKOS_T}, {WORKOS_V1}0",
    f"{WORKOS_T}, v2{WORKOS_V1[2:]}",
    f"t=, {WORKOS_V1}",
    f"t=now, {WORKOS_V1}",
    f"t=-1, {WORKOS_V1}",
    f"{WORKOS_T[:-3]}, {WORKOS_V1}",
    f"{WORKOS_T}0, {WORKOS_V1}",
    f"{WORKOS_T}.0, {WORKOS_V1}",
    f"T{WORKOS_T[1:]}, {WORKOS_V1}",
    f"{WORKOS_T}; {WORKOS_V1}",
    f"t=１７６３８１２８０００００, {WORKOS_V1}",
    f"{WORKOS_T}, v1=é{'0' * 63}",
    "\x00",
    "t" * 10_000,
    f"t={int(WORKOS_T[2:]) + 1}, {WORKOS_V1}",
]


def outcome(name: str, body: bytes) -> tuple[list[DirectoryEvent | Ignored] | None, list[Fault] | None]:
    """Return the events of a body, or its faults."""
    try:
        return provider(name).parse(Delivery(body, {"webhook-id": "msg_1"}, AT), source(name)), None
    except MalformedError as exc:
        return None, exc.faults or None


def source(name: str) -> Source:
    """Return a source of a provider."""
    return Source("0" * 26, "1" * 26, name, "Test", "0" * 32)


@pytest.mark.parametrize("headers", STANDARD_HEADERS, ids=range(len(STANDARD_HEADERS)))
def test_malformed_standard_header_is_unauthentic(headers: dict[str, str]) -> None:
    """Whatever is wrong with the headers, the one answer is that the caller is not authentic."""
    with pytest.raises(UnauthenticError):
        provider("standard").verify(Delivery(BODY, headers, AT), [STANDARD_SECRET])


@pytest.mark.parametrize("header", WORKOS_HEADERS, ids=range(len(WORKOS_HEADERS)))
def test_malformed_workos_header_is_unauthentic(header: str) -> None:
    """Whatever is wrong with the header, the one answer is that the caller is not authentic."""
    with pytest.raises(UnauthenticError):
        provider("workos").verify(Delivery(WORKOS_BODY, {"workos-signature": header}, AT), [WORKOS_SECRET])


def test_good_signature_among_junk_is_accepted() -> None:
    """Junk tokens beside the right one do not spoil it, whatever their order; a second live secret works too."""
    headers = {**GOOD, "webhook-signature": f"junk v1 v1a,xx v1,%% {TOKEN} v9,zz"}
    provider("standard").verify(Delivery(BODY, headers, AT), ["", "whsec_!!", STANDARD_SECRET])
    provider("workos").verify(
        Delivery(WORKOS_BODY, {"workos-signature": f"{WORKOS_V1},{WORKOS_T}"}, AT), [WORKOS_SECRET]
    )


def test_no_secret_accepts_nothing() -> None:
    """Without a live secret nothing passes, not even an empty key."""
    for secrets in ([], [""], ["whsec_"]):
        with pytest.raises(UnauthenticError):
            provider("standard").verify(Delivery(BODY, GOOD, AT), secrets)


@pytest.mark.parametrize("seconds", [-181, 181])
def test_stale_workos_delivery_is_unauthentic(seconds: int) -> None:
    """A delivery three minutes off is refused."""
    at = AT + timedelta(seconds=seconds)
    with pytest.raises(UnauthenticError):
        provider("workos").verify(Delivery(WORKOS_BODY, {"workos-signature": WORKOS_GOOD}, at), [WORKOS_SECRET])


@settings(max_examples=examples(500), deadline=None)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_changed_body_is_unauthentic(place: int, flip: int) -> None:
    """A single changed byte of a signed body is noticed."""
    changed = bytearray(BODY)
    changed[place] ^= flip
    with pytest.raises(UnauthenticError):
        provider("standard").verify(Delivery(bytes(changed), GOOD, AT), [STANDARD_SECRET])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["person.added", "person.deleted", "other"]) | JSON,
        "event": st.sampled_from(
            ["dsync.user.created", "dsync.user.deleted", "dsync.group.user_added", "dsync.deleted"]
        )
        | JSON,
        "id": st.text(max_size=5) | JSON,
        "timestamp": st.sampled_from(["2026-10-05T08:01:12Z", "2023-04-28 20:05:31.093", "9999-12-31T23:59:59-23:59"])
        | JSON,
        "created_at": JSON,
        "data": st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                (
                    "external_id",
                    "id",
                    "email",
                    "first_name",
                    "attributes",
                    "custom_attributes",
                    "complete",
                    "state",
                    "user",
                    "group",
                    "role",
                    "roles",
                    "updated_at",
                ),
                JSON,
            ),
        )
        | JSON,
    },
)


@settings(max_examples=examples(500), deadline=None)
@given(
    st.binary(max_size=200) | (JSON | KNOWN | st.lists(KNOWN, max_size=3)).map(lambda value: json.dumps(value).encode())
)
@pytest.mark.parametrize("name", PROVIDERS)
def test_any_body_gives_events_or_faults(name: str, body: bytes) -> None:
    """Whatever is signed and sent ends as events, as ignored, or as a list of faults; nothing else."""
    events, faults = outcome(name, body)
    assert (events is None) != (faults is None)
    assert all(fault.place and fault.code and fault.detail for fault in faults or ())
    for event in events or ():
        assert isinstance(event, (DirectoryEvent, Ignored))
        if isinstance(event, DirectoryEvent):
            assert event.external_id
            assert event.occurred_at.endswith("Z")


def test_every_fault_of_a_delivery_is_listed() -> None:
    """All faults come at once, each with its place."""
    document = [
        {"type": "person.added", "timestamp": "yesterday", "data": {"email": 7}},
        {"type": "person.updated"},
        "text",
    ]
    with pytest.raises(MalformedError) as caught:
        provider("standard").parse(Delivery(json.dumps(document).encode(), {"webhook-id": "m"}, AT), source("standard"))
    assert [fault.place for fault in caught.value.faults] == [
        "$[0].data.external_id",
        "$[0].timestamp",
        "$[0].data.email",
        "$[1].data",
        "$[2]",
    ]


def test_other_directory_is_recorded_only() -> None:
    """A delivery of another directory, signed with the right secret, is taken, so that it is not sent for days."""
    body = json.dumps({"id": "e", "event": "dsync.user.created", "data": {"id": "u", "directory_id": "other"}}).encode()
    pinned = Source("0" * 26, "1" * 26, "workos", "Test", "0" * 32, settings={"directory_id": "mine"})
    (event,) = provider("workos").parse(Delivery(body, {}, AT), pinned)
    assert isinstance(event, Ignored)
    assert event.reason == "other_account"
