"""Which texts name somebody who is erased, and what stays of a change that does."""

from __future__ import annotations

import pytest

from rollcall.privacy.emails import normalise_email
from rollcall.privacy.hashing import derive
from rollcall.privacy.model import Subject
from rollcall.privacy.naming import Namer, emptied

KEY = derive("secret", "salt")
PERSON = KEY.person_id("SRC", "E-1042")
ADDRESS = KEY.address_id(normalise_email("maya.okafor@example.com"))
MEMBER = "a" * 32
NAMER = Namer(KEY, Subject({PERSON: "SRC"}, frozenset([ADDRESS]), frozenset([MEMBER])))


@pytest.mark.parametrize(
    "text",
    [
        "maya.okafor@example.com",
        " Maya.Okafor@Example.COM ",
        "Maya Okafor <maya.okafor@example.com>",
        "Row 3: maya.okafor@example.com, is not new.",
        "London; maya.okafor@example.com",
        "mail to maya.okafor@example.com.",
        "E-1042",
        PERSON,
        ADDRESS,
        MEMBER,
    ],
)
def test_address_reference_and_external_id_name_the_person(text: str) -> None:
    """However they are written, in a sentence or between others."""
    assert NAMER.names(text)


@pytest.mark.parametrize(
    "text", ["", "Maya", "Okafor", "lio@example.com", "amaya.okafor@example.com", "E-10420", "b" * 32, "@", "x" * 5000]
)
def test_name_alone_and_others_do_not(text: str) -> None:
    """Others bear the same name; what only looks alike is somebody else's."""
    assert not NAMER.names(text)


def test_anything_deep_in_a_change_names_them() -> None:
    """Edits, data, cells and sentences of a plan's change are all looked into."""
    assert NAMER.anywhere({"edits": [{"old": [], "new": ["maya.okafor@example.com"]}]})
    assert NAMER.anywhere({"data": {"ref": [[PERSON]]}})
    assert not NAMER.anywhere({"edits": [{"old": ["Maya"], "new": [None, 1, True]}]})


def test_emptied_change_keeps_what_is_counted_and_no_value() -> None:
    """Id, outcome and columns stay; doing it twice changes nothing."""
    change = {
        "id": "00001-0001",
        "row": 2,
        "outcome": "invited",
        "reason": "",
        "detail": "maya.okafor@example.com",
        "todo": True,
        "subject": ADDRESS,
        "edits": [{"new": ["Maya"]}],
        "data": {"email": "maya.okafor@example.com"},
        "cells": {"email": "maya.okafor@example.com", "note": "friend of Lio"},
    }
    kept = emptied(change)
    assert kept == {
        "id": "00001-0001",
        "row": 2,
        "outcome": "invited",
        "reason": "",
        "detail": "",
        "todo": False,
        "subject": ADDRESS,
        "edits": [],
        "data": {"erased": True},
        "cells": {"email": "", "note": ""},
    }
    assert emptied(kept) == kept
