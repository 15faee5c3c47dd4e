"""All that is held about a person: what a privacy request asks for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rollcall.activity import store as activity
from rollcall.invitations.left_out import get_left_out
from rollcall.invitations.model import invitation_to_item
from rollcall.mail import store as mails
from rollcall.members.model import member_to_item
from rollcall.people import event_log
from rollcall.people.model import event_to_item
from rollcall.privacy.model import Subject
from rollcall.privacy.subjects import look

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext
    from rollcall.people.events import Stamp
    from rollcall.people.merge import Person
    from rollcall.people.model import PersonRecord

# Of each kind, so that the answer fits into one: more is in the lists of the API.
MOST = 1000


def data_of(ctx: HubContext, record: PersonRecord) -> dict[str, Any]:
    """Return everything that lies in tables about the human this person is, as plain values.

    Keys: ``persons`` (every value with the stamp of the event that set it), ``members``, ``invitations``, ``left_out``
    (an admin took them out of an invite file), ``mails`` (kind, state, times), ``events``, ``activity``; of the last
    two the newest ``MOST`` of each person, member or address.
    """
    hub_id = ctx.hub.hub_id
    known = look(hub_id, ctx.key, Subject({record.person_id: record.person.source_id}))
    events: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for person_id in sorted(known.subject.persons):
        events += [_event(item) for item in event_log.newest_of_person(hub_id, person_id, MOST)]
    for subject in sorted({*known.subject.persons, *known.subject.members, *known.subject.addresses}):
        found, _ = activity.list_for(hub_id, subject, limit=MOST)
        entries += [entry.to_item() for entry in found]
    return {
        "persons": {person_id: _person(one.person) for person_id, one in sorted(known.persons.items())},
        "members": {member_id: member_to_item(one) for member_id, one in sorted(known.members.items())},
        "invitations": [invitation_to_item(one) for _, one in sorted(known.invitations.items())],
        "left_out": [asdict(one) for one in get_left_out(hub_id, sorted(known.subject.persons)).values()],
        "mails": [
            _mail(hub_id, key) for one in sorted(known.subject.addresses) for key in mails.to_address(hub_id, one)
        ],
        "events": events,
        "activity": entries,
    }


def _person(person: Person) -> dict[str, Any]:
    """Return what the directory says, value by value, with the event that said it and when."""
    parts = {"fields": person.fields, "attributes": person.attributes, "groups": person.groups}
    return {
        "source_id": person.source_id,
        "external_id": person.external_id,
        "status": str(person.status),
        **{
            part: {name: {"value": cell.value, **_said(cell.stamp)} for name, cell in cells.items()}
            for part, cells in parts.items()
        },
        "emails": [
            {"email": text, "first": _said(said.first), "last": _said(said.last)}
            for text, said in sorted(person.emails.items())
        ],
        **{name: _said(stamp) for name, stamp in person.registers.items()},
    }


def _said(stamp: Stamp) -> dict[str, str]:
    return {"said_at": stamp.at, "event_id": stamp.event_id}


def _event(item: dict[str, Any]) -> dict[str, Any]:
    logged = event_log.from_item(item)
    return {
        "event_id": logged.event_id,
        "state": str(logged.state),
        "reason": logged.reason,
        "received_at": logged.received_at,
        "event": event_to_item(logged.event) if logged.event else None,
    }


def _mail(hub_id: str, key: str) -> dict[str, Any]:
    mail = mails.get(hub_id, key.rpartition("#")[2])
    if mail is None:
        return {}
    return {"mail_id": mail.mail_id, "kind": str(mail.kind), "state": str(mail.state), "to": mail.to}
