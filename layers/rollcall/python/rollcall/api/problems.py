"""Errors as problem details (RFC 9457), the same for every route."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, Field

from rollcall.runtime.errors import Fault, MalformedError, RollcallError, TransientError, UnauthenticError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class ProblemFault(BaseModel):
    """One thing that is wrong with a request: where, a stable code, and what to do."""

    place: str
    code: str
    detail: str


class Problem(BaseModel):
    """Why a request was not carried out. A caller who is not authenticated learns nothing more than that."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    faults: list[ProblemFault] = Field(default_factory=list)


class NoRouteError(RollcallError):
    """There is no such path, or not with this method."""

    code = "no_such_route"
    status = 404
    title = "Not found"


class ContentTypeError(RollcallError):
    """The body is of a type that the route does not take."""

    code = "unsupported_content_type"
    status = 415
    title = "Unsupported content type"


def answer(error: RollcallError) -> Response[str]:
    """Return the HTTP answer to an error."""
    headers: dict[str, str | list[str]] = {}
    if isinstance(error, UnauthenticError):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        status_code=error.status, content_type=CONTENT_TYPE, body=json.dumps(error.to_problem()), headers=headers
    )


def from_validation(errors: Sequence[Mapping[str, Any]]) -> MalformedError:
    """Turn what pydantic found into faults; values that were sent are not repeated."""
    return MalformedError([_fault(error) for error in errors])


def _fault(error: Mapping[str, Any]) -> Fault:
    place = ".".join(str(part) for part in error["loc"])
    code = str(error["type"])
    message = str(error.get("msg", "This is not what is expected here")).removeprefix("Value error, ").rstrip(".")
    return Fault(place=place, code=code, detail=_IN_OUR_WORDS.get(code, f"{message}."))


_IN_OUR_WORDS = {
    "missing": "This is needed.",
    "extra_forbidden": "There is no such field: leave it out.",
    "string_too_short": "This is too short.",
    "string_unicode": "This text holds characters that are none: send it as UTF-8.",
    "string_pattern_mismatch": "This has not the form that is expected here.",
}
