"""A function as Lambda starts it: its artifact, the runtime interface client and the emulator of the SAM CLI's package.

The artifacts are those of ``sam build`` (``tools/stack.py build``); the client and the plain boto3 lie in an
environment of their own (``tools/setup.py lambda``). Nothing is written beside the code, as on Lambda's disk, and no
other package is seen.
"""

from __future__ import annotations

import compileall
import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measure import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOCAL = HISTORY.parent
BUILD = LOCAL / "build"
DEPENDENCIES, OURS = BUILD / "DependenciesLayer" / "python", BUILD / "RollcallLayer" / "python"
ROOTS = BUILD / "DependenciesLayer" / "amazon-roots.pem"
RAPID = "aws-lambda-rie-" + ("arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64")
INVOKE = "/2015-03-31/functions/function/invocations"
PATIENCE = 30
CPU_OF_A_PROCESS = 2


def client_packages() -> Path:
    """Return where the runtime interface client and boto3 lie, with their byte code."""
    found = next((LOCAL / "venvs" / "lambda").glob("lib/python*/site-packages"))
    for name in ("awslambdaric", "boto3", "s3transfer", "simplejson"):
        compileall.compile_dir(found / name, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return found


def handler_of(folder: Path, code: str) -> Path:
    """Write a handler of a few lines, with its byte code, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(code)
    compileall.compile_dir(folder, quiet=2, force=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return folder


@dataclass
class Aws:
    """AWS over TLS in a process of its own (``aws_over_tls.py``)."""

    process: subprocess.Popen[str]
    url: str
    bundle: str
    functions: list[str]
    settings: dict[str, str]
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def services(self) -> list[str]:
        """The services that were asked, by their clients' names."""
        names = {"ses": "sesv2"}
        return sorted({names.get(service, service) for service, _ in self.calls})

    def event(self, function: str) -> dict[str, Any]:
        """Return a new event for a function; ``calls`` becomes what was asked since the last time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(function + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        self.calls = [tuple(call) for call in said["calls"]]
        event: dict[str, Any] = said["event"]
        return event


@contextlib.contextmanager
def aws(folder: Path) -> Iterator[Aws]:
    """Start AWS over TLS, and stop it at the end."""
    command = [sys.executable, "-m", "tests.benchmarks.aws_over_tls", str(folder), str(ROOTS)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        yield Aws(process, **json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


@dataclass
class Function:
    """A function that runs.

    Attributes
    ----------
    first
        Wall and CPU seconds of its start and first call.
    answer
        What the first call answered.
    """

    port: int
    pid: int
    first: tuple[float, float]
    answer: dict[str, Any]

    def call(self, event: Mapping[str, Any]) -> tuple[float, float]:
        """Call it once more and return wall and CPU seconds."""
        before, started = cpu_of(self.pid), time.perf_counter()
        _invoke(self.port, event)
        return time.perf_counter() - started, cpu_of(self.pid) - before


@contextlib.contextmanager
def started(places: Sequence[Path], environment: Mapping[str, str], event: Mapping[str, Any]) -> Iterator[Function]:
    """Start a function, call it a first time, and stop it at the end.

    Parameters
    ----------
    places
        What it sees, in this order: its own folder, the layers, the runtime interface client.
    """
    port, api = _free_port(), _free_port()
    rapid = next((LOCAL / "venvs" / "sam").glob(f"lib/python*/site-packages/samcli/local/rapid/{RAPID}"))
    python = str(Path(sys.executable).resolve())  # without this environment's packages
    listens = [
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{api}",
    ]
    process = subprocess.Popen(
        [str(rapid), *listens, python, "-S", "-m", "awslambdaric", "app.handler"],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(PATIENCE),
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        before = time.perf_counter()
        answer = _invoke(port, event)
        wall = time.perf_counter() - before
        worker = _child_of(process.pid)
        yield Function(port, worker, (wall, cpu_of(worker)), answer)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of another process, all threads counted: clock_getcpuclockid(3) as Linux has it."""
    return time.clock_gettime((~pid << 3) | CPU_OF_A_PROCESS)


def _invoke(port: int, event: Mapping[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("POST", INVOKE, json.dumps(event))
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    assert "errorType" not in answer, answer
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    message = "the emulator does not answer"
    raise AssertionError(message)


def _child_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return int(" ".join(file.read_text() for file in children).split()[0])
