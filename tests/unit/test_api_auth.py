from __future__ import annotations

from typing import Any

import pytest

from rollcall.api.auth import caller, read_groups
from rollcall.runtime.errors import UnauthenticError


def event(**claims: Any) -> dict[str, Any]:
    return {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        ("[a:admin b:viewer]", {"a:admin", "b:viewer"}),
        ('["a:admin", "b:viewer"]', {"a:admin", "b:viewer"}),
        ("a:admin,b:viewer", {"a:admin", "b:viewer"}),
        ("a:admin, b:viewer", {"a:admin", "b:viewer"}),
        (["a:admin", 7, ""], {"a:admin"}),
        ("a:admin", {"a:admin"}),
        ("[]", set()),
        ("[7]", set()),
        ("", set()),
        (None, set()),
        ({"a": 1}, set()),
    ],
)
def test_groups_are_read_however_they_arrive(claim: object, groups: set[str]) -> None:
    """The claim may be a list, a JSON list, the gateway's form of a list, or text with commas."""
    assert read_groups(claim) == groups


@pytest.mark.parametrize("found", [{}, {"requestContext": {}}, event(), event(sub=""), event(sub=None), event(sub=7)])
def test_without_a_subject_nobody_is_calling(found: dict[str, Any]) -> None:
    """Claims without a subject are no login."""
    with pytest.raises(UnauthenticError):
        caller(found)


def test_groups_come_from_cognito_or_another_issuer() -> None:
    """Cognito names the claim `cognito:groups`, others `groups`."""
    assert caller(event(sub="s", **{"cognito:groups": "[h:admin]"})).groups == {"h:admin"}
    assert caller(event(sub="s", groups="h:viewer")).groups == {"h:viewer"}


@pytest.mark.parametrize(("verified", "email"), [("true", "ada@example.com"), ("false", ""), (False, ""), (None, "")])
def test_unverified_address_is_not_written_to(verified: object, email: str) -> None:
    """Files are mailed to the address of the token: one that was not verified could be anybody's."""
    assert caller(event(sub="s", email="ada@example.com", email_verified=verified)).email == email


def test_who_is_calling_is_not_shown_in_a_repr() -> None:
    """The e-mail of an admin does not get into logs by way of a repr."""
    assert "ada@example.com" not in repr(caller(event(sub="s", email="ada@example.com")))
