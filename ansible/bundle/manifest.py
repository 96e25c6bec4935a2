"""SHA256SUMS over everything, and a signature of it that OpenSSH verifies.

Invariant: a signed list names every file, so a bundle that verifies has no byte, no file more and
none less than what was signed. verify.sh checks it on a host without any of this.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from bundle.parts import sha256_of

__all__ = ["IDENTITY", "SUMS", "VERIFY", "files_of", "new_key", "sign", "signers_line", "sums_text"]

SUMS = "SHA256SUMS"
# Who signs, and for what: a signature made for another purpose is none for a bundle.
IDENTITY = "stowbay-bundle"
VERIFY = Path(__file__).parents[1] / "roles/bundle/files/verify.sh"
# What sha256sum's list and a shell take without quoting.
_NAME = re.compile(r"[A-Za-z0-9._+~@%=:,/!-]+")


def files_of(root: Path) -> list[str]:
    """Every file as a relative path, sorted. A link or a strange name is a ValueError."""
    found = []
    for each in sorted(root.rglob("*")):
        name = each.relative_to(root).as_posix()
        if each.is_symlink() or not (each.is_file() or each.is_dir()):
            raise ValueError(f"neither file nor folder: {name}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"a name that a list of sums can't hold plainly: {name!r}")
        if each.is_file():
            found.append(name)
    return sorted(found)


def sums_text(root: Path) -> str:
    """One line a file, but for the list itself and its signature."""
    listed = [each for each in files_of(root) if each not in {SUMS, f"{SUMS}.sig"}]
    return "".join(f"{sha256_of(root / each)}  {each}\n" for each in listed)


def sign(root: Path, key: Path) -> None:
    """Write SHA256SUMS and its signature by the private key (or by the agent that holds it)."""
    (root / SUMS).write_text(sums_text(root))
    (root / f"{SUMS}.sig").unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", IDENTITY, str(root / SUMS)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def new_key(key: Path) -> None:
    """An Ed25519 pair, made where there is none; the private one for its owner alone."""
    if key.exists():
        return
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", IDENTITY, "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    key.chmod(0o600)


def signers_line(public: str) -> str:
    """The line of ssh-keygen's allowed_signers that lets this public key sign bundles."""
    kind, text = public.split()[:2]
    return f'{IDENTITY} namespaces="{IDENTITY}" {kind} {text}\n'
