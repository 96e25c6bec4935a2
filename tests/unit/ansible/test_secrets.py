"""The cluster's fresh secrets: all there, all different, and a key ring that the gateway reads."""

import base64
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from appliance.domain.tickets import Ticket
from appliance.edge import keyring

FILTERS = Path(__file__).parents[3] / "ansible" / "plugins" / "filter"
NOW = 1_800_000_000


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILTERS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


secrets = load("stowbay_secrets")


def test_every_secret_is_made_anew_and_none_twice() -> None:
    one, two = secrets.fresh_secrets(NOW), secrets.fresh_secrets(NOW)
    assert set(one) == set(two)
    values = [*one.values(), *two.values()]
    assert len(set(values)) == len(values)


def test_the_contract_of_names() -> None:
    expected = {
        f"vault_{name}"
        for name in (
            *(f"postgres_{who}_password" for who in ("superuser", "replication", "rewind", "app")),
            "patroni_rest_password",
            "redis_password",
            "sentinel_password",
            *(
                f"store_{who}_{half}_key"
                for who in ("root", "signer", "control", "edge", "scrub", "backup")
                for half in ("access", "secret")
            ),
            "store_kms_key",
            "seaweed_volume_jwt",
            "seaweed_filer_jwt",
            "ticket_keyring",
            "admin_password",
            "pki_passphrase",
            "keepalived_password",
            "prometheus_password",
        )
    }
    assert set(secrets.fresh_secrets(NOW)) == expected


def test_lengths_that_the_parts_demand() -> None:
    made = secrets.fresh_secrets(NOW)
    assert len(made["vault_keepalived_password"]) == 8
    assert len(base64.b64decode(made["vault_store_kms_key"], validate=True)) == 32
    assert len(made["vault_store_signer_access_key"]) == 20
    assert len(made["vault_store_signer_secret_key"]) == 40
    for name, value in made.items():
        if name not in ("vault_ticket_keyring", "vault_store_kms_key"):
            assert value.isalnum() and value == value.lower(), name


def test_nothing_in_them_is_a_template() -> None:
    assert all("{{" not in value for value in secrets.fresh_secrets(NOW).values())
    ring = json.loads(secrets.fresh_secrets(NOW)["vault_ticket_keyring"])
    assert ring["keys"]


def saved(tmp_path: Path, text: str) -> keyring.KeyRing:
    path = tmp_path / "tickets.json"
    path.write_text(text)
    return keyring.load(path)


def ticket() -> Ticket:
    return Ticket(
        obj="/stowbay/blobs/x",
        exp=NOW + 300,
        iat=NOW,
        ep=0,
        fn="x",
        ct="text/plain",
        dp="attachment",
        back="/api/v1/nodes/x/content",
    )


def test_the_gateway_reads_the_ring_and_signs_with_it(tmp_path: Path) -> None:
    ring = saved(tmp_path, secrets.fresh_secrets(NOW)["vault_ticket_keyring"])
    assert ring.signing_key(NOW).kid in ring.public_keys(NOW)
    assert ring.sign(ticket(), NOW).count(".") == 2


def test_rotation_is_the_gateways_own(tmp_path: Path) -> None:
    old = secrets.fresh_secrets(NOW)["vault_ticket_keyring"]
    new = secrets.rotated_keyring(old, NOW + 10, 60, 300)
    ring = saved(tmp_path, new)
    twin = saved(tmp_path, old).rotate(
        NOW + 10, kid="x", publish_seconds=60, longest_ticket_seconds=300
    )
    assert [(key.sign_from, key.retire_at) for key in ring.keys] == [
        (key.sign_from, key.retire_at) for key in twin.keys
    ]
    first, second = ring.keys
    assert ring.signing_key(NOW + 69) == first
    assert ring.signing_key(NOW + 70) == second
    assert set(ring.public_keys(NOW + 369)) == {first.kid, second.kid}
    assert set(ring.public_keys(NOW + 371)) == {second.kid}


def test_a_rotation_under_way_is_left_alone() -> None:
    ring = secrets.rotated_keyring(secrets.fresh_secrets(NOW)["vault_ticket_keyring"], NOW, 60, 300)
    assert secrets.rotated_keyring(ring, NOW + 59, 60, 300) == ring
    third = secrets.rotated_keyring(ring, NOW + 400, 60, 300)
    assert len(json.loads(third)["keys"]) == 2


def test_a_ring_that_is_no_ring_is_refused() -> None:
    with pytest.raises((KeyError, ValueError)):
        secrets.rotated_keyring("{}", NOW, 60, 300)
