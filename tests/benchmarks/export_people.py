"""Export so many people in a process of its own, and print what it took, as JSON.

Everything is ours and botocore's down to the HTTP request. There DynamoDB's answers are made up: pages of the list,
which hold keys alone, the people, and the addresses that they hold; nobody was invited or left out. Making an answer up
takes some microseconds a person, in the floor as in ours. Parts for S3 are counted, not sent.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from rollcall.exports import store, writing
from rollcall.exports.model import Export, Kind
from rollcall.files import storage
from rollcall.hubs import store as hubs
from rollcall.hubs.context import HubContext
from rollcall.hubs.model import Permission
from rollcall.mapping.table import MappingTable
from rollcall.people import store as people
from rollcall.people.events import Kind as EventKind
from rollcall.people.merge import lift
from rollcall.people.model import PersonRecord
from rollcall.privacy.hashing import derive
from rollcall.runtime import clients
from rollcall.runtime.ids import SHARDS, new_id
from rollcall.runtime.lists import PAGE
from rollcall.segments.model import Catalogue
from tests.benchmarks.measure import peak_mib
from tests.support.invite_files import invite_lines
from tests.support.world import ROLES, RULES, SEGMENTS, SOURCE, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rollcall.exports.model import Progress

NAMES = ("PEOPLE", "INVITATIONS", "HUBS", "PLANS")
SET = {f"{name}_TABLE": name for name in NAMES} | {
    "FILES_BUCKET": "files",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
MADE = 1_000
_NUMBER, _ADDRESS, _LIST = "88888888", "f" * 32, "the list"
_HOLDER = (
    '{{"pk":{{"S":"{pk}"}},"sk":{{"S":"-"}},"rev":{{"N":"1"}},"erased":{{"BOOL":false}},"holders":{{"M":{{"{source}":'
    '{{"L":[{{"S":"{person}"}},{{"NULL":true}},{{"L":[{{"S":"2026-10-05T08:00:00.000Z"}},{{"S":"{person}"}}]}},'
    '{{"BOOL":false}}]}}}}}}}}'
)
_ENTRY = b'{"pk":{"S":"%b#P#%032d"},"sk":{"S":"-"},"by_name_pk":{"S":"%b"},"by_name_sk":{"S":"%08d"}}'


class Hub:
    """A hub of so many people, and what its tables answer. Number n is in shard n % 16; names are numbers."""

    def __init__(self, count: int) -> None:
        os.environ |= SET
        world = World()
        self.count = count
        self.hub_id = world.hub.hub_id
        self.key = world.key = derive("secret", world.hub.salt)  # its own, since no stack is there to ask
        self.ctx = HubContext(world.hub, Catalogue(tuple(ROLES), tuple(SEGMENTS)), 1, MappingTable(1, RULES), self.key)
        self._hub = self.hub_id.encode()
        self._items = [_item(world, cells) for cells in islice(csv.reader(invite_lines(MADE)), 1, None)]

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        """Answer in place of DynamoDB; registered with botocore where a request would be sent."""
        asked = json.loads(request.body)
        body = self._batch(asked) if "RequestItems" in asked else self._page(asked)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Raw(body))

    def _page(self, asked: Any) -> bytes:
        shard = int(asked["ExpressionAttributeValues"][":pk"]["S"].rpartition("#")[2])
        start = asked.get("ExclusiveStartKey")
        first = int(start["by_name_sk"]["S"]) + SHARDS if start else shard
        numbers = range(first, self.count, SHARDS)[: asked["Limit"]]
        partition = asked["ExpressionAttributeValues"][":pk"]["S"].encode()
        items = b",".join([_ENTRY % (self._hub, number, partition, number) for number in numbers])
        is_last = not numbers or numbers[-1] + SHARDS >= self.count
        more = b"" if is_last else b',"LastEvaluatedKey":{"by_name_sk":{"S":"%08d"}}' % numbers[-1]
        return b'{"Count":%d,"Items":[%b]%b}' % (len(numbers), items, more)

    def _person(self, number: int) -> bytes:
        name = b"%08d" % number
        address_id = self.key.address_id(f"person{number:08d}@example.com").encode()
        of = {b"number": name, b"address": address_id, b"shard": number % SHARDS}
        return self._items[number % MADE] % of

    def _batch(self, asked: Any) -> bytes:
        ((table, wanted),) = asked["RequestItems"].items()
        keys = [key["pk"]["S"] for key in wanted["Keys"]] if table == "PEOPLE" else []
        items = b",".join([self._person(int(pk[-8:])) if "#P#" in pk else _holder(pk) for pk in keys])
        return b'{"Responses":{"%b":[%b]},"UnprocessedKeys":{}}' % (table.encode(), items)


def _holder(pk: str) -> bytes:
    return _HOLDER.format(pk=pk, source=SOURCE, person="a" * 32).encode()


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _item(world: World, cells: list[str]) -> bytes:
    """Return a person as DynamoDB gives it, with places for a number and an address id."""
    _, first_name, last_name, role, office, languages, locale, _, *_, department, job = cells
    event = world.event(
        f"e{_NUMBER}",
        0,
        EventKind.ADDED,
        f"E-{_NUMBER}",
        fields={
            "email": f"person{_NUMBER}@example.com",
            "first_name": first_name,
            "last_name": last_name,
            "locale": locale or None,
        },
        attributes={
            "Office": office,
            "Grade": "Senior" if role == "Mentor" else "Junior",
            "Languages": tuple(languages.split("; ")),
            "Department": department,
            "Job title": job,
        },
    )
    record = PersonRecord(f"{'0' * 24}{_NUMBER}", lift(event), address_id=_ADDRESS)
    item = people.put_person(world.hub.hub_id, record, "event:" + "c" * 32, "2026-10-05T08:00:00.000Z").request["Item"]
    item["by_name_pk"], item["by_name_sk"] = {"S": _LIST}, {"S": _NUMBER}
    text = json.dumps(item, separators=(",", ":")).replace("%", "%%")
    text = text.replace(_LIST, f"{world.hub.hub_id}#%(shard)d")
    return text.replace(_NUMBER, "%(number)b").replace(_ADDRESS, "%(address)b").encode()


@contextmanager
def served(hub: Hub) -> Iterator[None]:
    """Run with the tables of a hub."""
    before = dict(os.environ)
    os.environ |= SET
    os.environ.pop("AWS_ENDPOINT_URL", None)
    clients.reset()
    events: Any = clients.dynamodb().meta.events
    events.register("before-send.dynamodb", hub.answer)
    try:
        yield
    finally:
        clients.reset()
        os.environ.clear()
        os.environ |= before


def export(hub: Hub, take: Callable[[bytes], object]) -> int:
    """Write the invite file of everybody, parts to ``take``; return how many rows it has."""
    asked = Export(new_id(), hub.hub_id, Kind.INVITES, "admin", "", permissions=frozenset(Permission), runs=1)

    def put_part(*given: Any) -> storage.Part:
        take(given[-1])
        return storage.Part(given[-2], "etag")

    def put_stream(_: str, key: str, chunks: Iterable[bytes], **__: Any) -> None:
        if key.endswith("invites.csv"):
            take(b"".join(chunks))

    def checkpoint(asked: Export, progress: Progress, _: object) -> Export:
        return replace(asked, progress=progress)

    replaced: tuple[tuple[Any, str, Any], ...] = (
        (storage, "begin_parts", lambda *_: "upload"),
        (storage, "put_part", put_part),
        (storage, "put_stream", put_stream),
        (storage, "join_parts", lambda *_: None),
        (store, "checkpoint", checkpoint),
        (store, "note_progress", lambda *_: None),
        (hubs, "policies", lambda _: {}),
        (writing, "RUN_SECONDS", float("inf")),
    )
    kept = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        rows = writing.write_file(hub.ctx, asked, 0)
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
    assert rows is not None
    return rows


def floor(hub: Hub, rows: list[list[str]]) -> int:
    """Read the list and its people once with botocore alone, and write as many rows with ``csv.writer`` alone."""
    ask = _bare(hub)
    count = 0
    written = cycle(rows)
    for shard in range(SHARDS):
        request: Any = {
            "TableName": "PEOPLE",
            "IndexName": "by_name",
            "KeyConditionExpression": "#by_name_pk = :pk",
            "ExpressionAttributeNames": {"#by_name_pk": "by_name_pk"},
            "ExpressionAttributeValues": {":pk": {"S": f"{hub.hub_id}#{shard}"}},
            "Limit": PAGE,
        }
        while True:
            page = ask.query(**request)
            keys = [{"pk": entry["pk"], "sk": entry["sk"]} for entry in page["Items"]]
            found = 0
            for start in range(0, len(keys), 100):
                asked: Any = {"PEOPLE": {"Keys": keys[start : start + 100], "ConsistentRead": True}}
                found += len(ask.batch_get_item(RequestItems=asked)["Responses"]["PEOPLE"])
            out = io.StringIO(newline="")
            csv.writer(out).writerows(islice(written, found))
            out.getvalue().encode()
            count += found
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return count


@cache
def _bare(hub: Hub) -> Any:
    """Return a client as botocore makes it."""
    client: Any = botocore.session.get_session().create_client("dynamodb", config=clients._TABLES)
    client.meta.events.register("before-send.dynamodb", hub.answer)
    return client


def main(count: int) -> dict[str, Any]:
    """Export and return rows, bytes, seconds and the most memory held."""
    sizes: list[int] = []
    hub = Hub(count)
    with served(hub):
        started = time.process_time()
        rows = export(hub, lambda part: sizes.append(len(part)))
        seconds = time.process_time() - started
    return {
        "rows": rows,
        "cpu_seconds": round(seconds, 2),
        "written_mib": round(sum(sizes) / 1024 / 1024, 1),
        "parts": len(sizes),
        "peak_mib": round(peak_mib(), 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
