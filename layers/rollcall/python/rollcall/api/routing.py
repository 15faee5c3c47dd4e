"""Where a capability puts its routes."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter


def make_router() -> APIGatewayHttpRouter:
    """Return an empty router; ``api.app`` includes it."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
