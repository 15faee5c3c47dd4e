"""What the columns of an invite file may hold, as a file beside it: one row for each value. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.exports.model import visible_segments
from rollcall.files.cells import join_values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rollcall.hubs.model import Permission
    from rollcall.segments.model import Catalogue

FILE_NAME = "allowed-values.csv"
COLUMNS = ("column", "value", "as written in a cell", "several allowed", "required")
_YES = {True: "yes", False: "no"}


def value_rows(
    catalogue: Catalogue, permissions: Collection[Permission], languages: Iterable[str]
) -> Iterator[tuple[str, ...]]:
    """Yield column, value, and how it is written into a cell, for roles, segments and languages in use.

    Parameters
    ----------
    permissions
        Segments that may not be seen with these are not named.
    languages
        Those that mails and pages are written in; others come in the hub's.
    """
    roles = [role for role in catalogue.roles if not role.archived]
    for role in roles:
        yield ("role", role.label, join_values([role.label]), _YES[True], _YES[len(roles) > 1])
    for segment in visible_segments(catalogue, permissions):
        for option in segment.options:
            if not option.archived:
                cell = join_values([option.label])
                yield (segment.name, option.label, cell, _YES[segment.multi], _YES[segment.required])
    for language in languages:
        yield ("language", language, language, _YES[False], _YES[False])
