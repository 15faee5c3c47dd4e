"""A new data mapping table: what it changes rule by rule and member by member, and how it is published.

An approval carries rules, not values: each member is computed anew from what is there when it runs. The parts list
the members of the time of planning; the tail parts look for members that came since.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from rollcall.hubs import context
from rollcall.mapping import store as mapping
from rollcall.mapping.sheet import read_sheet, resolve
from rollcall.mapping.table import MappingTable
from rollcall.members import store as members
from rollcall.members.model import Change as MemberChange
from rollcall.members.model import Member, member_from_item
from rollcall.members.projection import derive, same_content, single_valued, view, with_slice
from rollcall.people import store as people
from rollcall.plans import parts
from rollcall.plans.member_edits import labels_of
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.plans.proposal import (
    NameTakenError,
    Proposal,
    compare_rules,
    extend,
    proposal_from_json,
    proposal_to_json,
)
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, MalformedError, RefusedError, TransientError
from rollcall.runtime.ids import SHARDS, new_id
from rollcall.runtime.times import now, to_text
from rollcall.segments import store as segments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.members.projection import View
    from rollcall.people.model import PersonRecord
    from rollcall.segments.model import Catalogue
    from rollcall.uploads.model import Upload

BATCH = 100
TRIES = 6
TAIL_PARTS = SHARDS


def plan_rows(ctx: HubContext, plan: Plan, upload: Upload, stream: BinaryIO) -> Iterator[Change]:
    """Yield what the table brings: new roles, segments and options, changed rules, then one change for every member.

    Raises
    ------
    MalformedError
        With every fault of the sheet by its cell.
    """
    del upload
    body = proposal_to_json(_propose(ctx, stream))
    stored = parts.write_once(parts.table_key(plan.hub_id, plan.plan_id), json.dumps(body, sort_keys=True).encode())
    proposal = proposal_from_json(json.loads(stored))
    after = extend(ctx.catalogue, proposal).catalogue
    yield from _new_things(ctx.catalogue, proposal)
    for rule in compare_rules(ctx.table, proposal.table, after):
        edit = Edit(f"{rule.field} = {rule.value}", rule.old, rule.new, "rule")
        yield Change(row=rule.row, outcome=rule.outcome, kind="rule", edits=(edit,))
    coming = replace(ctx, table=proposal.table, catalogue=after)
    listed = members.all_members(plan.hub_id)
    while batch := list(islice(listed, BATCH)):
        asked = [part.person_id for member in batch for part in member.slices.values()]
        records = people.get_persons(plan.hub_id, asked)
        for member in batch:
            yield _preview(ctx, coming, member, records)


def _propose(ctx: HubContext, stream: BinaryIO) -> Proposal:
    found = resolve(read_sheet(stream), ctx.catalogue, new_id)
    proposal = Proposal(
        MappingTable(ctx.table.version + 1, found.rules),
        found.new_roles,
        found.new_segments,
        found.new_options,
        found.visibility,
    )
    extension = extend(ctx.catalogue, proposal)
    if len(extension.roles) + len(extension.segments) >= segments.MAX_CHANGES:
        detail = f"This table needs {segments.MAX_CHANGES} or more new roles and segments. Please create some first."
        raise MalformedError([Fault("file", "too_many_new", detail)])
    return proposal


def _new_things(catalogue: Catalogue, proposal: Proposal) -> Iterator[Change]:
    names = {segment.segment_id: segment.name for segment in (*catalogue.segments, *proposal.segments)}
    shown = {segment.segment_id: str(segment.visibility) for segment in catalogue.segments}
    for role in proposal.roles:
        yield Change(row=0, outcome="role_new", kind="role", edits=(Edit("Role", (), (role.label,), "role"),))
    for segment in proposal.segments:
        said = (segment.name, str(segment.visibility))
        yield Change(row=0, outcome="segment_new", kind="segment", edits=(Edit("Segment", (), said, "segment"),))
    for segment_id, option in proposal.options:
        edit = Edit(names[segment_id], (), (option.label,), f"segment:{segment_id}")
        yield Change(row=0, outcome="option_new", kind="option", edits=(edit,))
    for segment_id, visibility in proposal.visibility:
        edit = Edit(names[segment_id], (shown.get(segment_id, ""),), (str(visibility),), "visibility")
        yield Change(row=0, outcome="visibility_changed", kind="segment", edits=(edit,))


def _preview(ctx: HubContext, coming: HubContext, member: Member, records: Mapping[str, PersonRecord]) -> Change:
    fresh = _recomputed(coming, member, records)
    single = single_valued(coming.catalogue)
    edits = _differences(view(member, ctx.hub, single), view(fresh, ctx.hub, single), coming.catalogue)
    outcome = "recompute" if edits else "unchanged"
    return Change(row=0, outcome=outcome, todo=True, kind="member", subject=member.member_id, edits=edits)


def _differences(old: View, new: View, catalogue: Catalogue) -> tuple[Edit, ...]:
    names = {segment.segment_id: segment.name for segment in catalogue.segments}
    compared: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [("roles", "roles", old.roles, new.roles)]
    for segment_id in sorted({*old.segments, *new.segments}):
        before, after = old.segments.get(segment_id, ()), new.segments.get(segment_id, ())
        compared.append((f"segment:{segment_id}", names.get(segment_id, segment_id), before, after))
    for name in sorted({*old.profile, *new.profile}):
        before, after = (tuple(filter(None, [shown.profile.get(name)])) for shown in (old, new))
        compared.append((f"profile:{name}", name, before, after))
    return tuple(
        Edit(name, labels_of(column, before, catalogue), labels_of(column, after, catalogue), column)
        for column, name, before, after in compared
        if set(before) != set(after)
    )


def begin(ctx: HubContext, plan: Plan) -> None:
    """Publish the table with the roles, segments and options it needs, in one transaction; a second time does nothing.

    Raises
    ------
    RefusedError
        ``superseded`` if another table, or something of the same name, came in between.
    TransientError
        If others wrote too often in these moments.
    """
    hub_id = plan.hub_id
    proposal = proposal_from_json(json.loads(parts.read(parts.table_key(hub_id, plan.plan_id))))
    for attempt in range(TRIES):
        _wait(attempt)
        now_published = mapping.published(hub_id)
        if now_published and now_published["plan_id"] == plan.plan_id:
            return
        ctx = context.load(hub_id)
        if ctx.table.version != proposal.table.version - 1:
            msg = "Another table was published since. Upload this one again."
            raise RefusedError(msg, code="superseded")
        try:
            extension = extend(ctx.catalogue, proposal)
        except NameTakenError as exc:
            detail = "Roles or segments changed since this plan was made. Upload the table again."
            raise RefusedError(detail, code="superseded") from exc
        mapping.store_table(hub_id, proposal.table, plan.plan_id)
        actions = [mapping.publish_action(hub_id, proposal.table.version, plan.plan_id, to_text(now()))]
        if extension.roles or extension.segments:
            actions += segments.catalogue_actions(hub_id, ctx.catalogue_version, extension.roles, extension.segments)
        try:
            dynamo.write(actions)
        except dynamo.ConditionFailedError:
            continue
        return
    raise TransientError


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Compute a member anew from what is there now; the lines about rules are there to be read only."""
    if recompute_member(ctx, change.subject, plan):
        return Result("applied")
    return Result("applied" if change.edits else "unchanged")


def recompute_shard(ctx: HubContext, plan: Plan, shard: int) -> None:
    """Compute members of one shard anew whose values are of an older table: who came since the plan was made."""
    items = dynamo.query_all(members.TABLE, f"{plan.hub_id}#{shard}", index="by_name")
    for member in map(member_from_item, items):
        if any(part.table_version < ctx.table.version for part in member.slices.values()):
            recompute_member(ctx, member.member_id, plan)


def recompute_member(ctx: HubContext, member_id: str, plan: Plan) -> bool:
    """Apply the published table to a member, if that changes anything. Returns whether it did.

    Raises
    ------
    TransientError
        If others wrote the member or its persons too often in these moments.
    """
    hub_id = plan.hub_id
    for attempt in range(TRIES):
        _wait(attempt)
        member = members.get_member(hub_id, member_id)
        if member is None:
            return False
        records = people.get_persons(hub_id, [part.person_id for part in member.slices.values()])
        fresh = _recomputed(ctx, member, records)
        if fresh == member:
            return False
        fresh = replace(fresh, change=MemberChange(f"plan:{plan.plan_id}", plan.approved_by, to_text(now())))
        shown = view(fresh, ctx.hub, single_valued(ctx.catalogue))
        checks = [people.check_person(hub_id, record) for record in _own(member, records)]
        try:
            dynamo.write([members.put_member(hub_id, fresh, shown), *checks])
        except (dynamo.ConditionFailedError, TransientError):
            continue
        return True
    raise TransientError


def _recomputed(ctx: HubContext, member: Member, records: Mapping[str, PersonRecord]) -> Member:
    single = single_valued(ctx.catalogue)
    fresh = member
    for record in _own(member, records):
        held = member.slices[record.person.source_id]
        # A table says nothing of addresses: who keeps a former one keeps it.
        part = replace(derive(record, ctx.table, ctx.catalogue), email=held.email)
        if not same_content(held, part):
            fresh = with_slice(fresh, part, ctx.hub, single)
    return fresh


def _own(member: Member, records: Mapping[str, PersonRecord]) -> list[PersonRecord]:
    found = [records[part.person_id] for part in member.slices.values() if part.person_id in records]
    return [record for record in found if record.member_id == member.member_id and not record.person.erased]


def _wait(attempt: int) -> None:
    if attempt:
        time.sleep(random.uniform(0.01, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
