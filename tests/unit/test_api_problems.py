from __future__ import annotations

import json

import pytest

from rollcall.api.app import read_json
from rollcall.api.problems import CONTENT_TYPE, Problem, answer, from_validation
from rollcall.runtime import errors
from rollcall.runtime.errors import Fault, MalformedError, RollcallError, TransientError, UnauthenticError


@pytest.mark.parametrize(
    "error",
    [
        kind([Fault("body.name", "missing", "This is needed.")]) if kind is MalformedError else kind()
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, RollcallError)
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_is_answered_as_the_problem_that_the_document_describes(error: RollcallError) -> None:
    """Status, content type and shape are those of RFC 9457 and of the OpenAPI document."""
    response = answer(error)
    assert (response.status_code, response.content_type) == (error.status, CONTENT_TYPE)
    problem = Problem.model_validate(json.loads(response.body or ""))
    assert (problem.status, problem.code) == (error.status, error.code)


def test_who_is_not_authenticated_learns_how_to_log_in_and_nothing_more() -> None:
    """RFC 9110 wants the scheme; the reason is nobody's business."""
    response = answer(UnauthenticError("the token is from yesterday"))
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "yesterday" not in (response.body or "")


def test_our_own_trouble_says_when_to_come_again() -> None:
    """A passing trouble carries Retry-After in seconds."""
    assert int(str(answer(TransientError()).headers["Retry-After"])) > 0


def test_validation_fault_names_its_place_and_not_the_value() -> None:
    """What was sent is not repeated: it may be about a person."""
    found = [{"loc": ("body", "items", 0, "email"), "type": "missing", "msg": "Field required", "input": "secret"}]
    (fault,) = from_validation(found).faults
    assert fault == Fault("body.items.0.email", "missing", "This is needed.")


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "1", "NaN", '{"a": Infinity}', "[" * 100_000, "null"])
def test_text_that_is_no_json_object_is_malformed(text: str) -> None:
    """Only one JSON object is a body."""
    with pytest.raises(MalformedError):
        read_json(text)


def test_json_object_is_read_as_it_is() -> None:
    """Names in any script come through."""
    assert read_json('{"name": "Łukasz"}') == {"name": "Łukasz"}
