"""Published mapping tables: a pointer in the Hubs table, the rules of each version as one JSON file in the bucket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.mapping.table import MappingTable, table_from_json, table_to_json
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env

TABLE = "HUBS_TABLE"
_kept: dict[str, MappingTable] = {}


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of the table: by which plan, when and by whom, and how many rules it has."""

    version: int
    plan_id: str
    published_at: str
    published_by: str
    rules: int


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


def publish_actions(hub_id: str, version: Version) -> list[dynamo.Action]:
    """Return the writes that make a version the published one, on condition that it follows the present one.

    The pointer moves, and the list of versions gets one more.
    """
    values = {name: getattr(version, name) for name in Version.__slots__}
    item: dict[str, Any] = {"pk": hub_id, "sk": "MAPPING", **values}
    before = version.version - 1
    listed = {"pk": _versions_pk(hub_id), "sk": _versions_sk(version.version), **values}
    condition = "#version = :before" if before else "attribute_not_exists(#pk)"
    return [
        dynamo.put_action(TABLE, item, condition, {"before": before} if before else None),
        dynamo.put_action(TABLE, listed),
    ]


def versions(hub_id: str, *, limit: int, below: int | None = None) -> list[Version]:
    """Return published versions, the newest first; ``below`` leaves out that one and newer ones."""
    page = dynamo.query(
        TABLE,
        _versions_pk(hub_id),
        condition="#sk < :below",
        values={"below": _versions_sk(below) if below is not None else "~"},
        forward=False,
        limit=limit,
        consistent=True,
    )
    return [_version_of(item) for item in page.items]


def version_at(hub_id: str, version: int) -> Version | None:
    """Return what is known of a version; nothing if there was never one of that number."""
    item = dynamo.get(TABLE, _versions_pk(hub_id), _versions_sk(version))
    return _version_of(item) if item else None


def _version_of(item: dict[str, Any]) -> Version:
    return Version(**{name: item[name] for name in Version.__slots__})


def _versions_pk(hub_id: str) -> str:
    return f"{hub_id}#V"


def _versions_sk(version: int) -> str:
    return f"{version:08d}"


def published(hub_id: str) -> dict[str, Any] | None:
    """Return the pointer to the published version: ``version``, ``plan_id``, ``published_at``; nothing if none is."""
    return dynamo.get(TABLE, hub_id, "MAPPING")
