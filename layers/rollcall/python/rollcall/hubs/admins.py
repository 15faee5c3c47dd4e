"""Who the admins of a hub are and which notices they get: one item of the Hubs table.

What an admin may do is in the groups of their token; this list says whom to write to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from rollcall.privacy.emails import normalise_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import PreconditionError

if TYPE_CHECKING:
    from rollcall.privacy.hashing import HubKey

TABLE = "HUBS_TABLE"
_SK = "ADMINS"


class Notice(StrEnum):
    """What an admin can be told by e-mail."""

    HELD_REMOVALS = "held_removals"
    SOURCE_TROUBLE = "source_trouble"
    PLAN_REPORTS = "plan_reports"


@dataclass(frozen=True, slots=True)
class ListedAdmin:
    """An admin of the hub; ``role`` is one of ``hubs.model.PERMISSIONS``."""

    email: str = field(repr=False)
    role: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class AdminList:
    """All admins of a hub; ``version`` counts changes, 0 if the list was never written."""

    admins: tuple[ListedAdmin, ...] = ()
    version: int = 0


def get_admins(hub_id: str) -> AdminList:
    """Return the list of the hub's admins, read consistently."""
    item = dynamo.get(TABLE, hub_id, _SK)
    if item is None:
        return AdminList()
    admins = [
        ListedAdmin(entry["email"], entry["role"], tuple(Notice(notice) for notice in entry["notices"]))
        for entry in item["admins"]
    ]
    return AdminList(tuple(admins), item["version"])


def admin_addresses(hub_id: str, key: HubKey) -> frozenset[str]:
    """Return the address ids of the hub's listed admins."""
    return frozenset(key.address_id(normalise_email(admin.email)) for admin in get_admins(hub_id).admins)


def put_admins(hub_id: str, admins: tuple[ListedAdmin, ...], *, seen: int) -> AdminList:
    """Store the list, if the version is still the one that was seen.

    Raises
    ------
    PreconditionError
        If somebody else changed it in the meantime.
    """
    item = {
        "pk": hub_id,
        "sk": _SK,
        "version": seen + 1,
        "admins": [
            {"email": admin.email, "role": admin.role, "notices": [str(notice) for notice in admin.notices]}
            for admin in admins
        ],
    }
    if seen:
        action = dynamo.put_action(TABLE, item, "#version = :seen", {"seen": seen})
    else:
        action = dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError as exc:
        raise PreconditionError from exc
    return AdminList(admins, seen + 1)
