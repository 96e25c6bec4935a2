"""What a person sees of a transfer: a live rate on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from pathlib import Path

from .instance import BIN, User

MIB = 1 << 20
_ESCAPE = b"\x1b"


def _big(tmp_path: Path) -> Path:
    place = tmp_path / "big"
    place.write_bytes(os.urandom(30 * MIB))
    return place


def _on_a_terminal(user: User, *args: str | Path) -> tuple[int, bytes, bytes]:
    """Exit code, standard output, and what a terminal at standard error was sent."""
    user.sign_in_client()
    master, slave = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(master, 65536):
                shown.append(piece)
        except OSError:  # the last writer is gone
            pass

    try:
        running = subprocess.Popen(
            [str(BIN / "stowbay"), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=slave,
            env=user.client_env() | {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40"},
        )
    finally:
        os.close(slave)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        out, _ = running.communicate(timeout=120)
    finally:
        running.kill()
        reader.join(10)
        os.close(master)
    return running.returncode, out, b"".join(shown)


def test_a_terminal_shows_a_rate(user: User, tmp_path: Path) -> None:
    code, out, shown = _on_a_terminal(user, "put", _big(tmp_path), "/big")
    assert code == 0, shown
    assert _ESCAPE in shown
    assert b"B/s" in shown
    assert b"MiB" in shown
    assert _ESCAPE not in out, "standard output isn't the terminal"
    assert b"1 files sent" in out


def test_elsewhere_there_is_no_escape(user: User, tmp_path: Path) -> None:
    place = _big(tmp_path)
    for arguments in (("put", place, "/big"), ("get", "/big", tmp_path / "back")):
        done = user.stowbay(*arguments)
        assert _ESCAPE not in done.stderr + done.stdout
    assert (tmp_path / "back").read_bytes() == place.read_bytes()


def test_quiet_is_quiet_on_a_terminal_too(user: User, tmp_path: Path) -> None:
    code, out, shown = _on_a_terminal(user, "put", "--quiet", _big(tmp_path), "/big")
    assert (code, out, shown) == (0, b"", b"")
