"""`stowbay get` when the store, the disk or the ticket lets it down: nothing wrong in place."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from . import protocol as p
from .inside import object_keys, overwrite
from .instance import BIN, User, tree

MIB = 1 << 20


@pytest.mark.parametrize("size", [4000, 23 * MIB], ids=["small", "large"])
def test_other_bytes_from_the_store_are_reported_and_never_put_in_place(
    user: User, tmp_path: Path, size: int
) -> None:
    place, back = tmp_path / "f", tmp_path / "back"
    good = p.content(size)
    place.write_bytes(good)
    user.stowbay("put", place, "/f")
    (key,) = object_keys(user)
    rotten = bytearray(good)
    rotten[size // 2] ^= 1
    overwrite(user, key, bytes(rotten))

    done = user.stowbay("get", "/f", back, check=False)
    said = done.stderr.decode()
    assert (done.returncode, "[chunk-mismatch]" in said) == (12, True), said
    assert "/f: chunk" in said and "reported" in said
    assert not back.exists()
    shown = user.json("stat", "/f")
    assert shown["status"] == "quarantined"
    assert {chunk["status"] for chunk in shown["chunks"]} == {"quarantined"}

    done = user.stowbay("get", "/f", back, check=False)
    assert (done.returncode, b"[blob-quarantined]" in done.stderr) == (12, True), done.stderr
    assert not back.exists()
    user.instance.worker("--job", "scrub")
    assert user.json("stat", "/f")["status"] == "quarantined", "the check finds it wrong, too"

    [entry] = user.json("put", place, "/f")["files"]
    assert (entry["result"], entry["how"]) == ("version", "new")
    user.stowbay("get", "/f", back)
    assert back.read_bytes() == good
    if size > 5 * MIB:
        kept = tmp_path / ".back.stowbay-part"
        assert not kept.exists(), "what the first run proved was used"


def test_one_rotten_file_of_a_folder_fails_alone(user: User, tmp_path: Path) -> None:
    folder, back = tmp_path / "d", tmp_path / "back"
    folder.mkdir()
    for number in range(8):
        (folder / f"f{number}").write_bytes(p.content(3004))
    user.stowbay("put", folder, "/d")
    key = object_keys(user)[3]
    overwrite(user, key, p.content(3004))
    done = user.stowbay("get", "--json", "/d", back, check=False)
    (failed,) = json.loads(done.stdout)["failed"]
    assert (done.returncode, failed["code"]) == (3, "chunk-mismatch")
    assert len(list(back.iterdir())) == 7
    assert not (back / Path(failed["path"]).name).exists()
    for path in back.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_a_killed_get_of_large_files_alone_is_continued_in_its_folder(
    user: User, tmp_path: Path
) -> None:
    """Nothing has its own name yet then: only files that are still growing tell whose it is."""
    folder, back = tmp_path / "d", tmp_path / "back"
    folder.mkdir()
    for name in ("a", "b", "é" * 127):
        (folder / name).write_bytes(p.content(64 * MIB))
    user.stowbay("put", folder, "/d")
    running = user.start("get", "/d", back)
    while not back.exists() or len(list(back.glob(".*.stowbay-part"))) < 3:
        assert running.poll() is None, "it was over too soon"
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert [path.name for path in back.iterdir() if not path.name.startswith(".")] == []
    user.stowbay("get", "/d", back)
    assert tree(back) == tree(folder)


def _on_a_small_disk(user: User, disk: Path, megabytes: int, *commands: str) -> list[str]:
    """Runs shell lines beside a disk of its own in `disk`, a mount that only they see."""
    script = "\n".join(
        ["set -e", f"mount -t tmpfs -o size={megabytes}m none {shlex.quote(str(disk))}", *commands]
    )
    user.sign_in_client()
    namespaces = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    done = subprocess.run(
        [*namespaces, "/bin/bash", "-c", script],
        env=user.client_env() | {"PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, (
        f"this test needs root, or user namespaces:\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout.split("--\n")


def test_a_disk_that_fills_up_on_the_way(user: User, tmp_path: Path) -> None:
    """Each large file alone would fit, so it is found out late; there is room at the second run."""
    folder, disk = tmp_path / "d", tmp_path / "disk"
    (folder / "small").mkdir(parents=True)
    disk.mkdir()
    for number in range(2):
        (folder / f"large{number}").write_bytes(p.content(14 * MIB))
    for number in range(100):
        (folder / "small" / f"s{number}").write_bytes(p.content(40_000 + number))
    user.stowbay("put", folder, "/d")
    back, said_file = (shlex.quote(str(path)) for path in (disk / "back", tmp_path / "said"))
    compare = f"diff -r {shlex.quote(str(folder))} {back}"
    first, said, listing, difference, second, rest, at_last = _on_a_small_disk(
        user, disk, 24,
        f"stowbay get /d {back} 2>{said_file} && code=0 || code=$?; echo $code; echo --",
        f"cat {said_file}; echo --; find {back} -type f; echo --",
        f"{compare} || true; echo --",
        f"mount -o remount,size=64m {shlex.quote(str(disk))}",
        f"stowbay get --json /d {back} 2>&1; echo --; find {back} -name '.*'; echo --",
        f"{compare} && echo same",
    )  # fmt: skip
    assert first.split()[-1] == "3", said
    assert "[disk-full]" in said
    assert "Traceback" not in said
    visible = [line for line in listing.splitlines() if ".stowbay-part" not in line]
    assert len(visible) >= 100, "the small ones were there before the disk was full"
    assert all(line.startswith("Only in") for line in difference.splitlines()), difference
    summary = json.loads(second)
    assert summary["failed"] == []
    assert summary["sent_bytes"] <= 28 * MIB, "no small one was fetched again"
    assert (rest, at_last.strip()) == ("", "same")


def test_a_file_larger_than_the_disk_is_refused_before_a_byte_is_fetched(
    user: User, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "f").write_bytes(p.content(20 * MIB))
    user.stowbay("put", tmp_path / "f", "/f")
    back = shlex.quote(str(disk / "back"))
    said, left = _on_a_small_disk(
        user, disk, 10,
        f"stowbay get /f {back} 2>&1 && code=0 || code=$?; echo code $code; echo --",
        f"du -sk {shlex.quote(str(disk))}",
    )  # fmt: skip
    assert "code 11" in said and "[disk-full]" in said, said
    assert f"needs {20 * MIB} more bytes" in said
    assert int(left.split()[0]) < 10
