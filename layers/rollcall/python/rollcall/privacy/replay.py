"""After a backup was restored: erase again everybody whom the ledger names, before anybody else may come in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rollcall.hubs import store as hubs
from rollcall.privacy import ledger, store
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, ErasureState
from rollcall.privacy.purge import run_erasure
from rollcall.privacy.subjects import own
from rollcall.runtime.errors import NotFoundError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIES = 60


def replay(hub_id: str = "") -> Iterator[tuple[str, str]]:
    """Erase again everybody in the ledger, of one hub or of all; yield hub id and erasure id of each.

    Of each the first pass is through when it is yielded; the later ones come by themselves. An address that was given
    to somebody else stays theirs. Doing it twice changes nothing.

    Raises
    ------
    TransientError
        If AWS got in the way too often; the same call begins again.
    """
    for hub, erasure_id, subject in ledger.entries(hub_id):
        try:
            key = hubs.hub_key(hub, hubs.get_hub(hub).salt)
        except NotFoundError:
            continue  # off-boarded: nobody can be found in it any more
        erase(hub, key, erasure_id, own(hub, subject), cause=Cause.BACKUP_RESTORED)
        _first_pass(hub, erasure_id)
        yield hub, erasure_id


def _first_pass(hub_id: str, erasure_id: str) -> None:
    for _ in range(TRIES):
        run_erasure(hub_id, erasure_id)
        erasure = store.get(hub_id, erasure_id)
        if erasure is None or erasure.state is not ErasureState.RUNNING:
            return
        time.sleep(0.5)  # the function was woken too and is at it
    raise TransientError
