"""Persons whose time has come: their end date is over, or their grace time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.hubs.store import get_hub
from rollcall.people import store
from rollcall.people.ending import end_if_due
from rollcall.people.merge import DirectoryStatus
from rollcall.people.schedule import purge_at
from rollcall.privacy.store import wake_purge
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.times import from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

# What is woken changes the person, and with it what is due; this is for the case that it fails.
LOOK_AGAIN = timedelta(hours=1)


def look_at_person(hub_id: str, person_id: str, at: datetime) -> int:
    """Wake what the time has brought to a person, and put the next look off; returns how much was woken: 0 or 1."""
    record = store.get_person(hub_id, person_id)
    if record is None:
        return 0
    try:
        hub = get_hub(hub_id)
    except NotFoundError:
        store.look_later(hub_id, record, at + timedelta(days=1))
        return 0
    later = at + LOOK_AGAIN
    if record.person.status is DirectoryStatus.DELETED:
        purged_at = purge_at(record.deleted_at, hub)
        is_woken = purged_at <= to_text(at)
        if is_woken:
            wake_purge(hub_id, person_id)
        else:  # the hub gives more time than when they were deleted
            later = from_text(purged_at)
    else:
        is_woken = end_if_due(hub, record, at)
    store.look_later(hub_id, record, later)
    return int(is_woken)
