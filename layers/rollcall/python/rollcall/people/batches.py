"""A batch of the directory-events queue: which of its events are applied together."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rollcall.people.replays import run_part
from rollcall.people.sync import apply_event, apply_events
from rollcall.runtime import queues
from rollcall.runtime.ids import is_event_id, is_ulid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollcall.people.sync import Results


class Batch:
    """The records that SQS handed over at once.

    The events of a hub are applied together, when the first of them comes up. One that comes again is applied by
    itself, so that one on which the worker dies takes no others with it.

    Parameters
    ----------
    look_until
        On the monotonic clock: until when a vendor may be asked about somebody.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]], look_until: float) -> None:
        self._look_until = look_until
        self._together = _first_timers(records)
        self._applied: dict[str, Results] = {}

    def apply(self, pointer: queues.Pointer) -> None:
        """Apply what a pointer names: an event, or a part of a replay.

        Raises
        ------
        Exception
            Whatever went wrong with this event; it stays new and comes again.
        """
        hub_id = pointer["hub_id"]
        if "replay_id" in pointer:
            run_part(hub_id, pointer["replay_id"], pointer["part"], pointer["hop"])
            return
        event_id = pointer["event_id"]
        if event_id not in self._together.get(hub_id, ()):
            apply_event(hub_id, event_id, self._look_until)
            return
        if hub_id not in self._applied:
            self._applied[hub_id] = apply_events(hub_id, self._together[hub_id], self._look_until)
        found = self._applied[hub_id][event_id]
        if isinstance(found, Exception):
            raise found


def _first_timers(records: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the ids of the events that come for the first time, by hub; what is no pointer of ours is left out."""
    found: dict[str, list[str]] = {}
    for record in records:
        with suppress(ValueError, KeyError, TypeError):
            pointer = json.loads(record["body"])
            hub_id, event_id = pointer["hub_id"], pointer["event_id"]
            if queues.attempt_of(record) == 1 and is_ulid(hub_id) and is_event_id(event_id):
                found.setdefault(hub_id, []).append(event_id)
    return found
