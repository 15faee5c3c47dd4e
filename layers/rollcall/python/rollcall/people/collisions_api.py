"""Routes: people whose e-mail somebody else has, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.paging import from_cursor, to_cursor
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, Cursor, Given, Limit, Listed, Shown
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.people import collisions
from rollcall.people.collisions import Choice, Kind  # noqa: TC001 - pydantic reads them
from rollcall.people.merge import DirectoryStatus
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.ids import is_hash

if TYPE_CHECKING:
    from collections.abc import Collection

    from rollcall.people.collisions import Collision
    from rollcall.people.model import PersonRecord

router = make_router()


class CandidateShown(Shown):
    """One of the two: `status` is what their directory says. Of deleted people only who may restore them sees more."""

    person_id: str
    status: DirectoryStatus
    member_id: str | None
    external_id: str | None
    first_name: str | None
    last_name: str | None


class CollisionShown(Shown):
    """Somebody whose e-mail another one has.

    `reason` is `maybe_same_person` where the other one left: perhaps they came back with a new id. `kind` is
    `same_source_new_id`, `other_member` (the member there is of another source) or `erased_address`.
    """

    person_id: str
    kind: Kind
    reason: str
    since: str
    email: str
    wanting: CandidateShown
    holder: CandidateShown | None
    kept_by: str | None
    kept_at: str | None


class CollisionDecision(Given):
    """Whose the address is.

    `same_person`: the member goes on with the new id, with everything they have. `give_address`: the address was given
    out again, or corrected: it is the newcomer's. `keep`: it stays as it is until something changes.
    """

    decision: Choice


@router.get("/hubs/<hub_id>/collisions", summary="People who want an address that somebody has", tags=["People"])
@needs(Permission.VIEW)
def list_collisions(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[CollisionShown]:
    """Return the collisions with both candidates, those that wait longest first."""
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    found, following = collisions.list_collisions(hub_id, limit=limit, cursor=from_cursor(cursor))
    return Listed[CollisionShown](
        items=[_show(collision, permissions) for collision in found], next_cursor=to_cursor(following)
    )


@router.post("/hubs/<hub_id>/collisions/<person_id>/resolve", summary="Say whose the address is", tags=["People"])
@needs(Permission.APPROVE)
def resolve_collision(hub_id: str, person_id: str, body: CollisionDecision) -> dict[str, str]:
    """Carry out the decision for the person who wants the address; later events do not undo it."""
    if not is_hash(person_id):
        raise NotFoundError
    admin = auth.caller(router.current_event.raw_event)
    collisions.resolve(context.load(hub_id), person_id, body.decision, admin)
    return {"person_id": person_id, "decision": str(body.decision)}


def _show(collision: Collision, permissions: Collection[Permission]) -> CollisionShown:
    wanting = collision.wanting
    return CollisionShown(
        person_id=wanting.person_id,
        kind=collision.kind,
        reason=str(collision.reason),
        since=collision.since,
        email=wanting.person.text("email"),
        wanting=_candidate(wanting, permissions),
        holder=_candidate(collision.holder, permissions) if collision.holder else None,
        kept_by=collision.kept_by,
        kept_at=collision.kept_at,
    )


def _candidate(record: PersonRecord, permissions: Collection[Permission]) -> CandidateShown:
    person = record.person
    is_there = person.status in (DirectoryStatus.ACTIVE, DirectoryStatus.INACTIVE)
    is_seen = is_there or Permission.PRIVACY in permissions
    return CandidateShown(
        person_id=record.person_id,
        status=person.status,
        member_id=record.member_id if is_seen else None,
        external_id=person.external_id if is_seen else None,
        first_name=person.text("first_name") if is_seen else None,
        last_name=person.text("last_name") if is_seen else None,
    )
