"""On the running stack: a shuffled history with repetitions and forgeries leaves what the ordered one leaves."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.hub_client import StandardSource

from rollcall.hubs.model import Hub, RemovalGuard
from rollcall.runtime.ids import new_id
from tests.e2e.waiting import drained
from tests.support.aws import running
from tests.support.races import difference
from tests.support.world import SOURCE, T0, World, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENTS_EACH = 10
BATCH = 25
FORGED_BATCH = 5
TRIES = 12
# Every hub of this file has one salt and one source id, so that ids agree between hubs. Hundreds leave in a day here:
# what the guard holds depends on who comes first, and has tests of its own.
HUB = Hub(hub_id="", name="Harbour", salt="0" * 32, removal_guard=RemovalGuard(people=1_000_000, percent=100))

# Left out of the comparison, beside revisions, causes and times of ours (``World.state``):
#   events' ids in stamps: a repetition under another id of its own says the same at the same time;
#   ``kept_roles``: which role a member had last depends on what came last; nobody loses one here;
#   addresses that nobody holds: an address that was newer than the first one told never had to be let go.
Event = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is told of how many people; a fifth of them are members."""

    people: int
    seconds: float


@pytest.mark.long
@pytest.mark.timeout(900)
def test_500_events_shuffled_repeated_and_forged_leave_what_the_ordered_ones_leave(
    stack: dict[str, Any], aws_client: Callable[[str], Any], figure: Callable[[str], None]
) -> None:
    """50 people live ten events each: in random order, 30 % twice, 5 % forged, the tables end the same."""
    figure(_compare(stack, aws_client("sqs"), Size(50, 600)))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_5000_events_shuffled_repeated_and_forged_leave_what_the_ordered_ones_leave(
    stack: dict[str, Any], aws_client: Callable[[str], Any], figure: Callable[[str], None]
) -> None:
    """The same of 500 people."""
    figure(_compare(stack, aws_client("sqs"), Size(500, 3000)))


def _compare(stack: dict[str, Any], sqs: Any, size: Size) -> str:
    began = time.monotonic()
    chance = random.Random(20261122)
    history = [event for person in range(size.people) for event in _life(person, chance)]
    chance.shuffle(history)
    ordered, shuffled = _hub(stack, size), _hub(stack, size)
    with _source(stack, ordered) as source:
        _send(source, _batches(sorted(history, key=lambda event: str(event["timestamp"]))), chance)
    with _source(stack, shuffled) as source:
        twice = _send(source, _batches(history), chance, repeat=0.3)
        forged = _forge(source, history, len(history) // 20)
    drained(sqs, stack, seconds=size.seconds)
    with running(stack):
        expected, seen = _state(ordered), _state(shuffled)
        recorded = [item for item in everything("EVENTS_TABLE") if item["pk"].startswith(f"{shuffled.hub.hub_id}#E#")]
    assert sum(1 for key in expected if key.startswith("#P#")) == size.people
    assert sum(1 for key in expected if key.startswith("#M#")) == size.people // 5
    assert not difference(seen, expected)[:5]
    assert not [item["pk"] for item in recorded if item["state"] in ("new", "quarantined")]
    assert len(history) < len(recorded) <= len(history) + twice
    return (
        f"{len(history):,} events of {size.people} people, shuffled, {twice:,} repeated, {forged:,} forged: the same "
        f"{len(expected):,} items as the ordered history, in {time.monotonic() - began:.0f} s"
    )


def _hub(stack: Mapping[str, Any], size: Size) -> World:
    """Make a hub whose first fifth of people are members already."""
    with running(stack):
        os.environ |= {
            "SOURCE_SECRETS_PREFIX": f"{stack['stack_name']}/sources",
            "KMS_KEY_ARN": "alias/aws/secretsmanager",
        }
        world = World(hub=replace(HUB, hub_id=new_id())).build()
        world.populate(size.people // 5, Office="London", Grade="Senior")
        return world


@contextlib.contextmanager
def _source(stack: Mapping[str, Any], world: World) -> Iterator[StandardSource]:
    url = f"{stack['api_url'].rstrip('/')}/hubs/{world.hub.hub_id}/sources/{SOURCE}/events"
    source = StandardSource(url, SECRET)
    with source.http:
        yield source


def _life(person: int, chance: random.Random) -> Iterator[Event]:
    """Yield the events of one person, each at a time of its own: what equal times do is a property of the merge."""
    name = f"person-{person:04d}"
    for number in range(EVENTS_EACH):
        said: dict[str, Any] = {
            "attributes": {
                field: chance.choice(values)
                for field, values in (
                    ("Office", ["London", "Toronto", "Łódź", None]),
                    ("Grade", ["Senior", "Junior"]),
                    ("Languages", [["English", "French"], ["French"], "English", None]),
                    ("Job title", ["Lead", "Head of Ops"]),
                )
                if chance.random() < 0.5
            }
        }
        kind = chance.choices(
            ["person.updated", "person.deactivated", "person.reactivated", "person.deleted"], [12, 2, 2, 0.2]
        )[0]
        if chance.random() < 0.3:
            said |= {"complete": True, "first_name": name, "last_name": chance.choice(["Okafor", "Nowak"])}
            said["attributes"]["Grade"] = chance.choice(["Senior", "Junior"])
        if number == 0 or said.get("complete"):
            said["email"] = f"{name}@example.com" if chance.random() < 0.8 else f"{name}.moved@example.com"
        at = T0 + timedelta(minutes=1 + number, milliseconds=person)
        yield {
            "type": "person.added" if number == 0 else kind,
            "timestamp": at.isoformat(),
            "data": {"external_id": name, **said},
        }


def _batches(events: list[Event]) -> list[list[Event]]:
    return [events[start : start + BATCH] for start in range(0, len(events), BATCH)]


def _send(source: StandardSource, batches: list[list[Event]], chance: random.Random, repeat: float = 0.0) -> int:
    """Send the batches, some twice: half by the same delivery, half under other ids. Returns how many events again."""
    sent = [(batch, f"batch-{number}") for number, batch in enumerate(batches)]
    again = chance.sample(sent, round(len(sent) * repeat))
    renamed = [(chance.sample(batch, len(batch)), f"{name}-again") for batch, name in again[1::2]]
    deliveries = [*sent, *again[::2], *renamed]
    if repeat:
        chance.shuffle(deliveries)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda delivery: _deliver(source, *delivery), deliveries))
    assert set(answers) == {202}
    return sum(len(batch) for batch, _ in again)


def _deliver(source: StandardSource, batch: list[Event], name: str) -> int:
    """Send until it is answered other than by trouble of ours, as HR systems do, and return the answer's status."""
    for pause in range(TRIES):
        with contextlib.suppress(httpx.TimeoutException):
            status = source.send(batch, name=name).status_code
            if status < httpx.codes.INTERNAL_SERVER_ERROR:
                return status
        time.sleep(pause)
    return 0


def _forge(source: StandardSource, history: list[Event], count: int) -> int:
    """Send that many events that nobody signed, or long ago, or of nobody's; each would delete or rename somebody."""
    batches = [history[start : start + FORGED_BATCH] for start in range(0, count, FORGED_BATCH)]
    spoiled = [
        [
            {**event, "type": "person.deleted", "timestamp": (T0 + timedelta(hours=1)).isoformat()}
            if number % 2
            else {**event, "data": {**event["data"], "first_name": "Mallory"}}
            for number, event in enumerate(batch)
        ]
        for batch in batches
    ]
    now = datetime.now(UTC)
    elsewhere = replace(source, url=source.url.replace(SOURCE, new_id()))
    ways: list[Callable[[list[Event]], httpx.Response]] = [
        lambda batch: source.send(batch, signature="v1," + "A" * 43 + "="),
        lambda batch: source.send(batch, signature="v1"),
        lambda batch: source.send(batch, at=now - timedelta(minutes=6)),
        lambda batch: source.send(batch, at=now + timedelta(minutes=60)),
        lambda batch: replace(source, secret="whsec_" + "A" * 32).send(batch),
        lambda batch: source.send([*batch, {"type": "person.deleted"}]),
        elsewhere.send,
    ]
    source.http.timeout = httpx.Timeout(120)
    answers = [ways[number % len(ways)](batch).status_code for number, batch in enumerate(spoiled)]
    assert set(answers) <= {400, 401, 404}, answers
    return sum(map(len, batches))


def _state(world: World) -> dict[str, Any]:
    """Return people, addresses and members of the hub without what depends on the order for a reason."""
    state: dict[str, Any] = json.loads(json.dumps(world.state()), object_hook=_without_kept_roles)
    return {
        key: _without_event_ids(item)
        for key, item in state.items()
        if not key.startswith("#A#") or item["holders"] or item["erased"]
    }


def _without_kept_roles(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "kept_roles"}


def _without_event_ids(value: Any) -> Any:
    """Return the value with stamps, a time and then an event id, cut to the time."""
    if isinstance(value, dict):
        return {key: _without_event_ids(inner) for key, inner in value.items() if key != "event_id"}
    if isinstance(value, list):
        times = [False, *(str(inner).endswith("Z") for inner in value)]
        kept = [
            one for one, is_after_time in zip(value, times, strict=False) if not is_after_time or len(str(one)) != 32
        ]
        return [_without_event_ids(inner) for inner in kept]
    return value
