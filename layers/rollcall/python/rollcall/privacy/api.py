"""Routes: restore, erase, receipts, and all that is held about a person. All of them need the privacy permission."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from pydantic import StringConstraints

from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.paging import from_cursor, to_cursor
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, JSON, Cursor, Given, Limit, Listed, Shown
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Permission
from rollcall.members import store as members
from rollcall.members.api import MemberShown, show, view_of
from rollcall.people import store as people
from rollcall.privacy import store
from rollcall.privacy.data import data_of
from rollcall.privacy.emails import usable_email
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Erasure, ErasureState, Subject, erasure_id_of
from rollcall.privacy.restore import restore_member
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError
from rollcall.runtime.ids import is_hash
from rollcall.runtime.times import from_text, to_text

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext

router = make_router()

BACKUPS = timedelta(days=14)
_BACKUPS = "Point-in-time backups of the tables, until they are overwritten; a restored one is erased again first."
_MAILS = "Mails that were delivered, and what the mail provider keeps of them."
_STREAMS = "Copies in the tables' streams, for 24 hours."
_ATTACHMENT = "A file that named them was e-mailed to an admin: ask them to delete it."


class WhoToErase(Given):
    """Somebody to be erased, known or not: by source and external id, or by e-mail address."""

    source_id: Annotated[str, StringConstraints(max_length=26)] = ""
    external_id: Annotated[str, StringConstraints(max_length=1000)] = ""
    email: Annotated[str, StringConstraints(max_length=254)] = ""


class BeyondReach(Shown):
    """Something of them that we cannot take away: what, which one, since or until when."""

    what: str
    detail: str
    id: str | None
    at: str | None


class Receipt(Shown):
    """An erasure: what was purged, by kind and number, when, who asked for it, and what is beyond our reach."""

    erasure_id: str
    state: ErasureState
    cause: Cause
    requested_by: str
    requested_at: str
    next_pass_at: str | None
    done_at: str | None
    purged: dict[str, int]
    beyond_reach: list[BeyondReach]


class PersonData(Shown):
    """All that is held about a person, as plain values."""

    persons: dict[str, Any]
    members: dict[str, Any]
    invitations: list[dict[str, Any]]
    left_out: list[dict[str, Any]]
    mails: list[dict[str, Any]]
    events: list[dict[str, Any]]
    activity: list[dict[str, Any]]


@router.post("/hubs/<hub_id>/members/<member_id>/restore", summary="Bring a deleted member back", tags=["Privacy"])
@needs(Permission.PRIVACY)
def restore(hub_id: str, member_id: str) -> MemberShown:
    """Restore a deleted member whole, within the grace time."""
    admin = auth.caller(router.current_event.raw_event)
    if not is_hash(member_id):
        raise NotFoundError
    member = restore_member(hub_id, member_id, admin.subject)
    ctx = context.load(hub_id)
    return show(ctx, view_of(ctx, member), admin.permissions(hub_id))


@router.post(
    "/hubs/<hub_id>/members/<member_id>/erase", summary="Erase a member now", tags=["Privacy"], status_code=202
)
@needs(Permission.PRIVACY)
def erase_member(hub_id: str, member_id: str) -> Response[Receipt]:
    """Erase a member without grace: every person they are, their addresses, invitations and whatever names them."""
    ctx = context.load(hub_id)
    erasure_id = erasure_id_of(hub_id, "member", member_id)
    if not is_hash(member_id) or members.get_member(hub_id, member_id) is None:
        return _again(hub_id, erasure_id)
    return _erase(ctx, erasure_id, Subject(members=frozenset([member_id])))


@router.post("/hubs/<hub_id>/people/<person_id>/erase", summary="Erase a person now", tags=["Privacy"], status_code=202)
@needs(Permission.PRIVACY)
def erase_person(hub_id: str, person_id: str) -> Response[Receipt]:
    """Erase a person without grace, and with them the member they are."""
    ctx = context.load(hub_id)
    record = people.get_person(hub_id, person_id) if is_hash(person_id) else None
    if record is None:
        raise NotFoundError
    return _erase(ctx, erasure_id_of(hub_id, "person", person_id), Subject({person_id: record.person.source_id}))


@router.post("/hubs/<hub_id>/erasures", summary="Erase somebody now", tags=["Privacy"], status_code=202)
@needs(Permission.PRIVACY)
def create_erasure(hub_id: str, body: WhoToErase) -> Response[Receipt]:
    """Erase somebody whom the hub may not even know: they stay out when an event or a file brings them later."""
    ctx = context.load(hub_id)
    if body.email and not (body.source_id or body.external_id):
        email = usable_email(body.email)
        if email is None:
            raise MalformedError([Fault("body.email", "bad_email", "This is not one e-mail address.")])
        address_id = ctx.key.address_id(email)
        subject = Subject(addresses=frozenset([address_id]))
        return _erase(ctx, erasure_id_of(hub_id, "address", address_id), subject, body.email.strip())
    if not (body.source_id and body.external_id) or body.email:
        detail = "Give either source_id and external_id, or email."
        raise MalformedError([Fault("body", "who", detail)])
    if hubs.get_source(hub_id, body.source_id) is None:
        raise MalformedError([Fault("body.source_id", "unknown_source", "The hub has no such source.")])
    person_id = ctx.key.person_id(body.source_id, body.external_id)
    return _erase(ctx, erasure_id_of(hub_id, "person", person_id), Subject({person_id: body.source_id}))


@router.get("/hubs/<hub_id>/erasures", summary="Erasures of the hub", tags=["Privacy"])
@needs(Permission.PRIVACY)
def list_erasures(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[Receipt]:
    """Return the erasures, newest first."""
    found, following = store.list_erasures(hub_id, limit=limit, cursor=from_cursor(cursor))
    return Listed[Receipt](items=[_receipt(erasure) for erasure in found], next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/erasures/<erasure_id>", summary="The receipt of an erasure", tags=["Privacy"])
@needs(Permission.PRIVACY)
def get_erasure(hub_id: str, erasure_id: str) -> Receipt:
    """Return what was purged so far, and what is beyond reach."""
    erasure = store.get(hub_id, erasure_id) if is_hash(erasure_id) else None
    if erasure is None:
        raise NotFoundError
    return _receipt(erasure)


@router.get("/hubs/<hub_id>/people/<person_id>/data", summary="All that is held about a person", tags=["Privacy"])
@needs(Permission.PRIVACY)
def get_data(hub_id: str, person_id: str) -> PersonData:
    """Return what lies in the tables about a person; files of the last 14 days may name them too."""
    ctx = context.load(hub_id)
    record = people.get_person(hub_id, person_id) if is_hash(person_id) else None
    if record is None or record.person.erased:
        raise NotFoundError
    return PersonData(**data_of(ctx, record))


def _again(hub_id: str, erasure_id: str) -> Response[Receipt]:
    """Answer somebody who asks once more for what was done: the answer may have got lost."""
    erasure = store.get(hub_id, erasure_id)
    if erasure is None:
        raise NotFoundError
    return _accepted(erasure)


def _erase(ctx: HubContext, erasure_id: str, subject: Subject, *written: str) -> Response[Receipt]:
    admin = auth.caller(router.current_event.raw_event)
    erasure = erase(
        ctx.hub.hub_id, ctx.key, erasure_id, subject, cause=Cause.REQUEST, by=admin.subject, written=written
    )
    return _accepted(erasure)


def _accepted(erasure: Erasure) -> Response[Receipt]:
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{erasure.hub_id}/erasures/{erasure.erasure_id}"}
    return Response(status_code=202, content_type=JSON, body=_receipt(erasure), headers=headers)


def _receipt(erasure: Erasure) -> Receipt:
    until = to_text(from_text(erasure.began_at) + BACKUPS)
    beyond = [
        BeyondReach(what=entry["what"], detail=_ATTACHMENT, id=entry["id"], at=entry["at"])
        for entry in erasure.beyond.values()
    ]
    beyond += [
        BeyondReach(what="backups", detail=_BACKUPS, id=None, at=until),
        BeyondReach(
            what="streams", detail=_STREAMS, id=None, at=to_text(from_text(erasure.began_at) + timedelta(days=1))
        ),
        BeyondReach(what="sent_mails", detail=_MAILS, id=None, at=None),
    ]
    return Receipt(
        erasure_id=erasure.erasure_id,
        state=erasure.state,
        cause=erasure.cause,
        requested_by=erasure.requested_by,
        requested_at=erasure.requested_at,
        next_pass_at=erasure.next_pass_at or None,
        done_at=erasure.done_at or None,
        purged=erasure.counts(),
        beyond_reach=beyond,
    )
