"""Where a password comes from: the same for both commands."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import pytest

from appliance.cli.password import password
from appliance.client.errors import LocalFault


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\nwhat it is for\n", "secret"),
        (b" se cret \n", " se cret "),
        ("pässwört\n".encode(), "pässwört"),
        (b"a\rb\n", "a\rb"),
        (b"", ""),
        (b"\nsecret\n", ""),
    ],
)
def test_a_file_s_first_line(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    assert password(str(tmp_path / "f"), "Password") == expected


def test_standard_input_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("old one\nnew one\n"))
    assert password("-", "Present password") == "old one"
    assert password("-", "New password", twice=True) == "new one"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalFault, match="missing"):
        password(str(tmp_path / "missing"), "Password")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\n")
    with pytest.raises(LocalFault, match="bytes isn't text"):
        password(str(tmp_path / "bytes"), "Password")


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    with pytest.raises(click.UsageError, match="--password-file"):
        password(None, "Password")


@pytest.mark.parametrize("module", ["admin", "login", "passwd"])
def test_every_command_takes_it_from_here(module: str) -> None:
    """A second reading of password files would be a second rule."""
    source = (
        Path(__file__).resolve().parents[3] / "appliance" / "cli" / f"{module}.py"
    ).read_text()
    assert "password import password" in source
    assert "hide_input" not in source
