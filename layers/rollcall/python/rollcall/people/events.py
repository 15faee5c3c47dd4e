"""The directory event: what a source tells us about one person, whatever system it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from rollcall.runtime.ids import event_id


class Kind(StrEnum):
    """What happened to the person, in the words of the product."""

    ADDED = "added"
    UPDATED = "updated"
    DEACTIVATED = "deactivated"
    REACTIVATED = "reactivated"
    DELETED = "deleted"


@dataclass(frozen=True, order=True, slots=True)
class Stamp:
    """When a value was set, and by which event: the order of the merge.

    ``at`` is RFC 3339 text with milliseconds, so comparing stamps compares times; equal times are ordered by event id.
    """

    at: str
    event_id: str


@dataclass(frozen=True, slots=True)
class DirectoryEvent:
    """One event about one person.

    Attributes
    ----------
    event_id
        Ours. Adapters do not know the person's key: they put the event's name (``runtime.ids.event_name``) here, and
        ``placed`` makes the id of it before anything is done with the event.
    source_id, external_id
        Who says it, about whom. The person's key is the keyed hash of both.
    kind
        What happened. ``ADDED``, ``UPDATED`` and ``REACTIVATED`` may carry values; so may the others.
    occurred_at
        RFC 3339 text with milliseconds: the source's own time, else the time of receipt, frozen here.
    fields
        Core fields ``email``, ``first_name``, ``last_name``, ``locale``, ``time_zone``, ``end_date``: text, or ``None``
        to clear. A field that is not mentioned is not in the mapping.
    attributes
        HRIS field name → text, several texts, or ``None`` to clear.
    groups
        Group name → member of it or not; has its own stamps, which completeness does not reach.
    complete
        The event carries the whole record: fields and attributes it does not mention are gone.
    active
        What the record says about activity beside the kind: ``True``, ``False`` or unknown.
    look
        The source says only who; what happened has to be looked up, and takes this event's place then.
    leaves
        The record no longer meets the source's filter, and the source wants members deactivated by that.
    on_leave
        What deactivates them is that they are on leave, which the source wants to mean so.
    """

    event_id: str
    source_id: str
    external_id: str
    kind: Kind
    occurred_at: str
    fields: dict[str, str | None] = field(default_factory=dict)
    attributes: dict[str, str | tuple[str, ...] | None] = field(default_factory=dict)
    groups: dict[str, bool] = field(default_factory=dict)
    complete: bool = False
    active: bool | None = None
    look: bool = False
    leaves: bool = False
    on_leave: bool = False

    @property
    def stamp(self) -> Stamp:
        """The stamp this event sets its values with."""
        return Stamp(self.occurred_at, self.event_id)


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that is genuine and of no use to us: recorded, answered 2xx.

    Attributes
    ----------
    event_id
        As for ``DirectoryEvent``.
    reason
        Stable code: ``unused_type``, ``whole_source``, ``test``, ...
    detail
        One sentence for the HR admin; no personal data.
    """

    event_id: str
    source_id: str
    reason: str
    detail: str


Named = TypeVar("Named", bound=DirectoryEvent | Ignored)


def placed(event: Named, person_id: str | None) -> Named:
    """Return an event with its id in place of its name, now that it is known whom it is about, if anybody."""
    return replace(event, event_id=event_id(event.event_id, person_id))
