"""Sources that say only who, in a hub on moto, with a vendor-like server beside them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Source
from rollcall.people import event_log, store
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.sync import apply_event
from rollcall.runtime import clients
from rollcall.runtime.ids import event_id, event_name
from rollcall.runtime.settings import env
from rollcall.runtime.times import to_text
from rollcall.sources.store import change_pace
from tests.support.aws import stack
from tests.support.vendor_server import BAMBOOHR_CREDENTIALS, FINCH_CREDENTIALS, VendorServer, vendor_server
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from rollcall.people.model import LoggedEvent

SOURCES = {"finch": "01JA0000000000000000000FNC", "bamboohr": "01JA0000000000000000000BMB"}
CREDENTIALS = {"finch": FINCH_CREDENTIALS, "bamboohr": BAMBOOHR_CREDENTIALS}
RECEIVED = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)


@contextmanager
def thin_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, VendorServer]]:
    """Run with a hub whose Finch and BambooHR sources have credentials, and with the server they are asked at."""
    with vendor_server(VendorServer()) as server:
        monkeypatch.setenv("STAGE", "local")
        monkeypatch.setenv("VENDOR_API_BASE", server.url)
        server.add_finch("E-1", "priya.raman@example.com")
        server.add_bamboohr("100", "aiko.tanaka@example.com")
        with stack():
            world = World().build()
            for provider, credentials in CREDENTIALS.items():
                connect(world, provider, credentials)
            yield world, server


def connect(world: World, provider: str, credentials: dict[str, str], **more: Any) -> None:
    """Connect a source, or connect it anew."""
    source = Source(world.hub.hub_id, SOURCES[provider], provider, provider, world.hub.salt, **more)
    held = hubs.get_source(source.hub_id, source.source_id)
    if held is None:
        held = hubs.create_source(source, "a secret that is long enough")
    ring = hubs.get_keyring(held).with_credentials(credentials)
    changed = replace(source, keyring_version=held.keyring_version, version=held.version)
    hubs.update_source(changed, seen=held.version, keyring=ring)


def thin(world: World, provider: str, name: str, person: str, kind: Kind = Kind.UPDATED) -> DirectoryEvent:
    """Return an event that says only who."""
    source_id = SOURCES[provider]
    identifier = event_id(event_name(source_id, name), world.key.person_id(source_id, person))
    return DirectoryEvent(identifier, source_id, person, kind, to_text(RECEIVED), look=True)


def tell(world: World, event: DirectoryEvent) -> LoggedEvent:
    """Record and apply an event, and return what the log says of it."""
    event_log.record_event(world.hub.hub_id, event, "hash", RECEIVED)
    return apply(world, event)


def apply(world: World, event: DirectoryEvent) -> LoggedEvent:
    """Apply a recorded event."""
    apply_event(world.hub.hub_id, event.event_id)
    logged = event_log.get_event(world.hub.hub_id, event.event_id)
    assert logged is not None
    return logged


def person(world: World, provider: str, name: str) -> Any:
    """Return a person, or nothing."""
    key = hubs.hub_key(world.hub.hub_id, world.hub.salt)
    record = store.get_person(world.hub.hub_id, key.person_id(SOURCES[provider], name))
    return record.person if record else None


def rest(world: World, provider: str) -> None:
    """Let the time pass that a source was to be left alone."""
    change_pace(world.hub.hub_id, SOURCES[provider], lambda pace: replace(pace, rest_until=0.0, line_until=0.0))


def delayed() -> int:
    """Return how many messages are on their way with a delay."""
    answer = clients.sqs().get_queue_attributes(
        QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"), AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessagesDelayed"])
