"""Signs deliveries with the vendors' own packages, never with our code.

Where a vendor publishes no package, the signature is made here in plain HMAC after its documentation; those functions
say *unverified*, since nothing of the vendor's has confirmed them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import svix
from standardwebhooks import Webhook
from workos.actions import _compute_signature

if TYPE_CHECKING:
    from datetime import datetime

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORKOS_SECRET = "wrk_secret_for_tests_only"
FINCH_SECRET = "5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"
MERGE_SECRET = "merge-signature-key-for-tests"
BAMBOOHR_SECRET = "123b929362d51613054f71e5e5d4bf2c"
OKTA_SECRET = "okta-hook-secret-for-tests"
FORM = "application/x-www-form-urlencoded"


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


def sign_svix(body: bytes, at: datetime, name: str = "msg_1", secret: str = STANDARD_SECRET) -> dict[str, str]:
    """Return the headers of a delivery through Svix."""
    return {
        "svix-id": name,
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": svix.Webhook(secret).sign(name, at, body.decode()),
    }


def sign_finch(body: bytes, at: datetime, name: str = "msg_1", secret: str = FINCH_SECRET) -> dict[str, str]:
    """Return the headers of a Finch delivery: its own package only verifies, the scheme is Standard Webhooks'."""
    return {
        "finch-event-id": name,
        "finch-timestamp": str(int(at.timestamp())),
        "finch-signature": Webhook(secret).sign(name, at, body.decode()),
    }


def sign_merge(body: bytes, _at: datetime, secret: str = MERGE_SECRET) -> dict[str, str]:
    """Return the header of a Merge delivery. Unverified."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-merge-webhook-signature": base64.urlsafe_b64encode(digest).decode()}


def sign_bamboohr(body: bytes, at: datetime | str, secret: str = BAMBOOHR_SECRET) -> dict[str, str]:
    """Return the headers of a BambooHR delivery, its timestamp in seconds or as the text that is given. Unverified."""
    timestamp = at if isinstance(at, str) else str(int(at.timestamp()))
    signature = hmac.new(secret.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()
    return {"x-bamboohr-timestamp": timestamp, "x-bamboohr-signature": signature}


def sign_okta(_body: bytes, _at: datetime, secret: str = OKTA_SECRET) -> dict[str, str]:
    """Return the header of an Okta event hook: the secret itself."""
    return {"authorization": secret}
