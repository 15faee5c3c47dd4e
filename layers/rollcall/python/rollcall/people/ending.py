"""End dates that are over: an event of ours goes into the event log and is applied like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.people import event_log
from rollcall.people.schedule import end_event
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from datetime import datetime

    from rollcall.hubs.model import Hub
    from rollcall.people.model import PersonRecord


def end_if_due(hub: Hub, record: PersonRecord, at: datetime) -> bool:
    """Record that a person's end date is over and wake the worker; returns whether there was anything to say.

    Doing it twice records one event.

    Raises
    ------
    TransientError
        If it is not certain that the event is stored and looked after.
    """
    event = end_event(record, hub)
    if event is None or event.occurred_at > to_text(at):
        return False
    event_log.record_event(hub.hub_id, event, digest("end_date", event.event_id), at)
    event_log.wake_new(hub.hub_id, event.source_id, [event.event_id])
    log.info("end_date_reached", hub_id=hub.hub_id, person_id=record.person_id, event_id=event.event_id)
    return True
