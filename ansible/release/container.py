"""Where Docker is and Debian 13 isn't: what is made for it is made in a container of it.

The image has what packages.txt names. Companies have authorities and mirrors of their own: pip is
told of them as here. Only the standard library; `compose/trial` uses this file, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["in_container"]

HERE = Path(__file__).resolve().parent
IMAGE = "stowbay-builder"


def in_container(
    command: Sequence[str],
    binds: Mapping[Path, str],
    writable: Mapping[Path, str],
    settings: Mapping[str, str],
) -> None:
    """Run a command there; what it writes belongs to whoever runs this. CalledProcessError."""
    docker = shutil.which("docker") or "docker"
    subprocess.run([docker, "build", "--quiet", "--tag", IMAGE, str(HERE)], check=True)
    pip, authorities = Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt")
    told = {key: value for key, value in os.environ.items() if key.startswith("PIP_")} | settings
    told.pop("PIP_FIND_LINKS", None)
    read_only = dict(binds)
    if authorities.exists():
        read_only[authorities] = "/run/authorities.crt"
        told["PIP_CERT"] = "/run/authorities.crt"
    if pip.exists():
        read_only[pip] = "/run/pip.conf"
        told["PIP_CONFIG_FILE"] = "/run/pip.conf"
    options = [f"--volume={path}:{inside}:ro" for path, inside in read_only.items()]
    options += [f"--volume={path}:{inside}" for path, inside in writable.items()]
    options += [f"--env={key}={value}" for key, value in told.items()]
    options += [f"--user={os.getuid()}:{os.getgid()}", "--env=HOME=/tmp"]
    options += ["--cap-drop=ALL", "--security-opt=no-new-privileges"]
    subprocess.run([docker, "run", "--rm", *options, IMAGE, *command], check=True)
