"""Who is one human: the persons, addresses, members and invitations that belong together, as far as we know them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rollcall.invitations import store as invitations
from rollcall.members import store as members
from rollcall.people import store as people
from rollcall.people.model import Address
from rollcall.privacy.emails import usable_email
from rollcall.privacy.model import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.invitations.model import Invitation
    from rollcall.members.model import Member
    from rollcall.people.model import PersonRecord
    from rollcall.privacy.hashing import HubKey


@dataclass(slots=True)
class Known:
    """What lies in the tables of a human, by id, and the addresses that were met in it, as they are written."""

    subject: Subject
    persons: dict[str, PersonRecord] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    invitations: dict[str, Invitation] = field(default_factory=dict)
    emails: set[str] = field(default_factory=set, repr=False)


def look(hub_id: str, key: HubKey, subject: Subject, written: Iterable[str] = ()) -> Known:
    """Return the whole human that somebody asked about is, with all that is stored of them.

    A member is all the persons of its slices, and a person is the member they are; whoever holds an address of theirs
    in another source is the same human. An address that is only written somewhere (``written``, former ones among
    them) is theirs as long as nobody else holds it: companies give addresses out again.
    """
    mentioned = set(written)
    while True:
        known = _read(hub_id, subject)
        known.emails |= mentioned
        wider = subject | _next(known) | Subject(addresses=_mentioned(hub_id, key, known))
        if wider == subject:
            return known
        subject = wider


def own(hub_id: str, subject: Subject) -> Subject:
    """Return the subject without addresses that somebody else has now: an admin may have given them out again."""
    stored = people.get_addresses(hub_id, sorted(subject.addresses))
    foreign = {one for one, address in stored.items() if not _is_free(address, subject)}
    return replace(subject, addresses=subject.addresses - foreign)


def _read(hub_id: str, subject: Subject) -> Known:
    found = people.get_addresses(hub_id, sorted(subject.addresses))
    known = Known(
        subject,
        persons=people.get_persons(hub_id, sorted(subject.persons)),
        addresses={one: found.get(one) or Address(one) for one in subject.addresses},
        members=members.get_members(hub_id, sorted(subject.members)),
        invitations=invitations.get_invitations(hub_id, sorted(subject.addresses)),
    )
    texts = [text for record in known.persons.values() for text in (record.person.text("email"), *record.person.emails)]
    for member in known.members.values():
        texts += [member.manual.email, *(part.email for part in member.slices.values())]
    texts += [invitation.email for invitation in known.invitations.values()]
    known.emails |= {text for text in texts if text}
    return known


def _next(known: Known) -> Subject:
    """Return whom the items that were read point at."""
    persons: dict[str, str] = {}
    addresses: set[str] = set()
    member_ids: set[str] = set()
    for record in known.persons.values():
        addresses |= {record.address_id} if record.address_id else set()
        member_ids |= {record.member_id} if record.member_id else set()
        ids = (*record.supersedes, *filter(None, [record.person.superseded_by]))
        persons |= dict.fromkeys(ids, record.person.source_id)
    for member in known.members.values():
        persons |= {part.person_id: source_id for source_id, part in member.slices.items()}
        addresses |= {member.address_id} if member.address_id else set()
    for address in known.addresses.values():
        persons |= {holder.person_id: source_id for source_id, holder in address.holders.items()}
        member_ids |= {address.member_id} if address.member_id else set()
    for invitation in known.invitations.values():
        member_ids |= {invitation.member_id} if invitation.member_id else set()
    return Subject(persons, frozenset(addresses), frozenset(member_ids))


def _mentioned(hub_id: str, key: HubKey, known: Known) -> frozenset[str]:
    """Return the addresses that are only written somewhere and that nobody else holds."""
    normalised = {email for text in known.emails if (email := usable_email(text))}
    asked = {key.address_id(email) for email in normalised} - known.subject.addresses
    stored = people.get_addresses(hub_id, sorted(asked))
    return frozenset(one for one in asked if one not in stored or _is_free(stored[one], known.subject))


def _is_free(address: Address, subject: Subject) -> bool:
    holders = {holder.person_id for holder in address.holders.values()}
    return holders <= set(subject.persons) and (address.member_id is None or address.member_id in subject.members)
