"""An erasure: whom it is about, how far it is, and its receipt. Keyed hashes only, so it may be kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from rollcall.runtime.ids import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, Any]

# A file that was being read, a mail, or a record of a stream may come to rest only after the first pass.
PASSES = (timedelta(0), timedelta(hours=1), timedelta(hours=23))
STEPS = ("tables", "events", "activity", "mails", "mentions", "plans", "exports", "uploads")
DUE_SHARDS = 8


class Cause(StrEnum):
    """Why somebody is erased."""

    REQUEST = "request"
    GRACE_OVER = "grace_over"
    BACKUP_RESTORED = "backup_restored"


class ErasureState(StrEnum):
    """How far an erasure is: purging, purged and looking again later, or through."""

    RUNNING = "running"
    WATCHING = "watching"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Subject:
    """One human, as far as we know them: by keyed hashes.

    Attributes
    ----------
    persons
        Person id → source id.
    """

    persons: Mapping[str, str] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()

    def __or__(self, other: Subject) -> Subject:
        """Return everything of both."""
        return Subject(
            {**self.persons, **other.persons}, self.addresses | other.addresses, self.members | other.members
        )

    def to_item(self) -> Item:
        """Return the subject as a plain dict, the same for the same subject."""
        return {
            "persons": dict(sorted(self.persons.items())),
            "addresses": sorted(self.addresses),
            "members": sorted(self.members),
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read a subject from its plain dict."""
        return cls(dict(item["persons"]), frozenset(item["addresses"]), frozenset(item["members"]))


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure: the job, and what its receipt is made of.

    Attributes
    ----------
    requested_by
        The admin's subject; empty where time did it.
    began_at
        When the first of the passes that are under way began; asked for again, they begin again.
    passes
        How many of ``PASSES`` are through.
    step, position
        Where the pass that runs is: the index in ``STEPS``, and where in it.
    next_pass_at
        Before then nothing is to be done; empty where a pass runs.
    purged
        Kind → number, of what lay in tables.
    files
        Kind and hash of the file (``uploads_<hash>``) → rows or versions that went.
    beyond
        What we cannot reach: what it is, which one, when.
    """

    erasure_id: str
    hub_id: str
    subject: Subject
    cause: Cause
    requested_by: str
    requested_at: str
    began_at: str
    state: ErasureState = ErasureState.RUNNING
    passes: int = 0
    step: int = 0
    position: str = ""
    purged: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    beyond: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    next_pass_at: str = ""
    done_at: str = ""
    rev: int = 0

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an erasure from its item."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        known |= {
            "subject": Subject.from_item(item["subject"]),
            "cause": Cause(item["cause"]),
            "state": ErasureState(item["state"]),
        }
        return cls(**known)

    def to_item(self) -> Item:
        """Return the values of the item of this erasure, without its keys."""
        values: Item = {name: getattr(self, name) for name in self.__slots__}
        return values | {
            "subject": self.subject.to_item(),
            "cause": str(self.cause),
            "state": str(self.state),
            "purged": dict(self.purged),
            "files": dict(self.files),
            "beyond": {key: dict(entry) for key, entry in self.beyond.items()},
        }

    def counts(self) -> dict[str, int]:
        """Return what was purged, kind → number."""
        found = dict(self.purged)
        for key, number in self.files.items():
            kind = key.rpartition("_")[0]
            found[kind] = found.get(kind, 0) + number
        return dict(sorted(found.items()))


def erasure_id_of(hub_id: str, what: str, identifier: str) -> str:
    """Return the id of the erasure of somebody: asking for the same again finds the same.

    ``what`` is ``member``, ``person`` or ``address``, ``identifier`` its id.
    """
    return digest("erase", hub_id, what, identifier)


def begun_again(erasure: Erasure, subject: Subject, at: str) -> Erasure:
    """Return an erasure that was asked for once more: all passes begin again, what was purged stays on the receipt."""
    return replace(
        erasure,
        subject=erasure.subject | subject,
        began_at=at,
        state=ErasureState.RUNNING,
        passes=0,
        step=0,
        position="",
        next_pass_at="",
        done_at="",
    )
