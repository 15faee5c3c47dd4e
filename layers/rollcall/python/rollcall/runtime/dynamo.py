"""DynamoDB in plain Python values: items, conditions, transactions, and what their failures mean.

Items are dicts of str, int, float, bool, None, list and dict. Expressions name attributes as ``#name`` and values
as ``:name``; the name map is derived from the expression, so reserved words need no care.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError, UnstorableError
from rollcall.runtime.settings import env
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from types_boto3_dynamodb import DynamoDBClient

Plain = Any
Item = dict[str, Any]
MAX_ACTIONS = 100
MAX_READS = 8
SERVER_FAULT = 500
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024

_NAME = re.compile(r"#(\w+)")
_PASSING = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "InternalServerError",
        "ServiceUnavailable",
        "TransactionConflictException",
        "TransactionConflict",
        "TransactionInProgressException",
    }
)
_INVALID = frozenset({"ValidationException", "ValidationError", "ItemCollectionSizeLimitExceededException"})


class ConditionFailedError(Exception):
    """A condition did not hold.

    Attributes
    ----------
    failed
        Positions of the actions whose condition failed (0 for a single write).
    old
        What lies there now, position → item, where it was asked for.
    """

    def __init__(self, failed: tuple[int, ...], old: Mapping[int, Item]) -> None:
        super().__init__(f"the conditions of the actions {failed} did not hold")
        self.failed = failed
        self.old = old


@dataclass(frozen=True, slots=True)
class Action:
    """One write: of its own, or as a part of a transaction.

    Attributes
    ----------
    verb
        ``Put``, ``Update``, ``Delete`` or ``ConditionCheck``.
    request
        The request as the DynamoDB API wants it.
    """

    verb: str
    request: dict[str, Any]


def to_value(value: Plain) -> dict[str, Any]:
    """Turn a plain value into DynamoDB's form."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": str(value)}
        case dict():
            return {"M": {key: to_value(inner) for key, inner in value.items()}}
        case list() | tuple():
            return {"L": [to_value(inner) for inner in value]}
        case _:
            msg = f"a {type(value).__name__} cannot be stored"
            raise TypeError(msg)


def from_value(value: Mapping[str, Any]) -> Plain:
    """Turn DynamoDB's form into a plain value."""
    # Exports read millions of these: looking for the kind takes less time than taking it apart.
    if "N" in value:
        return _number(value["N"])
    if "L" in value:
        return [item["S"] if "S" in item else from_value(item) for item in value["L"]]
    if "M" in value:
        return from_item(value["M"])
    ((kind, inner),) = value.items()
    if kind in {"S", "BOOL"}:
        return inner
    if kind == "NULL":
        return None
    msg = f"the type {kind} is not one that we store"
    raise TypeError(msg)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def to_item(plain: Item) -> dict[str, Any]:
    """Turn a plain item into DynamoDB's form."""
    return {key: to_value(value) for key, value in plain.items()}


def from_item(item: Mapping[str, Any]) -> Item:
    """Turn an item in DynamoDB's form into a plain one."""
    return {key: value["S"] if "S" in value else from_value(value) for key, value in item.items()}


def _expressions(values: Mapping[str, Plain] | None, *expressions: str) -> dict[str, Any]:
    found = {f"#{name}": name for text in expressions for name in _NAME.findall(text)}
    request: dict[str, Any] = {}
    if found:
        request["ExpressionAttributeNames"] = found
    if values:
        request["ExpressionAttributeValues"] = {f":{key}": to_value(value) for key, value in values.items()}
    return request


def put_action(table: str, item: Item, condition: str = "", values: Mapping[str, Plain] | None = None) -> Action:
    """Return a put of a whole item. ``table`` is the name of the variable that holds the table's name."""
    request = {"TableName": env(table), "Item": to_item(item), **_expressions(values, condition)}
    return _with_condition("Put", request, condition)


def update_action(
    table: str, pk: str, sk: str, update: str, *, condition: str = "", values: Mapping[str, Plain] | None = None
) -> Action:
    """Return an update by expression, such as ``SET #state = :state REMOVE #due_pk``."""
    request = {
        "TableName": env(table),
        "Key": to_item({"pk": pk, "sk": sk}),
        "UpdateExpression": update,
        **_expressions(values, update, condition),
    }
    return _with_condition("Update", request, condition)


def delete_action(
    table: str, pk: str, sk: str = "-", condition: str = "", values: Mapping[str, Plain] | None = None
) -> Action:
    """Return a delete of one item."""
    request = {"TableName": env(table), "Key": to_item({"pk": pk, "sk": sk}), **_expressions(values, condition)}
    return _with_condition("Delete", request, condition)


def check_action(table: str, pk: str, sk: str, condition: str, values: Mapping[str, Plain] | None = None) -> Action:
    """Return a check that writes nothing; only for transactions."""
    request = {"TableName": env(table), "Key": to_item({"pk": pk, "sk": sk}), **_expressions(values, condition)}
    return _with_condition("ConditionCheck", request, condition)


def _with_condition(verb: str, request: dict[str, Any], condition: str) -> Action:
    if condition:
        request["ConditionExpression"] = condition
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return Action(verb, request)


def write(actions: Sequence[Action]) -> None:
    """Carry out the actions: one as a single write, several as one transaction; all or nothing.

    Raises
    ------
    ConditionFailedError
        If a condition did not hold; nothing was written.
    TransientError
        On throttling, contention, time-outs and faults of AWS; it may or may not have been written.
    UnstorableError
        If DynamoDB refuses an item for what it is; nothing was written.
    """
    if not actions:
        return
    if len(actions) > MAX_ACTIONS:
        msg = f"{len(actions)} actions do not fit into one transaction"
        raise ValueError(msg)
    client = clients.dynamodb()
    try:
        if len(actions) == 1 and actions[0].verb != "ConditionCheck":
            _write_one(client, actions[0])
        else:
            items: Any = [{action.verb: action.request} for action in actions]
            client.transact_write_items(TransactItems=items)
    except ClientError as exc:
        raise _translate(exc) from exc
    except BotoCoreError as exc:
        raise TransientError from exc


def _write_one(client: DynamoDBClient, action: Action) -> None:
    match action.verb:
        case "Put":
            client.put_item(**action.request)
        case "Update":
            client.update_item(**action.request)
        case _:
            client.delete_item(**action.request)


def _translate(exc: ClientError) -> Exception:
    code = exc.response.get("Error", {}).get("Code", "")
    response: dict[str, Any] = dict(exc.response)
    if code == "ConditionalCheckFailedException":
        old = response.get("Item")
        return ConditionFailedError((0,), {0: from_item(old)} if old else {})
    if code == "TransactionCanceledException":
        reasons = response.get("CancellationReasons", [])
        codes = [reason.get("Code") for reason in reasons]
        failed = tuple(n for n, reason in enumerate(codes) if reason == "ConditionalCheckFailed")
        if failed:
            old = {n: from_item(reasons[n]["Item"]) for n in failed if reasons[n].get("Item")}
            return ConditionFailedError(failed, old)
        if any(reason in _PASSING for reason in codes):
            return TransientError()
        if _INVALID.intersection(codes):
            return UnstorableError()
    if code in _INVALID:
        return UnstorableError()
    return TransientError() if _is_passing(exc) else exc


def _is_passing(exc: ClientError) -> bool:
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return exc.response.get("Error", {}).get("Code", "") in _PASSING or status >= SERVER_FAULT


def get(table: str, pk: str, sk: str = "-", *, consistent: bool = True) -> Item | None:
    """Read one item, strongly consistent unless said otherwise.

    Raises
    ------
    TransientError
        On throttling, time-outs and faults of AWS.
    """
    try:
        answer = clients.dynamodb().get_item(
            TableName=env(table), Key=to_item({"pk": pk, "sk": sk}), ConsistentRead=consistent
        )
    except ClientError as exc:
        raise _translate(exc) from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    found = answer.get("Item")
    return from_item(found) if found else None


def get_many(
    table: str, keys: Iterable[tuple[str, str]], *, consistent: bool = True, fields: str = ""
) -> dict[tuple[str, str], Item]:
    """Read items by key, 100 at a time, and return those that exist; of their ``fields``, if told, as ``query``."""
    found: dict[tuple[str, str], Item] = {}
    wanted = list(dict.fromkeys(keys))
    name = env(table)
    how: dict[str, Any] = {"ConsistentRead": consistent}
    if fields:
        how |= {"ProjectionExpression": f"#pk, #sk, {fields}", **_expressions(None, f"#pk, #sk, {fields}")}
    for start in range(0, len(wanted), 100):
        keys_of = [to_item({"pk": pk, "sk": sk}) for pk, sk in wanted[start : start + 100]]
        for _, item in _get_batch({name: {"Keys": keys_of, **how}}):
            found[item["pk"], item["sk"]] = item
    return found


def get_together(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Item]:
    """Read a few items of several tables in one call, consistently, and return those that exist.

    Parameters
    ----------
    keys
        The table and ``pk`` of each; at most 100. Their ``sk`` is ``-``.
    """
    tables: dict[str, list[str]] = {}
    for table, pk in dict.fromkeys(keys):
        tables.setdefault(table, []).append(pk)
    names = {env(table): table for table in tables}
    request = {
        name: {"Keys": [to_item({"pk": pk, "sk": "-"}) for pk in tables[table]], "ConsistentRead": True}
        for name, table in names.items()
    }
    return {(names[name], item["pk"]): item for name, item in _get_batch(request)}


def _get_batch(request: dict[str, Any]) -> Iterator[tuple[str, Item]]:
    """Yield name of the table and item of a batch, asking again for what AWS left out, since it is busy."""
    if not any(asked["Keys"] for asked in request.values()):
        return
    for _ in tries(MAX_READS, wait=0.05):
        try:
            answer = clients.dynamodb().batch_get_item(RequestItems=request)
        except ClientError as exc:
            raise _translate(exc) from exc
        except BotoCoreError as exc:
            raise TransientError from exc
        for name, items in answer.get("Responses", {}).items():
            for raw in items:
                yield name, from_item(raw)
        request = answer.get("UnprocessedKeys")
        if not request:
            return
    raise TransientError


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a query: plain items, and the position to go on from (``None`` at the end)."""

    items: list[Item]
    next_position: Item | None


def query(
    table: str,
    pk: str,
    *,
    index: str = "",
    condition: str = "",
    values: Mapping[str, Plain] | None = None,
    forward: bool = True,
    limit: int = 1000,
    start: Item | None = None,
    consistent: bool = False,
    fields: str = "",
    whole: bool = False,
) -> Page:
    """Query one partition of a table or index.

    ``condition`` speaks of the sort key, such as ``begins_with(#sk, :prefix)`` or ``#due_sk < :now``; ``fields`` names
    what of the items is wanted, such as ``#member_id, #shown.#roles``: all, unless told. ``whole`` is for an index that
    does not hold whole items: they are read from the table then (``read_entries``).
    """
    key = f"{index}_pk" if index else "pk"
    expression = f"#{key} = :pk" + (f" AND {condition}" if condition else "")
    request: dict[str, Any] = {
        "TableName": env(table),
        "KeyConditionExpression": expression,
        "ScanIndexForward": forward,
        "Limit": limit,
        **_expressions({"pk": pk, **(values or {})}, expression, fields),
    }
    if fields:
        request["ProjectionExpression"] = fields
    if index:
        request["IndexName"] = index
    elif consistent:
        request["ConsistentRead"] = True
    if start:
        request["ExclusiveStartKey"] = to_item(start)
    try:
        answer = clients.dynamodb().query(**request)
    except ClientError as exc:
        raise _translate(exc) from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    last = answer.get("LastEvaluatedKey")
    items = [from_item(item) for item in answer.get("Items", [])]
    if whole:
        items = read_entries(table, index, items)
    return Page(items, from_item(last) if last else None)


def read_entries(
    table: str, index: str, entries: Sequence[Item], *, consistent: bool = True, fields: str = ""
) -> list[Item]:
    """Read the items that entries of an index stand for, in their order, where it does not hold them whole.

    An item that is gone meanwhile, or no longer in this list, is left out. One that has moved within the list keeps
    the sort key of its entry: pages and cursors are those of the index, whatever the table says by now.

    Parameters
    ----------
    consistent
        As new as can be, for twice the price: unless told otherwise.
    fields
        What of the items is wanted, as with ``query``.
    """
    partition, place = f"{index}_pk", f"{index}_sk"
    wanted = f"{fields}, #{partition}" if fields else ""
    keys = [(entry["pk"], entry["sk"]) for entry in entries]
    held = get_many(table, keys, consistent=consistent, fields=wanted)
    found: list[Item] = []
    for entry in entries:
        item = held.get((entry["pk"], entry["sk"]))
        if item is not None and item.get(partition) == entry[partition]:
            if place in entry:
                item[place] = entry[place]
            found.append(item)
    return found


def query_all(
    table: str,
    pk: str,
    *,
    index: str = "",
    condition: str = "",
    values: Mapping[str, Plain] | None = None,
    consistent: bool = False,
    fields: str = "",
    whole: bool = False,
) -> Iterator[Item]:
    """Yield every item of one partition, page after page; memory holds one page. The rest is as with ``query``."""
    start: Item | None = None
    while True:
        page = query(
            table,
            pk,
            index=index,
            condition=condition,
            values=values,
            start=start,
            consistent=consistent,
            fields=fields,
            whole=whole,
        )
        yield from page.items
        start = page.next_position
        if start is None:
            return


def count(
    table: str, pk: str, *, index: str, only: str, values: Mapping[str, Plain], start: Item | None = None
) -> tuple[int, int, Item | None]:
    """Count a page of one partition of an index.

    Parameters
    ----------
    only
        What an item must hold to match, such as ``contains(#sources, :source)``, of what the index holds.

    Returns
    -------
    tuple
        How many match, how many were looked at, and the position to go on from (``None`` at the end).
    """
    expression = f"#{index}_pk = :pk"
    request: dict[str, Any] = {
        "TableName": env(table),
        "IndexName": index,
        "Select": "COUNT",
        "KeyConditionExpression": expression,
        "FilterExpression": only,
        **_expressions({"pk": pk, **values}, expression, only),
    }
    if start:
        request["ExclusiveStartKey"] = to_item(start)
    try:
        answer = clients.dynamodb().query(**request)
    except ClientError as exc:
        raise _translate(exc) from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    last = answer.get("LastEvaluatedKey")
    return answer["Count"], answer["ScannedCount"], from_item(last) if last else None
