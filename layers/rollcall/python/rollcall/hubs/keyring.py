"""What only a source and its vendor know: webhook secrets, two of them live during a rotation, and credentials. Pure.

It is kept in Secrets Manager as JSON, ``{"secrets": [...], "credentials": {...}}``, newest secret first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Self

MAX_LIVE = 4


@dataclass(frozen=True, slots=True)
class Secret:
    """One webhook secret.

    Attributes
    ----------
    secret_id
        Names it without telling it.
    created_at, expires_at
        RFC 3339 text. After ``expires_at`` it verifies nothing; ``None``: it lives until it is replaced.
    """

    secret_id: str
    text: str = field(repr=False)
    created_at: str | None = None
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secrets of a source, newest first, and what Rollcall logs in to the vendor's API with."""

    secrets: tuple[Secret, ...]
    credentials: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a keyring; secrets of the first form were plain strings."""
        stored: dict[str, Any] = json.loads(text)
        secrets = [
            Secret(f"first-{number}", entry) if isinstance(entry, str) else Secret(**entry)
            for number, entry in enumerate(stored["secrets"])
        ]
        return cls(tuple(secrets), dict(stored.get("credentials", {})))

    def to_text(self) -> str:
        """Return the keyring as it is kept."""
        names = ("secret_id", "text", "created_at", "expires_at")
        secrets = [{name: getattr(secret, name) for name in names} for secret in self.secrets]
        return json.dumps({"secrets": secrets, "credentials": self.credentials})

    def live(self, at: str) -> tuple[Secret, ...]:
        """Return the secrets that verify deliveries at a time, newest first."""
        return tuple(secret for secret in self.secrets if secret.expires_at is None or at < secret.expires_at)

    def rotated(self, new: Secret, *, old_until: str) -> Self:
        """Return the keyring with a new secret in front; those before live until ``old_until`` at the longest.

        Secrets that are over go. All others stay, however many rotations there were: which of them the sender signs
        with cannot be known, for instance when the answer to a rotation got lost.
        """
        made = str(new.created_at)
        kept = [
            replace(secret, expires_at=min(filter(None, (secret.expires_at, old_until)))) for secret in self.live(made)
        ]
        return replace(self, secrets=(new, *(secret for secret in kept if str(secret.expires_at) > made)))

    def without(self, secret_id: str) -> Self:
        """Return the keyring without one of its secrets."""
        return replace(self, secrets=tuple(secret for secret in self.secrets if secret.secret_id != secret_id))

    def with_credentials(self, credentials: dict[str, str]) -> Self:
        """Return the keyring with other credentials."""
        return replace(self, credentials=dict(credentials))
