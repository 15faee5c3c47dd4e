"""Fixtures of the integration tests: the stack's stores on moto."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.aws import stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def aws() -> Iterator[None]:
    """All tables, queues, the bucket and the secret, empty, on moto."""
    with stack():
        yield
