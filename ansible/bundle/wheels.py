"""Python's part: the wheels of the hosts (`make release`) and of the controller (Ansible), with the
source of those that are compiled and ask for it."""

from __future__ import annotations

import email.message
import email.parser
import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.licences import Kind, kind_of, together, told_by_text
from bundle.parts import Part, sha256_of
from bundle.places import REPOSITORY, cache, release_folder
from bundle.wheel_tree import run_in_wheel_tree

__all__ = ["Wheel", "collect", "read_wheel"]

HERE = Path(__file__).parent
LOCK = REPOSITORY / "requirements-cluster.lock"
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "Public-Domain",
    "Python Software Foundation License": "PSF-2.0",
}
_RIGHTS = re.compile(
    r"(?i)[^/]+\.dist-info/(licen[cs]es?/.*|(licen[cs]e|copying|notice|authors)[^/]*)"
)
_COMPILED = re.compile(r"\.(so|pyd|dll|dylib|exe|a|o|jar|class)(\.|$)")


@dataclass(frozen=True)
class Wheel:
    name: str
    version: str
    licences: tuple[str, ...]
    rights: str
    is_source: bool
    # Of what it holds inside: purl, name, version, licences.
    inside: tuple[tuple[str, str, str, tuple[str, ...]], ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{self.version}"


def collect(out: Path) -> list[Part]:
    """Fill out/wheels, out/sources/python and out/licences/python."""
    shutil.copytree(release_folder(), out / "wheels" / "host")
    shutil.copytree(_controller_wheels(), out / "wheels" / "controller")
    parts: list[Part] = []
    inside: dict[str, Part] = {}
    for file in sorted((out / "wheels").glob("*/*.whl")):
        wheel = read_wheel(file)
        asks = together(map(kind_of, wheel.licences)) is not Kind.PERMISSIVE
        part = Part(
            purl=wheel.purl,
            name=wheel.name,
            version=wheel.version,
            licences=wheel.licences,
            file=file.relative_to(out).as_posix(),
            sha256=sha256_of(file),
            sources=_source(out, wheel) if asks and not wheel.is_source else (),
            is_source=wheel.is_source,
            notice=_noted(out, wheel),
        )
        parts.append(part)
        for purl, name, version, licences in wheel.inside:
            known = inside.setdefault(purl, Part(purl, name, version, licences))
            holders = tuple(sorted({*known.holders, wheel.purl}))
            inside[purl] = replace(known, holders=holders)
    return parts + [inside[each] for each in sorted(inside)]


def read_wheel(file: Path) -> Wheel:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        place = next(each for each in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        told = email.parser.HeaderParser().parsestr(archive.read(place).decode("utf-8"))
        rights = "\n\n".join(
            f"==> {name.partition('/')[2]}\n\n{archive.read(name).decode('utf-8', 'replace')}"
            for name in sorted(names)
            if _RIGHTS.fullmatch(name) and not name.endswith("/")
        )
        inside = [
            *_declared(archive, names, str(told["Name"])),
            *_libraries(names, str(told["Name"])),
        ]
    return Wheel(
        name=str(told["Name"]),
        version=str(told["Version"]),
        licences=_licences(told, rights),
        rights=rights,
        is_source=not any(_COMPILED.search(each.rpartition("/")[2]) for each in names),
        inside=tuple(inside),
    )


def _licences(told: email.message.Message, rights: str) -> tuple[str, ...]:
    """From the surest to the vaguest that a package says of itself; the first that is known."""
    classified = [
        each.rpartition("::")[2].strip()
        for each in told.get_all("Classifier", [])
        if each.startswith("License ::")
    ]
    named = [_CLASSIFIERS.get(each, "") for each in classified if each != "DFSG approved"]
    said = str(told.get("License") or "").strip()
    for each in (
        (str(told.get("License-Expression") or ""),),
        tuple(filter(None, named)),
        (said,) if len(said) < 60 and "\n" not in said else (),
        told_by_text(rights),
    ):
        if together(map(kind_of, each)) is not Kind.UNKNOWN:
            return each
    return ()


def _declared(
    archive: zipfile.ZipFile, names: list[str], own: str
) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """What bills of materials inside the wheel (PEP 770) say it holds."""
    for name in names:
        if not re.fullmatch(r"[^/]+\.dist-info/sboms/.+\.json", name):
            continue
        for each in json.loads(archive.read(name)).get("components", []):
            if re.sub(r"[-_.]+", "-", each["name"]).lower() == re.sub(r"[-_.]+", "-", own).lower():
                continue
            said = tuple(
                found["expression"] if "expression" in found else
                found["license"].get("id") or found["license"]["name"]
                for found in each.get("licenses", [])
            )  # fmt: skip
            purl = each.get("purl", f"pkg:generic/{each['name']}@{each.get('version', '')}")
            yield purl.partition("?")[0], each["name"], each.get("version", ""), said


def _libraries(names: list[str], own: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Shared libraries that a tool copied into the wheel: of unknown origin, unless it says."""
    for name in names:
        if found := re.fullmatch(r"[^/]+\.libs/(lib[^/]+?)(-[0-9a-f]{8})?\.so[.\d]*", name):
            yield f"pkg:generic/{own.lower()}/{found[1]}", found[1], "", ()


def _noted(out: Path, wheel: Wheel) -> str:
    if not wheel.rights:
        return ""
    target = out / "licences" / "python" / f"{wheel.purl.removeprefix('pkg:pypi/')}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(wheel.rights)
    return target.relative_to(out).as_posix()


def _controller_wheels() -> Path:
    """Of requirements-cluster.lock, for Debian 13's Python; made anew when the lock changes."""
    script = HERE / "wheels.sh"
    inputs = hashlib.sha256(LOCK.read_bytes() + script.read_bytes()).hexdigest()[:12]
    wanted = cache() / f"controller-{inputs}"
    if not wanted.exists():
        aside = _fresh(wanted)
        arguments = ["wheels", "/run/requirements.lock"]
        run_in_wheel_tree(script, arguments, {LOCK: "/run/requirements.lock"},
                          {aside: "/run/out"}, {})  # fmt: skip
        lines = []
        for file in sorted(aside.glob("*.whl")):
            wheel = read_wheel(file)
            lines.append(f"{wheel.name}=={wheel.version} --hash=sha256:{sha256_of(file)}\n")
        (aside / "requirements.txt").write_text("".join(lines))
        aside.rename(wanted)
    return wanted


def _source(out: Path, wheel: Wheel) -> tuple[str, ...]:
    """Its source distribution, if the lock of the hosts or of the controller names its hash."""
    wanted = cache() / f"sdist-{wheel.purl.removeprefix('pkg:pypi/')}"
    if not wanted.exists():
        requirement = _locked(wheel)
        if not requirement:
            return ()
        aside = _fresh(wanted)
        asked = aside.with_suffix(".txt")
        asked.write_text(requirement)
        given = {asked: "/run/requirements.lock"}
        arguments = ["sources", "/run/requirements.lock"]
        run_in_wheel_tree(HERE / "wheels.sh", arguments, given, {aside: "/run/out"}, {})
        asked.unlink()
        aside.rename(wanted)
    target = out / "sources" / "python"
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(wanted.iterdir()):
        shutil.copyfile(file, target / file.name)
    return tuple(f"sources/python/{file.name}" for file in sorted(wanted.iterdir()))


def _locked(wheel: Wheel) -> str:
    """The lock's entry, its hashes included; "" if none has it."""
    name = wheel.purl.removeprefix("pkg:pypi/").replace("@", "==")
    for lock in (LOCK, LOCK.with_name("requirements-host.lock")):
        text = lock.read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if line.partition(" ")[0].partition(";")[0] == name:
                return line + "\n"
    return ""


def _fresh(wanted: Path) -> Path:
    aside = wanted.with_name(f".making-{wanted.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    return aside
