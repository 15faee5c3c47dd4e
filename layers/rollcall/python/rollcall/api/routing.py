"""Where a capability puts its routes, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

if TYPE_CHECKING:
    from rollcall.api.auth import Requirement


@dataclass(frozen=True, slots=True)
class Declared:
    """A route of the admin API: what it needs and what its docstring says."""

    method: str
    path: str
    requirement: Requirement
    said: str


def make_router() -> APIGatewayHttpRouter:
    """Return an empty router; ``api.app`` includes it."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
