"""A function of the stack, loaded from its folder as Lambda does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

FUNCTIONS = Path(__file__).parents[2] / "functions"


def function(name: str) -> Any:
    """Return the handler of a function; what its settings name must be there."""
    spec = importlib.util.spec_from_file_location(name, FUNCTIONS / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler
