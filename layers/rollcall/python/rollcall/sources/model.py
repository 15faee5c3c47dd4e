"""What every source module speaks: deliveries in, directory events out. Pure.

A module has ``verify(delivery, secrets)``, which raises ``UnauthenticError`` whatever is wrong, ``parse(delivery,
source)``, which returns events or raises ``MalformedError`` with every fault, and the status ``ANSWER`` that the system
wants for a delivery that was taken.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, overload

from rollcall.hubs.model import DeletedMeans
from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.runtime.times import from_text, to_text
from rollcall.sources.policy import Leaving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.hubs.model import Source

MAX_NAME = 200
MAX_VALUE = 4_096
MAX_ATTRIBUTES = 200
MAX_ID = 256
MAX_EVENT_BYTES = 256 * 1024
MAX_DEPTH = 8
MAX_FAULTS = 1_000
FIRST_YEAR = 1970
EXACT = 2**53
CORE_FIELDS = ("email", "first_name", "last_name", "locale", "time_zone", "start_date", "end_date")
DATES = ("start_date", "end_date")

Parsed = list[DirectoryEvent | Ignored]

NEEDS_CREDENTIALS = "needs_credentials"
GO_AND_LOOK = "The HR system says only that something changed. Give this source credentials, so that Rollcall can look."
OTHER_ACCOUNT = "It is about another account than the one this source was connected for."

# What is never stored, by the name of the attribute; docs/sources/README.md says it in words. A phrase counts as whole
# words of the name; a part counts anywhere in it.
DENIED: dict[str, tuple[str, ...]] = {
    "government id": (
        *("aadhaar", "bsn", "driver licence", "driver license", "drivers licence", "drivers license"),
        *("driving licence", "driving license", "government id", "id card", "identity card", "national id"),
        *("national identification", "national identity", "national insurance", "nin", "nino", "pesel"),
        *("residence permit", "securite sociale", "sin", "social insurance", "social security", "ssn", "steuer id"),
        *("tax id", "tax identification", "tax number", "taxpayer", "tin"),
    ),
    "bank": (
        *("account number", "bank account", "bank code", "bank details", "bank name", "bank number", "bank routing"),
        *("bankverbindung", "bic", "direct deposit", "iban", "kontonummer", "routing number", "sort code"),
        "swift code",
    ),
    "birth date": ("birth", "dob", "naissance", "nacimiento"),
    "salary": (
        *("base pay", "bonus", "compensation", "earnings", "gross pay", "hourly rate", "income", "lohn", "net pay"),
        *("overtime rate", "pay amount", "pay rate", "remuneration", "salaire", "salario", "wage", "wages"),
    ),
    "health": (
        *("allergies", "allergy", "behinderung", "blood group", "blood type", "diagnosis", "disabilities"),
        *("disability", "disabled", "health", "illness", "krankenkasse", "krankheit", "medical", "pregnancy"),
        *("pregnant", "sante", "schwerbehinderung", "sick leave", "sickness", "vaccination", "vaccine"),
    ),
}
DENIED_PHRASES = frozenset(phrase for phrases in DENIED.values() for phrase in phrases)
DENIED_PARTS = (
    *("nationalid", "nationalinsurance", "passport", "socialsecurity", "sozialversicherung", "steuernummer"),
    *("bankaccount", "birthda", "dateofbirth", "geburtsdatum", "geburtstag", "gehalt", "salaries", "salary"),
)
_WORD = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook request as it came.

    Attributes
    ----------
    body
        Raw bytes, decoded from base64 where the gateway encoded them.
    headers
        Names in lower case.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received_at: datetime


class Faults:
    """Collects what is wrong with a document, each with its place; a thousand are listed, so that an answer fits."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.more = 0

    def add(self, place: str, code: str, detail: str) -> None:
        """Note a fault."""
        if len(self.found) < MAX_FAULTS:
            self.found.append(Fault(place, code, detail))
        else:
            self.more += 1

    def check(self) -> None:
        """Raise if anything was found."""
        if self.more:
            self.found.append(Fault("$", "more_faults", f"There are {self.more} faults more."))
        if self.found:
            raise MalformedError(self.found)


def load_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON document of a body.

    Raises
    ------
    MalformedError
        If it is not JSON in UTF-8.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise MalformedError([Fault("body", "not_json", "The body must be one JSON document in UTF-8.")]) from None


def _refuse(_: str) -> NoReturn:
    raise ValueError


def read_time(value: object, place: str, faults: Faults, default: datetime) -> str:
    """Return a time as RFC 3339 text; what is left out is the default, what is wrong is a fault."""
    if value is None:
        return to_text(default)
    moment = None
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            moment = from_text(value)
    if moment is None or moment.year < FIRST_YEAR:
        faults.add(place, "bad_time", "Write the time as RFC 3339, such as 2026-10-05T08:01:12Z.")
        moment = default
    return to_text(moment)


def read_id(value: object, place: str, faults: Faults) -> str:
    """Return an id: text without control characters, up to 256 characters; outer spaces are dropped."""
    if isinstance(value, str) and 0 < len(value.strip()) <= MAX_ID and _is_line(value):
        return value.strip()
    faults.add(place, "bad_id", f"This must be text of 1 to {MAX_ID} characters on one line.")
    return ""


def read_name(value: object, place: str, faults: Faults) -> str:
    """Return the name of a group, in any script; outer spaces are dropped."""
    if isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME and _is_line(value):
        return value.strip()
    faults.add(place, "bad_name", f"A name must be text of 1 to {MAX_NAME} characters on one line.")
    return ""


def read_field(value: object, place: str, faults: Faults) -> str | None:
    """Return a core field: text, or ``None`` to clear it."""
    if value is None:
        return None
    if isinstance(value, str) and _is_value(value):
        return value.strip() or None
    faults.add(place, "bad_text", f"This must be text of up to {MAX_VALUE} bytes, or null.")
    return None


def read_fields(data: Mapping[str, Any], place: str, faults: Faults) -> dict[str, str | None]:
    """Return the core fields that a record mentions; dates as ``2026-12-31``."""
    found = {name: read_field(data[name], f"{place}.{name}", faults) for name in CORE_FIELDS if name in data}
    return found | {name: read_date(found[name], f"{place}.{name}", faults) for name in DATES if name in found}


def read_date(text: str | None, place: str, faults: Faults) -> str | None:
    """Return a day as ``2026-12-31``; a time of that day may follow it."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text.partition("T")[0]).isoformat()
    except ValueError:
        faults.add(place, "bad_date", "Write the date as 2026-12-31.")
        return None


def read_attributes(value: object, place: str, faults: Faults) -> dict[str, str | tuple[str, ...] | None]:
    """Return HRIS attributes as flat name → text, texts or ``None``.

    ``{"Office": {"City": "London"}}`` becomes ``Office.City``; a list of objects becomes one list per inner name, and
    ``{"Custom": [{"name": "Chapter", "value": "East Bay"}]}`` becomes ``Custom.Chapter``.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        faults.add(place, "bad_attributes", "This must be an object of names and values.")
        return {}
    single: dict[str, str | None] = {}
    several: dict[str, list[str]] = {}
    refused: set[str] = set()
    for name, leaf, in_list in _leaves(value, "", place, faults, depth=0, in_list=False):
        if name not in single and name not in several and len(single) + len(several) + len(refused) == MAX_ATTRIBUTES:
            faults.add(place, "too_many_attributes", f"Send at most {MAX_ATTRIBUTES} attributes of a person.")
            break
        if name in refused:
            continue
        text, fault = _text(name, leaf)
        if fault is None and (name in single or (name in several and not in_list)):
            fault = Fault(place, "duplicate_name", "Nested attributes are written with dots: two now have one name.")
        if fault is not None:
            refused.add(name)
            faults.add(f"{place}.{name}" if fault.code == "bad_value" else place, fault.code, fault.detail)
        elif in_list:
            several.setdefault(name, []).extend([text] if text else [])
        else:
            single[name] = text
    lists = {name: tuple(dict.fromkeys(texts)) or None for name, texts in several.items()}
    return single | lists


@lru_cache(maxsize=4_096)  # the same names come with every person
def is_denied(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Tell whether an attribute of this name is never stored.

    Names are compared without case, accents, digits and punctuation, in camelCase, snake_case or with dots:
    ``dateOfBirth``, ``date_of_birth`` and ``Personal.Date of birth`` are the same to it.

    Parameters
    ----------
    more
        Phrases in plain words (``plain_words``) that a source denies in addition.
    """
    denied = DENIED_PHRASES | more
    words = f" {plain_words(name)} "
    if any(f" {phrase} " in words for phrase in denied):
        return True
    squashed = {phrase.replace(" ", "") for phrase in denied}
    if any(plain_words(part).replace(" ", "") in squashed for part in name.split(".")):
        return True
    return any(part in words.replace(" ", "") for part in DENIED_PARTS)


def plain_words(text: str) -> str:
    """Return the words of a name without case, accents, digits and punctuation, one space between them."""
    spaced = _HUMP.sub(
        " ", unicodedata.normalize("NFKC", text).replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    )
    letters = unicodedata.normalize("NFKD", spaced.casefold())
    return " ".join(_WORD.findall("".join(char for char in letters if not unicodedata.combining(char))))


def without_denied(event: DirectoryEvent, source: Source) -> DirectoryEvent:
    """Return the event without attributes that are never stored: ours, and those of the setting ``deny``.

    ``deny`` is a list of names with commas between them, such as ``shoe size, Religion``.
    """
    listed = source.settings.get("deny", "").split(",")
    more = frozenset(words for name in listed if (words := plain_words(name)))
    kept = {name: value for name, value in event.attributes.items() if not is_denied(name, more)}
    return event if len(kept) == len(event.attributes) else replace(event, attributes=kept)


@overload
def as_the_source_wants(event: DirectoryEvent, source: Source) -> DirectoryEvent: ...
@overload
def as_the_source_wants(event: DirectoryEvent | Ignored, source: Source) -> DirectoryEvent | Ignored: ...
def as_the_source_wants(event: DirectoryEvent | Ignored, source: Source) -> DirectoryEvent | Ignored:
    """Return the event with what the source says of deletions and of its filter, and without what is never stored."""
    if isinstance(event, Ignored):
        return event
    policy = source.policy
    tells = event.kind is not Kind.DELETED and not event.look
    leaves = tells and policy.leaving is Leaving.DEACTIVATE and policy.excludes(event)
    kept = replace(without_denied(event, source), leaves=leaves)
    deactivates = source.deleted_means is DeletedMeans.DEACTIVATE and event.kind is Kind.DELETED
    return replace(kept, kind=Kind.DEACTIVATED) if deactivates else kept


def check_size(event: DirectoryEvent, place: str, faults: Faults) -> None:
    """Note a fault if the event is too large to be stored with its person."""
    texts = [*event.fields.values(), *event.attributes, *event.attributes.values(), *event.groups]
    flat = [text for value in texts for text in (value if isinstance(value, tuple) else (value,)) if text]
    if sum(len(text.encode("utf-8", "surrogatepass")) + 4 for text in flat) > MAX_EVENT_BYTES:
        faults.add(place, "person_too_large", f"One person may have at most {MAX_EVENT_BYTES // 1024} KB of values.")


def _leaves(
    value: object, name: str, place: str, faults: Faults, *, depth: int, in_list: bool
) -> Iterator[tuple[str, object, bool]]:
    if isinstance(value, (dict, list)) and depth > MAX_DEPTH:
        faults.add(place, "too_deep", f"Attributes may be nested {MAX_DEPTH} levels deep at most.")
    elif isinstance(value, dict) and value:
        for inner_name, inner in value.items():
            full = f"{name}.{inner_name}" if depth else inner_name
            yield from _leaves(inner, full, place, faults, depth=depth + 1, in_list=in_list)
    elif isinstance(value, list) and (named := _by_name(value)):
        yield from _leaves(named, name, place, faults, depth=depth, in_list=in_list)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(inner, name, place, faults, depth=depth + 1, in_list=True)
    elif depth:
        yield name, None if isinstance(value, (dict, list)) else value, in_list


def _by_name(values: list[Any]) -> dict[str, Any]:
    """Return ``[{"name": n, "value": v}]`` as ``{n: v}``; nothing if the list is of another shape."""
    found: dict[str, list[Any]] = {}
    for entry in values:
        if not (isinstance(entry, dict) and "value" in entry and isinstance(entry.get("name"), str)):
            return {}
        found.setdefault(entry["name"].strip(), []).append(entry["value"])
    return {} if "" in found else {name: several if len(several) > 1 else several[0] for name, several in found.items()}


def _text(name: str, value: object) -> tuple[str | None, Fault | None]:
    """Return the text of one value, or what is wrong with its name or with it."""
    if not name.strip() or len(name) > MAX_NAME or not _is_text(name):
        return None, Fault("", "bad_name", f"A name must be text of 1 to {MAX_NAME} characters.")
    text: str | None = None
    match value:
        case bool():
            text = "true" if value else "false"
        case str() if _is_value(value):
            text = value.strip() or None
        case int() if abs(value) < 10**MAX_NAME:
            text = str(value)
        case float() if math.isfinite(value):
            text = str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
        case None:
            pass
        case _:
            detail = f"A value must be text of up to {MAX_VALUE} bytes, a number, true, false or null."
            return None, Fault("", "bad_value", detail)
    return text, None


def _is_value(value: str) -> bool:
    return len(value) <= MAX_VALUE and _is_text(value) and len(value.encode()) <= MAX_VALUE


def _is_line(value: str) -> bool:
    # Joiners and direction marks belong to names in many scripts; control characters and line ends to none.
    return all(unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"} for char in value)


def _is_text(value: str) -> bool:
    # Surrogates cannot be stored, and NUL is refused by half of what comes after us.
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
