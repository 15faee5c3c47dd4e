"""One sweep: every queue message that got lost is sent again, from the work itself, which lies in the tables."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.exports import store as exports
from rollcall.invitations import store as invitations
from rollcall.mail import store as mails
from rollcall.mail.model import due_shards
from rollcall.mail.send import sweep_mail
from rollcall.people import event_log, replays, upkeep
from rollcall.people import store as people
from rollcall.plans import catalogue_change
from rollcall.plans.stuck import wake_due
from rollcall.privacy import store as erasures
from rollcall.privacy.model import DUE_SHARDS as ERASURE_SHARDS
from rollcall.runtime import queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import is_event_id, is_ulid
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import from_text, now, to_text
from rollcall.sources import watch
from rollcall.sweeping.invitations import EMAILS_QUEUE, look_at_invitation
from rollcall.sweeping.people import look_at_person

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

AT_A_TIME = 200
DEAD_EVENTS = "DIRECTORY_EVENTS_DEAD_LETTERS_URL"
# What SQS hands over at most.
AT_ONCE = 10
# Of the 50 that the function may take; each kind has its share, so that a backlog of one does not starve the others.
SECONDS = 44.0
# Longer than a warm function keeps a secret (3 minutes), and than a batch of events takes.
CREDENTIALS_SETTLE = timedelta(minutes=5)


def sweep() -> dict[str, int]:
    """Look after everything that is due, and return how many of each kind were moved on.

    The trouble of one piece of work, or of one kind, does not keep the others waiting; the first trouble is raised at
    the end, so that it is seen.

    Raises
    ------
    TransientError
        If anything failed; the next sweep tries again.
    """
    at = now()
    parts: dict[str, Callable[[_Turn], None]] = {
        "events": lambda turn: _events(turn, at),
        "dead_letters": lambda turn: _dead_letters(turn, at),
        "credentials": lambda turn: _credentials(turn, at),
        "replays": lambda turn: _replays(turn, at),
        "mails": lambda turn: _mails(turn, at),
        "exports": lambda turn: _exports(turn, at),
        "plans": lambda turn: turn.add(wake_due(AT_A_TIME)),
        "catalogue_changes": lambda turn: turn.add(catalogue_change.wake_due(AT_A_TIME)),
        "invitations": lambda turn: _invitations(turn, at),
        "people": lambda turn: _people(turn, at),
        "erasures": lambda turn: _erasures(turn, at),
        "sources": lambda turn: _sources(turn, at),
        "event_logs": lambda turn: _event_logs(turn, at),
    }
    done: dict[str, int] = {}
    trouble: Exception | None = None
    for kind, part in parts.items():
        turn = _Turn(kind, SECONDS / len(parts))
        turn.do(lambda: part(turn))  # noqa: B023 - called at once
        trouble = trouble or turn.trouble
        done[kind] = turn.count
        if turn.count:
            log.info("swept", kind=kind, count=turn.count)
    if trouble:
        raise TransientError from trouble
    return done


class _Turn:
    """The turn of one kind of work: its time, what it moved on, its first trouble."""

    def __init__(self, kind: str, seconds: float) -> None:
        self.kind = kind
        self.count = 0
        self.trouble: Exception | None = None
        self._end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """How long this kind may still take."""
        return self._end - time.monotonic()

    @property
    def is_over(self) -> bool:
        """The next kind is to have its turn."""
        return time.monotonic() > self._end

    def add(self, count: int) -> None:
        """Count what was moved on."""
        self.count += count

    def do(self, work: Callable[[], None]) -> None:
        """Do one piece of work; its trouble is noted and does not stop the others."""
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - raised at the end of the sweep
            log.error("sweep_failed", kind=self.kind, **describe(exc))
            self.trouble = self.trouble or exc


def _events(turn: _Turn, at: datetime) -> None:
    for shard in range(event_log.DUE_SHARDS):
        for due in event_log.due_events(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(_wake_event(due, at)))  # noqa: B023 - called at once


def _dead_letters(turn: _Turn, at: datetime) -> None:
    """Look after events whose pointer the worker could not deal with, five times; those of replays are so already."""
    while not turn.is_over:
        letters = queues.receive(DEAD_EVENTS, AT_ONCE)
        for letter in letters:
            turn.do(lambda: turn.add(_take_letter(letter, at)))  # noqa: B023 - called at once
        if not letters:
            return


def _take_letter(letter: queues.Received, at: datetime) -> int:
    match letter.pointer:
        case {"hub_id": str(hub_id), "event_id": str(event_id)} if is_ulid(hub_id) and is_event_id(event_id):
            count = event_log.look_after(hub_id, event_id, at)
        case {"hub_id": str(), "replay_id": str()}:
            count = False
        case _:
            log.error("letter_not_understood")
            return 0  # it stays, and with it the alarm, for a person to look at
    queues.delete(DEAD_EVENTS, letter)
    return int(count)


def _wake_event(due: event_log.DueEvent, at: datetime) -> int:
    source_id = event_log.put_off(due, at)
    if source_id is None:
        return 0
    event_log.wake(due.hub_id, source_id, [due.event_id])
    return 1


def _credentials(turn: _Turn, at: datetime) -> None:
    """Apply again what a source could not look up before it had credentials.

    For some minutes after they came: until then a worker may still go by what it read before.
    """
    for hub_id, source_id, came in event_log.sources_with_new_credentials(AT_A_TIME):
        settles = from_text(came) + CREDENTIALS_SETTLE
        waiting = event_log.events_without_credentials(hub_id, source_id, settles, AT_A_TIME)
        for event_id in waiting:
            if turn.is_over:
                return
            turn.do(lambda: turn.add(_reopen(hub_id, source_id, event_id, at)))  # noqa: B023 - called at once
        if not waiting and at > settles:
            turn.do(lambda: event_log.credentials_done(hub_id, source_id, came))  # noqa: B023 - called at once


def _reopen(hub_id: str, source_id: str, event_id: str, at: datetime) -> int:
    event_log.reopen_event(hub_id, event_id, at)
    event_log.wake(hub_id, source_id, [event_id])
    return 1


def _replays(turn: _Turn, at: datetime) -> None:
    for shard in range(event_log.DUE_SHARDS):
        for hub_id, replay_id, part in replays.due_parts(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(replays.wake_part(hub_id, replay_id, part, at, event_log.FIRST_SWEEP)))  # noqa: B023 - called at once


def _mails(turn: _Turn, at: datetime) -> None:
    for shard in due_shards():
        for hub_id, mail_id in mails.list_due(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(_wake_mail(hub_id, mail_id, at)))  # noqa: B023 - called at once


def _wake_mail(hub_id: str, mail_id: str, at: datetime) -> int:
    if not sweep_mail(hub_id, mail_id, at):
        return 0
    queues.send(EMAILS_QUEUE, {"hub_id": hub_id, "mail_id": mail_id})
    return 1


def _exports(turn: _Turn, at: datetime) -> None:
    for shard in range(exports.DUE_SHARDS):
        for hub_id, export_id in exports.due(shard, to_text(at), AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(_wake_export(hub_id, export_id, at)))  # noqa: B023 - called at once


def _invitations(turn: _Turn, at: datetime) -> None:
    for shard in range(invitations.DUE_SHARDS):
        for hub_id, address_id in invitations.due_invitations(shard, to_text(at), AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(look_at_invitation(hub_id, address_id, at)))  # noqa: B023 - called at once


def _people(turn: _Turn, at: datetime) -> None:
    for shard in range(people.DUE_SHARDS):
        for hub_id, person_id in people.due_people(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(look_at_person(hub_id, person_id, at)))  # noqa: B023 - called at once


def _erasures(turn: _Turn, at: datetime) -> None:
    for shard in range(ERASURE_SHARDS):
        for hub_id, erasure_id in erasures.due(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(_wake_erasure(hub_id, erasure_id, at)))  # noqa: B023 - called at once


def _wake_erasure(hub_id: str, erasure_id: str, at: datetime) -> int:
    if not erasures.is_waiting(hub_id, erasure_id):
        return 0
    erasures.wake(hub_id, erasure_id)
    erasures.look_later(hub_id, erasure_id, at)
    return 1


def _wake_export(hub_id: str, export_id: str, at: datetime) -> int:
    if not exports.look_later(hub_id, export_id, at):
        return 0
    exports.wake(hub_id, export_id)
    return 1


def _sources(turn: _Turn, at: datetime) -> None:
    for shard in range(watch.SHARDS):
        for hub_id, source_id in watch.due_sources(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(watch.look(hub_id, source_id, at)))  # noqa: B023 - called at once


def _event_logs(turn: _Turn, at: datetime) -> None:
    for shard in range(event_log.DUE_SHARDS):
        for hub_id in upkeep.due_hubs(shard, at, AT_A_TIME):
            if turn.is_over:
                return
            turn.do(lambda: turn.add(upkeep.look_through(hub_id, at, turn.seconds_left)))  # noqa: B023 - called at once
