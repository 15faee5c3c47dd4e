"""Count what no rule covers, from the people of the directory as they are now: members, and who is none yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rollcall.mapping.drift import Tally
from rollcall.people import store as people
from rollcall.runtime.errors import RefusedError

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext


def count(ctx: HubContext, seconds: float | None = None) -> Tally:
    """Return what no rule of the published table covers.

    Parameters
    ----------
    seconds
        Give up after so long.

    Raises
    ------
    RefusedError
        ``too_many_to_count`` if it took longer.
    """
    begun = time.monotonic()
    tally = Tally(ctx.table, ctx.catalogue)
    for record in people.all_persons(ctx.hub.hub_id):
        if seconds is not None and time.monotonic() - begun > seconds:
            detail = (
                "This hub has too many people to count them while you wait. Start an export of the data mapping table: "
                "it is mailed to you, with all that no rule covers."
            )
            raise RefusedError(detail, code="too_many_to_count")
        tally.add(record.person)
    return tally
