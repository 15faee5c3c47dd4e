"""What was built and deployed: byte code for every module, so that a cold start compiles nothing."""

from __future__ import annotations

import importlib.util
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import STATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUILD = STATE / "build"
CHECKS_THE_SOURCE = 0b10


def _modules() -> list[Path]:
    return sorted(path for path in BUILD.rglob("*.py") if path.is_file())


@pytest.mark.usefixtures("stack")
def test_every_module_comes_with_byte_code_that_needs_no_look_at_its_source(figure: Callable[[str], None]) -> None:
    """Functions and layers alike: made from a hash of the source that nobody checks (PEP 552)."""
    modules = _modules()
    assert {"app.py", "sync.py"} <= {module.name for module in modules}
    without = []
    for module in modules:
        compiled = importlib.util.cache_from_source(str(module))
        try:
            with open(compiled, "rb") as file:  # noqa: PTH123 - a path as text
                flags = int.from_bytes(file.read(8)[4:], "little")
        except FileNotFoundError:
            flags = 0
        if flags & 0b1 == 0 or flags & CHECKS_THE_SOURCE:
            without.append(str(module.relative_to(BUILD)))
    assert without == []
    figure(f"byte code: {len(modules):,} of {len(modules):,} modules of the build")


@pytest.mark.usefixtures("stack")
def test_the_build_holds_what_is_used_only() -> None:
    """No tests, no service of AWS that nobody calls, nothing in two layers."""
    names = {path.name for path in (BUILD / "DependenciesLayer/python/botocore/data").iterdir() if path.is_dir()}
    assert names == {"dynamodb", "s3", "secretsmanager", "sesv2", "sqs", "sts"}
    layers = [
        {path.name for path in (BUILD / layer / "python").iterdir()} for layer in ("DependenciesLayer", "RollcallLayer")
    ]
    assert layers[0] & layers[1] == set()
    assert not [path for path in BUILD.rglob("tests") if path.is_dir()]


@pytest.mark.usefixtures("stack")
def test_the_roots_that_the_functions_trust_are_those_of_amazon() -> None:
    """Amazon Trust Services has five."""
    trusted = ssl.create_default_context(cafile=str(BUILD / "DependenciesLayer/amazon-roots.pem"))
    told = [str(root["subject"]) for root in trusted.get_ca_certs()]
    names = [*(f"Amazon Root CA {number}" for number in (1, 2, 3, 4)), "Starfield Services Root"]
    assert len(told) == len(names)
    assert all(any(name in subject for subject in told) for name in names)
