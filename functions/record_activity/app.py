"""Writes down what changed: reads the streams of the People and Members tables."""

from __future__ import annotations

from typing import Any

from rollcall.activity.record import record_change
from rollcall.activity.store import put_entries
from rollcall.runtime.dynamo import from_item
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import require


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle a batch of stream records, in order; the first that fails is reported, and the stream goes on from it."""
    del context
    require("ACTIVITY_TABLE")
    for record in event["Records"]:
        try:
            _handle(record)
        except Exception as exc:  # noqa: BLE001 - its message could hold personal data, so only kind and place are told
            log.error("record_failed", **describe(exc))
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def _handle(record: dict[str, Any]) -> None:
    change = record["dynamodb"]
    old, new = (from_item(change[image]) if image in change else None for image in ("OldImage", "NewImage"))
    put_entries(record_change(str(record["eventID"]), old, new))
