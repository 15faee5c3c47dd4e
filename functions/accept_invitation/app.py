"""The pages behind an invitation's link: look (GET), accept, decline, unsubscribe (POST). No token is logged."""

from __future__ import annotations

from typing import Any

from rollcall.invitations import pages
from rollcall.invitations.accept import (
    Page,
    PageState,
    accept,
    decline,
    look,
    look_at_unsubscribing,
    unsubscribe,
)
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import require

_ROUTES = {
    "GET /invitations/{token}": look,
    "POST /invitations/{token}/accept": accept,
    "POST /invitations/{token}/decline": decline,
    "GET /invitations/{token}/unsubscribe": look_at_unsubscribing,
    "POST /invitations/{token}/unsubscribe": unsubscribe,
}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload 2.0). The body, if any, is ignored: the link says it all."""
    del context
    require("HUBS_TABLE", "INVITATIONS_TABLE", "PEOPLE_TABLE", "MEMBERS_TABLE", "FILES_BUCKET", "STACK_SECRET_ARN")
    token = str(event["pathParameters"]["token"])
    headers = event.get("headers") or {}
    try:
        page = _ROUTES[event["routeKey"]](token)
    except Exception as exc:  # noqa: BLE001 - whoever was invited sees a page, and our log the place of the fault
        log.error("invitation_page_failed", **describe(exc))
        page = Page(PageState.BUSY)
    log.info("invitation_page", kind=event["routeKey"], state=str(page.state), status=page.status)
    return pages.render(
        page, token, accept=headers.get("accept", ""), accept_language=headers.get("accept-language", "")
    )
