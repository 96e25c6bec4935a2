"""What a person may set for the one-machine product: environment variables, parsed once.

`settings_table` is the one list of them; docs/reference/settings.md is tested against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.machine.failure import CannotStart
from appliance.machine.places import Places
from appliance.machine.ports import MAX_GATEWAYS, Ports, port_settings, read_ports
from appliance.settings import Limits

__all__ = ["Options", "read_options", "settings_given", "settings_table"]

_STORES = ("seaweedfs", "minio")
_LEVELS = ("debug", "info", "warning", "error")

_GENERAL: tuple[tuple[str, str, str], ...] = (
    ("STORE", "seaweedfs", "object store: `seaweedfs` or `minio`; each has files of its own"),
    ("STOWBAY_VAR", "./var", "folder of this instance: data, secrets, certificates, logs"),
    ("STOWBAY_GATEWAYS", "2", f"gateway processes, 1 to {MAX_GATEWAYS}"),
    ("STOWBAY_DATABASES", "1", "`2` splits the slots between two databases of the one Postgres"),
    ("STOWBAY_LIMITS", "{}", "JSON object that overrides fields of the limits below, for tests"),
    ("STOWBAY_LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`"),
    ("STOWBAY_MEMORY", str(Path("/dev", "shm")), "file system in memory for nginx's cache"),
    ("STOWBAY_CACHE_MB", "512", "upper bound of that cache; a quarter of what is free if less"),
    ("STOWBAY_SIGNINS", "30", "sign-ins a minute that nginx lets through from one address"),
    ("STOWBAY_PORT_BASE", "", "first of the ports when all are to move, for a second instance"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a person chose, checked. Paths are absolute."""

    store: str
    var: Path
    databases: int
    ports: Ports
    limits: Limits
    log_level: str
    memory: Path
    cache_megabytes: int
    signins_per_minute: int

    @property
    def places(self) -> Places:
        return Places(var=self.var, memory_root=self.memory)

    @property
    def world(self) -> str:
        """Name of the data this choice of store and databases opens, also the bucket's name.

        Rows and objects must come from the same world: the nightly comparison would otherwise
        take one world's objects for orphans of the other. So each has its own.
        """
        halves = "" if self.databases == 1 else "-halves"
        return f"stowbay-{self.store}{halves}"


def settings_table() -> Iterator[tuple[str, str, str]]:
    """(environment variable, default, meaning) of every setting of this room."""
    yield from _GENERAL
    yield from port_settings()


def settings_given(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of this room among the caller's environment, and nothing else of it."""
    return {name: environ[name] for name, _, _ in settings_table() if name in environ}


def read_options(environ: Mapping[str, str], here: Path) -> Options:
    """Parse and check; CannotStart names the variable that is wrong. `here` resolves paths."""
    given = {name: environ.get(name, "") or default for name, default, _ in _GENERAL}
    gateways = _count(given, "STOWBAY_GATEWAYS", 1, MAX_GATEWAYS)
    return Options(
        store=_choice(given, "STORE", _STORES),
        var=(here / given["STOWBAY_VAR"]).resolve(),
        databases=_count(given, "STOWBAY_DATABASES", 1, 2),
        ports=read_ports(environ, gateways),
        limits=_limits(given["STOWBAY_LIMITS"]),
        log_level=_choice(given, "STOWBAY_LOG_LEVEL", _LEVELS),
        memory=(here / given["STOWBAY_MEMORY"]).resolve(),
        cache_megabytes=_count(given, "STOWBAY_CACHE_MB", 16, 1 << 20),
        signins_per_minute=_count(given, "STOWBAY_SIGNINS", 1, 100_000),
    )


def _choice(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    if given[name] not in allowed:
        raise CannotStart(f"{name}={given[name]!r} is none of {', '.join(allowed)}")
    return given[name]


def _count(given: Mapping[str, str], name: str, low: int, high: int) -> int:
    text = given[name]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise CannotStart(f"{name}={text!r} is no number from {low} to {high}")
    return int(text)


def _limits(text: str) -> Limits:
    try:
        return msgspec.json.decode(text, type=Limits)
    except msgspec.DecodeError as error:
        raise CannotStart(f"STOWBAY_LIMITS: {error}") from error
