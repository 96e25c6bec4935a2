#!/usr/bin/env python3
"""Figures of a host that no exporter has, written as a text file for the node exporter.

    stowbay_certificate_expiry_seconds{leaf}       Unix time at which a certificate ends
    stowbay_volume_free_bytes{purpose, path}       room that is left for those who aren't root
    stowbay_volume_size_bytes{purpose, path}
    stowbay_floating_address_holder                1 if this edge holds the floating address
    stowbay_backup_place_present{path}             1 if backups can go there

What can't be read has no figure; the alerts on the file's age and on missing figures tell. Only
Debian's Python and openssl are used: hosts without our release have figures, too.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = ".stowbay-backup-place"  # written by the role backup: an unmounted volume doesn't have it

Figure = tuple[str, dict[str, str], float]


def certificates(folder: Path) -> Iterator[Figure]:
    """The authority's certificate and each leaf's; the first of a chain is the leaf."""
    for path in [folder / "ca.pem", *sorted(folder.glob("*/cert.pem"))]:
        leaf = "ca" if path.name == "ca.pem" else path.parent.name
        asked = ["openssl", "x509", "-noout", "-enddate", "-in", str(path)]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
        if answer.returncode == 0:
            end = ssl.cert_time_to_seconds(answer.stdout.strip().removeprefix("notAfter="))
            yield "stowbay_certificate_expiry_seconds", {"leaf": leaf}, end
        elif path.exists():
            sys.stderr.write(f"<4>{path}: {answer.stderr.strip()}\n")


def volumes(wanted: list[dict[str, str]]) -> Iterator[Figure]:
    for each in wanted:
        labels = {"purpose": each["purpose"], "path": each["path"]}
        try:
            found = os.statvfs(each["path"])
        except OSError as error:
            sys.stderr.write(f"<4>{error}\n")
            continue
        yield "stowbay_volume_free_bytes", labels, found.f_bavail * found.f_frsize
        yield "stowbay_volume_size_bytes", labels, found.f_blocks * found.f_frsize


def floating_address(address: str) -> Iterator[Figure]:
    if not address:
        return
    asked = ["ip", "-json", "address", "show"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    held = any(
        each.get("local") == address
        for interface in json.loads(answer.stdout)
        for each in interface.get("addr_info", [])
    )
    yield "stowbay_floating_address_holder", {}, float(held)


def backup_place(place: str, own_volume: bool) -> Iterator[Figure]:
    """There, marked as the place, writable, and a volume of its own where it should be."""
    if not place:
        return
    path = Path(place)
    present = (path / MARK).is_file() and (not own_volume or path.is_mount())
    present = present and not os.statvfs(path).f_flag & os.ST_RDONLY
    yield "stowbay_backup_place_present", {"path": place}, float(present)


def rendered(figures: Iterator[Figure]) -> str:
    lines: list[str] = []
    for name, labels, value in sorted(figures, key=lambda figure: figure[0]):
        if f"# TYPE {name} gauge" not in lines:
            lines.append(f"# TYPE {name} gauge")
        inside = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value:.0f}")
    return "\n".join(lines) + "\n"


def all_figures(wanted: dict[str, Any]) -> Iterator[Figure]:
    yield from certificates(Path(wanted["certificates"]))
    yield from volumes(wanted["volumes"])
    yield from floating_address(wanted["floating_address"])
    yield from backup_place(wanted["backup_place"], wanted["backup_own_volume"])


def main() -> None:
    wanted = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    output = Path(wanted["output"])
    fresh = output.with_suffix(".new")  # the node exporter reads *.prom only
    fresh.write_text(rendered(all_figures(wanted)), "utf-8")
    fresh.replace(output)


if __name__ == "__main__":
    main()
