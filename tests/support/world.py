"""A small hub for tests: catalogue, mapping table, source, persons and members, made through our own stores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Hub, Source
from rollcall.mapping import store as mapping
from rollcall.mapping.table import ANY, MappingTable, OptionTarget, ProfileTarget, RoleTarget, Rule
from rollcall.members import store as members
from rollcall.members.joining import new_member
from rollcall.members.model import Change, Manual, Member
from rollcall.members.projection import derive, single_valued, view, with_slice
from rollcall.people import event_log, store
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import REGISTERS, lift
from rollcall.people.model import Address, Holder, LoggedEvent, PersonRecord
from rollcall.people.sync import apply_event
from rollcall.privacy.emails import normalise_email
from rollcall.runtime import clients, dynamo
from rollcall.runtime.ids import event_id, event_name, new_id, person_of
from rollcall.runtime.settings import env
from rollcall.runtime.times import to_text
from rollcall.segments import store as segments
from rollcall.segments.model import Option, Role, Segment, Visibility

if TYPE_CHECKING:
    from rollcall.privacy.hashing import HubKey

T0 = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
SOURCE = "01JA0000000000000000000SRC"

ROLES = [Role("mentor", "Mentor", order=1), Role("mentee", "Mentee", order=2)]
SEGMENTS = [
    Segment(
        "location",
        "Location",
        options=(Option("london", "London"), Option("toronto", "Toronto")),
        order=1,
    ),
    Segment(
        "languages",
        "Languages",
        visibility=Visibility.PRIVATE,
        multi=True,
        options=(Option("en", "English"), Option("fr", "French")),
        order=2,
    ),
]
RULES = (
    Rule("Office", "London", OptionTarget("location", "london"), 2),
    Rule("Office", "Toronto", OptionTarget("location", "toronto"), 3),
    Rule("Grade", "Senior", RoleTarget("mentor"), 4),
    Rule("Grade", "Junior", RoleTarget("mentee"), 5),
    Rule("Languages", ANY, OptionTarget("languages", ANY), 6),
    Rule("Job title", ANY, ProfileTarget("Job title"), 7),
)


@dataclass
class World:
    """A hub with a source and a published mapping table."""

    hub: Hub = field(default_factory=lambda: Hub(hub_id=new_id(), name="Harbour", salt="0" * 32))
    source_id: str = SOURCE

    def build(self) -> World:
        """Store hub, source, catalogue and mapping table."""
        hubs.create_hub(self.hub)
        hubs.create_source(
            Source(self.hub.hub_id, SOURCE, "standard", "Payroll", self.hub.salt),
            "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        segments.change_catalogue(self.hub.hub_id, 0, ROLES, SEGMENTS)
        self.publish(1, RULES)
        return self

    def publish(self, version: int, rules: tuple[Rule, ...]) -> None:
        """Publish a version of the mapping table without recomputing anybody."""
        mapping.store_table(self.hub.hub_id, MappingTable(version, rules), f"plan{version}")
        published = mapping.Version(version, f"plan{version}", to_text(T0), "admin-1", len(rules))
        dynamo.write(mapping.publish_actions(self.hub.hub_id, published))

    @cached_property
    def key(self) -> HubKey:
        """The hub's key."""
        return hubs.hub_key(self.hub.hub_id, self.hub.salt)

    def event(
        self, name: str, seconds: int, kind: Kind = Kind.UPDATED, person: str = "E-1", **said: Any
    ) -> DirectoryEvent:
        """Return an event that happened so many seconds after ``T0``."""
        return DirectoryEvent(
            event_id=self.event_id(name, person),
            source_id=self.source_id,
            external_id=person,
            kind=kind,
            occurred_at=to_text(T0 + timedelta(seconds=seconds)),
            **said,
        )

    def event_id(self, name: str, person: str = "E-1") -> str:
        """Return the id of the event that has a name and is about a person."""
        return event_id(event_name(self.source_id, name), self.person_id(person))

    def record(self, event: DirectoryEvent) -> str:
        """Put an event into the log and return its id."""
        assert person_of(event.event_id) == self.key.person_id(event.source_id, event.external_id)
        event_log.record_event(self.hub.hub_id, event, "hash", T0 + timedelta(days=1))
        return event.event_id

    def tell(self, *events: DirectoryEvent) -> None:
        """Record and apply events, in this order."""
        for event in events:
            apply_event(self.hub.hub_id, self.record(event))

    def person_id(self, person: str = "E-1") -> str:
        """Return the id of a person."""
        return self.key.person_id(self.source_id, person)

    def address_id(self, address: str) -> str:
        """Return the id of an address."""
        return self.key.address_id(normalise_email(address))

    def enrol(self, person: str = "E-1", roles: tuple[str, ...] = ()) -> str:
        """Make a member of a person, as accepting an invitation does, and return the member's id."""
        ctx = context.load(self.hub.hub_id)
        record = store.get_person(self.hub.hub_id, self.person_id(person))
        assert record is not None
        assert record.address_id is not None
        address = store.get_address(self.hub.hub_id, record.address_id)
        member_id = ctx.key.member_id(record.address_id, 1)
        change = Change("accept:test", "member", to_text(T0))
        member = Member(member_id, record.address_id, manual=Manual(roles=roles), change=change)
        linked = replace(record, member_id=member_id)
        part = derive(replace(linked, rev=record.rev + 1), ctx.table, ctx.catalogue)
        member = with_slice(member, part, ctx.hub, single_valued(ctx.catalogue))
        dynamo.write(
            [
                store.put_person(self.hub.hub_id, linked, "accept:test", to_text(T0)),
                store.put_address(self.hub.hub_id, replace(address, member_id=member_id)),
                members.put_member(self.hub.hub_id, member, view(member, ctx.hub, single_valued(ctx.catalogue))),
            ]
        )
        return member_id

    def populate(self, count: int, *, first: int = 0, **attributes: str) -> list[str]:
        """Make so many members at once, ``person-0000@example.com`` and on, and return their ids.

        Each is the person ``person-0000`` and on of the source, with these attributes, added at ``T0``. The items are
        those that events and acceptances would leave; only the way there is short.
        """
        ctx = context.load(self.hub.hub_id)
        ids: list[str] = []
        actions: list[dynamo.Action] = []
        for number in range(first, first + count):
            name = f"person-{number:04d}"
            fields: dict[str, str | None] = {"email": f"{name}@example.com", "first_name": name, "last_name": "Okafor"}
            event = self.event(f"{name}-first", 0, Kind.ADDED, name, fields=fields, attributes=dict(attributes))
            address_id = self.key.address_id(f"{name}@example.com")
            member_id = self.key.member_id(address_id, 1)
            person_id = self.key.person_id(self.source_id, name)
            record = PersonRecord(person_id, lift(event), member_id=member_id, address_id=address_id)
            change = Change("accept:test", "member", to_text(T0))
            member = new_member(ctx, member_id, address_id, manual=Manual(), joined=[record], change=change)
            address = Address(address_id, holders={self.source_id: Holder(person_id)}, member_id=member_id)
            actions += [
                store.put_person(self.hub.hub_id, record, "accept:test", to_text(T0)),
                store.put_address(self.hub.hub_id, address),
                members.put_member(self.hub.hub_id, member, view(member, ctx.hub, single_valued(ctx.catalogue))),
            ]
            ids.append(member_id)
            if len(actions) == 24 or number == first + count - 1:
                put: Any = {}
                for action in actions:
                    item = {"PutRequest": {"Item": action.request["Item"]}}
                    put.setdefault(action.request["TableName"], []).append(item)
                clients.dynamodb().batch_write_item(RequestItems=put)
                actions = []
        return ids

    def shown(self, member_id: str) -> dict[str, Any]:
        """Return what lists show of a member."""
        item = dynamo.get("MEMBERS_TABLE", members.pk(self.hub.hub_id, member_id))
        assert item is not None
        shown: dict[str, Any] = item["shown"]
        return shown

    def state(self) -> dict[str, Any]:
        """Return everything that must be the same however events came: no times of ours, no revisions, no causes.

        Nor the hub's id, so that hubs can be compared.
        """
        found: dict[str, Any] = {}
        for table in ("PEOPLE_TABLE", "MEMBERS_TABLE", "INVITATIONS_TABLE"):
            for item in everything(table):
                if item["pk"].startswith(self.hub.hub_id):
                    found[item["pk"].removeprefix(self.hub.hub_id) + item["sk"]] = _essence(_with_stamps(item))
        return found


VOLATILE = {
    "rev",
    "person_rev",
    "m",
    "cause",
    "actor",
    "changed_at",
    "settled_at",
    "created_at",
    "recent_changes",
    "deleted_at",
    "due_sk",
    "look_at",
    "remind_at",
    "by_hub_sk",
    "by_hub_pk",
    "by_name_pk",
    "pk",
}


def _with_stamps(item: dict[str, Any]) -> dict[str, Any]:
    """Return a person's item with each stamp where its place in the list stands; any other item as it is."""
    if "t" not in item:
        return item
    said = {key: value for key, value in item.items() if key != "t"}
    for part in "fag":
        said[part] = {name: [value, item["t"][place]] for name, (value, place) in item[part].items()}
    said["e"] = [[text, item["t"][first], item["t"][last]] for text, first, last in item["e"]]
    return said | {name: item["t"][item[name]] for name in REGISTERS if name in item}


def _essence(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _essence(inner) for key, inner in value.items() if key not in VOLATILE}
    return value


def logged() -> list[LoggedEvent]:
    """Return every event of the log, of all hubs."""
    return [event_log.from_item(item) for item in everything("EVENTS_TABLE") if "#E#" in item["pk"]]


def everything(table: str) -> list[dict[str, Any]]:
    """Return all items of a table (tests only: the application never scans)."""
    pages = clients.dynamodb().get_paginator("scan").paginate(TableName=env(table), ConsistentRead=True)
    return [dynamo.from_item(item) for page in pages for item in page["Items"]]
