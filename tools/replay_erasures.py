r"""Erase again whom the erasure ledger names: after a backup was restored, before anybody may use it.

A restored table is as it was before; the ledger lies in a bucket of its own and is not. See "Restoring a backup" in
docs/operations.md. On one machine:

    python tools/replay_erasures.py --stack .local/stack.json

On AWS name the CloudFormation stack. The caller's credentials must be allowed what the function erase_person is, and
to list and read the ledger's bucket:

    python tools/replay_erasures.py --stack-name rollcall --region eu-central-1

Where the restored tables have other names, give them: ``--table People=rollcall-People-restored``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("Hubs", "Events", "People", "Members", "Invitations", "Mail", "Plans", "Activity")


def main(arguments: list[str]) -> int:
    """Replay the ledger; 0 if all went well."""
    options = read_arguments(arguments)
    sys.path.insert(0, str(ROOT / "layers" / "rollcall" / "python"))
    try:
        os.environ.update(settings_of(options))
        return run(options.hub)
    except (ClientError, BotoCoreError) as problem:
        print(f"replay_erasures: AWS refused or does not answer: {problem}", file=sys.stderr)
    return 1


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="replay_erasures.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", type=Path, help="stack file of the stack on this machine (.local/stack.json)")
    where.add_argument("--stack-name", help="name of the CloudFormation stack on AWS")
    parser.add_argument("--region", help="AWS region of the stack")
    parser.add_argument("--hub", default="", help="only this hub")
    parser.add_argument("--table", action="append", default=[], metavar="NAME=TABLE", help="a table's restored name")
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    """Return the settings that the function erase_person has, from the stack file or the stack's outputs."""
    aws: dict[str, str] = {}
    if options.stack:
        state: dict[str, Any] = json.loads(options.stack.read_text())
        aws = {
            "AWS_ENDPOINT_URL": state["endpoint_url"],
            "AWS_ENDPOINT_URL_SESV2": state["recorder_url"],
            "AWS_DEFAULT_REGION": state["region"],
            "AWS_ACCESS_KEY_ID": state["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": state["secret_access_key"],
        }
        name = state["stack_name"]
        session = boto3.Session(
            region_name=state["region"],
            aws_access_key_id=state["access_key_id"],
            aws_secret_access_key=state["secret_access_key"],
        )
        cloudformation = session.client("cloudformation", endpoint_url=state["endpoint_url"])
    else:
        name = options.stack_name
        aws = {"AWS_DEFAULT_REGION": options.region} if options.region else {}
        cloudformation = boto3.Session(region_name=options.region).client("cloudformation")
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    renamed = dict(entry.split("=", 1) for entry in options.table)
    tables = {f"{table.upper()}_TABLE": renamed.get(table) or outputs[f"{table}Table"] for table in TABLES}
    return {
        **aws,
        **tables,
        "FILES_BUCKET": outputs["FilesBucket"],
        "LEDGER_BUCKET": outputs["LedgerBucket"],
        "ERASURES_QUEUE_URL": outputs["ErasuresQueueUrl"],
        "STACK_SECRET_ARN": outputs["StackSecretArn"],
        "POWERTOOLS_SERVICE_NAME": "replay_erasures",
        "POWERTOOLS_LOG_LEVEL": "WARNING",
    }


def run(hub_id: str) -> int:
    """Replay and say how far it is, in ids only."""
    from rollcall.privacy.replay import replay

    count = 0
    for hub, erasure_id in replay(hub_id):
        count += 1
        print(f"{hub} {erasure_id}: erased", flush=True)
    print(f"{count} entries of the ledger replayed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
