"""`make release`: everything a host installs, in one folder for the role `release`.

var/release/stowbay-VERSION-py3.13 holds a wheel of Stowbay and of each package it needs,
requirements.txt with the hash of each of these files (so a host installs with --no-index
--require-hashes, reaching no registry), and SHA256SUMS over all. Wheels are made on Debian 13:
this machine if it is one, else an unbooted tree as the lab makes them (that needs root), or with
--in-container a container.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import container

from bundle.wheel_tree import run_in_wheel_tree
from tests.cluster.base_image import lock
from tests.cluster.inventory import release_folder
from tests.cluster.places import REPOSITORY

HERE = Path(__file__).parent
SOURCES = ("appliance", "pyproject.toml", "README.md", "LICENSE", "requirements-host.lock")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-container", action="store_true", help="Docker instead of a tree")
    given = parser.parse_args()
    with lock("release"):
        return _make(given.in_container)


def _make(in_container: bool) -> int:
    release = Path(release_folder())
    stamp = release.with_name(f".{release.name}.inputs")
    files = _files()
    wanted = _inputs(files)
    if release.exists() and stamp.exists() and stamp.read_text() == wanted:
        print(f"{release} is as it must be")
        return 0
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    print(f"making {release} ...", flush=True)
    with tempfile.TemporaryDirectory(dir=release.parent, prefix=".making-") as place:
        source, out = Path(place, "source"), Path(place, "out")
        out.mkdir()
        for each in files:
            (source / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / each, source / each)
        _build(source, out, in_container)
        _describe(out)
        shutil.rmtree(release, ignore_errors=True)
        out.rename(release)
    stamp.write_text(wanted)
    print(f"made {release}")
    return 0


def _files() -> list[Path]:
    """The sources as they stand here, committed or not; never what git is told to ignore."""
    known = ["--cached", "--others", "--exclude-standard"]
    command = ["git", "ls-files", "-z", *known, "--", *SOURCES]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    named = sorted(set(listed.decode().split("\0")) - {""})
    return [Path(each) for each in named if (REPOSITORY / each).exists()]


def _inputs(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for each in [*(REPOSITORY / each for each in files), *sorted(HERE.iterdir())]:
        if each.is_file():
            digest.update(f"{each.name}\0".encode() + each.read_bytes() + b"\0")
    return digest.hexdigest()


def _build(source: Path, out: Path, in_container: bool) -> None:
    # The wheel's files carry the time of the last commit: the same sources, the same bytes.
    command = ["git", "log", "-1", "--format=%ct", "--", *SOURCES]
    time = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    settings = {"SOURCE_DATE_EPOCH": time.stdout.strip()}
    script = HERE / "wheels.sh"
    if in_container:
        binds = {script: "/run/wheels.sh", source: "/run/source"}
        inside = ["/bin/bash", "/run/wheels.sh", "/run/source", "/run/out"]
        container.in_container(inside, binds, {out: "/run/out"}, settings)
        return
    if _builds_here():
        command = ["/bin/bash", str(script), str(source), str(out)]
        subprocess.run(command, env=os.environ | settings, check=True)
        return
    if os.geteuid() != 0:
        raise SystemExit(
            "wheels for Debian 13 are made on Debian 13, by root in a tree of it, or with"
            " --in-container in a container of it"
        )
    given = {source: "/run/source"}
    run_in_wheel_tree(script, ["/run/source", "/run/out"], given, {out: "/run/out"}, settings)


def _builds_here() -> bool:
    release = Path("/etc/os-release").read_text()
    has_headers = Path("/usr/include/python3.13/Python.h").exists() and shutil.which("gcc")
    return "VERSION_CODENAME=trixie" in release and bool(has_headers)


def _describe(out: Path) -> None:
    sums = {each: hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted(out.iterdir())}
    names = {each: each.name.split("-")[:2] for each in sums}
    lines = [
        f"{name}=={version} --hash=sha256:{sums[each]}\n" for each, (name, version) in names.items()
    ]
    requirements = out / "requirements.txt"
    requirements.write_text("".join(lines))
    sums[requirements] = hashlib.sha256(requirements.read_bytes()).hexdigest()
    text = "".join(f"{digest}  {each.name}\n" for each, digest in sums.items())
    (out / "SHA256SUMS").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
