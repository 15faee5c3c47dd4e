"""Tokens that must not open a hub: of an admin of another hub, of somebody without a hub, and one out of date."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from demo.hub_client import new_hub

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIFE_SECONDS = 3600


def read_claims(token: str) -> dict[str, Any]:
    """Return what a token says, unchecked."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def with_claims(token: str, claims: dict[str, Any]) -> str:
    """Return the token with other claims and the old signature, which no longer fits."""
    head, _, signature = token.split(".")
    return f"{head}.{_encode(json.dumps(claims).encode())}.{signature}"


def ended(token: str, seconds_ago: int, *, state: Path, pool_id: str) -> str:
    """Return the token as the pool would have issued it earlier, so that it ended ``seconds_ago`` (negative: lives on).

    It is signed with the pool's own key, which the emulator keeps in its state folder: an app client whose tokens live
    for seconds would be another audience, which is refused for that alone.
    """
    claims = read_claims(token)
    end = int(time.time()) - seconds_ago
    start = end - LIFE_SECONDS
    head = token.split(".", maxsplit=1)[0]
    body = _encode(json.dumps({**claims, "iat": start, "auth_time": start, "exp": end}).encode())
    key = load_pem_private_key((state / "tmp/state/cognito-pool-keys" / f"{pool_id}-id.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    signature = key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{body}.{_encode(signature)}"


def renewed(token: str, *, state: Path, pool_id: str) -> str:
    """Return the token as the pool would issue it now, for what takes longer than a token lives."""
    return ended(token, -LIFE_SECONDS, state=state, pool_id=pool_id)


def of_another_hub(stack: dict[str, Any], folder: Path) -> str:
    """Return a valid token of an admin of a hub made for this."""
    admin = f"other-{uuid.uuid4().hex[:8]}@example.com"
    return str(new_hub(stack, folder, "Another hub", admin)["admin_token"])


def of_no_hub(stack: dict[str, Any], aws_client: Callable[[str], Any]) -> str:
    """Return a valid token of somebody who can log in and is in no group."""
    return _of_somebody_new(stack, aws_client, "nobody")


def of_another_admin(stack: dict[str, Any], aws_client: Callable[[str], Any], hub_id: str) -> str:
    """Return a valid token of one more admin of a hub."""
    return _of_somebody_new(stack, aws_client, "second", f"{hub_id}:admin")


def _of_somebody_new(stack: dict[str, Any], aws_client: Callable[[str], Any], name: str, *groups: str) -> str:
    cognito, pool = aws_client("cognito-idp"), stack["user_pool_id"]
    email, password = f"{name}-{uuid.uuid4().hex[:8]}@example.com", f"aA1{secrets.token_hex(12)}"
    cognito.admin_create_user(UserPoolId=pool, Username=email, TemporaryPassword=password, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    for group in groups:
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=group)
    answer = cognito.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=stack["client_id"],
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
