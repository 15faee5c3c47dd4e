"""The bulk-invite template: one row for each person who could be invited, filled in from the directory.

The file also serves to maintain the mapping table, so it carries the raw HRIS values, for those who may see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rollcall.exports import store as exports
from rollcall.exports.model import START, Kind, Place, State, columns_of_segments
from rollcall.files.cells import join_values
from rollcall.files.rows import read_rows
from rollcall.files.storage import open_object
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Permission
from rollcall.invitations import store as invitations
from rollcall.invitations.left_out import get_left_out, has_declined
from rollcall.invitations.rows import ref_of
from rollcall.mapping.table import project
from rollcall.people import store as people
from rollcall.people.merge import DirectoryStatus
from rollcall.plans.seen import Seen
from rollcall.privacy.emails import usable_email
from rollcall.runtime.ahead import ahead
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.settings import env
from rollcall.sources.policy import is_meant

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from rollcall.exports.model import Export
    from rollcall.hubs.context import HubContext
    from rollcall.invitations.left_out import LeftOut
    from rollcall.invitations.model import Invitation
    from rollcall.people.model import Address, PersonRecord
    from rollcall.segments.model import Catalogue, Segment

BATCH = 100
# How many persons are passed over at most before it is told how far they are.
PASSED = 2_000
LOOK_AHEAD = 4
_REMEMBERED = 8_192
MAX_ATTRIBUTES = 200
NO_EMAIL = "no usable e-mail"
DECLINED = "declined, or left out of an earlier file"
NOT_NOW = "not to be invited now: a member, invited, no longer active, or out of reach"
EMAIL_TAKEN = "the e-mail belongs to somebody else in the hub"
_LOOKED_AT = 50
_BEFORE, _NOW = 1, 2
_FIRST = ("email", "first_name", "last_name", "role")
_LAST = ("language", "ref", "export", "note")
# The reader takes 4,096 characters in a cell, with room here for what guards a formula.
_MAX_CELL = 4000
_MAX_HEADER = 200


def attribute_names(hub_id: str, permissions: Collection[Permission], limit: int = MAX_ATTRIBUTES) -> tuple[str, ...]:
    """Return the names of HRIS attributes of anybody in the hub, sorted; nothing for those who may not see them.

    Memory holds names only; beyond ``limit`` the last ones in the alphabet are left out.
    """
    if Permission.VIEW_PRIVATE not in permissions:
        return ()
    return tuple(sorted(people.all_attribute_names(hub_id, with_groups=True))[:limit])


def segments_of(ctx: HubContext, permissions: Collection[Permission]) -> list[Segment]:
    """Return the segments that have a column in the file."""
    return columns_of_segments(ctx.catalogue, permissions, (*_FIRST, *_LAST))


def columns(segments: Iterable[Segment], attributes: Iterable[str]) -> list[str]:
    """Return the header of the file."""
    return [*_FIRST, *(segment.name for segment in segments), *_LAST, *map(_attribute_header, attributes)]


def invite_rows(
    ctx: HubContext, export: Export, attributes: tuple[str, ...], at: str, place: Place = START
) -> Iterator[tuple[Place, list[list[str]]]]:
    """Yield some rows of the file at a time, in the order of ``columns``, and up to which place they are all there.

    Those who declined, or whom an admin left out, come last if the export includes them. Memory does not grow with the
    hub.

    Parameters
    ----------
    at
        Now: an invitation whose time is over by then is no longer open.
    place
        Where to begin.
    """
    before = _exported_before(export) if export.wanted.is_new else None
    turns = 2 if export.include_declined and not export.wanted.is_everybody else 1
    for turn in range(place.turn, turns):
        listed = people.persons_after(export.hub_id, place.after if turn == place.turn else "")
        for after, rows in _rows(ctx, export, attributes, listed, at=at, before=before, is_declined=bool(turn)):
            yield Place(turn, after), rows


def _exported_before(export: Export) -> Seen:
    """Return who was in the newest invite files before this one; of those whose file is gone nothing is known.

    Files of everybody do not count: they are made for the mapping table.
    """
    seen = Seen()
    listed, _ = exports.list_exports(export.hub_id, limit=_LOOKED_AT)
    for earlier in listed:
        is_one = earlier.kind is Kind.INVITES and earlier.state is State.DONE and not earlier.wanted.is_everybody
        if not is_one or earlier.export_id >= export.export_id:
            continue
        try:
            stream = open_object(env("FILES_BUCKET"), earlier.file_key)
        except NotFoundError:
            continue
        with stream:
            for _, cells, _ in read_rows(stream):
                if ref := ref_of(cells):
                    seen.first(_BEFORE, (ref,))
    return seen


@dataclass(frozen=True, slots=True)
class _Known:
    """What tables say of some persons: their addresses, the invitations there, and who was left out."""

    addresses: Mapping[str, Address]
    invitations: Mapping[str, Invitation]
    decisions: Mapping[str, LeftOut]


def _look(hub_id: str, records: Iterable[PersonRecord]) -> _Known:
    asked = [record for record in records if _may_be_invited(record)]
    held = {record.address_id for record in asked if record.address_id}
    return _Known(
        people.get_addresses(hub_id, held),
        invitations.get_invitations(hub_id, held),
        get_left_out(hub_id, [record.person_id for record in asked]),
    )


def _rows(
    ctx: HubContext,
    export: Export,
    attributes: tuple[str, ...],
    listed: Iterable[tuple[str, PersonRecord]],
    *,
    at: str,
    before: Seen | None,
    is_declined: bool,
) -> Iterator[tuple[str, list[list[str]]]]:
    hub_id = ctx.hub.hub_id
    template = _Template(ctx, segments_of(ctx, export.permissions), attributes, export.export_id)
    policies = hubs.policies(hub_id)
    wanted = export.wanted

    def is_wanted(record: PersonRecord) -> bool:
        is_here = not export.source_id or record.person.source_id == export.source_id
        if not is_here:
            return False
        if not wanted.is_everybody and not (_may_be_invited(record) and is_meant(record.person, policies, at[:10])):
            return False
        if before is not None and before.first(_NOW, (record.person_id,)) == _BEFORE:
            return False
        return wanted.keeps(record.person.values())

    def note_of(record: PersonRecord, known: _Known) -> str | None:
        address_id = record.address_id or ""
        address, invitation = known.addresses.get(address_id), known.invitations.get(address_id)
        declined = has_declined(known.decisions.get(record.person_id), invitation)
        is_free = can_be_invited(record, address, invitation, ctx.hub.source_precedence, at)
        if not is_free:
            return NOT_NOW if wanted.is_everybody else None
        if declined is not is_declined and not wanted.is_everybody:
            return None
        return DECLINED if declined else ""

    def look(batch: tuple[str, list[PersonRecord]]) -> _Known:
        return _look(hub_id, batch[1])

    for (after, records), known in ahead(look, _batches(listed, is_wanted), LOOK_AHEAD):
        noted = ((record, note_of(record, known)) for record in records)
        yield after, [template.row(record, note=note) for record, note in noted if note is not None]


def _batches(
    listed: Iterable[tuple[str, PersonRecord]], is_wanted: Callable[[PersonRecord], bool]
) -> Iterator[tuple[str, list[PersonRecord]]]:
    """Yield those who are wanted, some at a time and perhaps none, and up to which place of the list they are."""
    batch: list[PersonRecord] = []
    after, passed = "", 0
    for after, record in listed:
        passed += 1
        if is_wanted(record):
            batch.append(record)
        if len(batch) == BATCH or passed == PASSED:
            yield after, batch
            batch, passed = [], 0
    if passed:
        yield after, batch


def _may_be_invited(record: PersonRecord) -> bool:
    return not record.member_id and record.person.status is DirectoryStatus.ACTIVE


def can_be_invited(
    record: PersonRecord, address: Address | None, invitation: Invitation | None, precedence: tuple[str, ...], at: str
) -> bool:
    """Tell whether the person belongs into the file.

    Not members, not those with an open invitation, not those who left, not where mail bounced. Of the persons of
    several sources who share an address, the one whose source comes first in the hub's order stands for all. People
    without an address stay in: they are listed, never silently left out.
    """
    if not _may_be_invited(record):
        return False
    if address is None:
        return True
    if address.member_id or address.barred or address.suppressed:
        return False
    if invitation and invitation.is_open and invitation.state_at(at) == invitation.status:
        return False
    if len(address.holders) == 1:
        return record.person.source_id in address.holders
    place = {source_id: n for n, source_id in enumerate(precedence)}
    first = min(address.holders, key=lambda name: (place.get(name, len(place)), name), default=None)
    return first in {None, record.person.source_id}


def role_labels(catalogue: Catalogue, role_ids: Iterable[str]) -> str:
    """Return one cell with the labels of roles."""
    labels = {role.role_id: role.label for role in catalogue.roles}
    return join_values([labels[role_id] for role_id in role_ids if role_id in labels])


def option_labels(segment: Segment, option_ids: Iterable[str]) -> str:
    """Return one cell with the labels of a segment's options."""
    labels = {option.option_id: option.label for option in segment.options}
    return join_values([labels[option_id] for option_id in option_ids if option_id in labels])


class _Template:
    """Makes the rows of one file. What the mapping table gives for some values is asked once: they come again."""

    def __init__(
        self, ctx: HubContext, segments: Sequence[Segment], attributes: tuple[str, ...], export_id: str
    ) -> None:
        self._ctx = ctx
        self._segments = segments
        self._attributes = attributes
        self._export_id = export_id
        self._is_asked = lru_cache(maxsize=_REMEMBERED)(ctx.table.gives_roles_or_options)
        self._given = lru_cache(maxsize=_REMEMBERED)(self._cells_given)

    def row(self, record: PersonRecord, *, note: str) -> list[str]:
        """Return the row of a person, in the order of ``columns``."""
        person = record.person
        email, trouble = self._email(record)
        values = person.values()
        is_asked = self._is_asked
        return [
            email,
            person.text("first_name"),
            person.text("last_name"),
            *self._given(tuple([(name, value) for name, value in values.items() if is_asked(name)])),
            person.text("locale"),
            record.person_id,
            self._export_id,
            trouble or note,
            *[_one_cell(values.get(name, "")) for name in self._attributes],
        ]

    def _cells_given(self, values: tuple[tuple[str, str | tuple[str, ...]], ...]) -> tuple[str, ...]:
        """Return the cells of the role and of each segment that HRIS attributes give."""
        given = project(dict(values), self._ctx.table, self._ctx.catalogue)
        options = (option_labels(segment, given.segments.get(segment.segment_id, ())) for segment in self._segments)
        return (role_labels(self._ctx.catalogue, given.roles), *options)

    def _email(self, record: PersonRecord) -> tuple[str, str]:
        text = record.person.text("email")
        normal = usable_email(text)
        if normal is None:
            return "", NO_EMAIL
        if record.address_id != self._ctx.key.address_id(normal):
            return "", EMAIL_TAKEN
        return text, ""


def _one_cell(value: str | tuple[str, ...]) -> str:
    """Return the raw value; nobody reads it back, so what is too long for the reader is cut."""
    text = join_values(value) if isinstance(value, tuple) else value
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"


def _attribute_header(name: str) -> str:
    # A header with "@" in it would be taken for a person's row when the file comes back.
    return f"HRIS: {name.replace('@', '(at)')[:_MAX_HEADER]}"
