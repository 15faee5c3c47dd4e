"""Who is calling, and what a route asks of them.

The API Gateway has checked the token's signature, issuer, audience and time before the function runs; what arrives
are its claims. A route declares what it needs right where it is defined; one that declares nothing cannot be added.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Admin, Permission
from rollcall.runtime.errors import ForbiddenError, NotFoundError, UnauthenticError
from rollcall.runtime.ids import is_ulid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

GROUP_CLAIMS = ("cognito:groups", "groups")


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a caller must have.

    Attributes
    ----------
    is_public
        Anybody may call.
    is_platform
        The group ``platform:admin``.
    any_of
        One of these permissions in the hub of the path.
    """

    is_public: bool = False
    is_platform: bool = False
    any_of: tuple[Permission, ...] = ()


_requirements: dict[Callable[..., Any], Requirement] = {}


def public(endpoint: Endpoint) -> Endpoint:
    """Let anybody call the route."""
    _requirements[endpoint] = Requirement(is_public=True)
    return endpoint


def platform(endpoint: Endpoint) -> Endpoint:
    """Let only platform admins call the route."""
    _requirements[endpoint] = Requirement(is_platform=True)
    return endpoint


def needs(*any_of: Permission) -> Callable[[Endpoint], Endpoint]:
    """Let only those call the route who have one of the permissions in the hub of the path."""

    def declare(endpoint: Endpoint) -> Endpoint:
        _requirements[endpoint] = Requirement(any_of=any_of)
        return endpoint

    return declare


def requirement_of(endpoint: Callable[..., Any]) -> Requirement | None:
    """Return what a route declared, or nothing."""
    return _requirements.get(endpoint)


def check(requirement: Requirement, event: Mapping[str, Any], hub_id: str | None) -> None:
    """Refuse a caller who has not what the route needs. Nothing of a hub is read before its group is seen.

    Raises
    ------
    UnauthenticError
        Without claims.
    ForbiddenError
        Without the permission; the same answer for hubs that do not exist and for what is no hub id.
    """
    if requirement.is_public:
        return
    admin = caller(event)
    if requirement.is_platform:
        if not admin.is_platform_admin:
            detail = "Only platform admins may do this."
            raise ForbiddenError(detail)
        return
    if hub_id is None or not is_ulid(hub_id):
        raise ForbiddenError
    if not admin.permissions(hub_id).intersection(requirement.any_of):
        raise ForbiddenError
    try:
        hubs.get_hub(hub_id)
    except NotFoundError as exc:
        raise ForbiddenError from exc


def demand(admin: Admin, hub_id: str, permission: Permission) -> None:
    """Refuse an admin who lacks a permission that depends on what is asked for.

    Raises
    ------
    ForbiddenError
        Without the permission.
    """
    if permission not in admin.permissions(hub_id):
        raise ForbiddenError


def caller(event: Mapping[str, Any]) -> Admin:
    """Return who is calling, from the claims that the authorizer of the API hands on.

    An address that the issuer says is not verified is left out: mails go to it.

    Raises
    ------
    UnauthenticError
        If there are no claims, or none that names a subject.
    """
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise UnauthenticError
    groups = next((claims[name] for name in GROUP_CLAIMS if claims.get(name)), "")
    is_verified = str(claims.get("email_verified", "true")).lower() == "true"
    return Admin(subject, str(claims.get("email") or "") if is_verified else "", read_groups(groups))


def read_groups(claim: object) -> frozenset[str]:
    """Return the groups of a claim, however it arrives.

    An HTTP API hands a list on as the text ``[a b]``; other issuers send a JSON list or text with commas.
    """
    if isinstance(claim, list):
        return frozenset(group for group in claim if isinstance(group, str) and group)
    if not isinstance(claim, str):
        return frozenset()
    text = claim.strip()
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            text = text[1:].removesuffix("]")
        else:
            return read_groups(found)
    return frozenset(text.replace(",", " ").split())
