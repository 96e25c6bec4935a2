"""A bundle is exactly what was signed, or it is refused: by plain sh, ssh-keygen and coreutils."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.manifest import SUMS, VERIFY, files_of, new_key, sign, signers_line, sums_text


@dataclass(frozen=True)
class Signed:
    folder: Path
    key: Path
    signers: Path

    def verified(self) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(VERIFY), str(self.folder), str(self.signers)]
        return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    made = Signed(tmp_path / "bundle", tmp_path / "keys" / "ed25519", tmp_path / "allowed_signers")
    (made.folder / "apt").mkdir(parents=True)
    (made.folder / "apt" / "thing_1~rc1+b2_amd64.deb").write_bytes(b"thing")
    (made.folder / "README.md").write_text("read me\n")
    new_key(made.key)
    made.signers.write_text(signers_line(made.key.with_name("ed25519.pub").read_text()))
    sign(made.folder, made.key)
    return made


def test_what_was_signed_passes(signed: Signed) -> None:
    done = signed.verified()
    assert (done.returncode, done.stderr) == (0, "")


def test_the_key_is_its_owners_alone_and_made_once(signed: Signed) -> None:
    assert signed.key.stat().st_mode & 0o777 == 0o600
    before = signed.key.read_bytes()
    new_key(signed.key)
    assert signed.key.read_bytes() == before


def test_the_same_files_have_the_same_signature(signed: Signed) -> None:
    before = (signed.folder / f"{SUMS}.sig").read_bytes()
    sign(signed.folder, signed.key)
    assert (signed.folder / f"{SUMS}.sig").read_bytes() == before


def change_a_byte(signed: Signed) -> None:
    (signed.folder / "apt" / "thing_1~rc1+b2_amd64.deb").write_bytes(b"thinG")


def add_a_file(signed: Signed) -> None:
    (signed.folder / "apt" / "other.deb").write_bytes(b"")


def add_a_hidden_file(signed: Signed) -> None:
    (signed.folder / ".hidden").write_bytes(b"")


def add_a_file_with_a_listed_name_in_its_name(signed: Signed) -> None:
    (signed.folder / "a\nREADME.md").write_bytes(b"")


def add_a_file_that_would_rewrite_the_line(signed: Signed) -> None:
    (signed.folder / "a\r\x1b[2K\x1b[1mall is well\x9b\u202e\x07").write_bytes(b"")


def put_a_pipe_that_would_rewrite_the_line(signed: Signed) -> None:
    os.mkfifo(signed.folder / "b\r\x1b[2Kall is well")


def take_a_file_away(signed: Signed) -> None:
    (signed.folder / "README.md").unlink()


def put_a_link_in_its_place(signed: Signed) -> None:
    file = signed.folder / "README.md"
    file.rename(signed.folder.parent / "README.md")
    file.symlink_to(signed.folder.parent / "README.md")


def change_the_list_too(signed: Signed) -> None:
    change_a_byte(signed)
    (signed.folder / SUMS).write_text(sums_text(signed.folder))


def take_the_signature_away(signed: Signed) -> None:
    (signed.folder / f"{SUMS}.sig").unlink()


def sign_by_another_key(signed: Signed) -> None:
    other = signed.key.with_name("other")
    new_key(other)
    change_a_byte(signed)
    sign(signed.folder, other)


def sign_for_another_purpose(signed: Signed) -> None:
    (signed.folder / f"{SUMS}.sig").unlink()
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(signed.key), "-n", "file",
               str(signed.folder / SUMS)]  # fmt: skip
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (change_a_byte, "files have changed: apt/thing_1~rc1+b2_amd64.deb"),
        (add_a_file, "files that nobody signed: ./apt/other.deb"),
        (add_a_hidden_file, "files that nobody signed: ./.hidden"),
        (add_a_file_with_a_listed_name_in_its_name, "files that nobody signed"),
        (add_a_file_that_would_rewrite_the_line, "signed: ./a??[2K?[1mall is well??????"),
        (put_a_pipe_that_would_rewrite_the_line, "neither file nor folder: ./b??[2Kall is well"),
        (take_a_file_away, "files are missing: ./README.md"),
        (put_a_link_in_its_place, "neither file nor folder: ./README.md"),
        (change_the_list_too, "isn't signed by a key of"),
        (take_the_signature_away, "there is no SHA256SUMS.sig"),
        (sign_by_another_key, "isn't signed by a key of"),
        (sign_for_another_purpose, "isn't signed by a key of"),
    ],
)
def test_meddling_is_refused(signed: Signed, meddle: Callable[[Signed], None], why: str) -> None:
    meddle(signed)
    done = signed.verified()
    assert done.returncode == 1
    assert done.stderr.startswith("REFUSED: ") and why in done.stderr, done.stderr
    assert all(each == "\n" or " " <= each <= "~" for each in done.stderr), done.stderr


def test_wrong_calls_are_told_apart(signed: Signed) -> None:
    done = subprocess.run(["sh", str(VERIFY), str(signed.folder)], capture_output=True)
    assert done.returncode == 2


@pytest.mark.parametrize("name", ["with space", "with\nline", "dollar$"])
def test_names_that_a_list_cannot_hold_are_never_signed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="plainly"):
        files_of(tmp_path)


def test_links_are_never_signed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="neither file nor folder"):
        files_of(tmp_path)
