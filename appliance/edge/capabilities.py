"""What the nginx and njs of this machine can do: the one place where versions are compared.

Debian 12 ships nginx 1.22 with njs 0.7.9, Debian 13 nginx 1.26 with njs 0.8.9; one template
serves both. Sources: the change logs of nginx and njs.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.errors import Problem

__all__ = [
    "BOOKWORM",
    "TRIXIE",
    "Capabilities",
    "EdgeUnusable",
    "Version",
    "capabilities",
    "probe",
]

Version = tuple[int, ...]
MODULE = "ngx_http_js_module.so"
_OLDEST_NGINX: Version = (1, 22, 0)
_OLDEST_NJS: Version = (0, 7, 9)


class EdgeUnusable(Problem):
    """The machine's nginx or njs is missing or too old; the text says which."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    nginx: Version
    njs: Version
    http2_directive: bool  # "http2 on;" instead of a word in "listen" (nginx 1.25.1)
    ticket_dictionary: bool  # js_shared_dict_zone (njs 0.8.0)
    js_set_nocache: bool  # a js_set evaluated at each use (njs 0.8.6)
    raw_key_points: (
        bool  # EC public keys imported as 65-byte points (known of 0.8, missing in 0.7.9)
    )


def capabilities(nginx: Version, njs: Version) -> Capabilities:
    if nginx < _OLDEST_NGINX or njs < _OLDEST_NJS:
        found = f"nginx {_text(nginx)} with njs {_text(njs)}"
        needed = f"nginx {_text(_OLDEST_NGINX)} with njs {_text(_OLDEST_NJS)}"
        raise EdgeUnusable(f"{found} is too old; the edge needs {needed} or later")
    return Capabilities(
        nginx,
        njs,
        http2_directive=nginx >= (1, 25, 1),
        ticket_dictionary=njs >= (0, 8, 0),
        js_set_nocache=njs >= (0, 8, 6),
        raw_key_points=njs >= (0, 8, 0),
    )


BOOKWORM = capabilities((1, 22, 1), (0, 7, 9))
TRIXIE = capabilities((1, 26, 3), (0, 8, 9))


def probe(nginx: str, modules_dir: Path) -> Capabilities:
    """Ask the program for its version, and read njs's out of its module.

    The module has no call that tells its version outside a running configuration; it holds it
    as a plain string (the value of `njs.version`), among others that nginx's own may be one of.
    """
    try:
        told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True)
        module = (modules_dir / MODULE).read_bytes()
    except (OSError, subprocess.CalledProcessError) as error:
        raise EdgeUnusable(f"nginx with its njs module isn't installed: {error}") from error
    named = re.search(r"nginx/(\d+(?:\.\d+)+)", told.stderr)
    versions = re.findall(rb"(?<![\d.])(0\.\d{1,2}\.\d{1,2})\x00", module)
    if named is None or not versions:
        raise EdgeUnusable("the version of nginx or of its njs module can't be told")
    return capabilities(_version(named[1]), max(_version(text.decode()) for text in versions))


def _version(text: str) -> Version:
    return tuple(int(number) for number in text.split("."))


def _text(version: Version) -> str:
    return ".".join(str(number) for number in version)
