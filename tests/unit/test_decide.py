"""What an event changes: persons, addresses, members and invitations, all from plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollcall.hubs.model import Hub
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mapping.table import MappingTable
from rollcall.members.model import Manual, Member, Status
from rollcall.members.projection import derive, single_valued, view, with_slice
from rollcall.people.decide import Decision, Known, decide
from rollcall.people.events import DirectoryEvent, Kind, Stamp
from rollcall.people.merge import lift, merge, tombstone
from rollcall.people.model import Address, Barred, EventState, Holder, PersonRecord, Waiting
from rollcall.people.outcomes import ERASED
from rollcall.segments.model import Catalogue
from tests.support.world import ROLES, RULES, SEGMENTS

CATALOGUE = Catalogue(tuple(ROLES), tuple(SEGMENTS))
TABLE = MappingTable(1, RULES)
HUB = Hub("0" * 26, "Harbour", "0" * 32)
AT = "2026-11-22T12:00:00.000Z"
HOME, NEW = Address("a" * 32, rev=1), Address("b" * 32)


def event(second: int, kind: Kind = Kind.UPDATED, **said: object) -> DirectoryEvent:
    """Return an event of Maya at a second."""
    base = DirectoryEvent(f"{second:032x}", "source", "E-1", kind, f"2026-10-05T08:00:{second:02d}.000Z")
    return replace(base, **said)  # type: ignore[arg-type]


FIRST = event(
    0,
    Kind.ADDED,
    fields={"email": "maya@example.com", "first_name": "Maya"},
    attributes={"Office": "London", "Grade": "Senior"},
)
RECORD = PersonRecord("p" * 32, lift(FIRST), rev=3, address_id=HOME.address_id)
HELD = replace(HOME, holders={"source": Holder(RECORD.person_id, rank=FIRST.stamp)})


def member_of(record: PersonRecord, **said: object) -> tuple[PersonRecord, Member]:
    """Return the record linked to a member, and the member as accepting made it."""
    linked = replace(record, member_id="m" * 32)
    member = Member("m" * 32, HOME.address_id, rev=1)
    member = with_slice(member, derive(linked, TABLE, CATALOGUE), HUB, single_valued(CATALOGUE))
    return linked, replace(member, **said)  # type: ignore[arg-type]


def known(
    record: PersonRecord = RECORD,
    *,
    wanted: Address | None = HELD,
    held: Address | None = HELD,
    member: Member | None = None,
    invitation: Invitation | None = None,
) -> Known:
    """Return what is known, Maya at her own address unless said otherwise."""
    return Known(record, is_new=False, wanted=wanted, held=held, member=member, invitation=invitation)


def decided(what: Known, said: DirectoryEvent) -> Decision:
    """Decide with the test's hub, catalogue and table."""
    return decide(what, said, hub=HUB, catalogue=CATALOGUE, table=TABLE, at=AT)


def shown(member: Member | None, hub: Hub = HUB) -> dict[str, object]:
    """Return what is shown of a member."""
    assert member is not None
    seen = view(member, hub, single_valued(CATALOGUE))
    return {"status": seen.status, "roles": seen.roles, "segments": seen.segments, "email": seen.email}


def test_first_event_creates_the_person_and_takes_the_address() -> None:
    """Somebody new is stored and holds their address; nobody is invited."""
    new = Known(PersonRecord("p" * 32, lift(FIRST)), is_new=True, wanted=NEW, held=None, member=None, invitation=None)
    decision = decided(new, FIRST)
    assert decision.outcome.reason == "person_created"
    assert decision.record is not None
    assert decision.record.address_id == NEW.address_id
    assert [address.holders for address in decision.addresses] == [{"source": Holder("p" * 32, rank=FIRST.stamp)}]
    assert (decision.member, decision.invitation) == (None, None)


def test_update_changes_derived_values_and_leaves_what_was_set_by_hand() -> None:
    """The move to Toronto replaces London; the role that an admin gave stays."""
    record, member = member_of(RECORD)
    member = replace(member, manual=Manual(roles=("mentee",)))
    decision = decided(known(record, member=member), event(5, attributes={"Office": "Toronto"}))
    assert shown(decision.member)["segments"] == {"location": ("toronto",)}
    assert shown(decision.member)["roles"] == ("mentee", "mentor")


def test_event_that_says_nothing_new_of_the_member_does_not_touch_them() -> None:
    """An attribute without a rule changes the person, not the member."""
    record, member = member_of(RECORD)
    decision = decided(known(record, member=member), event(5, attributes={"Desk": "4"}))
    assert decision.record is not None
    assert decision.member is None


def test_same_values_are_no_change_but_move_the_clock() -> None:
    """Saying the same later is recorded as no change; the newer stamp is kept, since order depends on it."""
    decision = decided(known(), event(5, attributes={"Office": "London"}))
    assert (decision.outcome.state, decision.outcome.reason) == (EventState.NO_CHANGE, "same_values")
    assert decision.record is not None


def test_older_event_changes_nothing() -> None:
    """What is older than everything we have has no effect and writes nothing."""
    later = replace(RECORD, person=lift(event(9, attributes={"Office": "Toronto"}, complete=True)), address_id=None)
    decision = decided(known(later, wanted=None, held=None), event(5, attributes={"Office": "London"}))
    assert (decision.outcome.reason, decision.changes_something) == ("older", False)


def test_deactivation_withdraws_the_open_invitation_and_bars_the_address() -> None:
    """Who left is not invited any more, and no mail may start."""
    invitation = Invitation(HOME.address_id, 1, InvitationStatus.SENT, "maya@example.com")
    decision = decided(known(invitation=invitation), event(5, Kind.DEACTIVATED))
    assert decision.invitation is not None
    assert decision.invitation.status is InvitationStatus.WITHDRAWN
    assert [address.barred for address in decision.addresses] == [Barred.DEACTIVATED]


def test_deactivation_makes_the_member_inactive_and_reactivation_by_event_is_off() -> None:
    """An activation by event does not bring a member back, unless the hub says so."""
    record, member = member_of(RECORD)
    left = decided(known(record, member=member), event(5, Kind.DEACTIVATED))
    assert shown(left.member)["status"] is Status.INACTIVE
    assert left.record is not None
    assert left.member is not None
    again = decided(
        known(replace(left.record, rev=4), held=left.addresses[0], wanted=left.addresses[0], member=left.member),
        event(7, Kind.REACTIVATED),
    )
    assert shown(again.member)["status"] is Status.INACTIVE
    assert shown(again.member, replace(HUB, reactivate_on_event=True))["status"] is Status.ACTIVE


def test_deactivation_that_comes_late_says_what_it_did() -> None:
    """The person is known to be back since, and is said to be unchanged; the member goes, and the log says so."""
    record, member = member_of(replace(RECORD, person=merge(RECORD.person, event(9, Kind.REACTIVATED))))
    late = decided(known(record, member=member), event(5, Kind.DEACTIVATED))
    assert shown(late.member)["status"] is Status.INACTIVE
    assert (late.outcome.state, late.outcome.reason) == (EventState.APPLIED, "person_deactivated")


def test_late_older_deactivation_does_not_undo_a_reactivation_by_an_admin() -> None:
    """Status depends on what happened when, not on the order of arrival; a newer deactivation counts again."""
    record, member = member_of(RECORD)
    member = replace(member, reactivated=Stamp("2026-10-05T08:00:30.000Z", "~"))
    late = decided(known(record, member=member), event(20, Kind.DEACTIVATED))
    assert shown(late.member)["status"] is Status.ACTIVE
    newer = decided(known(record, member=member), event(40, Kind.DEACTIVATED))
    assert shown(newer.member)["status"] is Status.INACTIVE


def test_suspension_survives_every_event() -> None:
    """What an admin suspended stays inactive, whatever the directory says."""
    record, member = member_of(RECORD, suspended=AT)
    decision = decided(known(record, member=member), event(50, Kind.REACTIVATED, attributes={"Office": "Toronto"}))
    assert shown(decision.member)["status"] is Status.INACTIVE


def test_last_role_is_kept() -> None:
    """A sync that would leave a member without any role keeps the old one."""
    record, member = member_of(RECORD)
    decision = decided(known(record, member=member), event(5, attributes={"Grade": None}))
    assert decision.member is not None
    assert decision.member.kept_roles == ("mentor",)
    assert shown(decision.member)["roles"] == ("mentor",)


def test_new_address_follows_the_person() -> None:
    """The member moves to the new address, and the old one is free again."""
    record, member = member_of(RECORD)
    decision = decided(
        known(record, wanted=NEW, held=replace(HELD, member_id=member.member_id), member=member),
        event(5, fields={"email": "maya.o@example.com"}),
    )
    old, new = decision.addresses
    assert (old.holders, old.member_id) == ({}, None)
    assert (new.member_id, new.holders["source"].person_id) == (member.member_id, RECORD.person_id)
    assert shown(decision.member)["email"] == "maya.o@example.com"


def test_address_of_somebody_else_is_not_taken_over() -> None:
    """The event is held and the person waits at the address; the member keeps theirs until somebody needs it."""
    record, member = member_of(RECORD)
    theirs = replace(NEW, rev=2, member_id="o" * 32, holders={"source": Holder("o" * 32)})
    mine = replace(HELD, member_id=member.member_id)
    said = event(5, fields={"email": "ana@example.com"})
    decision = decided(known(record, wanted=theirs, held=mine, member=member), said)
    assert (decision.outcome.state, decision.outcome.reason) == (EventState.HELD, "address_taken")
    kept, waited = decision.addresses
    assert (kept.member_id, kept.holders, kept.is_loose) == (member.member_id, {}, True)
    assert waited == theirs
    assert decision.waits == Waiting(theirs.address_id, "source", RECORD.person_id, said.stamp)
    assert decision.record is not None
    assert decision.record.address_id == HOME.address_id
    assert decision.member is None or shown(decision.member)["email"] == "maya@example.com"


def test_person_at_a_members_address_is_linked() -> None:
    """A second source's person with the e-mail of a member becomes that member, with a slice of their own."""
    record, member = member_of(RECORD)
    theirs = replace(HELD, member_id=member.member_id)
    other = replace(FIRST, source_id="other", attributes={"Office": "Toronto", "Grade": "Junior"})
    new = Known(
        PersonRecord("q" * 32, lift(other)), is_new=True, wanted=theirs, held=None, member=member, invitation=None
    )
    decision = decided(new, other)
    assert decision.record is not None
    assert decision.record.member_id == record.member_id
    assert decision.member is not None
    assert set(decision.member.slices) == {"source", "other"}
    assert set(view(decision.member, HUB, single_valued(CATALOGUE)).roles) == {"mentor", "mentee"}


def test_deleted_member_is_deleted_whatever_comes_later() -> None:
    """After a deletion, a newer activation is kept with the person and does not bring the member back."""
    record, member = member_of(RECORD)
    gone = decided(known(record, member=member), event(5, Kind.DELETED))
    assert shown(gone.member)["status"] is Status.DELETED
    assert gone.record is not None
    assert gone.member is not None
    (address,) = gone.addresses
    later = decided(
        known(replace(gone.record, rev=4), held=address, wanted=address, member=gone.member),
        event(9, Kind.ADDED, attributes={"Office": "Toronto"}),
    )
    assert shown(later.member or gone.member)["status"] is Status.DELETED


def test_erased_person_is_not_touched() -> None:
    """Nothing is written for somebody who was erased."""
    gone = replace(RECORD, person=tombstone(RECORD.person))
    decision = decided(known(gone, wanted=None, held=None), event(9, Kind.ADDED))
    assert decision.outcome == ERASED
    assert not decision.changes_something


@pytest.mark.parametrize("kind", [Kind.DELETED, Kind.DEACTIVATED])
@pytest.mark.parametrize("fields", [{"email": None}, {"email": "other@example.com"}])
def test_somebody_who_left_keeps_their_address_barred(kind: Kind, fields: dict[str, str | None]) -> None:
    """An event that takes the e-mail away with the person does not free the address for the old file."""
    wanted = NEW if fields["email"] else None
    decision = decided(known(wanted=wanted), event(5, kind, fields=fields))
    addresses = {address.address_id: address for address in decision.addresses}
    assert addresses[HOME.address_id].barred is not None
    assert decision.record is not None
    assert decision.record.address_id == (NEW if wanted else HOME).address_id
    assert all(address.barred for address in decision.addresses)


def test_new_hire_at_a_members_former_address_is_not_that_member() -> None:
    """A member is one person of each source: another person with the same e-mail is held, not joined to them."""
    _, member = member_of(RECORD)
    theirs = replace(HOME, member_id=member.member_id)
    hire = replace(FIRST, external_id="E-2", fields={"email": "maya@example.com", "first_name": "Noor"})
    new = Known(
        PersonRecord("h" * 32, lift(hire)), is_new=True, wanted=theirs, held=None, member=member, invitation=None
    )
    decision = decided(new, hire)
    assert (decision.outcome.state, decision.outcome.reason) == (EventState.HELD, "address_taken")
    assert decision.member is None
    assert decision.record is not None
    assert (decision.record.member_id, decision.record.address_id) == (None, None)


def test_address_given_up_reopens_the_event_that_waited_for_it() -> None:
    """Who wanted the address gets their turn when its holder moves away."""
    waiting = Waiting(HOME.address_id, "source", "h" * 32, Stamp(AT, "e" * 32))
    known_now = replace(known(wanted=NEW, held=HELD), queue={HOME.address_id: (waiting,)})
    decision = decided(known_now, event(5, fields={"email": "maya.o@example.com"}))
    assert decision.reopen == ("e" * 32,)


def test_slice_of_another_person_is_refused() -> None:
    """Whatever its revision, a slice of somebody else does not replace a member's own."""
    _, member = member_of(RECORD)
    other = replace(member.slices["source"], person_id="o" * 32, person_rev=99, first_name="Noor")
    assert with_slice(member, other, HUB, single_valued(CATALOGUE)) == member
