"""Who waits in a held-removals plan, and who left before: items of the Plans table.

``<hub>#L#<plan id>``, sk ``H#<member id>#<source id>``: one removal that waits, whatever number of events asked for it.
``<hub>#R``, sk ``<time>#<member id>#<source id>``: one removal that took place, so that all of a window can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollcall.members.model import Hold, Status
from rollcall.people.events import Stamp
from rollcall.plans import store as plans
from rollcall.runtime import dynamo
from rollcall.runtime.times import expiry, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rollcall.people.decide import Removal

TABLE = "PLANS_TABLE"
_WAITING = "H#"


@dataclass(frozen=True, slots=True)
class Leaver:
    """A removal that waits, or that took place.

    Attributes
    ----------
    upto
        The newest that the source said of leaving.
    to
        What the member would be, or was, shown as.
    reason
        Of the hold; empty if it took place.
    """

    member_id: str
    source_id: str
    person_id: str
    upto: Stamp
    to: Status
    reason: str = ""


def waits_action(hub_id: str, removal: Removal, hold: Hold, at: datetime) -> dynamo.Action:
    """Return the write that lists a removal in the plan of its hold; a second one of the same member replaces it."""
    key = f"{_WAITING}{removal.member_id}#{removal.source_id}"
    item = {"pk": plans.pk(hub_id, hold.plan_id), "sk": key, **_item(removal, at), "reason": hold.reason}
    return dynamo.put_action(TABLE, item)


def passed_action(hub_id: str, removal: Removal, at: datetime) -> dynamo.Action:
    """Return the write that remembers a removal which takes place."""
    key = f"{to_text(at)}#{removal.member_id}#{removal.source_id}"
    return dynamo.put_action(TABLE, {"pk": _passed_pk(hub_id), "sk": key, **_item(removal, at), "reason": ""})


def waiting(hub_id: str, plan_id: str) -> Iterator[Leaver]:
    """Yield the removals that a plan lists, by member; memory holds one page."""
    for item in dynamo.query_all(
        TABLE,
        plans.pk(hub_id, plan_id),
        condition="begins_with(#sk, :prefix)",
        values={"prefix": _WAITING},
        consistent=True,
    ):
        yield _from_item(item)


def passed(hub_id: str, since: datetime, until: datetime) -> Iterator[Leaver]:
    """Yield the removals that took place from ``since`` on and before ``until``, oldest first."""
    for item in dynamo.query_all(
        TABLE,
        _passed_pk(hub_id),
        condition="#sk BETWEEN :since AND :until",
        values={"since": to_text(since), "until": to_text(until)},
        consistent=True,
    ):
        yield _from_item(item)


def _passed_pk(hub_id: str) -> str:
    return f"{hub_id}#R"


def _item(removal: Removal, at: datetime) -> dict[str, Any]:
    return {
        "member_id": removal.member_id,
        "source_id": removal.source_id,
        "person_id": removal.person_id,
        "upto": [removal.upto.at, removal.upto.event_id],
        "to": str(removal.to),
        "at": to_text(at),
        "expires": expiry(to_text(at)),
    }


def _from_item(item: dict[str, Any]) -> Leaver:
    return Leaver(
        member_id=item["member_id"],
        source_id=item["source_id"],
        person_id=item["person_id"],
        upto=Stamp(*item["upto"]),
        to=Status(item["to"]),
        reason=item["reason"],
    )
