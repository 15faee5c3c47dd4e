"""What usually becomes of a directory event, and how that is told. Pure."""

from __future__ import annotations

from rollcall.people.events import Kind
from rollcall.people.model import EventState, Outcome

RECEIVED = Outcome(EventState.NEW, "received", "Received, not yet applied.")
CREATED = Outcome(EventState.APPLIED, "person_created", "A person the hub did not know yet.")
UPDATED = Outcome(EventState.APPLIED, "person_changed", "What the directory says of the person changed.")
CHANGED = {
    Kind.DEACTIVATED: Outcome(EventState.APPLIED, "person_deactivated", "The person was deactivated."),
    Kind.DELETED: Outcome(EventState.APPLIED, "person_deleted", "The person was deleted."),
}
ALREADY_APPLIED = Outcome(EventState.APPLIED, "already_applied", "Applied before; applying it again changed nothing.")
OLDER = Outcome(EventState.NO_CHANGE, "older", "Older than what we already have from this source.")
SUPERSEDED = Outcome(
    EventState.NO_CHANGE, "superseded", "This person goes on under another id, as an admin decided; nothing was stored."
)
ERASED = Outcome(EventState.NO_CHANGE, "erased", "This person was erased; nothing was stored.")
SAME = Outcome(EventState.NO_CHANGE, "same_values", "Everything it says was known already.")
END_DATE = Outcome(EventState.APPLIED, "end_date_reached", "The end date was reached.")
FUTURE = Outcome(
    EventState.QUARANTINED,
    "future_time",
    "The event says it happened more than a day from now. Check the clock of the HR system, then replay it.",
)
HUB_GONE = Outcome(EventState.IGNORED, "hub_gone", "The hub was off-boarded.")
UNSTORABLE = Outcome(
    EventState.QUARANTINED,
    "cannot_be_stored",
    "It holds something that cannot be stored. Tell who operates Rollcall which system sent it, then replay it.",
)

# The log does not keep these words with each event: the reason says them.
DETAILS = {
    outcome.reason: outcome.detail
    for outcome in (RECEIVED, CREATED, UPDATED, *CHANGED.values(), ALREADY_APPLIED, OLDER, SAME, END_DATE)
}
