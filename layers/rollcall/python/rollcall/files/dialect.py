"""How a CSV file is written: encoding and delimiter, told from its first bytes. Pure.

Encoding: the byte-order mark, else a strict trial of UTF-8, else Windows-1252; UTF-16 without a mark where it is plain
to see. Delimiter: comma, semicolon, tab or bar, whichever splits the header, quotation marks respected.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from itertools import islice

from rollcall.runtime.errors import Fault, MalformedError

DELIMITERS = ",;\t|"
# Only ASCII so far: the rest of the file tells whether it is UTF-8 or Windows-1252.
UNDECIDED = "ascii"
SAMPLE_BYTES = 65_536
_RECORDS = 30
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_EXCEL = "In Excel choose File, Save As, “CSV UTF-8 (Comma delimited)”, and upload that file."
_OTHER_FILES = (
    (b"PK\x03\x04", "xlsx_not_csv", f"This is an Excel workbook, not a CSV file. {_EXCEL}"),
    (b"\xd0\xcf\x11\xe0", "xlsx_not_csv", f"This is an old Excel workbook, not a CSV file. {_EXCEL}"),
    (b"%PDF", "pdf_not_csv", "This is a PDF, not a CSV file. Please upload the CSV file itself."),
    (b"{\\rtf", "rtf_not_csv", "This is a text document, not a CSV file. Please save the table as CSV UTF-8."),
)
_MARKUP = re.compile(r"\s*<(\?xml|!doctype|html|head|table|!--)", re.IGNORECASE)
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n?\Z', re.IGNORECASE)
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f]")
_MOST_CONTROLS = 0.02


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written.

    Attributes
    ----------
    encoding
        Name of a codec, or ``UNDECIDED``.
    delimiter
        One of ``DELIMITERS``, or what a ``sep=`` line says.
    mark
        Bytes of the byte-order mark to skip.
    sep_line
        The first line is ``sep=;``, as Excel writes it, and no row.
    """

    encoding: str
    delimiter: str
    mark: int = 0
    sep_line: bool = False


def detect(sample: bytes, *, whole: bool) -> Dialect:
    """Tell how a file is written.

    Parameters
    ----------
    sample
        Its first bytes, ``SAMPLE_BYTES`` or all.
    whole
        The sample is the whole file; else a character may be cut at its end.

    Raises
    ------
    MalformedError
        If it is no CSV file: one fault, at the place ``file``.
    """
    if not sample.strip():
        raise refusal(code="empty", detail="This file is empty.")
    for magic, code, detail in _OTHER_FILES:
        if sample.startswith(magic):
            raise refusal(code=code, detail=detail)
    encoding, mark, text = _decode(sample, whole=whole)
    if not text.strip("\ufeff \t\r\n"):
        raise refusal(code="empty", detail="This file is empty.")
    if _MARKUP.match(text):
        raise refusal(code="markup_not_csv", detail=f"This is a web page or XML, not a CSV file. {_EXCEL}")
    # Any bytes are Windows-1252; what is valid UTF-8 is text.
    is_noise = encoding == "cp1252" and len(_CONTROLS.findall(text)) > _MOST_CONTROLS * len(text)
    if "\0" in text or is_noise:
        raise binary()
    first = text.splitlines(keepends=True)[0]
    if found := _SEP_LINE.match(first):
        return Dialect(encoding, found[1], mark, sep_line=True)
    return Dialect(encoding, _delimiter(text), mark)


def refusal(*, code: str, detail: str) -> MalformedError:
    """Return the error that refuses a file as a whole."""
    return MalformedError([Fault("file", code, detail)])


def binary() -> MalformedError:
    """Return the error for a file that is no text."""
    return refusal(code="binary", detail="This is not a text file. Please upload a CSV file.")


def unknown_encoding() -> MalformedError:
    """Return the error for a text in an encoding that cannot be told."""
    detail = "The letters of this file cannot be read. Please save it as “CSV UTF-8” and upload it again."
    return refusal(code="bad_encoding", detail=detail)


def _decode(sample: bytes, *, whole: bool) -> tuple[str, int, str]:
    """Return codec, length of the mark, and the text."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            text = _try(sample[len(mark) :], encoding, whole=whole)
            if text is None:
                raise unknown_encoding()
            return encoding, len(mark), text
    if b"\0" in sample:
        return _without_mark(sample, whole=whole)
    if sample.isascii():
        return UNDECIDED, 0, sample.decode("ascii")
    for encoding in ("utf-8", "cp1252"):
        text = _try(sample, encoding, whole=whole)
        if text is not None:
            return encoding, 0, text
    raise unknown_encoding()


def _without_mark(sample: bytes, *, whole: bool) -> tuple[str, int, str]:
    # Delimiters and line ends are ASCII in any script: in UTF-16 every zero byte lies on the same side.
    if b"\0" not in sample[0::2]:
        encoding = "utf-16-le"
    elif b"\0" not in sample[1::2]:
        encoding = "utf-16-be"
    else:
        raise binary()
    text = _try(sample, encoding, whole=whole)
    if text is None or _CONTROLS.search(text):
        raise binary()
    return encoding, 0, text


def _try(sample: bytes, encoding: str, *, whole: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample, final=whole)
    except UnicodeDecodeError:
        return None


def _delimiter(text: str) -> str:
    """Return the delimiter of the header; where several could be, the one that cuts most rows as it cuts the header."""
    header = _first_record(text)
    outside = re.sub(r'"[^"]*"', "", header)
    possible = [delimiter for delimiter in DELIMITERS if delimiter in outside]
    if len(possible) <= 1:
        return possible[0] if possible else DELIMITERS[0]
    return max(possible, key=lambda delimiter: _fit(text, delimiter))


def _first_record(text: str) -> str:
    quoted = False
    text = text.lstrip("\r\n")
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            return text[:place]
    return text


def _fit(text: str, delimiter: str) -> tuple[float, int]:
    lines = text.splitlines(keepends=True)
    try:
        records = [row for row in islice(csv.reader(lines, delimiter=delimiter), _RECORDS) if any(row)]
    except csv.Error:
        return 0.0, 0
    width = len(records[0])
    return sum(len(row) == width for row in records) / len(records), width
