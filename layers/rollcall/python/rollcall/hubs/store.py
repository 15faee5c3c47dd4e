"""Hubs, their sources and secrets: the Hubs table and Secrets Manager."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.hubs.model import Hub, Source
from rollcall.privacy.hashing import HubKey, derive
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import ConflictError, NotFoundError, PreconditionError, TransientError
from rollcall.runtime.settings import env

TABLE = "HUBS_TABLE"
_CACHE_SECONDS = 180
_secrets: dict[str, tuple[float, str]] = {}


def get_hub(hub_id: str) -> Hub:
    """Return the hub.

    Raises
    ------
    NotFoundError
        If there is none with this id.
    """
    item = dynamo.get(TABLE, hub_id, "HUB")
    if item is None:
        raise NotFoundError
    return Hub.from_item(item)


def create_hub(hub: Hub) -> None:
    """Store a new hub.

    Raises
    ------
    ConflictError
        If the id is taken.
    """
    try:
        dynamo.write([dynamo.put_action(TABLE, hub.to_item(), "attribute_not_exists(#pk)")])
    except dynamo.ConditionFailedError as exc:
        raise ConflictError from exc


def update_hub(hub: Hub, *, seen: int) -> Hub:
    """Store changed settings, if the version is still the one that was seen, and return them with the next version.

    Raises
    ------
    PreconditionError
        If somebody else changed them in the meantime.
    """
    updated = replace(hub, version=seen + 1)
    action = dynamo.put_action(TABLE, updated.to_item(), "#version = :seen", {"seen": seen})
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError as exc:
        raise PreconditionError from exc
    return updated


def hub_key(hub_id: str, salt: str) -> HubKey:
    """Return the key that persons and addresses of this hub are hashed with."""
    del hub_id  # the salt alone decides; the parameter says whose key it is
    return derive(_secret(env("STACK_SECRET_ARN")), salt)


def get_source(hub_id: str, source_id: str) -> Source | None:
    """Return a source of the hub, or nothing."""
    item = dynamo.get(TABLE, hub_id, f"SOURCE#{source_id}")
    return Source.from_item(item) if item else None


def list_sources(hub_id: str) -> list[Source]:
    """Return the sources of the hub, oldest first."""
    items = dynamo.query_all(
        TABLE, hub_id, condition="begins_with(#sk, :prefix)", values={"prefix": "SOURCE#"}, consistent=True
    )
    return [Source.from_item(item) for item in items]


def create_source(source: Source, secret: str) -> None:
    """Store a new source: its secret first, so that a source that is seen can be verified."""
    _store_secrets(source.hub_id, source.source_id, [secret])
    try:
        dynamo.write([dynamo.put_action(TABLE, source.to_item(), "attribute_not_exists(#pk)")])
    except dynamo.ConditionFailedError as exc:
        raise ConflictError from exc


def delete_source(hub_id: str, source_id: str) -> None:
    """Disconnect a source. Nobody is removed by that."""
    try:
        dynamo.write([dynamo.delete_action(TABLE, hub_id, f"SOURCE#{source_id}", "attribute_exists(#pk)")])
    except dynamo.ConditionFailedError as exc:
        raise NotFoundError from exc
    try:
        clients.secretsmanager().delete_secret(
            SecretId=_secret_name(hub_id, source_id), ForceDeleteWithoutRecovery=True
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ResourceNotFoundException":
            raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc


def source_secrets(source: Source) -> list[str]:
    """Return the live secrets of a source, newest first (two during a rotation)."""
    stored: dict[str, Any] = json.loads(_secret(_secret_name(source.hub_id, source.source_id)))
    return [str(secret) for secret in stored["secrets"]]


def _store_secrets(hub_id: str, source_id: str, secrets: list[str]) -> None:
    name, text = _secret_name(hub_id, source_id), json.dumps({"secrets": secrets})
    try:
        clients.secretsmanager().create_secret(Name=name, SecretString=text)
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def _secret_name(hub_id: str, source_id: str) -> str:
    return f"{env('SOURCE_SECRETS_PREFIX')}/{hub_id}/{source_id}"


def _secret(name: str) -> str:
    """Read a secret; kept for a few minutes under its own name, which holds the hub id."""
    kept = _secrets.get(name)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    try:
        text = clients.secretsmanager().get_secret_value(SecretId=name)["SecretString"]
    except ClientError as exc:
        raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    _secrets[name] = (time.monotonic() + _CACHE_SECONDS, text)
    return text


def forget_secrets() -> None:
    """Empty the cache (tests)."""
    _secrets.clear()
