"""A password's bcrypt hash that stays the same from run to run, for web.yml of Prometheus.

Ansible's password_hash needs a Python package for bcrypt; libcrypt is on every Debian. The salt
comes from names that are no secret: it must differ between clusters and must not change.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
from collections.abc import Callable

_COST = 10  # a tenth of a second: Prometheus checks it once and remembers


def bcrypt(password: str, *names: str) -> str:
    """`names` make the salt; passwords over 72 bytes are refused, as bcrypt would cut them."""
    if not password or len(password.encode()) > 72:
        raise ValueError("bcrypt takes passwords of 1 to 72 bytes")
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    # 128 bits in 22 characters: of the last one only four values are valid, "e" is one of them.
    salt = hashlib.sha256("\n".join(names).encode()).hexdigest()[:21] + "e"
    found: bytes | None = library.crypt(password.encode(), f"$2b${_COST}${salt}".encode())
    if found is None or not found.startswith(b"$2b$"):
        raise RuntimeError("this machine's libcrypt has no bcrypt")
    return found.decode()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"stowbay_bcrypt": bcrypt}
