"""The admin API: routes of all capabilities, checked before anything else happens, every error a problem."""

from __future__ import annotations

import binascii
import inspect
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoSuchRoute
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)

from rollcall.api import auth, problems
from rollcall.api.routing import Declared
from rollcall.runtime.errors import Fault, MalformedError, RollcallError
from rollcall.runtime.observability import describe, log

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder, Route
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Which module has the routes of a path behind /hubs/{hub_id}: by its words without the ids between them, or else by the
# first. A module is loaded when the first request for it comes, so that a cold start pays for what it answers.
CAPABILITIES = {
    "": "hubs.api",
    "admins": "hubs.api",
    "sources": "hubs.sources_api",
    "people": "people.api",
    "people/data": "privacy.api",
    "people/erase": "privacy.api",
    "events": "people.api",
    "replays": "people.api",
    "collisions": "people.collisions_api",
    "members": "members.api",
    "members/activity": "activity.api",
    "members/erase": "privacy.api",
    "members/restore": "privacy.api",
    "roles": "segments.api",
    "roles/usage": "segments.usage_api",
    "segments": "segments.api",
    "segments/usage": "segments.usage_api",
    "mapping": "mapping.api",
    "exports": "exports.api",
    "uploads": "uploads.api",
    "plans": "plans.api",
    "invitations": "invitations.api",
    "mail-preview": "mail.api",
    "activity": "activity.api",
    "erasures": "privacy.api",
}


def capability_of(path: str) -> str | None:
    """Return the module that has the routes of a path, if any has."""
    root, *words = path.strip("/").split("/")
    if root != "hubs":
        return None
    words = words[1:] or [""]
    return CAPABILITIES.get("/".join(words[::2])) or CAPABILITIES.get(words[0])


class AdminResolver(APIGatewayHttpResolver):
    """Powertools' resolver, which asks who is calling before it looks at what they sent.

    Its own middlewares run after validation, so that a stranger would learn which bodies are valid.
    """

    def __init__(self) -> None:
        super().__init__(
            enable_validation=True, response_validation_error_http_code=500, json_body_deserializer=read_json
        )
        self.declared: list[Declared] = []
        self._loaded: set[str] = set()

    def load(self, *capabilities: str) -> None:
        """Add the routes of modules, those that are not there yet."""
        for name in capabilities:
            if name not in self._loaded:
                self.include_router(import_module(f"rollcall.{name}").router)
                self._loaded.add(name)

    def route(self, rule: str, method: str | list[str] | tuple[str], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as Powertools
        """Add a route that has declared what it needs."""
        register = super().route(rule, method, *args, **kwargs)

        def declare(endpoint: Callable[..., Any]) -> Any:  # noqa: ANN401 - as Powertools has it
            requirement = auth.requirement_of(endpoint)
            if requirement is None:
                msg = f"{method} {rule} does not say who may call it"
                raise TypeError(msg)
            path = rule.replace("<", "{").replace(">", "}")
            said = inspect.getdoc(endpoint) or ""
            for name in [method] if isinstance(method, str) else method:
                self.declared.append(Declared(name, path, requirement, said))
            return register(endpoint)

        return declare

    def _call_route(self, route: Route, route_arguments: dict[str, str]) -> ResponseBuilder:  # type: ignore[type-arg]
        try:
            requirement = auth.requirement_of(route.func)
            if requirement is not None:
                auth.check(requirement, self.current_event.raw_event, route_arguments.get("hub_id"))
                self._check_text()
        except Exception as exc:
            refused = self._call_exception_handler(exc, route)
            if refused is None:
                raise
            return refused
        return super()._call_route(route, route_arguments)

    def _check_text(self) -> None:
        try:
            _ = self.current_event.decoded_body
        except (UnicodeDecodeError, binascii.Error) as exc:
            raise MalformedError([Fault("body", "not_utf8", "Send the body as UTF-8 text.")]) from exc


def read_json(text: str) -> dict[str, Any]:
    """Read the JSON object of a body; stricter than Python, which takes ``NaN``.

    Raises
    ------
    MalformedError
        If it is not one JSON object.
    """
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise MalformedError([Fault("body", "not_json", "Send the body as one JSON object.")]) from exc
    if not isinstance(found, dict):
        raise MalformedError([Fault("body", "not_an_object", "Send the body as one JSON object.")])
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def whole_app() -> AdminResolver:
    """Return the API with all its routes."""
    app = _make_app()
    app.load(*CAPABILITIES.values())
    return app


def _make_app() -> AdminResolver:
    app = AdminResolver()

    @app.get("/health", summary="Whether the API answers", tags=["Public"])
    @auth.public
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/openapi.json", summary="This document", tags=["Public"])
    @auth.public
    def openapi() -> dict[str, Any]:
        app.load(*CAPABILITIES.values())
        made: dict[str, Any] = import_module("rollcall.api.openapi").make_document(app, app.declared)
        return made

    handlers: dict[type[Exception], Callable[[Any], Response[str]]] = {
        RollcallError: _refused,
        RequestValidationError: _malformed,
        RequestUnsupportedContentType: _unsupported,
        NoSuchRoute: _unknown,
        Exception: _failed,
    }
    for kind, answer in handlers.items():
        app.exception_handler(kind)(answer)
    return app


def _refused(error: RollcallError) -> Response[str]:
    if error.status >= 500:  # noqa: PLR2004 - our own trouble
        log.error("request_failed", **describe(error) | {"code": error.code})
    return problems.answer(error)


def _malformed(error: RequestValidationError) -> Response[str]:
    return problems.answer(problems.from_validation(error.errors()))


def _unsupported(_: RequestUnsupportedContentType) -> Response[str]:
    return problems.answer(problems.ContentTypeError("Send the body as JSON, with content type application/json."))


def _unknown(_: NoSuchRoute) -> Response[str]:
    return problems.answer(problems.NoRouteError("There is no such address, or not with this method."))


def _failed(error: Exception) -> Response[str]:
    log.error("request_failed", **describe(error))
    return problems.answer(RollcallError())


_app: AdminResolver | None = None


def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload 2.0). Answers are never kept by caches: they are about people."""
    global _app  # noqa: PLW0603 - made once in a warm function
    if _app is None:
        _app = _make_app()
    if name := capability_of(event["rawPath"]):
        _app.load(name)
    answer = _app.resolve(event, context)
    answer["body"] = answer.get("body") or ""  # not every gateway takes null for nothing
    answer.setdefault("headers", {}).update({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
    return answer
