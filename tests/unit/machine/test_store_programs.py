"""Which program serves as the object store, without building one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.machine.store_programs import find_store


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
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
