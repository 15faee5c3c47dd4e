"""The admin API: routes of all capabilities, checked before anything else happens, every error a problem."""

from __future__ import annotations

import binascii
import inspect
import json
from typing import TYPE_CHECKING, Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoSuchRoute
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)

from rollcall.activity import api as activity
from rollcall.api import auth, problems
from rollcall.api import openapi as document
from rollcall.exports import api as exports
from rollcall.hubs import api as hubs
from rollcall.hubs import sources_api as sources
from rollcall.invitations import api as invitations
from rollcall.mail import api as mail
from rollcall.mapping import api as mapping
from rollcall.members import api as members
from rollcall.people import api as people
from rollcall.people import collisions_api as collisions
from rollcall.plans import api as plans
from rollcall.privacy import api as privacy
from rollcall.runtime.errors import Fault, MalformedError, RollcallError
from rollcall.runtime.observability import describe, log
from rollcall.segments import api as segments
from rollcall.segments import usage_api as usage
from rollcall.uploads import api as uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder, Route
    from aws_lambda_powertools.utilities.typing import LambdaContext

CAPABILITIES = (
    hubs,
    sources,
    people,
    collisions,
    members,
    segments,
    usage,
    mapping,
    exports,
    uploads,
    plans,
    invitations,
    mail,
    activity,
    privacy,
)


class AdminResolver(APIGatewayHttpResolver):
    """Powertools' resolver, which asks who is calling before it looks at what they sent.

    Its own middlewares run after validation, so that a stranger would learn which bodies are valid.
    """

    def __init__(self) -> None:
        super().__init__(
            enable_validation=True, response_validation_error_http_code=500, json_body_deserializer=read_json
        )
        self.declared: list[document.Declared] = []

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
                self.declared.append(document.Declared(name, path, requirement, said))
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


def make_app() -> AdminResolver:
    """Return the API with all its routes."""
    app = AdminResolver()
    for capability in CAPABILITIES:
        app.include_router(capability.router)

    @app.get("/health", summary="Whether the API answers", tags=["Public"])
    @auth.public
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/openapi.json", summary="This document", tags=["Public"])
    @auth.public
    def openapi() -> dict[str, Any]:
        return document.make_document(app, app.declared)

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
        _app = make_app()
    answer = _app.resolve(event, context)
    answer["body"] = answer.get("body") or ""  # not every gateway takes null for nothing
    answer.setdefault("headers", {}).update({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
    return answer
