"""Which entries of the activity come from a source, and which from one event."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from rollcall.activity import store
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.model import EventState
from rollcall.runtime.times import from_text, now, to_text

if TYPE_CHECKING:
    from rollcall.activity.model import Activity
    from rollcall.people.model import LoggedEvent

EVENT = "event:"
# How far the clocks of those who receive and those who apply may be apart.
SKEW = timedelta(minutes=1)
# Of each subject; between receipt and settling there are hardly ever more than the event's own.
LOOKED_AT = 2_000


def of_event(hub_id: str, logged: LoggedEvent, person_id: str, limit: int) -> list[Activity]:
    """Return what an event changed, newest first: of its person and of the member that they are, nobody else's.

    It did so between its receipt and when it was settled last; of each of the two the oldest 2,000 entries of that time
    are looked at. Who goes on under another id has their member there.
    """
    record = people.get_person(hub_id, person_id)
    while record is not None and record.person.superseded_by:
        record = people.get_person(hub_id, record.person.superseded_by)
    # One that is being applied again still has the time when it was settled before.
    settled_at = logged.settled_at if logged.state is not EventState.NEW else None
    since, until = from_text(logged.received_at) - SKEW, (from_text(settled_at) if settled_at else now()) + SKEW
    subjects = {person_id, record.member_id} if record and record.member_id else {person_id}
    found: list[Activity] = []
    for subject in subjects:
        listed = store.between(hub_id, subject, to_text(since), to_text(until))
        found += [entry for entry in islice(listed, LOOKED_AT) if entry.cause == f"{EVENT}{logged.event_id}"]
    return sorted(found, key=lambda entry: (entry.at, entry.activity_id), reverse=True)[:limit]


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
