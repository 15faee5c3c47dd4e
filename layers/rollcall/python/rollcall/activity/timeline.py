"""A member's timeline: what changed, what the directory said, and their invitation, in one order, newest first."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

from rollcall.activity import store
from rollcall.activity.model import Activity, Kind
from rollcall.invitations import store as invitations
from rollcall.invitations.model import InvitationStatus
from rollcall.people import store as people
from rollcall.runtime.ids import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollcall.invitations.model import Invitation
    from rollcall.members.model import Member

_ANSWERS = (InvitationStatus.ACCEPTED, InvitationStatus.DECLINED)


def timeline(
    hub_id: str, member: Member, *, limit: int, cursor: str = "", kind: Kind | None = None
) -> tuple[list[Activity], str | None]:
    """Return what happened to a member, newest first, and the cursor of the next page.

    That is every change of what is shown of them, of what their sources say of them, and of their newest invitation
    with its mails. Entries of other kinds than ``kind`` are left out; a page may then hold fewer than there are.
    """
    persons = people.get_persons(hub_id, [part.person_id for part in member.slices.values()])
    subjects = [member.member_id, *sorted(persons)]
    pages = [store.list_for(hub_id, subject, limit=limit, cursor=cursor) for subject in subjects]
    addresses = {member.address_id, *(record.address_id for record in persons.values() if record.address_id)}
    found = invitations.get_invitations(hub_id, sorted(addresses)).values()
    invited = sorted(
        (entry for one in found for entry in of_invitation(hub_id, member.member_id, one)), key=order, reverse=True
    )
    later = [entry for entry in invited if not cursor or order(entry) < cursor]
    merged = heapq.merge(*(entries for entries, _ in pages), later, key=order, reverse=True)
    entries = list(islice(merged, limit))
    is_more = any(following for _, following in pages) or len(later) + sum(len(page) for page, _ in pages) > limit
    following = order(entries[-1]) if entries and is_more else None
    return [entry for entry in entries if kind in (None, entry.kind)], following


def order(entry: Activity) -> str:
    """Return what entries are sorted by, as they lie in the table: time, then id."""
    return f"{entry.at}#{entry.activity_id}"


def of_invitation(hub_id: str, member_id: str, invitation: Invitation) -> Iterator[Activity]:
    """Yield what happened to an invitation: made, sent, and how it ended."""
    made_by = f"plan:{invitation.plan_id}" if invitation.plan_id else ""
    ended = str(invitation.status)
    answered = f"accept:{invitation.address_id}" if invitation.status in _ANSWERS else made_by
    steps = (
        (Kind.INVITED, invitation.created_at, None, "queued", made_by, ""),
        (Kind.INVITATION_SENT, invitation.sent_at, "queued", "sent", made_by, ""),
        (
            Kind.INVITATION_SETTLED,
            invitation.settled_at,
            "sent",
            ended,
            answered,
            "member" if invitation.status in _ANSWERS else "",
        ),
    )
    for kind, at, old, new, cause, actor in steps:
        if at:
            yield Activity(
                hub_id=hub_id,
                subject=member_id,
                activity_id=digest("invitation", invitation.address_id, str(invitation.epoch), str(kind)),
                kind=kind,
                field="invitation",
                old=old,
                new=new,
                cause=cause,
                actor=actor,
                at=at,
            )
