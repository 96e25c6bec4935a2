"""`python -m appliance.edge render`, as Ansible calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.unit.edge.test_render import OPTIONS

NAMES = ["nginx.conf", "njs/settings.js", "njs/store.js", "njs/ticket.js"]
SECRET = OPTIONS.edge_secret_key


def run(options: object, *more: str) -> subprocess.CompletedProcess[str]:
    text = options if isinstance(options, str) else json.dumps(options)
    return subprocess.run(
        [sys.executable, "-P", "-m", "appliance.edge", "render", "--options", "-", *more],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def options(tmp_path: Path) -> dict[str, object]:
    return asdict(replace(OPTIONS, config_dir=str(tmp_path / "edge")))


def test_what_changed_is_told_once(options: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / "edge"
    tried = run(options, "--dry-run")
    assert (tried.returncode, tried.stdout.split()) == (0, NAMES)
    assert not folder.exists()
    assert run(options).stdout.split() == NAMES
    for name in NAMES:
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert run(options).stdout == ""
    assert run(options, "--dry-run").stdout == ""
    options["workers"] = 7
    assert run(options, "--dry-run").stdout.split() == ["nginx.conf"]
    assert run(options).stdout.split() == ["nginx.conf"]
    assert "worker_processes 7;" in (folder / "nginx.conf").read_text()
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == sorted(
        Path(name).name for name in NAMES
    )


def test_a_file_that_others_may_read_is_put_right(
    options: dict[str, object], tmp_path: Path
) -> None:
    run(options)
    secret = tmp_path / "edge" / "njs" / "settings.js"
    secret.chmod(0o644)
    assert run(options).stdout.split() == ["njs/settings.js"]
    assert secret.stat().st_mode & 0o777 == 0o600


def test_from_a_file_into_another_folder(options: dict[str, object], tmp_path: Path) -> None:
    place, into = tmp_path / "options.json", tmp_path / "aside"
    place.write_text(json.dumps(options))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "appliance.edge", "render", "--options", str(place),
         "--into", str(into)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == NAMES
    assert (into / "nginx.conf").exists() and not (tmp_path / "edge").exists()


@pytest.mark.parametrize(
    ("change", "told"), [({"x": 1}, "unknown fields: x"), ({"bucket": "a;b"}, "bucket holds")]
)
def test_options_that_are_wrong_end_with_2_and_write_nothing(
    options: dict[str, object], tmp_path: Path, change: dict[str, object], told: str
) -> None:
    done = run(options | change)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr and SECRET not in done.stderr
    assert not (tmp_path / "edge").exists()


def test_no_json_and_no_nginx_end_with_2(options: dict[str, object]) -> None:
    assert run("{").returncode == 2
    missing = run(options, "--nginx", "/nonexistent/nginx")
    assert missing.returncode == 2
    assert "isn't installed" in missing.stderr and "Traceback" not in missing.stderr
