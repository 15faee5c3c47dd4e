"""What an uploaded data mapping table proposes: rules, and the roles, segments and options they need. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rollcall.mapping.table import (
    ANY,
    IN_WORDS,
    MappingTable,
    OptionTarget,
    ProfileTarget,
    RoleTarget,
    Rule,
    table_from_json,
    table_to_json,
)
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new table and what has to be there for it.

    Attributes
    ----------
    table
        The new version: the one that was published when it was planned, plus one.
    roles, segments
        To be created, with their ids.
    options
        Segment id and option, to be created in segments that are there.
    visibility
        Segment id → the visibility it gets.
    visibility_before
        Segment id → the visibility it had.
    replaces
        Id of the plan that published the table before; empty if there was none.
    """

    table: MappingTable
    roles: tuple[Role, ...] = ()
    segments: tuple[Segment, ...] = ()
    options: tuple[tuple[str, Option], ...] = ()
    visibility: tuple[tuple[str, Visibility], ...] = ()
    visibility_before: tuple[tuple[str, str], ...] = ()
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Extension:
    """A catalogue with the proposed things in it, and the roles and segments that have to be written for that."""

    catalogue: Catalogue
    roles: tuple[Role, ...]
    segments: tuple[Segment, ...]


class NameTakenError(Exception):
    """Somebody created a role, segment or option of the same name since the proposal was made."""


def extend(catalogue: Catalogue, proposal: Proposal) -> Extension:
    """Return the catalogue as it is once the proposal is published; what is there already stays as it is.

    Raises
    ------
    NameTakenError
        If a name of the proposal belongs to something else by now, or a segment it needs is gone.
    """
    roles = [role for role in proposal.roles if _is_free(catalogue.role(role.label), role)]
    known = {segment.segment_id: segment for segment in catalogue.segments}
    changed: dict[str, Segment] = {}
    for segment in proposal.segments:
        found = catalogue.segment(segment.name)
        if found is not None and found.segment_id != segment.segment_id:
            raise NameTakenError
        if found is None:
            changed[segment.segment_id] = segment
    for segment_id, option in proposal.options:
        held = changed.get(segment_id) or known.get(segment_id)
        if held is None:
            raise NameTakenError
        same = held.option(option.label)
        if same is not None and same.option_id != option.option_id:
            raise NameTakenError
        if same is None:
            changed[segment_id] = replace(held, options=(*held.options, option))
    for segment_id, visibility in proposal.visibility:
        held = changed.get(segment_id) or known.get(segment_id)
        if held is not None and held.visibility is not visibility:
            changed[segment_id] = replace(held, visibility=visibility)
    kept = tuple(changed.get(segment.segment_id, segment) for segment in catalogue.segments)
    new = tuple(segment for segment_id, segment in changed.items() if segment_id not in known)
    return Extension(Catalogue((*catalogue.roles, *roles), (*kept, *new)), tuple(roles), tuple(changed.values()))


def _is_free(found: Role | None, role: Role) -> bool:
    if found is not None and found.role_id != role.role_id:
        raise NameTakenError
    return found is None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What a table says of one HRIS field and value, before and after: labels, empty if it says nothing.

    ``old_in`` and ``new_in`` hold for each of them the id of the segment it is of; empty for roles and profile fields.
    """

    field: str
    value: str
    row: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    old_in: tuple[str, ...] = ()
    new_in: tuple[str, ...] = ()

    def by_segment(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Return segment id (empty for roles and profile fields), old and new labels, for each that differs."""
        found = []
        for segment_id in sorted({*self.old_in, *self.new_in}):
            old = tuple(text for text, place in zip(self.old, self.old_in, strict=True) if place == segment_id)
            new = tuple(text for text, place in zip(self.new, self.new_in, strict=True) if place == segment_id)
            if set(old) != set(new):
                found.append((segment_id, old, new))
        return found

    @property
    def outcome(self) -> str:
        """``rule_new``, ``rule_changed`` or ``rule_gone``."""
        if not self.old:
            return "rule_new"
        return "rule_changed" if self.new else "rule_gone"


def compare_rules(old: MappingTable, new: MappingTable, catalogue: Catalogue) -> list[RuleChange]:
    """Return what is new, changed and gone, in the order of the new table, what is gone last."""
    before, after = _by_place(old.rules), _by_place(new.rules)
    found: list[RuleChange] = []
    for place, rules in after.items():
        held = before.get(place, [])
        if {(rule.target, rule.separator) for rule in held} != {(rule.target, rule.separator) for rule in rules}:
            found.append(_compared(held, rules, catalogue))
    found += [_compared(rules, [], catalogue) for place, rules in before.items() if place not in after]
    return found


def _by_place(rules: Iterable[Rule]) -> dict[tuple[str, str], list[Rule]]:
    found: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        found.setdefault((normalise(rule.field), normalise(rule.value)), []).append(rule)
    return found


def _compared(old: list[Rule], new: list[Rule], catalogue: Catalogue) -> RuleChange:
    first = (new or old)[0]
    return RuleChange(
        field=first.field,
        value=first.value,
        row=new[0].row if new else 0,
        old=tuple(describe(rule, catalogue) for rule in old),
        new=tuple(describe(rule, catalogue) for rule in new),
        old_in=tuple(_segment_of(rule) for rule in old),
        new_in=tuple(_segment_of(rule) for rule in new),
    )


def _segment_of(rule: Rule) -> str:
    return rule.target.segment_id if isinstance(rule.target, OptionTarget) else ""


def describe(rule: Rule, catalogue: Catalogue) -> str:
    """Return what a rule gives, in words: ``Role: Mentor``, ``Location: London``, ``Location: * (split at comma)``."""
    given = _given(rule, catalogue)
    return f"{given} (split at {IN_WORDS.get(rule.separator, rule.separator)})" if rule.separator else given


def _given(rule: Rule, catalogue: Catalogue) -> str:
    match rule.target:
        case RoleTarget(role_id):
            label = next((role.label for role in catalogue.roles if role.role_id == role_id), role_id)
            return f"Role: {label}"
        case OptionTarget(segment_id, option_id):
            segment = next((found for found in catalogue.segments if found.segment_id == segment_id), None)
            if segment is None:
                return f"{segment_id}: {option_id}"
            option = segment.current(option_id)
            return f"{segment.name}: {ANY if option_id == ANY else option.label if option else option_id}"
        case ProfileTarget(name, text):
            return f"{name}: {text}"


def proposal_to_json(proposal: Proposal) -> Item:
    """Return the proposal as plain JSON values."""
    return {
        "table": table_to_json(proposal.table),
        "roles": [[role.role_id, role.label, role.order] for role in proposal.roles],
        "segments": [
            {
                "segment_id": segment.segment_id,
                "name": segment.name,
                "description": segment.description,
                "visibility": str(segment.visibility),
                "multi": segment.multi,
                "required": segment.required,
                "order": segment.order,
                "options": [[option.option_id, option.label] for option in segment.options],
            }
            for segment in proposal.segments
        ],
        "options": [[segment_id, option.option_id, option.label] for segment_id, option in proposal.options],
        "visibility": [[segment_id, str(visibility)] for segment_id, visibility in proposal.visibility],
        "visibility_before": [list(one) for one in proposal.visibility_before],
        "replaces": proposal.replaces,
    }


def proposal_from_json(document: Item) -> Proposal:
    """Read a proposal from plain JSON values."""
    segments = [
        Segment(
            **{
                **segment,
                "visibility": Visibility(segment["visibility"]),
                "options": tuple(Option(option_id, label) for option_id, label in segment["options"]),
            }
        )
        for segment in document["segments"]
    ]
    return Proposal(
        table=table_from_json(document["table"]),
        roles=tuple(Role(role_id, label, order=order) for role_id, label, order in document["roles"]),
        segments=tuple(segments),
        options=tuple((segment_id, Option(option_id, label)) for segment_id, option_id, label in document["options"]),
        visibility=tuple((segment_id, Visibility(visibility)) for segment_id, visibility in document["visibility"]),
        visibility_before=tuple((segment_id, old) for segment_id, old in document["visibility_before"]),
        replaces=document["replaces"],
    )
