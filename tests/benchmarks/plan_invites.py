"""Plan an invite file of so many rows in a process of its own, and print what it took, as JSON.

The engine, the rules and the hashes are ours; small calls go to moto. What the tables say of addresses and persons is
made up here (``_look``: everybody is known to the directory and nobody invited yet), and parts are counted, not stored.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rollcall.people.events import Kind
from rollcall.people.merge import lift
from rollcall.people.model import Address, Holder, PersonRecord
from rollcall.plans import invites, parts, planning
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.benchmarks.measure import peak_mib
from tests.support.aws import stack
from tests.support.invite_files import InviteFile
from tests.support.plans import admin_of
from tests.support.world import SOURCE, T0, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.people.merge import Person


def _look(person: Person, _: object, address_ids: Sequence[str], refs: Sequence[str]) -> invites.Known:
    return invites.Known(
        addresses={
            address_id: Address(address_id, holders={SOURCE: Holder(ref)})
            for address_id, ref in zip(address_ids, refs, strict=True)
        },
        invitations={},
        persons={ref: PersonRecord(ref, person, address_id=one) for one, ref in zip(address_ids, refs, strict=True)},
    )


def main(rows: int) -> dict[str, Any]:
    """Plan a file and return rows, counts, seconds and the most memory held."""
    written = 0

    def write_once(_: str, body: bytes) -> bytes:
        nonlocal written
        written += len(body)
        return body

    with stack():
        world = World().build()
        said: dict[str, Any] = {"fields": {"email": "a@example.com"}, "attributes": {"Grade": "Senior"}}
        person = lift(world.event("first", 0, Kind.ADDED, **said))
        upload = uploads.create_upload(world.hub.hub_id, UploadKind.INVITES, "invites.csv", admin_of(world), T0)
        replaced: tuple[tuple[Any, str, Any], ...] = (
            (invites, "look", partial(_look, person)),
            (parts, "write_once", write_once),
            (planning, "open_object", lambda *_: InviteFile(rows)),
            (planning, "RUN_SECONDS", float("inf")),
        )
        for module, name, value in replaced:
            setattr(module, name, value)
        started = time.process_time()
        plan = planning.plan_upload(upload, "1")
        seconds = time.process_time() - started
    return {
        "rows": rows,
        "counts": dict(plan.counts),
        "parts": plan.parts,
        "cpu_seconds": round(seconds, 2),
        "written_mib": round(written / 1024 / 1024, 1),
        "peak_mib": round(peak_mib(), 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
