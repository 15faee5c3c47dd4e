"""BambooHR: field-based webhooks, which carry the fields somebody chose, and event-based ones, which carry none.

https://documentation.bamboohr.com/docs/webhooks, /docs/field-based-webhooks and /docs/event-based-webhooks. Where
fields are missing, ``GET /api/v1/employees/{id}`` is asked: https://documentation.bamboohr.com/reference/get-employee.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError, UnauthenticError
from rollcall.runtime.ids import event_name
from rollcall.runtime.times import from_text, to_text
from rollcall.sources.asking import Answer, Manners, NonsenseError, Question, check_status, read_object
from rollcall.sources.model import (
    OTHER_ACCOUNT,
    Delivery,
    Faults,
    Parsed,
    check_size,
    load_json,
    plain_words,
    read_attributes,
    read_date,
    read_field,
    read_id,
    read_time,
)
from rollcall.sources.policy import Away, EmailChoice
from rollcall.sources.secret import AS_SHOWN, is_text_secret, new_text_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollcall.hubs.model import Source

ANSWER = 200
SETTINGS: tuple[str, ...] = (
    *("company_id", "field_email", "field_first_name", "field_last_name", "field_status"),
    "fields",
)
CREDENTIALS: tuple[str, ...] = ("company_domain", "api_key")
SECRET_RULE = AS_SHOWN
is_secret = is_text_secret
new_secret = new_text_secret
# BambooHR tries again for 155 minutes and does not say whether it signs anew; a 401 would end that for good.
TOLERANCE = timedelta(hours=4)
AHEAD = timedelta(minutes=5)
MAX_EMPLOYEES = 1_000
MAX_FORM_FIELDS = 50_000
# Exactly these forms: nothing separates body and timestamp, so neither may be able to lend the other a character.
_SECONDS = re.compile(r"[0-9]{10}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:?[0-9]{2})")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_ACTIONS = {"created": Kind.ADDED, "updated": Kind.UPDATED, "deleted": Kind.DELETED}
_PERSON_EVENTS = {"employee.created": Kind.ADDED, "employee.updated": Kind.UPDATED}
_STATES = {"active": True, "inactive": False}
# Names that the fields bear by default or are commonly given, in plain words; a source may name others.
_FIELDS = {
    "email": ("work email", "email", "email address"),
    "first_name": ("first name", "given name", "firstname"),
    "last_name": ("last name", "family name", "surname", "lastname"),
    "status": ("status",),
}
# BambooHR publishes no number; it answers 429 or 503 with Retry-After, which counts more.
MANNERS = Manners(re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\.bamboohr\.com"), per_second=4, burst=4)
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_KEY = re.compile(r"[\x21-\x39\x3b-\x7e]{8,512}")  # a colon would end it in Basic authentication
# Asked of everybody, beside what the setting ``fields`` names; the API gives at most 400.
_ASKED = (
    *("firstName", "lastName", "preferredName", "workEmail", "status", "employmentHistoryStatus", "hireDate"),
    *("terminationDate", "jobTitle", "department", "division", "location", "city", "state", "country"),
    *("supervisor", "employeeNumber"),
)
_READ_AS_CORE = {"id", "firstName", "lastName", "workEmail", "homeEmail", "hireDate", "terminationDate"}
_MAX_ASKED = 300
_ON_LEAVE = {"leave", "on leave", "leave of absence"}
_NO_DATE = "0000-00-00"
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Check the signature: HMAC-SHA-256 in hex over the body with the timestamp right behind it.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    timestamp = delivery.headers.get("x-bamboohr-timestamp", "")
    given = delivery.headers.get("x-bamboohr-signature", "")
    if not _SIGNATURE.fullmatch(given) or not _is_fresh(timestamp, delivery.received_at):
        raise UnauthenticError
    signed = delivery.body + timestamp.encode()
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets if secret]
    if not any(hmac.compare_digest(given, one) for one in expected):
        raise UnauthenticError


def _is_fresh(timestamp: str, received_at: datetime) -> bool:
    if _SECONDS.fullmatch(timestamp):
        age = timedelta(seconds=received_at.timestamp() - int(timestamp))
    elif _TIME.fullmatch(timestamp):
        try:
            age = received_at - from_text(timestamp)
        except (ValueError, OverflowError):
            return False
    else:
        return False
    return -AHEAD <= age <= TOLERANCE


def parse(delivery: Delivery, source: Source) -> Parsed:
    """Return the directory events of a delivery, JSON or form, of one employee or of many.

    Fields that come are partial: others stay. BambooHR does not name its events; they are told apart by their bodies.

    Raises
    ------
    MalformedError
        With every fault, at its JSON path.
    """
    is_form = delivery.headers.get("content-type", "").partition(";")[0].strip().casefold().endswith("form-urlencoded")
    document = _read_form(delivery.body) if is_form else load_json(delivery.body)
    if not isinstance(document, dict):
        raise MalformedError([Fault("$", "not_an_object", "The body must be a JSON object or a form.")])
    name = hashlib.sha256(delivery.body).hexdigest()
    if "employees" in document:
        return _employees(document["employees"], name, delivery=delivery, source=source)
    return [_event(document, event_name(source.source_id, name), delivery=delivery, source=source)]


def _event(
    document: dict[str, Any], identifier: str, *, delivery: Delivery, source: Source
) -> DirectoryEvent | Ignored:
    """Return an event-based one: it says who; unless they were deleted, what happened is to be looked up."""
    faults = Faults()
    kind, data = document.get("type"), document.get("data")
    if not isinstance(kind, str) or not kind:
        raise MalformedError([Fault("$.type", "missing_type", "The type of the event is missing.")])
    if kind.startswith(("company.", "company-integrations.")):
        detail = "It is about the whole company and removes nobody."
        return Ignored(identifier, source.source_id, "whole_source", detail)
    if kind not in _PERSON_EVENTS and kind != "employee.deleted":
        return Ignored(identifier, source.source_id, "unused_type", "Rollcall does not use events of this type.")
    if not isinstance(data, dict):
        raise MalformedError([Fault("$.data", "missing_data", "The id of the employee is missing.")])
    pinned = source.settings.get("company_id")
    if pinned and _as_text(data.get("companyId")) != pinned:
        return Ignored(identifier, source.source_id, "other_account", OTHER_ACCOUNT)
    event = DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(_as_text(data.get("employeeId")), "$.data.employeeId", faults),
        kind=_PERSON_EVENTS.get(kind, Kind.DELETED),
        occurred_at=read_time(document.get("timestamp"), "$.timestamp", faults, delivery.received_at),
        look=kind in _PERSON_EVENTS,
    )
    faults.check()
    return event


def _employees(entries: object, name: str, *, delivery: Delivery, source: Source) -> Parsed:
    if not isinstance(entries, list) or len(entries) > MAX_EMPLOYEES:
        detail = f"This must be a list of up to {MAX_EMPLOYEES} employees."
        raise MalformedError([Fault("$.employees", "bad_count", detail)])
    if not entries:
        identifier = event_name(source.source_id, name)
        return [Ignored(identifier, source.source_id, "test", "It is about nobody, as a test delivery is.")]
    faults = Faults()
    events: Parsed = []
    for number, entry in enumerate(entries):
        place, identifier = f"$.employees[{number}]", event_name(source.source_id, f"{name}#{number}")
        if isinstance(entry, dict):
            events.append(_employee(entry, identifier, place, delivery=delivery, source=source, faults=faults))
        else:
            faults.add(place, "not_an_object", "An employee must be a JSON object.")
    faults.check()
    return events


def _employee(
    entry: dict[str, Any], identifier: str, place: str, *, delivery: Delivery, source: Source, faults: Faults
) -> DirectoryEvent:
    fields, action = entry.get("fields"), entry.get("action")
    if fields is not None and fields != [] and not isinstance(fields, dict):
        faults.add(f"{place}.fields", "bad_attributes", "This must be an object of names and values.")
    values = {key: _value(value) for key, value in fields.items()} if isinstance(fields, dict) else {}
    kind = _ACTIONS.get(action.casefold()) if isinstance(action, str) else None
    if kind is None and action is not None:
        faults.add(f"{place}.action", "bad_action", "This must be Created, Updated or Deleted.")
    external_id = read_id(_as_text(entry.get("id")), f"{place}.id", faults)
    occurred = read_time(entry.get("timestamp"), f"{place}.timestamp", faults, delivery.received_at)
    if kind is not Kind.DELETED and not values:
        means = kind or Kind.UPDATED
        return DirectoryEvent(identifier, source.source_id, external_id, means, occurred, look=True)
    core = _core_fields(values, source)
    state = values.get(core["status"]) if "status" in core else None
    is_active = _STATES.get(state.strip().casefold()) if isinstance(state, str) else None
    if kind is not Kind.DELETED and is_active is False:
        kind = Kind.DEACTIVATED
    known = {core[name]: name for name in ("email", "first_name", "last_name") if name in core}
    event = DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=external_id,
        kind=kind or Kind.UPDATED,
        occurred_at=occurred,
        fields={name: read_field(values[given], f"{place}.fields.{given}", faults) for given, name in known.items()},
        attributes=read_attributes(
            {given: value for given, value in values.items() if given not in known}, f"{place}.fields", faults
        ),
        active=None if kind in (Kind.DELETED, Kind.DEACTIVATED) else is_active,
    )
    check_size(event, f"{place}.fields", faults)
    return event


def _core_fields(values: dict[str, Any], source: Source) -> dict[str, str]:
    """Return core field → the name it came under: the source's own choice (``field_email``), else a usual one."""
    plain = {plain_words(given): given for given in reversed(values)}
    found = {}
    for name, usual in _FIELDS.items():
        own = source.settings.get(f"field_{name}")
        wanted = [plain_words(own)] if own else [*usual]
        given = next((plain[words] for words in wanted if words in plain), None)
        if given is not None:
            found[name] = given
    return found


def _value(value: object) -> object:
    # Older webhooks wrap every value.
    return value["value"] if isinstance(value, dict) and list(value) == ["value"] else value


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else value


def _read_form(body: bytes) -> dict[str, Any]:
    """Return a form as the JSON of the same webhook: ``employees[7][Work Email]=...`` or ``data[employeeId]=7``."""
    try:
        text = body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise MalformedError([Fault("body", "not_a_form", "The body must be a form in UTF-8.")]) from None
    document: dict[str, Any] = {}
    data: dict[str, str] = {}
    employees: dict[str, dict[str, Any]] = {}
    for key, value in pairs:
        top, _, rest = key.partition("[")
        inner = _BRACKETS.findall(f"[{rest}")
        if top == "employees" and len(inner) > 1:
            entry = employees.setdefault(inner[0], {"id": inner[0], "fields": {}})
            _put_form_value(entry, inner[1:], value)
        elif top == "data" and len(inner) == 1:
            data[inner[0]] = value
        elif not inner:
            document[top] = value
    found = {"data": data, "employees": list(employees.values())}
    return document | {name: value for name, value in found.items() if value}


def _put_form_value(entry: dict[str, Any], path: list[str], value: str) -> None:
    # Fields stand beside action, timestamp and changedFields, or in a level of their own.
    match path:
        case ["action" | "timestamp" as name]:
            entry[name] = value
        case ["id"] | ["changedFields", *_]:
            pass
        case ["fields", name] | ["fields", name, "value"] | [name] | [name, "value"]:
            entry["fields"][name] = value
        case _:
            pass


def are_credentials(credentials: Mapping[str, str]) -> bool:
    """Tell whether these can be credentials: the first part of the company's address, and an API key."""
    if set(credentials) != set(CREDENTIALS):
        return False
    return bool(_DOMAIN.fullmatch(credentials["company_domain"]) and _KEY.fullmatch(credentials["api_key"]))


def questions(event: DirectoryEvent, source: Source, credentials: Mapping[str, str]) -> list[Question]:
    """Return the question about an employee: their current values of the usual fields and of those of the source."""
    more = [name.strip() for name in source.settings.get("fields", "").split(",") if name.strip()]
    personal = ["homeEmail"] if source.policy.email is EmailChoice.PERSONAL else []
    wanted = list(dict.fromkeys([*_ASKED, *personal, *more]))[:_MAX_ASKED]
    login = base64.b64encode(f"{credentials['api_key']}:x".encode()).decode()
    query = urlencode({"fields": ",".join(wanted), "onlyCurrent": "true"})
    path = f"/api/v1/employees/{quote(event.external_id, safe='')}?{query}"
    headers = {"authorization": f"Basic {login}", "accept": "application/json"}
    return [Question("GET", f"{credentials['company_domain']}.bamboohr.com", path, headers)]


def read_answers(
    answers: Sequence[Answer], event: DirectoryEvent, source: Source, asked_at: datetime
) -> DirectoryEvent:
    """Return the event with the whole record, as of the moment it was asked.

    BambooHR's own ``lastChanged`` has whole seconds and does not move with every field, so of two records with the
    same one nobody could tell which is the newer.

    Raises
    ------
    AskingError
        If the answer is not usable.
    """
    (answer,) = answers
    check_status(answer.status, answer.headers, asked_at)
    record = read_object(answer.body)
    if _as_text(record.get("id")) != event.external_id:
        raise NonsenseError
    faults = Faults()
    email = "homeEmail" if source.policy.email is EmailChoice.PERSONAL else "workEmail"
    is_active = _is_employed(record, source)
    kind = Kind.DEACTIVATED if is_active is False else event.kind
    looked = replace(
        event,
        kind=kind,
        occurred_at=to_text(asked_at),
        fields={
            "email": read_field(record.get(email), f"$.{email}", faults),
            "first_name": read_field(record.get("firstName"), "$.firstName", faults),
            "last_name": read_field(record.get("lastName"), "$.lastName", faults),
            **_days(record, faults),
        },
        attributes=read_attributes(
            {name: value for name, value in record.items() if name not in _READ_AS_CORE}, "$", faults
        ),
        complete=True,
        active=None if kind is Kind.DEACTIVATED else is_active,
        look=False,
        on_leave=is_active is False and _is_on_leave(record),
    )
    check_size(looked, "$", faults)
    if faults.found:
        raise NonsenseError(faults.found[0])
    return looked


def _is_employed(record: Mapping[str, Any], source: Source) -> bool | None:
    # A status that we do not know is the HR system's own word and removes nobody.
    if _is_on_leave(record):
        return source.policy.leave is Away.NOTHING
    return _is_active(record)


def _is_active(record: Mapping[str, Any]) -> bool | None:
    status = record.get("status")
    return _STATES.get(status.strip().casefold()) if isinstance(status, str) else None


def _is_on_leave(record: Mapping[str, Any]) -> bool:
    history = record.get("employmentHistoryStatus")
    return _is_active(record) is not False and isinstance(history, str) and plain_words(history) in _ON_LEAVE


def _days(record: Mapping[str, Any], faults: Faults) -> dict[str, str | None]:
    """Return first and last day; a last day before they were hired again is over."""
    days: dict[str, str | None] = {}
    for name in ("hireDate", "terminationDate"):
        text = read_field(record.get(name), f"$.{name}", faults)
        days[name] = None if text == _NO_DATE else read_date(text, f"$.{name}", faults)
    starts, ends = days["hireDate"], days["terminationDate"]
    return {"start_date": starts, "end_date": None if ends and starts and starts > ends else ends}
