"""Lists by hub, spread over 16 shards of an index: a page is the best of all shards, and the cursor one position."""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rollcall.runtime import dynamo
from rollcall.runtime.ahead import ahead
from rollcall.runtime.ids import SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

Item = dict[str, Any]
AT_ONCE = 8
PAGE = 200
BATCH = 100


def every(table: str, hub_id: str, index: str, *, after: str = "", whole: bool = False) -> Iterator[Item]:
    """Yield every item of the hub in the order of the index, its shards read side by side.

    Memory holds two pages of 200 items of each shard, however many there are.

    Parameters
    ----------
    after
        Sort key of the item behind which to begin; empty for all.
    whole
        The index does not hold whole items, so they are read from the table.
    """
    field = f"{index}_sk"
    condition, values = (f"#{field} > :after", {"after": after}) if after else ("", {})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shards = []
        for shard in range(SHARDS):
            ask = partial(
                dynamo.query,
                table,
                f"{hub_id}#{shard}",
                index=index,
                condition=condition,
                values=values,
                limit=PAGE,
                whole=whole,
            )
            shards.append(_ahead(pool, ask, pool.submit(ask)))
        try:
            yield from heapq.merge(*shards, key=itemgetter(field))
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead(pool: ThreadPoolExecutor, ask: Callable[..., dynamo.Page], first: Future[dynamo.Page]) -> Iterator[Item]:
    """Yield the items of one shard; while those of a page are used, the next one is asked for."""
    waiting: Future[dynamo.Page] | None = first
    while waiting is not None:
        page = waiting.result()
        waiting = pool.submit(ask, start=page.next_position) if page.next_position else None
        yield from page.items


def read(table: str, index: str, entries: Iterable[Item]) -> Iterator[Item]:
    """Yield the items that entries stand for, in their order (``dynamo.read_entries``), some batches side by side."""
    for _, items in ahead(partial(dynamo.read_entries, table, index), batches(entries), AT_ONCE):
        yield from items


def batches(entries: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield as many entries at a time as are read with one call."""
    left = iter(entries)
    while batch := list(islice(left, BATCH)):
        yield batch


def page(
    table: str,
    hub_id: str,
    index: str,
    *,
    limit: int,
    cursor: str = "",
    newest_first: bool = False,
    keep: Callable[[Item], bool] | None = None,
    whole: bool = False,
) -> tuple[list[Item], str | None]:
    """Return up to ``limit`` items of the hub in the order of the index, and the cursor of the next page.

    Parameters
    ----------
    cursor
        Sort key of the last item of the page before; empty for the first page.
    keep
        Filter; items it refuses do not count. A page may then hold fewer items than there are, never too many.
    whole
        The index does not hold whole items, so those of the page are read from the table; ``keep`` sees the index.
    """
    field = f"{index}_sk"
    condition, values = "", {}
    if cursor:
        condition = f"#{field} {'<' if newest_first else '>'} :cursor"
        values = {"cursor": cursor}
    found: list[Item] = []
    horizon: list[str] = []
    for shard in range(SHARDS):
        answer = dynamo.query(
            table,
            f"{hub_id}#{shard}",
            index=index,
            condition=condition,
            values=values,
            forward=not newest_first,
            limit=limit + 1,
        )
        found += answer.items
        if answer.next_position is not None:
            horizon.append(str(answer.next_position[field]))
    found.sort(key=lambda item: str(item[field]), reverse=newest_first)
    end = None
    if horizon:
        # Beyond the nearest end of a shard's page there may be items that were not read.
        end = max(horizon) if newest_first else min(horizon)
        found = [item for item in found if (item[field] >= end if newest_first else item[field] <= end)]
    kept: list[Item] = []
    for item in found:
        if keep is None or keep(item):
            kept.append(item)
            if len(kept) == limit:
                end = str(item[field]) if end or item is not found[-1] else None
                break
    return dynamo.read_entries(table, index, kept) if whole else kept, end


def newest(
    table: str,
    partitions: Sequence[str],
    index: str,
    *,
    limit: int,
    cursor: str = "",
    since: str = "",
    until: str = "",
    keep: Callable[[Item], bool],
    order: str = "",
    whole: bool = False,
) -> tuple[list[Item], str | None]:
    """Return up to ``limit`` items of the partitions that are to be kept, newest first, and the next page's cursor.

    Parameters
    ----------
    order
        The sort key of the index where it is not its own, since several indexes share one.
    since, until
        Sort keys at or after, and before: nothing else is read.
    whole
        The index does not hold whole items, so they are read from the table: only as many as the page needs.
    """
    field = order or f"{index}_sk"
    upper = min((bound for bound in (cursor, until) if bound), default="~")
    found: list[Item] = []
    horizon: list[str] = []
    for partition in partitions:
        answer = dynamo.query(
            table,
            partition,
            index=index,
            condition=f"#{field} BETWEEN :lower AND :upper",
            values={"lower": since or "0", "upper": upper},
            forward=False,
            limit=limit + 1,
        )
        found += [item for item in answer.items if item[field] < upper]
        if answer.next_position is not None:
            horizon.append(str(answer.next_position[field]))
    # Beyond the nearest end of a partition's page there may be items that were not read.
    end = max(horizon, default="")
    seen = sorted((item for item in found if item[field] >= end), key=lambda item: str(item[field]), reverse=True)
    kept: list[Item] = []
    for start in range(0, len(seen), limit + 1):
        asked = seen[start : start + limit + 1]
        kept += filter(keep, dynamo.read_entries(table, index, asked) if whole else asked)
        if len(kept) > limit:
            return kept[:limit], str(kept[limit - 1][field])
    return kept, end or None
