"""Merge, the unified API in front of many HR systems: webhooks of its HRIS category.

Events: https://docs.merge.dev/merge-unified/reading-data/webhooks/merge-webhooks, record: Employee of the HRIS API.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import date
from typing import TYPE_CHECKING, Any

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError, UnauthenticError
from rollcall.runtime.ids import event_name
from rollcall.sources.model import (
    OTHER_ACCOUNT,
    Delivery,
    Faults,
    Parsed,
    check_size,
    load_json,
    read_attributes,
    read_field,
    read_id,
    read_time,
)
from rollcall.sources.policy import EmailChoice
from rollcall.sources.secret import AS_SHOWN, is_text_secret, new_text_secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollcall.hubs.model import Source

ANSWER = 200
SETTINGS: tuple[str, ...] = ("linked_account_id",)
CREDENTIALS: tuple[str, ...] = ()
SECRET_RULE = AS_SHOWN
is_secret = is_text_secret
new_secret = new_text_secret
_KINDS = {"Employee.added": Kind.ADDED, "Employee.changed": Kind.UPDATED, "Employee.removed": Kind.DELETED}
_ACTIVE = {"ACTIVE": True, "INACTIVE": False}
# Read into core fields, Merge's own bookkeeping, ways to reach somebody in private, and the raw record beneath.
_NO_ATTRIBUTES = {
    *("id", "created_at", "modified_at", "remote_created_at", "remote_was_deleted", "remote_data"),
    *("first_name", "last_name", "work_email", "personal_email", "mobile_phone_number", "home_location", "avatar"),
    "field_mappings",
}
_TARGETS = ("organization_defined_targets", "linked_account_defined_targets")


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Check the signature: HMAC-SHA-256 over the body in URL-safe base64, with or without padding.

    Nothing in it says when: a replay is stopped by the event log, which knows every body.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    given = delivery.headers.get("x-merge-webhook-signature", "").strip(" ")
    if not given.isascii():
        raise UnauthenticError
    expected = [_sign(secret, delivery.body) for secret in secrets if secret]
    if not any(hmac.compare_digest(given.removesuffix("="), one) for one in expected):
        raise UnauthenticError


def _sign(secret: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def parse(delivery: Delivery, source: Source) -> Parsed:
    """Return the directory event of a delivery.

    An employee's record is complete and stamped with its own ``modified_at``. ``hook.id`` names the webhook, not the
    event: events are told apart by their bodies. Events about a whole linked account remove nobody.

    Raises
    ------
    MalformedError
        With every fault, at its JSON path.
    """
    faults = Faults()
    document = load_json(delivery.body)
    hook = document.get("hook") if isinstance(document, dict) else None
    kind = hook.get("event") if isinstance(hook, dict) else None
    if not isinstance(kind, str) or not kind:
        raise MalformedError([Fault("$.hook.event", "missing_type", "The type of the event is missing.")])
    identifier = event_name(source.source_id, hashlib.sha256(delivery.body).hexdigest())
    if kind.startswith("LinkedAccount."):
        detail = "It is about the whole linked account and removes nobody."
        return [Ignored(identifier, source.source_id, "whole_source", detail)]
    if kind not in _KINDS:
        return [Ignored(identifier, source.source_id, "unused_type", "Rollcall does not use events of this type.")]
    if _is_elsewhere(document, source):
        return [Ignored(identifier, source.source_id, "other_account", OTHER_ACCOUNT)]
    data = document.get("data")
    if not isinstance(data, dict):
        raise MalformedError([Fault("$.data", "missing_data", "The record of the person is missing.")])
    event = _employee(_KINDS[kind], data, identifier, delivery=delivery, source=source, faults=faults)
    check_size(event, "$.data", faults)
    faults.check()
    return [event]


def _is_elsewhere(document: dict[str, Any], source: Source) -> bool:
    # Merge sends the events of all linked accounts of an organisation to every address.
    pinned = source.settings.get("linked_account_id")
    account = document.get("linked_account")
    return bool(pinned) and (account.get("id") if isinstance(account, dict) else None) != pinned


def _employee(
    kind: Kind, data: dict[str, Any], identifier: str, *, delivery: Delivery, source: Source, faults: Faults
) -> DirectoryEvent:
    if data.get("remote_was_deleted") is True:
        kind = Kind.DELETED
    starts, ends = _days(data, faults)
    is_active = _is_active(data.get("employment_status"), ends, delivery.received_at, faults)
    if kind is not Kind.DELETED and is_active is False:
        kind = Kind.DEACTIVATED
    email = "personal_email" if source.policy.email is EmailChoice.PERSONAL else "work_email"
    return DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(data.get("id"), "$.data.id", faults),
        kind=kind,
        occurred_at=read_time(data.get("modified_at"), "$.data.modified_at", faults, delivery.received_at),
        fields={
            "email": read_field(data.get(email), f"$.data.{email}", faults),
            "first_name": read_field(data.get("first_name"), "$.data.first_name", faults),
            "last_name": read_field(data.get("last_name"), "$.data.last_name", faults),
            "start_date": starts.isoformat() if starts else None,
            "end_date": ends.isoformat() if ends else None,
        },
        attributes=read_attributes(_attributes(data, faults), "$.data", faults),
        complete=True,
        active=None if kind in (Kind.DELETED, Kind.DEACTIVATED) else is_active,
    )


def _days(data: dict[str, Any], faults: Faults) -> tuple[date | None, date | None]:
    """Return first and last day; a last day before the first is left over from before they were hired again."""
    days: dict[str, date | None] = {}
    for name in ("termination_date", "start_date", "hire_date"):
        text = read_field(data.get(name), f"$.data.{name}", faults)
        try:
            days[name] = date.fromisoformat(text[:10]) if text else None
        except ValueError:
            faults.add(f"$.data.{name}", "bad_date", "Write the date as 2026-12-31.")
    ends = days.get("termination_date")
    starts = max((day for name in ("start_date", "hire_date") if (day := days.get(name))), default=None)
    return starts, None if ends and starts and starts > ends else ends


def _is_active(status: object, ends: date | None, received_at: datetime, faults: Faults) -> bool | None:
    # A status that we do not know is the HR system's own word and removes nobody; PENDING is somebody yet to start.
    if status is not None and not isinstance(status, str):
        faults.add("$.data.employment_status", "bad_text", "This must be text, such as ACTIVE or INACTIVE.")
    if ends and ends <= received_at.date():
        return False
    return _ACTIVE.get(status) if isinstance(status, str) else None


def _attributes(data: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """Return what the mapping table may use; of field mappings, those of the linked account win."""
    found = {name: value for name, value in data.items() if name not in _NO_ATTRIBUTES}
    mappings = data.get("field_mappings")
    if mappings is not None and not isinstance(mappings, dict):
        faults.add("$.data.field_mappings", "bad_attributes", "This must be an object of names and values.")
    targets = [mappings.get(name) for name in _TARGETS] if isinstance(mappings, dict) else []
    mapped = {name: value for target in targets if isinstance(target, dict) for name, value in target.items()}
    return found | ({"field_mappings": mapped} if mapped else {})
