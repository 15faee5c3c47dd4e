"""Work that waits for others, done ahead in threads while what came before it is used."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Asked = TypeVar("Asked")
Found = TypeVar("Found")


def ahead(work: Callable[[Asked], Found], asked: Iterable[Asked], at_once: int) -> Iterator[tuple[Asked, Found]]:
    """Yield each thing asked for with what the work finds for it, in their order; memory holds ``at_once`` of them.

    What the work raises comes through at its place; what is still waiting then is not begun any more.
    """
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[tuple[Asked, Future[Found]]] = deque()
        try:
            for one in asked:
                waiting.append((one, pool.submit(work, one)))
                if len(waiting) == at_once:
                    first, found = waiting.popleft()
                    yield first, found.result()
            for first, found in waiting:
                yield first, found.result()
        finally:
            pool.shutdown(cancel_futures=True)
