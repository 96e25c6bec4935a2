"""What is kept of what is taken: keys of settings, fields of log lines, directives of files.

An allow-list each: what is new is left out until somebody puts it on the list. What was left out
is told by its name, never by its value.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Selected", "directives", "document", "lines_since", "log_lines", "settings_document"]


@dataclass(frozen=True, slots=True)
class Selected:
    text: str
    left_out: dict[str, int] = field(default_factory=dict)  # name -> how often


Spec = Mapping[str, "Spec | Callable[[Any], Any]"]


def _whole(value: Any) -> Any:
    return value


def _without_password(dsn: str) -> str:
    return re.sub(
        r"(\bpassword\s*=\s*)(?:'(?:[^'\\]|\\.)*'|\S+)", r"\1[redacted:password]", str(dsn)
    )


def _without_user(url: str) -> str:
    found = urlsplit(str(url))
    return f"{found.scheme}://{found.hostname}:{found.port}{found.path}" if url else ""


_STORE: Spec = dict.fromkeys(("kind", "endpoint", "region", "bucket", "ca"), _whole)
_DATABASE: Spec = {
    **dict.fromkeys(("name", "first_slot", "last_slot", "standbys"), _whole),
    "write_dsn": _without_password,
    "read_dsn": _without_password,
}
_SETTINGS: Spec = {
    **dict.fromkeys(
        (
            "api_url", "upload_url", "download_url", "gateway_ports", "gateway_host",
            "gateway_tls", "metrics_host", "metrics_port", "worker_metrics_port", "ticket_keyring",
            "public_ca", "log_level", "limits",
        ),
        _whole,
    ),
    "redis_url": _without_user,
    "store": _STORE,
    "databases": _DATABASE,
}  # fmt: skip


def settings_document(text: str) -> Selected:
    """The settings file; ValueError when it isn't JSON, or no object."""
    return document(text, _SETTINGS)


def document(text: str, spec: Spec) -> Selected:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    left_out: Counter[str] = Counter()
    kept = _picked(found, spec, "", left_out)
    return Selected(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", dict(left_out))


def _picked(found: dict[str, Any], spec: Spec, above: str, left_out: Counter[str]) -> Any:
    kept: dict[str, Any] = {}
    for name, value in found.items():
        wanted = spec.get(name)
        if wanted is None:
            left_out[above + name] += 1
        elif callable(wanted):
            kept[name] = wanted(value)
        elif isinstance(value, list):
            inner = [each for each in value if isinstance(each, dict)]
            kept[name] = [_picked(each, wanted, f"{above}{name}.", left_out) for each in inner]
        elif isinstance(value, dict):
            kept[name] = _picked(value, wanted, f"{above}{name}.", left_out)
    return kept


# Fields of our processes' lines and of nginx's access logs that are text. Numbers are kept anyway.
_FIELDS = frozenset(
    (
        "timestamp", "time", "level", "event", "area", "process", "logger", "request_id", "method",
        "route", "path", "status", "code", "part", "error", "reason", "why", "job", "database",
        "client", "address", "upstream_status", "upstream_seconds", "ticket", "object", "range",
        "cache", "ts", "caller", "msg", "exception", "space", "blob", "subject", "unit", "version",
    )
)  # fmt: skip
_TIMES = ("timestamp", "time")
_SEGMENT = re.compile(r"[A-Za-z0-9_~-]{0,120}|v\d+|\{\w+\}|[\w-]+\.(?:json|php)")
_STAMP = re.compile(r"\[?(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)")


def log_lines(text: str) -> Selected:
    """JSON lines by their fields; lines of Postgres without what belongs to a statement; others as
    they are."""
    kept: list[str] = []
    left_out: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("{") and (found := _object(line)) is not None:
            kept.append(json.dumps(_fields(found, left_out), ensure_ascii=False))
        elif line.startswith("\t"):  # Postgres: the rest of a statement
            left_out["further lines of statements"] += 1
        else:
            kept.append(line)
    return Selected(_ended(kept), dict(left_out))


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _fields(found: dict[str, Any], left_out: Counter[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, bool | int | float) or value is None:
            kept[name] = value
        elif name in _FIELDS:
            kept[name] = _path(str(value)) if name in {"path", "object"} else str(value)
        else:
            left_out[name if re.fullmatch(r"\w{1,40}", name) else "?"] += 1
    return kept


def _path(text: str) -> str:
    """Paths of ours are made of ids and keys. Anything else came from whoever asked."""
    parts = text.partition("?")[0].split("/")
    return "/".join(part if _SEGMENT.fullmatch(part) else "[?]" for part in parts)


def directives(text: str, allowed: Iterable[str]) -> Selected:
    """The lines whose first word is on the list, and those that only end a block. Comments go."""
    words = frozenset(allowed)
    kept: list[str] = []
    left_out: Counter[str] = Counter()
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        word = re.match(r"(?:- +)?([\w.-]*)", stripped)
        name = word[1] if word else ""
        if name in words or (not name and not re.search(r"[\w$]", stripped)):
            kept.append(line)
        else:
            left_out[name or "?"] += 1
    return Selected(_ended(kept), dict(left_out))


def lines_since(text: str, since: datetime) -> str:
    """Without the lines that are older. One without a time goes with the one before it."""
    kept: list[str] = []
    wanted = True
    for line in text.splitlines():
        at = _time_of(line)
        if at is not None:
            wanted = at >= since
        if wanted:
            kept.append(line)
    return _ended(kept)


def _time_of(line: str) -> datetime | None:
    if line.startswith("{") and (found := _object(line)) is not None:
        for name in _TIMES:
            try:
                at = datetime.fromisoformat(str(found.get(name)))
            except ValueError:
                continue
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        return None
    stamp = _STAMP.match(line)
    if stamp is None:
        return None
    try:
        return datetime(*map(int, stamp.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def _ended(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
