"""Identifiers: ULIDs for what we create, and hashes for what must be found again."""

from __future__ import annotations

import hashlib
import re

from ulid import ULID

ULID_PATTERN = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
HASH_CHARS = 32
HASH_PATTERN = re.compile(rf"[0-9a-f]{{{HASH_CHARS}}}")
# What an event's id holds of its name, behind its place.
NAME_CHARS = 16
EVENT_PATTERN = re.compile(rf"[0-9a-f]{{{HASH_CHARS + NAME_CHARS}}}")
SHARDS = 16


def new_id() -> str:
    """Return a new ULID: 26 characters, sortable by time of creation."""
    return str(ULID())


def is_ulid(text: str) -> bool:
    """Tell whether the text has the form of a hub, source, plan, upload or export id."""
    return ULID_PATTERN.fullmatch(text) is not None


def is_hash(text: str) -> bool:
    """Tell whether the text has the form of a person, address or member id."""
    return HASH_PATTERN.fullmatch(text) is not None


def is_event_id(text: str) -> bool:
    """Tell whether the text has the form of an event's id."""
    return EVENT_PATTERN.fullmatch(text) is not None


def digest(*parts: str) -> str:
    """Return 32 hex characters (128 bits) of SHA-256 over the parts, unambiguous in where one part ends.

    For ids that must come out the same on every try; not for personal data (``privacy.hashing``).
    """
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hasher.update(f"{len(raw)}:".encode())
        hasher.update(raw)
    return hasher.hexdigest()[:HASH_CHARS]


def event_name(source_id: str, source_event_id: str) -> str:
    """Return what a directory event is called whoever it is about: of the source, and the source's own name for it."""
    return digest("event", source_id, source_event_id)


def event_id(name: str, person_id: str | None) -> str:
    """Return our id of a directory event: its place, which is the person, and the end of its name.

    One that is about nobody has its own name as its place. The id of an event gives the same again as its name does.
    """
    return (name if person_id is None else person_id)[:HASH_CHARS] + name[-NAME_CHARS:]


def split_event_id(event_id: str) -> tuple[str, str]:
    """Return an event's place and the end of its name."""
    return event_id[:HASH_CHARS], event_id[HASH_CHARS:]


def person_of(event_id: str) -> str | None:
    """Return whom an event is about, from its id; nothing for one that is about nobody."""
    place, name = split_event_id(event_id)
    return None if place.endswith(name) else place


def shard_of(identifier: str) -> int:
    """Return the shard (0..15) of the lists by hub that an id belongs to."""
    return hashlib.sha256(identifier.encode()).digest()[0] % SHARDS
