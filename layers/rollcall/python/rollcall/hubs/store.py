"""Hubs, their sources and secrets: the Hubs table and Secrets Manager."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.hubs.keyring import Keyring, Secret
from rollcall.hubs.model import Hub, Source
from rollcall.privacy.hashing import HubKey, derive
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import ConflictError, NotFoundError, PreconditionError, TransientError
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from rollcall.sources.policy import Policy

TABLE = "HUBS_TABLE"
_CACHE_SECONDS = 180
_MISSING = "ResourceNotFoundException"
_secrets: dict[tuple[str, str], tuple[float, str]] = {}
# How long what a source says may be of a moment ago, for a delivery that is taken by it.
SOURCE_LIVES = timedelta(seconds=5)
MOST_SOURCES = 1_000
_sources: dict[tuple[str, str], tuple[datetime, Source]] = {}


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
    updated, action = update_action(hub, seen=seen)
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError as exc:
        raise PreconditionError from exc
    return updated


def update_action(hub: Hub, *, seen: int) -> tuple[Hub, dynamo.Action]:
    """Return changed settings with the next version, and their write, on condition that the version is as seen."""
    updated = replace(hub, version=seen + 1)
    return updated, dynamo.put_action(TABLE, updated.to_item(), "#version = :seen", {"seen": seen})


def hub_key(hub_id: str, salt: str) -> HubKey:
    """Return the key that persons and addresses of this hub are hashed with."""
    del hub_id  # the salt alone decides; the parameter says whose key it is
    return derive(_secret(env("STACK_SECRET_ARN")), salt)


def get_source(hub_id: str, source_id: str) -> Source | None:
    """Return a source of the hub, or nothing."""
    item = dynamo.get(TABLE, hub_id, f"SOURCE#{source_id}")
    return Source.from_item(item) if item else None


def read_source(hub_id: str, source_id: str, at: datetime) -> Source | None:
    """Return a source of the hub as it is now, or nothing, and keep it for a moment."""
    _sources.pop((hub_id, source_id), None)
    source = get_source(hub_id, source_id)
    if source is not None:
        if len(_sources) >= MOST_SOURCES:
            _sources.clear()
        _sources[hub_id, source_id] = at, source
    return source


def recent_source(hub_id: str, source_id: str, at: datetime) -> Source | None:
    """Return a source as it was read a moment ago, at most ``SOURCE_LIVES``; nothing if it was not.

    Parameters
    ----------
    at
        By the clock, not since a start: a function that is frozen in between must not take it for recent.
    """
    kept = _sources.get((hub_id, source_id))
    return kept[1] if kept and kept[0] <= at < kept[0] + SOURCE_LIVES else None


def list_sources(hub_id: str) -> list[Source]:
    """Return the sources of the hub, oldest first."""
    items = dynamo.query_all(
        TABLE, hub_id, condition="begins_with(#sk, :prefix)", values={"prefix": "SOURCE#"}, consistent=True
    )
    return [Source.from_item(item) for item in items]


def policies(hub_id: str) -> dict[str, Policy]:
    """Return source id → policy of the hub's sources."""
    return {source.source_id: source.policy for source in list_sources(hub_id)}


def create_source(source: Source, secret: str) -> Source:
    """Store a new source and return it: its secret first, so that a source that is seen can be verified."""
    ring = Keyring((Secret(new_id(), secret, to_text(now())),))
    try:
        made = clients.secretsmanager().create_secret(
            Name=_secret_name(source.hub_id, source.source_id),
            SecretString=ring.to_text(),
            ClientRequestToken=str(uuid.uuid4()),
            KmsKeyId=env("KMS_KEY_ARN"),
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc
    stored = replace(source, keyring_version=made["VersionId"])
    try:
        dynamo.write([dynamo.put_action(TABLE, stored.to_item(), "attribute_not_exists(#pk)")])
    except dynamo.ConditionFailedError as exc:
        raise ConflictError from exc
    return stored


def update_source(source: Source, *, seen: int, keyring: Keyring | None = None) -> Source:
    """Store a changed source, if its version is still the one that was seen, and return it with the next version.

    A changed keyring is stored first, as a version of the secret that nobody reads yet; the write of the source names
    it, and is the moment from which all functions use it. So of two rotations at once one is refused, none is lost.

    Raises
    ------
    PreconditionError
        If somebody else changed the source in the meantime.
    """
    updated = replace(source, version=seen + 1)
    if keyring is not None:
        updated = replace(updated, keyring_version=_put_keyring(source, keyring))
    try:
        dynamo.write([dynamo.put_action(TABLE, updated.to_item(), "#version = :seen", {"seen": seen})])
    except dynamo.ConditionFailedError as exc:
        raise PreconditionError from exc
    return updated


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
        if exc.response["Error"]["Code"] != _MISSING:
            raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc


def get_keyring(source: Source) -> Keyring:
    """Return the secrets and credentials of a source, as of the version that the source names.

    The source is read anew before a delivery is refused, so a new secret counts at once, whatever a warm function has
    kept.
    """
    name = _secret_name(source.hub_id, source.source_id)
    try:
        return Keyring.from_text(_secret(name, source.keyring_version))
    except NotFoundError:
        # Versions without a label may be cleared away; the newest holds every live secret of those before it.
        return Keyring.from_text(_secret(name))


def live_secrets(source: Source, at: datetime) -> tuple[Secret, ...]:
    """Return the live secrets of a source, newest first (two during a rotation)."""
    return get_keyring(source).live(to_text(at))


def source_credentials(source: Source) -> dict[str, str]:
    """Return what Rollcall logs in to the vendor's API with; empty if it was given nothing."""
    return get_keyring(source).credentials


def _put_keyring(source: Source, keyring: Keyring) -> str:
    try:
        answer = clients.secretsmanager().put_secret_value(
            SecretId=_secret_name(source.hub_id, source.source_id),
            SecretString=keyring.to_text(),
            ClientRequestToken=str(uuid.uuid4()),
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc
    return answer["VersionId"]


def _secret_name(hub_id: str, source_id: str) -> str:
    return f"{env('SOURCE_SECRETS_PREFIX')}/{hub_id}/{source_id}"


def _secret(name: str, version: str = "") -> str:
    """Read a secret; kept for a few minutes under its own name, which holds the hub id, and version."""
    kept = _secrets.get((name, version))
    if kept and kept[0] > time.monotonic():
        return kept[1]
    wanted = {"VersionId": version} if version else {}
    try:
        text = clients.secretsmanager().get_secret_value(SecretId=name, **wanted)["SecretString"]
    except ClientError as exc:
        if version and exc.response["Error"]["Code"] == _MISSING:
            raise NotFoundError from exc
        raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    _secrets[name, version] = (time.monotonic() + _CACHE_SECONDS, text)
    return text


def forget_secrets() -> None:
    """Empty the caches (tests)."""
    _secrets.clear()
    _sources.clear()
