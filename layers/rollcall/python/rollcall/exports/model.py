"""An export that an admin asked for, and what of the hub they may see in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from rollcall.hubs.model import Delivery, Permission
from rollcall.runtime.errors import Fault
from rollcall.segments.model import Visibility, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rollcall.members.projection import View
    from rollcall.segments.model import Catalogue, Segment

Item = dict[str, Any]


class Kind(StrEnum):
    """Which file."""

    INVITES = "invites"
    MEMBERS = "members"
    MAPPING = "mapping"
    PEOPLE = "people"


class Format(StrEnum):
    """How the file is written: CSV, or a workbook, which only the mapping table comes as."""

    CSV = "csv"
    XLSX = "xlsx"


class State(StrEnum):
    """How far it is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


# How long the file can be downloaded. It lies in the bucket for longer: whom an upload leaves out is told by it.
KEPT = timedelta(days=7)
UNFINISHED = frozenset({State.QUEUED, State.RUNNING})
CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_SEEN_WITH = {
    Visibility.PUBLIC: Permission.VIEW,
    Visibility.PRIVATE: Permission.VIEW_PRIVATE,
    Visibility.HIDDEN: Permission.VIEW_HIDDEN,
}


@dataclass(frozen=True, slots=True)
class Only:
    """Which members a list or file holds.

    Attributes
    ----------
    status
        Those of this status; empty for all.
    roles
        Those with any of these roles, by id; ``None`` for all.
    options
        Segment id → those with any of these options, by id.
    """

    status: str = ""
    roles: frozenset[str] | None = None
    options: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def keeps(self, shown: View) -> bool:
        """Tell whether the member is wanted."""
        if self.status and shown.status != self.status:
            return False
        if self.roles is not None and not self.roles.intersection(shown.roles):
            return False
        return all(wanted.intersection(shown.segments.get(name, ())) for name, wanted in self.options.items())

    def to_item(self) -> Item:
        """Return it as a plain dict."""
        options = {name: sorted(wanted) for name, wanted in self.options.items()}
        return {"status": self.status, "roles": None if self.roles is None else sorted(self.roles), "options": options}

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read it from a plain dict."""
        roles = item.get("roles")
        options = {name: frozenset(wanted) for name, wanted in item.get("options", {}).items()}
        return cls(item.get("status", ""), None if roles is None else frozenset(roles), options)


def read_only(
    catalogue: Catalogue,
    permissions: Collection[Permission],
    *,
    status: str = "",
    role: str = "",
    segments: Iterable[tuple[str, str]] = (),
) -> Only | list[Fault]:
    """Return which members are wanted, from labels; segments that may not be seen are as unknown as others.

    Parameters
    ----------
    segments
        Name and label of an option; of several of one segment any will do.
    """
    faults: list[Fault] = []
    found = catalogue.role(role) if role else None
    if role and found is None:
        faults.append(Fault("role", "unknown_role", "The hub has no role of this name."))
    visible = {segment.segment_id for segment in visible_segments(catalogue, permissions)}
    options: dict[str, frozenset[str]] = {}
    for name, label in segments:
        segment = catalogue.segment(name)
        option = segment.option(label) if segment and segment.segment_id in visible else None
        if segment is None or option is None:
            faults.append(Fault("segment", "unknown_option", "The hub has no such segment or option."))
            continue
        options[segment.segment_id] = options.get(segment.segment_id, frozenset()) | {option.option_id}
    return faults or Only(status, frozenset([found.role_id]) if found else None, options)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom an invite file holds, beside those who could be invited.

    Attributes
    ----------
    attributes
        HRIS field → those with any of these values, compared without regard to case and spaces; empty for all.
    is_new
        Only those who were in no earlier invite file whose file is still kept.
    is_everybody
        Also those who cannot be invited, members too: the file then serves to maintain the mapping table.
    """

    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_new: bool = False
    is_everybody: bool = False

    def keeps(self, values: Mapping[str, str | tuple[str, ...]]) -> bool:
        """Tell whether somebody with these HRIS values is wanted."""
        if not self.attributes:
            return True
        held = {normalise(name): value for name, value in values.items()}
        return all(
            {normalise(text) for text in wanted} & _normal_values(held.get(normalise(name), ()))
            for name, wanted in self.attributes.items()
        )

    def to_item(self) -> Item:
        """Return it as a plain dict."""
        attributes = {name: list(values) for name, values in self.attributes.items()}
        return {"attributes": attributes, "is_new": self.is_new, "is_everybody": self.is_everybody}

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read it from a plain dict."""
        attributes = {name: tuple(values) for name, values in item.get("attributes", {}).items()}
        return cls(attributes, item.get("is_new", False), item.get("is_everybody", False))


def _normal_values(value: str | tuple[str, ...]) -> set[str]:
    return {normalise(value)} if isinstance(value, str) else {normalise(text) for text in value}


class Place(NamedTuple):
    """How far the rows of a file are made.

    Attributes
    ----------
    turn
        How often the people were gone through before: those who declined come last.
    after
        Place in the list by name behind which to go on; empty to begin.
    """

    turn: int = 0
    after: str = ""


START = Place()


@dataclass(frozen=True, slots=True)
class Progress:
    """What is written so far of a file too large for one part, or for one run: from here the next run goes on.

    Attributes
    ----------
    run
        The run that noted this; each begin counts as one.
    place
        Up to here every row is in a part, or put aside.
    rows
        How many rows these are.
    names_key
        Where the names of the columns lie that the directory gives.
    upload_id, parts
        The multipart upload, empty until there is one; number and ETag of its parts.
    rest_key
        Where the rows lie that are put aside, since they are too few for a part; empty if there are none.
    is_whole
        All rows are in parts: they need only be put together.
    """

    run: int = 0
    place: Place = START
    rows: int = 0
    names_key: str = ""
    upload_id: str = ""
    parts: tuple[tuple[int, str], ...] = ()
    rest_key: str = ""
    is_whole: bool = False

    def number_of(self, run: int) -> int:
        """Return the number of the next part.

        Each run that began in the meantime leaves one out: a part that a run sends after it was overtaken, one at most,
        can then never stand for another.
        """
        last = self.parts[-1][0] if self.parts else 0
        return last + 1 + run - self.run

    def to_item(self) -> Item:
        """Return it as a plain dict."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "place": list(self.place),
            "parts": [list(part) for part in self.parts],
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read it from a plain dict."""
        parts = tuple((number, etag) for number, etag in item["parts"])
        return cls(**{**item, "place": Place(*item["place"]), "parts": parts})


@dataclass(frozen=True, slots=True)
class Export:
    """One export.

    Attributes
    ----------
    requested_by, email
        Subject and e-mail of the admin who asked; an empty e-mail gets no mail.
    permissions
        What that admin may see, as of the request.
    only
        Which members are wanted: all, unless it says otherwise.
    wanted
        Of an invite file: whom it holds.
    source_id
        Of a people file: whose people. Of an invite file: only theirs; empty for all.
    rows
        Rows of the file, its header not counted; while it is written, how many there are so far.
    values_key
        Of an invite file that is done: where the file of allowed values lies.
    file_key
        Where the file lies in the bucket once it is done; empty before.
    reason
        Why it failed: a stable code.
    begun_at
        When its first run began.
    runs, run_id
        How often a run was begun, and the newest of them: no other may write.
    progress
        How far its file is, where that takes more than one part.
    """

    export_id: str
    hub_id: str
    kind: Kind
    requested_by: str
    email: str = field(repr=False)
    permissions: frozenset[Permission] = frozenset()
    delivery: Delivery = Delivery.ATTACHMENT
    include_declined: bool = False
    only: Only = field(default_factory=Only)
    wanted: Wanted = field(default_factory=Wanted)
    source_id: str = ""
    file_format: Format = Format.CSV
    state: State = State.QUEUED
    rows: int = 0
    file_key: str = ""
    values_key: str = ""
    created_at: str = ""
    done_at: str = ""
    reason: str = ""
    begun_at: str = ""
    runs: int = 0
    run_id: str = ""
    progress: Progress = Progress()

    @property
    def file_name(self) -> str:
        """Name of the file as the admin sees it."""
        return f"{self.kind}.{self.file_format}"

    def to_item(self) -> Item:
        """Return the export as a plain dict, without keys."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "kind": str(self.kind),
            "state": str(self.state),
            "delivery": str(self.delivery),
            "file_format": str(self.file_format),
            "permissions": sorted(str(permission) for permission in self.permissions),
            "only": self.only.to_item(),
            "wanted": self.wanted.to_item(),
            "progress": self.progress.to_item(),
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an export from its item."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        return cls(
            **known
            | {
                "kind": Kind(item["kind"]),
                "state": State(item["state"]),
                "delivery": Delivery(item["delivery"]),
                "file_format": Format(item.get("file_format", Format.CSV)),
                "permissions": frozenset(Permission(permission) for permission in item["permissions"]),
                "only": Only.from_item(item.get("only", {})),
                "wanted": Wanted.from_item(item.get("wanted", {})),
                "progress": Progress.from_item(item["progress"]) if item.get("progress") else Progress(),
            }
        )


def columns_of_segments(
    catalogue: Catalogue, permissions: Collection[Permission], reserved: Collection[str]
) -> list[Segment]:
    """Return the segments that get a column: visible ones whose name is not that of another column of the file.

    Names are compared as the reader of the file does: without case, underscores as spaces.
    """
    taken = {_column_key(name) for name in reserved}
    return [segment for segment in visible_segments(catalogue, permissions) if _column_key(segment.name) not in taken]


def _column_key(name: str) -> str:
    return normalise(name.replace("_", " "))


def visible_segments(catalogue: Catalogue, permissions: Collection[Permission]) -> list[Segment]:
    """Return the segments whose values somebody with these permissions may see, in the catalogue's order.

    Those of archived segments nobody sees.
    """
    return [segment for segment in catalogue.segments if may_see(segment, permissions) and not segment.archived]


def may_see(segment: Segment, permissions: Collection[Permission]) -> bool:
    """Tell whether somebody with these permissions may see the values of a segment."""
    return _SEEN_WITH[segment.visibility] in permissions
