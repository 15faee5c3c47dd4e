"""Large files: invites read and validated beside the bare ``csv.reader``, exports rendered beside ``csv.writer``.

Memory is the most that a process of its own ever held, for many rows and for few.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from rollcall.exports import invites
from rollcall.exports.model import Export, Kind
from rollcall.files.cells import csv_lines
from rollcall.files.rows import read_rows
from rollcall.hubs import store as hubs
from rollcall.hubs.context import HubContext
from rollcall.hubs.model import Permission
from rollcall.invitations import store as invitations
from rollcall.invitations.quick import quick_judge
from rollcall.invitations.rows import InviteRow, parse_row
from rollcall.mapping.table import MappingTable
from rollcall.people import store as people
from rollcall.people.events import Kind as EventKind
from rollcall.people.merge import lift
from rollcall.people.model import Address, Holder, PersonRecord
from rollcall.privacy.hashing import derive
from rollcall.runtime.ids import new_id
from rollcall.segments.model import Catalogue
from tests.benchmarks import export_people
from tests.benchmarks.measure import FAR_OFF, compare, keep, size, tell
from tests.support.invite_files import invite_lines
from tests.support.world import ROLES, RULES, SEGMENTS, SOURCE, World

if TYPE_CHECKING:
    from rollcall.privacy.hashing import HubKey

CATALOGUE = Catalogue(tuple(ROLES), tuple(SEGMENTS))
MIB_MORE = 32
FEW = 10_000


def test_reading_and_validating_an_invite_file_against_the_bare_csv_reader() -> None:
    """Dialect, limits and cells judged, and what each row asks for known: at most 2.5 times the reader."""
    rows = size(full=1_000_000, short=20_000)
    body = "".join(invite_lines(rows)).encode()

    def floor() -> None:
        deque(csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")), maxlen=0)

    def ours() -> int:
        reader = read_rows(io.BytesIO(body))
        good = 0
        for number, record, row in reader.judged(quick_judge(reader.headers, CATALOGUE)):
            if row or isinstance(parse_row(reader.row(number, record).cells, CATALOGUE), InviteRow):
                good += 1
        return good

    assert ours() == rows
    compare(f"read and validate {rows:,} invite rows", ours, floor, bound=2.5)


def test_planning_an_invite_file_takes_the_memory_of_a_small_one() -> None:
    """A file through the whole of planning, look-ups faked: its peak lies within 32 MiB of that of 10,000 rows."""
    rows = size(full=1_000_000, short=4_000)
    few, many = _measured("plan_invites", size(full=FEW, short=1_000)), _measured("plan_invites", rows)
    assert many["counts"] == {"invite": rows}
    more = many["peak_mib"] - few["peak_mib"]
    tell(
        f"plan {rows:,} invite rows, look-ups faked: {many['cpu_seconds']} s of CPU, {many['parts']:,} parts of "
        f"{many['written_mib']} MiB; peak {many['peak_mib']} MiB, {more:.1f} more than {few['rows']:,} rows"
    )
    keep(f"plan {rows:,} invite rows", cpu_ms=many["cpu_seconds"] * 1000, peak_mib=many["peak_mib"], more_mib=more)
    assert more <= MIB_MORE * FAR_OFF


def test_rendering_an_export_against_the_bare_csv_writer() -> None:
    """Persons who were read already, looked at, projected and written as lines, beside writing the same cells."""
    count = size(full=100_000, short=2_000)
    hub = World()
    key = hub.key = derive("secret", hub.hub.salt)  # its own, since no stack is there to ask
    ctx = HubContext(hub.hub, CATALOGUE, 1, MappingTable(1, RULES), key)
    export = Export(new_id(), hub.hub.hub_id, Kind.INVITES, "admin", "", permissions=frozenset(Permission))
    records = [_record(hub, key, cells) for cells in islice(csv.reader(invite_lines(count)), 1, None)]
    addresses = {
        record.address_id: Address(record.address_id, holders={SOURCE: Holder(record.person_id)})
        for record in records
        if record.address_id
    }
    attributes = ("Department", "Grade", "Job title", "Languages", "Office")

    def ours() -> list[bytes]:
        header = invites.columns(invites.segments_of(ctx, export.permissions), attributes)
        found = invites.invite_rows(ctx, export, attributes, "2026-10-06T00:00:00.000Z")
        return list(csv_lines(header, (row for _, rows in found for row in rows)))

    with (
        patch.object(people, "persons_after", lambda *_: ((record.person_id, record) for record in records)),
        patch.object(people, "get_addresses", lambda _, ids: {one: addresses[one] for one in ids}),
        patch.object(invitations, "get_invitations", lambda *_: {}),
        patch.object(invites, "get_left_out", lambda *_: {}),
        patch.object(hubs, "policies", lambda _: {}),
    ):
        written = list(csv.reader(io.StringIO(b"".join(ours()).decode("utf-8-sig"), newline="")))
        assert len(written) == count + 1

        def floor() -> bytes:
            out = io.StringIO(newline="")
            csv.writer(out).writerows(written)
            return out.getvalue().encode()

        # Twice the writer is the aim; what we measured is told in docs/decisions/0055.
        compare(f"render {count:,} people of an invite export", ours, floor, bound=12)


def test_exporting_people_against_reading_them_and_the_bare_csv_writer() -> None:
    """Columns found, people read, looked up, projected and written as lines: twice one reading and ``csv.writer``."""
    count = size(full=20_000, short=400)  # what a person costs does not hang on how many there are
    hub = export_people.Hub(count)
    with export_people.served(hub):
        parts: list[bytes] = []
        few = export_people.Hub(min(count, FEW))
        with export_people.served(few):
            assert export_people.export(few, parts.append) == few.count
        written = list(csv.reader(io.StringIO(b"".join(parts).decode("utf-8-sig"), newline="")))[1:]
        assert {row[0] for row in written} == {f"person{number:08d}@example.com" for number in range(few.count)}

    def ours() -> None:
        with export_people.served(hub):
            assert export_people.export(hub, len) == count

    def floor() -> None:
        with export_people.served(hub):
            assert export_people.floor(hub, written) == count

    compare(f"export {count:,} people", ours, floor, bound=2)


@pytest.mark.long
def test_exporting_people_takes_the_memory_of_few() -> None:
    """The peak lies within 32 MiB of that of 10,000 people, whatever a hub has."""
    count = size(full=1_000_000, short=800)
    few, many = _measured("export_people", size(full=FEW, short=400)), _measured("export_people", count)
    assert many["rows"] == count
    more = many["peak_mib"] - few["peak_mib"]
    tell(
        f"export {count:,} people: {many['cpu_seconds']} s of CPU, {many['parts']:,} parts of {many['written_mib']} "
        f"MiB; peak {many['peak_mib']} MiB, {more:.1f} more than {few['rows']:,} people"
    )
    keep(f"export {count:,} people", cpu_ms=many["cpu_seconds"] * 1000, peak_mib=many["peak_mib"], more_mib=more)
    assert more <= MIB_MORE * FAR_OFF


def _record(hub: World, key: HubKey, cells: list[str]) -> PersonRecord:
    email, first_name, last_name, role, office, languages, locale, person_id, *_, department, job = cells
    event = hub.event(
        person_id,
        0,
        EventKind.ADDED,
        person_id,
        fields={"email": email, "first_name": first_name, "last_name": last_name, "locale": locale or None},
        attributes={
            "Office": office,
            "Grade": "Senior" if role == "Mentor" else "Junior",
            "Languages": tuple(languages.split("; ")),
            "Department": department,
            "Job title": job,
        },
    )
    return PersonRecord(person_id, lift(event), address_id=key.address_id(email))


def _measured(module: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", str(count)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
