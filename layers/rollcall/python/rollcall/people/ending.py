"""End dates that are over: an event of ours goes into the event log and is applied like any other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.people import event_log, store
from rollcall.people.schedule import end_event
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from datetime import datetime

    from rollcall.hubs.model import Hub
    from rollcall.people.model import PersonRecord

# The event has a sweeper of its own; this is for the case that it failed and somebody mends it.
LOOK_AGAIN = timedelta(hours=1)


def end_if_due(hub: Hub, record: PersonRecord, at: datetime) -> bool:
    """Record that a person's end date is over and wake the worker; returns whether there was anything to say.

    Doing it twice records one event.

    Raises
    ------
    TransientError
        If it is not certain that the event is stored.
    """
    event = end_event(record, hub)
    if event is None or event.occurred_at > to_text(at):
        return False
    event_log.record_event(hub.hub_id, event, digest("end_date", event.event_id), at, record.person_id)
    try:
        event_log.wake(hub.hub_id, event.source_id, [event.event_id])
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub.hub_id, source_id=event.source_id)
    log.info("end_date_reached", hub_id=hub.hub_id, person_id=record.person_id, event_id=event.event_id)
    return True


def sweep_person(hub: Hub, person_id: str, at: datetime) -> bool:
    """Look at a person whose time has come and put the next look off; returns whether an end date was over."""
    record = store.get_person(hub.hub_id, person_id)
    if record is None:
        return False
    is_over = end_if_due(hub, record, at)
    store.look_later(hub.hub_id, record, at + LOOK_AGAIN)
    return is_over
