"""Count what the main jobs ask of AWS, on moto, and keep it in ``counts.json``; ``tools/scale.py`` makes tables of it.

Each job goes the whole way: a delivery is received, applied, and its changes written into the activity; a file is
planned, its invitations made, their mails sent, and what SES says of them recorded.

Usage: ``python -m tests.benchmarks.counting``, then ``python tools/scale.py``
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rollcall.activity.record import record_change
from rollcall.activity.store import put_entries
from rollcall.hubs import store as hubs
from rollcall.mail import delivery
from rollcall.mail.send import send_mail
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.merge import lift
from rollcall.people.model import Address, Holder, PersonRecord
from rollcall.people.sync import apply_events
from rollcall.runtime import clients
from rollcall.runtime.ids import digest
from rollcall.runtime.settings import env
from rollcall.runtime.times import to_text
from rollcall.sources.receive import receive
from rollcall.sweeping.run import sweep
from rollcall.uploads.model import UploadKind
from tests.support.aws import _moto_tables, _tables, stack
from tests.support.plans import current, drain, plan_file
from tests.support.units import Units, _entry, _size, counted
from tests.support.vendors import sign_standard
from tests.support.world import T0, World, everything

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS = Path(__file__).with_name("counts.json")
ROWS = 200  # one part of a plan
TOGETHER = 10  # a batch of the queue
PERSON: dict[str, Any] = {
    "external_id": "E-1",
    "email": "maya@example.com",
    "first_name": "Maya",
    "last_name": "Okafor",
    "attributes": {f"Field {number}": f"value {number}" for number in range(10)} | {"Office": "London"},
}
MOVED = PERSON | {"attributes": PERSON["attributes"] | {"Office": "Toronto"}}
STREAMED = ("PEOPLE_TABLE", "MEMBERS_TABLE")


def main() -> None:
    """Count everything and keep it."""
    with stack():
        events = count_events()
    with stack():
        moves = count_moves()
    with stack():
        file = count_file(ROWS)
    with stack():
        idle = _told(_count_sweep())
    found = {"events": events, "moves": moves, "file": {"rows": ROWS, "steps": file}, "sweep": idle}
    COUNTS.write_text(json.dumps(found, indent=1) + "\n")


def count_events() -> dict[str, Any]:
    """Return what deliveries of one person cost each that come alone, with the function warm."""
    world = World().build()
    numbers = count(1)

    def told(kind: str, data: Any, name: str = "") -> Units:
        hubs._sources.clear()  # the last one was more than a moment ago
        with counted() as units:
            _deliver(world, kind, data, name or f"msg_{next(numbers)}")
        return units

    told("person.added", PERSON | {"external_id": "E-0", "email": "first@example.com"})
    found = {"somebody new": told("person.added", PERSON)}
    world.enrol("E-1", roles=("mentee",))
    found["a member moves"] = told("person.updated", MOVED, "moves")
    found["nothing new"] = told("person.updated", MOVED)
    found["the same delivery again"] = told("person.updated", MOVED, "moves")
    found["a member leaves"] = told("person.deactivated", {"external_id": "E-1"})
    alone = {name: _told(units) for name, units in found.items()}
    return alone | {"bytes": _stored()}


def count_moves() -> dict[str, Any]:
    """Return what members who move cost when ten of them are applied together: delivered one by one, or in a list."""
    world = World().build()
    people = [PERSON | {"external_id": f"E-{n}", "email": f"person-{n}@example.com"} for n in range(TOGETHER)]
    _receive(world, [{"type": "person.added", "data": person} for person in people])
    _apply(world)
    for person in people:
        world.enrol(str(person["external_id"]), roles=("mentee",))
    found = {}
    for name, office, at_once in (("ten at a time", "Toronto", 1), ("in lists of ten", "Oslo", TOGETHER)):
        moved = [person | {"attributes": PERSON["attributes"] | {"Office": office}} for person in people]
        events = [{"type": "person.updated", "data": person} for person in moved]
        with counted() as units:
            for start in range(0, TOGETHER, at_once):
                _receive(world, events[start : start + at_once])
            _apply(world)
        found[name] = _told(units) | {"people": TOGETHER, "deliveries": TOGETHER // at_once, "batches": 1}
    return found


def _deliver(world: World, kind: str, data: Any, name: str) -> None:
    """Take a delivery of one event the whole way."""
    _receive(world, {"type": kind, "data": data}, name)
    _apply(world)


def _receive(world: World, said: Any, name: str = "") -> None:
    body, at = json.dumps(said).encode(), datetime.now(UTC)
    headers = sign_standard(body, at, name=name or digest(body.decode()))
    receive(world.hub.hub_id, world.source_id, body.decode(), headers, at, is_base64=False)


def _apply(world: World) -> None:
    """Apply together what waits, as a batch of the queue, and write it into the activity."""
    with _streams():
        apply_events(world.hub.hub_id, [pointer["event_id"] for pointer in _pointers("DIRECTORY_EVENTS_QUEUE_URL")])


def count_file(rows: int) -> dict[str, Any]:
    """Return what inviting so many people of the directory costs, step by step."""
    world = World().build()
    _fill(world, rows)
    lines = [f"person-{number:04d}@example.com,,,Mentee,," for number in range(rows)]
    with counted() as planning:
        plan = plan_file(world, UploadKind.INVITES, "email,first_name,last_name,role,Location,language", *lines)
    with counted() as inviting, _streams():
        drain(world)  # the hub lets its invitations be approved by themselves
    assert current(plan).counts == {"invited": rows}
    tags: list[dict[str, str]] = []

    def take(model: Any, params: Any, **_: Any) -> Any:
        if model.name != "SendEmail":
            return None
        tags.append({tag["Name"]: tag["Value"] for tag in json.loads(params["body"])["EmailTags"]})
        answer = {"MessageId": f"ses-{len(tags)}", "ResponseMetadata": {"HTTPStatusCode": 200}}
        return SimpleNamespace(status_code=200), answer

    clients.sesv2().meta.events.register("before-call", take)
    pointers = list(_pointers("EMAILS_QUEUE_URL"))
    with counted() as sending:
        for pointer in pointers:
            send_mail(pointer["hub_id"], pointer["mail_id"], lambda *_: "https://hub.example.com/invitations/x")
    assert len(tags) >= rows
    with counted() as recording:
        for number, of in enumerate(tags):
            for said in ("Send", "Delivery"):
                at = {"timestamp": to_text(datetime.now(UTC))}
                mail = at | {"messageId": f"ses-{number}", "tags": {name: [value] for name, value in of.items()}}
                delivery.record({"source": "aws.ses", "detail": {"eventType": said, "mail": mail, said.lower(): at}})
    steps = {"planning": planning, "inviting": inviting, "sending": sending, "what SES says": recording}
    return {name: _told(units) for name, units in steps.items()} | {"mails": len(tags)}


def _fill(world: World, count_: int) -> None:
    """Let the directory know so many people."""
    actions = []
    for number in range(count_):
        name = f"person-{number:04d}"
        fields: dict[str, str | None] = {"email": f"{name}@example.com", "first_name": name, "last_name": "Okafor"}
        event = world.event(f"{name}-first", 0, Kind.ADDED, name, fields=fields, attributes=dict(MOVED["attributes"]))
        address_id, person_id = world.address_id(f"{name}@example.com"), world.person_id(name)
        record = PersonRecord(person_id, lift(event), address_id=address_id)
        actions.append(people.put_person(world.hub.hub_id, record, "event:first", to_text(T0)))
        address = Address(address_id, holders={world.source_id: Holder(person_id)})
        actions.append(people.put_address(world.hub.hub_id, address))
    for action in actions:
        clients.dynamodb().put_item(TableName=action.request["TableName"], Item=action.request["Item"])


def _count_sweep() -> Units:
    """Count a sweep that finds nothing to do."""
    World().build()
    sweep()
    with counted() as units:
        sweep()
    return units


@contextmanager
def _streams() -> Iterator[None]:
    """Write what changes meanwhile into the activity, as ``record_activity`` does from the tables' streams."""
    before = _images()
    yield
    after = _images()
    for number, key in enumerate(sorted(before.keys() | after.keys())):
        if before.get(key) != after.get(key):
            put_entries(record_change(f"change-{number}", before.get(key), after.get(key)))


def _images() -> dict[tuple[str, str], Any]:
    return {(item["pk"], item["sk"]): item for table in STREAMED for item in everything(table)}


def _pointers(queue: str) -> Iterator[dict[str, Any]]:
    """Yield what waits in a queue; taking it is counted by the tool, since Lambda does it."""
    while messages := clients.sqs().receive_message(QueueUrl=env(queue), MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            clients.sqs().delete_message(QueueUrl=env(queue), ReceiptHandle=message["ReceiptHandle"])
            yield json.loads(message["Body"])


def _told(units: Units) -> dict[str, Any]:
    ours = {name: number for name, number in sorted(units.calls.items()) if name not in {"Scan", "ReceiveMessage"}}
    return {"writes": dict(sorted(units.written.items())), "reads": units.read_units, "calls": ours}


def _stored() -> dict[str, int]:
    """Return the mean bytes of what lies in each table now, with what its indexes hold of it."""
    found = {}
    for name, table in _moto_tables().items():
        items = [item.to_json()["Attributes"] for item in table.all_items()]
        indexes = _tables()[f"{name.removeprefix('test-')}Table"].get("GlobalSecondaryIndexes", [])
        total = sum(_size(item) + sum(_size(_entry(index, item)) for index in indexes) for item in items)
        if items:
            found[name.removeprefix("test-")] = round(total / len(items))
    return found


if __name__ == "__main__":
    main()
