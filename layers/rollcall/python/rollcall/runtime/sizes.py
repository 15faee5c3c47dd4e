"""How large an item is before it is written: DynamoDB takes 400 KB and refuses more with an error of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rollcall.runtime.errors import TooLargeToStoreError

if TYPE_CHECKING:
    from rollcall.runtime.dynamo import Action


def checked(action: Action, most: int, detail: str) -> Action:
    """Return a put as it is, if its item has at most so many bytes.

    The bytes are those of DynamoDB's JSON: somewhat more than what DynamoDB counts.

    Raises
    ------
    TooLargeToStoreError
        With the detail, if the item is larger.
    """
    if size_of(action) > most:
        raise TooLargeToStoreError(detail)
    return action


def size_of(action: Action) -> int:
    """Return the bytes of the item of a put, as DynamoDB's JSON."""
    text = json.dumps(action.request["Item"], ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
