"""What must be refused is, and nothing changes by it."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from demo.hub_client import wait_for
from standardwebhooks import Webhook
from workos.actions import _compute_signature

from tests.e2e import tokens
from tests.e2e.conftest import STATE
from tests.e2e.denials import denials, unwanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.hub_client import HubApi, StandardSource, WorkosSource

PERSON = {"type": "person.added", "data": {"external_id": "E-forged", "email": "forged@example.com"}}
WORKOS_PERSON = {
    "id": "event_01FORGED",
    "event": "dsync.user.created",
    "created_at": "2026-10-05T08:00:00.000Z",
    "data": {
        "id": "directory_user_01FORGED",
        "directory_id": "directory_01TEST",
        "idp_id": "E-forged",
        "emails": [{"primary": True, "type": "work", "value": "forged@example.com"}],
        "first_name": "Nobody",
        "last_name": "Real",
        "state": "active",
        "custom_attributes": {},
    },
}
NOTHING_SAID = {"type": "about:blank", "title": "Not authenticated", "status": 401, "code": "unauthentic"}


def _standard(secret: str, body: bytes, *, name: str = "msg_forged", at: datetime | None = None) -> dict[str, str]:
    """Return the headers that the specification's own package makes."""
    moment = at or datetime.now(UTC)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, moment, body.decode()),
    }


def _forged_standard(secret: str, body: bytes) -> dict[str, dict[str, str]]:
    """Return kind of forgery → headers; in each one thing is wrong."""
    right = _standard(secret, body)
    signed = right["webhook-signature"]
    stranger = f"whsec_{base64.b64encode(b'somebody else, who guesses here.').decode()}"
    too_long = timedelta(seconds=305)
    return {
        "no headers": {},
        **{f"no {name}": {key: right[key] for key in right if key != name} for name in right},
        "empty signature": right | {"webhook-signature": ""},
        "only a version": right | {"webhook-signature": "v1"},
        "version and comma": right | {"webhook-signature": "v1,"},
        "too short": right | {"webhook-signature": "v1,AAAA"},
        "no base64": right | {"webhook-signature": "v1,***"},
        "no signature at all": right | {"webhook-signature": "junk"},
        "not ASCII": right | {"webhook-signature": "v1,\xff\xfe"},
        "another version": right | {"webhook-signature": signed.replace("v1,", "v2,")},
        "one letter changed": right | {"webhook-signature": _one_changed(signed)},
        "another secret": _standard(stranger, body),
        "another body": _standard(secret, body.replace(b"forged@", b"other@")),
        "another id": right | {"webhook-id": "msg_other"},
        "another time": right | {"webhook-timestamp": str(int(right["webhook-timestamp"]) + 1)},
        "no number as time": right | {"webhook-timestamp": "yesterday"},
        "stale": _standard(secret, body, at=datetime.now(UTC) - too_long),
        "from the future": _standard(secret, body, at=datetime.now(UTC) + 2 * too_long),
    }


def _workos(secret: str, body: bytes, *, at: datetime | None = None) -> dict[str, str]:
    """Return the header that WorkOS' own package makes."""
    stamp = str(int((at or datetime.now(UTC)).timestamp() * 1000))
    return {"workos-signature": f"t={stamp}, v1={_compute_signature(f'{stamp}.{body.decode()}', secret)}"}


def _forged_workos(secret: str, body: bytes) -> dict[str, dict[str, str]]:
    """Return kind of forgery → headers; in each one thing is wrong."""
    right = _workos(secret, body)["workos-signature"]
    time, signature = right.split(", ")
    return {
        "no headers": {},
        "empty": {"workos-signature": ""},
        "junk": {"workos-signature": "junk"},
        "not ASCII": {"workos-signature": "t=\xff, v1=\xfe"},
        "only the time": {"workos-signature": time},
        "only the signature": {"workos-signature": signature},
        "empty signature": {"workos-signature": f"{time}, v1="},
        "too short": {"workos-signature": f"{time}, v1=abcdef"},
        "one letter changed": {"workos-signature": _one_changed(right)},
        "another version": {"workos-signature": right.replace("v1=", "v2=")},
        "two times": {"workos-signature": f"t=1000000000000, {right}"},
        "another secret": _workos("somebody else, who guesses here.", body),
        "another body": _workos(secret, body.replace(b"forged@", b"other@")),
        "stale": _workos(secret, body, at=datetime.now(UTC) - timedelta(seconds=185)),
        "from the future": _workos(secret, body, at=datetime.now(UTC) + timedelta(seconds=300)),
    }


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as they go over the wire; their values may be no ASCII."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _count(api: HubApi, path: str) -> int:
    return sum(1 for _ in api.all(path))


def _are(api: HubApi, people: int) -> bool:
    return _count(api, "/people") == people


def _one_changed(signature: str) -> str:
    """Return the signature with another letter in its middle, where every bit counts."""
    middle = len(signature) - 20
    return signature[:middle] + ("A" if signature[middle] != "A" else "B") + signature[middle + 1 :]


def test_forged_and_stale_webhooks_change_nothing(
    api: HubApi, own_system: StandardSource, workos: WorkosSource
) -> None:
    """Each forgery is 401 in the same words; the log knows only the right delivery of the same body, sent last."""
    sent = 0
    for source, event, forge, sign in (
        (own_system, PERSON, _forged_standard, _standard),
        (workos, WORKOS_PERSON, _forged_workos, _workos),
    ):
        body = json.dumps(event).encode()
        before = _count(api, "/events")
        for kind, headers in forge(source.secret, body).items():
            answer = source.http.post(source.url, content=body, headers=_raw(headers))
            assert (answer.status_code, answer.json()) == (401, NOTHING_SAID), kind
            sent += 1
        assert (_count(api, "/events"), _count(api, "/people")) == (before, before)  # one of each right one before
        assert source.http.post(source.url, content=body, headers=_raw(sign(source.secret, body))).is_success
        wait_for("taking the right one", partial(_are, api, before + 1))
        assert _count(api, "/events") == before + 1
    print(f"{sent} forged deliveries refused")


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
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03binary\x00\xff", "binary"),
        (b"PK\x03\x04" + b"\x00" * 200, "xlsx_not_csv"),
        (b"name,office\r\nMaya,London\r\n", "missing_column"),
    ],
    ids=["empty", "binary", "xlsx", "no_email_column"],
)
def test_useless_upload_is_refused_in_one_sentence(api: HubApi, content: bytes, code: str) -> None:
    """An upload that holds no rows of people is refused as a whole, with one fault that an admin can read."""
    refused = api.planned(api.upload("invites", "wrong + file.csv", content))
    assert refused["state"] == "failed"
    (fault,) = refused["faults"]
    assert fault["code"] == code
    assert fault["detail"].endswith(".")
    assert _count(api, "/invitations") == 0


def _broken(token: str) -> dict[str, str]:
    """Return kind → header of tokens that nobody issued, most of them made from one that is good."""
    head, body, signature = token.split(".")
    claims = tokens.read_claims(token)
    no_algorithm = base64.urlsafe_b64encode(b'{"alg": "none"}').rstrip(b"=").decode()
    return {
        "none": "",
        "malformed": "Bearer abc",
        "not a bearer": "Basic dXNlcjpwYXNz",
        "longer life": f"Bearer {tokens.with_claims(token, {**claims, 'exp': claims['exp'] + 3600})}",
        "more groups": f"Bearer {tokens.with_claims(token, {**claims, 'cognito:groups': ['platform:admin']})}",
        "unsigned": f"Bearer {head}.{body}.",
        "without algorithm": f"Bearer {no_algorithm}.{body}.",
        "without its head": f"Bearer {body}.{signature}",
    }


def test_every_admin_endpoint_refuses_foreign_tokens(
    api: HubApi, other_hub_token: str, no_hub_token: str, expired_token: str
) -> None:
    """The OpenAPI document is walked: each operation behind a login refuses tokens of others, of nobody, of before."""
    document = api.http.get(f"{api.api_url}/openapi.json").json()
    refused = {
        **_broken(api.token),
        "of another hub": f"Bearer {other_hub_token}",
        "of no hub": f"Bearer {no_hub_token}",
        "expired": f"Bearer {expired_token}",
    }
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
            for kind, token in refused.items():
                answer = api.http.request(
                    method.upper(), url, json={}, headers={"authorization": token} if token else {}
                )
                expected = 403 if kind in {"of another hub", "of no hub"} else 401
                assert answer.status_code == expected, f"{kind}: {method} {path} answered {answer.status_code}"
            walked += 1
    assert walked >= 30
    print(f"{walked} operations x {len(refused)} tokens refused")


def test_token_opens_the_hub_until_it_ends(api: HubApi, hub: dict[str, Any], expired_token: str) -> None:
    """Two tokens of the hub's admin that differ only in when they end: one opens it, the other does not."""
    living = tokens.ended(api.token, -600, state=STATE, pool_id=hub["user_pool_id"])
    url = f"{api.api_url}/hubs/{api.hub_id}"
    assert api.http.get(url, headers={"authorization": f"Bearer {living}"}).status_code == 200
    assert api.http.get(url, headers={"authorization": f"Bearer {expired_token}"}).status_code == 401


def test_no_permission_was_missing(stack: dict[str, Any], aws_client: Callable[[str], Any]) -> None:
    """No function was denied any AWS call so far, but for those that a test had taken away; its log would name them."""
    found = unwanted(denials(stack, aws_client), STATE)
    print(f"denied to {len(stack['functions'])} functions: {found or 'nothing'}")
    assert len(stack["functions"]) >= 11
    assert found == []
