"""Rules added to a table and taken out of it, one by one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rollcall.mapping.sheet import LIMITS
from rollcall.mapping.table import OptionTarget, ProfileTarget, Rule
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rollcall.mapping.table import MappingTable
    from rollcall.segments.model import Catalogue


@dataclass(frozen=True, slots=True)
class Removal:
    """All rules of an HRIS field and value are to be taken out."""

    field: str
    value: str


def without(rules: Iterable[Rule], removals: Sequence[Removal]) -> tuple[Rule, ...]:
    """Return the rules but those that are to be taken out.

    Raises
    ------
    MalformedError
        With each removal that fits no rule (``remove.0``).
    """
    rules = tuple(rules)
    asked = [(normalise(one.field), normalise(one.value)) for one in removals]
    there = {_place(rule) for rule in rules}
    detail = "The table has no rule for this field and value. Read the table again."
    missing = [place not in there for place in asked]
    if any(missing):
        raise MalformedError([Fault(f"remove.{n}", "no_such_rule", detail) for n, one in enumerate(missing) if one])
    gone = set(asked)
    return tuple(rule for rule in rules if _place(rule) not in gone)


def with_added(
    table: MappingTable, kept: Sequence[Rule], added: Sequence[Rule], catalogue: Catalogue
) -> tuple[Rule, ...]:
    """Return the rules that stay and those that come, which go to the end of the table.

    Parameters
    ----------
    table
        What the rules are added to.
    added
        Their ``row`` is the number of the given rule, from 1.

    Raises
    ------
    MalformedError
        With each rule that is there already, or does not go with one that is there (``rules.0``).
    """
    beside: dict[tuple[str, str], list[Rule]] = {}
    separators: dict[str, str] = {}
    for held in kept:
        beside.setdefault(_place(held), []).append(held)
        if held.separator:
            separators[normalise(held.field)] = held.separator
    faults = [
        fault
        for rule in added
        if (fault := _clash(rule, beside.get(_place(rule), []), separators.get(normalise(rule.field), ""), catalogue))
    ]
    if len(kept) + len(added) > LIMITS.rows:
        detail = f"A table has at most {LIMITS.rows:,} rules. Please take some out first."
        faults.append(Fault("rules", "too_many_rules", detail))
    if faults:
        raise MalformedError(faults)
    last = max((rule.row for rule in table.rules), default=1)
    return (*kept, *(replace(rule, row=last + rule.row) for rule in added))


def _clash(rule: Rule, beside: Sequence[Rule], separator: str, catalogue: Catalogue) -> Fault | None:
    """Return what speaks against a rule: rules of the same field and value, another separator of the field."""
    place = f"rules.{rule.row - 1}"
    if rule.separator and separator not in ("", rule.separator):
        detail = "Another rule splits this HRIS field elsewhere. Remove that one in the same request."
        return Fault(place, "different_separator", detail)
    if any(held.target == rule.target for held in beside):
        return Fault(place, "duplicate_rule", "The table says the same already.")
    if any(_excludes(held, rule, catalogue) for held in beside):
        detail = "The table gives this value something else there already. Remove that rule in the same request."
        return Fault(place, "contradicting_rule", detail)
    return None


def _excludes(held: Rule, rule: Rule, catalogue: Catalogue) -> bool:
    match held.target, rule.target:
        case OptionTarget(segment_id, _), OptionTarget(other, _):
            segment = catalogue.segments_by_id.get(segment_id)
            return segment_id == other and segment is not None and not segment.multi
        case ProfileTarget(name, _), ProfileTarget(other, _):
            return normalise(name) == normalise(other)
    return False


def _place(rule: Rule) -> tuple[str, str]:
    return normalise(rule.field), normalise(rule.value)
