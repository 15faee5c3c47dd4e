"""Files of the bucket for somebody's browser: a redirect to an address that works for a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response
from botocore.exceptions import BotoCoreError, ClientError

from rollcall.hubs.model import Permission
from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env

if TYPE_CHECKING:
    from collections.abc import Collection

LINK_SECONDS = 60
VIEWS = frozenset({Permission.VIEW, Permission.VIEW_PRIVATE, Permission.VIEW_HIDDEN})


def sees_as_much(permissions: Collection[Permission], other: Collection[Permission | str]) -> bool:
    """Tell whether the first may see everything that the second may see."""
    return VIEWS.intersection(other) <= VIEWS.intersection(permissions)


def redirect(key: str, file_name: str) -> Response[None]:
    """Return a redirect (302) to a file of the bucket; its address works for 60 seconds.

    Raises
    ------
    TransientError
        If the address could not be signed.
    """
    try:
        url = clients.s3().generate_presigned_url(
            "get_object",
            Params={
                "Bucket": env("FILES_BUCKET"),
                "Key": key,
                "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(file_name, safe='')}",
            },
            ExpiresIn=LINK_SECONDS,
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc
    return Response(status_code=302, body=None, headers={"Location": url})
