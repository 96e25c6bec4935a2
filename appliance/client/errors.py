"""What can go wrong on this side of the network, beside the codes that the server answers.

    Problem
    ├── Unreachable          unreachable           no connection, or it broke too often
    ├── CertificateRefused   certificate-refused   the server isn't the one of the profile
    ├── NotSignedIn          not-signed-in         there is no profile yet
    ├── FileChanged          file-changed          while it was being read
    ├── LocalFault           local-fault           the operating system refused
    │   └── DiskFull         disk-full
    ├── NotStored            not-stored            a kind of file, or a name, that isn't kept
    ├── InTheWay             in-the-way            something else has this name at the destination
    ├── ChunkMismatch        chunk-mismatch        other bytes than the fingerprint says arrived
    └── Protocol             protocol              an answer that makes no sense

They are Problems, so that one table maps every code to an exit code (appliance.cli.exits).
"""

from __future__ import annotations

import errno
import os

from appliance.domain.errors import Problem

__all__ = [
    "ALL_LOCAL",
    "CertificateRefused",
    "ChunkMismatch",
    "DiskFull",
    "FileChanged",
    "InTheWay",
    "LocalFault",
    "NotSignedIn",
    "NotStored",
    "Protocol",
    "Unreachable",
    "from_os",
]


class Unreachable(Problem):
    code = "unreachable"
    title = "The server can't be reached"


class CertificateRefused(Problem):
    code = "certificate-refused"
    title = "The server's certificate isn't trusted"


class NotSignedIn(Problem):
    code = "not-signed-in"
    title = "Sign in first: stowbay login URL"


class FileChanged(Problem):
    """Nothing was committed: what the server would have shown never existed as one file."""

    code = "file-changed"
    title = "The file changed while it was being read; put it again when it is quiet"


class LocalFault(Problem):
    code = "local-fault"
    title = "The operating system refused"


class DiskFull(LocalFault):
    code = "disk-full"
    title = "The local disk is full"


class NotStored(Problem):
    code = "not-stored"
    title = "This kind of file isn't stored"


class InTheWay(Problem):
    code = "in-the-way"
    title = "Something else has this name at the destination"


class ChunkMismatch(Problem):
    code = "chunk-mismatch"
    title = "Bytes arrived that aren't the ones that were stored"


class Protocol(Problem):
    code = "protocol"
    title = "The server gave an answer that this client doesn't understand"


ALL_LOCAL: dict[str, type[Problem]] = {
    kind.code: kind
    for kind in (
        Unreachable,
        CertificateRefused,
        NotSignedIn,
        FileChanged,
        LocalFault,
        DiskFull,
        NotStored,
        InTheWay,
        ChunkMismatch,
        Protocol,
    )
}


def from_os(error: OSError, path: str | os.PathLike[str] | None = None) -> LocalFault:
    """The operating system's refusal, with the file that it is about."""
    name = os.fspath(path) if path is not None else error.filename
    reason = error.strerror or str(error)
    detail = f"{printable(str(name))}: {reason}." if name else f"{reason}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(detail)
    return LocalFault(detail)


def printable(text: str) -> str:
    """A local name on any terminal: undecodable bytes and control characters are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )
