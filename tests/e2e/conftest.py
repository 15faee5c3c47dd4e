"""The running stack: ``make up`` starts it, ``make test`` does so first."""

from __future__ import annotations

import contextlib
import os
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from demo.hub_client import HubApi, StandardSource, WorkosSource, load_stack, new_hub

from tests.e2e import tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
STATE = ROOT / os.environ.get("ROLLCALL_STATE_DIR", ".local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what kills workers last: the emulator is slow for minutes after it."""
    items.sort(key=lambda item: "test_deaths" in item.nodeid)


@pytest.fixture(scope="session")
def stack() -> dict[str, Any]:
    """Return what ``.local/stack.json`` says; without it these tests fail, they do not skip."""
    path = STATE / "stack.json"
    if not path.is_file():
        pytest.fail("The stack does not run: start it with make up.")
    return load_stack(path)


@pytest.fixture(scope="session")
def aws_client(stack: dict[str, Any]) -> Iterator[Callable[[str], Any]]:
    """Make a client of the emulator with its root user's key, one of each service; they are closed at the end."""

    @cache
    def make(service: str) -> Any:
        client = boto3.session.Session().client(  # type: ignore[call-overload]
            service,
            endpoint_url=stack["endpoint_url"],
            region_name=stack["region"],
            aws_access_key_id=stack["access_key_id"],
            aws_secret_access_key=stack["secret_access_key"],
        )
        closing.callback(client.close)
        return client

    with contextlib.ExitStack() as closing:
        yield make


@pytest.fixture
def hub(stack: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Return the stack as the admin of a hub of this test's own sees it."""
    return new_hub(stack, tmp_path, "Test hub", f"admin-{uuid.uuid4().hex[:8]}@example.com")


@pytest.fixture
def api(hub: dict[str, Any]) -> Iterator[HubApi]:
    """Return the admin API of a hub of this test's own."""
    api = HubApi.of(hub)
    with api.http:
        yield api


@pytest.fixture
def own_system(api: HubApi) -> Iterator[StandardSource]:
    """Return a newly connected source of the client's own system."""
    made = api.post("/sources", {"provider": "standard", "name": "Payroll"})
    source = StandardSource(made["webhook_url"], made["secret"])
    with source.http:
        yield source


@pytest.fixture
def workos(api: HubApi) -> Iterator[WorkosSource]:
    """Return a newly connected WorkOS directory."""
    made = api.post("/sources", {"provider": "workos", "name": "WorkOS"})
    source = WorkosSource(made["webhook_url"], made["secret"])
    with source.http:
        yield source


@pytest.fixture
def other_hub_token(stack: dict[str, Any], tmp_path: Path) -> str:
    """Return a valid token of an admin of another hub."""
    return tokens.of_another_hub(stack, tmp_path / "other")


@pytest.fixture
def no_hub_token(stack: dict[str, Any], aws_client: Callable[[str], Any]) -> str:
    """Return a valid token of somebody who belongs to no hub."""
    return tokens.of_no_hub(stack, aws_client)


@pytest.fixture
def expired_token(hub: dict[str, Any]) -> str:
    """Return a token of this hub's own admin that ended a minute ago; nothing else is wrong with it."""
    return tokens.ended(hub["admin_token"], 60, state=STATE, pool_id=hub["user_pool_id"])
