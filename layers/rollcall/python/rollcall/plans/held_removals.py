"""A plan of removals that wait: who would leave and what they have in common; approving lets them go.

Somebody who waits is still a member as before: the person is merged, and only a hold keeps the removal from having its
effect. Rejecting needs no write to anybody; what is not approved stays held.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING

from rollcall.guard import waiting
from rollcall.guard.common import SOURCE, Tally, in_common
from rollcall.members import store as members
from rollcall.members.model import RECENT, Member, Status
from rollcall.members.model import Change as MemberChange
from rollcall.members.projection import View, changed_its_mind, single_valued, view
from rollcall.members.recompute import follow
from rollcall.people import store as people
from rollcall.people.addresses import barred_as
from rollcall.people.decide import in_effect
from rollcall.people.events import Stamp
from rollcall.people.merge import DirectoryStatus
from rollcall.people.schedule import scheduled
from rollcall.plans import consequences, store
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rollcall.guard.waiting import Leaver
    from rollcall.hubs.context import HubContext
    from rollcall.people.model import PersonRecord
    from rollcall.plans.seen import Start

BATCH = 100
# So many other members say what is usual in the hub.
SAMPLE = 1000
IN_COMMON = "in_common"
LEFT = {
    "gone": "This member does not exist any more.",
    "already_removed": "Was removed in the meantime.",
    "changed_its_mind": "The HR system has taken this person back since: nothing to decide.",
    "released": "Does not wait any more.",
    "moved_to_later_plan": "The HR system asked for it again since: see the newer plan.",
}


def plan_changes(ctx: HubContext, plan: Plan, start: Start) -> Iterator[Change]:
    """Yield one change for everybody who waits, in the order of their ids; then say what they have in common."""
    leavers = islice(waiting.waiting(ctx.hub.hub_id, plan.plan_id), start.skip, None)
    while batch := list(islice(leavers, BATCH)):
        found = members.get_members(ctx.hub.hub_id, [one.member_id for one in batch])
        for leaver in batch:
            yield _plan(ctx, plan, leaver, found.get(leaver.member_id))
    said = in_common(*_tallies(ctx, plan))
    if said is not None:
        _say(plan, asdict(said))


def _say(plan: Plan, value: dict[str, object]) -> None:
    try:
        dynamo.write([store.say_action(plan, IN_COMMON, value)])
    except dynamo.ConditionFailedError:
        return  # another run ended the planning, and said the same


def _plan(ctx: HubContext, plan: Plan, leaver: Leaver, member: Member | None) -> Change:
    base = Change(row=0, outcome="", kind="member", subject=leaver.member_id)
    why = settled(ctx, plan.plan_id, leaver.source_id, leaver.upto, member)
    if member is None or why:
        return replace(base, outcome="left_alone", reason=why, detail=LEFT[why])
    shown = view(member, ctx.hub, single_valued(ctx.catalogue))
    after = view(released(member, leaver.source_id), ctx.hub, single_valued(ctx.catalogue))
    edits = (Edit("status", (str(shown.status),), (str(after.status),), "status"),)
    return replace(
        base,
        outcome="deactivate" if after.status is Status.INACTIVE else "delete",
        reason=leaver.reason,
        todo=True,
        edits=edits,
        warnings=consequences.of_edits(edits, is_admin=leaver.reason == "hub_admin"),
        data={
            "source_id": leaver.source_id,
            "person_id": leaver.person_id,
            "upto": [leaver.upto.at, leaver.upto.event_id],
        },
        cells=_cells(shown, after.status),
    )


def _cells(shown: View, status: Status) -> dict[str, str]:
    return {
        "ref": shown.member_id,
        "email": shown.email,
        "first_name": shown.first_name,
        "last_name": shown.last_name,
        "status": str(status),
    }


def settled(ctx: HubContext, plan_id: str, source_id: str, upto: Stamp, member: Member | None) -> str:
    """Return why there is nothing to let go; empty if the removal still waits as that plan says."""
    if member is None:
        return "gone"
    hold = member.holds.get(source_id)
    if hold is None:
        return "released"
    if hold.plan_id != plan_id or hold.upto != upto:
        return "moved_to_later_plan"
    part = member.slices.get(source_id)
    if part is None or changed_its_mind(part, hold):
        return "changed_its_mind"
    singles = single_valued(ctx.catalogue)
    before, after = view(member, ctx.hub, singles), view(released(member, source_id), ctx.hub, singles)
    return "already_removed" if before.status is after.status else ""


def released(member: Member, source_id: str) -> Member:
    """Return the member without the hold of a source: what it says of leaving has its effect."""
    return replace(member, holds={name: hold for name, hold in member.holds.items() if name != source_id})


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Let one person go, if the removal still waits as it was shown.

    Raises
    ------
    TransientError
        If others wrote the member too often in these moments.
    """
    source_id, upto = change.data["source_id"], Stamp(*change.data["upto"])

    def let_go(member: Member | None) -> Member | Result:
        why = settled(ctx, plan.plan_id, source_id, upto, member)
        return Result("left_alone", why, LEFT[why]) if member is None or why else released(member, source_id)

    return rewrite(ctx, plan, change, let_go, done="applied")


def rewrite(
    ctx: HubContext, plan: Plan, change: Change, turn: Callable[[Member | None], Member | Result], *, done: str
) -> Result:
    """Write a member whose hold comes or goes, and whether mail may go to their address, in one transaction.

    Parameters
    ----------
    turn
        The member as it is now → as it shall be, or what is said instead.
    done
        Outcome of what was written, by this run or by one before it.

    Raises
    ------
    TransientError
        If others wrote the member too often in these moments.
    """
    hub_id = ctx.hub.hub_id
    mark = f"{plan.plan_id}:{change.id}"
    for _ in tries():
        member = members.get_member(hub_id, change.subject)
        if member is not None and mark in member.recent_changes:
            return Result(done)
        turned = turn(member)
        if member is None or isinstance(turned, Result):
            return turned if isinstance(turned, Result) else Result("left_alone", "gone", LEFT["gone"])
        at = to_text(now())
        fresh = replace(
            turned,
            recent_changes=(*member.recent_changes, mark)[-RECENT:],
            change=MemberChange(f"plan:{plan.plan_id}", plan.approved_by, at),
        )
        actions = [members.put_member(hub_id, fresh, view(fresh, ctx.hub, single_valued(ctx.catalogue)))]
        record = people.get_person(hub_id, change.data["person_id"])
        if record is not None:
            bar = _bar(hub_id, record, fresh)
            actions += [_person(ctx, plan, record, fresh, at, is_moved=bool(bar)), *bar]
        try:
            dynamo.write(actions)
        except (dynamo.ConditionFailedError, TransientError):
            continue
        follow(ctx, fresh.member_id, fresh.change)
        return Result(done)
    raise TransientError


def _person(
    ctx: HubContext, plan: Plan, record: PersonRecord, member: Member, at: str, *, is_moved: bool
) -> dynamo.Action:
    """Return the write of a person whose deletion has its effect from now on, and with it their grace time; or a check.

    The person must in either case be at the revision that was read. Where their address is barred or freed
    (``is_moved``) they are written although nothing of them changes: who read the address before must look again.
    """
    hub_id, person = ctx.hub.hub_id, record.person
    if in_effect(person, member.holds.get(person.source_id)).status is not DirectoryStatus.DELETED:
        same = people.put_person(hub_id, record, f"plan:{plan.plan_id}", at)
        return same if is_moved else people.check_person(hub_id, record)
    begins = scheduled(replace(record, deleted_at=at), ctx.hub, at)
    return people.put_person(hub_id, begins, f"plan:{plan.plan_id}", at)


def _bar(hub_id: str, record: PersonRecord, member: Member) -> list[dynamo.Action]:
    """Return the write that bars the address of somebody who left, or no longer does of somebody who is back."""
    if record.address_id is None:
        return []
    source_id = record.person.source_id
    address = people.get_address(hub_id, record.address_id)
    holder = address.holders.get(source_id)
    if holder is None or holder.person_id != record.person_id:
        return []
    barred = barred_as(in_effect(record.person, member.holds.get(source_id)))
    turned = replace(address, holders={**address.holders, source_id: replace(holder, barred=barred)})
    return [people.put_address(hub_id, turned)] if turned != address else []


def _tallies(ctx: HubContext, plan: Plan) -> tuple[Tally, Tally]:
    """Return the values of those who wait, and of a sample of the other members; memory holds one batch and counts."""
    hub_id = ctx.hub.hub_id
    held, others = Tally(), Tally()
    ids: set[str] = set()
    leavers = waiting.waiting(hub_id, plan.plan_id)
    while batch := list(islice(leavers, BATCH)):
        records = people.get_persons(hub_id, [one.person_id for one in batch])
        for leaver in batch:
            ids.add(leaver.member_id)
            _add(held, [records[leaver.person_id]] if leaver.person_id in records else [])
    sample = islice((one for one in members.all_members(hub_id) if one.member_id not in ids), SAMPLE)
    while some := list(islice(sample, BATCH)):
        records = people.get_persons(hub_id, [part.person_id for one in some for part in one.slices.values()])
        for member in some:
            _add(others, [records[part.person_id] for part in member.slices.values() if part.person_id in records])
    return held, others


def _add(tally: Tally, records: Iterable[PersonRecord]) -> None:
    values: dict[str, str | tuple[str, ...]] = {}
    for record in records:
        values |= record.person.values()
        known = values.get(SOURCE, ())
        values[SOURCE] = (*(known if isinstance(known, tuple) else (known,)), record.person.source_id)
    tally.add(values)
