"""A hub, its sources and what each role of an admin may do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from rollcall.sources.policy import Policy

Item = dict[str, Any]


class DeletedMeans(StrEnum):
    """What a source's *deleted* stands for: several directories send it for people who merely became inactive."""

    DELETE = "delete"
    DEACTIVATE = "deactivate"


class Delivery(StrEnum):
    """How an export reaches the admin."""

    ATTACHMENT = "attachment"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class RemovalGuard:
    """How many people may leave within a day before an admin is asked: the larger of a number and a share.

    Attributes
    ----------
    percent
        Of the hub's members, and of the members that a source knows; 0 lets the number alone count.
    """

    people: int = 10
    percent: int = 5


@dataclass(frozen=True, slots=True)
class Hub:
    """One community and its settings.

    Attributes
    ----------
    salt
        From which the hub's key is derived; destroying it off-boards the hub.
    sender
        Name shown as the sender of mails; the address is the deployment's.
    invite_reminder_days, invite_expiry_days
        Days after the first mail.
    time_zone
        For end dates of people whose own time zone is not known.
    source_precedence
        Source ids, the one that wins first; sources not named follow in order of their ids.
    version
        Counts changes of the settings; served as the ETag.
    """

    hub_id: str
    name: str
    salt: str
    version: int = 1
    sender: str = ""
    reply_to: str = ""
    locale: str = "en"
    landing_url: str = ""
    logo_url: str = ""
    invitation_text: str = ""
    two_person_approval: bool = False
    mail_enabled: bool = True
    daily_invite_quota: int = 20_000
    source_precedence: tuple[str, ...] = ()
    invite_review: bool = False
    invite_expiry_days: int = 14
    invite_reminder_days: tuple[int, ...] = (3, 7)
    reactivate_on_event: bool = False
    deletion_grace_days: int = 30
    removal_guard: RemovalGuard = RemovalGuard()
    time_zone: str = "UTC"
    template_delivery: Delivery = Delivery.ATTACHMENT
    default_role: str = ""

    @property
    def shows(self) -> tuple[object, ...]:
        """What decides what is shown of members: where it changes, they are computed anew."""
        return self.source_precedence, self.reactivate_on_event

    def __repr__(self) -> str:
        """Show the id only: the salt is no business of a log."""
        return f"Hub({self.hub_id})"

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read a hub from its item."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        known["source_precedence"] = tuple(known.get("source_precedence", ()))
        known["invite_reminder_days"] = tuple(known.get("invite_reminder_days", (3, 7)))
        known["removal_guard"] = RemovalGuard(**known.get("removal_guard", {}))
        known["template_delivery"] = Delivery(known.get("template_delivery", Delivery.ATTACHMENT))
        return cls(**known)

    def to_item(self) -> Item:
        """Return the item of this hub."""
        values: Item = {name: getattr(self, name) for name in self.__slots__}
        values["template_delivery"] = str(self.template_delivery)
        values["removal_guard"] = {"people": self.removal_guard.people, "percent": self.removal_guard.percent}
        return {"pk": self.hub_id, "sk": "HUB", **values}


@dataclass(frozen=True, slots=True)
class Source:
    """One connected HR system of a hub.

    Attributes
    ----------
    provider
        Name of the module in ``sources`` that understands it.
    salt
        The hub's, repeated here so that a webhook needs one read.
    settings
        What only this provider needs (a pinned ``directory_id``).
    policy
        What it makes of leave, suspension, a start in the future, and who is eligible.
    transform
        JMESPath expression that turns the client's own JSON into canonical events; empty: it sends them itself.
    keyring_version
        Version of the secret that holds its keyring; empty: the current one.
    credentials_at
        When credentials were given; RFC 3339 text.
    version
        Counts changes; served as the ETag.
    """

    hub_id: str
    source_id: str
    provider: str
    name: str
    salt: str = field(repr=False)
    deleted_means: DeletedMeans = DeletedMeans.DELETE
    settings: dict[str, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    transform: str = ""
    keyring_version: str = ""
    credentials_at: str | None = None
    version: int = 1

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read a source from its item."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        known["deleted_means"] = DeletedMeans(known.get("deleted_means", DeletedMeans.DELETE))
        known["policy"] = Policy.from_item(known.get("policy", {}))
        return cls(**known)

    def to_item(self) -> Item:
        """Return the item of this source."""
        values: Item = {name: getattr(self, name) for name in self.__slots__}
        values["deleted_means"] = str(self.deleted_means)
        values["policy"] = self.policy.to_item()
        return {"pk": self.hub_id, "sk": f"SOURCE#{self.source_id}", **values}


class Permission(StrEnum):
    """One thing that an admin may do."""

    VIEW = "view"
    VIEW_PRIVATE = "view_private"
    VIEW_HIDDEN = "view_hidden"
    INVITE = "invite"
    MAP = "map"
    APPROVE = "approve"
    PRIVACY = "privacy"
    ADMIN = "admin"


_EVERYTHING = frozenset(Permission)
PERMISSIONS: dict[str, frozenset[Permission]] = {
    "viewer": frozenset({Permission.VIEW}),
    "inviter": frozenset({Permission.VIEW, Permission.INVITE}),
    "mapper": frozenset({Permission.VIEW, Permission.VIEW_PRIVATE, Permission.MAP}),
    "approver": frozenset({Permission.VIEW, Permission.VIEW_PRIVATE, Permission.APPROVE}),
    "privacy": frozenset({Permission.VIEW, Permission.VIEW_PRIVATE, Permission.VIEW_HIDDEN, Permission.PRIVACY}),
    "admin": _EVERYTHING,
}
PLATFORM_ADMIN = "platform:admin"


@dataclass(frozen=True, slots=True)
class Admin:
    """Who is calling: the subject and e-mail of the token, and what the groups in it allow.

    Attributes
    ----------
    groups
        As in the token: ``<hub id>:<role>`` or ``platform:admin``.
    """

    subject: str
    email: str = field(repr=False)
    groups: frozenset[str] = frozenset()

    def permissions(self, hub_id: str) -> frozenset[Permission]:
        """Return what this admin may do in the hub; nothing if no group of the token names it."""
        granted: frozenset[Permission] = frozenset()
        for group in self.groups:
            hub, _, role = group.partition(":")
            if hub == hub_id and role in PERMISSIONS:
                granted |= PERMISSIONS[role]
        return granted

    @property
    def is_platform_admin(self) -> bool:
        """May create hubs."""
        return PLATFORM_ADMIN in self.groups
