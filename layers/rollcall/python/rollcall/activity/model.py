"""One entry of the activity: one field of one member or person that changed, or what an admin decided. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

Item = dict[str, Any]
Value = str | list[str] | list[dict[str, Any]] | dict[str, Any] | None


class Kind(StrEnum):
    """What happened."""

    MEMBER_CREATED = "member_created"
    MEMBER_DELETED = "member_deleted"
    STATUS_CHANGED = "status_changed"
    ROLES_CHANGED = "roles_changed"
    ROLES_KEPT = "roles_kept"
    HOLD_CHANGED = "hold_changed"
    SEGMENTS_CHANGED = "segments_changed"
    PROFILE_CHANGED = "profile_changed"
    NAME_CHANGED = "name_changed"
    EMAIL_CHANGED = "email_changed"
    INVITED = "invited"
    INVITATION_SENT = "invitation_sent"
    INVITATION_SETTLED = "invitation_settled"
    REMINDER_SENT = "reminder_sent"
    MAIL_NOT_SENT = "mail_not_sent"
    MAIL_DELIVERED = "mail_delivered"
    MAIL_BOUNCED = "mail_bounced"
    MAIL_COMPLAINED = "mail_complained"
    MAIL_TOLD_SENT = "mail_told_sent"
    INVITATION_RESENT = "invitation_resent"
    INVITATION_REVOKED = "invitation_revoked"
    SUPPRESSION_LIFTED = "suppression_lifted"
    CATALOGUE_CHANGED = "catalogue_changed"
    EVENT_WITHOUT_EFFECT = "event_without_effect"
    PERSON_CREATED = "person_created"
    PERSON_DELETED = "person_deleted"
    PERSON_ERASED = "person_erased"
    PERSON_SUPERSEDED = "person_superseded"
    PERSON_COLLISION_KEPT = "person_collision_kept"
    PERSON_STATUS_CHANGED = "person_status_changed"
    PERSON_NAME_CHANGED = "person_name_changed"
    PERSON_EMAIL_CHANGED = "person_email_changed"
    PERSON_FIELD_CHANGED = "person_field_changed"
    PERSON_ATTRIBUTE_CHANGED = "person_attribute_changed"
    PERSON_GROUP_CHANGED = "person_group_changed"


@dataclass(frozen=True, slots=True)
class Activity:
    """One changed field, or one change of the catalogue.

    Attributes
    ----------
    activity_id
        32 hex characters from the change and the field: the same change read twice is the same entry.
    subject
        Member id or person id; address id where an admin decided about a mail; ``catalogue``.
    field
        ``status``, ``status_reason``, ``roles``, ``kept_roles`` (the last ones, which sync would have taken), ``holds``
        (ids of the plans that hold a removal), ``segment:<segment id>``, ``profile:<name>``, ``email``, ``first_name``,
        ``last_name``; ``invitation``, ``mail`` and ``event`` in a member's timeline; of persons also other core fields,
        ``attribute:<name>``, ``group:<name>``, ``collision`` (an admin said that it stays); ``member`` or ``person``
        for one that is new or erased; ``catalogue``.
    old, new
        Ids of roles and options, else text; ``None`` where there was or is nothing. Of the catalogue, ``new`` is a list
        of sentences, each with what it takes to read it (``activity.catalogue``).
    cause
        ``event:<id>``, ``plan:<id>``, ``accept:<address id>``, ``admin``, ``mapping:<version>``,
        ``settings:<version>``, ``catalogue:<version>``, ``erase:<id>``, ...
    actor
        The admin's subject, ``directory`` or ``member``.
    at
        RFC 3339 with milliseconds.
    """

    hub_id: str
    subject: str
    activity_id: str
    kind: Kind
    field: str
    old: Value = dataclasses.field(repr=False)
    new: Value = dataclasses.field(repr=False)
    cause: str
    actor: str
    at: str

    def to_item(self) -> Item:
        """Return the values as a plain dict, without keys."""
        return {name: getattr(self, name) for name in self.__slots__} | {"kind": str(self.kind)}

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an entry from its item."""
        known = {name: item[name] for name in cls.__slots__}
        return cls(**known | {"kind": Kind(item["kind"])})
