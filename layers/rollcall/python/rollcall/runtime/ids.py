"""Identifiers: ULIDs for what we create, and hashes for what must be found again."""

from __future__ import annotations

import hashlib
import re

from ulid import ULID

ULID_PATTERN = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
HASH_CHARS = 32
HASH_PATTERN = re.compile(rf"[0-9a-f]{{{HASH_CHARS}}}")
SHARDS = 16


def new_id() -> str:
    """Return a new ULID: 26 characters, sortable by time of creation."""
    return str(ULID())


def is_ulid(text: str) -> bool:
    """Tell whether the text has the form of a hub, source, plan, upload or export id."""
    return ULID_PATTERN.fullmatch(text) is not None


def is_hash(text: str) -> bool:
    """Tell whether the text has the form of a person, address, member or event id."""
    return HASH_PATTERN.fullmatch(text) is not None


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


def event_id(source_id: str, source_event_id: str) -> str:
    """Return our id of a directory event, from the source and the name the source gives the event."""
    return digest("event", source_id, source_event_id)


def shard_of(identifier: str) -> int:
    """Return the shard (0..15) of the lists by hub that an id belongs to."""
    return hashlib.sha256(identifier.encode()).digest()[0] % SHARDS
