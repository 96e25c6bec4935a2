"""debian:trixie-slim without a registry: debootstrap's tree as a tar file, made once and kept."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster.base_image import lock, mirror_of
from tests.cluster.places import cache

__all__ = ["base_tar"]

SUITE = "trixie"


def base_tar() -> Path:
    """Root's; one that is cut off leaves no half file."""
    wanted = cache().parent / "compose" / f"debian-{SUITE}-slim.tar"
    with lock("compose-base"):
        if not wanted.exists():
            wanted.parent.mkdir(parents=True, exist_ok=True)
            print(f"debootstrap {SUITE}, once; a minute ...", flush=True)
            with tempfile.TemporaryDirectory(dir=wanted.parent, prefix=".making-") as place:
                _make(Path(place, "tree"), Path(place, "tar"))
                Path(place, "tar").rename(wanted)
    return wanted


def _make(tree: Path, tar: Path) -> None:
    mirror, security = mirror_of("debian"), mirror_of("debian-security")
    _run("debootstrap", "--variant=minbase", SUITE, str(tree), mirror)
    sources = tree / "etc/apt/sources.list"
    sources.write_text(
        f"deb {mirror} {SUITE} main\ndeb {mirror} {SUITE}-updates main\n"
        f"deb {security} {SUITE}-security main\n"
    )
    # What the slim image leaves out; a package's files still say whose they are.
    slim = "".join(
        f"path-exclude {path}\n"
        for path in ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
    )
    (tree / "etc/dpkg/dpkg.cfg.d/slim").write_text(
        f"{slim}path-include /usr/share/doc/*/copyright\n"
    )
    for kept in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(tree / kept)
        (tree / kept / "partial").mkdir(parents=True)
    _run("tar", "--numeric-owner", "-C", str(tree), "-cf", str(tar), ".")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
