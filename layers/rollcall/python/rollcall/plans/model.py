"""A plan, its changes and its states. Pure.

planning → awaiting_approval → applying → applied; or rejected, expired, failed. What is being applied can be paused
and resumed, or stopped for good: applying → paused → applying, applying → stopping → stopped.

What a plan will do is a list of changes in parts of 200 (JSON Lines in the bucket); its hash is over those parts, and
an approval names the hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from rollcall.uploads.model import faults_from_items, faults_to_items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.runtime.errors import Fault

Item = dict[str, Any]

PART_SIZE = 200
DUE_SHARDS = 8


class PlanKind(StrEnum):
    """What a plan changes."""

    INVITES = "invites"
    MEMBER_EDITS = "member_edits"
    MAPPING_CHANGE = "mapping_change"
    HELD_REMOVALS = "held_removals"
    UNDO = "undo"
    PEOPLE = "people"


class PlanState(StrEnum):
    """Where a plan stands."""

    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    APPLYING = "applying"
    PAUSED = "paused"
    STOPPING = "stopping"
    APPLIED = "applied"
    STOPPED = "stopped"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"


# Approved, and not at its end. Parts that were begun are brought to their end in each of these states.
LEFT_OUT = "left_out"
RUNNING = frozenset({PlanState.APPLYING, PlanState.PAUSED, PlanState.STOPPING})
OPEN = frozenset({PlanState.PLANNING, PlanState.AWAITING_APPROVAL, *RUNNING})
DONE = frozenset({PlanState.APPLIED, PlanState.STOPPED})


@dataclass(frozen=True, slots=True)
class Plan:
    """A bulk change.

    Attributes
    ----------
    hash
        64 hex characters: SHA-256 over all parts and the versions they were computed from. What is approved.
    counts
        Outcome → number of changes. Before it is applied: what would happen; each applied part moves its own from
        the planned outcome to the one that came. The numbers always sum up to ``total``.
    parts, parts_done
        How many parts, and how many of them are applied. The last ``tail`` parts hold no changes of their own: the
        kind uses them to look after what came in the meantime.
    done, total
        Changes in applied parts, and in all.
    upload_id
        The file it was made from; empty if it was made from what lies in the tables.
    created_by, email, permissions
        Subject, e-mail and permissions (in this hub) of the admin who made it: what it shows is for those who may see
        as much. Empty where no admin did.
    approved_by
        Subject of the approver; empty where the hub lets invites go without review.
    params
        What the kind needs beside the changes; small.
    is_growing
        Of a plan in state planning: it still waits for what is to go into it (``planning.freeze``).
    begun_at
        When its planning began.
    is_trial
        It is there to be read and is never applied.
    selection
        Which changes were approved: name of a file of the plan (``parts.selection_key``); empty for all.
    undone_by, replanned_by
        Ids of the newest plans that undo this one, and that plan its conflicts once more.
    warnings
        Consequence (``consequences.py``) → number of changes that have it.
    chain
        Of a plan in state planning that took more than one run: 64 hex characters over the parts so far; ``parts``,
        ``counts`` and ``total`` are those of these parts.
    columns, unread
        The columns of the file it was made from, in their order, and those of them that nobody reads.
    """

    plan_id: str
    hub_id: str
    kind: PlanKind
    state: PlanState
    upload_id: str
    created_by: str = field(repr=False)
    email: str = field(repr=False)
    created_at: str
    permissions: tuple[str, ...] = ()
    hash: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    parts: int = 0
    tail: int = 0
    parts_done: int = 0
    done: int = 0
    total: int = 0
    approved_by: str = field(default="", repr=False)
    expires_at: str = ""
    settled_at: str = ""
    detail: str = ""
    faults: tuple[Fault, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_growing: bool = False
    begun_at: str = ""
    is_trial: bool = False
    selection: str = ""
    undone_by: str = ""
    replanned_by: str = ""
    warnings: Mapping[str, int] = field(default_factory=dict)
    chain: str = ""
    columns: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Something can still come of it."""
        return self.state in OPEN

    @property
    def is_through(self) -> bool:
        """Every part is applied, and the plan waits only to be called so."""
        return self.state in RUNNING and self.parts_done >= self.parts

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read a plan from its item."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        known["kind"] = PlanKind(item["kind"])
        known["state"] = PlanState(item["state"])
        known["counts"] = {outcome: count for outcome, count in item.get("counts", {}).items() if count}
        for name in ("permissions", "columns", "unread"):
            known[name] = tuple(item.get(name, ()))
        known["faults"] = faults_from_items(item.get("faults", []))
        return cls(**known)

    def to_item(self) -> Item:
        """Return the values of the item of this plan, without its keys."""
        values: Item = {name: getattr(self, name) for name in self.__slots__}
        return values | {
            "kind": str(self.kind),
            "state": str(self.state),
            "counts": dict(self.counts),
            "permissions": list(self.permissions),
            "columns": list(self.columns),
            "unread": list(self.unread),
            "warnings": dict(self.warnings),
            "faults": faults_to_items(self.faults),
            "params": dict(self.params),
        }


@dataclass(frozen=True, slots=True, repr=False)
class Edit:
    """One value that changes, as people read it.

    Attributes
    ----------
    field
        Name for people: ``status``, ``roles``, the name of a segment or of a profile field.
    old, new
        Labels; empty if there is no value.
    column
        What it is for programs: ``status``, ``roles``, ``segment:<id>``, ``profile:<name>``, ``first_name``, ...
    old_from
        Where the old value comes from: ids of sources, ``manual``, ``kept`` (``projection.View.provenance``).
    """

    field: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    column: str = ""
    old_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan.

    Attributes
    ----------
    id
        Part and place in it: ``00001-0017``; given when the part is written.
    row
        Row of the uploaded file, the header is row 1; 0 if it came from no row.
    outcome, reason, detail
        What would happen or happened: stable words, and one sentence for the admin.
    todo
        It is still to be applied; the others are there to be read.
    kind
        ``invitation``, ``member``, ``rule``; ``left_out`` where a file says nothing of somebody and means it.
    subject
        Id of the address or member.
    edits
        What changes, as people read it.
    data
        What applying it needs: ids and values.
    cells
        The row as it was uploaded, for the report.
    warnings
        What it brings with it that an admin should know before anything else (``consequences.py``).
    """

    row: int
    outcome: str
    reason: str = ""
    detail: str = field(default="", repr=False)
    todo: bool = False
    kind: str = ""
    subject: str = ""
    edits: tuple[Edit, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    cells: Mapping[str, str] = field(default_factory=dict, repr=False)
    id: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a change that was to be applied.

    Attributes
    ----------
    mail_id
        The mail to send now, if it made one.
    data
        What undoing it needs: what was there before, and what is there since.
    """

    outcome: str
    reason: str = ""
    detail: str = field(default="", repr=False)
    mail_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


def change_id(part: int, place: int) -> str:
    """Return the id of a change from its part and its place in it, both counted from 1."""
    return f"{part:05d}-{place:04d}"


def change_to_json(change: Change) -> Item:
    """Return a change as a plain dict."""
    return {
        "id": change.id,
        "row": change.row,
        "outcome": change.outcome,
        "reason": change.reason,
        "detail": change.detail,
        "todo": change.todo,
        "kind": change.kind,
        "subject": change.subject,
        "edits": [
            {
                "field": edit.field,
                "old": list(edit.old),
                "new": list(edit.new),
                "column": edit.column,
                "old_from": list(edit.old_from),
            }
            for edit in change.edits
        ],
        "data": dict(change.data),
        "cells": dict(change.cells),
        "warnings": list(change.warnings),
    }


def change_from_json(item: Item) -> Change:
    """Read a change from its plain dict."""
    edits = tuple(
        Edit(edit["field"], tuple(edit["old"]), tuple(edit["new"]), edit["column"], tuple(edit["old_from"]))
        for edit in item["edits"]
    )
    return Change(**{**item, "edits": edits, "warnings": tuple(item["warnings"])})


def count_outcomes(outcomes: list[str]) -> dict[str, int]:
    """Return outcome → how many, in order of the outcomes' names."""
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
