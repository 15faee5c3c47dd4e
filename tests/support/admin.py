"""The admin API as the gateway calls it: requests in payload format 2.0, with the claims of an admin's token."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from rollcall.api.app import handle

NOBODY: dict[str, str] = {}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def text(self) -> str:
        """The body as text."""
        return str(self.body or "")

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.text)


def claims_of(*groups: str, email: str = "ada.admin@example.com", subject: str = "subject-of-ada") -> dict[str, str]:
    """Return claims as an HTTP API hands on those of a Cognito ID token."""
    return {"sub": subject, "email": email, "email_verified": "true", "cognito:groups": f"[{' '.join(groups)}]"}


def call(
    method: str,
    path: str,
    claims: dict[str, Any] | None = None,
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    raw: bytes | None = None,
) -> Answer:
    """Call the API; ``body`` is sent as JSON, ``raw`` as it is, base64-encoded as the gateway sends binary bodies."""
    sent = {"content-type": "application/json", **(headers or {})}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": sent,
        "requestContext": {
            "domainName": "api.example.com",
            "stage": "$default",
            "http": {"method": method, "path": path},
            "authorizer": {"jwt": {"claims": claims, "scopes": None}} if claims else {},
        },
        "isBase64Encoded": raw is not None,
    }
    if query:
        event["queryStringParameters"] = query
    if raw is not None:
        event["body"] = base64.b64encode(raw).decode()
    elif body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    answer = handle(event, SimpleNamespace(aws_request_id="request", function_name="admin_api"))  # type: ignore[arg-type]
    return Answer(answer["statusCode"], {k.lower(): v for k, v in answer["headers"].items()}, answer.get("body"))
