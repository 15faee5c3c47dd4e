"""The link of an invitation: look at it, accept it, decline it.

Looking changes nothing, since mail scanners open links. Accepting is one transaction over invitation, address, the
persons who hold the address, the person whom the invitation was made for, and the new member, whose id follows from
address and epoch: a second try finds the first one's work. That person is joined whatever address the mail went to,
so that the member follows the directory; an address of their own becomes the member's as well. What the member shows
is computed from the mapping table and catalogue that were read before; if they moved meanwhile, it is computed once
more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from rollcall.hubs import context
from rollcall.invitations import links, store
from rollcall.invitations.model import InvitationStatus
from rollcall.members import store as members
from rollcall.members.joining import new_member, one_of_each_source
from rollcall.members.model import Change, Manual, Member, Status
from rollcall.members.projection import single_valued, view
from rollcall.members.recompute import recompute_member
from rollcall.people import store as people
from rollcall.people.merge import DirectoryStatus
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError, TransientError
from rollcall.runtime.observability import log
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Hub
    from rollcall.invitations.model import Invitation
    from rollcall.people.model import Address, PersonRecord


class PageState(StrEnum):
    """Which page the link opens."""

    OPEN = "open"
    ACCEPTED = "accepted"
    ALREADY = "already"
    DECLINED = "declined"
    EXPIRED = "expired"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    VOID = "void"
    BUSY = "busy"
    UNSUBSCRIBE = "unsubscribe"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True)
class Page:
    """What a link opens.

    Attributes
    ----------
    hub, invitation
        Only where the link is one of ours and still belongs to its invitation.
    is_gone
        The answer asked for cannot be given any more: HTTP 410.
    """

    state: PageState
    hub: Hub | None = None
    invitation: Invitation | None = None
    is_gone: bool = False

    @property
    def status(self) -> int:
        """The HTTP status: 200, 404 for a link that is none of ours, 410 for one that is over, 503."""
        match self.state:
            case PageState.VOID:
                return 404
            case PageState.BUSY:
                return 503
            case _:
                return 410 if self.is_gone else 200


_VOID = Page(PageState.VOID)
# A mail that bounced or was complained about closes the invitation; whoever has its link asks the hub.
_CLOSED = {
    InvitationStatus.ACCEPTED: PageState.ALREADY,
    InvitationStatus.DECLINED: PageState.DECLINED,
    InvitationStatus.EXPIRED: PageState.EXPIRED,
    InvitationStatus.REVOKED: PageState.REVOKED,
    InvitationStatus.WITHDRAWN: PageState.WITHDRAWN,
    InvitationStatus.BOUNCED: PageState.WITHDRAWN,
    InvitationStatus.COMPLAINED: PageState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class _Found:
    """A link of ours: ``person`` is the one the invitation was made for, if it was made for one."""

    ctx: HubContext
    invitation: Invitation
    address: Address
    person: PersonRecord | None


def look(token: str) -> Page:
    """Return the page of a link; nothing is changed.

    Raises
    ------
    TransientError
        If AWS could not be reached.
    """
    found = _find(token)
    return _page(found) if found else _VOID


def accept(token: str) -> Page:
    """Make the invited person a member, and return the page that says so.

    Returns
    -------
    Page
        ``accepted`` for the answer that did it, ``already`` for every later one, else the page of what forbids it.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often; it may or may not have been done, and may be tried again.
    """
    tried = False
    for _ in tries():
        found = _find(token)
        if found is None:
            return _VOID
        if found.invitation.status is InvitationStatus.ACCEPTED:
            # Also heals what a death after the transaction left undone.
            refresh_member(found.ctx.hub.hub_id, found.invitation.member_id, _change(found, to_text(now())))
            state = PageState.ACCEPTED if tried else PageState.ALREADY
            return Page(state, found.ctx.hub, found.invitation)
        page = _page(found)
        if page.state is not PageState.OPEN:
            return page
        try:
            accepted = _accept(found)
        except (dynamo.ConditionFailedError, TransientError):
            tried = True  # perhaps it was written although the answer was lost: look again
            continue
        if accepted is None:
            return Page(PageState.WITHDRAWN, found.ctx.hub, found.invitation, is_gone=True)
        hub_id = found.ctx.hub.hub_id
        if context.current_versions(hub_id) != found.ctx.versions:
            refresh_member(hub_id, accepted.member_id, _change(found, to_text(now())))
        log.info("invitation_accepted", hub_id=hub_id, member_id=accepted.member_id)
        return Page(PageState.ACCEPTED, found.ctx.hub, accepted)
    raise TransientError


def decline(token: str) -> Page:
    """Close the invitation as declined, and return the page that says so; a second time changes nothing.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often.
    """
    for _ in tries():
        found = _find(token)
        if found is None:
            return _VOID
        hub, invitation = found.ctx.hub, found.invitation
        if invitation.status is InvitationStatus.DECLINED:
            return Page(PageState.DECLINED, hub, invitation)
        page = _page(found)
        if page.state is not PageState.OPEN:
            return page
        declined = replace(invitation, status=InvitationStatus.DECLINED, settled_at=to_text(now()))
        try:
            dynamo.write([store.put_invitation(hub.hub_id, declined)])
        except (dynamo.ConditionFailedError, TransientError):
            continue
        log.info("invitation_declined", hub_id=hub.hub_id)
        return Page(PageState.DECLINED, hub, declined)
    raise TransientError


def look_at_unsubscribing(token: str) -> Page:
    """Return the page that asks whether reminders shall stop; nothing is changed.

    Raises
    ------
    TransientError
        If AWS could not be reached.
    """
    found = _find(token, is_any_round=True)
    if found is None:
        return _VOID
    state = PageState.UNSUBSCRIBED if found.invitation.unsubscribed_at else PageState.UNSUBSCRIBE
    return Page(state, found.ctx.hub, found.invitation)


def unsubscribe(token: str) -> Page:
    """Stop the reminders to an address, now and of later invitations; the invitation itself stays as it is.

    The link of an earlier invitation does it too: whoever reads an old mail must not have to look for a newer one.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often.
    """
    for _ in tries():
        found = _find(token, is_any_round=True)
        if found is None:
            return _VOID
        hub, invitation = found.ctx.hub, found.invitation
        if invitation.unsubscribed_at:
            return Page(PageState.UNSUBSCRIBED, hub, invitation)
        left = replace(invitation, unsubscribed_at=to_text(now()), remind_at="")
        try:
            dynamo.write([store.put_invitation(hub.hub_id, left)])
        except (dynamo.ConditionFailedError, TransientError):
            continue
        log.info("reminders_unsubscribed", hub_id=hub.hub_id)
        return Page(PageState.UNSUBSCRIBED, hub, left)
    raise TransientError


def refresh_member(hub_id: str, member_id: str, change: Change) -> None:
    """Compute every directory-derived slice of a member anew, until the versions it was computed from stay.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often.
    """
    recompute_member(context.load(hub_id), member_id, change)


def _find(token: str, *, is_any_round: bool = False) -> _Found | None:
    """Return what a link of ours leads to; one of an earlier round only if asked for."""
    claim = links.read_token(token)
    if claim is None:
        return None
    try:
        ctx = context.load(claim.hub_id)
    except NotFoundError:
        return None
    if not links.is_genuine(claim, ctx.key):
        return None
    invitation = store.get_invitation(claim.hub_id, claim.address_id)
    if invitation is None or claim.epoch > invitation.epoch:
        return None
    if claim.epoch != invitation.epoch and not is_any_round:
        return None
    person = people.get_person(claim.hub_id, invitation.person_id) if invitation.person_id else None
    return _Found(ctx, invitation, people.get_address(claim.hub_id, claim.address_id), person)


def _page(found: _Found) -> Page:
    hub, invitation = found.ctx.hub, found.invitation
    status = invitation.state_at(to_text(now()))
    if status in _CLOSED:
        state = _CLOSED[status]
        return Page(state, hub, invitation, is_gone=state is not PageState.ALREADY)
    if found.address.barred or (found.person and not _may_join(found.person, found.address)):
        return Page(PageState.WITHDRAWN, hub, invitation, is_gone=True)
    return Page(PageState.OPEN, hub, invitation)


def _may_join(person: PersonRecord, address: Address) -> bool:
    """Tell whether the invited person has not left, and the directory does not give the address to another one."""
    holder = address.holders.get(person.person.source_id)
    is_theirs = holder is None or holder.person_id == person.person_id
    return is_theirs and person.person.status is DirectoryStatus.ACTIVE


def _accept(found: _Found) -> Invitation | None:
    """Write the acceptance; nothing if the one who holds the address was deleted as a member."""
    ctx, address = found.ctx, found.address
    hub_id, at = ctx.hub.hub_id, to_text(now())
    own = _own_address(found)
    records = _persons(found, own)
    known = address.member_id or next((record.member_id for record in records if record.member_id), None)
    member_id = known or ctx.key.member_id(address.address_id, found.invitation.epoch)
    accepted = replace(found.invitation, status=InvitationStatus.ACCEPTED, settled_at=at, member_id=member_id)
    actions = [store.put_invitation(hub_id, accepted)]
    if known is None:
        joined = [replace(record, member_id=member_id) for record in records]
        member = _new_member(found, own or address, member_id, joined, at)
        cause = f"accept:{address.address_id}"
        held = [address, own] if own else [address]
        actions += [
            *(people.put_address(hub_id, replace(one, member_id=member_id)) for one in held),
            *(people.put_person(hub_id, record, cause, at) for record in joined),
            members.put_member(hub_id, member, view(member, ctx.hub, single_valued(ctx.catalogue))),
        ]
    elif _is_deleted(ctx, known):
        return None
    dynamo.write(actions)
    return accepted


def _own_address(found: _Found) -> Address | None:
    """Return the address that the invited person holds in the directory, if it is another one and free."""
    person = found.person
    if person is None or person.address_id in (None, found.address.address_id):
        return None
    own = people.get_address(found.ctx.hub.hub_id, person.address_id or "")
    return None if own.member_id or own.barred else own


def _persons(found: _Found, own: Address | None) -> list[PersonRecord]:
    """Return who becomes the member, one of each source: the invited person first, then who holds the addresses."""
    addresses = [found.address, own] if own else [found.address]
    holders = [holder.person_id for address in addresses for holder in address.holders.values()]
    records = people.get_persons(found.ctx.hub.hub_id, holders)
    ordered = [found.person, *(records[name] for name in holders if name in records)]
    return one_of_each_source(record for record in ordered if record is not None)


def _is_deleted(ctx: HubContext, member_id: str) -> bool:
    member = members.get_member(ctx.hub.hub_id, member_id)
    return member is None or view(member, ctx.hub, single_valued(ctx.catalogue)).status is Status.DELETED


def _new_member(found: _Found, address: Address, member_id: str, joined: list[PersonRecord], at: str) -> Member:
    invitation = found.invitation
    manual = Manual(
        roles=invitation.roles,
        segments=invitation.segments,
        email=invitation.email,
        first_name=invitation.first_name,
        last_name=invitation.last_name,
    )
    change = _change(found, at)
    return new_member(found.ctx, member_id, address.address_id, manual=manual, joined=joined, change=change)


def _change(found: _Found, at: str) -> Change:
    return Change(f"accept:{found.invitation.address_id}", "member", at)
