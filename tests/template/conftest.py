"""The template as SAM translates it: what CloudFormation gets, not what we wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
Template = dict[str, Any]


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="session")
def source() -> Template:
    """Return template.yaml as it was written."""
    return cast("Template", yaml_parse((ROOT / "template.yaml").read_text()))


@pytest.fixture(scope="session")
def translated() -> Template:
    """Return the CloudFormation template that SAM makes of it, with the default parameters."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource["Properties"]:
                resource["Properties"][key] = "s3://artifacts/code.zip"
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"  # the translator asks boto3 for it
    try:
        # It takes text only where CloudFormation does: parameters are left as references.
        return cast("Template", transform(template, {}, _NoManagedPolicies()))
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before


@pytest.fixture(scope="session")
def translated_file(translated: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the translated template as a file, for the linters."""
    path = tmp_path_factory.mktemp("template") / "template.json"
    path.write_text(json.dumps(translated))
    return path
