"""Sends the mails that the emails queue points at, one message each: ``{"hub_id", "mail_id"}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.hubs.store import hub_key
from rollcall.invitations import links
from rollcall.mail.send import send_mail
from rollcall.runtime.queues import process
from rollcall.runtime.settings import env, require

if TYPE_CHECKING:
    from rollcall.hubs.model import Hub
    from rollcall.mail.model import Mail


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle a batch of pointers; failed ones are reported and come back."""
    del context
    require(
        "MAIL_TABLE",
        "PEOPLE_TABLE",
        "INVITATIONS_TABLE",
        "HUBS_TABLE",
        "FILES_BUCKET",
        "STACK_SECRET_ARN",
        "SENDER_ADDRESS",
        "PUBLIC_BASE_URL",
        "CONFIGURATION_SET",
    )
    return process(event, _handle)


def _handle(pointer: dict[str, str]) -> None:
    send_mail(pointer["hub_id"], pointer["mail_id"], _make_link)


def _make_link(hub: Hub, mail: Mail) -> str:
    if mail.address_id is None or mail.invitation_epoch is None:
        msg = "a mail of this kind belongs to an invitation"
        raise ValueError(msg)
    key = hub_key(hub.hub_id, hub.salt)
    token = links.make_token(key, hub.hub_id, mail.address_id, mail.invitation_epoch)
    return links.make_url(env("PUBLIC_BASE_URL"), token)
