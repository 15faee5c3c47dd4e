"""What AWS calls cost: DynamoDB's request units, counted from the items before and after each call, and calls by kind.

Write units: the larger of the item before and after, in KB, rounded up; twice that within a transaction. An index costs
one more for each entry that comes, goes or changes, two where its key moves. Read units: 4 KB, rounded up over what one
call reads of an item; half for an eventually consistent read. Source: "DynamoDB read and write operations" and "Global
secondary indexes", Amazon DynamoDB developer guide.
"""

from __future__ import annotations

import json
import math
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollcall.runtime import clients
from tests.support.aws import _tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Item = dict[str, Any]
KB, READ_KB = 1024, 4096
_WRITES = {"Put": "Item", "Update": "Key", "Delete": "Key", "ConditionCheck": "Key"}


@dataclass
class Units:
    """What was used: write units by table and by index, read units by table, calls by name."""

    written: Counter[str] = field(default_factory=Counter)
    read: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def write_units(self) -> int:
        """All write units."""
        return sum(self.written.values())

    @property
    def read_units(self) -> float:
        """All read units."""
        return sum(self.read.values())

    def __str__(self) -> str:
        written = ", ".join(f"{name} {count}" for name, count in sorted(self.written.items()))
        return f"{self.write_units} write units ({written}), {self.read_units:g} read units"


@contextmanager
def counted() -> Iterator[Units]:
    """Count every call that our clients make to DynamoDB and SQS meanwhile."""
    counter = _Counter(Units(), threading.Lock())
    made = [clients.dynamodb(), clients.sqs(), clients.s3(), clients.secretsmanager()]
    for client in made:
        client.meta.events.register("before-call", counter.before, unique_id="units-before")
        client.meta.events.register("after-call", counter.after, unique_id="units-after")
    try:
        yield counter.units
    finally:
        for client in made:
            client.meta.events.unregister("before-call", unique_id="units-before")
            client.meta.events.unregister("after-call", unique_id="units-after")


class _Counter(threading.local):
    """What each thread is asking now; what all of them used is one and the same."""

    def __init__(self, units: Units, lock: threading.Lock) -> None:
        self.units = units
        self._lock = lock
        self._looks = False
        self._touched: list[tuple[str, Item, Item | None, int]] = []
        self._asked: Item = {}

    def before(self, model: Any, params: Any, **_: Any) -> None:
        if self._looks:
            return
        with self._lock:
            self.units.calls[model.name] += 1
        if model.service_model.service_name != "dynamodb":
            return
        self._asked = json.loads(params["body"])
        self._touched = []
        for kind, request, factor in _requests(model.name, self._asked):
            table = str(request["TableName"])
            key = {name: request[_WRITES[kind]][name] for name in ("pk", "sk")}
            self._touched.append((table, key, self._stored(table, key), factor))

    def after(self, model: Any, parsed: Any, http_response: Any, **_: Any) -> None:
        if self._looks or model.service_model.service_name != "dynamodb":
            return
        for table, key, old, factor in self._touched:
            self._write(table, old, self._stored(table, key), factor)
        if http_response.status_code == 200:
            self._read(model.name, parsed)

    def _stored(self, table: str, key: Item) -> Item | None:
        self._looks = True
        try:
            found: Item | None = clients.dynamodb().get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        finally:
            self._looks = False
        return found

    def _write(self, table: str, old: Item | None, new: Item | None, factor: int) -> None:
        name = table.removeprefix("test-")
        self.units.written[name] += factor * _up(max(_size(old), _size(new)), KB)
        for index in _tables()[f"{name}Table"].get("GlobalSecondaryIndexes", []):
            before, after = (_entry(index, item) for item in (old, new))
            if before != after:
                moved = before and after and any(before[one] != after[one] for one in _keys(index))
                count = sum(_up(_size(one), KB) for one in (before, after) if one) if moved else None
                larger = max(_size(before or None), _size(after or None))
                self.units.written[f"{name}.{index['IndexName']}"] += count if count is not None else _up(larger, KB)

    def _read(self, call: str, answer: Mapping[str, Any]) -> None:
        half = 1.0 if self._asked.get("ConsistentRead") else 0.5
        if call == "GetItem":
            self._add(self._asked["TableName"], half * max(1, _up(_size(answer.get("Item")), READ_KB)))
        elif call == "Query":
            items = answer["Items"] if "Items" in answer else self._counted_items()
            self._add(self._asked["TableName"], half * max(1, _up(sum(map(_size, items)), READ_KB)))
        elif call == "BatchGetItem":
            for table, asked in self._asked["RequestItems"].items():
                share = 1.0 if asked.get("ConsistentRead") else 0.5
                found = answer["Responses"].get(table, [])
                missing = len(asked["Keys"]) - len(found)
                self._add(table, share * (missing + sum(_up(_size(item), READ_KB) for item in found)))

    def _counted_items(self) -> list[Item]:
        """Return what a query looked at that only counts."""
        left_out = {"Select", "FilterExpression"}
        asked: Any = {name: value for name, value in self._asked.items() if name not in left_out}
        for part in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            asked[part] = {name: one for name, one in asked[part].items() if name in asked["KeyConditionExpression"]}
        self._looks = True
        try:
            items: list[Item] = list(clients.dynamodb().query(**asked)["Items"])
        finally:
            self._looks = False
        return items

    def _add(self, table: str, units: float) -> None:
        with self._lock:
            self.units.read[table.removeprefix("test-")] += units


def _requests(call: str, asked: Item) -> list[tuple[str, Item, int]]:
    """Return kind, request and factor of every write in a call."""
    if call == "TransactWriteItems":
        return [(kind, request, 2) for one in asked["TransactItems"] for kind, request in one.items()]
    kind = call.removesuffix("Item")
    return [(kind, asked, 1)] if kind in _WRITES else []


def _keys(index: Item) -> Sequence[str]:
    return [part["AttributeName"] for part in index["KeySchema"]]


def _entry(index: Item, item: Item | None) -> Item:
    """Return what an index holds of an item; nothing if it is not in it."""
    if item is None or any(name not in item for name in _keys(index)):
        return {}
    projection = index["Projection"]
    if projection["ProjectionType"] == "ALL":
        return item
    held = {*_keys(index), "pk", "sk", *projection.get("NonKeyAttributes", [])}
    return {name: value for name, value in item.items() if name in held}


def _size(item: Item | None) -> int:
    """Return the bytes of an item as DynamoDB counts them, near enough: names and values, 3 for a list or a map."""
    return sum(len(name.encode()) + _value_size(value) for name, value in (item or {}).items())


def _value_size(value: Item) -> int:
    kind, held = next(iter(value.items()))
    if kind == "S":
        return len(held.encode())
    if kind == "M":
        return 3 + sum(len(name.encode()) + _value_size(one) + 1 for name, one in held.items())
    if kind == "L":
        return 3 + sum(_value_size(one) + 1 for one in held)
    return len(str(held)) // 2 + 2 if kind == "N" else 1


def _up(size: int, step: int) -> int:
    return max(1, math.ceil(size / step))
