"""The passes of an erasure: find what still names somebody, wherever it lies, and take it away.

Nothing says beforehand where a person is named: an index of that would be one more store of personal data. So events
and activity are found by the person's id, mails by their address, files and what is said of others by reading them.
Each pass goes through all steps; its position is kept, so a death anywhere, or the end of a function's time, costs
nothing but a repetition. What lies in tables is counted in the transaction that takes it away.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from rollcall.activity import store as activity
from rollcall.activity.model import Kind as ActivityKind
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.invitations import left_out
from rollcall.invitations import store as invitations
from rollcall.mail import store as mails
from rollcall.people import event_log
from rollcall.privacy import store
from rollcall.privacy.erase import forget_suppressed, purge_after_grace, widen
from rollcall.privacy.mentions import purge_mentions
from rollcall.privacy.model import STEPS, Erasure, ErasureState, Subject
from rollcall.privacy.naming import Namer
from rollcall.privacy.purge_files import purge_file, purge_upload, versions_of
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.ids import SHARDS
from rollcall.runtime.observability import log
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rollcall.hubs.context import HubContext

AT_A_TIME = 20
SECONDS = 200.0


def handle_pointer(pointer: Mapping[str, Any]) -> None:
    """Do what a pointer says: go on with an erasure, or purge somebody whose grace time is over.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way; the same pointer goes on where it stopped.
    """
    hub_id = str(pointer["hub_id"])
    if "person_id" not in pointer:
        run_erasure(hub_id, str(pointer["erasure_id"]))
        return
    try:
        hub = hubs.get_hub(hub_id)
    except NotFoundError:
        return
    purge_after_grace(hub, hubs.hub_key(hub_id, hub.salt), str(pointer["person_id"]))


def run_erasure(hub_id: str, erasure_id: str, seconds: float = SECONDS) -> ErasureState | None:
    """Go on with an erasure until its pass is through or the time is used up; returns its state then.

    Raises
    ------
    TransientError
        If AWS got in the way; the same call goes on where it stopped.
    """
    end = time.monotonic() + seconds
    erasure = store.get(hub_id, erasure_id)
    if erasure is None or erasure.state is ErasureState.DONE or erasure.next_pass_at > to_text(now()):
        return erasure.state if erasure else None
    try:
        ctx = context.load(hub_id)
    except NotFoundError:
        return None
    while erasure.step < len(STEPS):
        step = _STEPS[STEPS[erasure.step]]
        for position in step(ctx, erasure):
            moved = store.move(erasure, erasure.step, position, now())
            if moved is None:
                return None  # another worker is further, or it was asked for again
            erasure = moved
            if time.monotonic() > end:
                store.pause(erasure, now())
                return erasure.state
        moved = store.move(erasure, erasure.step + 1, "", now())
        if moved is None:
            return None
        erasure = moved
    ended = store.end_pass(erasure, now())
    log.info("erasure_pass_done", hub_id=hub_id, attempt=erasure.passes + 1, count=sum(erasure.counts().values()))
    return ended.state if ended else None


def _tables(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    """Look for addresses and invitations of the same human that the commit could not see, and tombstone them too."""
    hub_id = ctx.hub.hub_id
    written: set[str] = set()
    found = Subject()
    for person_id in sorted(erasure.subject.persons):
        with suppress(dynamo.ConditionFailedError):  # nobody left them out
            dynamo.write([left_out.forget_action(hub_id, person_id)])
        for item in event_log.all_of_person(hub_id, person_id):
            email = ((item.get("event") or {}).get("fields") or {}).get("email")
            written |= {email} if email else set()
    for shard in range(SHARDS):
        for item in dynamo.query_all(invitations.TABLE, f"{hub_id}#{shard}", index="by_hub"):
            is_theirs = item.get("person_id") in erasure.subject.persons
            if is_theirs or item.get("member_id") in erasure.subject.members:
                found |= Subject(addresses=frozenset([item["address_id"]]))
    widen(hub_id, ctx.key, erasure, found, written)
    forget_suppressed(written)
    yield ""


def _events(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    hub_id = ctx.hub.hub_id
    for person_id in sorted(erasure.subject.persons):
        listed = event_log.all_of_person(hub_id, person_id)
        filled = ((item["pk"], item["sk"]) for item in listed if item.get("event"))
        _take(erasure, "events", filled, lambda pk, sk: event_log.forget_action(pk, sk, now()))
    yield ""


def _activity(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    for subject in sorted({*erasure.subject.persons, *erasure.subject.members, *erasure.subject.addresses}):
        items = dynamo.query_all(activity.TABLE, activity.pk(ctx.hub.hub_id, subject))
        said = ((item["pk"], item["sk"]) for item in items if item["kind"] != str(ActivityKind.PERSON_ERASED))
        _take(
            erasure,
            "activity",
            said,
            lambda pk, sk: dynamo.delete_action(activity.TABLE, pk, sk, "attribute_exists(#pk)"),
        )
    yield ""


def _mails(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    for address_id in sorted(erasure.subject.addresses):
        listed = mails.to_address(ctx.hub.hub_id, address_id)
        _take(erasure, "mails", ((pk, "-") for pk in listed), lambda pk, _: mails.forget_action(pk))
    yield ""


def _take(
    erasure: Erasure,
    kind: str,
    keys: Iterable[tuple[str, str]],
    action: Callable[[str, str], dynamo.Action],
) -> None:
    """Take items away, some at a time, each counted in the transaction that does it; those gone already are left."""
    waiting = iter(keys)
    while batch := list(islice(waiting, AT_A_TIME)):
        while batch:
            actions = [action(pk, sk) for pk, sk in batch]
            try:
                dynamo.write([*actions, store.count_action(erasure, kind, len(batch))])
            except dynamo.ConditionFailedError as exc:
                batch = [key for place, key in enumerate(batch) if place not in exc.failed]
            else:
                break


def _plans(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    return _files(ctx, erasure, f"plans/{ctx.hub.hub_id}/")


def _exports(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    return _files(ctx, erasure, f"exports/{ctx.hub.hub_id}/")


def _files(ctx: HubContext, erasure: Erasure, prefix: str) -> Iterator[str]:
    namer = Namer(ctx.key, erasure.subject)
    for key, versions in versions_of(prefix, erasure.position):
        purge_file(ctx, erasure, namer, key, versions)
        yield key


def _uploads(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    namer = Namer(ctx.key, erasure.subject)
    for key, versions in versions_of(f"uploads/{ctx.hub.hub_id}/", erasure.position):
        purge_upload(erasure, namer, key, versions)
        yield key


_STEPS: dict[str, Callable[[Any, Erasure], Iterator[str]]] = {
    "tables": _tables,
    "events": _events,
    "activity": _activity,
    "mails": _mails,
    "mentions": purge_mentions,
    "plans": _plans,
    "exports": _exports,
    "uploads": _uploads,
}
