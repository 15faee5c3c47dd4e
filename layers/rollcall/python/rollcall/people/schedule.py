"""What time will bring to a person: the end of their end date, and the purge after a deletion. Pure.

An end date is over at midnight after that day, in the person's own time zone; where the directory gives none that we
know, in the hub's. Then an event of ours says that they were deactivated, and takes the path of every other event.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.people.events import DirectoryEvent, Kind, Stamp
from rollcall.people.merge import DirectoryStatus
from rollcall.runtime.ids import digest, event_id
from rollcall.runtime.times import from_text, to_text
from rollcall.runtime.zones import UTC, day_is_over, zone_named

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rollcall.hubs.model import Hub
    from rollcall.people.merge import Person
    from rollcall.people.model import PersonRecord

_TICK = timedelta(milliseconds=1)


def scheduled(record: PersonRecord, hub: Hub, at: str) -> PersonRecord:
    """Return the person with the time at which somebody must look at them again, if there is one.

    A deleted person is purged ``deletion_grace_days`` after we learned of it (``deleted_at``); anybody else is looked
    at when their end date is over and no deactivation has said so yet.
    """
    match record.person.status:
        case DirectoryStatus.ERASED:
            return replace(record, deleted_at="", due_at="")
        case DirectoryStatus.DELETED:
            since = record.deleted_at or at
            return replace(record, deleted_at=since, due_at=purge_at(since, hub))
        case _:
            ending = end_event(record, hub)
            return replace(record, deleted_at="", due_at=ending.occurred_at if ending else "")


def purge_at(deleted_at: str, hub: Hub) -> str:
    """Return when somebody who was deleted then is purged, by the hub's setting of today."""
    return to_text(from_text(deleted_at) + timedelta(days=hub.deletion_grace_days))


def end_event(record: PersonRecord, hub: Hub) -> DirectoryEvent | None:
    """Return the event that says that the end date is over, as long as it would still change something.

    The same person, date and zone give the same event. A record that takes somebody on and brings an end date which is
    over already ends them all the same: then the event comes right after that record.
    """
    person = record.person
    cell = person.fields.get("end_date")
    ends = day_is_over(person.text("end_date"), zone_of(person, hub))
    if cell is None or ends is None or person.status in (DirectoryStatus.DELETED, DirectoryStatus.ERASED):
        return None
    at = to_text(ends)
    if person.activated == cell.stamp and cell.stamp.at >= at:
        at = to_text(from_text(cell.stamp.at) + _TICK)
    identifier = end_event_id(record.person_id, person.text("end_date"), at)
    if person.deactivated is not None and person.deactivated >= Stamp(at, identifier):
        return None
    return DirectoryEvent(
        event_id=identifier,
        source_id=person.source_id,
        external_id=person.external_id,
        kind=Kind.DEACTIVATED,
        occurred_at=at,
    )


def end_event_id(person_id: str, end_date: str, at: str) -> str:
    """Return the id of the event that says that an end date is over."""
    return event_id(digest("end_date", person_id, end_date, at), person_id)


def is_end_event(event: DirectoryEvent, record: PersonRecord) -> bool:
    """Tell whether the event is the one that says that the person's end date is over."""
    end_date = record.person.text("end_date")
    return bool(end_date) and event.event_id == end_event_id(record.person_id, end_date, event.occurred_at)


def zone_of(person: Person, hub: Hub) -> ZoneInfo:
    """Return the person's time zone; the hub's where theirs is missing or no name of the IANA database."""
    return zone_named(person.text("time_zone")) or zone_named(hub.time_zone) or UTC
