"""A client's own system: the canonical directory event, signed as the Standard Webhooks specification says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError, UnauthenticError
from rollcall.runtime.ids import event_name
from rollcall.sources.model import (
    Delivery,
    Faults,
    Parsed,
    check_size,
    load_json,
    read_attributes,
    read_fields,
    read_id,
    read_time,
)
from rollcall.sources.secret import new_base64_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.model import Source

ANSWER = 202
SETTINGS: tuple[str, ...] = ()
CREDENTIALS: tuple[str, ...] = ()
SECRET_RULE = "Give `whsec_` followed by 24 to 64 random bytes in base64, or leave it out."  # noqa: S105 - a rule
PREFIX = "whsec_"
TOLERANCE_SECONDS = 300
MAX_EVENTS = 500
_TIMESTAMP = re.compile(r"[0-9]{10}")
_KINDS = {f"person.{kind}": kind for kind in Kind}


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Check the signature: HMAC-SHA-256 over ``id.timestamp.body``, any of the signatures, any live secret.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    verify_headers(delivery, f"{_prefix(delivery)}-id", f"{_prefix(delivery)}-", [_key(secret) for secret in secrets])


def verify_headers(delivery: Delivery, id_header: str, prefix: str, keys: Sequence[bytes]) -> None:
    """Check a signature of this kind under headers of another name; empty keys verify nothing.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    name = delivery.headers.get(id_header, "")
    timestamp = delivery.headers.get(f"{prefix}timestamp", "")
    if not name or not name.isascii() or not _TIMESTAMP.fullmatch(timestamp):
        raise UnauthenticError
    if abs(delivery.received_at.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise UnauthenticError
    signed = f"{name}.{timestamp}.".encode() + delivery.body
    # Compared as text: base64 has several spellings of the same bytes, and only one of them was signed.
    given = [token for token in delivery.headers.get(f"{prefix}signature", "").split(" ") if token.isascii()]
    expected = [_sign(key, signed) for key in keys if key]
    if not any(hmac.compare_digest(one, other) for one in given for other in expected):
        raise UnauthenticError


def _prefix(delivery: Delivery) -> str:
    # Svix, which many systems send through, has the same headers under its own name.
    return "svix" if "webhook-id" not in delivery.headers and "svix-id" in delivery.headers else "webhook"


def _sign(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def base64_key(text: str) -> bytes:
    """Return the key that a text is the base64 of; empty if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _key(secret: str) -> bytes:
    return base64_key(secret.removeprefix(PREFIX))


def is_secret(text: str) -> bool:
    """Tell whether a text can be a secret: base64 of 24 to 64 bytes, with or without ``whsec_``."""
    return 24 <= len(_key(text)) <= 64  # noqa: PLR2004 - bounds of the specification


def new_secret() -> str:
    """Return a new secret: ``whsec_`` and 32 random bytes in base64."""
    return PREFIX + new_base64_secret()


def parse(delivery: Delivery, source: Source) -> Parsed:
    """Return the directory events of a delivery: one object, or a list of up to 500.

    With a ``transform`` the body is any JSON, and the events are what the expression makes of it; ``null`` is of no
    use, in a list too.

    Raises
    ------
    MalformedError
        With every fault, at its JSON path; in what a transform made, the path begins with ``transform``.
    """
    name = delivery.headers.get(f"{_prefix(delivery)}-id", "")
    document, root = load_json(delivery.body), "$"
    if source.transform:
        from rollcall.sources import transform

        document, root = transform.apply(source.transform, document), transform.PLACE
    if not isinstance(document, list):
        document = [document]
        names, places = [name], [root]
    else:
        names = [f"{name}#{number}" for number in range(len(document))]
        places = [f"{root}[{number}]" for number in range(len(document))]
    if len(document) > MAX_EVENTS or not (document or source.transform):
        raise MalformedError([Fault(root, "bad_count", f"Send one event, or a list of 1 to {MAX_EVENTS}.")])
    faults = Faults()
    rows = zip(document or [None], names or [name], places or [root], strict=True)
    events = [
        _event(one, event_name(source.source_id, named), place, delivery=delivery, source=source, faults=faults)
        for one, named, place in rows
    ]
    faults.check()
    return [event for event in events if event is not None]


def _event(
    document: Any,  # noqa: ANN401 - any JSON
    identifier: str,
    place: str,
    *,
    delivery: Delivery,
    source: Source,
    faults: Faults,
) -> DirectoryEvent | Ignored | None:
    if document is None and source.transform:
        return Ignored(identifier, source.source_id, "no_event", "The transform makes no event of it.")
    if not isinstance(document, dict):
        faults.add(place, "not_an_object", "An event must be a JSON object.")
        return None
    kind = document.get("type")
    if not isinstance(kind, str) or not kind:
        faults.add(f"{place}.type", "missing_type", "Say what happened, such as person.added.")
        return None
    if kind not in _KINDS:
        return Ignored(identifier, source.source_id, "unused_type", "Rollcall does not use events of this type.")
    data = document.get("data")
    if not isinstance(data, dict):
        faults.add(f"{place}.data", "missing_data", "Put the person into data, as an object.")
        return None
    complete = False if data.get("complete") is None else data["complete"]
    if not isinstance(complete, bool):
        faults.add(f"{place}.data.complete", "not_a_boolean", "complete must be true or false.")
        complete = False
    event = DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(data.get("external_id"), f"{place}.data.external_id", faults),
        kind=_KINDS[kind],
        occurred_at=read_time(document.get("timestamp"), f"{place}.timestamp", faults, delivery.received_at),
        fields=read_fields(data, f"{place}.data", faults),
        attributes=read_attributes(data.get("attributes"), f"{place}.data.attributes", faults),
        complete=complete,
    )
    check_size(event, f"{place}.data", faults)
    return event
