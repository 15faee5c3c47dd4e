"""How fast one source may be asked: a line of evenly spaced turns, and a rest when the vendor asks for one. Pure.

Times are seconds since 1970. All workers keep to one stored pace per source, so a source with thousands of people to
look up waits for its own turns, and delays no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FAILURES_BEFORE_REST = 3
LONGEST_REST = 300.0
REFUSAL_LASTS = 600.0
BACK_OFF = 2.0
LONGEST_BACK_OFF = 3600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of one source.

    Attributes
    ----------
    line_until
        The last turn that is given away.
    rest_until
        Nobody asks before.
    failures
        How many answers in a row were failures.
    refused, refused_until
        Fingerprint of credentials that the vendor refused, and until when they are not tried again: a vendor may lock
        an account that knocks too often.
    rev
        Counts writes.
    """

    line_until: float = 0.0
    rest_until: float = 0.0
    failures: int = 0
    refused: str = ""
    refused_until: float = 0.0
    rev: int = 0

    def take_turn(self, now: float, per_second: float, burst: int) -> Pace:
        """Return the pace with the next turn given away: ``line_until``; ``now`` or earlier means at once."""
        first = max(now - burst / per_second, self.rest_until)
        return replace(self, line_until=max(self.line_until, first) + 1 / per_second)

    def after_answer(self) -> Pace:
        """Return the pace after a usable answer."""
        return replace(self, failures=0, refused="", refused_until=0.0)

    def after_refusal(self, now: float, fingerprint: str) -> Pace:
        """Return the pace after the vendor refused these credentials."""
        return replace(self, refused=fingerprint, refused_until=now + REFUSAL_LASTS)

    def after_slow_down(self, now: float, seconds: float | None) -> Pace:
        """Return the pace after the vendor asked to be left alone, for so many seconds or for longer each time."""
        failures = self.failures + 1
        rest = now + (seconds if seconds is not None else _rest(failures))
        return replace(self, failures=failures, rest_until=max(self.rest_until, rest))

    def after_failure(self, now: float) -> Pace:
        """Return the pace after a failure or time-out; one alone is bad luck, several in a row are a rest."""
        failures = self.failures + 1
        rest = _rest(failures - FAILURES_BEFORE_REST + 1) if failures >= FAILURES_BEFORE_REST else 0.0
        return replace(self, failures=failures, rest_until=max(self.rest_until, now + rest))


def back_off(tries: int) -> float:
    """Return how many seconds an event waits after its n-th failed try: 2, 4, 8, ... up to an hour."""
    return float(min(BACK_OFF * 2 ** min(tries - 1, 30), LONGEST_BACK_OFF))


def _rest(step: int) -> float:
    return float(min(BACK_OFF * 2 ** min(step - 1, 30), LONGEST_REST))
