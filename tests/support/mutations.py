"""Signed requests of every kind, and random changes to them: what an attacker, a proxy or a broken sender could make.

A change is drawn from a seed, so that the number of one that went wrong is enough to see it again.
"""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.vendors import (
    BAMBOOHR_SECRET,
    FINCH_SECRET,
    MERGE_SECRET,
    OKTA_SECRET,
    STANDARD_SECRET,
    WORKOS_SECRET,
    sign_bamboohr,
    sign_finch,
    sign_merge,
    sign_okta,
    sign_standard,
    sign_svix,
    sign_workos,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EVENTS = Path(__file__).parents[2] / "events"
SHORTEST_CANARY = 8
STALE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to sign.

    Attributes
    ----------
    sign
        Body, time and secret → headers.
    exact
        Headers that are signed or compared as a whole.
    token
        Header that holds the signature, and what stands between several of them; empty: it is one as a whole.
    """

    provider: str
    sample: str
    secret: str
    other_secret: str
    sign: Callable[..., dict[str, str]]
    exact: tuple[str, ...] = ()
    token: str = ""
    separator: str = ""
    signs_body: bool = True

    @property
    def label(self) -> str:
        """The header that holds the signature, which is another one for every algorithm."""
        return self.token or self.exact[-1]

    @property
    def body(self) -> bytes:
        """A delivery that its system understands."""
        return (EVENTS / self.provider / self.sample).read_bytes()

    def sign_as(self, body: bytes, at: datetime, name: str) -> dict[str, str]:
        """Sign under a name of its own, where deliveries have one."""
        return self.sign(body, at, name=name) if self.separator == " " else self.sign(body, at)


ALGORITHMS = {
    "standard": Algorithm(
        *("standard", "person.added-complete.json", STANDARD_SECRET, f"whsec_{FINCH_SECRET}", sign_standard),
        exact=("webhook-id", "webhook-timestamp"),
        token="webhook-signature",
        separator=" ",
    ),
    "svix": Algorithm(
        *("standard", "person.added-complete.json", STANDARD_SECRET, f"whsec_{FINCH_SECRET}", sign_svix),
        exact=("svix-id", "svix-timestamp"),
        token="svix-signature",
        separator=" ",
    ),
    "finch": Algorithm(
        *("finch", "individual.created.json", FINCH_SECRET, STANDARD_SECRET.removeprefix("whsec_"), sign_finch),
        exact=("finch-event-id", "finch-timestamp"),
        token="finch-signature",
        separator=" ",
    ),
    "workos": Algorithm(
        *("workos", "dsync.user.created.json", WORKOS_SECRET, f"{WORKOS_SECRET}2", sign_workos),
        token="workos-signature",
        separator=",",
    ),
    "merge": Algorithm(
        *("merge", "Employee.added.json", MERGE_SECRET, f"{MERGE_SECRET}2", sign_merge),
        token="x-merge-webhook-signature",
    ),
    "bamboohr": Algorithm(
        *("bamboohr", "employee_with_fields.updated.json", BAMBOOHR_SECRET, BAMBOOHR_SECRET[::-1], sign_bamboohr),
        exact=("x-bamboohr-timestamp", "x-bamboohr-signature"),
    ),
    "okta": Algorithm(
        *("okta", "user.lifecycle.create.json", OKTA_SECRET, f"{OKTA_SECRET}2", sign_okta),
        token="authorization",
        signs_body=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as the gateway hands it over, less its path.

    Attributes
    ----------
    what
        What was changed of it: ``body``, ``headers`` or ``both``; empty if nothing.
    """

    body: str
    is_base64: bool
    headers: dict[str, str]
    what: str = ""


def as_sent(raw: bytes, headers: dict[str, str], *, in_base64: bool = False, what: str = "") -> Sent:
    """Return a request; a body that is no text comes in base64, as the gateway does it."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        in_base64, text = True, ""
    return Sent(base64.b64encode(raw).decode() if in_base64 else text, in_base64, headers, what)


def canaries(body: bytes) -> list[str]:
    """Return the longer texts of a JSON document; none of them may be where no part of the body may be."""
    waiting, found = [json.loads(body)], []
    while waiting:
        match waiting.pop():
            case dict() as inner:
                waiting.extend(inner.values())
            case list() as inner:
                waiting.extend(inner)
            case str() as text if len(text) >= SHORTEST_CANARY:
                found.append(text)
    return found


def mutation(algorithm: Algorithm, seed: str) -> tuple[Sent, int]:
    """Return a changed request, and how many draws before it left what was signed as it was."""
    rng = random.Random(seed)
    skipped = 0
    while True:
        at = datetime.now(UTC)
        headers = algorithm.sign(algorithm.body, at)
        sent = _mutated(algorithm, headers, at, rng)
        if not is_untouched(algorithm, headers, sent):
            return sent, skipped
        skipped += 1


def is_untouched(algorithm: Algorithm, signed: dict[str, str], sent: Sent) -> bool:
    """Tell whether everything that was signed, and the signature, are in the request as they were.

    Then it is genuine, whatever else was put beside it: another signature in a list of them, spaces around one, the
    other spelling of Okta's token or of Merge's padding, a header name in another case.
    """
    if algorithm.signs_body and _raw(sent) != algorithm.body:
        return False
    given = {name.lower(): value for name, value in sent.headers.items()}
    if any(given.get(name) != signed[name] for name in algorithm.exact):
        return False
    if not algorithm.token:
        return True
    before, after = signed[algorithm.token], given.get(algorithm.token, "")
    match algorithm.provider:
        case "okta":
            return after in {before, f"Bearer {before}"}
        case "merge":
            return after.strip(" ").removesuffix("=") == before.removesuffix("=")
    left = {part.strip(" ") for part in after.split(algorithm.separator)}
    return all(part.strip(" ") in left for part in before.split(algorithm.separator))


def spoilt_body(raw: bytes, rng: random.Random) -> bytes:
    """Return other bytes, or now and then the same."""
    at = rng.randrange(len(raw))
    until = min(at + rng.choice((1, 1, 2, 8, 64)), len(raw))
    few = rng.randbytes(rng.randrange(1, 9))
    ways: Sequence[Callable[[], bytes]] = (
        lambda: raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :],
        lambda: raw[:at] + few + raw[at:],
        lambda: raw[:at] + few + raw[until:],
        lambda: raw[:at] + raw[until:],
        lambda: raw[:at] + raw[at:until] * rng.randrange(2, 50) + raw[until:],
        lambda: raw[:at] + rng.choice(JUNK) + raw[until:],
        lambda: raw[:at],
        lambda: raw[at:],
        lambda: raw[at:] + raw[:at],
        lambda: raw + rng.choice((b" ", b"\n", b"\r\n", b"\0", b"}", raw)),
        lambda: rng.choice((b"\xef\xbb\xbf", b" ", b"[", b"")) + raw,
        lambda: raw[:at] + raw[at:until].swapcase() + raw[until:],
        lambda: raw.decode().encode(rng.choice(("utf-16", "utf-16-le", "utf-7", "utf-32"))),
        lambda: json.dumps(json.loads(raw), indent=rng.choice((None, 1))).encode(),
        lambda: json.dumps(_spoilt_value(json.loads(raw), rng)).encode(),
    )
    return rng.choice(ways)()


JUNK = (
    *(b"\0", b"\xff\xfe", b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"-" * 99, b"9" * 5_000, b"[" * 5_000, b"null"),
    *(b'{"a":' * 2_000, b'"', b"\\", b"\xc0\x80", b"\xed\xa0\x80", "é\u202e".encode(), b"&employees[7][id]=8", b"=%00"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**30, 1.5, "", " ", "\0", "\ud800", "é", "x" * 5_000, [], {}, [[]], [None], {"": {}}),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "person.deleted", [[[[[[[[[[1]]]]]]]]]], ["a"] * 999),
)


def _spoilt_value(document: Any, rng: random.Random) -> Any:
    """Return a document with a value, at any depth, replaced, dropped or put under another name."""
    if not isinstance(document, (dict, list)) or not document or rng.random() < 0.1:
        return rng.choice(VALUES)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = rng.choice(keys)
    match rng.randrange(8):
        case 0:
            del document[key]
        case 1 if isinstance(document, dict):
            document[rng.choice(("", "\0", "id", "type", "data", "x" * 300))] = document.pop(key)
        case _:
            document[key] = _spoilt_value(document[key], rng)
    return document


def _mutated(algorithm: Algorithm, signed: dict[str, str], at: datetime, rng: random.Random) -> Sent:
    what = rng.choice(("body", "headers", "both") if algorithm.signs_body else ("headers", "both"))
    raw = algorithm.body if what == "headers" else spoilt_body(algorithm.body, rng)
    headers = signed if what == "body" else _spoilt_headers(algorithm, signed, at, rng)
    sent = as_sent(raw, headers, in_base64=rng.random() < 0.3, what=what)
    if sent.is_base64 and what != "headers" and rng.random() < 0.1:
        return replace(sent, body=spoilt_text(sent.body, rng))
    return sent


def _spoilt_headers(algorithm: Algorithm, signed: dict[str, str], at: datetime, rng: random.Random) -> dict[str, str]:
    """Return the headers with one or two of them changed, dropped, or taken from another signed request."""
    headers = dict(signed)
    others = (
        algorithm.sign(algorithm.body, at - STALE),
        algorithm.sign(algorithm.body, at + STALE),
        algorithm.sign(b"another", at),
        algorithm.sign(algorithm.body, at, secret=algorithm.other_secret),
        algorithm.sign(algorithm.body[::-1], at),
    )
    if rng.random() < 0.1:
        return dict(rng.choice(others))
    for _ in range(rng.choice((1, 1, 1, 2))):
        name = rng.choice(sorted(headers)) if headers else rng.choice(sorted(signed))
        match rng.randrange(8):
            case 0:
                headers.pop(name, None)
            case 1:
                headers[rng.choice((name.upper(), name.replace("-", "_"), f"{name} ", f"x-{name}"))] = headers.pop(
                    name, ""
                )
            case 2:
                headers[name] = rng.choice(others).get(name, "")
            case 3:
                headers[name] = headers.get(rng.choice(sorted(signed)), "")
            case _:
                headers[name] = spoilt_text(headers.get(name) or "x", rng)
    return headers


def spoilt_text(text: str, rng: random.Random) -> str:
    """Return another text, or now and then the same."""
    at = rng.randrange(len(text))
    letter = rng.choice(
        (*"0123456789abcdefABCDEF+/=-_,. \t\n\0", "é", "\udcff", "\U0001f600", chr(rng.randrange(0xD800)))
    )
    ways = (
        text[:at] + letter + text[at + 1 :],
        text[:at] + letter + text[at:],
        text[:at] + text[at + 1 :],
        text[:at],
        text[at:],
        text[at:] + text[:at],
        text.swapcase(),
        text[::-1],
        text + rng.choice((" ", ",", "=", text, f",{text}", f" {text}", "A" * 9_999)),
        rng.choice((" ", "Bearer ", "v1,", "v1=", "sha256=", '"')) + text,
        text.replace("v1", rng.choice(("v0", "v2", "V1", "v1a", ""))),
        "".join(chr(ord(char) + 0xFEE0) if "0" <= char <= "9" else char for char in text),
        rng.choice(("", "null", "undefined", "[]", "0", "-1", "1e9", "9" * 400)),
    )
    return rng.choice(ways)


def _raw(sent: Sent) -> bytes | None:
    """Return the bytes of a request; nothing if they cannot be read."""
    try:
        return base64.b64decode(sent.body, validate=True) if sent.is_base64 else sent.body.encode()
    except ValueError:
        return None
