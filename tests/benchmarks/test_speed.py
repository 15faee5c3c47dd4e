"""How fast rules and readers are, as ratios against the floor in the same run (``measure.py``)."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from datetime import UTC, datetime

from rollcall.files.rows import read_rows
from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import merge
from rollcall.sources import standard
from rollcall.sources.model import Delivery
from tests.benchmarks.measure import compare, size
from tests.support.vendors import STANDARD_SECRET, sign_standard


def test_reading_rows_against_the_bare_csv_reader() -> None:
    """A file of 12 columns: dialect, encoding, limits and cells cost a few times the bare reader."""
    row = "maya.okafor@example.com,Maya,Okafor,Mentor,London,English,en,E-1042,Programmes,Senior,North,4\r\n"
    header = "email,first_name,last_name,role,Location,Languages,language,ref,a,b,c,d\r\n"
    rows = size(full=100_000, short=20_000)
    body = (header + row * rows).encode()

    def floor() -> int:
        return sum(1 for _ in csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")))

    def ours() -> int:
        return sum(1 for _ in read_rows(io.BytesIO(body)))

    assert ours() == floor() - 1
    compare("read rows", ours, floor, bound=10)


def test_verifying_and_parsing_a_webhook_against_hmac_and_json() -> None:
    """A delivery of one person: our checks cost little beside the digest and the JSON parser."""
    person = {
        "external_id": "E-1",
        "email": "maya@example.com",
        "attributes": {f"Field {n}": f"{n}" for n in range(20)},
    }
    body = json.dumps({"type": "person.updated", "data": person}).encode()
    at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    delivery = Delivery(body, sign_standard(body, at), at)
    source = Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32)

    def floor() -> None:
        for _ in range(200):
            hmac.new(b"0" * 24, body, hashlib.sha256).digest()
            json.loads(body)

    def ours() -> None:
        for _ in range(200):
            standard.verify(delivery, [STANDARD_SECRET])
            standard.parse(delivery, source)

    compare("verify and parse 200 webhooks", ours, floor, bound=30)


def test_merging_against_copying_what_the_events_say() -> None:
    """A history of 200 events, merged, beside writing the same values into one dict."""
    history = [
        DirectoryEvent(
            event_id=f"{n:032x}",
            source_id="source",
            external_id="E-1",
            kind=Kind.UPDATED,
            occurred_at=f"2026-10-05T08:00:{n % 60:02d}.000Z",
            attributes={f"Field {(n + k) % 20}": "x" for k in range(10)},
        )
        for n in range(200)
    ]

    def ours() -> None:
        person = None
        for event in history:
            person = merge(person, event)

    def floor() -> None:
        values: dict[str, object] = {}
        for event in history:
            values = {**values, **event.attributes}

    compare("merge 200 events", ours, floor, bound=150)
