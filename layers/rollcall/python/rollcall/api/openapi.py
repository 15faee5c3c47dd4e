"""The OpenAPI 3.1 document: generated from the routes, with what Powertools does not know of.

That is: problem details in place of its own errors, who may call what, and the public routes that two other functions
of the stack answer (webhooks, invitation pages).
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from rollcall.api.problems import CONTENT_TYPE, Problem
from rollcall.people.events import Kind
from rollcall.sources.receive import MAX_BODY
from rollcall.sources.registry import PROVIDERS
from rollcall.sources.standard import MAX_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

    from rollcall.api.routing import Declared

Json = dict[str, Any]


TITLE = "Rollcall"
VERSION = "0.1.0"
DESCRIPTION = (
    "Keeps a membership hub in step with an HR system. Times are RFC 3339 in UTC with milliseconds, ids are opaque. "
    "Errors are problem details (RFC 9457) with a stable `code`."
)
BEARER = "bearer"
_REF = "#/components/schemas/"
_NOT_OURS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
_WEBHOOK = "/hubs/{hub_id}/sources/{source_id}/events"
_INVITATION = "/invitations/{token}"
_OPTIONS = "/hubs/{hub_id}/segments/{segment_id}/options"
_PROBLEMS = {
    "400": "The request has faults; all of them are listed.",
    "401": "No valid token.",
    "403": "Not allowed, or no such hub.",
    "404": "No such thing in this hub.",
}


def make_document(app: APIGatewayHttpResolver, declared: Iterable[Declared]) -> Json:
    """Return the whole document.

    Parameters
    ----------
    declared
        Every route of ``app``.
    """
    made: Json = json.loads(app.get_openapi_json_schema(title=TITLE, version=VERSION, description=DESCRIPTION))
    schemas: Json = made.setdefault("components", {}).setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    schemas |= _problem_schemas()
    made["components"]["securitySchemes"] = {
        BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "ID token of an admin."}
    }
    for route in declared:
        _complete(made["paths"][route.path][route.method.lower()], route)
    made["paths"][_OPTIONS]["post"]["requestBody"] = _options_body(schemas)
    for path, operations in public_paths().items():
        made["paths"].setdefault(path, {}).update(operations)
    made["paths"] = dict(sorted(made["paths"].items()))
    return made


def _complete(operation: Json, route: Declared) -> None:
    """Say what it does, who may call, and which errors there are."""
    responses, requirement = operation["responses"], route.requirement
    operation["description"] = route.said
    for status in ("422", "500"):
        responses.pop(status, None)
    if requirement.is_public:
        operation["security"] = []
    else:
        operation["security"] = [{BEARER: []}]
        who = "platform admin" if requirement.is_platform else " or ".join(str(one) for one in requirement.any_of)
        operation["x-permission"] = who
        operation["description"] = f"{route.said}\n\nPermission: {who}.".strip()
        for status, text in _PROBLEMS.items():
            responses[status] = _problem(text)
    responses["default"] = _problem("Any other error.")


def _problem(text: str) -> Json:
    return {"description": text, "content": {CONTENT_TYPE: {"schema": {"$ref": f"{_REF}Problem"}}}}


@cache
def _problem_schemas() -> Json:
    schema = Problem.model_json_schema(ref_template=f"{_REF}{{model}}")
    inner: Json = schema.pop("$defs", {})
    return {"Problem": schema, **inner}


def _options_body(schemas: Json) -> Json:
    schemas["NewOptions"] = {
        "type": "object",
        "title": "NewOptions",
        "required": ["options"],
        "additionalProperties": False,
        "properties": {"options": {"type": "array", "items": {"type": "string"}}},
    }
    return {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "London\nToronto\n"},
            "application/json": {"schema": {"$ref": f"{_REF}NewOptions"}},
        },
    }


def public_paths() -> Json:
    """Return the paths that other functions of the stack answer."""
    return {
        _WEBHOOK: {"post": _post_webhook(), "get": _get_webhook()},
        _INVITATION: {"get": _page("lookAtInvitation", "The page of an invitation; looking changes nothing", [])},
        f"{_INVITATION}/accept": {"post": _page("acceptInvitation", "Accept an invitation", ["410"])},
        f"{_INVITATION}/decline": {"post": _page("declineInvitation", "Decline an invitation", ["410"])},
        f"{_INVITATION}/unsubscribe": {
            "get": _page("lookAtUnsubscribing", "The page that offers to stop reminders; looking changes nothing", []),
            "post": _page("unsubscribe", "Stop the reminders (RFC 8058)", []),
        },
    }


def _parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _post_webhook() -> Json:
    counts = {
        "type": "object",
        "required": ["accepted", "ignored"],
        "properties": {"accepted": {"type": "integer"}, "ignored": {"type": "integer"}},
    }
    taken = {"description": "Taken, and safely kept.", "content": {"application/json": {"schema": counts}}}
    event = {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "type": {"enum": [f"person.{kind}" for kind in Kind]},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "required": ["external_id"],
                "properties": {
                    "external_id": {"type": "string"},
                    "email": {"type": ["string", "null"]},
                    "first_name": {"type": ["string", "null"]},
                    "last_name": {"type": ["string", "null"]},
                    "attributes": {"type": "object"},
                    "complete": {"type": "boolean", "default": False},
                },
            },
        },
    }
    body = {"oneOf": [event, {"type": "array", "items": event, "maxItems": MAX_EVENTS}]}
    return {
        "summary": "The webhook of a source",
        "description": (
            f"Signed as the HR system does it ({', '.join(PROVIDERS)}); at most {MAX_BODY // 1024} KiB. "
            "Shown is the body of a `standard` source; others send their own."
        ),
        "operationId": "receiveEvents",
        "tags": ["Public"],
        "security": [],
        "parameters": [_parameter("hub_id"), _parameter("source_id")],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": taken,
            "202": taken,
            "204": {"description": "Taken, where the system wants an empty answer."},
            "400": _problem("Not JSON or of the wrong shape; every fault is listed."),
            "401": _problem("The signature is missing, wrong or too old."),
            "404": _problem("No such source."),
            "413": _problem("Too large."),
            "503": _problem("Not taken: send it again."),
        },
    }


def _get_webhook() -> Json:
    return {
        "summary": "Prove once that the address of a webhook is ours",
        "operationId": "verifyWebhook",
        "tags": ["Public"],
        "security": [],
        "parameters": [_parameter("hub_id"), _parameter("source_id")],
        "responses": {
            "200": {"description": "The answer to the challenge."},
            "401": _problem("The secret is missing or wrong."),
            "404": _problem("No such source, or one that does not ask."),
        },
    }


def _page(operation_id: str, summary: str, more: list[str]) -> Json:
    page = {"text/html": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}}
    texts = {"200": "Done.", "404": "No such link.", "410": "The invitation is over.", "503": "Try again."}
    return {
        "summary": summary,
        "operationId": operation_id,
        "tags": ["Public"],
        "security": [],
        "parameters": [_parameter("token")],
        "responses": {
            status: {"description": texts[status], "content": page} for status in ("200", "404", *more, "503")
        },
    }
