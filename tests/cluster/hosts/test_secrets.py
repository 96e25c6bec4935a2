"""Secrets are where they are needed and nowhere else: not in the journal, in no file that others
may read, on no command line; and the vault on the controller is sealed."""

import base64
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.vault import VAULT, Secrets, leaks, secrets_of

INVENTORY = Path(os.environ["ANSIBLE_INVENTORY"])


@pytest.fixture(scope="session")
def secrets() -> Iterator[Secrets]:
    yield secrets_of(INVENTORY)


def test_the_vault_is_sealed_and_the_operators_alone():
    vault = INVENTORY / VAULT
    assert vault.read_text().startswith("$ANSIBLE_VAULT;")
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600


def test_no_secret_is_missing_or_made_twice(secrets):
    number, different = len(secrets), len(set(secrets.values()))
    assert number == different >= 27
    assert min(len(value) for value in secrets.values()) >= 8


def test_no_secret_in_the_journal(host, secrets):
    journal = host.check_output("journalctl --no-pager -o cat")
    assert len(journal) > 1000
    assert leaks(journal, secrets) == []


def test_no_secret_on_a_command_line(host, secrets):
    lines = host.check_output("ps -e -ww -o args")
    assert "systemd" in lines
    assert leaks(lines, secrets) == []


def test_no_secret_in_a_file_that_others_may_read(host, secrets):
    """Files are open when they are readable by others and so is every folder above them."""
    packed = host.check_output(
        "find /etc /opt /run /var/lib /var/log /srv /tmp /var/tmp -xdev"
        " -type d ! -perm -o=x -prune -o"
        " -type f -perm -o=r -size -256k ! -path '*/site-packages/*' ! -path '/var/lib/dpkg/*'"
        " ! -path '/var/lib/apt/*' -print0"
        " | tar -cz --null --no-recursion --ignore-failed-read -T - 2>/dev/null | base64 -w0"
    )
    checked = 0
    for name, text in open_files(packed):
        assert leaks(text, secrets) == [], name
        checked += 1
    assert checked > 100


def open_files(packed: str) -> Iterator[tuple[str, str]]:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                yield member.name, content.read().decode("utf-8", "replace")


def test_the_search_for_secrets_finds_them(secrets):
    """The tests above are worth nothing if `leaks` is blind."""
    for name, value in secrets.items():
        shown = value if not value.startswith("{") else value.replace("\\n", "\n")
        assert name in leaks(f"before {shown} after", secrets)
