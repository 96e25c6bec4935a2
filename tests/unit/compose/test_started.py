"""What was renewed or set anew reaches who runs: `up` sees what they were started with."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from appliance.machine.pki import keep_authority
from tests.cluster.places import REPOSITORY

COMPOSE = REPOSITORY / "compose"
OWN = ("edge", "10.87.33.40")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(COMPOSE / "setup"))
    import place

    yield place
    sys.modules.pop("place")


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(COMPOSE))
    monkeypatch.setenv("TRIAL_COMPOSE", "true")  # says yes, places nothing
    import trial

    yield trial
    sys.modules.pop("trial")


def kept(place: Any, folder: Path, names: set[str], public_name: str = "localhost") -> str:
    """The sum after a run of what `setup` does for one leaf."""
    now = datetime.now(UTC)
    (folder / "secrets").mkdir(exist_ok=True)
    allowed = place.permitted({*names, "edge", "localhost"}, "10.87.33")
    authority, key = keep_authority(folder / "secrets", "Trial", allowed, now)
    pem = authority.public_bytes(serialization.Encoding.PEM).decode()
    place.put(folder / "etc" / "edge" / "pki" / "ca.pem", pem)
    leaf = {"name": "edge", "extra_names": [public_name]}
    place.keep_leaf(folder / "etc" / "edge" / "pki" / "edge", leaf, OWN, pem, key)
    return str(place.sum_of(folder / "etc"))


def test_a_second_run_places_the_same(place: Any, tmp_path: Path) -> None:
    assert kept(place, tmp_path, {"a.test"}) == kept(place, tmp_path, {"a.test"})


def test_a_certificate_near_its_end_makes_another_sum(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as early:
        early.setattr(place, "LEAF_DAYS", place.RENEW_BELOW_DAYS - 1)
        before = kept(place, tmp_path, {"a.test"})
    renewed = kept(place, tmp_path, {"a.test"})
    assert renewed != before
    assert renewed == kept(place, tmp_path, {"a.test"})


def test_another_public_name_makes_another_sum(place: Any, tmp_path: Path) -> None:
    assert kept(place, tmp_path, {"a.test"}) != kept(place, tmp_path, {"b.test"})


def test_the_same_content_elsewhere_is_another_sum(place: Any, tmp_path: Path) -> None:
    file = tmp_path / "etc" / "a"
    file.parent.mkdir()
    file.write_text("text")
    before = place.sum_of(file.parent)
    file.rename(file.with_name("b"))
    assert place.sum_of(file.parent) != before


@pytest.mark.parametrize("name", ["files.example.com", "192.0.2.7"])
def test_clients_trust_the_public_name_be_it_an_address(
    place: Any, tmp_path: Path, name: str
) -> None:
    kept(place, tmp_path, {name}, name)
    leaf = tmp_path / "etc" / "edge" / "pki" / "edge"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(leaf / "cert.pem", leaf / "key.pem")
    client = ssl.create_default_context(cafile=str(leaf.parent / "ca.pem"))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    ]
    for each in ends * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            each.do_handshake()
    assert ends[0].version() == "TLSv1.3"


def test_what_runs_is_outdated_by_settings_and_by_files(trial: Any, tmp_path: Path) -> None:
    given = {"TRIAL_STATE": str(tmp_path), "TRIAL_PUBLIC_NAME": "a.test"}
    found = trial.Trial(given)
    (tmp_path / "placed").write_text("one\n")
    assert found.outdated(), "nobody knows what it was started with"
    found.started_file.write_text(found.basis())
    assert not found.outdated()
    assert trial.Trial({**given, "TRIAL_PUBLIC_NAME": "b.test"}).outdated()
    assert trial.Trial({**given, "TRIAL_API_PORT": "443"}).outdated()
    (tmp_path / "placed").write_text("two\n")
    assert found.outdated()
