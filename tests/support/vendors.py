"""Signs deliveries with the vendors' own packages, never with our code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standardwebhooks import Webhook
from workos.actions import _compute_signature

if TYPE_CHECKING:
    from datetime import datetime

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORKOS_SECRET = "wrk_secret_for_tests_only"


def sign_standard(body: bytes, at: datetime, name: str = "msg_1", secret: str = STANDARD_SECRET) -> dict[str, str]:
    """Return the headers of a Standard Webhooks delivery."""
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, at, body.decode()),
    }


def sign_workos(body: bytes, at: datetime, secret: str = WORKOS_SECRET) -> dict[str, str]:
    """Return the headers of a WorkOS delivery."""
    stamp = str(int(at.timestamp() * 1000))
    return {"workos-signature": f"t={stamp}, v1={_compute_signature(f'{stamp}.{body.decode()}', secret)}"}
