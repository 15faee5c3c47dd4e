"""How a connection is doing: counts by day, last success, last failure and its cause.

One write for each delivery that was taken, to one of four items of the source and day, so that no item is hot; what is
refused is counted in memory and written at most once a minute by each worker, so that forged floods cost nothing. The
counts are for people to look at: a worker that dies loses those of its last minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rollcall.runtime import dynamo
from rollcall.runtime.errors import MalformedError, RollcallError, TransientError
from rollcall.runtime.ids import shard_of
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import from_text, to_text
from rollcall.sources.model import NEEDS_CREDENTIALS
from rollcall.sources.rhythm import is_silent
from rollcall.sources.trouble import Day, Health

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TABLE = "HUBS_TABLE"
SHARDS = 4
DAYS_SHOWN = 14
DAYS_READ = 60
KEPT = timedelta(days=400)
PAUSE = timedelta(minutes=1)
MOST_SOURCES = 1_000
LONGEST_PLACE = 200
COUNTS = ("accepted", "ignored", "refused")
# What went wrong, as the HR admin can mend it.
CAUSES = {
    "unauthentic": (
        "A delivery was refused: it was not signed with a live secret of this source, or too long ago. "
        "If it came from your HR system, paste the secret there again and check its clock."
    ),
    "too_large": "A delivery of more than 1 MiB was refused. Let the HR system send fewer people at a time.",
    NEEDS_CREDENTIALS: (
        "The HR system says only who changed, and Rollcall may not look up what. Give this source credentials."
    ),
}


@dataclass(slots=True)
class _Refusals:
    """Refused deliveries of a source that are not written down yet."""

    count: int
    written_at: datetime


_refusals: dict[tuple[str, str], _Refusals] = {}
_troubles: dict[tuple[str, str, str], datetime] = {}


def note_taken(hub_id: str, source_id: str, at: datetime, counts: Mapping[str, int], *, secret_id: str) -> None:
    """Count a delivery that was taken: ``accepted`` and ``ignored`` events that were new. Trouble is no failure."""
    sets = {"last_success_at": to_text(at), f"used_{used_name(secret_id)}": to_text(at)}
    if any(counts.values()):
        sets["last_event_at"] = to_text(at)
    _write(hub_id, source_id, at, counts, sets)


def note_refused(hub_id: str, source_id: str, at: datetime, error: RollcallError) -> None:
    """Count a delivery that was refused; written at most once a minute, so that a flood writes nothing."""
    key = (hub_id, source_id)
    pending = _refusals.get(key)
    count = pending.count + 1 if pending else 1
    if pending and at - pending.written_at < PAUSE:
        pending.count = count
        return
    if len(_refusals) >= MOST_SOURCES:
        _refusals.clear()
    _refusals[key] = _Refusals(0, at)
    note_failure(hub_id, source_id, at, error.code, _cause(error), refused=count)


def note_failure(hub_id: str, source_id: str, at: datetime, code: str, detail: str = "", *, refused: int = 0) -> None:
    """Write down a failure of a source, whoever met it.

    Parameters
    ----------
    code
        Stable word; ``needs_credentials`` says that the source has none that work.
    detail
        One sentence in the HR admin's words, without personal data; empty for a code of ``CAUSES``.
    """
    text = to_text(at)
    sets = {"last_failure_at": text, "failure": code, "failure_detail": detail or CAUSES[code]}
    if code == NEEDS_CREDENTIALS:
        sets["needs_credentials_at"] = text
    _write(hub_id, source_id, at, {"refused": refused}, sets)


def note_trouble(hub_id: str, source_id: str, at: datetime, code: str, detail: str = "") -> None:
    """Write down a failure that many events of a source meet: each kind at most once a minute by each worker."""
    key = (hub_id, source_id, code)
    if key in _troubles and at - _troubles[key] < PAUSE:
        return
    if len(_troubles) >= MOST_SOURCES:
        _troubles.clear()
    _troubles[key] = at
    note_failure(hub_id, source_id, at, code, detail)


def get_health(hub_id: str, source_id: str, at: datetime) -> Health:
    """Return how a connection is doing: four small queries."""
    items = [item for shard in range(SHARDS) for item in _shard(hub_id, source_id, shard)]
    failed = max(items, key=lambda item: str(item.get("last_failure_at", "")), default={})
    counted: dict[str, dict[str, int]] = {}
    for item in items:
        sums = counted.setdefault(item["sk"].removeprefix("DAY#"), dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            sums[name] += item.get(name, 0)
    active = {date.fromisoformat(day) for day, sums in counted.items() if sums["accepted"] + sums["ignored"]}
    last_event = _latest(items, "last_event_at")
    shown = [(at.date() - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS_SHOWN))]
    return Health(
        last_event_at=last_event,
        last_success_at=_latest(items, "last_success_at"),
        last_failure_at=failed.get("last_failure_at"),
        failure=failed.get("failure"),
        failure_detail=failed.get("failure_detail"),
        needs_credentials_at=_latest(items, "needs_credentials_at"),
        silent=is_silent(active, from_text(last_event) if last_event else None, at),
        days=tuple(Day(day, **counted.get(day, {})) for day in shown),
        used=_used(items),
    )


def forget_refusals() -> None:
    """Forget what was not written down yet (tests)."""
    _refusals.clear()
    _troubles.clear()


def used_name(secret_id: str) -> str:
    """Return the name that a secret has in ``Health.used``."""
    return secret_id.replace("-", "_")


def _cause(error: RollcallError) -> str:
    if isinstance(error, MalformedError):
        first = error.faults[0]
        return (
            "A genuine delivery was refused: it is not what this system sends, or the source is set up for something "
            f"else. First fault, at {first.place[:LONGEST_PLACE]}: {first.detail}"
        )
    return CAUSES.get(error.code, error.detail)


def _write(hub_id: str, source_id: str, at: datetime, counts: Mapping[str, int], sets: Mapping[str, str]) -> None:
    text = to_text(at)
    values: dict[str, Any] = {name: value for name, value in sets.items() if value}
    values["expires"] = int((at + KEPT).timestamp())
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
    if added := {name: count for name, count in counts.items() if count}:
        update += " ADD " + ", ".join(f"#{name} :{name}" for name in added)
    key = _key(hub_id, source_id, shard_of(text) % SHARDS)
    action = dynamo.update_action(TABLE, key, f"DAY#{at.date().isoformat()}", update, values=values | added)
    try:
        dynamo.write([action])
    except TransientError as exc:
        log.warning("health_not_noted", **describe(exc), hub_id=hub_id, source_id=source_id)


def _shard(hub_id: str, source_id: str, shard: int) -> list[dict[str, Any]]:
    page = dynamo.query(
        TABLE,
        _key(hub_id, source_id, shard),
        condition="begins_with(#sk, :prefix)",
        values={"prefix": "DAY#"},
        forward=False,
        limit=DAYS_READ,
        consistent=True,
    )
    return page.items


def _key(hub_id: str, source_id: str, shard: int) -> str:
    return f"{hub_id}#S#{source_id}#{shard}"


def _latest(items: Iterable[Mapping[str, Any]], name: str) -> str | None:
    return max((str(item[name]) for item in items if item.get(name)), default=None)


def _used(items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        for name, at in item.items():
            if name.startswith("used_"):
                secret = name.removeprefix("used_")
                found[secret] = max(found.get(secret, ""), str(at))
    return found
