"""Which entries of the activity come from a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.people import event_log
from rollcall.people import store as people

if TYPE_CHECKING:
    from rollcall.activity.model import Activity

EVENT = "event:"


def from_source(hub_id: str, source_id: str, entries: list[Activity]) -> list[Activity]:
    """Return those that one of the source's events caused, and those about what the source says of a person."""
    events = {entry.cause.removeprefix(EVENT) for entry in entries if entry.cause.startswith(EVENT)}
    sources = event_log.sources_of(hub_id, sorted(events))
    persons = people.get_persons(hub_id, sorted({entry.subject for entry in entries if is_person(entry)}))
    theirs = {person_id for person_id, record in persons.items() if record.person.source_id == source_id}
    return [
        entry
        for entry in entries
        if sources.get(entry.cause.removeprefix(EVENT)) == source_id or entry.subject in theirs
    ]


def is_person(entry: Activity) -> bool:
    """Tell whether an entry is about a person, as their source tells of them."""
    return entry.kind.startswith("person_")
