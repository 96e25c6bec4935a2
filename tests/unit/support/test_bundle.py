"""The archive and its manifest: bounded, complete about what is missing, and never over a file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.domain.errors import Conflict
from appliance.support.archive import write_archive
from appliance.support.bundle import Bundle
from appliance.support.entries import LeftOut, Raw
from appliance.support.redaction import Redacted, Redactor

AT = datetime(2026, 11, 22, 18, tzinfo=UTC)
SECRET = "hunter2-hunter2"


def manifest(bundle: Bundle) -> dict[str, object]:
    text = bundle.manifest(version="0.1.0", installation="one machine", at=AT, since=AT)
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor([SECRET], [], b"k" * 32)


def test_the_manifest_says_what_is_in_it_and_what_is_not(redactor: Redactor) -> None:
    bundle = Bundle(redactor)
    raw = Raw("logs/a.log", f"/var/{SECRET}/a.log", f"x {SECRET} y\n", left_out={"body": 2})
    bundle.take([raw, LeftOut("/etc/b", f"no {SECRET}")])
    told = manifest(bundle)
    content = bundle.files["logs/a.log"]
    assert told["entries"] == [
        {
            "name": "logs/a.log",
            "source": "/var/[redacted:known-secret]/a.log",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "redacted": {"known-secret": 1},
            "left_out": {"body": 2},
        }
    ]
    assert told["left_out"] == [{"source": "/etc/b", "why": "no [redacted:known-secret]"}]
    assert told["limits"] == {"entry_bytes": 4 << 20, "bundle_bytes": 96 << 20}


def test_of_a_log_the_end_is_kept_of_all_else_the_beginning(redactor: Redactor) -> None:
    text = "".join(f"line {n:03}\n" for n in range(100))
    bundle = Bundle(redactor, largest_entry=100)
    bundle.take([Raw("a", "a", text, newest=True, cut_bytes=7), Raw("b", "b", text)])
    assert bundle.files["a"].startswith(b"line 089\n") and bundle.files["a"].endswith(b"line 099\n")
    assert bundle.files["b"].startswith(b"line 000\n") and bundle.files["b"].endswith(b"\n")
    one, other = manifest(bundle)["entries"]  # type: ignore[misc]
    assert (one["kept"], other["kept"]) == ("the end", "the beginning")
    assert one["cut_bytes"] == len(text) - len(bundle.files["a"]) + 7
    assert other["cut_bytes"] == len(text) - len(bundle.files["b"])


def test_a_full_bundle_takes_no_more_and_says_so(redactor: Redactor) -> None:
    bundle = Bundle(redactor, largest_bundle=10)
    bundle.take([Raw("a", "a", "12345678\n"), Raw("b", "b", "12345678\n"), Raw("c", "c", "1")])
    assert set(bundle.files) == {"a", "c"}
    assert manifest(bundle)["left_out"] == [{"source": "b", "why": "the bundle is full: 10 bytes"}]


class Careless(Redactor):
    """Takes nothing out."""

    def redact(self, text: str) -> Redacted:
        return Redacted(text)


def test_what_still_holds_a_secret_is_not_written() -> None:
    bundle = Bundle(Careless([SECRET], [], b"k" * 32))
    bundle.take([Raw("a", "of a", f"x {SECRET}"), Raw("b", "of b", "harmless")])
    assert set(bundle.files) == {"b"}
    (left_out,) = manifest(bundle)["left_out"]  # type: ignore[misc]
    assert left_out["source"] == "of a"


def test_two_of_one_name_are_both_kept(redactor: Redactor) -> None:
    bundle = Bundle(redactor)
    bundle.take([Raw("a", "1", "one"), Raw("a", "2", "two")])
    assert bundle.files == {"a": b"one", "a.2": b"two"}


def test_the_archive_is_private_and_holds_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    old = os.umask(0)
    try:
        write_archive(path, "b", {"manifest.json": b"{}", "logs/x": b"y"}, AT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive.getmembers()}
        assert set(members) == {"b/manifest.json", "b/logs/x"}
        for member in members.values():
            assert (member.mode, member.uid, member.uname) == (0o600, 0, "")
        content = archive.extractfile("b/logs/x")
        assert content is not None and content.read() == b"y"


def test_another_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_text("mine")
    with pytest.raises(Conflict):
        write_archive(path, "b", {"a": b"x"}, AT)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_fails_leaves_nothing(tmp_path: Path) -> None:
    files = {"a": b"x", "b": None}
    with pytest.raises(TypeError):
        write_archive(tmp_path / "b.tar.gz", "b", files, AT)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
