"""The streams of the People and Members tables on moto, read by record_activity as on AWS."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcall.runtime import clients
from rollcall.runtime.settings import env
from tests.support.aws import _moto_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


def _handler() -> Callable[[dict[str, Any], object], dict[str, Any]]:
    path = ROOT / "functions" / "record_activity" / "app.py"
    spec = importlib.util.spec_from_file_location("record_activity_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[dict[str, Any], object], dict[str, Any]] = module.handler
    return handler


@contextmanager
def recording() -> Iterator[Callable[[], int]]:
    """Record the activity of all that is written meanwhile; yields a function that records what came so far.

    That function returns how many changes it read; it is called once more at the end.
    """
    tables = [env("PEOPLE_TABLE"), env("MEMBERS_TABLE")]
    for name in tables:
        specification: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        if not _moto_tables()[name].stream_shard:
            clients.dynamodb().update_table(TableName=name, StreamSpecification=specification)
    read = {name: len(_moto_tables()[name].stream_shard.items) for name in tables}
    handler = _handler()

    def catch_up() -> int:
        count = 0
        for name in tables:
            records = [record.to_json() for record in _moto_tables()[name].stream_shard.items[read[name] :]]
            read[name] += len(records)
            count += len(records)
            if records:
                assert handler({"Records": records}, None) == {"batchItemFailures": []}
        return count

    yield catch_up
    catch_up()
