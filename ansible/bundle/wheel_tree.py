"""An unbooted Debian 13 in which wheels for its Python are made and fetched, by pip with hashes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.base_image import in_tree, installed_tree
from tests.cluster.places import REPOSITORY

__all__ = ["run_in_wheel_tree"]

_HERE = REPOSITORY / "ansible" / "release"


def run_in_wheel_tree(
    script: Path,
    arguments: list[str],
    binds: Mapping[Path, str],
    writable: Mapping[Path, str],
    settings: Mapping[str, str],
) -> None:
    """The script, with the arguments, environment settings and folders it is given. Needs root."""
    tree = installed_tree("wheels", _HERE / "packages.txt", _HERE / "prepare.sh")
    told = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    # Companies have authorities and mirrors of their own: pip is told of them as here.
    told |= {"PIP_CERT": "/run/authorities.crt", "PIP_CONFIG_FILE": "/run/pip.conf"}
    told.pop("PIP_FIND_LINKS", None)
    pip = Path("/etc/pip.conf")
    given = {
        script: "/run/script.sh",
        Path("/etc/ssl/certs/ca-certificates.crt"): "/run/authorities.crt",
        pip if pip.exists() else Path("/dev/null"): "/run/pip.conf",
    }
    pairs = [f"{key}={value}" for key, value in {**told, **settings}.items()]
    command = ["env", *pairs, "/bin/bash", "/run/script.sh", *arguments]
    in_tree(tree, command, {**given, **binds}, writable=writable)
