"""Logs: one JSON object a line on standard error, read by whatever collects that.

`request_id` is on every line written while a request is handled, as it is in its answer. No line
holds a token, a query string (tickets and file names travel there), a body or a credential.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog

__all__ = ["configure", "get_logger", "request_id"]

request_id: ContextVar[str] = ContextVar("request_id", default="")

_encoder = msgspec.json.Encoder(enc_hook=repr)


def get_logger(area: str) -> Any:
    return structlog.get_logger(area=area)


def configure(level: str, *, process: str) -> None:
    """Once per process, before anything logs. `process` names it on every line."""
    threshold = logging.getLevelNamesMapping()[level.upper()]

    def origin(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = process
        if current := request_id.get():
            event["request_id"] = current
        return event

    shared: list[structlog.typing.Processor] = [
        origin,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_encode)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_encode_text),
            ],
        )
    )
    # What libraries say below a warning holds host names and statements, and helps nobody here.
    logging.basicConfig(handlers=[libraries], level=max(threshold, logging.WARNING), force=True)


def _encode(event: structlog.typing.EventDict, **_: Any) -> bytes:
    return _encoder.encode(event)


def _encode_text(event: structlog.typing.EventDict, **_: Any) -> str:
    return _encoder.encode(event).decode()
