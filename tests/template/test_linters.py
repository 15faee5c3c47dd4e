"""What ready-made linters say of the template, before and after SAM's translation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VENVS = ROOT / ".local" / "venvs"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool without the caller's AWS settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment |= {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )


def test_source_template_is_valid_for_sam() -> None:
    """`sam validate --lint` finds nothing to say."""
    done = run(VENVS / "sam" / "bin" / "sam", "validate", "--lint", "--region", "eu-central-1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_translated_template_is_clean_for_cfn_lint(translated_file: Path) -> None:
    """cfn-lint finds neither error nor warning in what CloudFormation gets (the source hides some from it)."""
    done = run(Path(sys.executable).parent / "cfn-lint", translated_file)
    assert done.returncode == 0, done.stdout


def test_translated_template_is_clean_for_checkov(translated: dict[str, Any], translated_file: Path) -> None:
    """Checkov fails nothing, and every exception in the template is one that is needed, with its reason."""
    checkov = VENVS / "checkov" / "bin" / "checkov"
    options = ["--framework", "cloudformation", "--skip-download", "--compact", "--output", "json"]
    done = run(checkov, "--file", translated_file, *options)
    report = json.loads(done.stdout)
    failed = [(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]]
    assert failed == []
    assert len(report["results"]["passed_checks"]) > 200

    skipped = {(check["check_id"], check["resource"].split(".")[-1]) for check in report["results"]["skipped_checks"]}
    excepted = {
        (exception["id"], name)
        for name, resource in translated["Resources"].items()
        if resource["Type"] != "AWS::Lambda::EventInvokeConfig"  # SAM copies the function's metadata to it
        for exception in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }
    assert skipped == excepted
    assert all(check["check_result"]["suppress_comment"] for check in report["results"]["skipped_checks"])
