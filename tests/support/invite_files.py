"""Large invite files, made as they are read: as an HR system's people come out of an export, nobody twice."""

from __future__ import annotations

import hashlib
import io
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = (
    "email,first_name,last_name,role,Location,Languages,language,ref,export,note,HRIS: Department,HRIS: Job title\r\n"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _names(chance: random.Random, count: int) -> list[str]:
    made = ("".join(chance.choices(_LETTERS, k=chance.randint(3, 10))).title() for _ in range(count))
    return [*made, "Zoë", "José", "Łukasz", "Siobhán", "久美子", "Ana María", "O'Brien"]


def invite_lines(count: int) -> Iterator[str]:
    """Yield a header and so many rows of 12 columns, some 140 bytes each; every one can be invited."""
    chance = random.Random(1)  # the same file each time
    first_names, last_names = _names(chance, 5_000), _names(chance, 50_000)
    yield HEADER
    for number in range(count):
        first, last = chance.choice(first_names), chance.choice(last_names)
        local = f"{first}.{last}{number}" if first.isascii() and (first + last).isalpha() else f"person.{number}"
        cells = (
            f"{local.lower() if local.isascii() else f'person{number}'}@example.com",
            first,
            last,
            chance.choice(("Mentor", "Mentee")),
            chance.choice(("London", "Toronto")),
            chance.choice(("English", "English; French", "")),
            chance.choice(("en", "fr", "")),
            person_of(number),
            "",
            "",
            chance.choice(("Sales", "R&D", "Programmes")),
            chance.choice(("Analyst", "Head of Partnerships")),
        )
        yield ",".join(cells) + "\r\n"


def person_of(number: int) -> str:
    """Return the id of the person in a row."""
    return hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()


class InviteFile(io.RawIOBase):
    """The bytes of such a file; memory does not hold it."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._lines = invite_lines(count)

    def read(self, size: int = -1, /) -> bytes:
        """Return some lines, none at the end."""
        return "".join(line for _, line in zip(range(max(size // 140, 1)), self._lines, strict=False)).encode()
