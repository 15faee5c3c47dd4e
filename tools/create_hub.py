r"""Make a hub and its first admin: the command behind ``make up``, and the way to start on AWS.

On one machine everything is in the stack file, and hub id and token are written back to it:

    python tools/create_hub.py --stack .local/stack.json --name "Harbour" --admin-email ada@example.com

Run again, it keeps the hub and renews the token, which lives for an hour. On AWS name the CloudFormation stack; the
caller's credentials must be allowed to read it and to manage its Cognito pool. New passwords are printed once:

    python tools/create_hub.py --stack-name rollcall --region eu-central-1 --name "Harbour" \
        --admin-email ada@example.com --platform-email operator@example.com

With an identity provider of your own there is no pool to manage: give yourself the group ``platform:admin`` there,
call ``POST /hubs`` with your token, and give the hub's admin the group ``<hub_id>:admin``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import string
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PLATFORM_GROUP = "platform:admin"
LOCAL_PLATFORM_EMAIL = "platform.admin@example.com"
PASSWORD_LENGTH = 24
CREATED, OK = 201, 200
_CONFIG = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 3})


class HubError(Exception):
    """Something the person at the keyboard can mend; the message is one sentence that says how."""


@dataclass(frozen=True)
class Place:
    """Where the stack runs: its API, its Cognito pool, a client of it, and the admins made there in this run."""

    api_url: str
    pool_id: str
    client_id: str
    cognito: Any
    is_local: bool
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    made: set[str] = field(default_factory=set)


def main(arguments: list[str]) -> int:
    """Make the hub and its admins; 0 if all went well."""
    options = read_arguments(arguments)
    try:
        return run(options)
    except HubError as problem:
        print(f"create_hub: {problem}", file=sys.stderr)
    except (ClientError, BotoCoreError) as problem:
        print(f"create_hub: AWS refused or does not answer: {problem}", file=sys.stderr)
    return 1


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="create_hub.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", type=Path, help="stack file of the stack on this machine (.local/stack.json)")
    where.add_argument("--stack-name", help="name of the CloudFormation stack on AWS")
    parser.add_argument("--region", help="AWS region of the stack")
    parser.add_argument("--name", required=True, help="name of the hub")
    parser.add_argument("--admin-email", required=True, help="who administers the hub")
    parser.add_argument("--platform-email", help="who may make hubs; needed on AWS")
    options = parser.parse_args(arguments)
    if options.stack_name and not options.platform_email:
        parser.error("--platform-email is needed with --stack-name")
    return options


def run(options: argparse.Namespace) -> int:
    """Make what is missing and write down or print the rest."""
    state = read_state(options.stack) if options.stack else {}
    place = local_place(state) if options.stack else aws_place(options.stack_name, options.region)
    hub_id = state.get("hub_id")
    if not hub_id:
        platform = ensure_admin(place, options.platform_email or LOCAL_PLATFORM_EMAIL, PLATFORM_GROUP)
        hub_id = create_hub(place, platform, options.name, options.admin_email)
        if options.stack:
            write_state(options.stack, {"hub_id": hub_id})
    token = ensure_admin(place, options.admin_email, f"{hub_id}:admin")
    status, answer = call(place, "GET", f"/hubs/{hub_id}", token)
    if status != OK:
        message = f"the hub does not answer its admin: {status} {answer.get('detail') or answer.get('message', '')}"
        raise HubError(message)
    if options.stack:
        write_state(options.stack, {"hub_id": hub_id, "admin_token": token, "admin_email": options.admin_email})
    print(f"Hub {answer['name']} ({hub_id}) with its admin {options.admin_email}.")
    return 0


def read_state(path: Path) -> dict[str, Any]:
    """Return the stack file.

    Raises
    ------
    HubError
        If there is none.
    """
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        message = f"there is no stack file at {path}: start the stack first (make up)."
        raise HubError(message) from None
    return state


def write_state(path: Path, more: dict[str, str]) -> None:
    """Add to the stack file, in one step, readable by its owner only: it holds a token."""
    temporary = path.with_suffix(".hub")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(read_state(path) | more, indent=2) + "\n")
    temporary.replace(path)


def local_place(state: dict[str, Any]) -> Place:
    """Return the stack of the stack file."""
    cognito = boto3.client(
        "cognito-idp",
        endpoint_url=state["endpoint_url"],
        region_name=state["region"],
        aws_access_key_id=state.get("access_key_id", "test"),
        aws_secret_access_key=state.get("secret_access_key", "test"),
        config=_CONFIG,
    )
    return Place(state["api_url"].rstrip("/"), state["user_pool_id"], state["client_id"], cognito, is_local=True)


def aws_place(stack_name: str, region: str | None) -> Place:
    """Return the stack on AWS, from its outputs.

    Raises
    ------
    HubError
        If it has no Cognito pool of its own.
    """
    session = boto3.Session(region_name=region)
    found = session.client("cloudformation", config=_CONFIG).describe_stacks(StackName=stack_name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if "UserPoolId" not in outputs:
        message = "this stack uses an identity provider of your own: make the hub with POST /hubs (see --help)."
        raise HubError(message)
    cognito = session.client("cognito-idp", config=_CONFIG)
    base = outputs["ApiUrl"].rstrip("/")
    return Place(base, outputs["UserPoolId"], outputs["UserPoolClientId"], cognito, is_local=False)


def ensure_admin(place: Place, email: str, group: str) -> str:
    """Make the admin and the group where they are missing, put one into the other, and return an ID token.

    Raises
    ------
    HubError
        If the admin is there already, on AWS: their password is theirs.
    """
    password = place.passwords.setdefault(email, new_password())
    if is_missing(place, email):
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        place.cognito.admin_create_user(
            UserPoolId=place.pool_id,
            Username=email,
            UserAttributes=attributes,
            TemporaryPassword=password,
            MessageAction="SUPPRESS",
        )
        if not place.is_local:
            print(f"Password of {email}, shown this once: {password}")
        place.made.add(email)
    elif not place.is_local and email not in place.made:
        message = f"{email} can log in already: ask for POST /hubs with a token of theirs (see --help)."
        raise HubError(message)
    place.cognito.admin_set_user_password(UserPoolId=place.pool_id, Username=email, Password=password, Permanent=True)
    with contextlib.suppress(place.cognito.exceptions.GroupExistsException):  # from a run before
        place.cognito.create_group(UserPoolId=place.pool_id, GroupName=group)
    place.cognito.admin_add_user_to_group(UserPoolId=place.pool_id, Username=email, GroupName=group)
    answer = place.cognito.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=place.client_id,
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


def is_missing(place: Place, email: str) -> bool:
    """Tell whether nobody of this address can log in."""
    try:
        place.cognito.admin_get_user(UserPoolId=place.pool_id, Username=email)
    except place.cognito.exceptions.UserNotFoundException:
        return True
    return False


def new_password() -> str:
    """Return a random password that the pool's rules accept."""
    letters = string.ascii_letters + string.digits
    return "aA1" + "".join(secrets.choice(letters) for _ in range(PASSWORD_LENGTH))


def create_hub(place: Place, token: str, name: str, admin_email: str) -> str:
    """Make the hub and return its id.

    Raises
    ------
    HubError
        If the API refuses.
    """
    status, answer = call(place, "POST", "/hubs", token, {"name": name, "admin_email": admin_email})
    if status != CREATED:
        faults = " ".join(f"{fault['place']}: {fault['detail']}" for fault in answer.get("faults", []))
        message = f"POST /hubs was answered {status}: {answer.get('detail') or answer.get('message', '')} {faults}"
        raise HubError(message.strip())
    return str(answer["hub_id"])


def call(
    place: Place, method: str, path: str, token: str, body: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    """Call the API and return status and JSON of the answer.

    Raises
    ------
    HubError
        If it does not answer, or not in JSON.
    """
    request = urllib.request.Request(  # noqa: S310 - the API's own address
        f"{place.api_url}{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as refusal:
        text = refusal.read().decode(errors="replace")
        try:
            return int(refusal.code), json.loads(text)
        except ValueError:
            return int(refusal.code), {"detail": text[:200]}
    except (urllib.error.URLError, OSError, ValueError) as problem:
        message = f"the API at {place.api_url} does not answer ({type(problem).__name__})."
        raise HubError(message) from problem


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
