"""What one directory event costs, from its delivery until it is applied: request units by table, and dollars a million.

The bounds are what it costs now: they keep it from growing unseen. What it should cost is at most 5 write units, as a
member who moves does, and 2 read units, as each of ten does that come together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import store as hubs
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from rollcall.runtime.times import to_text
from rollcall.sources.receive import receive
from tests.support.functions import function
from tests.support.units import Units, counted
from tests.support.vendors import sign_standard
from tests.support.world import World, everything, logged

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")
PRICES = json.loads((Path(__file__).parents[1] / "benchmarks" / "prices.json").read_text())
FIELDS = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
ATTRIBUTES = {f"Field {number}": f"value {number}" for number in range(10)} | {"Office": "London"}
MILLION = 1_000_000
# Not measured: two functions of 512 MB that take 10 ms each, warm.
GB_SECONDS = 0.01


@dataclass(frozen=True)
class Case:
    """What is told, and the most write and read units that it may cost."""

    name: str
    said: dict[str, Any]
    write_units: int
    read_units: float
    kind: Kind = Kind.UPDATED


CASES = [
    Case("a member moves", {"attributes": {"Office": "Toronto"}}, 5, 4.5),
    Case("a person moves, the member does not", {"attributes": {"Field 1": "another"}}, 4, 5),
    Case("nothing new", {"attributes": {"Office": "London"}}, 4, 5),
    Case("a member leaves", {}, 13, 10, Kind.DEACTIVATED),
]


def _tell(world: World, event: DirectoryEvent) -> Units:
    with counted() as units:
        hubs.get_source(world.hub.hub_id, event.source_id)  # whoever takes a delivery reads it
        apply_event(world.hub.hub_id, world.record(event))
    return units


def _dollars(units: Units) -> dict[str, float]:
    """Return what a million of them costs, by part; the delivery, the pointer and its taking are counted with it."""
    return {
        "HTTP API": MILLION * PRICES["http_api_request"],
        "writes": MILLION * units.write_units * PRICES["dynamodb_write_unit"],
        "reads": MILLION * units.read_units * PRICES["dynamodb_read_unit"],
        "SQS": MILLION * 3 * PRICES["sqs_request"],
        "Lambda": MILLION * (2 * PRICES["lambda_request"] + GB_SECONDS * PRICES["lambda_gb_second"]),
    }


def test_somebody_new_costs_what_is_known(figure: Callable[[str], None]) -> None:
    """A potential member: person, address, and the event itself."""
    world = World().build()
    units = _tell(world, _new(world))
    figure(f"requests: somebody new takes {units}")
    assert units.write_units <= 8
    assert units.read_units <= 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_event_of_a_member_costs_what_is_known(case: Case, figure: Callable[[str], None]) -> None:
    """Person, member, activity aside, and the event itself."""
    world = World().build()
    _tell(world, _new(world))
    world.enrol("E-1", roles=("mentee",))
    units = _tell(world, world.event("next", 10, case.kind, **case.said))
    figure(f"requests: {case.name} takes {units}")
    parts = _dollars(units)
    told = ", ".join(f"{name} ${price:.2f}" for name, price in parts.items())
    figure(f"cost: {case.name}: ${sum(parts.values()):.2f} a million ({told})")
    assert units.write_units <= case.write_units
    assert units.read_units <= case.read_units


BATCH = 10


def test_ten_deliveries_worked_off_together_write_five_units_each_and_read_two_at_the_most(
    figure: Callable[[str], None],
) -> None:
    """Ten members move: one warm receive_webhook takes their deliveries, sync_member gets them as one batch."""
    world = World().build()
    world.populate(BATCH, Office="London")
    names = [f"person-{number:04d}" for number in range(BATCH)]
    at = datetime.now(UTC)
    with counted() as units:
        for name in names:
            said = {"external_id": name, "attributes": {"Office": "Toronto"}}
            body = json.dumps({"type": "person.updated", "data": said, "timestamp": to_text(at)})
            headers = sign_standard(body.encode(), at, name=name)
            receive(world.hub.hub_id, world.source_id, body, headers, at, is_base64=False)
        messages = clients.sqs().receive_message(QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"), MaxNumberOfMessages=BATCH)
        records = [{"messageId": one["MessageId"], "body": one["Body"]} for one in messages["Messages"]]
        answer = function("sync_member")({"Records": records}, None)
    assert (len(records), answer) == (BATCH, {"batchItemFailures": []})
    assert {event.state for event in logged()} == {EventState.APPLIED}
    for item in everything("MEMBERS_TABLE"):
        assert item["shown"]["segments"] == {"location": ["toronto"]}
    figure(f"requests: ten members who move take {units}, {units.read_units / BATCH:g} read units each")
    assert units.read_units <= 18
    counts = units.written.pop("Hubs")  # of a delivery, however many events it holds: the daily counts of its source
    assert counts == BATCH
    assert units.write_units <= 5 * BATCH


def test_a_repeated_delivery_costs_one_write(figure: Callable[[str], None]) -> None:
    """The conditional put that finds it there already."""
    world = World().build()
    event = _new(world)
    _tell(world, event)
    with counted() as units:
        world.record(event)
    figure(f"requests: a repetition takes {units}")
    assert units.written == {"Events": 1}


def _new(world: World) -> DirectoryEvent:
    return world.event("new", 0, Kind.ADDED, fields=FIELDS, attributes=ATTRIBUTES)
