"""What request bodies, answers and query parameters have in common."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, ConfigDict

Entry = TypeVar("Entry")

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
JSON = "application/json"

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many entries at most.")]
Cursor = Annotated[str, Query(max_length=2000, description="`next_cursor` of the page before.")]


class Given(BaseModel):
    """A request body: nothing that is not known, no spaces around text."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class Listed(Shown, Generic[Entry]):
    """A page of a list."""

    items: list[Entry]
    next_cursor: str | None
