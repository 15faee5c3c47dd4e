"""WorkOS Directory Sync.

Formats: https://workos.com/docs/events/directory-sync, signature: https://workos.com/docs/events/data-syncing/webhooks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError, UnauthenticError
from rollcall.runtime.ids import event_name
from rollcall.sources.model import (
    MAX_ID,
    OTHER_ACCOUNT,
    Delivery,
    Faults,
    Parsed,
    check_size,
    load_json,
    read_attributes,
    read_field,
    read_id,
    read_name,
    read_time,
)
from rollcall.sources.policy import Away
from rollcall.sources.secret import AS_SHOWN, is_text_secret, new_text_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.model import Source
    from rollcall.sources.policy import Policy

ANSWER = 200
SETTINGS: tuple[str, ...] = ("directory_id",)
CREDENTIALS: tuple[str, ...] = ()
SECRET_RULE = AS_SHOWN
is_secret = is_text_secret
new_secret = new_text_secret
TOLERANCE_MILLISECONDS = 180_000
_TIMESTAMP = re.compile(r"t=([0-9]{13})")
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")
_USER_EVENTS = {
    "dsync.user.created": Kind.ADDED,
    "dsync.user.updated": Kind.UPDATED,
    "dsync.user.deleted": Kind.DELETED,
}
_GROUP_EVENTS = {"dsync.group.user_added": True, "dsync.group.user_removed": False}
_WHOLE_SOURCE = {"dsync.deleted", "dsync.activated"}


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Check the signature: HMAC-SHA-256 in hex over ``t.body``, where ``t`` is in milliseconds.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    parts = [part.strip(" ") for part in delivery.headers.get("workos-signature", "").split(",")]
    times = [found.group(1) for part in parts if (found := _TIMESTAMP.fullmatch(part))]
    given = [found.group(1) for part in parts if (found := _SIGNATURE.fullmatch(part))]
    if len(times) != 1:
        raise UnauthenticError
    if abs(delivery.received_at.timestamp() * 1000 - int(times[0])) > TOLERANCE_MILLISECONDS:
        raise UnauthenticError
    signed = f"{times[0]}.".encode() + delivery.body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets if secret]
    if not any(hmac.compare_digest(one, other) for one in given for other in expected):
        raise UnauthenticError


def parse(delivery: Delivery, source: Source) -> Parsed:
    """Return the directory event of a delivery.

    A user record is complete and stamped with its own ``updated_at``. Group membership has the clock of the envelope:
    the user's ``updated_at`` does not move with it. Events about a whole directory remove nobody.

    Raises
    ------
    MalformedError
        With every fault, at its JSON path.
    """
    faults = Faults()
    document = load_json(delivery.body)
    if not isinstance(document, dict):
        faults.add("$", "not_an_object", "The body must be a JSON object.")
        faults.check()
    name = read_id(document.get("id"), "$.id", faults)
    kind = document.get("event")
    if not isinstance(kind, str) or not kind:
        faults.add("$.event", "missing_type", "The type of the event is missing.")
    faults.check()
    identifier = event_name(source.source_id, name)
    if kind in _WHOLE_SOURCE:
        detail = "It is about the whole directory and removes nobody."
        return [Ignored(identifier, source.source_id, "whole_source", detail)]
    if kind not in _USER_EVENTS and kind not in _GROUP_EVENTS:
        return [Ignored(identifier, source.source_id, "unused_type", "Rollcall does not use events of this type.")]
    data = document.get("data")
    if not isinstance(data, dict):
        raise MalformedError([Fault("$.data", "missing_data", "The record of the person is missing.")])
    if _is_elsewhere(data, source):
        return [Ignored(identifier, source.source_id, "other_account", OTHER_ACCOUNT)]
    if kind in _GROUP_EVENTS:
        event = _membership(document, data, identifier, delivery=delivery, source=source, faults=faults)
    else:
        event = _user(document, data, identifier, delivery=delivery, source=source, faults=faults)
    check_size(event, "$.data", faults)
    faults.check()
    return [event]


def _is_elsewhere(data: dict[str, Any], source: Source) -> bool:
    # WorkOS sends the events of all directories of an environment to every endpoint, and whatever is not 2xx for days.
    pinned = source.settings.get("directory_id")
    return bool(pinned) and data.get("directory_id") != pinned


def _user(
    document: dict[str, Any],
    data: dict[str, Any],
    identifier: str,
    *,
    delivery: Delivery,
    source: Source,
    faults: Faults,
) -> DirectoryEvent:
    kind = _USER_EVENTS[document["event"]]
    is_active = _is_active(data.get("state"), source.policy, faults)
    if kind is not Kind.DELETED and is_active is False:
        kind = Kind.DEACTIVATED
    created = read_time(document.get("created_at"), "$.created_at", faults, delivery.received_at)
    updated = data.get("updated_at")
    occurred = created if updated is None else read_time(updated, "$.data.updated_at", faults, delivery.received_at)
    attributes = read_attributes(data.get("custom_attributes"), "$.data.custom_attributes", faults)
    _add_roles(attributes, data)
    return DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(data.get("id"), "$.data.id", faults),
        kind=kind,
        # A deletion happens after the record was last updated; its own clock is the envelope's.
        occurred_at=max(occurred, created) if kind is Kind.DELETED else occurred,
        fields={
            name: read_field(data.get(name), f"$.data.{name}", faults) for name in ("email", "first_name", "last_name")
        },
        attributes=attributes,
        complete=True,
        active=None if kind in (Kind.DELETED, Kind.DEACTIVATED) else is_active,
    )


def _is_active(state: object, policy: Policy, faults: Faults) -> bool | None:
    # ``suspended`` became ``inactive`` in 2023; a state that we do not know removes nobody.
    if state is not None and not isinstance(state, str):
        faults.add("$.data.state", "bad_text", "This must be text, such as active or inactive.")
    suspended = False if policy.suspended is Away.DEACTIVATE else None
    return {"active": True, "inactive": False, "suspended": suspended}.get(state) if isinstance(state, str) else None


def _add_roles(attributes: dict[str, str | tuple[str, ...] | None], data: dict[str, Any]) -> None:
    """Add the slugs of the roles as the attribute ``role``, beside what the customer mapped to that name."""
    listed = data.get("roles")
    roles = [*(listed if isinstance(listed, list) else []), data.get("role")]
    slugs = [role.get("slug") for role in roles if isinstance(role, dict)]
    own = attributes.get("role") or ()
    usable = [slug for slug in slugs if isinstance(slug, str) and slug.isprintable() and 0 < len(slug) <= MAX_ID]
    if usable:
        attributes["role"] = tuple(dict.fromkeys([*((own,) if isinstance(own, str) else own), *usable]))


def _membership(
    document: dict[str, Any],
    data: dict[str, Any],
    identifier: str,
    *,
    delivery: Delivery,
    source: Source,
    faults: Faults,
) -> DirectoryEvent:
    user, group = data.get("user"), data.get("group")
    if not isinstance(user, dict) or not isinstance(group, dict):
        faults.add("$.data", "missing_data", "Both the user and the group are needed.")
        user, group = {}, {}
    return DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(user.get("id"), "$.data.user.id", faults),
        kind=Kind.UPDATED,
        occurred_at=read_time(document.get("created_at"), "$.created_at", faults, delivery.received_at),
        groups={read_name(group.get("name"), "$.data.group.name", faults): _GROUP_EVENTS[document["event"]]},
    )
