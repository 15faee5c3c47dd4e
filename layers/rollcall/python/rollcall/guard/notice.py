"""Telling the admins that removals wait for them: one mail to each, with the first removal of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.hubs.admins import AdminList, ListedAdmin, Notice
from rollcall.mail.model import Kind, Mail
from rollcall.privacy.emails import usable_email
from rollcall.runtime.ids import digest
from rollcall.runtime.settings import optional

if TYPE_CHECKING:
    from datetime import datetime

    from rollcall.hubs.model import Hub
    from rollcall.plans.model import Plan

# They are written in one transaction with the first removal that waits.
MOST = 50
_DECIDERS = ("admin", "approver")


def readers(admins: AdminList) -> list[ListedAdmin]:
    """Return who is told: those who asked for it, or else everybody who may decide."""
    asked = [admin for admin in admins.admins if Notice.HELD_REMOVALS in admin.notices]
    return (asked or [admin for admin in admins.admins if admin.role in _DECIDERS])[:MOST]


def notices(hub: Hub, plan: Plan, admins: AdminList, at: datetime) -> list[Mail]:
    """Return one mail for each reader; its id is made from the plan and the reader, so it goes once."""
    base = optional("PUBLIC_BASE_URL").rstrip("/")
    link = {"link": f"{base}/hubs/{hub.hub_id}/plans/{plan.plan_id}"} if base else {}
    found: dict[str, Mail] = {}
    for admin in readers(admins):
        mail_id = digest("held_removals", hub.hub_id, plan.plan_id, usable_email(admin.email) or admin.email)
        found[mail_id] = Mail(
            mail_id=mail_id,
            hub_id=hub.hub_id,
            kind=Kind.HELD_REMOVALS,
            to=admin.email,
            language=hub.locale,
            not_before=at,
            params=dict(link),
        )
    return list(found.values())
