"""The Debian 13 tree that every host of every lab lies over: made once, then only read.

Two layers, each cached by the hash of what went into it: a bare Debian from debootstrap, and a
copy of it with packages.txt installed. Packages are kept, so a change of the list costs a minute.
A folder appears under its final name only when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.cluster.places import cache

__all__ = ["base_image", "in_tree", "installed_tree", "lock", "mirror_of", "prune_trees"]

HERE = Path(__file__).parent
SUITE = "trixie"
BARE = (
    "systemd,systemd-sysv,dbus,python3,python3-apt,iproute2,iputils-ping,openssh-server,"
    "ca-certificates,sudo,procps,kmod"
)


def base_image() -> Path:
    """The tree of the lab's hosts; bakes it when packages.txt or bake.sh changed."""
    return installed_tree("hosts", HERE / "packages.txt", HERE / "bake.sh")


def installed_tree(kind: str, packages: Path, script: Path) -> Path:
    """A copy of the bare tree in which the script ran, with packages at /run/packages.txt."""
    wanted = _place(kind, BARE.encode() + packages.read_bytes() + script.read_bytes())
    with lock("bake"):
        if not wanted.exists():
            bare = _bare_tree()
            _say(f"baking the tree {wanted.name}, once; a minute or two ...")
            with _aside(wanted) as tree:
                _run(["cp", "-a", "--reflink=auto", f"{bare}/.", str(tree)])
                binds = {packages: "/run/packages.txt", script: "/run/bake.sh"}
                in_tree(tree, ["/bin/bash", "/run/bake.sh"], binds)
    return wanted


def prune_trees() -> None:
    """Remove the trees that today's inputs don't make. Not while a lab runs: it may lie over
    one of them."""
    current = {base_image(), _bare_place()}
    with lock("bake"):
        for each in [*cache().glob("hosts-*"), *cache().glob("bare-*")]:
            if each not in current:
                shutil.rmtree(each)


def _bare_tree() -> Path:
    """Debian and nothing more, from the mirror that this machine's apt uses."""
    wanted = _bare_place()
    if not wanted.exists():
        _need_programs()
        _say(f"debootstrap {SUITE}, once; a minute ...")
        with _aside(wanted) as tree:
            options = ["--variant=minbase", f"--include={BARE}"]
            _run(["debootstrap", *options, SUITE, str(tree), mirror_of("debian")])
            (tree / "etc/apt/sources.list").write_text(_sources_text())
    return wanted


def _bare_place() -> Path:
    return _place("bare", (SUITE + BARE).encode())


def _place(kind: str, inputs: bytes) -> Path:
    return cache() / f"{kind}-{hashlib.sha256(inputs).hexdigest()[:12]}"


def in_tree(
    tree: Path,
    command: list[str],
    binds: Mapping[Path, str],
    writable: Mapping[Path, str] | None = None,
) -> None:
    """Run a command in an unbooted tree, with this machine's network and kept packages."""
    archives = cache() / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    given = [f"--bind-ro={path}:{inside}" for path, inside in binds.items()]
    given += [f"--bind={path}:{inside}" for path, inside in (writable or {}).items()]
    options = ["-q", "-D", str(tree), "--register=no", "--keep-unit", "--pipe", "--timezone=off"]
    options += ["--resolv-conf=replace-host", "--as-pid2", "--link-journal=no"]
    kept = f"--bind={archives}:/var/cache/apt/archives"
    _run(["systemd-nspawn", *options, kept, *given, *command])


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """One at a time on this machine; the lock goes with the process."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another that holds the lock {name!r} ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sources_text() -> str:
    mirror, security = mirror_of("debian"), mirror_of("debian-security")
    return (
        f"deb {mirror} {SUITE} main\ndeb {mirror} {SUITE}-updates main\n"
        f"deb {security} {SUITE}-security main\n"
    )


def mirror_of(archive: str, settings: Path = Path("/etc/apt")) -> str:
    """Where this machine's apt gets one of Debian's archives (`debian`, `debian-security`), in
    either format of its sources; else the mirror for everybody."""
    places = (
        rf"(?m)^(?:URIs:|deb)[ \t]+(?:\[.*\][ \t]+)?(?:\S+[ \t]+)*?(https?://\S+/{archive})/?(?=\s)"
    )
    for each in sorted(settings.glob("sources.list*")):
        files = [each] if each.is_file() else sorted(each.iterdir())
        for file in files:
            if file.suffix in {".list", ".sources"} and (found := re.search(places, _text(file))):
                return found.group(1)
    return f"http://deb.debian.org/{archive}"


def _text(file: Path) -> str:
    """As apt reads it: what a comment names counts for nothing, and a last line needs no end."""
    return re.sub(r"(?m)#.*$", "", file.read_text()) + "\n"


def _need_programs() -> None:
    """systemd-nspawn, debootstrap and ssh on this machine; with apt if they aren't there."""
    packages = {
        "systemd-nspawn": "systemd-container",
        "debootstrap": "debootstrap",
        "ssh-keygen": "openssh-client",
        "nft": "nftables",
        "ip": "iproute2",
        "nsenter": "util-linux",
    }
    missing = [package for program, package in packages.items() if not shutil.which(program)]
    if missing:
        _say(f"installing Debian packages on this machine: {' '.join(missing)}")
        _run(["apt-get", "update", "-q"])
        _run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing])


@contextlib.contextmanager
def _aside(wanted: Path) -> Iterator[Path]:
    tree = wanted.with_name(f".making-{wanted.name}")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    try:
        yield tree
        tree.rename(wanted)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")


def _say(text: str) -> None:
    print(f"lab: {text}", flush=True)
