"""The link of an invitation: hub id, address id and epoch with a proof that we wrote them. Pure; nothing is stored.

The same invitation has the same link in every reminder; a new epoch or a revoked invitation makes it void.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollcall.runtime.ids import is_hash, is_ulid

if TYPE_CHECKING:
    from rollcall.privacy.hashing import HubKey

_MAC_BYTES = 16
_MAX_TOKEN = 200
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says, before its proof is checked."""

    hub_id: str
    address_id: str
    epoch: int
    proof: bytes


def make_token(key: HubKey, hub_id: str, address_id: str, epoch: int) -> str:
    """Return the token of an invitation: URL-safe text of about 100 characters."""
    text = f"{hub_id}.{address_id}.{epoch}".encode()
    proof = key.mac("invitation", hub_id, address_id, str(epoch))
    return base64.urlsafe_b64encode(text + proof).rstrip(b"=").decode()


def make_url(base_url: str, token: str) -> str:
    """Return the address of the page that the token opens."""
    return f"{base_url.rstrip('/')}/invitations/{token}"


def read_token(token: str) -> Claim | None:
    """Return what a token says, or nothing if it has not the form of one."""
    if len(token) > _MAX_TOKEN or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        hub_id, address_id, epoch = raw[:-_MAC_BYTES].decode("ascii").split(".")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    if not (
        is_ulid(hub_id) and is_hash(address_id) and epoch.isascii() and epoch.isdigit() and len(epoch) <= _MAX_DIGITS
    ):
        return None
    return Claim(hub_id, address_id, int(epoch), raw[-_MAC_BYTES:])


def is_genuine(claim: Claim, key: HubKey) -> bool:
    """Tell whether we wrote the token."""
    expected = key.mac("invitation", claim.hub_id, claim.address_id, str(claim.epoch))
    return hmac.compare_digest(expected, claim.proof)
