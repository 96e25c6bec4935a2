"""Our own part: playbooks, documentation, and the source of our wheel, as they stand here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bundle.parts import Part
from bundle.places import REPOSITORY, version

__all__ = ["collect"]


def collect(out: Path) -> list[Part]:
    """Fill out/project with what git knows, and what it would take; never what it ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    for name in sorted(set(listed.decode().split("\0")) - {""}):
        file, target = REPOSITORY / name, out / "project" / name
        if file.is_symlink():
            raise SystemExit(f"{name} is a link: a bundle holds none")
        if file.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return [
        Part(
            purl=f"pkg:generic/stowbay@{version()}",
            name="stowbay",
            version=version(),
            licences=("Apache-2.0",),
            is_source=True,
            notice="project/LICENSE",
        )
    ]
