"""Write a file of people or members, in as many runs as it takes.

Its lines become parts of a multipart upload, each noted on the export together with the place that it reaches to. A run
at the end of its time puts aside what is too little for a part; one that dies loses the part it was at. What is noted
is right, so the next run goes on from there, and nobody is written twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.exports import store, tables
from rollcall.exports.model import CONTENT_TYPES, Progress
from rollcall.files import storage
from rollcall.files.cells import csv_head, to_csv_line
from rollcall.runtime.settings import env
from rollcall.runtime.times import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rollcall.exports.model import Export, Place
    from rollcall.hubs.context import HubContext

# Half of what export_csv may take.
RUN_SECONDS = 450.0
# Lambda stops a function that wakes itself 16 times in a row (Lambda guide, "Recursive loop detection"): the sweeper
# begins a new row.
RUNS_IN_A_ROW = 10
TELL_SECONDS = 2.0
# Before the last pass of an erasure that began while somebody was in a part already.
GIVE_UP = timedelta(hours=12)


def file_key(export: Export, name: str = "") -> str:
    """Return where the file of an export lies in the bucket, or another one beside it."""
    return f"exports/{export.hub_id}/{export.export_id}/{name or export.file_name}"


def write_file(ctx: HubContext, export: Export, run: int) -> int | None:
    """Write the file, or as much of it as the time of a run allows: then the next run is woken.

    Parameters
    ----------
    export
        As it is since this run began.
    run
        How many runs in a row woke each other before.

    Returns
    -------
    int or None
        How many rows the file has; nothing if it is not whole yet.

    Raises
    ------
    NotFoundError
        If what was written so far is gone.
    OvertakenError
        If another run began in the meantime.
    TooManyColumnsError
        If the people have more HRIS attributes than the file can have columns.
    TransientError
        If AWS got in the way; the next run goes on.
    """
    end = time.monotonic() + RUN_SECONDS
    next_time = time.monotonic() + TELL_SECONDS
    file = _File(ctx, export)
    if file.is_whole:
        return file.join()
    for place, rows in tables.rows(ctx, export, file.names, file.place):
        file.add(rows, place)
        at = time.monotonic()
        if at > end:
            file.put_aside(run + 1)
            return None
        if at > next_time:
            store.note_progress(export, file.rows)
            next_time = at + TELL_SECONDS
    return file.finish()


def clear_away(export: Export) -> None:
    """Give up what runs that died, or were overtaken, had begun of the file of an export that has ended.

    Not before that: the upload that is found may be that of another run, which goes on.

    Raises
    ------
    TransientError
        If the bucket could not be reached.
    """
    bucket, key = env("FILES_BUCKET"), file_key(export)
    for upload_id in storage.begun(bucket, key):
        storage.drop_parts(bucket, key, upload_id)


class _File:
    """The file while it is written.

    Attributes
    ----------
    place, rows
        How far it is, and how many rows these are: noted, or waiting in memory.
    """

    def __init__(self, ctx: HubContext, export: Export) -> None:
        self._export = export
        self._bucket = env("FILES_BUCKET")
        self._key = file_key(export)
        if self._progress.names_key:
            with storage.open_object(self._bucket, self._progress.names_key) as stream:
                held = json.load(stream)
            self.names = tuple(held["names"])
            self._header = tables.header(ctx, export, self.names)
            if list(self._header) != held["header"]:
                self._begin_anew()  # a segment came or went: later rows would not fit under the header
        if not self._progress.names_key:
            self.names = tables.names_of(ctx, export)
            self._header = tables.header(ctx, export, self.names)
        self.place, self.rows = self._progress.place, self._progress.rows
        self._lines = self._waiting()

    @property
    def _progress(self) -> Progress:
        return self._export.progress

    @property
    def is_whole(self) -> bool:
        """All rows are in parts."""
        return self._progress.is_whole

    def add(self, rows: Sequence[Sequence[str]], place: Place) -> None:
        """Take rows, and send them once they are enough for a part."""
        self._lines += "".join([to_csv_line(cells) for cells in rows]).encode()
        self.rows += len(rows)
        self.place = place
        if len(self._lines) >= storage.PART_BYTES:
            self._send()

    def put_aside(self, run: int) -> None:
        """Note how far this run got, rows that are too few for a part too, and wake the next one.

        After some runs in a row the sweeper does that.
        """
        progress = replace(self._progress, place=self.place, rows=self.rows, rest_key="")
        if not progress.names_key:
            progress = replace(progress, names_key=self._put_names())
        if self._lines:
            # A file of its own, so that an erasure takes somebody's row out of it as of any other.
            head = csv_head(self._header) if progress.parts else b""
            rest_key = file_key(self._export, f"rest-{self._export.runs}.csv")
            self._put(rest_key, [head, bytes(self._lines)])
            progress = replace(progress, rest_key=rest_key)
        in_a_row = run < RUNS_IN_A_ROW
        self._note(progress, look_in=store.FIRST_SWEEP if in_a_row else timedelta())
        if in_a_row:
            store.wake(self._export.hub_id, self._export.export_id, run)

    def finish(self) -> int:
        """Write what is left, and return how many rows the file has."""
        if self._progress.parts:
            self._send(is_whole=True)
            return self.join()
        self._put(self._key, [bytes(self._lines)])
        return self.rows

    def join(self) -> int:
        """Put the parts together, and return how many rows they have."""
        parts = [storage.Part(number, etag) for number, etag in self._progress.parts]
        storage.join_parts(self._bucket, self._key, self._progress.upload_id, parts)
        return self._progress.rows

    def _waiting(self) -> bytearray:
        """Return the lines that are in no part yet: those that were put aside; of a file just begun, its first line."""
        head = csv_head(self._header)
        if not self._progress.rest_key:
            return bytearray() if self._progress.parts else bytearray(head)
        with storage.open_object(self._bucket, self._progress.rest_key) as stream:
            lines = bytearray(stream.read())
        return lines.removeprefix(head) if self._progress.parts else lines

    def _send(self, *, is_whole: bool = False) -> None:
        """Send what waits as a part, and note it."""
        if not self._progress.upload_id:
            upload_id = storage.begin_parts(self._bucket, self._key, CONTENT_TYPES[self._export.file_format])
            names_key = self._progress.names_key or self._put_names()
            try:
                self._note(replace(self._progress, run=self._export.runs, names_key=names_key, upload_id=upload_id))
            except store.OvertakenError:
                storage.drop_parts(self._bucket, self._key, upload_id)
                raise
        progress = replace(self._progress, place=self.place, rows=self.rows, rest_key="", is_whole=is_whole)
        body, self._lines = bytes(self._lines), bytearray()
        if body:
            number = progress.number_of(self._export.runs)
            part = storage.put_part(self._bucket, self._key, progress.upload_id, number, body)
            progress = replace(progress, run=self._export.runs, parts=(*progress.parts, part))
        self._note(progress)

    def _begin_anew(self) -> None:
        upload_id = self._progress.upload_id
        self._note(Progress())
        if upload_id:
            storage.drop_parts(self._bucket, self._key, upload_id)

    def _note(self, progress: Progress, look_in: timedelta = store.FIRST_SWEEP) -> None:
        self._export = store.checkpoint(self._export, progress, now() + look_in)

    def _put_names(self) -> str:
        key = file_key(self._export, f"columns-{self._export.runs}.json")
        self._put(key, [json.dumps({"names": self.names, "header": list(self._header)}).encode()])
        return key

    def _put(self, key: str, chunks: Iterable[bytes]) -> None:
        content_type = "application/json" if key.endswith(".json") else CONTENT_TYPES[self._export.file_format]
        storage.put_stream(self._bucket, key, chunks, content_type=content_type)
