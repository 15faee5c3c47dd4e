"""Logs and metrics that cannot hold personal data: only listed field names get through."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

_ALLOWED = frozenset(
    {
        "at",
        "attempt",
        "code",
        "count",
        "error",
        "event_id",
        "export_id",
        "function",
        "hub_id",
        "kind",
        "mail_id",
        "member_id",
        "ms",
        "operation",
        "outcome",
        "part",
        "person_id",
        "plan_id",
        "provider",
        "reason",
        "request_id",
        "rows",
        "run",
        "source_id",
        "state",
        "status",
        "upload_id",
    }
)


class Log:
    """A structured logger: a stable event name, and fields from the list above; all else is dropped."""

    def __init__(self) -> None:
        self._logger: Logger | None = None

    def _get(self) -> Logger:
        if self._logger is None:
            self._logger = Logger(service=os.environ.get("POWERTOOLS_SERVICE_NAME", "rollcall"))
        return self._logger

    def info(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Log something worth knowing."""
        self._get().info(name, extra=_allowed(fields))

    def warning(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Log something a person may have to look at."""
        self._get().warning(name, extra=_allowed(fields))

    def error(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Log a failure."""
        self._get().error(name, extra=_allowed(fields))


def count(name: str) -> None:
    """Add one to a metric of the stack, by way of the function's log (CloudWatch embedded metric format).

    Its namespace is ``POWERTOOLS_METRICS_NAMESPACE``, its one dimension the function, ``service``.
    """
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "rollcall")
    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace=namespace) as metric:
        metric.add_dimension("service", os.environ.get("POWERTOOLS_SERVICE_NAME", "rollcall"))


def _allowed(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key in _ALLOWED}


def describe(exc: BaseException) -> dict[str, str]:
    """Say what failed and where in our code, without the exception's message."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    ours = [frame for frame in frames if "rollcall" in frame.f_code.co_filename] or frames
    where = f"{Path(ours[-1].f_code.co_filename).name}:{ours[-1].f_lineno}" if ours else ""
    cause = f" from {type(exc.__cause__).__name__}" if exc.__cause__ else ""
    found = {"error": type(exc).__name__ + cause, "at": where}
    aws = exc if hasattr(exc, "operation_name") else exc.__cause__
    if aws is not None and hasattr(aws, "operation_name"):
        found |= {"code": _aws_code(aws), "operation": str(aws.operation_name)}
    return found


def _aws_code(exc: BaseException | None) -> str:
    """Return the code of an AWS error, such as ``AccessDeniedException``."""
    response = getattr(exc, "response", None)
    error = response.get("Error", {}) if isinstance(response, dict) else {}
    return str(error.get("Code", ""))


log = Log()
