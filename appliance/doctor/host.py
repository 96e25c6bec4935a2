"""What lies on this host: certificates of its parts, the place for backups.

On hosts `figures.json` beside the settings file says where (the role exporters writes it for its
own figures); on one machine the certificates lie beside the public authority.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509

from appliance.doctor.origins import expiry
from appliance.doctor.report import Line, Unexaminable, line

__all__ = [
    "BackupFacts", "Leaf", "Places", "backup", "certificates", "is_alone", "judge_backup",
    "judge_certificates", "look_at_backup", "look_at_certificates", "places",
]  # fmt: skip

_PLACES = "figures.json"
_MARK = ".stowbay-backup-place"  # as the role backup writes it
_OF_EXT4 = "lost+found"  # in the root of each such volume, as old as that
_OLD = timedelta(hours=26)  # a night's backup, and two hours more
_FEW = 10_000  # entries looked at; the newest of more is told by their folders


class Places(msgspec.Struct, frozen=True):
    """Of figures.json, what is needed here; "" for a host that isn't of that group."""

    certificates: str = ""
    backup_place: str = ""
    backup_own_volume: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    name: str
    ends: datetime | None  # None: it can't be read
    why: str = ""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    path: str
    broken: str = ""
    newest: datetime | None = None


def places(config: Path, public_ca: str) -> Places:
    """`config`: the settings file; `public_ca`: as it says."""
    told = config.with_name(_PLACES)
    try:
        return msgspec.json.decode(told.read_bytes(), type=Places)
    except FileNotFoundError:
        return Places(certificates=str(Path(public_ca).parent) if public_ca else "")
    except (OSError, msgspec.DecodeError) as error:
        raise Unexaminable(f"{told}: {error}") from error


def is_alone(config: Path) -> bool:
    """A host of a cluster that has no settings file: neither a gateway nor a worker is on it."""
    return not config.exists() and config.with_name(_PLACES).is_file()


async def certificates(config: Path, public_ca: str) -> Sequence[Line]:
    found = await asyncio.to_thread(look_at_certificates, places(config, public_ca).certificates)
    return judge_certificates(found, datetime.now(UTC))


async def backup(config: Path, public_ca: str) -> Sequence[Line]:
    found = await asyncio.to_thread(look_at_backup, places(config, public_ca))
    return judge_backup(found, datetime.now(UTC))


def look_at_certificates(folder: str) -> list[Leaf]:
    """NAME.pem of one machine, or ca.pem and NAME/cert.pem of hosts; the first of a chain."""
    if not folder:
        raise Unexaminable("the settings name no folder of certificates")
    here = Path(folder)
    try:
        found = sorted(here.glob("*.pem")) + sorted(here.glob("*/cert.pem"))
    except OSError as error:
        raise Unexaminable(f"{folder}: {error.strerror}") from error
    if not found:
        raise Unexaminable(f"{folder} holds no certificate that may be read")
    return [
        _read(path, path.parent.name if path.name == "cert.pem" else path.stem) for path in found
    ]


def _read(path: Path, name: str) -> Leaf:
    try:
        return Leaf(name, x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc)
    except OSError as error:
        return Leaf(name, None, error.strerror or "unreadable")
    except ValueError as error:
        return Leaf(name, None, str(error))


def judge_certificates(found: Sequence[Leaf], now: datetime) -> list[Line]:
    lines, good = [], []
    for leaf in found:
        if leaf.ends is None:
            lines.append(line("certificates.unreadable", leaf.name, leaf.why))
            continue
        state = expiry(leaf.ends, now)
        if state == "ok":
            good.append(leaf)
        else:
            seen = f"ends {leaf.ends:%Y-%m-%d %H:%M} UTC"
            lines.append(line(f"certificates.{state}", leaf.name, seen))
    if good:
        first = min(good, key=lambda leaf: leaf.ends or now)
        seen = f"the first to end is {first.name}, {first.ends:%Y-%m-%d}"
        lines.append(line("certificates.ok", ", ".join(leaf.name for leaf in good), seen))
    return lines


def look_at_backup(found: Places) -> BackupFacts:
    if not found.backup_place:
        raise Unexaminable("no place for backups is configured on this host")
    place = Path(found.backup_place)
    try:
        if not (place / _MARK).is_file():
            return BackupFacts(str(place), "it is not there, or bears no mark")
        if found.backup_own_volume and not place.is_mount():
            return BackupFacts(str(place), "it is no volume of its own")
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            return BackupFacts(str(place), "it can't be written")
        return BackupFacts(str(place), "", _newest(place))
    except PermissionError as error:
        raise Unexaminable(f"{place}: only root may look into it") from error
    except OSError as error:
        return BackupFacts(str(place), error.strerror or "it can't be read")


def _newest(place: Path) -> datetime | None:
    times: list[float] = []
    for folder, folders, files in os.walk(place):
        if Path(folder) == place and _OF_EXT4 in folders:
            folders.remove(_OF_EXT4)
        for name in (*files, *folders):
            if name == _MARK:
                continue
            with suppress(FileNotFoundError):  # a backup that runs removes what it is done with
                times.append(os.lstat(Path(folder) / name).st_mtime)
        if len(times) > _FEW:
            break
    return datetime.fromtimestamp(max(times)).astimezone() if times else None


def judge_backup(found: BackupFacts, now: datetime) -> list[Line]:
    if found.broken:
        return [line("backup.missing", found.path, found.broken)]
    if found.newest is None:
        return [line("backup.none", found.path, "empty")]
    hours = (now - found.newest) / timedelta(hours=1)
    code = "backup.old" if now - found.newest > _OLD else "backup.ok"
    return [line(code, found.path, f"the newest is {hours:.0f} hours old")]
