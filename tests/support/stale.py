"""Reads that are not consistent answer with what lay there some writes ago, as DynamoDB may; moto never does.

Of every item the versions since the hook was put in place are kept. A GetItem, BatchGetItem or Query of a table that
does not ask for a consistent answer gets one of them: an older one, or that there was nothing yet.
"""

from __future__ import annotations

import copy
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models.dynamo_type import DynamoType

from rollcall.runtime import clients
from tests.support.aws import _moto_tables
from tests.support.units import _WRITES, _requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = dict[str, Any]
Key = tuple[str, str, str]


class Stale:
    """What the items were, and how often something old was answered."""

    def __init__(self, how_old: Callable[[str], int]) -> None:
        self.versions: dict[Key, list[Item | None]] = {}
        self.answers = 0
        self._how_old = how_old

    def before(self, model: Any, params: Any, **_: Any) -> None:
        """Note what a write finds."""
        asked = json.loads(params["body"])
        keys = [
            (str(request["TableName"]), request[_WRITES[kind]]["pk"]["S"], request[_WRITES[kind]]["sk"]["S"])
            for kind, request, _ in _requests(model.name, asked)
        ]
        params.setdefault("context", {})["stale"] = asked, {key: _stored(*key) for key in keys}

    def after(self, model: Any, parsed: Any, context: Any, **_: Any) -> None:
        """Keep what a write replaced; make the answer of a read old."""
        asked, found = context.get("stale", ({}, {}))
        for key, before in found.items():
            if before != _stored(*key):
                self.versions.setdefault(key, []).append(before)
        match model.name:
            case "GetItem" if not asked.get("ConsistentRead"):
                key = asked["TableName"], asked["Key"]["pk"]["S"], asked["Key"]["sk"]["S"]
                old = self._old(key, parsed.get("Item"))
                parsed.pop("Item", None)
                if old is not None:
                    parsed["Item"] = old
            case "BatchGetItem":
                for table, request in asked["RequestItems"].items():
                    if not request.get("ConsistentRead"):
                        self._answer(parsed["Responses"], table, request["Keys"])
            case "Query" if not asked.get("ConsistentRead") and "IndexName" not in asked:
                keys = [{name: item[name] for name in ("pk", "sk")} for item in parsed["Items"]]
                answer = {asked["TableName"]: parsed["Items"]}
                self._answer(answer, asked["TableName"], keys)
                parsed["Items"] = answer[asked["TableName"]]

    def _answer(self, answer: dict[str, list[Item]], table: str, keys: list[Item]) -> None:
        now = {(item["pk"]["S"], item["sk"]["S"]): item for item in answer.get(table, [])}
        wanted = [(key["pk"]["S"], key["sk"]["S"]) for key in keys]
        old = [self._old((table, *key), now.get(key)) for key in wanted]
        answer[table] = [item for item in old if item is not None]

    def _old(self, key: Key, now: Item | None) -> Item | None:
        versions = self.versions.get(key, [])
        age = min(self._how_old(key[0]), len(versions))
        if age == 0:
            return now
        self.answers += 1
        return copy.deepcopy(versions[-age])


def _stored(table: str, pk: str, sk: str) -> Item | None:
    found = _moto_tables()[table].get_item(DynamoType({"S": pk}), DynamoType({"S": sk}))
    return copy.deepcopy(found.to_json()["Attributes"]) if found else None


@contextmanager
def stale(how_old: Callable[[str], int]) -> Iterator[Stale]:
    """Make eventually consistent reads old meanwhile.

    Parameters
    ----------
    how_old
        Name of the table → how many writes ago, each time it is asked; never more than there were.
    """
    reads, client = Stale(how_old), clients.dynamodb()
    client.meta.events.register("before-call", reads.before, unique_id="stale-before")
    client.meta.events.register("after-call", reads.after, unique_id="stale-after")
    try:
        yield reads
    finally:
        client.meta.events.unregister("before-call", unique_id="stale-before")
        client.meta.events.unregister("after-call", unique_id="stale-after")
