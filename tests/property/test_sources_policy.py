"""A source's policy does not depend on the order in which events come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Kind, Stamp
from rollcall.people.merge import Person, merge
from rollcall.people.model import person_from_item, person_to_item
from rollcall.runtime.times import to_text
from rollcall.sources.model import as_the_source_wants
from rollcall.sources.policy import Leaving, Policy, PreHire
from tests.support.examples import examples

T0 = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
FILTER = {"Department": ("Field", "Partnerships"), "Type": ("FTE",)}
VALUES = ["Field", "field ", "Sales", "FTE", "Temp", ("Sales", "Field")]
values: st.SearchStrategy[str | tuple[str, ...] | None] = st.none() | st.sampled_from(VALUES)
policies = st.builds(
    Policy,
    pre_hire=st.sampled_from(PreHire),
    leaving=st.sampled_from(Leaving),
    eligible=st.sampled_from([{}, FILTER, {"department": ("field",)}]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[DirectoryEvent]:
    """Return events of one person, partial and complete, each at a time of its own or at the same."""
    return [
        DirectoryEvent(
            event_id=f"{number:032x}",
            source_id="S",
            external_id="E-1",
            kind=draw(st.sampled_from(Kind)),
            occurred_at=to_text(T0 + timedelta(seconds=draw(st.integers(0, 5)))),
            fields=draw(st.dictionaries(st.just("start_date"), st.sampled_from(["2026-10-01", "2026-12-01"]))),
            attributes=draw(st.dictionaries(st.sampled_from(["Department", "Type", "Office"]), values)),
            complete=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 6)))
    ]


def told(events: list[DirectoryEvent]) -> Person:
    """Return the person after these events."""
    person: Person | None = None
    for event in events:
        person = merge(person, event)
    assert person is not None
    return person


@settings(max_examples=examples(200), deadline=None)
@given(policy=policies, history=histories(), data=st.data())
def test_any_order_ends_in_the_same_person_who_is_meant_or_not(
    policy: Policy, history: list[DirectoryEvent], data: st.DataObject
) -> None:
    """Whatever order, and however often: the same person, who left the filter at the same time and is meant alike."""
    source = Source("H", "S", "standard", "Payroll", "salt", policy=policy)
    events = [as_the_source_wants(event, source) for event in history]
    shuffled = data.draw(st.permutations(events)) + data.draw(st.lists(st.sampled_from(events), max_size=3))
    one, other = told(events), told(shuffled)
    assert one == other
    assert person_from_item(person_to_item(one)) == one
    for today in ("2026-10-01", "2026-12-02"):
        assert policy.admits(one, today) is policy.admits(other, today)


@settings(max_examples=examples(200), deadline=None)
@given(policy=policies, history=histories())
def test_left_is_the_newest_event_that_says_so(policy: Policy, history: list[DirectoryEvent]) -> None:
    """Members leave by the newest event that no longer meets the filter, and only where the source says so."""
    source = Source("H", "S", "standard", "Payroll", "salt", policy=policy)
    saying = [
        event.stamp
        for event in history
        if policy.leaving is Leaving.DEACTIVATE and event.kind is not Kind.DELETED and policy.excludes(event)
    ]
    newest: Stamp | None = max(saying, default=None)
    assert told([as_the_source_wants(event, source) for event in history]).left == newest
