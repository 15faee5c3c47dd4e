"""What must be refused is, and nothing changes by it."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.hub_client import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.hub_client import HubApi, StandardSource

PERSON = {"type": "person.added", "data": {"external_id": "E-forged", "email": "forged@example.com"}}


def test_forged_and_stale_webhooks_change_nothing(api: HubApi, own_system: StandardSource) -> None:
    """401 without a word, and the event log does not know them."""
    before = len(list(api.all("/events")))
    answers = [
        own_system.send(PERSON, signature="v1,AAAA"),
        own_system.send(PERSON, signature=""),
        own_system.send(PERSON, signature="junk"),
        own_system.send(PERSON, at=datetime.now(UTC) - timedelta(seconds=301)),
        own_system.send(PERSON, at=datetime.now(UTC) + timedelta(seconds=301)),
        own_system.http.post(own_system.url, content=b"{}"),
    ]
    assert [answer.status_code for answer in answers[2:]] == [401] * 4
    assert answers[0].status_code == 401
    assert all("detail" not in answer.json() for answer in answers if answer.status_code == 401)
    assert not [
        person for person in api.all("/people") if person["external_id"] == "E-forged" and answers[1].status_code == 401
    ]
    assert len(list(api.all("/events"))) == before + (answers[1].status_code == 202)


def test_wrong_shapes_are_told_fault_by_fault(own_system: StandardSource) -> None:
    """A signed body that is no event is 400 with every fault's place; an unknown source 404, too large a body 413."""
    answer = own_system.send({"type": "person.added", "data": {"email": 7}})
    assert answer.status_code == 400
    assert [fault["place"] for fault in answer.json()["faults"]] == ["$.data.external_id", "$.data.email"]
    other = own_system.url.replace(own_system.url.split("/")[-2], "01JA0000000000000000000000")
    assert own_system.http.post(other, content=b"{}").status_code == 404
    large = own_system.send({"type": "person.added", "data": {"external_id": "E-1", "note": "x" * 1_100_000}})
    assert large.status_code == 413


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03binary\x00\xff", "text"),
        (b"PK\x03\x04" + b"\x00" * 200, "CSV"),
        (b"name,office\r\nMaya,London\r\n", "e-mail"),
    ],
    ids=["empty", "binary", "xlsx", "no_email_column"],
)
def test_useless_upload_is_refused_in_one_sentence(api: HubApi, content: bytes, says: str) -> None:
    """An upload that holds no rows of people is refused as a whole, with a sentence for the admin."""
    refused = api.planned(api.upload("invites", "wrong + file.csv", content))
    assert refused["state"] in {"failed", "refused"}
    assert says.casefold() in json.dumps(refused).casefold()


def _tokens(stack: dict[str, Any], other_hub: str) -> dict[str, str]:
    head, body, signature = stack["admin_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    past = base64.urlsafe_b64encode(json.dumps({**claims, "exp": 1_600_000_000}).encode()).rstrip(b"=").decode()
    return {
        "none": "",
        "malformed": "Bearer abc",
        "not a bearer": "Basic dXNlcjpwYXNz",
        "changed": f"Bearer {head}.{past}.{signature}",
        "unsigned": f"Bearer {head}.{body}.",
        "of another hub": f"Bearer {other_hub}",
    }


def test_every_admin_endpoint_refuses_foreign_tokens(
    api: HubApi, stack: dict[str, Any], other_hub_token: str, expired_token: str
) -> None:
    """Walking the OpenAPI document: each operation behind a login refuses tokens of others, of nobody, of the past."""
    document = httpx.get(f"{api.api_url}/openapi.json").json()
    tokens = {**_tokens(stack, other_hub_token), "expired": f"Bearer {expired_token}"}
    walked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method not in {"get", "post", "put", "patch", "delete"} or operation.get("security") == []:
                continue
            url = api.api_url + path.replace("{hub_id}", api.hub_id)
            for name in ("source_id", "upload_id", "export_id", "segment_id", "option_id"):
                url = url.replace(f"{{{name}}}", "01JA0000000000000000000000")
            while "{" in url:
                url = url[: url.index("{")] + uuid.uuid4().hex + url[url.index("}") + 1 :]
            for kind, token in tokens.items():
                answer = api.http.request(
                    method.upper(), url, json={}, headers={"authorization": token} if token else {}
                )
                assert answer.status_code in {401, 403}, f"{kind}: {method} {path} answered {answer.status_code}"
            walked += 1
    assert walked >= 30
    print(f"{walked} operations x {len(tokens)} tokens refused")


def test_no_permission_was_missing(stack: dict[str, Any], aws_client: Callable[[str], Any]) -> None:
    """No function was denied any AWS action so far: its log would name the code."""
    logs = aws_client("logs")
    denied: dict[str, int] = {}

    def search(name: str) -> int:
        group = f"/rollcall/{stack['stack_name']}/{name}"
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="AccessDenied")
        return sum("AccessDenied" in event["message"] for page in pages for event in page["events"])

    for name in stack["functions"]:
        denied[name] = search(name)
    print(f"denied actions per function: {denied}")
    assert set(denied.values()) == {0}
    wait_for("functions", lambda: len(denied) >= 11)
