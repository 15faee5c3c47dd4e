"""What Rollcall costs and which limit it meets first, at several sizes: the tables of ``docs/scale.md``.

They are worked out from what the jobs ask of AWS, counted on moto (``tests/benchmarks/counts.json``, renewed by
``python -m tests.benchmarks.counting``), from list prices (``prices.json`` beside it) and from ``template.yaml``.

Usage: ``scale.py``, which renews the tables in the document
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.flooding import sentences  # noqa: E402 - found from any folder

DOCUMENT = ROOT / "docs" / "scale.md"
COUNTS: dict[str, Any] = json.loads((ROOT / "tests" / "benchmarks" / "counts.json").read_text())
PRICES: dict[str, Any] = json.loads((ROOT / "tests" / "benchmarks" / "prices.json").read_text())
TEMPLATE = (ROOT / "template.yaml").read_text()
MILLION = 1_000_000
MONTH_SECONDS = 30 * 24 * 3600
GB = 1024**3
# CPU of a warm call, measured with the built functions under Lambda's client; at 512 MB a function has 0.29 of a
# processor, and a call to AWS is taken as 5 ms of waiting.
SHARE = 512 / 1769
CALL_MS = 5
RECEIVE_MS = 7.6 / SHARE + 4 * CALL_MS
SYNC_MS = 21 / SHARE + 8 * CALL_MS
ACTIVITY_MS = 10
# Of each further event in a delivery, which are written side by side; and of one event of ten that are applied
# together: its share of what is read, and three writes.
FURTHER_MS = 1.5 / SHARE
TOGETHER_MS = 8 / SHARE + 3.6 * CALL_MS
# The daily look through each log: its queries, and each event, eventually consistent.
LOOKS = 2 * 16 * 0.5
LOOKED_AT = 0.5
# Our lines about one event: received, and what became of it, with 26 bytes that are charged for each; and one of the
# API. Lambda writes none of its own about what went well. Traces of one in twenty.
LOG_BYTES = 1_000
TRACED = 2 * 0.05
# What people do in a month, each.
MONTHLY = {"a member moves": 1.0, "nothing new": 3.0, "the same delivery again": 0.4, "somebody new": 0.02}
MONTHLY |= {"a member leaves": 0.015}
INVITED, MAILS = 0.03, 1.5
KEPT_MONTHS = 400 / 30
PEAK = 0.1  # of a day's events come in its fullest hour


@dataclass(frozen=True)
class Size:
    """So many hubs of so many people."""

    hubs: int
    people: int

    def __str__(self) -> str:
        return f"{self.hubs:,} hub{'s' if self.hubs > 1 else ''} of {self.people:,}"

    @property
    def events_a_second(self) -> float:
        """In the fullest hour of a day."""
        return self.hubs * self.people * sum(MONTHLY.values()) / 30 * PEAK / 3600


SIZES = (Size(1, 5_000), Size(100, 5_000), Size(10_000, 5_000), Size(1, 1_000_000))


def number_of(function: str, rule: str) -> int:
    """Return a number from a function's block of the template; the last one that the rule finds is that of AWS."""
    block = TEMPLATE[TEMPLATE.index(f"\n  {function}:") : TEMPLATE.index(f"\n  {function}Log:")]
    return int(re.findall(rule, block)[0])


def concurrency(function: str) -> int:
    """Return how many of a function may run at once."""
    return number_of(function, r"ReservedConcurrentExecutions: !If \[ReservesConcurrency, (\d+)")


def event_parts(name: str) -> dict[str, float]:
    """Return the dollars of one event, by part, from its delivery until its activity is written."""
    counted: Mapping[str, Any] = COUNTS["events"][name]
    is_applied = "SendMessageBatch" in counted["calls"] or "SendMessage" in counted["calls"]
    milliseconds = RECEIVE_MS + (SYNC_MS + ACTIVITY_MS if is_applied else 0)
    return {
        "HTTP API": PRICES["http_api_request"],
        "writes": sum(counted["writes"].values()) * PRICES["dynamodb_write_unit"],
        "reads": (counted["reads"] + (LOOKED_AT if is_applied else 0)) * PRICES["dynamodb_read_unit"],
        "SQS": (3 if is_applied else 0) * PRICES["sqs_request"],
        "Lambda": (2 if is_applied else 1) * PRICES["lambda_request"]
        + milliseconds / 1000 * 0.5 * PRICES["lambda_gb_second"],
        "logs, traces": LOG_BYTES / GB * PRICES["cloudwatch_logs_gb"] + TRACED * PRICES["xray_trace"],
    }


def events_table() -> Iterable[str]:
    """Yield the cost of a million events of each kind."""
    parts = list(event_parts("nothing new"))
    yield from _header("$ for a million", "write units", "read units", *parts, "in all")
    for name in MONTHLY:
        counted, dollars = COUNTS["events"][name], event_parts(name)
        units = [sum(counted["writes"].values()), f"{counted['reads']:g}"]
        figures = [f"{dollars[part] * MILLION:.2f}" for part in parts]
        yield _row(name, *units, *figures, f"**{sum(dollars.values()) * MILLION:.2f}**")


# Not the event's: its lines in the activity, and the count of a delivery.
BESIDE = ("Activity", "Activity.by_hub", "Hubs")


def move_parts(counted: Mapping[str, Any], sync_ms: float) -> dict[str, float]:
    """Return the dollars of one member who moves, by part: the event's own, the activity, logs and traces.

    Parameters
    ----------
    counted
        What was counted of some ``people``, ``deliveries`` and ``batches``.
    sync_ms
        What applying one of them takes.
    """
    people, deliveries, batches = (counted.get(name, 1) for name in ("people", "deliveries", "batches"))
    receive_ms = (deliveries * RECEIVE_MS + (people - deliveries) * FURTHER_MS) / people
    beside = sum(count for name, count in counted["writes"].items() if name in BESIDE)
    own = sum(counted["writes"].values()) - beside
    gb_second = 0.5 / 1000 * PRICES["lambda_gb_second"]
    return {
        "HTTP API": deliveries / people * PRICES["http_api_request"],
        "writes": own / people * PRICES["dynamodb_write_unit"],
        "reads": counted["reads"] / people * PRICES["dynamodb_read_unit"],
        "SQS": (counted["calls"]["SendMessageBatch"] + 2 * batches) / people * PRICES["sqs_request"],
        "Lambda": (deliveries + batches) / people * PRICES["lambda_request"] + (receive_ms + sync_ms) * gb_second,
        "activity, counts, daily look": beside / people * PRICES["dynamodb_write_unit"]
        + LOOKED_AT * PRICES["dynamodb_read_unit"]
        + ACTIVITY_MS * gb_second,
        "logs, traces": LOG_BYTES / GB * PRICES["cloudwatch_logs_gb"]
        + deliveries / people * TRACED * PRICES["xray_trace"],
    }


def moves_table() -> Iterable[str]:
    """Yield the cost of a million members who move, alone or many at a time."""
    cases = {
        "each alone": (COUNTS["events"]["a member moves"], SYNC_MS),
        "delivered one by one, ten applied together": (COUNTS["moves"]["ten at a time"], TOGETHER_MS),
        "delivered in lists of ten": (COUNTS["moves"]["in lists of ten"], TOGETHER_MS),
    }
    parts = list(move_parts(*cases["each alone"]))
    own, rest = parts[:5], parts[5:]
    units = ("write units", "read units")
    yield from _header("$ for a million who move", *units, *own, "the event in all", *rest, "all the way")
    for name, (counted, sync_ms) in cases.items():
        dollars, people = move_parts(counted, sync_ms), counted.get("people", 1)
        written = sum(count for table, count in counted["writes"].items() if table not in BESIDE) / people
        figures = [f"{dollars[part] * MILLION:.2f}" for part in own]
        others = [f"{dollars[part] * MILLION:.2f}" for part in rest]
        events = f"**{sum(dollars[part] for part in own) * MILLION:.2f}**"
        whole = f"{sum(dollars.values()) * MILLION:.2f}"
        yield _row(name, f"{written:g}", f"{counted['reads'] / people:g}", *figures, events, *others, whole)


def step_parts(step: str) -> dict[str, float]:
    """Return the dollars of one step of a file, by part, for each row."""
    counted, rows = COUNTS["file"]["steps"][step], COUNTS["file"]["rows"]
    calls: Mapping[str, int] = counted["calls"]
    mails = COUNTS["file"]["steps"]["mails"] / rows
    sent = sum(calls.get(name, 0) for name in ("SendMessage", "SendMessageBatch")) / rows
    taken = {"sending": 2 * mails, "what SES says": 2 * 2 * mails}.get(step, 0)
    # A row is planned in 0.15 ms of CPU and 1 to wait for; the others by their calls, as an event's.
    milliseconds = {"planning": 1, "inviting": 20, "sending": 60, "what SES says": 2 * 40}[step]
    writing = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2")
    put, got = (sum(calls.get(one, 0) for one in names) / rows for names in (writing, ("GetObject", "HeadObject")))
    return {
        "writes": sum(counted["writes"].values()) / rows * PRICES["dynamodb_write_unit"],
        "reads": counted["reads"] / rows * PRICES["dynamodb_read_unit"],
        "SQS": (sent + taken) * PRICES["sqs_request"],
        "S3": put * PRICES["s3_put"] + got * PRICES["s3_get"],
        "Lambda": milliseconds / 1000 * 0.5 * PRICES["lambda_gb_second"] + taken / 2 / 5 * PRICES["lambda_request"],
        "SES": mails * PRICES["ses_mail"] if step == "sending" else 0,
    }


def steps() -> list[str]:
    """Return the steps of a file."""
    return [name for name in COUNTS["file"]["steps"] if name != "mails"]


def file_table() -> Iterable[str]:
    """Yield the cost of 100,000 rows that are invited, step by step."""
    parts = list(step_parts("planning"))
    yield from _header("$ for 100,000 rows", "write units a row", "read units a row", *parts, "in all")
    rows = COUNTS["file"]["rows"]
    sums = dict.fromkeys(parts, 0.0)
    for step in steps():
        counted, dollars = COUNTS["file"]["steps"][step], step_parts(step)
        sums = {part: sums[part] + dollars[part] for part in parts}
        units = [f"{sum(counted['writes'].values()) / rows:.2f}", f"{counted['reads'] / rows:.2f}"]
        figures = [f"{dollars[part] * 100_000:.2f}" for part in parts]
        yield _row(step, *units, *figures, f"{sum(dollars.values()) * 100_000:.2f}")
    figures = [f"{sums[part] * 100_000:.2f}" for part in parts]
    yield _row("all", "", "", *figures, f"**{sum(sums.values()) * 100_000:.2f}**")


def month_parts(size: Size) -> dict[str, float]:
    """Return the dollars of a month, by part."""
    people, stored = size.hubs * size.people, COUNTS["events"]["bytes"]
    events = sum(each * sum(event_parts(name).values()) for name, each in MONTHLY.items())
    rows = INVITED * sum(sum(step_parts(step).values()) for step in steps())
    held = 2 * stored["People"] + stored["Members"]
    held += KEPT_MONTHS * (sum(MONTHLY.values()) * stored["Events"] + stored["Activity"])
    alarms = TEMPLATE.count("Type: AWS::CloudWatch::Alarm")
    looks = 30 * size.hubs * LOOKS * PRICES["dynamodb_read_unit"]
    swept = COUNTS["sweep"]["reads"] * PRICES["dynamodb_read_unit"] + 2 * PRICES["lambda_gb_second"] * 0.5
    return {
        "events": people * events,
        "invitations": people * rows * MAILS,
        "storage, backups": people * held / GB * (PRICES["dynamodb_storage_gb"] + PRICES["dynamodb_backup_gb"]),
        "secrets": (size.hubs + 1) * PRICES["secret"],
        "sweep": swept * MONTH_SECONDS / 60 + looks,
        "key, alarms": PRICES["kms_key"] + alarms * PRICES["alarm"],
    }


def month_table() -> Iterable[str]:
    """Yield the cost of a month at each size."""
    parts = list(month_parts(SIZES[0]))
    yield from _header("$ a month", *parts, "in all", "for 1,000 people")
    for size in SIZES:
        dollars = month_parts(size)
        in_all = sum(dollars.values())
        each = in_all / size.hubs / size.people * 1_000
        yield _row(size, *(f"{dollars[part]:,.2f}" for part in parts), f"**{in_all:,.2f}**", f"{each:.2f}")


def limits_of(events: float, size: Size) -> dict[str, tuple[float, float]]:
    """Return what so many events a second need of each limit, and the limit, nearest first."""
    new = COUNTS["events"]["somebody new"]["writes"]
    table = max(sum(count for name, count in new.items() if name.startswith(one)) for one in ("Events", "People"))
    shards = 16 * size.hubs
    invites = size.hubs * size.people * INVITED * MAILS / 30
    needs = {
        "`sync_member` at once": (events * SYNC_MS / 1000, concurrency("SyncMember")),
        "`receive_webhook` at once": (events * RECEIVE_MS / 1000, concurrency("ReceiveWebhook")),
        "requests a second at the API": (events, int(re.findall(r"ThrottlingRateLimit: (\d+)", TEMPLATE)[0])),
        "write units a second, a new table": (events * table, 4_000),
        "write units a second in one index key": (events * 2 / shards, 1_000),
        "counts of a source, write units a second": (events / size.hubs / 4, 1_000),
        "mails a day (SES at first)": (invites, 50_000),
        "secrets": (size.hubs + 1, 500_000),
    }
    return dict(sorted(needs.items(), key=lambda one: -one[1][0] / one[1][1]))


def limits_table() -> Iterable[str]:
    """Yield the limits that are nearest at each size, in the fullest hour."""
    yield from _header("size", "events a second", "nearest limit", "second", "third")
    for size in SIZES:
        near = list(limits_of(size.events_a_second, size).items())[:3]
        yield _row(size, f"{size.events_a_second:.2f}", *(_share(name, *need) for name, need in near))


def first_sync_table() -> Iterable[str]:
    """Yield what 100,000 people in ten minutes need."""
    events = 100_000 / 600
    yield from _header(f"100,000 people in 600 s: {events:.0f} a second", "needs", "limit", "share")
    for name, (need, most) in limits_of(events, Size(1, 100_000)).items():
        if not name.startswith(("mails", "secrets")):
            yield _row(name, f"{need:,.1f}", f"{most:,}", f"{need / most:.0%}")


def _share(name: str, need: float, most: float) -> str:
    return f"{name}: {need / most:.1%} of {most:,}"


def _header(*cells: object) -> Iterable[str]:
    yield _row(*cells)
    yield "|---" * len(cells) + "|"


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


BLOCKS: dict[str, Callable[[], Iterable[str]]] = {
    "events": events_table,
    "moves": moves_table,
    "file": file_table,
    "month": month_table,
    "limits": limits_table,
    "first sync": first_sync_table,
    "flooding": lambda: [f"- {sentence}" for sentence in sentences()],
}


def renewed(text: str) -> str:
    """Return the document with its tables as they are now."""
    for name, lines in BLOCKS.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{_joined(list(lines()))}\n{end}{after}"
    return text


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
