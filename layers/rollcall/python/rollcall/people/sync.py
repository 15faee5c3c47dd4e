"""Apply directory events: read what is known, decide, write it, then settle the event.

The events of a hub that come together are applied together: the hub is read once, what they need is read in a few
calls, and once they are all written, the versions of mapping table and catalogue are read again. If these moved,
members were computed from old rules, and each event is applied once more with the new ones. Only then are the events
settled, so a death anywhere leaves them new and they are applied again, which the merge makes harmless. What goes
wrong with one of them is its own trouble.

What is read ahead for all of them may be old. It is only ever the ground for a write of the person, and of the member,
on condition of the revisions that were read; anything else is decided on consistent reads.

Where only the person, or person and member, change, they are written one after the other: a death between leaves the
event new, and applying it again finds the person merged and the member still to be written. A transaction would cost
twice as much. Everything else is written in one.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic as _clock
from typing import TYPE_CHECKING

from rollcall.guard.admit import Admitted, admit
from rollcall.hubs import context
from rollcall.invitations import store as invitations
from rollcall.invitations.model import invitation_from_item
from rollcall.members import store as members
from rollcall.members.model import Change, Status, member_from_item
from rollcall.members.projection import derive, same_content, single_valued, view
from rollcall.members.recompute import recompute_member
from rollcall.people import event_log, store
from rollcall.people.addresses import last_said, rank_of, stands
from rollcall.people.decide import Decision, Known, decide, known_to_stand, member_follows
from rollcall.people.ending import end_if_due
from rollcall.people.merge import Said, lift, merge
from rollcall.people.model import Address, EventState, LoggedEvent, Looking, Outcome, PersonRecord, Waiting
from rollcall.people.outcomes import ERASED, FUTURE, HUB_GONE, UNSTORABLE
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Hold, Member
    from rollcall.people.events import DirectoryEvent
    from rollcall.people.merge import Person
    from rollcall.people.model import LoggedEvent

FAR_FUTURE = timedelta(hours=24)
# Seconds in which events of a batch are begun, of the 30 that a worker has.
LONGEST = 18.0
Items = dict[tuple[str, str], dynamo.Item | None]


Results = dict[str, "Outcome | Exception | None"]


@dataclass(slots=True)
class _Task:
    """An event that is being applied.

    Attributes
    ----------
    logged
        The event in the log, as it is or as it was a moment ago.
    event
        What is applied; with what was found where the log says only who.
    known
        What was known when it was decided last.
    told
        What it did; nothing as long as it did nothing.
    is_listed
        Its member was at some look one whom a publication would compute anew.
    trouble
        What went wrong.
    """

    logged: LoggedEvent
    event: DirectoryEvent
    known: Known | None = None
    told: Outcome | None = None
    is_listed: bool = False
    trouble: Exception | None = None

    @property
    def is_again(self) -> bool:
        """It was made new again: an address may have changed hands."""
        return self.logged.round > 0


@dataclass(slots=True)
class _Ahead:
    """Persons and members by id as they were a moment ago."""

    persons: dict[str, PersonRecord] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)


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
    found = apply_events(hub_id, [event_id], look_until)[event_id]
    if isinstance(found, Exception):
        raise found
    return found


def apply_events(hub_id: str, event_ids: Iterable[str], look_until: float = math.inf) -> Results:
    """Apply events of one hub together and settle them; each fails alone.

    Returns
    -------
    dict
        Event id → what it did, or nothing if it was settled before or waits, or what went wrong. That is noted at the
        event, which stays new and comes again.
    """
    end = _clock() + LONGEST
    wanted = list(dict.fromkeys(event_ids))
    tasks: list[_Task] = []
    with suppress(Exception):  # what cannot be read among others fails where it is read by itself
        tasks = _at_once(hub_id, wanted)
    _apply_together(hub_id, tasks, end)
    found: Results = {task.logged.event_id: task.trouble or task.told for task in tasks if task.trouble or task.told}
    for event_id in wanted:
        if event_id not in found:
            try:
                found[event_id] = _apply_alone(hub_id, event_id, look_until, end)
            except Exception as exc:  # noqa: BLE001 - one event's failure must not fail the others
                found[event_id] = exc
    for event_id, what in found.items():
        if isinstance(what, Exception):
            _note_trouble(hub_id, event_id, what)
    return found


def _note_trouble(hub_id: str, event_id: str, what: Exception) -> None:
    trouble = what.code if isinstance(what, RollcallError) else RollcallError.code
    try:
        event_log.note_trouble(hub_id, event_id, trouble, now())
    except Exception as exc:  # noqa: BLE001 - it comes again all the same, and so must the others be told of
        log.warning("trouble_not_noted", **describe(exc), hub_id=hub_id)


def _at_once(hub_id: str, event_ids: Sequence[str]) -> list[_Task]:
    """Return those of the events that were new a moment ago and say all that there is to say; of each person the first.

    Who comes again in a batch waits until the first event is settled: what it did could not be told any more where it
    has to be applied once more, and finds the next one there already.
    """
    found = event_log.glance(hub_id, event_ids)
    logged = [found[event_id] for event_id in event_ids if event_id in found]
    tasks: dict[str | None, _Task] = {}
    for one in logged:
        if one.event and not one.event.look and one.state is EventState.NEW and not _is_far_ahead(one.event):
            tasks.setdefault(one.person_id, _Task(one, one.event))
    return list(tasks.values())


def _apply_alone(hub_id: str, event_id: str, look_until: float, end: float) -> Outcome | None:
    """Apply an event as it is now.

    Raises
    ------
    TransientError
        As ``_write``, or since the time is over.
    """
    if _clock() > end:
        raise TransientError
    logged = event_log.get_event(hub_id, event_id)
    if logged is None or logged.state is not EventState.NEW:
        return None
    event = _to_apply(hub_id, logged, look_until)
    if event is None:
        return None
    if isinstance(event, Outcome):
        _settle(hub_id, logged, event)
        return event
    if _is_far_ahead(event):
        outcome = ERASED if _is_erased(hub_id, logged.person_id) else FUTURE
        _settle(hub_id, logged, outcome)
        return outcome
    task = _Task(logged, event)
    _apply_together(hub_id, [task], end)
    if task.trouble:
        raise task.trouble
    return task.told


def _is_far_ahead(event: DirectoryEvent) -> bool:
    return from_text(event.occurred_at) > now() + FAR_FUTURE


def _apply_together(hub_id: str, tasks: Sequence[_Task], end: float) -> None:
    """Write what the events say, then settle them. One that was not new any more is told nothing.

    Those that are not begun when the time is over are in trouble: the others must be settled before the worker ends.
    """
    if not tasks:
        return
    with _trouble_of(*tasks):
        try:
            ctx = context.load(hub_id)
        except NotFoundError:
            for task in tasks:
                task.told = HUB_GONE
        else:
            _write_together(ctx, tasks, end)
    for task in tasks:
        with _trouble_of(task):
            if task.trouble is None and task.told and not _settle(hub_id, task.logged, task.told):
                task.told = None


@contextmanager
def _trouble_of(*tasks: _Task) -> Iterator[None]:
    """Keep what goes wrong as the trouble of these events, as far as they have none yet."""
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - one event's failure must not fail the others
        for task in tasks:
            task.trouble = task.trouble or exc


def _write_together(ctx: HubContext, tasks: Sequence[_Task], end: float) -> None:
    ahead = _read_ahead(ctx, tasks)
    for task in tasks:
        with _trouble_of(task), _unless_refused(task):
            if _clock() > end:
                raise TransientError
            _write(ctx, task, ahead)
    written = [task for task in tasks if task.known and not task.trouble]
    with _trouble_of(*written):
        if not written or context.current_versions(ctx.hub.hub_id) == ctx.versions:
            return
        for task in written:
            with _trouble_of(task), _unless_refused(task):
                _write_anew(ctx.hub.hub_id, task)


@contextmanager
def _unless_refused(task: _Task) -> Iterator[None]:
    """Let what cannot be stored be what became of the event."""
    try:
        yield
    except TooLargeToStoreError as exc:
        task.told = Outcome(EventState.QUARANTINED, exc.code, exc.detail)
    except UnstorableError:
        task.told = UNSTORABLE


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


def _settle(hub_id: str, logged: LoggedEvent, outcome: Outcome) -> bool:
    """Settle the event, unless it is not new any more, or was made new again; returns whether it was settled.

    Where a replay counts it, others write the same counts, so it is tried some times.
    """
    for _ in tries():
        try:
            is_settled = event_log.settle_event(
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
            log.info(
                "event_settled",
                hub_id=hub_id,
                event_id=logged.event_id,
                source_id=logged.source_id,
                outcome=str(outcome.state),
                reason=outcome.reason,
            )
            return is_settled
    raise TransientError


def _read_ahead(ctx: HubContext, tasks: Sequence[_Task]) -> _Ahead:
    """Read, for half of what a consistent read costs, the persons, and the members whom their events move."""
    hub_id, ahead = ctx.hub.hub_id, _Ahead()
    events = [task.event for task in tasks if not task.is_again]
    moved: list[str] = []
    with suppress(Exception):  # what cannot be read among others fails where it is read by itself
        ahead.persons = store.get_persons(hub_id, [_person_id(ctx, event) for event in events], consistent=False)
        for event in events:
            record = ahead.persons.get(_person_id(ctx, event))
            if record is None:
                continue
            merged = replace(record, person=merge(record.person, event))
            if record.member_id and _standing(ctx, record, merged.person) and _is_shown(ctx, record, merged):
                moved.append(record.member_id)
        ahead.members = members.get_members(hub_id, moved, consistent=False)
    return ahead


def _person_id(ctx: HubContext, event: DirectoryEvent) -> str:
    return ctx.key.person_id(event.source_id, event.external_id)


def _is_shown(ctx: HubContext, before: PersonRecord, after: PersonRecord) -> bool:
    """Tell whether the directory gives a member something else than before."""
    return not same_content(*(derive(record, ctx.table, ctx.catalogue) for record in (before, after)))


def _standing(ctx: HubContext, record: PersonRecord, merged: Person) -> Mapping[str, Said] | None:
    """Return when each address was said of the person, if what they have of addresses stands; else nothing."""
    before, after = said_of(ctx, record.person), said_of(ctx, merged)
    return after if stands(record, merged, _wanted(ctx, merged), before, after) else None


def _wanted(ctx: HubContext, person: Person) -> str | None:
    email = usable_email(person.text("email"))
    return ctx.key.address_id(email) if email else None


def _write(ctx: HubContext, task: _Task, ahead: _Ahead) -> None:
    """Write what the event says, on what was read ahead or else on what is there now.

    Raises
    ------
    TransientError
        If others got in the way too often, or AWS did.
    """
    hub_id, event = ctx.hub.hub_id, task.event
    foreseen = None if task.is_again else _foreseen(ctx, event, ahead)
    if foreseen and _is_carried_out(ctx, task, *foreseen, Admitted()):
        task.is_listed = task.is_listed or _is_listed(foreseen[0].member)
        return
    for _ in tries():
        known = _look(hub_id, event, ctx, is_again=task.is_again)
        task.is_listed = task.is_listed or _is_listed(known.member)
        try:
            decision, admitted = _guarded(known, event, ctx)
        except (dynamo.ConditionFailedError, TransientError):
            continue
        if _is_carried_out(ctx, task, known, decision, admitted):
            return
    raise TransientError


def _foreseen(ctx: HubContext, event: DirectoryEvent, ahead: _Ahead) -> tuple[Known, Decision] | None:
    """Decide on what was read ahead; nothing unless all that it comes to is a write of the person, or also the member.

    Either is written on the revision that was read, so an old one only fails. The rest stands (``addresses.stands``).
    """
    record = ahead.persons.get(_person_id(ctx, event))
    if record is None or not record.member_id:
        return None
    merged = merge(record.person, event)
    said = _standing(ctx, record, merged)
    member = ahead.members.get(record.member_id)
    if said is None or merged == record.person or (member and member.address_id != record.address_id):
        return None
    if member is None and _is_shown(ctx, record, replace(record, person=merged)):
        return None
    known = known_to_stand(record, said, member)
    decision = _decided(known, event, ctx)
    return None if decision.removal else (known, decision)


def _is_carried_out(ctx: HubContext, task: _Task, known: Known, decision: Decision, admitted: Admitted) -> bool:
    """Write what was decided; returns whether that is all. If not, somebody else was faster, or AWS is not sure."""
    hub_id, cause = ctx.hub.hub_id, f"event:{task.logged.event_id}"
    task.known = known
    try:
        for _ in _commit(hub_id, known, decision, ctx, cause=cause, guarded=admitted.actions):
            task.told = _told(task.told, decision.outcome)  # a second look would find it applied
    except (dynamo.ConditionFailedError, TransientError):
        return False
    announce(hub_id, admitted.mail_ids)
    task.told = _told(task.told, decision.outcome)
    if decision.record and decision.record.due_at:
        end_if_due(ctx.hub, decision.record, now())
    return _is_followed(ctx, task, decision)


def _is_followed(ctx: HubContext, task: _Task, decision: Decision) -> bool:
    """Tell whether the member says what the person gives them, where the person was written and the member was not.

    Others may have computed the member from the person as they were before: this is read after the write.
    """
    record = decision.record
    if record is None or record.member_id is None or decision.member is not None:
        return True
    member = members.get_member(ctx.hub.hub_id, record.member_id)
    task.is_listed = task.is_listed or _is_listed(member)
    written = replace(record, rev=record.rev + 1)
    return member is None or member_follows(written, member, hub=ctx.hub, catalogue=ctx.catalogue, table=ctx.table)


def _write_anew(hub_id: str, task: _Task) -> None:
    """Write once more what an event says, until the versions of mapping table and catalogue stay meanwhile.

    Raises
    ------
    TransientError
        As ``_write``.
    """
    for _ in tries():
        try:
            ctx = context.load(hub_id)
        except NotFoundError:
            task.told = HUB_GONE
            return
        _write(ctx, task, _Ahead())
        known = task.known
        if context.current_versions(hub_id) == ctx.versions:
            # They may be shown by rules and settings of before. Who was deleted all the while follows no new ones; nor
            # does the event touch somebody else, who has the address that was asked for.
            if task.is_listed and known and known.member and known.member.member_id == known.record.member_id:
                change = Change(f"event:{task.logged.event_id}", "directory", to_text(now()))
                recompute_member(ctx, known.member.member_id, change)
            return
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
    decision = _decided(known, event, ctx)
    if decision.removal is None:
        return decision, Admitted()
    admitted = admit(ctx.hub, decision.removal, now())
    return (_decided(known, event, ctx, admitted.hold) if admitted.hold else decision), admitted


def _decided(known: Known, event: DirectoryEvent, ctx: HubContext, hold: Hold | None = None) -> Decision:
    hub, catalogue, table = ctx.hub, ctx.catalogue, ctx.table
    return decide(known, event, hub=hub, catalogue=catalogue, table=table, at=to_text(now()), hold=hold)


def _look(hub_id: str, event: DirectoryEvent, ctx: HubContext, *, is_again: bool) -> Known:
    """Read consistently what an event is decided on."""
    person_id = _person_id(ctx, event)
    stored = store.get_person(hub_id, person_id)
    record = stored or PersonRecord(person_id, lift(event))
    if record.person.erased or record.person.superseded_by:
        return Known(record, is_new=False, wanted=None, held=None, member=None, invitation=None)
    merged = merge(record.person, event)
    if stored and stored.member_id and not is_again and (standing := _standing(ctx, stored, merged)):
        found = members.get_member(hub_id, stored.member_id)
        if found and found.address_id == stored.address_id:
            return known_to_stand(stored, standing, found)
    said = said_of(ctx, merged)
    wanted_id = _wanted(ctx, merged)
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
    at, reopen = now(), event_log.still_there(hub_id, decision.reopen)
    rest = (decision.addresses, decision.invitation, guarded, decision.waited, decision.waits, reopen)
    is_plain = decision.record is not None and not any(rest)
    actions: list[dynamo.Action] = []
    if record := decision.record:
        if decision.member and not is_plain:
            record = replace(record, member_rev=0)  # both are written at once
        actions.append(store.put_person(hub_id, record, cause, to_text(at)))
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
    actions += [event_log.reopen_action(hub_id, event_id, at) for event_id in reopen]
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
