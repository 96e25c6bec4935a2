"""Reads what the allow-list names: files, the journal, figures, a few commands.

Nothing here fails: what can't be had is left out with the reason. Reads are bounded in bytes,
commands and questions in seconds.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from appliance.support import selection
from appliance.support.entries import LeftOut, Raw
from appliance.support.selection import Selected
from appliance.support.sources import Installation, Kind, Source

__all__ = ["LARGEST_FILE", "commands", "figures", "files", "journal", "versions"]

LARGEST_FILE = 16 << 20
"""Bytes of one source that are looked at; of a log the last ones."""
_SECONDS = 20.0
_JOURNAL_LINES = 20_000
_JOURNAL_FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_PID"

Found = Iterator[Raw | LeftOut]

# Each tells of the machine, none of its people. Not there, or refused: left out.
_COMMANDS: dict[str, tuple[str, ...]] = {
    "kernel": ("uname", "-srvm"),
    "uptime": ("uptime",),
    "memory": ("cat", "/proc/meminfo"),
    "disks": ("df", "-P", "-k", "-x", "tmpfs", "-x", "overlay"),
    "inodes": ("df", "-P", "-i", "-x", "tmpfs", "-x", "overlay"),
    "listeners": ("ss", "-Hltn"),
}
_HOST_COMMANDS: dict[str, tuple[str, ...]] = {
    "units": ("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager"),
    "time": ("timedatectl", "show"),
    "clock": ("chronyc", "-n", "tracking"),
    "packages": (
        "dpkg-query", "-W", "postgresql*", "patroni", "etcd*", "haproxy", "redis*", "nginx*",
        "libnginx*", "keepalived", "prometheus*", "chrony", "systemd",
    ),
    "kernel-warnings": ("journalctl", "-k", "-b", "-p", "warning", "-n", "500", "--no-pager"),
}  # fmt: skip


def files(place: Installation, since: datetime) -> Found:
    for source in place.sources:
        found = sorted(place.root.glob(source.glob))
        if not found and "*" not in source.glob:
            yield LeftOut(str(place.root / source.glob), "it is not there")
        for path in found:
            yield _file(place, source, path, since)


def _file(place: Installation, source: Source, path: Path, since: datetime) -> Raw | LeftOut:
    log = source.kind is Kind.LOG
    name = f"{source.folder}/{path.relative_to(place.root).as_posix().replace('/', '_')}"
    try:
        state = path.stat()
        if log and datetime.fromtimestamp(state.st_mtime, UTC) < since:
            return LeftOut(str(path), f"nothing was written to it since {since:%Y-%m-%d %H:%M}")
        with path.open("rb") as handle:
            cut = max(0, state.st_size - LARGEST_FILE)
            if log and cut:
                handle.seek(cut)
                cut += len(handle.readline())  # a half of one
            text = handle.read(LARGEST_FILE).decode("utf-8", "replace")
        selected = _selected(source, text, since)
    except OSError as error:
        return LeftOut(str(path), error.strerror or "it can't be read")
    except ValueError:
        return LeftOut(str(path), "it isn't what it should be: no JSON object")
    return Raw(name, str(path), selected.text, log, selected.left_out, cut)


def _selected(source: Source, text: str, since: datetime) -> Selected:
    match source.kind:
        case Kind.SETTINGS:
            return selection.settings_document(text)
        case Kind.LOG:
            return selection.log_lines(selection.lines_since(text, since))
        case Kind.DIRECTIVES:
            return selection.directives(text, source.words)
        case Kind.TEXT:
            return Selected(text)


def journal(place: Installation, since: datetime) -> Found:
    """One entry a unit pattern; lines of JSON by their fields, as in files."""
    for unit in place.units:
        source = f"journal of {unit}"
        asked = (
            "journalctl", "--no-pager", "-q", "-o", "json", f"--output-fields={_JOURNAL_FIELDS}",
            "-u", unit, "-n", str(_JOURNAL_LINES), f"--since=@{since.timestamp():.0f}",
        )  # fmt: skip
        said = _said(asked, source)
        if isinstance(said, LeftOut):
            yield said
        elif said:
            selected = selection.log_lines("".join(map(_journal_line, said.splitlines())))
            name = f"logs/journal-{unit.replace('*', '').rstrip('-')}.log"
            yield Raw(name, source, selected.text, True, selected.left_out)


def _journal_line(line: str) -> str:
    """Its message alone when that is JSON (ours say who and when), else with time and unit."""
    try:
        found = json.loads(line)
        at = datetime.fromtimestamp(int(found["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
    except (ValueError, KeyError, TypeError):
        return ""
    message = found.get("MESSAGE")
    text = message if isinstance(message, str) else "[no text]"
    if text.startswith("{"):
        return f"{text}\n"
    who = found.get("_SYSTEMD_UNIT") or found.get("SYSLOG_IDENTIFIER")
    first, *more = text.split("\n")
    rest = "".join(f"  {each}\n" for each in more if not each.startswith("\t"))
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z {who}[{found.get('_PID')}]: {first}\n{rest}"


def figures(pages: Iterator[tuple[str, str]]) -> Found:
    """`pages`: name, URL. As Prometheus sees them at this moment."""
    for name, url in pages:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS / 4) as answer:  # noqa: S310 - ours
                text = answer.read(LARGEST_FILE).decode("utf-8", "replace")
        except (OSError, ValueError) as error:
            yield LeftOut(url, f"no figures: {getattr(error, 'reason', error)}")
        else:
            yield Raw(f"metrics/{name}.txt", url, text)


def commands(place: Installation) -> Found:
    wanted = dict(_COMMANDS)
    if place.units:
        wanted |= _HOST_COMMANDS
        wanted["units"] += tuple(u if "*" in u else f"{u}.service" for u in place.units)
    for name, command in wanted.items():
        said = _said(command, " ".join(command))
        if isinstance(said, LeftOut):
            yield said
        else:
            yield Raw(f"system/{name}.txt", " ".join(command), said)


def versions() -> Raw:
    """Of what runs in this Python."""
    found = sorted(f"{each.name}=={each.version}" for each in metadata.distributions())
    return Raw("system/python.txt", "installed distributions", "".join(f"{e}\n" for e in found))


def _said(command: tuple[str, ...], source: str) -> str | LeftOut:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        return LeftOut(source, f"{command[0]} is not on this host")
    except (OSError, subprocess.TimeoutExpired) as error:
        return LeftOut(source, type(error).__name__)
    if done.returncode != 0 and not done.stdout:
        return LeftOut(source, f"exit status {done.returncode}")
    return done.stdout.decode("utf-8", "replace")
