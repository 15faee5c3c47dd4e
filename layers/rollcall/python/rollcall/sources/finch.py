"""Finch, the unified API in front of many payroll and HR systems.

Its webhooks name a person and carry nothing of them: https://developer.tryfinch.com/developer-resources/Webhooks. Who
they are is asked of ``POST /employer/individual`` and ``/employer/employment``, as Finch's own Python package does.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.runtime.ids import event_name
from rollcall.runtime.times import to_text
from rollcall.sources.asking import (
    Answer,
    Manners,
    NonsenseError,
    Question,
    UnknownPersonError,
    check_status,
    read_object,
)
from rollcall.sources.model import (
    OTHER_ACCOUNT,
    Delivery,
    Faults,
    Parsed,
    check_size,
    load_json,
    read_attributes,
    read_date,
    read_field,
    read_id,
)
from rollcall.sources.policy import Away, EmailChoice
from rollcall.sources.secret import new_base64_secret
from rollcall.sources.standard import base64_key, verify_headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.model import Source

ANSWER = 200
SETTINGS: tuple[str, ...] = ("connection_id",)
CREDENTIALS: tuple[str, ...] = ("access_token",)
SECRET_RULE = "Give the secret exactly as Finch shows it, 16 to 64 bytes in base64, or leave it out."  # noqa: S105 - a rule
new_secret = new_base64_secret
# Finch publishes no number for every plan; it answers 429 with Retry-After, which counts more.
MANNERS = Manners(re.compile(r"api\.tryfinch\.com"), per_second=4, burst=4)
_VERSION = "2020-09-17"
_TOKEN = re.compile(r"[\x21-\x7e]{8,2048}")
_DELETED = {"individual.deleted", "directory.deleted"}
_LOOK = {
    "individual.created": Kind.ADDED,
    "directory.created": Kind.ADDED,
    "individual.updated": Kind.UPDATED,
    "directory.updated": Kind.UPDATED,
    "employment.created": Kind.UPDATED,
    "employment.updated": Kind.UPDATED,
    "employment.deleted": Kind.UPDATED,
}
_LEAVE = "leave"
_LEFT = {"terminated", "retired", "deceased"}
_BEFORE_START = {"prehire", "onboarding"}
# Read into core fields, ways to reach somebody in private, and what a community has no business to know.
_NO_ATTRIBUTES = {
    *("id", "first_name", "last_name", "emails", "start_date", "end_date", "phone_numbers", "residence"),
    *("dob", "ssn", "encrypted_ssn", "ethnicity", "gender", "marital_status", "income", "income_history"),
    *("flsa_status", "highly_compensated_employee", "key_employee", "class_code", "benefit_eligibility_class"),
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
    """Return the directory event of a delivery: a deletion acts, the rest is to be looked up.

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
    identifier = event_name(source.source_id, delivery.headers.get("finch-event-id", ""))
    if reason := _no_use(kind, document.get("connection_id"), source.settings.get("connection_id")):
        return [Ignored(identifier, source.source_id, *reason)]
    data = document.get("data")
    event = DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(
            data.get("individual_id") if isinstance(data, dict) else None, "$.data.individual_id", faults
        ),
        kind=_LOOK.get(kind, Kind.DELETED),
        occurred_at=to_text(delivery.received_at),
        look=kind in _LOOK,
    )
    faults.check()
    return [event]


def _no_use(kind: str, connection: object, pinned: str | None) -> tuple[str, str] | None:
    """Return reason and sentence for an event that is recorded only."""
    if kind == "test":
        return "test", "It is a test from Finch's dashboard."
    if kind == "account.updated":
        return "whole_source", "It is about the whole connection and removes nobody."
    if kind not in _LOOK and kind not in _DELETED:
        return "unused_type", "Rollcall does not use events of this type."
    if pinned and connection != pinned:
        # Finch sends the events of all connections of an application to every address.
        return "other_account", OTHER_ACCOUNT
    return None


def are_credentials(credentials: Mapping[str, str]) -> bool:
    """Tell whether these can be credentials: one access token of a connection."""
    return set(credentials) == set(CREDENTIALS) and _TOKEN.fullmatch(credentials["access_token"]) is not None


def questions(event: DirectoryEvent, source: Source, credentials: Mapping[str, str]) -> list[Question]:
    """Return the two questions about a person: who they are, and how they are employed."""
    del source
    headers = {
        "authorization": f"Bearer {credentials['access_token']}",
        "finch-api-version": _VERSION,
        "content-type": "application/json",
        "accept": "application/json",
    }
    body = json.dumps({"requests": [{"individual_id": event.external_id}]}).encode()
    paths = ("/employer/individual", "/employer/employment")
    return [Question("POST", "api.tryfinch.com", path, headers, body) for path in paths]


def read_answers(
    answers: Sequence[Answer], event: DirectoryEvent, source: Source, asked_at: datetime
) -> DirectoryEvent:
    """Return the event with the whole record. Finch says nothing of when: it is as of the moment it was asked.

    Somebody without an employment record is taken as they are; nobody is deactivated by that.

    Raises
    ------
    AskingError
        If an answer is not usable.
    """
    individual = _body(answers[0], event.external_id, asked_at)
    try:
        employment = _body(answers[1], event.external_id, asked_at)
    except UnknownPersonError:
        employment = {}
    faults = Faults()
    record = {**individual, **{name: value for name, value in employment.items() if value is not None}}
    is_active = _is_active(employment, source)
    kind = Kind.DEACTIVATED if is_active is False else event.kind
    looked = replace(
        event,
        kind=kind,
        occurred_at=to_text(asked_at),
        fields={
            "email": _email(individual.get("emails"), source.policy.email, faults),
            "first_name": read_field(record.get("first_name"), "$.first_name", faults),
            "last_name": read_field(record.get("last_name"), "$.last_name", faults),
            **_dates(employment, faults),
        },
        attributes=read_attributes(
            {name: value for name, value in record.items() if name not in _NO_ATTRIBUTES}, "$", faults
        ),
        complete=True,
        active=None if kind is Kind.DEACTIVATED else is_active,
        look=False,
        on_leave=is_active is False and employment.get("employment_status") == _LEAVE,
    )
    check_size(looked, "$", faults)
    if faults.found:
        raise NonsenseError(faults.found[0])
    return looked


def _body(answer: Answer, external_id: str, at: datetime) -> dict[str, Any]:
    """Return the record in an answer to a batch of one; each part of a batch has a status of its own."""
    check_status(answer.status, answer.headers, at)
    responses = read_object(answer.body).get("responses")
    listed = responses if isinstance(responses, list) else []
    found = [part for part in listed if isinstance(part, dict) and part.get("individual_id") == external_id]
    if not found:
        raise NonsenseError
    code, body = found[0].get("code"), found[0].get("body")
    if not isinstance(code, int) or isinstance(code, bool):
        raise NonsenseError
    check_status(code, answer.headers, at)
    if not isinstance(body, dict):
        raise NonsenseError
    return body


def _is_active(employment: Mapping[str, Any], source: Source) -> bool | None:
    # A status that we do not know is the HR system's own word and removes nobody.
    given = employment.get("employment_status")
    status = given if isinstance(given, str) else ""
    if status in _LEFT:
        return False
    if status == _LEAVE:
        return source.policy.leave is Away.NOTHING
    if status in _BEFORE_START:
        return None
    is_active = employment.get("is_active")
    return is_active if isinstance(is_active, bool) else None


def _email(given: object, choice: EmailChoice, faults: Faults) -> str | None:
    """Return the address of the kind that the source wants; one whose kind is not said counts as work."""
    for entry in given if isinstance(given, list) else []:
        kind = entry.get("type") if isinstance(entry, dict) else ""
        if (kind == "personal") is (choice is EmailChoice.PERSONAL) and kind in ("work", "personal", None):
            return read_field(entry.get("data"), "$.emails", faults)
    return None


def _dates(employment: Mapping[str, Any], faults: Faults) -> dict[str, str | None]:
    """Return first and last day; a last day before they were hired again is over."""
    names = ("start_date", "end_date", "latest_rehire_date")
    days = {
        name: read_date(read_field(employment.get(name), f"$.{name}", faults), f"$.{name}", faults) for name in names
    }
    starts = max((day for name in ("start_date", "latest_rehire_date") if (day := days[name])), default=None)
    ends = days["end_date"]
    return {"start_date": starts, "end_date": None if ends and starts and starts > ends else ends}
