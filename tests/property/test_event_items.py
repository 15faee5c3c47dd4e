"""The event log keeps of an event what its item does not say already, and reads it back as it came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings

from rollcall.people import event_log
from rollcall.people.events import placed
from rollcall.people.model import EventState, LoggedEvent
from rollcall.runtime import dynamo
from rollcall.runtime.times import to_text
from tests.support.examples import examples
from tests.support.histories import histories

if TYPE_CHECKING:
    from rollcall.people.events import DirectoryEvent

HUB, PERSON = "01JA0000000000000000000HUB", "a" * 32
AT = datetime(2026, 10, 5, 8, tzinfo=UTC)


@settings(max_examples=examples(300), deadline=None)
@given(histories())
def test_what_the_log_keeps_is_read_back_as_it_was_told(events: list[DirectoryEvent]) -> None:
    """Also that somebody is not active, that a field was emptied, and what was left open."""
    for event in events:
        told = placed(event, PERSON)
        item = event_log._item(HUB, told, "0" * 32, AT)
        assert event_log.from_item(dynamo.from_item(dynamo.to_item(item))) == LoggedEvent(
            event_id=told.event_id,
            source_id=told.source_id,
            state=EventState.NEW,
            reason="received",
            detail="Received, not yet applied.",
            received_at=to_text(AT),
            person_id=PERSON,
            event=told,
        )
