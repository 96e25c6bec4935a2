"""Standard output that takes all it is given."""

from __future__ import annotations

import io
import sys

__all__ = ["buffer_stdout"]


def buffer_stdout() -> None:
    """Under PYTHONUNBUFFERED Python's standard output writes once and forgets what a pipe didn't
    take, as when a stopped process goes on; a BufferedWriter writes the rest."""
    out = sys.stdout
    if out is not sys.__stdout__:
        return  # whoever calls `main` from Python has put its own there
    if isinstance(out, io.TextIOWrapper) and isinstance(out.buffer, io.RawIOBase):
        encoding, errors, lines = out.encoding, out.errors, out.isatty()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(out.detach()), encoding, errors, line_buffering=lines
        )
