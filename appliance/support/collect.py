"""The whole of it: what is known, what is gathered, the archive. One call for the command."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import appliance
from appliance.doctor.examination import Options, examine
from appliance.doctor.host import is_alone
from appliance.doctor.processes import figures_url
from appliance.settings import Settings, load
from appliance.support import gather, known
from appliance.support.archive import write_archive
from appliance.support.bundle import Bundle
from appliance.support.entries import LeftOut, Raw
from appliance.support.redaction import Redactor
from appliance.support.sources import Installation, installation

__all__ = ["Collected", "collect"]

_DOCTOR_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Collected:
    path: Path
    files: int
    bytes: int  # of the archive


def collect(settings_file: Path, output: Path, since: datetime, *, doctor: bool) -> Collected:
    """Works without a usable settings file, too: then without what only it tells of.

    Raises Conflict when `output` is there, OSError when it can't be written.
    """
    at = datetime.now(UTC)
    place = installation(settings_file)
    bundle = Bundle(_redactor(place))
    settings, problem = _settings(settings_file)
    if settings is None:
        bundle.take([problem])
    if doctor and (settings or is_alone(settings_file)):
        bundle.take([_doctor(settings, settings_file)])
    bundle.take(gather.files(place, since))
    bundle.take(gather.figures(_pages(settings, place)))
    bundle.take(gather.commands(place))
    bundle.take([gather.versions()])
    bundle.take(gather.journal(place, since))
    manifest = bundle.manifest(
        version=appliance.__version__, installation=place.name, at=at, since=since
    )
    files = {"manifest.json": manifest, **bundle.files}
    write_archive(output, output.name.partition(".")[0], files, at)
    return Collected(output, len(files), output.stat().st_size)


def _redactor(place: Installation) -> Redactor:
    def paths(globs: tuple[str, ...]) -> list[Path]:
        return [each for glob in globs for each in place.root.glob(glob) if each.is_file()]

    values = known.secrets_of_files(paths(place.secret_files), paths(place.whole_secrets))
    own = known.addresses_in(paths(place.address_files))
    return Redactor(values, own, secrets.token_bytes(32))


def _settings(settings_file: Path) -> tuple[Settings | None, LeftOut]:
    source = f"doctor and figures, by {settings_file}"
    try:
        return load(settings_file), LeftOut(source, "")
    except OSError as error:
        return None, LeftOut(source, error.strerror or "it can't be read")
    except msgspec.DecodeError as error:
        return None, LeftOut(source, f"the settings are wrong: {error}")


def _doctor(settings: Settings | None, settings_file: Path) -> Raw | LeftOut:
    async def asked() -> bytes:
        async with asyncio.timeout(_DOCTOR_SECONDS):
            report = await examine(settings, Options(config=settings_file))
        return msgspec.json.format(msgspec.json.encode(report), indent=2)

    try:
        return Raw("doctor.json", "stowbay-admin doctor", asyncio.run(asked()).decode() + "\n")
    except Exception as error:  # whatever is wrong here is what support wants to know
        return LeftOut("stowbay-admin doctor", f"{type(error).__name__}: {error}")


def _pages(settings: Settings | None, place: Installation) -> Iterator[tuple[str, str]]:
    if settings is not None:
        for index in range(len(settings.gateway_ports)):
            yield f"gateway-{index}", figures_url(settings, settings.metrics_port + index)
        if settings.worker_metrics_port:
            yield "worker", figures_url(settings, settings.worker_metrics_port)
    for name, port in place.figures:
        yield name, f"http://127.0.0.1:{port}/metrics"
