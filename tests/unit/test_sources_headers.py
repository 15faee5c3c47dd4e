"""Bad headers of Merge, BambooHR, Okta and Finch: whatever is wrong, the caller is not authentic; nothing crashes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from rollcall.runtime.errors import UnauthenticError
from rollcall.sources.model import Delivery
from rollcall.sources.registry import provider
from tests.support.vendors import (
    BAMBOOHR_SECRET,
    FINCH_SECRET,
    MERGE_SECRET,
    OKTA_SECRET,
    STANDARD_SECRET,
    sign_bamboohr,
    sign_finch,
    sign_merge,
    sign_okta,
    sign_standard,
    sign_svix,
)

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BODY = b'{"type": "employee.deleted", "data": {"employeeId": "100"}}'
SECRETS = {"finch": FINCH_SECRET, "merge": MERGE_SECRET, "bamboohr": BAMBOOHR_SECRET, "okta": OKTA_SECRET}
GOOD = {
    "finch": sign_finch(BODY, AT),
    "merge": sign_merge(BODY, AT),
    "bamboohr": sign_bamboohr(BODY, AT),
    "okta": sign_okta(BODY, AT),
}
TOKEN = GOOD["finch"]["finch-signature"]
STAMP = GOOD["finch"]["finch-timestamp"]
MERGE = GOOD["merge"]["x-merge-webhook-signature"]
HEX = GOOD["bamboohr"]["x-bamboohr-signature"]
WRONG_KEY = sign_finch(BODY, AT, secret=STANDARD_SECRET)["finch-signature"]

BAD: dict[str, list[dict[str, str]]] = {
    "finch": [
        {"finch-event-id": ""},
        {"finch-event-id": "msg_2"},
        {"finch-event-id": "mśg_1"},
        {"finch-event-id": "\x00"},
        *(
            {"finch-timestamp": stamp}
            for stamp in (
                *("", "0", "-1", "now", "NaN", "inf", "1e9", f"{STAMP}.0", f"+{STAMP}", f" {STAMP}", f"{STAMP} "),
                *(f"{STAMP}000", f"{STAMP[:5]}_{STAMP[5:]}", "１７６３８１２８００", "1" * 400, str(int(STAMP) + 1)),
            )
        ),
        *(
            {"finch-signature": signature}
            for signature in (
                *("", "v1", "v1,", "v1,a,b", ",", " ", TOKEN[3:], f"v2{TOKEN[2:]}", f"V1{TOKEN[2:]}", TOKEN[:-1]),
                *(f"{TOKEN}=", f"{TOKEN}A", "v1,%%%", "v1,ß", "v1,\udcff", f"v1,{'A' * 43}=", "v1," + "A" * 100_000),
                *(TOKEN.swapcase(), f"v1,{TOKEN}", "null", WRONG_KEY),
            )
        ),
    ],
    "merge": [
        {"x-merge-webhook-signature": signature}
        for signature in (
            *("", " ", "=", MERGE[:-2], f"{MERGE}=", f"{MERGE}A", MERGE.swapcase(), f"sha256={MERGE}", f"v1,{MERGE}"),
            *(f"{MERGE},{MERGE}", f"{MERGE} {MERGE}", "A" * 43, "A" * 43 + "=", "A" * 100_000, "é" * 43, "\udcff" * 44),
            *(
                "\x00",
                "null",
                "[]",
                MERGE[:20] + "\n" + MERGE[20:],
                f'"{MERGE}"',
                base64.b64decode(MERGE + "==", "-_").hex(),
            ),
            sign_merge(BODY + b" ", AT)["x-merge-webhook-signature"],
            sign_merge(BODY, AT, secret="another-signature-key")["x-merge-webhook-signature"],
        )
    ],
    "bamboohr": [
        *(
            {"x-bamboohr-signature": signature}
            for signature in (
                *(
                    "",
                    " ",
                    HEX.upper(),
                    HEX[:-1],
                    f"{HEX}0",
                    f" {HEX}",
                    f"{HEX}\n",
                    f"sha256={HEX}",
                    "0" * 64,
                    "g" * 64,
                ),
                *(
                    "é" * 64,
                    "\udcff" * 64,
                    "0" * 100_000,
                    base64.b64encode(bytes.fromhex(HEX)).decode(),
                    f"{HEX},{HEX}",
                ),
            )
        ),
        *(
            {"x-bamboohr-timestamp": stamp}
            for stamp in (
                *(
                    "",
                    "0",
                    "-1",
                    "now",
                    STAMP[1:],
                    f"1{STAMP}",
                    f"{STAMP}.0",
                    f"{STAMP} ",
                    f" {STAMP}",
                    "１７６３８１２８００",
                ),
                *(str(int(STAMP) + 1), "2026-11-22T12:00:00Z", "2026-11-22 12:00:00", "2026-11-22", "\x00", "1" * 400),
            )
        ),
        # Genuine signatures of times that are no times, or not of now.
        *(
            sign_bamboohr(BODY, stamp)
            for stamp in (
                *("", "now", f"1{STAMP}", STAMP[1:], "2026-11-22", "2026-13-22T12:00:00Z", "2026-11-22T12:00:00"),
                *("2026-11-22T07:59:59Z", "2026-11-22T12:05:01Z", str(int(STAMP) - 14_401), str(int(STAMP) + 301)),
                *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000000000", "9999999999"),
            )
        ),
    ],
    "okta": [
        {"authorization": value}
        for value in (
            *("", " ", "Bearer", "Bearer ", OKTA_SECRET[:-1], f"{OKTA_SECRET}x", f" {OKTA_SECRET}", f"{OKTA_SECRET} "),
            *(OKTA_SECRET.upper(), f"bearer {OKTA_SECRET}", f"Basic {OKTA_SECRET}", f"Bearer  {OKTA_SECRET}", "null"),
            *(
                f"Bearer Bearer {OKTA_SECRET}",
                f"{OKTA_SECRET},{OKTA_SECRET}",
                f'"{OKTA_SECRET}"',
                "é" * 20,
                "\udcff" * 20,
            ),
            *("\x00", "A" * 100_000, base64.b64encode(OKTA_SECRET.encode()).decode()),
        )
    ],
}
CASES = [(name, number, change) for name, changes in BAD.items() for number, change in enumerate(changes)]


def accepts(name: str, headers: dict[str, str], *, body: bytes = BODY, secrets: tuple[str, ...] = ()) -> bool:
    """Tell whether a delivery passes; any other exception than the expected one fails the test."""
    try:
        provider(name).verify(Delivery(body, headers, AT), secrets or [SECRETS[name]])
    except UnauthenticError:
        return False
    return True


@pytest.mark.parametrize("name", SECRETS)
def test_good_headers_are_accepted(name: str) -> None:
    """What the cases below change passes as it is, with any of the live secrets."""
    assert accepts(name, GOOD[name])
    assert accepts(name, GOOD[name], secrets=("", "another secret of somebody", SECRETS[name]))


@pytest.mark.parametrize(("name", "number", "change"), CASES, ids=[f"{name}-{number}" for name, number, _ in CASES])
def test_malformed_header_is_unauthentic(name: str, number: int, change: dict[str, str]) -> None:
    """Whatever is wrong with a header, the one answer is that the caller is not authentic."""
    assert not accepts(name, {**GOOD[name], **change})


@pytest.mark.parametrize("name", SECRETS)
def test_missing_header_is_unauthentic(name: str) -> None:
    """Each header is needed."""
    for gone in GOOD[name]:
        assert not accepts(name, {header: value for header, value in GOOD[name].items() if header != gone})


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_accepts_nothing(name: str) -> None:
    """Without a live secret nothing passes: neither an empty header nor a signature made with an empty key."""
    empty = {
        "finch": {**GOOD["finch"], "finch-signature": ""},
        "merge": sign_merge(BODY, AT, secret=""),
        "bamboohr": sign_bamboohr(BODY, AT, secret=""),
        "okta": {"authorization": ""},
    }
    for secrets in ([], [""], ["", ""]):
        for headers in (GOOD[name], empty[name]):
            with pytest.raises(UnauthenticError):
                provider(name).verify(Delivery(BODY, headers, AT), secrets)


@pytest.mark.parametrize(
    "stamp", [STAMP, "2026-11-22T12:00:00Z", "2026-11-22T13:00:00+0100", "2026-11-22T13:00:00+01:00"]
)
def test_bamboohr_time_in_either_form_is_accepted(stamp: str) -> None:
    """Seconds, as captured, or RFC 3339, as others show it."""
    assert accepts("bamboohr", sign_bamboohr(BODY, stamp))


def test_bamboohr_try_after_155_minutes_is_accepted() -> None:
    """The last of the vendor's five tries still passes, though it may bear the time of the first."""
    assert accepts("bamboohr", sign_bamboohr(BODY, AT - timedelta(minutes=155)))


def test_bamboohr_body_cannot_lend_its_end_to_the_timestamp() -> None:
    """Nothing separates the two, so each other split of the same signed bytes is refused."""
    body = b"type=employee.deleted&data[employeeId]=1"
    signed = sign_bamboohr(body, AT)
    whole = body.decode() + signed["x-bamboohr-timestamp"]
    taken = [
        at
        for at in range(len(whole) + 1)
        if accepts("bamboohr", {**signed, "x-bamboohr-timestamp": whole[at:]}, body=whole[:at].encode())
    ]
    assert taken == [len(body)]


@pytest.mark.parametrize("signature", [MERGE, MERGE.rstrip("="), f" {MERGE} "])
def test_merge_signature_with_and_without_padding_is_accepted(signature: str) -> None:
    """Whether Merge pads its base64 is not written anywhere."""
    assert accepts("merge", {"x-merge-webhook-signature": signature})


def test_okta_secret_as_bearer_token_is_accepted() -> None:
    """The admin may have pasted the secret alone or behind the word Bearer."""
    assert accepts("okta", {"authorization": f"Bearer {OKTA_SECRET}"})


def test_svix_headers_are_those_of_standard_webhooks() -> None:
    """What goes through Svix passes under Svix's own header names; a half of each passes not."""
    standard, svix = sign_standard(BODY, AT), sign_svix(BODY, AT)
    assert accepts("standard", svix, secrets=(STANDARD_SECRET,))
    assert not accepts("standard", svix | {"webhook-id": "msg_1"}, secrets=(STANDARD_SECRET,))
    assert not accepts("standard", {**standard, "svix-id": "x", "webhook-id": "msg_2"}, secrets=(STANDARD_SECRET,))


USABLE = {
    "standard": STANDARD_SECRET,
    "workos": "wrk_secret_for_tests_only",
    **SECRETS,
}


@pytest.mark.parametrize("name", USABLE)
def test_secret_is_checked_by_its_own_system(name: str) -> None:
    """A real one passes, a made one passes and is new each time; an empty, short, broken or spaced one does not."""
    module = provider(name)
    assert module.is_secret(USABLE[name])
    assert len({module.new_secret() for _ in range(5)}) == 5
    assert all(module.is_secret(module.new_secret()) for _ in range(5))
    for useless in ("", "short", f" {USABLE[name]}", f"{USABLE[name]}\n", "é" * 30, "x" * 300, "\x00" * 30):
        assert not module.is_secret(useless)
    assert module.SECRET_RULE.endswith(".")


def test_secret_of_another_form_is_refused_by_finch() -> None:
    """Finch's own package does not understand the prefix of Standard Webhooks."""
    assert not provider("finch").is_secret(STANDARD_SECRET)
