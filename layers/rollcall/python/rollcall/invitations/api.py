"""Routes: invitations, sent again or revoked; what a person decides where mail did not go as it should."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from rollcall.activity.model import Kind as ActivityKind
from rollcall.api import auth, etags
from rollcall.api.auth import needs
from rollcall.api.paging import collect, from_cursor, to_cursor
from rollcall.api.presence import gone_addresses, gone_members, gone_persons
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, JSON, Cursor, Limit, Listed, Shown
from rollcall.exports.model import visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.invitations import store
from rollcall.invitations.again import check_open, decision_action, mail_again, told_sent
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import store as outbox
from rollcall.mail.model import State as MailState  # noqa: TC001 - pydantic reads it
from rollcall.people import store as people
from rollcall.privacy.erase import forget_suppressed
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import ConflictError, NotFoundError, RefusedError, TransientError
from rollcall.runtime.ids import is_hash
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from rollcall.hubs.context import HubContext
    from rollcall.mail.model import Mail

router = make_router()

QUEUE = "EMAILS_QUEUE_URL"


class InvitationShown(Shown):
    """The invitation of an address.

    ``mail_state`` is that of its newest mail: ``UNKNOWN`` where nobody knows whether it went, so that a person decides;
    ``mail_reason`` says why it waits, failed or was cancelled.
    """

    invitation_id: str
    email: str
    first_name: str
    last_name: str
    status: InvitationStatus
    roles: list[str]
    segments: dict[str, list[str]]
    mails: int
    mail_state: MailState | None
    mail_reason: str
    unsubscribed_at: str
    plan_id: str
    created_at: str
    sent_at: str
    expires_at: str
    settled_at: str
    member_id: str | None


@router.get("/hubs/<hub_id>/invitations", summary="Invitations of the hub", tags=["Invitations"])
@needs(Permission.VIEW)
def list_invitations(
    hub_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    status: Annotated[InvitationStatus | None, Query(description="Only invitations that stand so.")] = None,
    mail_state: Annotated[
        MailState | None, Query(description="Only where the newest mail stands so; UNKNOWN: a person must decide.")
    ] = None,
) -> Listed[InvitationShown]:
    """Return the invitations, newest first; those of deleted people are left out."""
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    ctx = context.load(hub_id)
    at = to_text(now())
    found, following = collect(
        lambda size, start: _fetch(ctx, size, start, permissions, at),
        lambda shown: status in (None, shown.status) and mail_state in (None, shown.mail_state),
        limit=limit,
        position=from_cursor(cursor),
    )
    return Listed[InvitationShown](items=found, next_cursor=to_cursor(following))


@router.post(
    "/hubs/<hub_id>/invitations/<invitation_id>/resend",
    summary="Send an invitation once more",
    tags=["Invitations"],
    status_code=202,
)
@needs(Permission.INVITE)
def resend_invitation(hub_id: str, invitation_id: str) -> Response[InvitationShown]:
    """Mail an open invitation again, three mails in all. While one is still on its way no other is made."""
    caller = auth.caller(router.current_event.raw_event)

    def change() -> tuple[Invitation, str]:
        try:
            return mail_again(hub_id, _existing(hub_id, invitation_id), now(), caller.subject)
        except dynamo.ConditionFailedError as exc:
            raise ConflictError from exc

    invitation, mail_id = etags.retry(change)
    try:
        queues.send(QUEUE, {"hub_id": hub_id, "mail_id": mail_id})
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, mail_id=mail_id)
    body = _show(context.load(hub_id), invitation, caller.permissions(hub_id), to_text(now()))
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub_id}/invitations"}
    return Response(status_code=202, content_type=JSON, body=body, headers=headers)


@router.post(
    "/hubs/<hub_id>/invitations/<invitation_id>/mark-sent",
    summary="Settle a doubtful mail as sent",
    tags=["Invitations"],
)
@needs(Permission.INVITE)
def mark_invitation_sent(hub_id: str, invitation_id: str) -> InvitationShown:
    """Say that a mail in state ``UNKNOWN`` has reached its person. Saying it again changes nothing."""
    caller = auth.caller(router.current_event.raw_event)

    def change() -> Invitation:
        try:
            return told_sent(hub_id, _existing(hub_id, invitation_id), caller.subject, now())
        except dynamo.ConditionFailedError as exc:
            raise ConflictError from exc

    invitation = etags.retry(change)
    return _show(context.load(hub_id), invitation, caller.permissions(hub_id), to_text(now()))


@router.post(
    "/hubs/<hub_id>/invitations/<invitation_id>/lift-suppression",
    summary="Let mails go to an address that bounced",
    tags=["Invitations"],
)
@needs(Permission.ADMIN)
def lift_suppression(hub_id: str, invitation_id: str) -> InvitationShown:
    """Allow mails to an address again, once its owner has mended it. An address that complained stays suppressed.

    The invitation that bounced stays as it is: upload the row again to invite the person anew.
    """
    caller = auth.caller(router.current_event.raw_event)
    invitation = _existing(hub_id, invitation_id)

    def change() -> None:
        address = people.get_address(hub_id, invitation.address_id)
        if address.suppressed == "complained":
            detail = "They reported a mail of yours as unwanted. Ask them by other means for another address."
            raise RefusedError(detail, code="complained")
        forget_suppressed([invitation.email])
        if address.suppressed is None:
            return
        kind, freed = ActivityKind.SUPPRESSION_LIFTED, replace(address, suppressed=None)
        old, by = address.suppressed, caller.subject
        decided = decision_action(hub_id, invitation, kind, old=old, new="lifted", by=by, at=now())
        try:
            dynamo.write([people.put_address(hub_id, freed), decided])
        except dynamo.ConditionFailedError as exc:
            raise ConflictError from exc

    etags.retry(change)
    log.info("suppression_lifted", hub_id=hub_id, address_id=invitation.address_id, by=caller.subject)
    return _show(context.load(hub_id), invitation, caller.permissions(hub_id), to_text(now()))


@router.post("/hubs/<hub_id>/invitations/<invitation_id>/revoke", summary="Revoke an invitation", tags=["Invitations"])
@needs(Permission.INVITE)
def revoke_invitation(hub_id: str, invitation_id: str) -> InvitationShown:
    """Make the link of an open invitation void. Revoking it again changes nothing."""
    caller = auth.caller(router.current_event.raw_event)

    def change() -> Invitation:
        return _revoke(hub_id, _existing(hub_id, invitation_id), caller.subject)

    invitation = etags.retry(change)
    return _show(context.load(hub_id), invitation, caller.permissions(hub_id), to_text(now()))


def _existing(hub_id: str, invitation_id: str) -> Invitation:
    invitation = store.get_invitation(hub_id, invitation_id) if is_hash(invitation_id) else None
    if invitation is None or not _present(context.load(hub_id), [invitation]):
        raise NotFoundError
    return invitation


def _fetch(
    ctx: HubContext, size: int, start: str, permissions: Collection[Permission], at: str
) -> tuple[list[InvitationShown], str | None]:
    listed, following = store.list_invitations(ctx.hub.hub_id, limit=size, cursor=start)
    return _show_all(ctx, _present(ctx, listed), permissions, at), following


def _present(ctx: HubContext, listed: list[Invitation]) -> list[Invitation]:
    """Return the invitations without those of deleted people, before or after they became members."""
    barred = gone_addresses(ctx, [invitation.address_id for invitation in listed])
    deleted = gone_members(ctx, [invitation.member_id for invitation in listed if invitation.member_id])
    erased = gone_persons(ctx, [invitation.person_id for invitation in listed if invitation.person_id])
    return [
        one
        for one in listed
        if one.address_id not in barred and one.member_id not in deleted and one.person_id not in erased
    ]


def _revoke(hub_id: str, invitation: Invitation, by: str) -> Invitation:
    if invitation.status is InvitationStatus.REVOKED:
        return invitation
    at = now()
    check_open(invitation, to_text(at))
    revoked = replace(invitation, status=InvitationStatus.REVOKED, settled_at=to_text(at))
    kind, old = ActivityKind.INVITATION_REVOKED, str(invitation.status)
    decided = decision_action(hub_id, invitation, kind, old=old, new="revoked", by=by, at=at)
    try:
        dynamo.write([store.put_invitation(hub_id, revoked), decided])
    except dynamo.ConditionFailedError as exc:
        raise ConflictError from exc
    return revoked


def _show(ctx: HubContext, invitation: Invitation, permissions: Collection[Permission], at: str) -> InvitationShown:
    return _show_all(ctx, [invitation], permissions, at)[0]


def _show_all(
    ctx: HubContext, listed: list[Invitation], permissions: Collection[Permission], at: str
) -> list[InvitationShown]:
    hub_id = ctx.hub.hub_id
    newest = [invitation.mail_id(hub_id, invitation.mails) for invitation in listed]
    mails = {mail.mail_id: mail for mail in outbox.get_many(hub_id, newest)}
    return [
        _show_one(ctx, invitation, mails.get(mail_id), permissions, at)
        for invitation, mail_id in zip(listed, newest, strict=True)
    ]


def _show_one(
    ctx: HubContext, invitation: Invitation, mail: Mail | None, permissions: Collection[Permission], at: str
) -> InvitationShown:
    roles = {role.role_id: role.label for role in ctx.catalogue.roles}
    segments = {}
    for segment in visible_segments(ctx.catalogue, permissions):
        chosen = invitation.segments.get(segment.segment_id, ())
        labels = [option.label for option in segment.options if option.option_id in chosen]
        if labels:
            segments[segment.name] = labels
    return InvitationShown(
        invitation_id=invitation.address_id,
        email=invitation.email,
        first_name=invitation.first_name,
        last_name=invitation.last_name,
        status=invitation.state_at(at),
        roles=[roles[role_id] for role_id in invitation.roles if role_id in roles],
        segments=segments,
        mails=invitation.mails,
        mail_state=mail.state if mail else None,
        mail_reason=(mail.reason or "") if mail else "",
        unsubscribed_at=invitation.unsubscribed_at,
        plan_id=invitation.plan_id,
        created_at=invitation.created_at,
        sent_at=invitation.sent_at,
        expires_at=invitation.expires_at,
        settled_at=invitation.settled_at,
        member_id=invitation.member_id or None,
    )
