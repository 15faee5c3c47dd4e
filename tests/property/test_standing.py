"""Where an address stands, neither it nor an invitation need be read: deciding on all of it comes to the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from rollcall.hubs.model import Hub
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mapping.table import MappingTable
from rollcall.members.model import Manual, Member
from rollcall.members.projection import derive, single_valued, with_slice
from rollcall.people.addresses import last_said, rank_of, stands
from rollcall.people.decide import Decision, Known, decide, known_to_stand
from rollcall.people.events import Kind
from rollcall.people.merge import lift, merge
from rollcall.people.model import Address, PersonRecord, Waiting
from rollcall.people.sync import said_of
from rollcall.privacy.emails import usable_email
from rollcall.privacy.hashing import derive as key_of
from rollcall.segments.model import Catalogue
from tests.support.examples import examples
from tests.support.histories import CHANCES, histories
from tests.support.world import ROLES, RULES, SEGMENTS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from rollcall.people.events import DirectoryEvent
    from rollcall.people.merge import Person, Said

CTX: Any = SimpleNamespace(key=key_of("0" * 64, "0" * 32))
HUB = Hub("0" * 26, "Harbour", "0" * 32)
CATALOGUE, TABLE = Catalogue(tuple(ROLES), tuple(SEGMENTS)), MappingTable(1, RULES)
AT = "2026-11-22T12:00:00.000Z"
EMAILS = {"a": "desk@example.com", "b": "former@example.com"}
PEOPLE = ("E-1", "E-2")


@dataclass
class Tables:
    """What lies in the tables, in memory, read as ``people/sync.py`` reads it."""

    records: dict[str, PersonRecord] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    invitations: dict[str, Invitation] = field(default_factory=dict)
    waiting: set[Waiting] = field(default_factory=set)

    def known(self, event: DirectoryEvent) -> Known:
        """Read everything."""
        stored = self.records.get(event.external_id)
        record = stored or PersonRecord(event.external_id, lift(event))
        merged = merge(record.person, event)
        said, wanted_id = said_of(CTX, merged), _wanted(merged)
        names = {name for name in (record.address_id, wanted_id, *said) if name}
        read = {name: self.addresses.get(name) or Address(name) for name in names}
        wanted = read[wanted_id] if wanted_id else None
        held = read[record.address_id] if record.address_id else None
        member_id = record.member_id or (wanted.member_id if wanted else None)
        invited = held or wanted
        return Known(
            record=record,
            is_new=stored is None,
            wanted=wanted,
            held=held,
            member=self.members.get(member_id) if member_id else None,
            invitation=self.invitations.get(invited.address_id) if invited else None,
            said=said,
            others=tuple(read[name] for name in sorted(names - {wanted_id, record.address_id})),
            queue={name: tuple(self._queue(name, address)) for name, address in read.items()},
        )

    def _queue(self, name: str, address: Address) -> Iterator[Waiting]:
        found = sorted((one for one in self.waiting if one.address_id == name), key=lambda one: one.key)
        yield from {one.source_id: one for one in reversed(found)}.values()
        for former in (self.records[one] for one in address.formers):
            said = said_of(CTX, former.person)
            if former.address_id is None and last_said(said) == name:
                yield Waiting(name, former.person.source_id, former.person_id, rank_of(name, said))

    def write(self, known: Known, decision: Decision) -> None:
        """Write what was decided."""
        if decision.record:
            record = replace(decision.record, rev=decision.record.rev + 1)
            self.records[record.person_id] = record
        self.addresses |= {one.address_id: replace(one, rev=one.rev + 1) for one in decision.addresses}
        if decision.member:
            self.members[decision.member.member_id] = replace(decision.member, rev=decision.member.rev + 1)
        if decision.invitation and known.held:
            self.invitations[known.held.address_id] = decision.invitation
        self.waiting -= {decision.waited} if decision.waited else set()
        self.waiting |= {decision.waits} if decision.waits else set()

    def enrol(self, person: str) -> None:
        """Make a member of somebody who has an address, with an invitation that is open for whatever reason."""
        record = self.records.get(person)
        address = self.addresses.get(record.address_id or "") if record else None
        if record is None or address is None or record.member_id or address.member_id:
            return
        linked = replace(record, member_id=f"member-{person}", rev=record.rev + 1)
        member = Member(f"member-{person}", address.address_id, manual=Manual(roles=("mentee",)), rev=1)
        member = with_slice(member, derive(linked, TABLE, CATALOGUE), HUB, single_valued(CATALOGUE))
        self.records[person], self.members[member.member_id] = linked, member
        self.addresses[address.address_id] = replace(address, member_id=member.member_id, rev=address.rev + 1)
        self.invitations[address.address_id] = Invitation(
            address_id=address.address_id, epoch=1, status=InvitationStatus.SENT, email="", created_at=AT, expires_at=AT
        )


def _wanted(person: Person) -> str | None:
    email = usable_email(person.text("email"))
    return CTX.key.address_id(email) if email else None


def _decided(known: Known, event: DirectoryEvent) -> Decision:
    return decide(known, event, hub=HUB, catalogue=CATALOGUE, table=TABLE, at=AT)


def _standing(known: Known, event: DirectoryEvent) -> dict[str, Said] | None:
    if known.is_new or known.member is None or known.member.address_id != known.record.address_id:
        return None
    merged = merge(known.record.person, event)
    before, after = said_of(CTX, known.record.person), said_of(CTX, merged)
    return after if stands(known.record, merged, _wanted(merged), before, after) else None


def _told(person: str, number: int, event: DirectoryEvent, chance: random.Random) -> DirectoryEvent:
    """Return an event of a person, with usable addresses and what the mapping table speaks of.

    Most of those that take somebody away or clear their address say something else: else hardly any address stood.
    """
    fields = {name: EMAILS.get(value or "", value) for name, value in event.fields.items()}
    attributes = {"Office" if name == "Location" else name: value for name, value in event.attributes.items()}
    kind, active, complete = event.kind, event.active, event.complete
    if chance.random() < 0.7:
        kind, active = (Kind.UPDATED if kind in (Kind.DEACTIVATED, Kind.DELETED) else kind), None
        complete = complete and bool(fields.get("email"))
        fields = {name: value for name, value in fields.items() if value}
    place = f"{number:031x}{PEOPLE.index(person)}"
    return replace(
        event,
        event_id=place,
        external_id=person,
        kind=kind,
        active=active,
        complete=complete,
        fields=fields,
        attributes=attributes,
    )


def test_where_an_address_stands_all_that_can_be_read_decides_the_same(figure: Callable[[str], None]) -> None:
    """Two people of one source want the same two addresses and become members in between; it is counted how often."""
    counted: Counter[str] = Counter()

    @settings(max_examples=examples(120), deadline=None)
    @given(histories(), histories(), CHANCES)
    def look(one: list[DirectoryEvent], two: list[DirectoryEvent], chance: random.Random) -> None:
        told = {person: list(events) for person, events in zip(PEOPLE, (one, two), strict=True)}
        line = [person for person, events in told.items() for _ in events]
        chance.shuffle(line)
        tables, events = Tables(), {}
        for number, person in enumerate(line):
            event = _told(person, number, told[person].pop(0), chance)
            events[event.event_id] = event
            _apply(tables, event, events, counted)
            if chance.random() < 0.5:
                tables.enrol(chance.choice(PEOPLE))

    look()
    figure(f"standing addresses: {counted['stood']} of {counted['told']} events of two people, decided alike")
    assert counted["stood"] >= counted["told"] // 50
    assert counted["moved the member"] >= counted["stood"] // 50


def _apply(tables: Tables, event: DirectoryEvent, events: dict[str, DirectoryEvent], counted: Counter[str]) -> None:
    """Apply an event, and those that are made new again by it: of these it is not asked whether an address stands."""
    known = tables.known(event)
    decision = _decided(known, event)
    said = _standing(known, event)
    counted["told"] += 1
    if said is not None:
        counted["stood"] += 1
        counted["moved the member"] += decision.member is not None
        assert (decision.addresses, decision.invitation, decision.reopen) == ((), None, ())
        assert (decision.waits, decision.waited) == (None, None)
        assert _decided(known_to_stand(known.record, said, known.member), event) == decision
    tables.write(known, decision)
    again = list(decision.reopen)
    for _ in range(20):
        if not again:
            return
        former = events[again.pop(0)]
        known = tables.known(former)
        decision = _decided(known, former)
        tables.write(known, decision)
        again += [name for name in decision.reopen if name not in again]
    raise AssertionError
