"""The data mapping table: rules from HRIS field and value to role, segment option or profile field. Pure.

Matching ignores case, surrounding and repeated spaces, and Unicode form. Where an exact rule and a ``*`` rule of one
field give the same thing (a role; an option of one segment; one profile field), the exact one is taken. Where several
rules give options of a single-valued segment, or the same profile field, the first one of the table is taken.
A rule whose role, segment or option is gone or archived gives nothing.

A rule may name a separator: then every value of its field is cut there, and each piece is a value of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollcall.files.cells import join_values
from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.segments.model import Catalogue

ANY = "*"
IN_WORDS = {",": "comma", ";": "semicolon", "/": "slash", "|": "bar", "\n": "line break"}  # of separators


@dataclass(frozen=True, slots=True)
class RoleTarget:
    """The rule gives a role; ``*`` takes the value over as the role of that label."""

    role_id: str


@dataclass(frozen=True, slots=True)
class OptionTarget:
    """The rule gives an option of a segment; ``*`` takes the value over as the option of that label."""

    segment_id: str
    option_id: str


@dataclass(frozen=True, slots=True)
class ProfileTarget:
    """The rule fills a profile field; ``text`` is ``*`` to take the value over as it is."""

    name: str
    text: str = ANY


Target = RoleTarget | OptionTarget | ProfileTarget


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes
    ----------
    field, value
        HRIS field and value as written; value ``*`` takes any.
    row
        Row of the sheet, which also orders the rules.
    separator
        Values of this field are cut there; empty if no rule of the field says so.
    note, remark
        What people wrote into the free columns A and D.
    """

    field: str
    value: str
    target: Target
    row: int
    separator: str = ""
    note: str = ""
    remark: str = ""


@dataclass(frozen=True)
class MappingTable:
    """A version of the table. Version 0 is the empty one."""

    version: int
    rules: tuple[Rule, ...]
    _index: dict[str, dict[str, list[Rule]]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _separators: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Index the rules by normalised field and value."""
        for rule in self.rules:
            name = normalise(rule.field)
            by_value = self._index.setdefault(name, {})
            by_value.setdefault(normalise(rule.value), []).append(rule)
            if rule.separator:
                self._separators.setdefault(name, rule.separator)

    def values_of(self, name: str, value: str) -> list[str]:
        """Return the values that one text of a field holds: its pieces where a rule of the field names a separator."""
        separator = self._separators.get(normalise(name), "") if self._separators else ""
        return [piece.strip() for piece in value.split(separator) if piece.strip()] if separator else [value]

    def gives_roles_or_options(self, name: str) -> bool:
        """Tell whether roles or options of segments may hang on an HRIS field."""
        by_value = self._index.get(normalise(name), {})
        return any(not isinstance(rule.target, ProfileTarget) for rules in by_value.values() for rule in rules)

    def rules_for(self, name: str, value: str) -> list[Rule]:
        """Return the rules that a field and value meet, in the order of the table within exact ones and ``*`` ones."""
        by_value = self._index.get(normalise(name))
        if by_value is None:
            return []
        form = normalise(value)
        exact = by_value.get(form, []) if form != ANY else []
        general = by_value.get(ANY, [])
        if not exact or not general:
            return exact or general
        given = {_slot(rule.target) for rule in exact}
        return [*exact, *(rule for rule in general if _slot(rule.target) not in given)]


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that was met: by which HRIS field and value, as the directory wrote them."""

    rule: Rule
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Projection:
    """What the table gives for a person.

    Attributes
    ----------
    roles
        Role ids.
    segments
        Segment id → option ids.
    profile
        Profile field → text.
    unmapped
        Fields and values that no rule covers, or that a rule takes over as an option which does not exist.
    why
        ``roles.<id>``, ``segments.<id>.<option id>``, ``profile.<name>`` → the rule that gave it, and what met it.
    """

    roles: tuple[str, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    unmapped: tuple[tuple[str, str], ...] = ()
    why: Mapping[str, Hit] = field(default_factory=dict, repr=False)


def project(attributes: Mapping[str, str | tuple[str, ...]], table: MappingTable, catalogue: Catalogue) -> Projection:
    """Apply the table to a person's HRIS attributes; groups are the attribute ``group``.

    The order of attributes, and of the values of one, does not matter.
    """
    hits: list[tuple[Hit, Target]] = []
    unmapped: set[tuple[str, str]] = set()
    for name, value in _values(attributes, table):
        rules = table.rules_for(name, value)
        found = [
            (Hit(rule, name, value), target) for rule in rules if (target := _resolve(rule.target, value, catalogue))
        ]
        hits += found
        if len(found) < len(rules) or not rules:
            unmapped.add((name, value))
    hits.sort(key=lambda found: (found[0].rule.row, found[0].value, found[0].field))
    roles: list[str] = []
    segments: dict[str, list[str]] = {}
    profile: dict[str, list[str]] = {}
    why: dict[str, Hit] = {}
    for hit, target in hits:
        match target:
            case RoleTarget(role_id):
                if role_id not in roles:
                    roles.append(role_id)
                    why[f"roles.{role_id}"] = hit
            case OptionTarget(segment_id, option_id):
                taken = segments.setdefault(segment_id, [])
                if option_id not in taken and (not taken or catalogue.segments_by_id[segment_id].multi):
                    taken.append(option_id)
                    why[f"segments.{segment_id}.{option_id}"] = hit
            case ProfileTarget(name, text):
                said = hit.value if text == ANY else text
                first = why.setdefault(f"profile.{name}", hit)
                if first.rule.row == hit.rule.row and said not in profile.setdefault(name, []):
                    profile[name].append(said)
    return Projection(
        roles=tuple(roles),
        segments={name: tuple(options) for name, options in segments.items()},
        profile={name: texts[0] if len(texts) == 1 else join_values(texts) for name, texts in profile.items()},
        unmapped=tuple(sorted(unmapped)),
        why=why,
    )


def _values(attributes: Mapping[str, str | tuple[str, ...]], table: MappingTable) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        for text in (value,) if isinstance(value, str) else value:
            if text.strip():
                for piece in table.values_of(name, text):
                    yield name, piece


def _slot(target: Target) -> tuple[str, ...]:
    match target:
        case RoleTarget():
            return ("role",)
        case OptionTarget(segment_id, _):
            return ("segment", segment_id)
        case ProfileTarget(name, _):
            return ("profile", name)


def _resolve(target: Target, value: str, catalogue: Catalogue) -> Target | None:
    """Return the target with its ``*`` filled in; nothing if there is no such role or option in use."""
    match target:
        case RoleTarget(role_id):
            role = catalogue.role(value) if role_id == ANY else catalogue.roles_by_id.get(role_id)
            return RoleTarget(role.role_id) if role and not role.archived else None
        case OptionTarget(segment_id, option_id):
            segment = catalogue.segments_by_id.get(segment_id)
            if segment is None or segment.archived:
                return None
            option = segment.option(value) if option_id == ANY else segment.current(option_id)
            return OptionTarget(segment_id, option.option_id) if option and not option.archived else None
        case ProfileTarget():
            return target


def table_to_json(table: MappingTable) -> dict[str, Any]:
    """Return the table as plain JSON values."""
    return {"version": table.version, "rules": [_rule_to_json(rule) for rule in table.rules]}


def table_from_json(document: Mapping[str, Any]) -> MappingTable:
    """Read a table from plain JSON values."""
    return MappingTable(document["version"], tuple(_rule_from_json(rule) for rule in document["rules"]))


def _rule_to_json(rule: Rule) -> dict[str, Any]:
    match rule.target:
        case RoleTarget(role_id):
            target = {"role": role_id}
        case OptionTarget(segment_id, option_id):
            target = {"segment": segment_id, "option": option_id}
        case ProfileTarget(name, text):
            target = {"profile": name, "text": text}
    free = {name: text for name in _OPTIONAL if (text := getattr(rule, name))}
    return {"field": rule.field, "value": rule.value, "row": rule.row, **target, **free}


def _rule_from_json(rule: Mapping[str, Any]) -> Rule:
    target: Target
    if "role" in rule:
        target = RoleTarget(rule["role"])
    elif "segment" in rule:
        target = OptionTarget(rule["segment"], rule["option"])
    else:
        target = ProfileTarget(rule["profile"], rule["text"])
    free = {name: rule[name] for name in _OPTIONAL if name in rule}
    return Rule(rule["field"], rule["value"], target, rule["row"], **free)


_OPTIONAL = ("separator", "note", "remark")
