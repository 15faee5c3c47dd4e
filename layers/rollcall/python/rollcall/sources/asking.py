"""Questions to a vendor's API about one person, and what its answers mean. Pure.

A module that can be asked has ``CREDENTIALS`` (the names of what it logs in with), ``ASKS`` (its hosts and pace),
``questions(event, source, credentials)`` and ``read_answers(answers, event, source, asked_at)``, which returns the
event with the whole record in it, or raises one of the troubles below.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from rollcall.runtime.errors import Fault

OK = 200
NO_CONTENT = 204
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
GONE = 410
TIMEOUT = 408
TOO_MANY = 429
SERVER_FAULT = 500
MAX_PLACE = 200
LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Manners:
    """Where a vendor may be asked, and how often for one source.

    Attributes
    ----------
    host
        What the host of a question must match as a whole. https is not a choice.
    per_second, burst
        How many people may be looked up each second, and at once after a pause.
    """

    host: re.Pattern[str]
    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Question:
    """One request. Headers and body hold credentials and ids, and are in no ``repr``."""

    method: str
    host: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class AskingError(Exception):
    """A question got no usable answer. Messages hold no personal data.

    Attributes
    ----------
    code
        Stable word for the event's reason.
    detail
        One sentence in the HR admin's words.
    """

    code = "hr_system_failed"
    detail = "The HR system could not answer."

    def __init__(self) -> None:
        super().__init__(self.detail)


class LockedOutError(AskingError):
    """The credentials are missing, wrong, or may not read people."""

    code = "needs_credentials"
    detail = "The HR system refused the credentials of this source. Give it ones that may read employees."


class UnknownPersonError(AskingError):
    """The vendor has nobody under this id."""

    code = "not_found"
    detail = "The HR system knows nobody under this id any more, so there was nothing to look up."


class SlowDownError(AskingError):
    """The vendor wants fewer questions.

    Attributes
    ----------
    seconds
        How long it asks to be left alone; ``None`` if it does not say.
    """

    code = "slow_down"
    detail = "The HR system asks Rollcall to wait."

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.seconds = seconds


class FailedError(AskingError):
    """The vendor failed, or could not be reached: a passing trouble."""


class NonsenseError(AskingError):
    """The answer is not what this vendor's API gives: tried a few times, then given up."""

    code = "bad_answer"
    detail = "The HR system's answer about this person could not be read."

    def __init__(self, fault: Fault | None = None) -> None:
        super().__init__()
        if fault is not None:
            self.detail = f"{type(self).detail} First fault, at {fault.place[:MAX_PLACE]}: {fault.detail}"


class RefusedQuestionError(AskingError):
    """The vendor refuses the question itself, or it would leave for an address that is nobody's but ours."""

    code = "question_refused"
    detail = "The HR system does not take this question. Check the settings and credentials of the source."


def check_status(status: int, headers: Mapping[str, str], at: datetime) -> None:
    """Raise what an HTTP status other than 200 means.

    Raises
    ------
    AskingError
        The kind that fits.
    """
    if status == OK:
        return
    wait = retry_after(headers.get("retry-after", ""), at)
    if status in (UNAUTHORIZED, FORBIDDEN):
        raise LockedOutError
    if status in (NOT_FOUND, GONE):
        raise UnknownPersonError
    if status == TOO_MANY or (wait is not None and status >= SERVER_FAULT):
        raise SlowDownError(wait)
    if status == TIMEOUT or status >= SERVER_FAULT:
        raise FailedError
    if OK < status <= NO_CONTENT:  # not ready yet
        raise SlowDownError(wait)
    raise RefusedQuestionError


def retry_after(value: str, at: datetime) -> float | None:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3), at most a day; ``None`` without one."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the parser of the standard library does not catch numbers too large for it
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return min(max((moment - at).total_seconds(), 0.0), LONGEST_WAIT)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises
    ------
    NonsenseError
        If it is none.
    """
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NonsenseError from None
    if not isinstance(found, dict):
        raise NonsenseError
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError
