"""HTTP → event log: a webhook of an HR system becomes durable events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollcall.runtime.errors import RollcallError, TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import require
from rollcall.runtime.times import now
from rollcall.sources.receive import answer_challenge, receive

if TYPE_CHECKING:
    from collections.abc import Mapping

require("HUBS_TABLE", "EVENTS_TABLE", "DIRECTORY_EVENTS_QUEUE_URL", "STACK_SECRET_ARN", "SOURCE_SECRETS_PREFIX")
TRY_AGAIN_SECONDS = "30"
NO_CONTENT = 204


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take an HTTP API request (payload 2.0) and answer it; only our own trouble is a 5xx."""
    path = event.get("pathParameters") or {}
    hub_id, source_id = path.get("hub_id", ""), path.get("source_id", "")
    headers = event.get("headers") or {}
    try:
        if event["requestContext"]["http"]["method"] != "POST":
            return _answer(200, answer_challenge(hub_id, source_id, headers, now()))
        body, is_base64 = event.get("body") or "", event.get("isBase64Encoded", False)
        return _answer(*receive(hub_id, source_id, body, headers, now(), is_base64=is_base64))
    except RollcallError as exc:
        return _problem(exc)
    except Exception as exc:  # noqa: BLE001 - a sender drops what it gets a 4xx for, and must not see our trace
        log.error("webhook_failed", **describe(exc))
        return _problem(TransientError())


def _answer(status: int, body: Mapping[str, object]) -> dict[str, Any]:
    if status == NO_CONTENT:
        return {"statusCode": status}
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def _problem(exc: RollcallError) -> dict[str, Any]:
    headers = {"content-type": "application/problem+json"}
    if exc.status == TransientError.status:
        headers["retry-after"] = TRY_AGAIN_SECONDS
    return {"statusCode": exc.status, "headers": headers, "body": json.dumps(exc.to_problem())}
