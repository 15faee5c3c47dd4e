"""Fixtures of the fault tests: the stack's stores on moto."""

from __future__ import annotations

from tests.integration.conftest import aws

__all__ = ["aws"]
