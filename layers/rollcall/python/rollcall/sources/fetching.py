"""Look up the person of an event that says only who: in turn with the source's other events, by the vendor's API.

The event is durable before. What is found is frozen into it by the caller, so that applying it again is the same;
what is not found waits, or ends with a reason that the HR admin can act on.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rollcall.hubs import store as hubs
from rollcall.people.model import EventState, Outcome
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.times import now
from rollcall.sources import health, store, vendor_http
from rollcall.sources.asking import (
    AskingError,
    FailedError,
    LockedOutError,
    NonsenseError,
    RefusedQuestionError,
    SlowDownError,
    UnknownPersonError,
)
from rollcall.sources.model import GO_AND_LOOK, NEEDS_CREDENTIALS, as_the_source_wants
from rollcall.sources.pace import back_off
from rollcall.sources.registry import asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.hubs.model import Source
    from rollcall.people.events import DirectoryEvent
    from rollcall.people.model import Looking
    from rollcall.sources.pace import Pace
    from rollcall.sources.registry import Asked

# Looking up one person takes no longer than this, so that a slow vendor does not use up the time of a whole batch.
SECONDS_A_PERSON = 4.0
# About a day of back-off: 2 + 4 + ... seconds, then every hour.
MAX_TRIES = 34
MAX_NONSENSE = 5
SOON = 0.5
SOURCE_GONE = Outcome(EventState.IGNORED, "source_gone", "The source was disconnected.")
NO_CREDENTIALS = Outcome(EventState.IGNORED, NEEDS_CREDENTIALS, GO_AND_LOOK)
REFUSED_CREDENTIALS = Outcome(EventState.IGNORED, NEEDS_CREDENTIALS, LockedOutError.detail)
WAITS_ITS_TURN = "Waits for its turn: the HR system is asked about so many people at a time and no more."


@dataclass(frozen=True, slots=True)
class Later:
    """It could not be looked up now.

    Attributes
    ----------
    until
        When to try again.
    detail
        Why it waits, in the HR admin's words.
    tries
        Failed tries so far.
    has_turn
        ``until`` is its own turn in the line of its source.
    """

    until: datetime
    detail: str
    tries: int
    has_turn: bool = False


def look_up(hub_id: str, event: DirectoryEvent, looking: Looking, deadline: float) -> DirectoryEvent | Outcome | Later:
    """Return the event with the whole record in it, or what became of it instead.

    Parameters
    ----------
    looking
        What is known of earlier tries.
    deadline
        On the monotonic clock: after it no more questions are asked, so that others of the batch have their turn.

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    source = hubs.get_source(hub_id, event.source_id)
    module = asked(source.provider) if source else None
    if source is None or module is None:
        return SOURCE_GONE
    at = now()
    credentials = hubs.source_credentials(source)
    pace = store.get_pace(hub_id, event.source_id)
    if bar := _bar(module, credentials, pace, at):
        health.note_trouble(hub_id, event.source_id, at, bar.reason, bar.detail)
        return bar
    if time.monotonic() > deadline:
        return Later(at + timedelta(seconds=random.uniform(1, 3)), WAITS_ITS_TURN, looking.tries)  # noqa: S311 - jitter
    turn = _turn(source, module, looking, pace, at)
    if turn > at.timestamp() + SOON:
        return Later(datetime.fromtimestamp(turn, UTC), WAITS_ITS_TURN, looking.tries, has_turn=True)
    try:
        found = _ask(event, source, module, credentials)
    except AskingError as trouble:
        log.warning(
            "look_up_failed", hub_id=hub_id, source_id=event.source_id, event_id=event.event_id, reason=trouble.code
        )
        return _after(trouble, source, credentials, looking)
    store.change_pace(hub_id, event.source_id, lambda pace: pace.after_answer())
    return found


def _bar(module: Asked, credentials: Mapping[str, str], pace: Pace, at: datetime) -> Outcome | None:
    """Return why the vendor cannot be asked at all with what the source has."""
    if not module.are_credentials(credentials):
        return NO_CREDENTIALS
    is_refused = pace.refused == _fingerprint(credentials) and at.timestamp() < pace.refused_until
    return REFUSED_CREDENTIALS if is_refused else None


def _turn(source: Source, module: Asked, looking: Looking, pace: Pace, at: datetime) -> float:
    """Return when it is this event's turn; it keeps one that it was given, unless the source rests then."""
    moment, manners = at.timestamp(), module.MANNERS
    if looking.turn_at is not None and pace.rest_until <= moment:
        return looking.turn_at
    taken = store.change_pace(
        source.hub_id, source.source_id, lambda held: held.take_turn(moment, manners.per_second, manners.burst)
    )
    return max(taken.line_until, taken.rest_until)


def _fingerprint(credentials: Mapping[str, str]) -> str:
    return digest(*(part for pair in sorted(credentials.items()) for part in pair))


def _ask(event: DirectoryEvent, source: Source, module: Asked, credentials: Mapping[str, str]) -> DirectoryEvent:
    asked_at, end = now(), time.monotonic() + SECONDS_A_PERSON
    answers = [
        vendor_http.ask(question, module.MANNERS, end - time.monotonic())
        for question in module.questions(event, source, credentials)
    ]
    looked = module.read_answers(answers, event, source, asked_at)
    return as_the_source_wants(looked, source)


def _after(trouble: AskingError, source: Source, credentials: Mapping[str, str], looking: Looking) -> Outcome | Later:
    """Return what a trouble means for the event, and let the source rest where it must."""
    at = now()
    moment, tries = at.timestamp(), looking.tries + 1
    match trouble:
        case LockedOutError():
            refused = _fingerprint(credentials)
            store.change_pace(source.hub_id, source.source_id, lambda pace: pace.after_refusal(moment, refused))
            health.note_trouble(source.hub_id, source.source_id, at, trouble.code, trouble.detail)
            return REFUSED_CREDENTIALS
        case UnknownPersonError():
            store.change_pace(source.hub_id, source.source_id, lambda pace: pace.after_answer())
            return Outcome(EventState.IGNORED, trouble.code, trouble.detail)
        case RefusedQuestionError():
            return Outcome(EventState.FAILED, trouble.code, trouble.detail)
        case SlowDownError(seconds=seconds):
            pace = store.change_pace(
                source.hub_id, source.source_id, lambda pace: pace.after_slow_down(moment, seconds)
            )
            # Being asked to wait is no failure of this event; it is counted so that it ends some day.
        case _:
            pace = store.change_pace(source.hub_id, source.source_id, lambda pace: pace.after_failure(moment))
    health.note_trouble(source.hub_id, source.source_id, at, trouble.code, trouble.detail)
    if tries >= (MAX_NONSENSE if isinstance(trouble, NonsenseError) else MAX_TRIES):
        return Outcome(EventState.FAILED, trouble.code, trouble.detail)
    wait = back_off(tries) if isinstance(trouble, (FailedError, NonsenseError)) else 0.0
    until = max(moment + wait * random.uniform(0.75, 1.25), pace.rest_until)  # noqa: S311 - jitter, not a secret
    return Later(datetime.fromtimestamp(until, UTC), trouble.detail, tries)
