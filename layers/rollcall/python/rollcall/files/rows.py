"""Rows of a CSV file, one at a time: memory does not grow with the file. Pure on the stream it is given.

Any encoding and delimiter of ``files.dialect``; CR, LF and CRLF; quoted newlines; empty lines; columns in any order.
Whatever the encoding, bytes are turned into UTF-8 before they are cut into lines, so that the limits hold for all.
"""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar, cast

from rollcall.files.cells import restore
from rollcall.files.dialect import SAMPLE_BYTES, UNDECIDED, Dialect, binary, detect, refusal, unknown_encoding
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

CHUNK_BYTES = 16_384
_Verdict = TypeVar("_Verdict")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be (reliability §2.3).

    Attributes
    ----------
    field
        Characters in one cell.
    columns, rows
        Rows without the header.
    line
        Bytes, as UTF-8, between two line ends.
    record
        Bytes, as UTF-8, in one row with all its quoted line breaks; told within some 128 KiB.
    """

    field: int = 4_096
    columns: int = 200
    rows: int = 1_000_000
    line: int = 4_194_304
    record: int = 4_194_304


LIMITS = Limits()


class Row(NamedTuple):
    """One row.

    Attributes
    ----------
    number
        As a spreadsheet counts: the header is 1, empty rows count, a cell with line breaks is in one row.
    cells
        Header → text, formulas restored. Of a row with faults: as far as the cells go.
    faults
        What is wrong with this row; the others are not affected.
    """

    number: int
    cells: dict[str, str]
    faults: tuple[Fault, ...] = ()


class RowReader:
    """Iterates over the rows of a file, once.

    Attributes
    ----------
    dialect
        How the file is written.
    headers
        Names of the columns, the keys of ``Row.cells``: as the caller spells known ones, others as in the file.
    extra
        Those that are not among the known ones.

    While iterating, ``MalformedError`` is raised where the file cannot be read any further or is beyond a limit.
    """

    def __init__(self, stream: BinaryIO, limits: Limits, known: Iterable[str], required: Iterable[str]) -> None:
        self.dialect, self._records = _open(stream, limits)
        _, header = next(iter(self._records), (0, []))
        if not header:
            raise refusal(code="empty", detail="This file is empty.")
        self.headers, self.extra = _match(header, known, required, limits)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows that are not empty."""
        for number, record in self._records:
            yield self.row(number, record)

    def judged(self, judge: Callable[[list[str]], _Verdict | None]) -> Iterator[tuple[int, list[str], _Verdict | None]]:
        """Yield number, cells as in the file and verdict of every row that is not empty; ``row`` makes a row of it.

        Parameters
        ----------
        judge
            Says something of the cells of a row, or nothing; of an empty row nothing.
        """
        return self._records.judged(judge)

    def row(self, number: int, record: Sequence[str]) -> Row:
        """Return a row from its cells as they are in the file."""
        cells = [restore(cell) if cell[:1] == "'" else cell for cell in record]
        width = len(self.headers)
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        # Excel leaves out empty cells at the end of a row, so fewer cells are no fault.
        cells.extend([""] * (width - len(cells)))
        faults: tuple[Fault, ...] = ()
        if len(cells) > width:
            detail = f"This row has {len(cells)} cells, the header has {width}. Is a cell not in quotation marks?"
            faults = (Fault(f"row {number}", "ragged_row", detail),)
        return Row(number, dict(zip(self.headers, cells, strict=False)), faults)


def read_rows(
    stream: BinaryIO, limits: Limits = LIMITS, known: Iterable[str] = (), required: Iterable[str] = ()
) -> RowReader:
    """Open a CSV file.

    Parameters
    ----------
    stream
        Bytes; only ``read(n)`` is asked of it.
    known
        Columns the caller looks for; the file may have them in any order, case and Unicode form, and with or without
        spaces, underscores and hyphens (``E-Mail`` is ``email``).
    required
        Those of them that must be there.

    Raises
    ------
    MalformedError
        If it is no CSV file, has no header, lacks a required column or has a known one twice.
    """
    return RowReader(stream, limits, known, required)


def read_records(stream: BinaryIO, limits: Limits = LIMITS) -> tuple[Dialect, Iterator[tuple[int, list[str]]]]:
    """Return how a file is written, and its rows that are not empty, as number and cells, formulas not yet restored.

    Raises
    ------
    MalformedError
        If it is no CSV file; and while iterating, where it cannot be read any further.
    """
    dialect, records = _open(stream, limits)
    return dialect, iter(records)


def _open(stream: BinaryIO, limits: Limits) -> tuple[Dialect, _Records]:
    head = _read_head(stream)
    dialect = detect(head, whole=len(head) < SAMPLE_BYTES)
    return dialect, _Records(head, stream, dialect, limits)


class _Records:
    """The rows of a file that are not empty, once: number and cells, formulas not yet restored.

    While iterating, ``MalformedError`` is raised where the file cannot be read any further or is beyond a limit.

    Attributes
    ----------
    number
        Of the last row that was read, empty ones counted too.
    """

    def __init__(self, head: bytes, stream: BinaryIO, dialect: Dialect, limits: Limits) -> None:
        self.number = 0
        self._limits = limits
        self._most = limits.rows + 1
        raw = _Utf8(head[dialect.mark :], stream, dialect.encoding, limits, lambda: self.number)
        text = io.TextIOWrapper(cast("io.BufferedReader", raw), encoding="utf-8", newline="")
        self._skipped = text if dialect.sep_line else None
        self._cut = _cut(text, dialect.delimiter, limits.field)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells."""
        for number, record, _ in self.judged(_no_verdict):
            yield number, record

    def judged(self, judge: Callable[[list[str]], _Verdict | None]) -> Iterator[tuple[int, list[str], _Verdict | None]]:
        """Yield number, cells and verdict: as ``RowReader.judged``."""
        csv.field_size_limit(self._limits.field)
        most, number = self._most, self.number
        try:
            if self._skipped:
                self._skipped.readline()
                self._skipped = None
            for record in self._cut:
                self.number = number = number + 1
                verdict = judge(record)
                if verdict is None and not any(map(str.strip, record)):
                    self._most = most = most + 1
                elif number > most:
                    detail = f"This file has more than {self._limits.rows:,} rows. Please split it."
                    raise refusal(code="too_many_rows", detail=detail)
                else:
                    yield number, record, verdict
        except csv.Error as exc:
            raise MalformedError([_csv_fault(str(exc), self.number + 1, self._limits)]) from None
        except UnicodeDecodeError:
            raise unknown_encoding() from None


def _cut(lines: Iterator[str], delimiter: str, longest: int) -> Iterator[list[str]]:
    """Yield the rows that ``csv.reader`` would: it itself is asked only where a quotation mark or a long cell may be.

    Every other line is cut at its delimiters, in a quarter of the time.
    """
    held: list[str] = []
    reader = csv.reader(iter(lambda: held.pop() if held else next(lines, ""), ""), delimiter=delimiter, strict=True)
    for line in lines:
        if '"' in line or len(line) > longest:
            held.append(line)
            yield next(reader)
        else:
            bare = line.rstrip("\r\n")
            yield bare.split(delimiter) if bare else []


def _no_verdict(_: list[str]) -> None:
    return None


def _csv_fault(said: str, number: int, limits: Limits) -> Fault:
    place = f"row {number}"
    if "field larger" in said:
        detail = f"A cell has more than {limits.field:,} characters, or a quotation mark is never closed."
        return Fault(place, "field_too_long", detail)
    if "end of data" in said:
        return Fault(place, "open_quote", "A quotation mark is opened here and never closed.")
    detail = "Something stands between a closing quotation mark and the next cell. Double the marks inside a cell."
    return Fault(place, "bad_quotes", detail)


def _match(
    header: list[str], known: Iterable[str], required: Iterable[str], limits: Limits
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the columns, and which of them nobody asked for."""
    cells = [restore(cell).strip() for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    if len(cells) > limits.columns:
        raise refusal(code="too_many_columns", detail=f"This file has more than {limits.columns} columns.")
    if any("@" in cell for cell in cells):
        detail = "The first row must name the columns, such as “email”; here it looks like the row of a person."
        raise refusal(code="no_header", detail=detail)
    exact = {normalise(name): name for name in known}
    squeezed = {_squeeze(name): name for name in exact.values()}
    names: list[str] = []
    extra: list[str] = []
    faults: list[Fault] = []
    for place, cell in enumerate(cells, start=1):
        name = exact.get(normalise(cell)) or squeezed.get(_squeeze(cell))
        if name is not None and name in names:
            faults.append(Fault("header", "duplicate_column", f"The column “{name}” is there twice."))
        if name is None:
            name = _free(unicodedata.normalize("NFC", cell) or f"column {place}", names)
            extra.append(name)
        names.append(name)
    faults += [
        Fault("header", "missing_column", f"There is no column “{name}”. The first row must name the columns.")
        for name in required
        if name not in names
    ]
    if faults:
        raise MalformedError(faults)
    return tuple(names), tuple(extra)


def _squeeze(name: str) -> str:
    """Return ``firstname`` for ``First Name``, ``first_name`` and ``first-name``."""
    return "".join(c for c in normalise(name) if c not in " _-")


def _free(name: str, taken: list[str]) -> str:
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _read_head(stream: BinaryIO) -> bytes:
    """Read the sample: a network stream may give less than it is asked for."""
    head = bytearray()
    while len(head) < SAMPLE_BYTES and (chunk := stream.read(SAMPLE_BYTES - len(head))):
        head += chunk
    return bytes(head)


class _Utf8(io.BufferedIOBase):
    """The bytes of a file as UTF-8, whatever they were; refuses NUL, lines and rows beyond the limits as it goes.

    Parameters
    ----------
    rows_read
        Says how many rows were made of the bytes so far.
    """

    def __init__(
        self, head: bytes, stream: BinaryIO, encoding: str, limits: Limits, rows_read: Callable[[], int]
    ) -> None:
        super().__init__()
        self._rows_read = rows_read
        self._stream = stream
        self._limits = limits
        self._line = 0
        self._record = 0
        self._rows_before = 0
        self._held = head
        self._ended = False
        self._undecided = encoding == UNDECIDED
        self._decoder = None if encoding in ("utf-8", UNDECIDED) else codecs.getincrementaldecoder(encoding)()

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Return the bytes of one chunk, however many are asked for; none at the end of the file."""
        del size
        while not self._ended:
            if chunk := self._next():
                return chunk
        return b""

    def _next(self) -> bytes:
        chunk = self._stream.read(CHUNK_BYTES)
        self._ended = not chunk
        chunk, self._held = self._held + chunk, b""
        if self._undecided:
            chunk = self._decide(chunk)
        if self._decoder:
            chunk = self._decoder.decode(chunk, final=self._ended).encode()
        if b"\0" in chunk:
            raise binary()
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._line = self._line + len(chunk) if end < 0 else len(chunk) - end
        if self._line > self._limits.line:
            detail = "This file has a line that is far too long. Is it a CSV file?"
            raise refusal(code="line_too_long", detail=detail)
        rows = self._rows_read()
        self._record = self._record + len(chunk) if rows == self._rows_before else 0
        self._rows_before = rows
        if self._record > self._limits.record:
            detail = f"Row {rows + 1} does not end. Is a quotation mark missing somewhere in it?"
            raise refusal(code="row_too_long", detail=detail)
        return chunk

    def _decide(self, chunk: bytes) -> bytes:
        """Settle the encoding at the first bytes beyond ASCII; hold back what may be half a character."""
        if chunk.isascii():
            return chunk
        trial = codecs.getincrementaldecoder("utf-8")()
        try:
            text = trial.decode(chunk, final=self._ended)
        except UnicodeDecodeError:
            self._undecided = False
            self._decoder = codecs.getincrementaldecoder("cp1252")()
            return chunk
        if not text.isascii():
            self._undecided = False
            return chunk
        self._held = trial.getstate()[0]
        return chunk[: len(chunk) - len(self._held)]
