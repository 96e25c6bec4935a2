"""site.yml refuses an inventory that can't work, in words, before it looks for any host.

The inventories' addresses are documentation's (RFC 5737): a run that got as far as a host would
hang or say UNREACHABLE, which each test excludes.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.controller.altered import ANSIBLE, MAIN, VAULT, alter, copy_of, play, put_vault


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return copy_of(ANSIBLE / "inventories" / "trio", tmp_path)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    return file


def group_gone(hosts: dict[str, Any]) -> None:
    del hosts["stowbay"]["children"]["redis"]


def group_empty(hosts: dict[str, Any]) -> None:
    hosts["stowbay"]["children"]["backup"]["hosts"] = {}


def two_voters(hosts: dict[str, Any]) -> None:
    del hosts["stowbay"]["children"]["etcd"]["hosts"]["c3"]


def two_members(hosts: dict[str, Any]) -> None:
    del hosts["stowbay"]["children"]["postgres"]["hosts"]["c3"]


def one_address_twice(hosts: dict[str, Any]) -> None:
    hosts["stowbay"]["hosts"]["c2"]["ansible_host"] = "192.0.2.11"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (group_gone, "the group redis is missing"),
        (group_empty, "the group backup has no host"),
        (two_voters, "2 etcd voters: an even number"),
        (two_members, "shard1 has two members"),
        (one_address_twice, "192.0.2.11 is also"),
    ],
)
def test_hosts(
    inventory: Path, password: Path, change: Callable[[Any], None], message: str
) -> None:
    alter(inventory / "hosts.yml", change)
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    assert message in said.line
    assert "UNREACHABLE" not in said.text
    assert not (inventory / VAULT).exists()


def two_primaries(variables: dict[str, Any]) -> None:
    variables["stowbay_shards"][0]["leader_host"] = "c1, c2"


def a_shard_twice(variables: dict[str, Any]) -> None:
    variables["stowbay_shards"].append(variables["stowbay_shards"][0] | {"port": 5442})


def overlapping(variables: dict[str, Any]) -> None:
    variables["stowbay_networks"]["cluster"].append("192.0.2.0/25")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (two_primaries, "shard1 asks for two primaries"),
        (a_shard_twice, "2 items of stowbay_shards are named shard1: two primaries"),
        (overlapping, "192.0.2.0/24 and 192.0.2.0/25 overlap"),
        (lambda held: held.pop("stowbay_floating_address"), "3 edges and no"),
        (lambda held: held.update(stowbay_name="The Cluster"), "stowbay_name is"),
    ],
)
def test_variables(
    inventory: Path, password: Path, change: Callable[[Any], None], message: str
) -> None:
    alter(inventory / MAIN, change)
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    assert message in said.line
    assert "UNREACHABLE" not in said.text
    assert not (inventory / VAULT).exists()


def test_all_that_is_wrong_is_told_at_once(inventory: Path, password: Path) -> None:
    alter(inventory / "hosts.yml", two_voters)
    alter(inventory / "hosts.yml", group_gone)
    alter(inventory / MAIN, two_primaries)
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    for message in ("the group redis is missing", "2 etcd voters", "two primaries"):
        assert message in said.line


def test_a_wrong_vault_password(inventory: Path, password: Path, tmp_path: Path) -> None:
    vault = put_vault(inventory, password, {"vault_redis_password": "kept as it is, 20 c"})
    before = vault.read_bytes()
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple\n")
    said = play(inventory, password_file=wrong)
    said.assert_refused_unchanged()
    assert "Decryption failed" in said.line
    assert said.text.count("ERROR") == 1
    assert "PLAY [Preflight]" not in said.text
    assert vault.read_bytes() == before


def test_no_vault_password(inventory: Path) -> None:
    said = play(inventory)
    said.assert_refused_unchanged()
    assert "no vault password: give --vault-password-file" in said.line
    assert not (inventory / VAULT).exists()


def test_a_vault_that_lies_open(inventory: Path, password: Path) -> None:
    (inventory / VAULT).write_text("vault_redis_password: " + "plainly" * 4 + "\n")
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    assert "isn't encrypted" in said.line
    assert "plainly" not in said.text


def test_a_password_that_everybody_knows(inventory: Path, password: Path) -> None:
    put_vault(inventory, password, {"vault_store_root_secret_key": "minioadmin"})
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    assert "vault_store_root_secret_key is a known default" in said.line
    assert "minioadmin" not in said.text


def test_what_one_host_alone_is_given(inventory: Path, password: Path) -> None:
    """Not the first, not the vault's, and below the name that a role knows it by."""
    (inventory / "host_vars").mkdir()
    both = {"access_key": "minioadmin", "secret_key": "minioadmin"}
    given = {"objectstore_root": both, "redis_password": "redis", "gateway_processes": 0}
    (inventory / "host_vars/c2.yml").write_text(yaml.safe_dump(given))
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    assert "minioadmin" not in said.text
    report = said.line.split("The inventory: ")[1]
    assert report.startswith("4 to put right.")
    for message in (
        "c2: [ports] gateway_processes is 0",
        "objectstore_root.access_key is a known default",
        "objectstore_root.secret_key is a known default",
        "redis_password is a known default",
    ):
        assert message in report


@pytest.mark.parametrize("name", ["single", "trio", "lab"])
def test_the_inventories_of_the_repository_are_sound(
    name: str, password: Path, tmp_path: Path
) -> None:
    inventory = copy_of(ANSIBLE / "inventories" / name, tmp_path)
    said = play(inventory, password_file=password, playbook="secrets.yml")
    assert said.code == 0, said.text
    assert (inventory / VAULT).read_text().startswith("$ANSIBLE_VAULT;")


LOCAL = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_become": False,
}


def test_what_the_parts_refuse_is_in_the_report_of_the_hosts(
    inventory: Path, password: Path, tmp_path: Path
) -> None:
    """The hosts are this machine, which the preflight only looks at; no run gets further, as it has
    none of their addresses."""
    cert = tmp_path / "cert.pem"
    cert.write_text("")
    (inventory / "group_vars/all/zz.yml").write_text(
        yaml.safe_dump(
            LOCAL
            | {
                "objectstore_kind": "seaweedfs",
                "objectstore_binary": str(tmp_path / "no-store"),
                "stowbay_release": str(tmp_path),
                "pki_edge_certificate": str(cert),
                "pki_edge_key": str(cert),
                "edge_cache_kind": "volume",
                "edge_cache_device": "/dev/null",
                "backup_own_volume": True,
                "backup_place": str(tmp_path),
                "alertmanager_receiver": {"webhook": []},
            }
        )
    )
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    report = said.line.split("The hosts: ")[1].split(" Origin: ")[0]  # Ansible says it twice
    assert "[address] no interface has 192.0.2.11" in report
    assert "c1, c2, c3: [" in report
    for message in (
        "[objectstore] SeaweedFS is supported on one host",
        f"[objectstore] {tmp_path}/no-store doesn't exist on the controller",
        "[release] stowbay_release must name the folder",
        f"[pki] {cert} can't be used: the brought certificate and key aren't both PEM",
        "[edge] /dev/null is no block device",
        f"[backup] {tmp_path} is a folder",
        "[alertmanager] alertmanager_receiver holds lists",
    ):
        assert report.count(message) == 1, f"{message}\n{report}"


def test_drives_that_a_store_of_three_hosts_cannot_have(
    inventory: Path, password: Path, tmp_path: Path
) -> None:
    """Five a host are one set of fifteen; one of them is a folder, one twice the same device."""
    drives = [str(tmp_path / f"d{number}") for number in range(1, 6)]
    settings = {
        "objectstore_drives": drives,
        "objectstore_devices": dict.fromkeys(drives[:4], "/dev/null"),
    }
    (inventory / "group_vars/all/zz.yml").write_text(yaml.safe_dump(LOCAL | settings))
    said = play(inventory, password_file=password)
    said.assert_refused_unchanged()
    report = said.line.split("The hosts: ")[1].split(" Origin: ")[0]
    for message in (
        "[objectstore] The pool c1, c2, c3: 5 drives a host make erasure sets of 15",
        "With 1, 2, 3, 4, 6, 7, 8, 9, 11, 12 drives a host",
        f"[objectstore] Nothing is mounted on {drives[4]}",
    ):
        assert report.count(message) == 1, f"{message}\n{report}"
    assert f"Nothing is mounted on {drives[0]}" not in report
    assert f"/dev/null is listed for {' and '.join(drives[:4])}" in report
