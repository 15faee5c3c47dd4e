"""Who has an e-mail address: the same answer whatever the order in which events come. Pure.

A person claims the address that their directory gives them now; somebody who left claims the last one they had, and
the ones before stay barred until somebody else has them. Of several persons of one source the one to whom the
directory gave the address first has it, unless a member or an admin's decision stands against it; the others wait at
the address. All of this is computed from what the persons' directories say, with its stamps, never from arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import Barred, Holder, Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.people.decide import Known
    from rollcall.people.events import Stamp
    from rollcall.people.merge import Person, Said
    from rollcall.people.model import Address, PersonRecord

    Value = TypeVar("Value")

MAX_FORMERS = 50


class Obstacle(StrEnum):
    """Why an address cannot be a person's; the reason code of the event that is held."""

    TAKEN = "address_taken"
    MAYBE_SAME = "maybe_same_person"
    ERASED = "address_erased"


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of addresses.

    Attributes
    ----------
    changed
        Addresses to write.
    address_id
        The address that the person holds then.
    links
        The member at the address they take, if they become that member.
    waits
        What they wait for then.
    obstacle
        Why they wait; also said of people who left and do not wait.
    reopen
        Events to apply again: of people whose turn it is, or who have to stand back.
    """

    changed: tuple[Address, ...] = ()
    address_id: str | None = None
    links: str | None = None
    waits: Waiting | None = None
    obstacle: Obstacle | None = None
    reopen: tuple[str, ...] = ()


def rank_of(address_id: str, said: Mapping[str, Said]) -> Stamp:
    """Return since when the directory gives somebody the address.

    That is when it was first said. If other addresses came in between, it is when it was said last: who comes back to
    a former address does not take it from those who got it meanwhile.
    """
    own = said[address_id]
    others = [one.last for name, one in said.items() if name != address_id]
    return own.last if others and max(others) > own.first else own.first


def last_said(said: Mapping[str, Said]) -> str | None:
    """Return the newest address that was ever said of somebody, or nothing."""
    usable = [(one.last, name) for name, one in said.items() if name]
    return max(usable)[1] if usable else None


def stands(
    record: PersonRecord, merged: Person, wanted: str | None, before: Mapping[str, Said], after: Mapping[str, Said]
) -> bool:
    """Tell whether an event leaves a member's address alone, so that neither it nor an invitation need be read.

    That is so of a member who holds the address of their e-mail, waits for none, and is active before and after, where
    the event neither gives the address another rank nor says anything of leaving that counts. Nobody else's turn comes
    then either: it is decided by that rank, and by who is a member.

    It does not hold for an event that was made new again: that happens where an address changed hands.

    Parameters
    ----------
    merged
        The person with the event.
    wanted
        The address of their e-mail then, ``None`` without a usable one.
    before, after
        When each address was said of the person, without the event and with it, by address id.
    """
    return (
        wanted is not None
        and record.member_id is not None
        and record.address_id == wanted
        and record.waits is None
        and wanted in before
        and rank_of(wanted, before) == rank_of(wanted, after)
        and record.person.status is merged.status is DirectoryStatus.ACTIVE
        and all(getattr(record.person, name) == getattr(merged, name) for name in ("deactivated", "left", "deleted"))
    )


def move_address(known: Known, person: Person, *, is_present: bool) -> Move:
    """Return what becomes of addresses, given what the directory says of the person now.

    Parameters
    ----------
    is_present
        The person is active, or an admin took them back although the directory has not.
    """
    me, source, member_id = known.record.person_id, person.source_id, known.record.member_id
    before = {one.address_id: one for one in (*known.others, known.held, known.wanted) if one is not None}
    goal = _goal(known, is_present=is_present)
    mine = Holder(me, barred_as(person), _rank(goal, known, person))
    obstacle = _obstacle(goal, known, mine, source) if goal else None
    taken = goal if obstacle is None else None
    kept = known.held if obstacle and known.held and member_id and known.held.member_id == member_id else None
    after: dict[str, Address] = {}
    reopen: list[str] = []
    for name, address in before.items():
        if taken and name == taken.address_id:
            after[name] = _taken(address, mine, source, member_id)
            reopen += _standing_back(address, me, source)
            continue
        left = _left(address, me, source, None if is_present else mine.barred)
        if kept and name == kept.address_id:
            left = replace(left, is_loose=True)
        elif taken and member_id is not None and address.member_id == member_id:
            left = replace(left, member_id=None, is_loose=False)
        if _is_given_up(address, left, me, source):
            reopen += [one.rank.event_id for one in known.queue.get(name, ()) if one.person_id != me]
        after[name] = left
    waits = Waiting(goal.address_id, source, me, mine.rank) if goal and obstacle and is_present and mine.rank else None
    former = known.record.waits
    is_newly_waiting = waits is not None and waits != former
    if former is not None and former != waits:
        reopen.append(former.rank.event_id)
    if is_newly_waiting and waits is not None:
        # The event that gave them the address may have been applied long ago: it is held now.
        reopen.append(waits.rank.event_id)
    return Move(
        # An address is written when somebody lines up there: who gives it up just now must look at the list again.
        changed=tuple(
            address
            for name, address in after.items()
            if address != before[name] or (is_newly_waiting and goal and name == goal.address_id)
        ),
        address_id=taken.address_id if taken else kept.address_id if kept else None,
        links=taken.member_id if taken and not taken.is_loose else None,
        waits=waits,
        obstacle=obstacle,
        reopen=tuple(dict.fromkeys(reopen)),
    )


def barred_as(person: Person) -> Barred | None:
    """Return why nobody may be invited at the address of this person."""
    match person.status:
        case DirectoryStatus.INACTIVE:
            return Barred.DEACTIVATED
        case DirectoryStatus.DELETED:
            return Barred.DELETED
        case _:
            return None


def _goal(known: Known, *, is_present: bool) -> Address | None:
    if known.wanted is not None or is_present:
        return known.wanted
    last = last_said(known.said)
    found = next((one for one in (*known.others, known.held) if one is not None and one.address_id == last), None)
    return found or known.held


def _rank(goal: Address | None, known: Known, person: Person) -> Stamp | None:
    if goal is None:
        return None
    if goal.address_id in known.said:
        return rank_of(goal.address_id, known.said)
    cell = person.fields.get("email")
    return cell.stamp if cell else None


def _obstacle(address: Address, known: Known, mine: Holder, source: str) -> Obstacle | None:
    """Return what keeps the address from being theirs: somebody of their source, another member, an erasure."""
    if address.erased:
        return Obstacle.ERASED
    is_anchored = address.member_id is not None and not address.is_loose
    holder = address.holders.get(source)
    if holder is None:
        return _other_member(address, known, mine, source) if is_anchored else None
    is_fixed = is_anchored or holder.is_given
    if holder.person_id == mine.person_id:
        queue = known.queue.get(address.address_id, ())
        claims = [one.rank for one in queue if one.source_id == source and one.person_id != mine.person_id]
        overtaken = _is_before(min(claims, default=None), mine.rank) and not is_fixed
        return Obstacle.TAKEN if overtaken else None
    if _is_before(mine.rank, holder.rank) and not is_fixed:
        return None
    return Obstacle.MAYBE_SAME if holder.barred else Obstacle.TAKEN


def _other_member(address: Address, known: Known, mine: Holder, source: str) -> Obstacle | None:
    if known.record.member_id is not None:
        return None if address.member_id == known.record.member_id else Obstacle.TAKEN
    part = known.member.slices.get(source) if known.member else None
    if part is None or part.person_id == mine.person_id:
        return None
    return Obstacle.MAYBE_SAME if part.deleted or part.deactivated else Obstacle.TAKEN


def _is_before(one: Stamp | None, other: Stamp | None) -> bool:
    return one is not None and other is not None and one < other


def _taken(address: Address, mine: Holder, source: str, member_id: str | None) -> Address:
    stood = address.holders.get(source)
    is_given = stood is not None and stood.person_id == mine.person_id and stood.is_given
    is_free = address.member_id is None or address.is_loose
    return replace(
        address,
        holders={**address.holders, source: replace(mine, is_given=is_given)},
        formers=_without(address.formers, mine.person_id),
        member_id=member_id if is_free else address.member_id,
        is_loose=False,
    )


def _standing_back(address: Address, me: str, source: str) -> list[str]:
    stood = address.holders.get(source)
    return [stood.rank.event_id] if stood and stood.rank and stood.person_id != me else []


def _left(address: Address, me: str, source: str, barred: Barred | None) -> Address:
    """Return the address without the person as its holder; barred by them, if they left."""
    holder = address.holders.get(source)
    is_mine = holder is not None and holder.person_id == me
    holders = _without(address.holders, source) if is_mine else address.holders
    formers = _without(address.formers, me)
    if barred is not None:
        kept = sorted({**formers, me: barred}.items())[:MAX_FORMERS]
        formers = dict(kept)
    return replace(address, holders=holders, formers=formers)


def without_person(address: Address, person_id: str) -> Address:
    """Return the address with no trace of a person, whatever source they are of."""
    holders = {source: holder for source, holder in address.holders.items() if holder.person_id != person_id}
    return replace(address, holders=holders, formers=_without(address.formers, person_id))


def _is_given_up(address: Address, left: Address, me: str, source: str) -> bool:
    holder = address.holders.get(source)
    was_mine = holder is not None and holder.person_id == me
    lost_member = address.member_id is not None and left.member_id is None
    return was_mine or lost_member or (left.is_loose and not address.is_loose)


def _without(values: Mapping[str, Value], name: str) -> dict[str, Value]:
    return {key: value for key, value in values.items() if key != name}
