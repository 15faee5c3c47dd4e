"""Directory events → people and members: applies each event of the log that a pointer names."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from rollcall.people.replays import run_part
from rollcall.people.sync import Results, apply_event, apply_events
from rollcall.runtime import queues
from rollcall.runtime.ids import is_event_id, is_ulid
from rollcall.runtime.settings import require

require(
    "HUBS_TABLE",
    "EVENTS_TABLE",
    "PEOPLE_TABLE",
    "MEMBERS_TABLE",
    "INVITATIONS_TABLE",
    "MAIL_TABLE",
    "PLANS_TABLE",
    "FILES_BUCKET",
    "STACK_SECRET_ARN",
    "SOURCE_SECRETS_PREFIX",
    "DIRECTORY_EVENTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
)
# Of the 30 that the function has, with room to look up one last person and to apply what was found.
LOOKING_SECONDS = 6.0


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with ``{hub_id, source_id, event_id}`` or ``{hub_id, replay_id, part, hop}``.

    The events of a hub are applied together, when its turn comes; one that comes again is applied by itself, so that
    one on which the worker dies takes no others with it. Those that must come again are reported.
    """
    look_until = time.monotonic() + LOOKING_SECONDS
    together = _events_by_hub(event["Records"])
    applied: dict[str, Results] = {}

    def work(pointer: queues.Pointer) -> None:
        hub_id = pointer["hub_id"]
        if "replay_id" in pointer:
            run_part(hub_id, pointer["replay_id"], pointer["part"], pointer["hop"])
            return
        event_id = pointer["event_id"]
        if event_id not in together.get(hub_id, ()):
            apply_event(hub_id, event_id, look_until)
            return
        if hub_id not in applied:
            applied[hub_id] = apply_events(hub_id, together[hub_id], look_until)
        found = applied[hub_id][event_id]
        if isinstance(found, Exception):
            raise found

    return queues.process(event, work)


def _events_by_hub(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the ids of the events that a batch points at for the first time, by hub.

    What is no pointer of ours is left out.
    """
    found: dict[str, list[str]] = {}
    for record in records:
        with suppress(ValueError, KeyError, TypeError):
            pointer = json.loads(record["body"])
            hub_id, event_id = pointer["hub_id"], pointer["event_id"]
            if queues.attempt_of(record) == 1 and is_ulid(hub_id) and is_event_id(event_id):
                found.setdefault(hub_id, []).append(event_id)
    return found
