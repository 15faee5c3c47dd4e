"""The whole of Rollcall on this machine: start it, stop it, say how it is.

``up`` starts MiniStack (an AWS emulator that enforces IAM) and the mail recorder, builds and deploys ``template.yaml``,
and writes ``.local/stack.json``. What has not changed is not done again. ``down`` stops both and forgets their data.
``build`` does nothing but ``sam build``, into ``.local/build``.

Environment: ``ROLLCALL_PORT`` (4566; the mail recorder takes the next one, a test's
vendor-like server the one after), ``ROLLCALL_STATE_DIR`` (``.local``).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
STATE = (ROOT / os.environ.get("ROLLCALL_STATE_DIR", ".local")).resolve()
VENVS = ROOT / ".local" / "venvs"
PORT = int(os.environ.get("ROLLCALL_PORT", "4566"))
MAIL_PORT = PORT + 1
VENDOR_PORT = PORT + 2
ENDPOINT = f"http://127.0.0.1:{PORT}"
RECORDER = f"http://127.0.0.1:{MAIL_PORT}"
VENDORS = f"http://127.0.0.1:{VENDOR_PORT}"
REGION = "eu-central-1"
STACK = "rollcall"
ARTIFACTS = "rollcall-artifacts"
SENDER = "rollcall@example.com"
# Any eight hex digits: MiniStack takes the API's id from this tag, so that the address is known before the deploy.
API_ID = "0badcafe"
API_URL = f"{ENDPOINT}/_aws/execute-api/{API_ID}"
# The emulator's root user; no key of AWS.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
START_SECONDS = 40
STOP_SECONDS = 10
SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers")


class StackError(Exception):
    """Something the person at the keyboard can mend; the message is one sentence that says how."""


def say(text: str) -> None:
    """Print a line of progress at once."""
    print(text, flush=True)


def main(arguments: list[str]) -> int:
    """Run ``up``, ``build``, ``down`` or ``status``; 0 if that went well (for ``status``: if it runs)."""
    commands = {"up": up, "build": build_only, "down": down, "status": status}
    if len(arguments) != 1 or arguments[0] not in commands:
        say("usage: stack.py up|build|down|status")
        return 2
    try:
        with only_one_at_a_time():
            return commands[arguments[0]]()
    except StackError as problem:
        say(f"\n{problem}")
        return 1


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Hold a lock, so that two commands at once do not start two stacks."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another command that works on this stack ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up() -> int:
    """Bring the stack to what the files say."""
    started = time.monotonic()
    fresh = start_emulator()
    start_recorder()
    digest = digest_of_sources()
    build(digest)
    deploy(digest, fresh=fresh)
    write_state(fresh=fresh)
    seed()
    took = time.monotonic() - started
    say(f"Rollcall runs at {API_URL} ({took:.0f} s). Everything about it: {relative(STATE / 'stack.json')}")
    return 0


def build_only() -> int:
    """Bring the artifacts to what the files say."""
    build(digest_of_sources())
    return 0


def down() -> int:
    """Stop what ``up`` started."""
    stopped = [name for name in ("recorder", "ministack") if stop(name)]
    (STATE / "stack.json").unlink(missing_ok=True)
    (STATE / "deployed").unlink(missing_ok=True)
    shutil.rmtree(STATE / "tmp", ignore_errors=True)
    say("Stopped; its data is gone." if stopped else "Nothing was running.")
    return 0


def status() -> int:
    """Say what runs."""
    for name in ("ministack", "recorder"):
        pid = running(name)
        say(f"{name}: {'runs as process ' + str(pid) if pid else 'not running'}")
    ready = (STATE / "stack.json").is_file() and answers(f"{API_URL}/health")
    say(f"api: {API_URL if ready else 'does not answer'}")
    return 0 if ready else 1


# --- the two processes ---------------------------------------------------------------------------------------------


def start_emulator() -> bool:
    """Start MiniStack unless it runs; True if this is a new, empty one."""
    if running("ministack") and answers(f"{ENDPOINT}/_ministack/health"):
        return False
    stop("ministack")
    need_free(PORT)
    say(f"Starting MiniStack on port {PORT} ...")
    (STATE / "deployed").unlink(missing_ok=True)
    (STATE / "stack.json").unlink(missing_ok=True)
    temporary = STATE / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    # Nothing of the caller's environment: MiniStack hands its own on to the functions.
    environment = {
        "PATH": f"{VENVS / 'ministack' / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "STATE_DIR": str(temporary / "state"),
        "LANG": "C.UTF-8",
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(PORT),
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        **CREDENTIALS,
    }
    start("ministack", [str(VENVS / "ministack" / "bin" / "ministack")], environment)
    wait_for("ministack", f"{ENDPOINT}/_ministack/health")
    return True


def start_recorder() -> None:
    """Start the mail recorder unless it runs."""
    if running("recorder") and answers(f"{RECORDER}/messages"):
        return
    stop("recorder")
    need_free(MAIL_PORT)
    say(f"Starting the mail recorder on port {MAIL_PORT} ...")
    command = [sys.executable, str(ROOT / "tools" / "ses_recorder.py"), "--port", str(MAIL_PORT)]
    command += ["--dir", str(STATE / "mail"), "--state", str(STATE / "stack.json")]
    start("recorder", command, {"PATH": os.environ.get("PATH", ""), "HOME": str(STATE / "tmp"), "LANG": "C.UTF-8"})
    wait_for("recorder", f"{RECORDER}/messages")


def start(name: str, command: list[str], environment: dict[str, str]) -> None:
    """Start a process that outlives this one, with its log and its process id under the state folder."""
    if not Path(command[0]).exists():
        message = f"{relative(Path(command[0]))} is missing: run `make setup` first."
        raise StackError(message)
    with (STATE / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=STATE,
        )
    (STATE / f"{name}.pid").write_text(str(process.pid))


def running(name: str) -> int | None:
    """Return the process id that ``start`` noted, if that very process still runs."""
    try:
        pid = int((STATE / f"{name}.pid").read_text())
    except (OSError, ValueError):
        return None
    found = subprocess.run(["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    alive = found.returncode == 0 and not found.stdout.lstrip().startswith("Z")
    return pid if alive and name in found.stdout else None


def stop(name: str) -> bool:
    """Stop a process that ``start`` started, and its children; True if there was one."""
    pid = running(name)
    if pid is not None:
        for kind, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 2)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, kind)
            if wait_gone(name, patience):
                break
    (STATE / f"{name}.pid").unlink(missing_ok=True)
    return pid is not None


def wait_gone(name: str, seconds: float) -> bool:
    """Wait until the process is gone; False if it is still there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        if running(name) is None:
            return True
        time.sleep(0.1)
    return False


def wait_for(name: str, url: str) -> None:
    """Wait until it answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if answers(url):
            return
        if running(name) is None:
            break
        time.sleep(0.2)
    stop(name)
    message = f"{name} does not answer at {url}: the end of {relative(STATE / f'{name}.log')} says why."
    raise StackError(message)


def answers(url: str) -> bool:
    """Whether something answers there with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except (urllib.error.URLError, OSError):
        return False


def need_free(port: int) -> None:
    """Refuse a port that somebody listens on.

    Raises
    ------
    StackError
        If it is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            message = f"Port {port} is in use: stop what listens there, or run `ROLLCALL_PORT=4600 make up`."
            raise StackError(message) from None


# --- build and deploy ----------------------------------------------------------------------------------------------


def digest_of_sources() -> str:
    """Return one hash of all that is built and deployed, and of what it is built for."""
    digest = hashlib.sha256(f"{PYTHON} {ARCHITECTURE} {PORT}".encode())
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(ROOT)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def parameters() -> list[str]:
    """Return the template's parameters for this machine."""
    return [
        "Stage=local",
        f"PythonRuntime=python{PYTHON}",
        f"Architecture={ARCHITECTURE}",
        f"SenderAddress={SENDER}",
        f"SesEndpointUrl={RECORDER}",
        "MailRate=1000",
        f"VendorApiBase={VENDORS}",
        f"PublicBaseUrl={API_URL}",
    ]


def build(digest: str) -> None:
    """Run ``sam build`` if anything changed since the last time."""
    stamp = STATE / "build.stamp"
    if stamp.is_file() and stamp.read_text() == digest and (STATE / "build" / "template.yaml").is_file():
        return
    say("Building the layers ...")
    command = ["build", "--build-dir", str(STATE / "build"), "--cache-dir", str(STATE / "build-cache"), "--cached"]
    sam([*command, "--parameter-overrides", *parameters()], "build")
    stamp.write_text(digest)


def deploy(digest: str, *, fresh: bool) -> None:
    """Run ``sam deploy`` against the emulator, unless this very state is deployed there."""
    stamp = STATE / "deployed"
    if not fresh and stamp.is_file() and stamp.read_text() == digest:
        say("Nothing changed since the last deploy.")
        return
    say("Deploying template.yaml ...")
    storage = client("s3")
    if ARTIFACTS not in {bucket["Name"] for bucket in storage.list_buckets()["Buckets"]}:
        storage.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION})
    command = [
        "deploy",
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--config-env",
        "local",
        "--template-file",
        str(STATE / "build" / "template.yaml"),
    ]
    command += ["--stack-name", STACK, "--s3-bucket", ARTIFACTS, "--region", REGION, "--tags", f"ms-custom-id={API_ID}"]
    sam([*command, "--parameter-overrides", *parameters()], "deploy")
    stamp.write_text(digest)


def sam(arguments: list[str], what: str) -> None:
    """Run the SAM CLI quietly; show the end of its log if it fails."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": ENDPOINT,
        "SAM_CLI_TELEMETRY": "0",
        "LAYER_PYTHON": PYTHON,
        "LAYER_ARCHITECTURE": "host",
        "BUILD_PYTHON": sys.executable,
    }
    log = STATE / f"sam-{what}.log"
    program = VENVS / "sam" / "bin" / "sam"
    if not program.exists():
        message = f"{relative(program)} is missing: run `make setup` first."
        raise StackError(message)
    with log.open("wb") as output:
        code = subprocess.run(
            [str(program), *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output, check=False
        ).returncode
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()
        say("\n".join(line for line in lines if "FAILED" in line or "Error" in line) or "\n".join(lines[-15:]))
        message = f"`sam {what}` failed: {relative(log)} has all of it."
        raise StackError(message)


# --- what others need to know --------------------------------------------------------------------------------------


def write_state(*, fresh: bool) -> None:
    """Write ``stack.json``; what the seed step added stays while the emulator is the same."""
    path = STATE / "stack.json"
    before: dict[str, Any] = {}
    if not fresh and path.is_file():
        before = json.loads(path.read_text())
    found = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
    state = before | {
        "api_url": API_URL,
        "api_id": API_ID,
        "upload_bucket": outputs["FilesBucket"],
        "region": REGION,
        "endpoint_url": ENDPOINT,
        "recorder_url": RECORDER,
        "vendor_api_url": VENDORS,
        "mail_dir": str(STATE / "mail"),
        "stack_name": STACK,
        "access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        "user_pool_id": outputs["UserPoolId"],
        "client_id": outputs["UserPoolClientId"],
        "stack_secret_arn": outputs["StackSecretArn"],
        "ministack_pid": running("ministack"),
        "tables": named(outputs, "Table", ""),
        "queues": named(outputs, "QueueUrl", "-"),
        "dead_letters": named(outputs, "DeadLettersUrl", "-"),
        "functions": named(outputs, "Function", "_"),
    }
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(state, indent=2) + "\n")
    temporary.replace(path)


def named(outputs: dict[str, str], ending: str, joint: str) -> dict[str, str]:
    """Pick the outputs with that ending; ``PlanPartsQueueUrl`` is called ``plan-parts`` where the joint is ``-``."""
    picked = {key.removesuffix(ending): value for key, value in outputs.items() if key.endswith(ending)}
    if not joint:
        return picked
    return {
        "".join(joint + c.lower() if c.isupper() else c for c in key).strip(joint): value
        for key, value in picked.items()
    }


def seed() -> None:
    """Make the first hub and admin, if there is a script for it and it has not run on this emulator."""
    script = ROOT / "tools" / "seed.py"
    state = STATE / "stack.json"
    if not script.is_file():
        return
    say("Making the first hub and its admin ...")
    if subprocess.run([sys.executable, str(script), "--state", str(state)], cwd=ROOT, check=False).returncode != 0:
        message = "The first hub and admin could not be made: the lines above say why."
        raise StackError(message)


def client(service: Any) -> Any:  # noqa: ANN401 - boto3's clients have no common type
    """Return a client of the emulator."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 2}),
    )


def relative(path: Path) -> str:
    """Name a path as seen from the repository."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
