"""Roles and segments of a hub. Pure.

A member holds ids; labels may be renamed without losing anybody.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Visibility(StrEnum):
    """Who sees a segment of a member."""

    PUBLIC = "public"
    PRIVATE = "private"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Role:
    """What a member is in the hub.

    Attributes
    ----------
    also
        Labels of before: files and HRIS values that say them still mean this role.
    """

    role_id: str
    label: str
    archived: bool = False
    order: int = 0
    description: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One of the values that a segment can take.

    Attributes
    ----------
    also
        Labels of before, and of options that were merged into this one: they still mean this option.
    merged_into
        Id of the option whose members it gave up; empty for all others. A merged one is archived.
    """

    option_id: str
    label: str
    archived: bool = False
    also: tuple[str, ...] = ()
    merged_into: str = ""


_Labelled = TypeVar("_Labelled", Role, Option)


@dataclass(frozen=True)
class Segment:
    """A custom field with a fixed list of options."""

    segment_id: str
    name: str
    description: str = ""
    visibility: Visibility = Visibility.PUBLIC
    multi: bool = False
    required: bool = False
    options: tuple[Option, ...] = ()
    order: int = 0
    archived: bool = False

    def option(self, label: str) -> Option | None:
        """Return the option with this label, spelling aside; one in use before an archived one."""
        return self._by_label.get(normalise(label))

    def current(self, option_id: str) -> Option | None:
        """Return the option of this id, or the one that it was merged into."""
        option = self.options_by_id.get(option_id)
        return self.options_by_id.get(option.merged_into) if option and option.merged_into else option

    def current_ids(self, option_ids: Iterable[str]) -> tuple[str, ...]:
        """Return these ids, each once, with that of the other option in place of one that was merged."""
        found = ((option_id, self.current(option_id)) for option_id in option_ids)
        return tuple(dict.fromkeys(option.option_id if option else option_id for option_id, option in found))

    @cached_property
    def options_by_id(self) -> dict[str, Option]:
        """All options, archived ones too."""
        return {option.option_id: option for option in self.options}

    @cached_property
    def option_ids(self) -> dict[str, str]:
        """Normalised label → id of the option it means."""
        return {form: option.option_id for form, option in self._by_label.items()}

    @cached_property
    def _by_label(self) -> dict[str, Option]:
        return _by_label(self.options)


@dataclass(frozen=True)
class Catalogue:
    """All roles and segments of a hub, in the hub's order."""

    roles: tuple[Role, ...] = ()
    segments: tuple[Segment, ...] = ()

    def role(self, label: str) -> Role | None:
        """Return the role with this label, spelling aside; one in use before an archived one."""
        return self._roles_by_label.get(normalise(label))

    def segment(self, name: str) -> Segment | None:
        """Return the segment with this name, spelling aside."""
        return self._segments_by_name.get(normalise(name))

    @cached_property
    def roles_by_id(self) -> dict[str, Role]:
        """All roles, archived ones too."""
        return {role.role_id: role for role in self.roles}

    @cached_property
    def segments_by_id(self) -> dict[str, Segment]:
        """All segments."""
        return {segment.segment_id: segment for segment in self.segments}

    @cached_property
    def has_merged(self) -> bool:
        """Whether any option was merged into another."""
        return any(option.merged_into for segment in self.segments for option in segment.options)

    @cached_property
    def role_ids(self) -> dict[str, str]:
        """Normalised label → id of the role it means."""
        return {form: role.role_id for form, role in self._roles_by_label.items()}

    @cached_property
    def _roles_by_label(self) -> dict[str, Role]:
        return _by_label(self.roles)

    @cached_property
    def _segments_by_name(self) -> dict[str, Segment]:
        return {normalise(segment.name): segment for segment in reversed(self.segments)}


def _by_label(things: Iterable[_Labelled]) -> dict[str, _Labelled]:
    """Return what each label means, normalised: a present one before one of before."""
    kept = [thing for thing in things if not getattr(thing, "merged_into", "")]
    found: dict[str, _Labelled] = {}
    for thing in kept:
        held = found.get(form := normalise(thing.label))
        if held is None or (held.archived and not thing.archived):
            found[form] = thing
    for thing in kept:
        for label in thing.also:
            found.setdefault(normalise(label), thing)
    return found


# What nobody sees and spreadsheets leave behind: soft hyphen, zero-width space, direction marks, word joiner, mark.
# Joiners stay: they tell words apart in Persian and in Indian scripts.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))


@lru_cache(maxsize=8_192)
def normalise(text: str) -> str:
    """Return the text as it is compared: Unicode form NFKC, without case, single spaces, nothing invisible.

    Comparing twice is the same: ``normalise(normalise(text)) == normalise(text)``. Source: Unicode 3.13, D146
    (compatibility caseless matching).
    """
    if not text.isascii():
        text = unicodedata.normalize("NFD", text.translate(_INVISIBLE)).casefold()
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())
    return " ".join(text.casefold().split())


# Columns of our own in the files that admins edit, as people call them: a segment of that name could not have one.
_RESERVED = frozenset(
    {
        "email", "export", "first name", "last name", "language", "locale", "note", "profile", "reason", "ref",
        "result", "role", "roles", "status", "version", "e mail", "mail", "email address", "e mail address",
        "firstname", "given name", "lastname", "surname", "family name",
    }
)  # fmt: skip
_RESERVED_PREFIXES = ("profile:", "hris:")
RESERVED_SENTENCE = "The files use this name for a column of their own: choose another."


def is_reserved(name: str) -> bool:
    """Tell whether a segment cannot have this name."""
    plain = normalise(name.replace("_", " ").replace("-", " "))
    return plain in _RESERVED or plain.startswith(_RESERVED_PREFIXES) or "@" in plain
