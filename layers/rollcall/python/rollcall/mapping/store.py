"""Published mapping tables: a pointer in the Hubs table, the rules of each version as one JSON file in the bucket."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.mapping.table import MappingTable, table_from_json, table_to_json
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env

TABLE = "HUBS_TABLE"
_kept: dict[str, MappingTable] = {}


def file_key(hub_id: str, version: int, plan_id: str) -> str:
    """Return where the rules lie that a plan proposes as a version; two plans never write the same file."""
    return f"mapping/{hub_id}/{version:05d}-{plan_id}.json"


def table_at(hub_id: str, version: int, plan_id: str) -> MappingTable:
    """Return a version of the hub's mapping table, published by a plan; version 0 has no rules."""
    if version == 0:
        return MappingTable(version=0, rules=())
    kept = _kept.get(hub_id)
    if kept is None or kept.version != version:
        try:
            body = (
                clients.s3()
                .get_object(Bucket=env("FILES_BUCKET"), Key=file_key(hub_id, version, plan_id))["Body"]
                .read()
            )
        except (ClientError, BotoCoreError) as exc:
            raise TransientError from exc
        kept = table_from_json(json.loads(body))
        _kept[hub_id] = kept
    return kept


def store_table(hub_id: str, table: MappingTable, plan_id: str) -> None:
    """Write the rules of a version to the bucket; nothing uses them until the version is published."""
    body = json.dumps(table_to_json(table), ensure_ascii=False, separators=(",", ":")).encode()
    try:
        clients.s3().put_object(
            Bucket=env("FILES_BUCKET"),
            Key=file_key(hub_id, table.version, plan_id),
            Body=body,
            ContentType="application/json",
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def publish_action(hub_id: str, version: int, plan_id: str, at: str) -> dynamo.Action:
    """Return the write that makes a version the published one, on condition that it follows the present one."""
    item: dict[str, Any] = {"pk": hub_id, "sk": "MAPPING", "version": version, "plan_id": plan_id, "published_at": at}
    if version == 1:
        return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    return dynamo.put_action(TABLE, item, "#version = :before", {"before": version - 1})


def published(hub_id: str) -> dict[str, Any] | None:
    """Return the pointer to the published version: ``version``, ``plan_id``, ``published_at``; nothing if none is."""
    return dynamo.get(TABLE, hub_id, "MAPPING")
