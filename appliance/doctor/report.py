"""What an examination says: lines, and what it could not look at. Serialisable by msgspec."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from appliance.doctor.codes import CODES, Level

__all__ = ["EXIT_CODES", "Check", "Line", "Report", "Unexaminable", "Unexamined", "Whence", "line"]

EXIT_CODES = {Level.OK: 0, Level.WARN: 3, Level.FAIL: 4}
_ORDER = list(Level)


class Whence(StrEnum):
    HOST = "host"  # with the settings file, where there is one
    OUTSIDE = "outside"  # with a URL alone


class Check(StrEnum):
    """Everything there is to look at, in the order of the report."""

    NAMES = "names"
    TLS = "tls"
    HTTPS = "https"
    API = "api"
    CORS = "cors"
    CLOCK = "clock"
    TIME_SERVICE = "time-service"
    TRANSFER = "transfer"
    REFUSALS = "refusals"
    DATABASE = "database"
    REPLICATION = "replication"
    STORE = "store"
    CACHE = "cache"
    GATEWAYS = "gateways"
    WORKER = "worker"
    QUEUES = "queues"
    ORPHANS = "orphans"
    CERTIFICATES = "certificates"
    BACKUP = "backup"
    VERSIONS = "versions"


class Line(msgspec.Struct, frozen=True):
    """`code` is stable and belongs to one level; `subject` is which of several, `seen` for people.

    `todo` and `runbook` (a path below docs/) are empty where nothing is to be done.
    """

    level: Level
    code: str
    subject: str
    seen: str
    todo: str = ""
    runbook: str = ""


class Unexamined(msgspec.Struct, frozen=True):
    check: str
    why: str


class Report(msgspec.Struct, frozen=True):
    whence: Whence
    version: str
    at: datetime
    seconds: float
    worst: Level
    lines: tuple[Line, ...]
    unexamined: tuple[Unexamined, ...]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.worst]

    def with_code(self, code: str) -> tuple[Line, ...]:
        return tuple(each for each in self.lines if each.code == code)


class Unexaminable(Exception):
    """Raised by a look that can't be had; its text says why, and holds no secret."""


def line(code: str, subject: str, seen: str) -> Line:
    found = CODES[code]
    return Line(found.level, code, subject, seen, found.todo, found.runbook)


def worst(lines: Iterable[Line]) -> Level:
    return max((each.level for each in lines), key=_ORDER.index, default=Level.OK)
