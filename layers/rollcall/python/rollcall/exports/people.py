"""The people file: one row for each person of a source, as the people upload reads it back (``people.rows``)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rollcall.hubs.model import Permission
from rollcall.people import store as people
from rollcall.people.rows import COLUMNS, cells_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

BATCH = 100
# What the upload reads.
MAX_COLUMNS = 1_000


class TooManyColumnsError(Exception):
    """The people have more HRIS attributes than a file can have columns; without some it would clear them."""


def attribute_names(hub_id: str, source_id: str, permissions: Collection[Permission]) -> tuple[str, ...]:
    """Return the names of the HRIS attributes that any person of the source has, sorted; none for who may not see them.

    Raises
    ------
    TooManyColumnsError
        If they do not fit into a file.
    """
    if Permission.VIEW_PRIVATE not in permissions:
        return ()
    seen = people.all_attribute_names(hub_id, source_id)
    if len(seen) > MAX_COLUMNS - len(COLUMNS):
        raise TooManyColumnsError
    return tuple(sorted(seen))


def person_rows(
    hub_id: str, source_id: str, names: Sequence[str], permissions: Collection[Permission], after: str = ""
) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield some rows at a time, in the order of ``people.rows.header_of``, and up to which place they are all there.

    Parameters
    ----------
    after
        Place in the list behind which to begin.
    """
    sees_private = Permission.VIEW_PRIVATE in permissions
    listed = people.persons_after(hub_id, after)
    while batch := list(islice(listed, BATCH)):
        records = (record for _, record in batch if record.person.source_id == source_id)
        yield batch[-1][0], [cells_of(record.person, names, sees_private=sees_private) for record in records]
