"""Bad files: each gets one clear sentence, or row faults, in little time and memory."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest

from rollcall.files.rows import read_rows
from rollcall.invitations.quick import quick_judge
from rollcall.invitations.rows import column_of, parse_row
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.segments.model import Catalogue, Role
from tests.support.bad_files import BAD_FILES, Bad

CATALOGUE = Catalogue((Role("mentor", "Mentor"), Role("mentee", "Mentee")))
MIB = 1024 * 1024
MOST_MEMORY = 80 * MIB  # a row of 4 MiB that is all short cells; every other file takes far less
MOST_SECONDS = 10


def _faults(body: bytes) -> list[Fault]:
    """Return what is wrong with the file, or with its first row that has faults."""
    try:
        reader = read_rows(io.BytesIO(body))
        if not any(column_of(header) == "email" for header in reader.headers):
            return [Fault("header", "missing_column", "There is no column “email”.")]
        for number, record, quick in reader.judged(quick_judge(reader.headers, CATALOGUE)):
            row = reader.row(number, record)
            found = list(row.faults) or quick or parse_row(row.cells, CATALOGUE)
            if isinstance(found, list):
                return found
    except MalformedError as refused:
        return list(refused.faults)
    return []


def test_there_are_sixty_bad_files() -> None:
    """Each has a name of its own."""
    assert len({bad.name for bad in BAD_FILES}) == len(BAD_FILES) >= 60


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
def test_bad_file_is_answered_with_what_is_wrong_with_it(bad: Bad) -> None:
    """One fault with a code, its place, and a sentence; and it takes neither long nor much memory."""
    tracemalloc.start()
    started = time.process_time()
    faults = _faults(bad.body)
    seconds = time.process_time() - started
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(fault.place, fault.code) for fault in faults] == [(bad.place, bad.code)]
    assert faults[0].detail.endswith((".", "?"))
    assert most < MOST_MEMORY
    assert seconds < MOST_SECONDS
