"""HTTP → event log: a webhook of an HR system becomes durable events."""

from __future__ import annotations

import json
from typing import Any

from rollcall.runtime.errors import NotFoundError, RollcallError, TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import require
from rollcall.runtime.times import now
from rollcall.sources.receive import receive

require("HUBS_TABLE", "EVENTS_TABLE", "DIRECTORY_EVENTS_QUEUE_URL", "STACK_SECRET_ARN", "SOURCE_SECRETS_PREFIX")
TRY_AGAIN_SECONDS = "30"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take an HTTP API request (payload 2.0) and answer it; only our own trouble is a 5xx."""
    if event["requestContext"]["http"]["method"] != "POST":
        return _problem(NotFoundError())  # no connected system asks for a challenge
    path = event.get("pathParameters") or {}
    try:
        status, body = receive(
            path.get("hub_id", ""),
            path.get("source_id", ""),
            event.get("body") or "",
            event.get("headers") or {},
            now(),
            is_base64=event.get("isBase64Encoded", False),
        )
    except RollcallError as exc:
        return _problem(exc)
    except Exception as exc:  # noqa: BLE001 - a sender drops what it gets a 4xx for, and must not see our trace
        log.error("webhook_failed", **describe(exc))
        return _problem(TransientError())
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def _problem(exc: RollcallError) -> dict[str, Any]:
    headers = {"content-type": "application/problem+json"}
    if exc.status == TransientError.status:
        headers["retry-after"] = TRY_AGAIN_SECONDS
    return {"statusCode": exc.status, "headers": headers, "body": json.dumps(exc.to_problem())}
