"""Does a text name somebody who is being erased? By keyed hashes, since nothing else is kept of them. Pure.

A text names somebody if it holds their e-mail address, or is, as a whole, an id of theirs: that of the person, the
address or the member, or the external id in one of their sources. A name alone does not: others bear it too. Rows
and changes are purged whole, so the names in them go with them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rollcall.files.cells import restore
from rollcall.privacy.emails import usable_email
from rollcall.runtime.ids import is_hash

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from rollcall.privacy.hashing import HubKey
    from rollcall.privacy.model import Subject

_ADDRESS = re.compile(r"[^\s<>()\[\]{},;:\"'=|]+@[^\s<>()\[\]{},;:\"'=|]+")
_LONGEST_ID = 256
# What a change of a plan keeps: what it was and what became of it, counted; no values.
_KEPT = frozenset({"id", "row", "outcome", "reason", "kind", "subject", "part"})


class Namer:
    """Recognises one subject in texts; remembers what it has seen, since columns repeat themselves."""

    def __init__(self, key: HubKey, subject: Subject) -> None:
        self._key = key
        self._sources = sorted(set(subject.persons.values()))
        self._persons = frozenset(subject.persons)
        self._addresses = subject.addresses
        self._ids = self._persons | subject.addresses | subject.members
        self._seen: dict[str, bool] = {}

    def names(self, text: str) -> bool:
        """Tell whether the text names the subject."""
        found = self._seen.get(text)
        if found is None:
            if len(self._seen) > 50_000:  # noqa: PLR2004 - memory stays flat
                self._seen.clear()
            found = self._seen[text] = self._names(text)
        return found

    def any_of(self, texts: Iterable[str]) -> bool:
        """Tell whether any of the texts names the subject."""
        return any(map(self.names, texts))

    def anywhere(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Tell whether anything in a JSON value names the subject."""
        match value:
            case str():
                return self.names(value)
            case dict():
                return any(self.names(key) or self.anywhere(inner) for key, inner in value.items())
            case list():
                return any(map(self.anywhere, value))
            case _:
                return False

    def mentioned(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Tell whether an e-mail address of the subject stands anywhere in a value."""
        return bool(self.without(value) != value)

    def without(self, value: Any, keep: Container[str] = ()) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value without every text that an e-mail address of the subject stands in; nothing for such a text.

        Parameters
        ----------
        keep
            Names in objects that are left as they are.
        """
        match value:
            case str():
                return None if self._is_mentioned(value) else value
            case dict():
                return {name: inner if name in keep else self.without(inner, keep) for name, inner in value.items()}
            case list() | tuple():
                others = [inner for inner in value if not (isinstance(inner, str) and self._is_mentioned(inner))]
                return type(value)(self.without(inner, keep) for inner in others)
            case _:
                return value

    def _is_mentioned(self, text: str) -> bool:
        return "@" in text and any(map(self._is_theirs, (text.strip(), *_ADDRESS.findall(text))))

    def _names(self, text: str) -> bool:
        plain = restore(text).strip()
        if not plain:
            return False
        if is_hash(plain) and plain in self._ids:
            return True
        if "@" in plain and any(map(self._is_theirs, (plain, *_ADDRESS.findall(plain)))):
            return True
        if len(plain) > _LONGEST_ID:
            return False
        return any(self._key.person_id(source, plain) in self._persons for source in self._sources)

    def _is_theirs(self, written: str) -> bool:
        email = usable_email(written) or usable_email(written.strip(".!?…"))
        return email is not None and self._key.address_id(email) in self._addresses


def emptied(item: dict[str, Any]) -> dict[str, Any]:
    """Return a change or result of a plan without what it says of anybody: what it was and came to stays, to count.

    The names of its columns stay, since a report takes its header from them; ``data`` says that it was erased.
    """
    kept = {name: value if name in _KEPT else _empty(value) for name, value in item.items()}
    if "cells" in item:
        kept["cells"] = dict.fromkeys(item["cells"], "")
    if "data" in item:
        kept["data"] = {"erased": True}
    return kept


def _empty(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case bool():
            return False
        case str():
            return ""
        case dict():
            return {}
        case list():
            return []
        case _:
            return value
