"""What the columns of the bulk-invite file are called in a language: ``[columns]`` of ``templates/<language>.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "templates"


@cache
def words_of_columns() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return column and what it may be called, for every column of every language there is a file for."""
    return tuple(
        (name, tuple(words))
        for file in sorted(_FOLDER.glob("*.toml"))
        for name, words in tomllib.loads(file.read_text(encoding="utf-8")).get("columns", {}).items()
    )


def languages() -> tuple[str, ...]:
    """Return the languages of the invitation pages, as language tags."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))
