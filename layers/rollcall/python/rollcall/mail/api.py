"""Route: what a mail of the hub looks like before it goes to anybody."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from rollcall.api.auth import needs
from rollcall.api.routing import make_router
from rollcall.api.shapes import Shown
from rollcall.hubs.model import Permission
from rollcall.hubs.store import get_hub
from rollcall.mail.model import INVITING, Kind
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from rollcall.hubs.model import Hub

router = make_router()

# Where the button of a preview leads: a name that never resolves (RFC 2606).
_NOWHERE = "https://preview.invalid/invitations/example"


class PreviewShown(Shown):
    """A mail as it would go to somebody invented: ``language`` is the one it is written in."""

    kind: Kind
    language: str
    sender: str
    reply_to: str
    subject: str
    text: str
    html: str


@router.get("/hubs/<hub_id>/mail-preview", summary="What a mail looks like", tags=["Invitations"])
@needs(Permission.VIEW)
def preview_mail(
    hub_id: str,
    kind: Annotated[Kind, Query(description="What the mail is for.")] = Kind.INVITATION,
    language: Annotated[
        str, Query(max_length=35, description="Such as en, fr or ar; empty is the hub's. What it lacks is English.")
    ] = "",
) -> PreviewShown:
    """Return subject, text and HTML with the hub's name, logo and invitation text as they are now. Nothing is sent."""
    from rollcall.mail import messages

    hub = get_hub(hub_id)
    picked = messages.pick_language(language, hub.locale)
    look = messages.Look(hub.name, hub.logo_url, hub.invitation_text)
    message = messages.render(kind, picked, _example(hub, kind), look, _NOWHERE)
    return PreviewShown(
        kind=kind,
        language=picked,
        sender=hub.sender or hub.name,
        reply_to=hub.reply_to,
        subject=message.subject,
        text=message.text,
        html=message.html,
    )


def _example(hub: Hub, kind: Kind) -> dict[str, Any]:
    if kind in INVITING:
        return {"first_name": "Maya", "expires_on": to_text(now() + timedelta(days=hub.invite_expiry_days))[:10]}
    match kind:
        case Kind.EXPORT:
            return {"file": "invites.csv", "rows": 250, "purpose": "invites"}
        case Kind.PLAN_REPORT:
            return {"what": "invites.csv", "state": "applied", "counts": [["invited", 240], ["skipped", 10]]}
        case Kind.NOTICE:
            return {"title": "please have a look", "text": "Here stands what it is about."}
        case _:
            return {}
