"""docs/scale.md says what the counts, the prices and the template give."""

from __future__ import annotations

from tools import scale


def test_the_tables_of_the_page_are_those_that_the_command_makes() -> None:
    """After a change of counts, prices or limits: `python tools/scale.py`."""
    text = scale.DOCUMENT.read_text()
    assert scale.renewed(text) == text
    assert all(f"<!-- {name} -->\n" in text for name in scale.BLOCKS)
