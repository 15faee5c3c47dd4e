"""Apply one directory event: read what is known, decide, write it, then settle the event.

Where only the person, or person and member, change, they are written one after the other: a death between leaves the
event new, and applying it again finds the person merged and the member still to be written. A transaction would cost
twice as much. Everything else is written in one.

The event is settled last, so a death anywhere leaves it new and it is applied again, which the merge makes harmless.
Between the write and the settling the versions of mapping table and catalogue are read once more: if they moved, the
member was computed from old rules, and the event is applied once more with the new ones.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.guard.admit import Admitted, admit
from rollcall.hubs import context
from rollcall.invitations import store as invitations
from rollcall.invitations.model import invitation_from_item
from rollcall.members import store as members
from rollcall.members.model import Change, Status, member_from_item
from rollcall.members.projection import single_valued, view
from rollcall.members.recompute import recompute_member
from rollcall.people import event_log, store
from rollcall.people.addresses import last_said, rank_of
from rollcall.people.decide import Decision, Known, decide
from rollcall.people.ending import end_if_due
from rollcall.people.merge import Said, lift, merge
from rollcall.people.model import Address, EventState, LoggedEvent, Looking, Outcome, PersonRecord, Waiting
from rollcall.people.outcomes import ERASED, FUTURE, UNSTORABLE
from rollcall.plans.messages import wake as announce
from rollcall.privacy.emails import usable_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError, RollcallError, TooLargeToStoreError, TransientError, UnstorableError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import from_text, now, to_text
from rollcall.runtime.tries import tries
from rollcall.sources.fetching import Later, look_up
from rollcall.sources.model import NEEDS_CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Hold, Member
    from rollcall.people.events import DirectoryEvent
    from rollcall.people.merge import Person
    from rollcall.people.model import LoggedEvent

FAR_FUTURE = timedelta(hours=24)
Items = dict[tuple[str, str], dynamo.Item | None]


def apply_event(hub_id: str, event_id: str, look_until: float = math.inf) -> Outcome | None:
    """Apply an event of the log and settle it. Returns what it did, or nothing if it was settled before or waits.

    Parameters
    ----------
    look_until
        On the monotonic clock: until when a vendor may be asked about somebody.

    What goes wrong is noted at the event before it is raised.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often; the event stays new and comes again.
    """
    try:
        return _apply_logged(hub_id, event_id, look_until)
    except Exception as exc:
        trouble = exc.code if isinstance(exc, RollcallError) else RollcallError.code
        with suppress(TransientError):
            event_log.note_trouble(hub_id, event_id, trouble, now())
        raise


def _apply_logged(hub_id: str, event_id: str, look_until: float) -> Outcome | None:
    logged = event_log.get_event(hub_id, event_id)
    if logged is None or logged.state is not EventState.NEW:
        return None
    event = _to_apply(hub_id, logged, look_until)
    if event is None:
        return None
    if isinstance(event, Outcome):
        outcome = event
    elif from_text(event.occurred_at) > now() + FAR_FUTURE:
        outcome = ERASED if _is_erased(hub_id, logged.person_id) else FUTURE
    else:
        try:
            outcome = _apply(hub_id, event)
        except TooLargeToStoreError as exc:
            outcome = Outcome(EventState.QUARANTINED, exc.code, exc.detail)
        except UnstorableError:
            outcome = UNSTORABLE
    _settle(hub_id, logged, outcome)
    log.info(
        "event_settled",
        hub_id=hub_id,
        event_id=event_id,
        source_id=logged.source_id,
        outcome=str(outcome.state),
        reason=outcome.reason,
    )
    return outcome


def _is_erased(hub_id: str, person_id: str | None) -> bool:
    stored = store.get_person(hub_id, person_id) if person_id else None
    return stored is not None and stored.person.erased


def _to_apply(hub_id: str, logged: LoggedEvent, look_until: float) -> DirectoryEvent | Outcome | None:
    """Return the event, with what was found where it said only who; or its outcome; or nothing if it waits."""
    event = logged.event
    if event is None:
        return ERASED  # what it said was taken away while it waited
    if not event.look:
        return event
    if _is_erased(hub_id, logged.person_id):
        return ERASED  # nobody is asked about them any more
    found = look_up(hub_id, event, logged.looking, look_until)
    if isinstance(found, Later):
        looking = Looking(found.tries, found.until.timestamp() if found.has_turn else None)
        event_log.wait(hub_id, logged, until=found.until, detail=found.detail, looking=looking, at=now())
        return None
    return found if isinstance(found, Outcome) else event_log.freeze_event(hub_id, logged.event_id, found)


def _settle(hub_id: str, logged: LoggedEvent, outcome: Outcome) -> None:
    """Settle the event; where a replay counts it, others write the same counts, so it is tried some times."""
    for _ in tries():
        try:
            event_log.settle_event(
                hub_id,
                logged.event_id,
                outcome,
                now(),
                logged.round,
                list_of=logged.source_id if outcome.reason == NEEDS_CREDENTIALS else "",
                counts_for=logged.counts_for,
            )
        except TransientError:
            if not logged.counts_for:
                raise
        else:
            return
    raise TransientError


def _apply(hub_id: str, event: DirectoryEvent) -> Outcome:
    told: Outcome | None = None
    moved = is_listed = False
    for _ in tries():
        try:
            ctx = context.load(hub_id)
        except NotFoundError:
            return Outcome(EventState.IGNORED, "hub_gone", "The hub was off-boarded.")
        known = _look(hub_id, event, ctx)
        is_listed = is_listed or _is_listed(known.member)
        try:
            decision, admitted = _guarded(known, event, ctx)
            cause = f"event:{event.event_id}"
            for _ in _commit(hub_id, known, decision, ctx, cause=cause, guarded=admitted.actions):
                told = _told(told, decision.outcome)  # a second look would find it applied
        except (dynamo.ConditionFailedError, TransientError):
            continue  # somebody else was faster, or AWS is not sure: look again
        announce(hub_id, admitted.mail_ids)
        told = _told(told, decision.outcome)
        if decision.record and decision.record.due_at:
            end_if_due(ctx.hub, decision.record, now())
        if context.current_versions(hub_id) == ctx.versions:
            # They may be shown by rules and settings of before. Who was deleted all the while follows no new ones; nor
            # does the event touch somebody else, who has the address that was asked for.
            if moved and is_listed and known.member and known.member.member_id == known.record.member_id:
                change = Change(f"event:{event.event_id}", "directory", to_text(now()))
                recompute_member(ctx, known.member.member_id, change)
            return told
        moved = True
    raise TransientError


def _is_listed(member: Member | None) -> bool:
    """Tell whether this is a member whom a publication would compute anew: it leaves deleted ones out."""
    return member is not None and (member.shown or {}).get("status") != Status.DELETED


def _told(before: Outcome | None, latest: Outcome) -> Outcome:
    """Return what the event did, where it was looked at again: what the first look did, but held as it is now."""
    if before is None or EventState.HELD in {before.state, latest.state}:
        return latest
    return before


def _guarded(known: Known, event: DirectoryEvent, ctx: HubContext) -> tuple[Decision, Admitted]:
    """Decide; a removal that the guard does not let through is decided once more with the hold."""
    at = now()

    def decided(hold: Hold | None = None) -> Decision:
        hub, catalogue, table = ctx.hub, ctx.catalogue, ctx.table
        return decide(known, event, hub=hub, catalogue=catalogue, table=table, at=to_text(at), hold=hold)

    decision = decided()
    if decision.removal is None:
        return decision, Admitted()
    admitted = admit(ctx.hub, decision.removal, at)
    return (decided(admitted.hold) if admitted.hold else decision), admitted


def _look(hub_id: str, event: DirectoryEvent, ctx: HubContext) -> Known:
    person_id = ctx.key.person_id(event.source_id, event.external_id)
    stored = store.get_person(hub_id, person_id)
    record = stored or PersonRecord(person_id, lift(event))
    if record.person.erased or record.person.superseded_by:
        return Known(record, is_new=False, wanted=None, held=None, member=None, invitation=None)
    merged = merge(record.person, event)
    said = said_of(ctx, merged)
    email = usable_email(merged.text("email"))
    wanted_id = ctx.key.address_id(email) if email else None
    addresses, items = _read_together(hub_id, record, wanted_id, said)
    wanted = (addresses.get(wanted_id) or Address(wanted_id)) if wanted_id else None
    held = addresses.get(record.address_id) if record.address_id else None
    member_id = record.member_id or (wanted.member_id if wanted else None)
    invited = held or wanted
    member = _item(members.key(hub_id, member_id), items) if member_id else None
    invitation = _item(invitations.key(hub_id, invited.address_id), items) if invited else None
    return Known(
        record=record,
        is_new=stored is None,
        wanted=wanted,
        held=held,
        member=member_from_item(member) if member else None,
        invitation=invitation_from_item(invitation) if invitation else None,
        said=said,
        others=tuple(
            addresses.get(name) or Address(name) for name in said if name not in {"", wanted_id, record.address_id}
        ),
        queue={
            name: (*store.first_waiting(hub_id, name), *_claims_of_leavers(ctx, address))
            for name, address in addresses.items()
            if record.address_id != wanted_id or _is_overtaken(wanted, record, said)
        },
    )


def _read_together(
    hub_id: str, record: PersonRecord, wanted_id: str | None, said: Mapping[str, Said]
) -> tuple[dict[str, Address], Items]:
    """Read in one call what the person leads to; nearly always all that there is.

    Returns
    -------
    tuple
        The addresses by id, and what was asked for by table and key, ``None`` where there is nothing.
    """
    names = dict.fromkeys(filter(None, [record.address_id, wanted_id, *said]))
    keys = {name: store.address_key(hub_id, name) for name in names}
    asked = list(keys.values())
    if record.member_id:
        asked.append(members.key(hub_id, record.member_id))
    if invited_id := record.address_id or wanted_id:
        asked.append(invitations.key(hub_id, invited_id))
    found = dynamo.get_together(asked)
    addresses = {name: store.address_from_item(found[key]) for name, key in keys.items() if key in found}
    return addresses, {key: found.get(key) for key in asked}


def _item(key: tuple[str, str], items: Items) -> dynamo.Item | None:
    """Return what was read together with the rest, or read it now: it was not known then that it is wanted."""
    return items[key] if key in items else dynamo.get(*key)


def _claims_of_leavers(ctx: HubContext, address: Address) -> Iterator[Waiting]:
    """Yield those who left and had the address last, in the form of those who wait: they do not wait in the list."""
    for former in store.get_persons(ctx.hub.hub_id, list(address.formers)).values():
        said = said_of(ctx, former.person)
        if former.address_id is None and last_said(said) == address.address_id:
            rank = rank_of(address.address_id, said)
            yield Waiting(address.address_id, former.person.source_id, former.person_id, rank)


def said_of(ctx: HubContext, person: Person) -> dict[str, Said]:
    """Return when each address was said of the person, by address id; empty text for none or an unusable one."""
    found: dict[str, Said] = {}
    for text, said in person.emails.items():
        email = usable_email(text)
        name = ctx.key.address_id(email) if email else ""
        other = found.get(name, said)
        found[name] = Said(min(said.first, other.first), max(said.last, other.last))
    return found


def _is_overtaken(address: Address | None, record: PersonRecord, said: Mapping[str, Said]) -> bool:
    """Tell whether the person holds the address since later than we thought: somebody who waits may be first."""
    holder = address.holders.get(record.person.source_id) if address else None
    if address is None or holder is None or holder.rank is None or address.address_id not in said:
        return False
    return holder.person_id == record.person_id and rank_of(address.address_id, said) > holder.rank


def _commit(
    hub_id: str, known: Known, decision: Decision, ctx: HubContext, *, cause: str, guarded: tuple[dynamo.Action, ...]
) -> Iterator[None]:
    """Write what was decided; yields after each write."""
    if not decision.changes_something:
        return
    actions: list[dynamo.Action] = []
    if decision.record:
        actions.append(store.put_person(hub_id, decision.record, cause, to_text(now())))
    else:
        actions.append(store.check_person(hub_id, known.record))
    actions += [store.put_address(hub_id, address) for address in decision.addresses]
    if decision.member:
        shown = view(decision.member, ctx.hub, single_valued(ctx.catalogue))
        actions.append(members.put_member(hub_id, decision.member, shown))
    if decision.invitation:
        actions.append(invitations.put_invitation(hub_id, decision.invitation))
    actions += guarded
    if decision.waited:
        actions.append(store.drop_waiting(hub_id, decision.waited))
    if decision.waits:
        actions.append(store.put_waiting(hub_id, decision.waits))
    at, reopen = now(), event_log.still_there(hub_id, decision.reopen)
    actions += [event_log.reopen_action(hub_id, event_id, at) for event_id in reopen]
    is_plain = decision.record is not None and len(actions) == 1 + (decision.member is not None)
    for step in [[action] for action in actions] if is_plain else [actions]:
        dynamo.write(step)
        yield
    if reopen:
        _wake(hub_id, known.record.person.source_id, reopen)


def _wake(hub_id: str, source_id: str, event_ids: tuple[str, ...]) -> None:
    try:
        event_log.wake(hub_id, source_id, event_ids)
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, source_id=source_id, count=len(event_ids))
