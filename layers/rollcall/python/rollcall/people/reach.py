"""Whether mail reaches e-mail addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.people import store
from rollcall.privacy.emails import usable_email

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.hubs.context import HubContext


def email_statuses(ctx: HubContext, emails: Iterable[str]) -> dict[str, str]:
    """Return the addresses, as written, that get no more mail, each with why: ``bounced`` or ``complained``.

    Addresses are read in one go, so a page of a list costs one request.
    """
    ids = {email: ctx.key.address_id(usable) for email in emails if (usable := usable_email(email))}
    found = store.get_addresses(ctx.hub.hub_id, dict.fromkeys(ids.values()))
    return {email: how for email, name in ids.items() if name in found and (how := found[name].suppressed)}
