"""Finch, the unified API in front of many payroll and HR systems.

Its webhooks name a person and carry nothing of them. Events: https://developer.tryfinch.com/developer-resources/Webhooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.runtime.ids import event_id
from rollcall.runtime.times import to_text
from rollcall.sources.model import (
    GO_AND_LOOK,
    NEEDS_CREDENTIALS,
    OTHER_ACCOUNT,
    Delivery,
    Faults,
    Parsed,
    load_json,
    read_id,
)
from rollcall.sources.secret import new_base64_secret
from rollcall.sources.standard import base64_key, verify_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.model import Source

ANSWER = 200
SETTINGS: tuple[str, ...] = ("connection_id",)
CREDENTIALS: tuple[str, ...] = ("access_token",)
SECRET_RULE = "Give the secret exactly as Finch shows it, 16 to 64 bytes in base64, or leave it out."  # noqa: S105 - a rule
new_secret = new_base64_secret
_DELETED = {"individual.deleted", "directory.deleted"}
_LOOK = {
    *("individual.created", "individual.updated", "directory.created", "directory.updated"),
    *("employment.created", "employment.updated", "employment.deleted"),
}


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Check the signature: HMAC-SHA-256 over ``id.timestamp.body``, any of the signatures, any live secret.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    verify_headers(delivery, "finch-event-id", "finch-", [base64_key(secret) for secret in secrets])


def is_secret(text: str) -> bool:
    """Tell whether a text can be a secret of Finch: base64 without a prefix."""
    return 16 <= len(base64_key(text)) <= 64  # noqa: PLR2004 - shorter can be guessed, longer is none of Finch's


def parse(delivery: Delivery, source: Source) -> Parsed:
    """Return the directory event of a delivery: a deletion acts, the rest would have to be looked up.

    Finch says nothing of when; an event happened when it was first received.

    Raises
    ------
    MalformedError
        With every fault, at its JSON path.
    """
    faults = Faults()
    document = load_json(delivery.body)
    kind = document.get("event_type") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not kind:
        raise MalformedError([Fault("$.event_type", "missing_type", "The type of the event is missing.")])
    identifier = event_id(source.source_id, delivery.headers.get("finch-event-id", ""))
    if reason := _no_use(kind, document.get("connection_id"), source.settings.get("connection_id")):
        return [Ignored(identifier, source.source_id, *reason)]
    data = document.get("data")
    event = DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(
            data.get("individual_id") if isinstance(data, dict) else None, "$.data.individual_id", faults
        ),
        kind=Kind.DELETED,
        occurred_at=to_text(delivery.received_at),
    )
    faults.check()
    return [event]


def _no_use(kind: str, connection: object, pinned: str | None) -> tuple[str, str] | None:
    """Return reason and sentence for an event that is recorded only."""
    if kind == "test":
        return "test", "It is a test from Finch's dashboard."
    if kind == "account.updated":
        return "whole_source", "It is about the whole connection and removes nobody."
    if kind not in _LOOK | _DELETED:
        return "unused_type", "Rollcall does not use events of this type."
    if pinned and connection != pinned:
        # Finch sends the events of all connections of an application to every address.
        return "other_account", OTHER_ACCOUNT
    return (NEEDS_CREDENTIALS, GO_AND_LOOK) if kind in _LOOK else None
