"""Okta event hooks: what happened in an Okta organisation, several events at a time.

https://developer.okta.com/docs/concepts/event-hooks/. They carry a login and a name, never the profile.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any

from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, UnauthenticError
from rollcall.runtime.ids import event_name
from rollcall.sources.model import (
    Delivery,
    Faults,
    Parsed,
    check_size,
    load_json,
    read_field,
    read_id,
    read_name,
    read_time,
)
from rollcall.sources.policy import Away
from rollcall.sources.secret import is_text_secret, new_text_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.model import Source

ANSWER = 204  # Okta wants an empty answer
SETTINGS: tuple[str, ...] = ()
CREDENTIALS: tuple[str, ...] = ()
SECRET_RULE = "Choose 16 to 256 printable ASCII characters without spaces around them, or leave it out."  # noqa: S105 - a rule
is_secret = is_text_secret
new_secret = new_text_secret
MAX_EVENTS = 1_000
_CHALLENGE = re.compile(r"[\x21-\x7e]{1,1024}")
_KINDS = {
    "user.lifecycle.create": Kind.ADDED,
    "user.account.update_profile": Kind.UPDATED,
    "user.lifecycle.activate": Kind.REACTIVATED,
    "user.lifecycle.reactivate": Kind.REACTIVATED,
    "user.lifecycle.unsuspend": Kind.REACTIVATED,
    "user.lifecycle.deactivate": Kind.DEACTIVATED,
    "user.lifecycle.suspend": Kind.DEACTIVATED,
    "user.lifecycle.delete.initiated": Kind.DELETED,
}
_GROUP_EVENTS = {"group.user_membership.add": True, "group.user_membership.remove": False}
_SUSPENSIONS = {"user.lifecycle.suspend", "user.lifecycle.unsuspend"}
_CARRIES_NAME = {Kind.ADDED, Kind.UPDATED}


def verify(delivery: Delivery, secrets: Sequence[str]) -> None:
    """Check the ``Authorization`` header: a live secret, alone or as a bearer token. Okta signs nothing.

    Raises
    ------
    UnauthenticError
        Whatever is wrong.
    """
    given = delivery.headers.get("authorization", "").encode("utf-8", "surrogatepass")
    expected = [spelling.encode() for secret in secrets if secret for spelling in (secret, f"Bearer {secret}")]
    if not any(hmac.compare_digest(given, one) for one in expected):
        raise UnauthenticError


def answer_challenge(delivery: Delivery, secrets: Sequence[str]) -> dict[str, str]:
    """Return the answer that proves once that the address is ours.

    A secret that comes with the challenge must be right, so that a mistyped one shows when the hook is verified.

    Raises
    ------
    NotFoundError
        If there is no challenge in the headers.
    UnauthenticError
        If there is a secret and it is wrong.
    """
    challenge = delivery.headers.get("x-okta-verification-challenge", "")
    if not _CHALLENGE.fullmatch(challenge):
        raise NotFoundError
    if "authorization" in delivery.headers:
        verify(delivery, secrets)
    return {"verification": challenge}


def parse(delivery: Delivery, source: Source) -> Parsed:
    """Return the directory events of a delivery. Each is partial, and stamped with its own ``published``.

    Raises
    ------
    MalformedError
        With every fault, at its JSON path.
    """
    document = load_json(delivery.body)
    data = document.get("data") if isinstance(document, dict) else None
    entries = data.get("events") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_EVENTS:
        detail = f"This must be a list of 1 to {MAX_EVENTS} events."
        raise MalformedError([Fault("$.data.events", "bad_count", detail)])
    faults = Faults()
    events = []
    for number, entry in enumerate(entries):
        place = f"$.data.events[{number}]"
        if isinstance(entry, dict):
            events.append(_event(entry, place, delivery=delivery, source=source, faults=faults))
        else:
            faults.add(place, "not_an_object", "An event must be a JSON object.")
    faults.check()
    return events


def _event(
    entry: dict[str, Any], place: str, *, delivery: Delivery, source: Source, faults: Faults
) -> DirectoryEvent | Ignored:
    identifier = event_name(source.source_id, read_id(entry.get("uuid"), f"{place}.uuid", faults))
    kind, outcome = entry.get("eventType"), entry.get("outcome")
    if not isinstance(kind, str) or not kind:
        faults.add(f"{place}.eventType", "missing_type", "The type of the event is missing.")
        kind = ""
    if kind not in _KINDS and kind not in _GROUP_EVENTS:
        return Ignored(identifier, source.source_id, "unused_type", "Rollcall does not use events of this type.")
    if not isinstance(outcome, dict) or outcome.get("result") != "SUCCESS":
        return Ignored(identifier, source.source_id, "not_done", "Okta says that it did not succeed.")
    if kind in _SUSPENSIONS and source.policy.suspended is Away.NOTHING:
        return Ignored(identifier, source.source_id, "suspended", "Suspensions do nothing: this source is set so.")
    user, user_place = _target(entry, "User", place)
    means = _KINDS.get(kind, Kind.UPDATED)
    groups = {}
    if kind in _GROUP_EVENTS:
        group, group_place = _target(entry, "UserGroup", place)
        groups = {read_name(group.get("displayName"), f"{group_place}.displayName", faults): _GROUP_EVENTS[kind]}
    event = DirectoryEvent(
        event_id=identifier,
        source_id=source.source_id,
        external_id=read_id(user.get("id"), f"{user_place}.id", faults),
        kind=means,
        occurred_at=read_time(entry.get("published"), f"{place}.published", faults, delivery.received_at),
        fields={} if groups or means not in _CARRIES_NAME else _fields(user, user_place, faults),
        groups=groups,
    )
    check_size(event, place, faults)
    return event


def _target(entry: dict[str, Any], kind: str, place: str) -> tuple[dict[str, Any], str]:
    """Return the first target of a kind and its place; an empty one if there is none."""
    listed = entry.get("target")
    for number, target in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(target, dict) and target.get("type") == kind:
            return target, f"{place}.target[{number}]"
    return {}, f"{place}.target"


def _fields(user: dict[str, Any], place: str, faults: Faults) -> dict[str, str | None]:
    """Return what a target says of a person: the login where it is an address, and the display name, undivided.

    Where a display name divides into first and last name cannot be told, so it is the first name as a whole.
    """
    found: dict[str, str | None] = {}
    login = read_field(user.get("alternateId"), f"{place}.alternateId", faults)
    if login and "@" in login:
        found["email"] = login
    if name := read_field(user.get("displayName"), f"{place}.displayName", faults):
        found["first_name"] = name
    return found
