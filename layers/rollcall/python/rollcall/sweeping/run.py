"""One sweep: every queue message that got lost is sent again, from the work itself, which lies in the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.exports import store as exports
from rollcall.mail import store as mails
from rollcall.mail.model import due_shards
from rollcall.mail.send import sweep_mail
from rollcall.people import event_log
from rollcall.plans.stuck import wake_due
from rollcall.runtime import queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import now, to_text
from rollcall.sweeping.expiry import expire_invitations

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

AT_A_TIME = 200
EMAILS_QUEUE = "EMAILS_QUEUE_URL"


def sweep() -> dict[str, int]:
    """Look after everything that is due, and return how many of each kind were moved on.

    One kind's trouble does not keep the others waiting; the first trouble is raised at the end, so that it is seen.
    """
    at = now()
    parts: dict[str, Callable[[], int]] = {
        "events": lambda: _events(at),
        "mails": lambda: _mails(at),
        "plans": lambda: wake_due(AT_A_TIME),
        "exports": lambda: _exports(at),
        "invitations": lambda: expire_invitations(at, AT_A_TIME),
    }
    done: dict[str, int] = {}
    trouble: Exception | None = None
    for kind, part in parts.items():
        try:
            done[kind] = part()
        except Exception as exc:  # noqa: BLE001 - raised below, after the others had their turn
            log.error("sweep_failed", kind=kind, **describe(exc))
            trouble = trouble or exc
    for kind, count in done.items():
        if count:
            log.info("swept", kind=kind, count=count)
    if trouble:
        raise TransientError from trouble
    return done


def _events(at: datetime) -> int:
    count = 0
    for shard in range(event_log.DUE_SHARDS):
        for due in event_log.due_events(shard, at, AT_A_TIME):
            source_id = event_log.put_off(due, at)
            if source_id:
                event_log.wake(due.hub_id, source_id, [due.event_id])
                count += 1
    return count


def _mails(at: datetime) -> int:
    due = [found for shard in due_shards() for found in mails.list_due(shard, at, AT_A_TIME)]
    waiting = [{"hub_id": hub_id, "mail_id": mail_id} for hub_id, mail_id in due if sweep_mail(hub_id, mail_id, at)]
    queues.send_many(EMAILS_QUEUE, waiting)
    return len(waiting)


def _exports(at: datetime) -> int:
    due = [found for shard in range(exports.DUE_SHARDS) for found in exports.due(shard, to_text(at), AT_A_TIME)]
    count = 0
    for hub_id, export_id in due:
        if exports.look_later(hub_id, export_id, at):
            exports.wake(hub_id, export_id)
            count += 1
    return count
