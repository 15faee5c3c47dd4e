"""What a source makes of leave, suspension, a later start, two addresses, and of people it is not meant for. Pure.

A policy looks at one event, or at one merged person, and at nothing else: so it does not matter in which order events
came. It counts for events from then on; what was received before keeps the policy that it was received under.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from rollcall.runtime.errors import Fault, MalformedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rollcall.people.events import DirectoryEvent
    from rollcall.people.merge import Person

MAX_FIELDS = 10
MAX_VALUES = 100
MAX_TEXT = 200


class Away(StrEnum):
    """What being on leave, or suspended in the HR system, does to a member."""

    NOTHING = "nothing"
    DEACTIVATE = "deactivate"


class PreHire(StrEnum):
    """From when somebody who was hired and has not started yet can be invited."""

    NOW = "now"
    FROM_START = "from_start"


class EmailChoice(StrEnum):
    """Which address is the person's, in systems that know two."""

    WORK = "work"
    PERSONAL = "personal"


class Leaving(StrEnum):
    """What becomes of a member who no longer meets the filter."""

    IGNORE = "ignore"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True)
class Policy:
    """What one source makes of what it is told.

    Attributes
    ----------
    eligible
        HRIS field → the values of which one is needed; a person must meet all of them to be a potential member. Empty:
        everybody is one. Names and values are compared without case and surrounding or repeated spaces.
    leaving
        What becomes of a member when an event says that they no longer meet ``eligible``.
    """

    leave: Away = Away.NOTHING
    suspended: Away = Away.DEACTIVATE
    pre_hire: PreHire = PreHire.NOW
    email: EmailChoice = EmailChoice.WORK
    eligible: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leaving: Leaving = Leaving.IGNORE

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read a policy from its plain dict; what is left out is as by default."""
        known: dict[str, Any] = {name: kind(item[name]) for name, kind in _CHOICES.items() if name in item}
        eligible = {name: tuple(values) for name, values in item.get("eligible", {}).items()}
        return cls(**known, eligible=eligible)

    def to_item(self) -> dict[str, Any]:
        """Return the policy as a plain dict, which is also how the API shows it."""
        values: dict[str, Any] = {name: str(getattr(self, name)) for name in _CHOICES}
        return values | {"eligible": {name: list(options) for name, options in self.eligible.items()}}

    def admits(self, person: Person, today: str) -> bool:
        """Tell whether the person may be invited: eligible, and started where that is asked for.

        Parameters
        ----------
        today
            ``2026-12-31``. A start date without a readable form keeps nobody out.
        """
        starts = person.text("start_date")
        if self.pre_hire is PreHire.FROM_START and len(starts) == _DATE_LENGTH and starts > today:
            return False
        return self.is_met_by(person.values())

    def is_met_by(self, values: Mapping[str, str | tuple[str, ...] | None]) -> bool:
        """Tell whether a whole record meets the filter."""
        return all(self._meets(wanted, values, name) for name, wanted in self.eligible.items())

    def excludes(self, event: DirectoryEvent) -> bool:
        """Tell whether an event says that its person does not meet the filter.

        A partial event speaks of the fields it mentions, a complete one of all.
        """
        mentioned = {plain(name) for name in event.attributes}
        return any(
            (event.complete or plain(name) in mentioned) and not self._meets(wanted, event.attributes, name)
            for name, wanted in self.eligible.items()
        )

    @staticmethod
    def _meets(wanted: Collection[str], values: Mapping[str, str | tuple[str, ...] | None], name: str) -> bool:
        accepted = {plain(value) for value in wanted}
        given = [value for found, value in values.items() if plain(found) == plain(name)]
        texts = [text for value in given for text in (value if isinstance(value, tuple) else (value,)) if text]
        return any(plain(text) in accepted for text in texts)


def is_meant(person: Person, policies: Mapping[str, Policy], today: str) -> bool:
    """Tell whether a person's source means them to be a potential member, and already today.

    Parameters
    ----------
    policies
        By source id. A source that was disconnected keeps nobody out.
    today
        ``2026-12-31``.
    """
    policy = policies.get(person.source_id)
    return policy is None or policy.admits(person, today)


def read_policy(given: object, place: str) -> Policy:
    """Return a policy from JSON, such as ``{"leave": "deactivate", "eligible": {"Department": ["Sales"]}}``.

    Raises
    ------
    MalformedError
        With every fault at its place.
    """
    if not isinstance(given, dict):
        raise MalformedError([Fault(place, "not_an_object", "A policy must be a JSON object.")])
    faults = [
        Fault(f"{place}.{name}", "unknown_policy", f"A policy knows these names: {', '.join((*_CHOICES, 'eligible'))}.")
        for name in given
        if name not in _CHOICES and name != "eligible"
    ]
    chosen = {
        name: _choice(given[name], f"{place}.{name}", kind, faults) for name, kind in _CHOICES.items() if name in given
    }
    eligible = _eligible(given.get("eligible", {}), f"{place}.eligible", faults)
    if faults:
        raise MalformedError(faults)
    return replace(Policy.from_item(chosen), eligible=eligible)


def plain(text: str) -> str:
    """Return a text as filters compare it: without case, surrounding or repeated spaces."""
    return " ".join(text.casefold().split())


_DATE_LENGTH = len("2026-12-31")
_CHOICES: dict[str, type[StrEnum]] = {
    "leave": Away,
    "suspended": Away,
    "pre_hire": PreHire,
    "email": EmailChoice,
    "leaving": Leaving,
}


def _choice(value: object, place: str, kind: type[StrEnum], faults: list[Fault]) -> str:
    known = [str(choice) for choice in kind]
    if value not in known:
        faults.append(Fault(place, "bad_choice", f"Choose one of: {', '.join(known)}."))
    return str(value) if value in known else known[0]


def _eligible(given: object, place: str, faults: list[Fault]) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, dict) or len(given) > MAX_FIELDS:
        detail = f"This must be an object of up to {MAX_FIELDS} HRIS fields, each with a list of values."
        faults.append(Fault(place, "bad_filter", detail))
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name, values in given.items():
        listed = values if isinstance(values, list) else []
        if not _is_text(name) or not 1 <= len(listed) <= MAX_VALUES or not all(_is_text(value) for value in listed):
            detail = f"Give each field 1 to {MAX_VALUES} values, texts of 1 to {MAX_TEXT} characters."
            faults.append(Fault(place, "bad_filter", detail))
            break
        found[name.strip()] = tuple(dict.fromkeys(value.strip() for value in listed))
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= MAX_TEXT and value.isprintable()
