"""Who was left out of an upload: an admin removed their row from the file that was exported for it.

Items of the Invitations table, ``<hub>#N#<person id>``: the decision, who made it and when. It holds until the person
is invited after it; the next export leaves them out, or lists them last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rollcall.invitations.model import InvitationStatus
from rollcall.invitations.store import TABLE
from rollcall.runtime import dynamo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.invitations.model import Invitation


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One decision.

    Attributes
    ----------
    by
        Subject of the admin who uploaded the file.
    export_id, plan_id
        The export that had the person, and the plan of the upload that had not.
    """

    person_id: str
    at: str
    by: str = field(repr=False)
    export_id: str = ""
    plan_id: str = ""


def put_action(hub_id: str, decision: LeftOut) -> dynamo.Action:
    """Return the write of a decision; a later one of the same person replaces it."""
    return dynamo.put_action(TABLE, {"pk": _pk(hub_id, decision.person_id), "sk": "-", **asdict(decision)})


def take_back_action(hub_id: str, person_id: str, plan_id: str) -> dynamo.Action:
    """Return the write that takes back what a plan decided, on condition that no later one decided anew."""
    return dynamo.delete_action(TABLE, _pk(hub_id, person_id), "-", "#plan_id = :plan_id", {"plan_id": plan_id})


def forget_action(hub_id: str, person_id: str) -> dynamo.Action:
    """Return the write that forgets whatever was decided about a person, for good."""
    return dynamo.delete_action(TABLE, _pk(hub_id, person_id), "-", "attribute_exists(#pk)")


def get_left_out(hub_id: str, person_ids: Iterable[str]) -> dict[str, LeftOut]:
    """Return the decisions that were made, by person id."""
    found = dynamo.get_many(TABLE, [(_pk(hub_id, person_id), "-") for person_id in person_ids])
    return {item["person_id"]: _from_item(item) for item in found.values()}


def has_declined(decision: LeftOut | None, invitation: Invitation | None) -> bool:
    """Tell whether the last word on inviting somebody was no: of an admin, or their own."""
    if invitation is not None and invitation.status is InvitationStatus.DECLINED:
        return True
    return decision is not None and (invitation is None or invitation.created_at < decision.at)


def _pk(hub_id: str, person_id: str) -> str:
    return f"{hub_id}#N#{person_id}"


def _from_item(item: dynamo.Item) -> LeftOut:
    return LeftOut(**{name: item[name] for name in LeftOut.__slots__})
