from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.hubs.model import PERMISSIONS
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import new_id
from tests.support.admin import NOBODY, call, claims_of
from tests.support.examples import examples
from tests.support.world import SOURCE, World

IDS = {
    "hub_id": "",
    "source_id": "01JA0000000000000000000SRC",
    "person_id": "0" * 32,
    "member_id": "0" * 32,
    "event_id": "0" * 48,
    "plan_id": "0" * 32,
    "invitation_id": "0" * 32,
    "segment_id": "location",
    "role_id": "mentor",
    "option_id": "london",
    "into": "toronto",
    "version": "1",
    "upload_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "export_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "secret_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "erasure_id": "0" * 32,
    "replay_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "token": "token",
}


def document() -> dict[str, Any]:
    found: dict[str, Any] = call("GET", "/openapi.json").json
    return found


def protected() -> list[tuple[str, str, str]]:
    """Return method, path and permission of every route that wants a token, as the OpenAPI document has them."""
    return [
        (method.upper(), path, operation["x-permission"])
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if operation["security"]
    ]


def filled(path: str, hub_id: str) -> str:
    return path.format(**{**IDS, "hub_id": hub_id})


def everything_stored() -> list[Any]:
    tables = ("Hubs", "Events", "People", "Members", "Invitations", "Mail", "Plans")
    return [clients.dynamodb().scan(TableName=f"test-{table}")["Items"] for table in tables]


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        (NOBODY, 401),
        ({"email": "ada.admin@example.com", "cognito:groups": "[platform:admin]"}, 401),
        (claims_of(), 403),
        (claims_of("01ARZ3NDEKTSV4RRFFQ69G5FAV:admin"), 403),
        (claims_of("admin", ":admin", "*:admin", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), 403),
    ],
    ids=["no claims", "no subject", "no hub", "another hub", "odd groups"],
)
def test_every_admin_endpoint_without_the_hubs_group_refuses(world: World, claims: dict[str, str], status: int) -> None:
    """Walks the OpenAPI document: without the hub's group nothing is answered, read or written."""
    before = everything_stored()
    routes = protected()
    assert len(routes) >= 38
    answers = {
        (method, path): call(method, filled(path, world.hub.hub_id), claims, {} if method != "GET" else None)
        for method, path, _ in routes
    }
    assert {route: answer.status for route, answer in answers.items()} == dict.fromkeys(answers, status)
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/problem+json"}
    assert everything_stored() == before


def test_hub_that_does_not_exist_is_answered_like_one_of_others(world: World) -> None:
    """Nobody can tell from answers which hubs exist, not even with a group of a hub that does not."""
    mine = claims_of(f"{world.hub.hub_id}:admin")
    gone = new_id()
    for method, path, _ in protected():
        if "{hub_id}" not in path:
            continue
        body: dict[str, str] | None = {} if method != "GET" else None
        of_others = call(method, filled(path, new_id()), mine, body)
        of_none = call(method, filled(path, gone), claims_of(f"{gone}:admin"), body)
        assert (of_others.status, of_others.json) == (of_none.status, of_none.json)


def test_stranger_reads_nothing_of_a_hub(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is looked at before anything is read from a table."""

    def forbidden(*_: object, **__: object) -> None:
        pytest.fail("a table was read")

    monkeypatch.setattr(dynamo, "get", forbidden)
    monkeypatch.setattr(dynamo, "query", forbidden)
    monkeypatch.setattr(dynamo, "get_many", forbidden)
    for method, path, _ in protected():
        answer = call(method, filled(path, world.hub.hub_id), claims_of("01ARZ3NDEKTSV4RRFFQ69G5FAV:admin"))
        assert answer.status == 403


@pytest.mark.parametrize("role", PERMISSIONS)
def test_each_role_is_refused_exactly_what_it_may_not(world: World, role: str) -> None:
    """A role is answered 403 where the document asks for a permission that it has not, and nowhere else."""
    claims = claims_of(f"{world.hub.hub_id}:{role}")
    for method, path, permission in protected():
        if "{hub_id}" not in path or method == "DELETE":
            continue
        may = any(one in PERMISSIONS[role] for one in permission.split(" or "))
        answer = call(method, filled(path, world.hub.hub_id), claims, {} if method != "GET" else None)
        assert (answer.status != 403) is may, (method, path, answer.status)
        assert answer.status < 500, (method, path, answer.text)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(min_size=1, max_size=40).filter(lambda text: "/" not in text))
def test_whatever_stands_in_place_of_an_id_is_refused_or_not_found(world: World, text: str) -> None:
    """No text in place of an id reaches another hub or breaks anything."""
    claims = claims_of(f"{world.hub.hub_id}:admin", "*:admin")
    assert call("GET", f"/hubs/{text}", claims).status in (403, 404)
    for path in ("people", "members", "events", "plans", "exports", "uploads", "sources"):
        assert call("GET", f"/hubs/{world.hub.hub_id}/{path}/{text}", claims).status == 404
    page = call("GET", f"/hubs/{world.hub.hub_id}/members", claims, query={"cursor": text, "q": text})
    assert page.status in (200, 400)


def test_unknown_address_and_unexpected_failure_are_problems(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown path is 404; a bug is 500 without its message, which is not logged either."""
    claims = claims_of(f"{world.hub.hub_id}:admin")
    assert call("GET", "/nowhere", claims).json["code"] == "no_such_route"

    def broken(*_: object, **__: object) -> None:
        text = "maya.okafor@example.com"
        raise RuntimeError(text)

    monkeypatch.setattr("rollcall.members.api.context.load", broken)
    answer = call("GET", f"/hubs/{world.hub.hub_id}/members", claims)
    assert (answer.status, answer.json["code"], answer.json["faults"]) == (500, "internal_error", [])
    assert [record.__dict__["error"] for record in caplog.records] == ["RuntimeError"]
    assert "maya.okafor" not in str([record.__dict__ for record in caplog.records]) + answer.text


def test_trouble_of_aws_is_503_with_a_time_to_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A passing trouble tells the client to come again."""

    def busy(*_: object, **__: object) -> None:
        raise TransientError

    monkeypatch.setattr("rollcall.members.api.context.load", busy)
    answer = call("GET", f"/hubs/{world.hub.hub_id}/members", claims_of(f"{world.hub.hub_id}:admin"))
    assert (answer.status, answer.json["code"]) == (503, "try_again")
    assert int(answer.headers["retry-after"]) > 0


def test_answer_without_content_has_an_empty_body(world: World) -> None:
    """A body of null is not taken by every gateway."""
    claims = claims_of(f"{world.hub.hub_id}:admin")
    event_body = call("DELETE", f"/hubs/{world.hub.hub_id}/sources/{SOURCE}", claims).body
    assert event_body == ""


def test_health_needs_no_token_and_answers_are_not_cached(aws: None) -> None:
    """Anybody may ask whether the API answers; no cache keeps what it says."""
    answer = call("GET", "/health")
    assert (answer.status, answer.json["status"], answer.headers["cache-control"]) == (200, "ok", "no-store")
