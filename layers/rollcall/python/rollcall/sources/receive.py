"""Receive a webhook: verify it, make every event in it durable, wake the worker, answer.

Nothing is answered with 2xx before all of its events lie in the event log and the worker was woken, or the sweep was
told to do so; from then on nothing can be lost. Who was not answered sends again, and what still waits then is swept.
"""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollcall.hubs import store as hubs
from rollcall.people import event_log
from rollcall.people.events import DirectoryEvent, Ignored, placed
from rollcall.runtime.errors import (
    Fault,
    MalformedError,
    NotFoundError,
    RollcallError,
    TooLargeError,
    TransientError,
    UnauthenticError,
)
from rollcall.runtime.ids import HASH_CHARS, is_ulid
from rollcall.runtime.observability import log
from rollcall.sources import health
from rollcall.sources.model import Delivery, as_the_source_wants
from rollcall.sources.registry import challenger, provider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.keyring import Secret
    from rollcall.hubs.model import Source
    from rollcall.sources.model import Parsed
    from rollcall.sources.registry import Provider

MAX_BODY = 1024 * 1024
FEW = 8
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Understood:
    """A genuine delivery, as its source has it read: the secret that it was signed with, and its events."""

    source: Source
    module: Provider
    raw: bytes = field(repr=False)
    secret: Secret
    is_newest: bool
    events: Parsed = field(repr=False)

    @property
    def turns_away(self) -> bool:
        """Some of it is of no use, or it was signed with a secret that is to end."""
        return not self.is_newest or any(isinstance(event, Ignored) for event in self.events)


def receive(
    hub_id: str, source_id: str, body: str, headers: Mapping[str, str], received_at: datetime, *, is_base64: bool
) -> tuple[int, dict[str, int]]:
    """Take a delivery and return the status and body of the answer.

    Raises
    ------
    NotFoundError, UnauthenticError, TooLargeError, MalformedError
        It was not taken, and nothing changed.
    TransientError
        It is not certain that it was taken: the sender must try again.
    """
    if not (is_ulid(hub_id) and is_ulid(source_id)):
        raise NotFoundError
    kept, said = hubs.recent_source(hub_id, source_id, received_at), None
    if kept:
        with suppress(RollcallError):
            said = _understand(kept, body, headers, received_at, is_base64=is_base64)
    if said is None or said.turns_away:
        # It may have a new secret, policy or expression: nothing is turned away for what the source was a moment ago.
        source = hubs.read_source(hub_id, source_id, received_at)
        if source is None:
            raise NotFoundError
        if said is None or source != kept:
            said = _understand_or_note(source, body, headers, received_at, is_base64=is_base64)
    source, events = said.source, said.events
    new = _record(source, events, hashlib.sha256(said.raw).hexdigest()[:HASH_CHARS], received_at)
    waiting = [event.event_id for event in new if isinstance(event, DirectoryEvent)]
    if waiting:
        event_log.wake_new(hub_id, source_id, waiting)
    counts = {"accepted": len(waiting), "ignored": len(new) - len(waiting)}
    health.note_taken(hub_id, source_id, received_at, counts, secret_id=said.secret.secret_id)
    ignored = sum(isinstance(event, Ignored) for event in events)
    log.info("webhook_received", hub_id=hub_id, source_id=source_id, provider=source.provider, count=len(events))
    return said.module.ANSWER, {"accepted": len(events) - ignored, "ignored": ignored}


def _understand_or_note(
    source: Source, body: str, headers: Mapping[str, str], received_at: datetime, *, is_base64: bool
) -> _Understood:
    """Understand a delivery, or count that it was refused."""
    try:
        return _understand(source, body, headers, received_at, is_base64=is_base64)
    except (TooLargeError, UnauthenticError, MalformedError) as exc:
        health.note_refused(source.hub_id, source.source_id, received_at, exc)
        raise


def _understand(
    source: Source, body: str, headers: Mapping[str, str], received_at: datetime, *, is_base64: bool
) -> _Understood:
    """Verify a delivery and read its events, by what the source says.

    Raises
    ------
    UnauthenticError, TooLargeError, MalformedError, TransientError
        As ``receive``.
    """
    try:
        module = provider(source.provider)
    except MalformedError as exc:  # stored by another version of ours: no fault of the sender's
        raise TransientError from exc
    raw = _decode(body, is_base64=is_base64)
    delivery = _delivery(raw, headers, received_at)
    secrets = hubs.live_secrets(source, received_at)
    secret = _verify(module, delivery, secrets)
    events = [as_the_source_wants(event, source) for event in module.parse(delivery, source)]
    return _Understood(source, module, raw, secret, secret == secrets[0], events)


def answer_challenge(hub_id: str, source_id: str, headers: Mapping[str, str], received_at: datetime) -> dict[str, str]:
    """Answer a system that asks, once, whether the address of a source is ours.

    Raises
    ------
    NotFoundError
        If there is no such source, or its system does not ask, or nothing was asked.
    UnauthenticError
        If the secret that came with the challenge is wrong.
    """
    source = hubs.get_source(hub_id, source_id) if is_ulid(hub_id) and is_ulid(source_id) else None
    module = challenger(source.provider) if source else None
    if source is None or module is None:
        raise NotFoundError
    secrets = [secret.text for secret in hubs.live_secrets(source, received_at)]
    return module.answer_challenge(_delivery(b"", headers, received_at), secrets)


def _verify(module: Provider, delivery: Delivery, secrets: Sequence[Secret]) -> Secret:
    """Return the secret that the delivery was signed with; the newest is tried first.

    Raises
    ------
    UnauthenticError
        If it was none of them.
    """
    for secret in secrets:
        with suppress(UnauthenticError):
            module.verify(delivery, [secret.text])
            return secret
    raise UnauthenticError


def _delivery(raw: bytes, headers: Mapping[str, str], received_at: datetime) -> Delivery:
    return Delivery(raw, {name.lower(): value for name, value in headers.items()}, received_at)


def _decode(body: str, *, is_base64: bool) -> bytes:
    try:
        raw = base64.b64decode(body, validate=True) if is_base64 else body.encode("utf-8")
    except ValueError:
        raise MalformedError([Fault("body", "bad_encoding", "The body could not be decoded.")]) from None
    if len(raw) > MAX_BODY:
        msg = "Send at most 1 MiB at a time; split long lists."
        raise TooLargeError(msg)
    return raw


def _record(source: Source, events: Parsed, body_hash: str, received_at: datetime) -> Parsed:
    """Put every event into the log, each where the events of its person lie; return those that were not there yet.

    Several at a time, since the sender of a thousand waits for three seconds only.
    """
    key = hubs.hub_key(source.hub_id, source.salt)

    def record(event: DirectoryEvent | Ignored) -> bool:
        recorded = event_log.record_event(source.hub_id, event, body_hash, received_at)
        if recorded == "conflict":
            log.warning("event_quarantined", hub_id=source.hub_id, source_id=source.source_id, event_id=event.event_id)
        return recorded == "new"

    known = [
        placed(event, key.person_id(source.source_id, event.external_id) if isinstance(event, DirectoryEvent) else None)
        for event in events
    ]
    if len(known) <= FEW:
        return [event for event in known if record(event)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [event for event, is_new in zip(known, pool.map(record, known), strict=True) if is_new]
