"""Debian's part of the bundle: packages, their index, and the source of those that ask for it.

apt itself resolves, downloads and checks Debian's signatures, in an unbooted Debian 13. It is told
of a host that has nothing, so that the bundle also holds the base system's packages.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bundle.apt_index import packages_text, release_text
from bundle.deb import Deb, built_from, read_deb
from bundle.dep5 import licences_of, stanzas
from bundle.licences import Kind, kind_of, together
from bundle.parts import Part, sha256_of
from bundle.places import cache
from tests.cluster.base_image import in_tree, installed_tree, lock
from tests.cluster.places import cache as lab_cache

__all__ = ["collect", "stand_in"]

HERE = Path(__file__).parent
Source = tuple[str, str]


@dataclass(frozen=True)
class _Package:
    deb: Deb
    file: Path

    @property
    def name(self) -> str:
        """As in Debian's archive: without the epoch, which apt writes as %3a."""
        fields = self.deb.fields
        version = fields["Version"].rpartition(":")[2]
        return f"{fields['Package']}_{version}_{fields['Architecture']}.deb"

    @property
    def purl(self) -> str:
        fields = self.deb.fields
        named = f"pkg:deb/debian/{fields['Package']}@{fields['Version']}"
        return f"{named}?arch={fields['Architecture']}&distro=trixie"


def collect(out: Path, version: str, seconds: int) -> list[Part]:
    """Fill out/apt, out/sources/debian and out/licences/debian. `seconds` since the epoch is the
    repository's time."""
    place = cache() / "debian"
    (place / "sources").mkdir(parents=True, exist_ok=True)
    _fetch("packages", place)
    packages = _packages(place)
    _write_repository(packages, out / "apt", version, seconds)
    inside = _inside(packages)
    known = {_pair(line) for line in (place / "sources-known").read_text().split()}
    texts = _copyrights(packages)
    asking = {each.deb.source for each in packages if _asks(texts[each.name])}
    stand_ins = {each: near for each in inside if (near := stand_in(each, known))}
    shelf = _Shelf(place / "sources", out)
    _fetch_sources(place, shelf, asking | set(stand_ins.values()))
    found = [
        Part(
            purl=each.purl,
            name=each.deb.fields["Package"],
            version=each.deb.fields["Version"],
            licences=licences_of(texts[each.name]),
            file=f"apt/{each.name}",
            sha256=sha256_of(each.file),
            sources=shelf.placed(each.deb.source)
            if each.deb.source in asking and shelf.whole(each.deb.source)
            else (),
            notice=shelf.noted(each.deb.fields["Package"], texts[each.name]),
        )
        for each in packages
    ]
    for source, holders in sorted(inside.items()):
        there = stand_ins.get(source)
        there = there if there and shelf.whole(there) else None
        text = shelf.copyright(there) if there else ""
        same = there is not None and _upstream(there) == _upstream(source)
        found.append(
            Part(
                purl=f"pkg:deb/debian/{source[0]}@{source[1]}?arch=source&distro=trixie",
                name=source[0],
                version=source[1],
                licences=licences_of(text),
                sources=shelf.placed(there) if there and same and _asks(text) else (),
                holders=tuple(sorted(holders)),
                notice=shelf.noted(f"{source[0]}.source", text),
            )
        )
    return found


def stand_in(source: Source, known: Iterable[Source]) -> Source | None:
    """The source itself. Else, since Debian keeps no revision that was replaced before a release:
    another revision of the same upstream version, which has the same upstream source; else another
    version, which tells the licence and nothing more."""
    same = sorted(each for each in known if each[0] == source[0])
    if source in same:
        return source
    nearer = [each for each in same if _upstream(each) == _upstream(source)]
    return max(nearer or same, default=None)


def _upstream(source: Source) -> str:
    return source[1].rpartition("-")[0] or source[1]


def _asks(text: str) -> bool:
    """Whether its source goes along: also where nobody knows what is asked."""
    return together(map(kind_of, licences_of(text))) is not Kind.PERMISSIVE


def _fetch(what: str, place: Path) -> None:
    tree = installed_tree("apt", HERE / "packages.txt", HERE / "prepare.sh")
    lists = cache() / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    given = {HERE / "fetch.sh": "/run/fetch.sh", HERE / "packages.txt": "/run/packages.txt"}
    with lock("bake"):  # it uses the same kept packages
        in_tree(
            tree,
            ["/bin/bash", "/run/fetch.sh", what],
            given,
            writable={place: "/run/out", lists: "/var/lib/apt/lists"},
        )


def _fetch_sources(place: Path, shelf: _Shelf, wanted: Iterable[Source]) -> None:
    """Those that aren't here yet; apt would look at each again."""
    missing = [each for each in sorted(wanted) if not shelf.whole(each)]
    (place / "sources-wanted").write_text("".join(f"{n}={v}\n" for n, v in missing))
    if missing:
        _fetch("sources", place)


def _packages(place: Path) -> list[_Package]:
    """What apt resolved, each with the SHA-256 that Debian signed."""
    signed = {tuple(line.split()) for line in (place / "packages-known").read_text().splitlines()}
    found = []
    for name in (place / "packages").read_text().splitlines():
        each = _Package(read_deb(lab_cache() / "archives" / name), lab_cache() / "archives" / name)
        told = (each.deb.fields[field] for field in ("Package", "Version", "Architecture"))
        if (*told, sha256_of(each.file)) not in signed:
            raise SystemExit(f"{each.file} isn't what Debian signed; remove it")
        found.append(each)
    return sorted(found, key=lambda each: each.name)


def _write_repository(packages: list[_Package], folder: Path, version: str, seconds: int) -> None:
    folder.mkdir(parents=True)
    entries = []
    for each in packages:
        shutil.copyfile(each.file, folder / each.name)
        size = each.file.stat().st_size
        entries.append((each.deb.control, each.name, size, sha256_of(each.file)))
    index = packages_text(entries).encode()
    (folder / "Packages").write_bytes(index)
    (folder / "Release").write_text(release_text({"Packages": index}, version, seconds))


def _inside(packages: list[_Package]) -> dict[Source, set[str]]:
    """Sources linked into a package without being its own, with the purls of those packages."""
    own = {each.deb.source for each in packages}
    found: dict[Source, set[str]] = {}
    for each in packages:
        for source in built_from(each.deb.fields):
            if source not in own:
                found.setdefault(source, set()).add(each.purl)
    return found


def _copyrights(packages: list[_Package]) -> dict[str, str]:
    """By file name; a package whose documentation is a link has another's of its source."""
    shared: dict[Source, str] = {}
    for each in packages:
        if each.deb.copyright:
            shared.setdefault(each.deb.source, each.deb.copyright)
    return {each.name: each.deb.copyright or shared.get(each.deb.source, "") for each in packages}


def _dsc(folder: Path, source: Source) -> Path:
    name, version = source
    return folder / f"{name}_{version.rpartition(':')[2]}.dsc"


def _pair(line: str) -> Source:
    name, _, version = line.partition("=")
    return name, version


class _Shelf:
    """Downloaded sources, and the bundle that takes those it needs."""

    def __init__(self, kept: Path, out: Path) -> None:
        self._kept, self._out = kept, out

    def whole(self, source: Source) -> bool:
        """Whether all of it was to be had."""
        dsc = _dsc(self._kept, source)
        return dsc.exists() and all((self._kept / name).exists() for name in _named(dsc))

    def placed(self, source: Source) -> tuple[str, ...]:
        """Copy a source package into the bundle; its files there."""
        found = []
        for file in self._files(source):
            target = self._out / "sources" / "debian" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copyfile(file, target)
            found.append(target.relative_to(self._out).as_posix())
        return tuple(found)

    def noted(self, name: str, text: str) -> str:
        if not text:
            return ""
        target = self._out / "licences" / "debian" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target.relative_to(self._out).as_posix()

    def copyright(self, source: Source) -> str:
        """debian/copyright out of the source package; "" if it has none."""
        for file in self._files(source):
            if ".tar." in file.name and ".orig" not in file.name:
                with tarfile.open(file) as archive:
                    for each in archive:
                        if each.isfile() and each.name.endswith("debian/copyright"):
                            handle = archive.extractfile(each)
                            assert handle
                            return handle.read().decode("utf-8", "replace")
        return ""

    def _files(self, source: Source) -> list[Path]:
        """The .dsc and what it names, each with the hash that it says."""
        dsc = _dsc(self._kept, source)
        found = [dsc]
        for name, digest in _named(dsc).items():
            file = self._kept / name
            if sha256_of(file) != digest:
                raise SystemExit(f"{file} isn't what {dsc.name} says; remove both")
            found.append(file)
        return found


def _named(dsc: Path) -> dict[str, str]:
    """The files of a source package and their SHA-256; Debian's signature lies around the text."""
    text = re.sub(r"(?s)^-----BEGIN PGP SIGNED.*?\n\n|\n-----BEGIN PGP SIGNATURE.*", "",
                  dsc.read_text("utf-8"))  # fmt: skip
    fields = next(each for each in stanzas(text) if "Checksums-Sha256" in each)
    lines = [line.split() for line in fields["Checksums-Sha256"].splitlines() if line.strip()]
    return {name: digest for digest, _, name in lines}
