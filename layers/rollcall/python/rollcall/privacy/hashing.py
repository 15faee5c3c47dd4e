"""Keyed hashes: the keys that persons, addresses and invitations lie at. Pure.

The hub's key is HMAC-SHA-256 of the stack's secret over the hub's salt, so that nobody can tell from a table whether
somebody is in it, and destroying the salt makes what is left of a hub unreadable.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubKey:
    """The key of one hub. Its ``repr`` does not show it."""

    _secret: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "HubKey(...)"

    def person_id(self, source_id: str, external_id: str) -> str:
        """Return the id of what a source says about somebody: 32 hex characters."""
        return self._hash("person", source_id, external_id)

    def address_id(self, normalised_email: str) -> str:
        """Return the id of an e-mail address, given as ``privacy.emails.normalise_email`` returns it."""
        return self._hash("address", normalised_email)

    def member_id(self, address_id: str, epoch: int) -> str:
        """Return the id of the member that an invitation makes when it is accepted: the same on every try."""
        return self._hash("member", address_id, str(epoch))

    def imported_member_id(self, address_id: str, plan_id: str) -> str:
        """Return the id of the member that a plan makes at an address: the same on every try."""
        return self._hash("member", address_id, plan_id)

    def mac(self, *parts: str) -> bytes:
        """Return 16 bytes that prove that we wrote the parts."""
        return self._digest("mac", *parts)[:16]

    def _hash(self, *parts: str) -> str:
        return self._digest(*parts).hex()[:32]

    def _digest(self, *parts: str) -> bytes:
        raw = [part.encode("utf-8", "surrogatepass") for part in parts]
        return hmac.digest(self._secret, b"".join([b"%d:%b" % (len(part), part) for part in raw]), "sha256")


def derive(stack_secret: str, salt: str) -> HubKey:
    """Return the key of the hub with this salt."""
    return HubKey(hmac.new(stack_secret.encode(), salt.encode(), hashlib.sha256).digest())
