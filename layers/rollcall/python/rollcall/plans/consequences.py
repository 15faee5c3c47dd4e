"""What a change brings with it that an admin should know before anything else, in the hub's words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollcall.plans.model import Edit

PUBLIC = "becomes_public"
ADMIN = "hub_admin"
LAST_ROLE = "loses_last_role"
DELETES = "deletes"
SUSPENDS = "suspends"
REACTIVATES = "reactivates"
DECLINED = "declined_before"
NOT_MEANT = "not_meant"

# In the order in which they are told: what is hardest to take back first.
WORDS = {
    PUBLIC: "Becomes visible to everybody in the hub",
    ADMIN: "Is an admin of the hub",
    LAST_ROLE: "Would lose the last role, so keeps it",
    DELETES: "Is deleted from the hub",
    SUSPENDS: "Becomes inactive: not visible, no e-mails",
    REACTIVATES: "Becomes active again",
    DECLINED: "Declined an invitation before, and would be invited again",
    NOT_MEANT: "Is outside the filter of their source, or has not started yet, and would be invited all the same",
}


def of_edits(edits: Iterable[Edit], *, is_admin: bool = False) -> tuple[str, ...]:
    """Return the consequences of edits of one member.

    Parameters
    ----------
    is_admin
        The member is an admin of the hub.
    """
    found = []
    for edit in edits:
        if edit.column == "status" and edit.new == ("inactive",):
            found.append(SUSPENDS)
        if edit.column == "status" and edit.new == ("deleted",):
            found.append(DELETES)
        if edit.column == "status" and edit.new == ("active",):
            found.append(REACTIVATES)
        if edit.column.startswith("visibility:") and edit.new == ("public",):
            found.append(PUBLIC)
        if edit.column == "roles" and edit.old and not edit.new:
            found.append(LAST_ROLE)
    if found and is_admin:
        found.append(ADMIN)
    return tuple(sorted(set(found), key=list(WORDS).index))


def in_order(warnings: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Return consequence, sentence and number, in the order in which they are told; others than ours come last."""
    places = {code: place for place, code in enumerate(WORDS)}
    codes = sorted((code for code, count in warnings.items() if count), key=lambda code: (places.get(code, 99), code))
    return [(code, WORDS.get(code, code), warnings[code]) for code in codes]
