"""What is wrong with an inventory, said before any host is contacted.

Invariant: every finding names what to do, and all are found in one pass; a value that is missing or
of the wrong kind is itself a finding and never an exception, for a person reads the outcome.

Pure: variables and groups in, findings out. A finding is {host, check, message, remedy};
host is "" when the inventory as a whole is meant. Values of secrets are never part of one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Finding = dict[str, str]

GROUPS = (
    "edge", "gateway", "worker", "postgres", "etcd", "redis", "objectstore", "monitoring", "backup",
)  # fmt: skip
SLOTS = 65536
SHARD_NUMBERS = ("port", "rest_port", "primary_port", "replica_port", "first_slot", "last_slot")
_WORDS = """admin adminadmin administrator changeit changeme changeme123 default etcd example
    grafana guest keepalived letmein minio minio123 minioadmin password passw0rd patroni postgres
    prometheus qwerty redis replication replicator root rootpass secret seaweedfs sentinel stowbay
    superuser test test1234 topsecret 12345678 123456789 1234567890"""
KNOWN_DEFAULTS = frozenset(_WORDS.split())
MIN_SECRET = 16
FIXED_LENGTH = {"vault_keepalived_password": 8}
# What the roles take from the vault; an inventory may set it otherwise.
_ROLES_SECRETS = """alertmanager_password exporters_redis_password haproxy_redis_password
    objectstore_credentials objectstore_kms_key objectstore_root objectstore_seaweed_filer_jwt
    objectstore_seaweed_volume_jwt patroni_app_password patroni_replication_password
    patroni_rest_password patroni_rewind_password patroni_superuser_password pki_ca_passphrase
    prometheus_password redis_password redis_sentinel_password"""
ROLES_SECRETS = frozenset(_ROLES_SECRETS.split())
_JUDGED = ROLES_SECRETS | {"objectstore_kind", "gateway_processes"}
_KEYS = ("host", "check", "message", "remedy")


def inventory_findings(
    variables: Mapping[str, Any], groups: Mapping[str, list[str]]
) -> list[Finding]:
    """All findings that need no host, but for the networks' (network_findings)."""
    found = [
        *_names(variables),
        *_groups(groups),
        *_voters(groups),
        *_shards(variables, groups),
        *_secrets(variables),
    ]
    return [dict(zip(_KEYS, each, strict=True)) for each in found]


def judged_variables(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Of each host the variables that are judged here and as networks, resolved. An expression that
    can't be resolved counts as missing, as in host_values."""
    return {host: dict(_resolved(hostvars[host])) for host in hosts}


def _resolved(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in variables:
        if not name.startswith(("stowbay_", "vault_")) and name not in _JUDGED:
            continue
        try:
            value = _plain(variables[name])
        except Exception:  # noqa: S112 - Ansible's and Jinja's have no common root below it
            continue
        yield name, value


def _plain(value: Any) -> Any:
    """Ansible resolves what is inside a container when it is looked at: here, once."""
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in value}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def of_hosts(findings: Iterable[Iterable[Finding]], hosts: Iterable[str]) -> list[Finding]:
    """The findings of each host, given in the same order, as one list: what is found with all
    hosts' variables is the inventory's, else that of the hosts it was found with."""
    hosts = list(hosts)
    found: dict[tuple[str, ...], list[str]] = {}
    for host, own in zip(hosts, findings, strict=True):
        for each in own:
            found.setdefault(tuple(each[key] for key in _KEYS), []).append(host)
    return [
        dict(zip(_KEYS, (about or _several(by, hosts), *told), strict=True))
        for (about, *told), by in found.items()
    ]


def _several(by: list[str], hosts: list[str]) -> str:
    return "" if by == hosts else ", ".join(sorted(by))


def clash_findings(clashes: Mapping[str, Iterable[str]]) -> list[Finding]:
    """`clashes` per host, as port_clashes words them."""
    remedy = "Give one of them another port (stowbay_shards, gateway_processes, stowbay_*_port)."
    return [
        {"host": host, "check": "ports", "message": f"two services want {clash}", "remedy": remedy}
        for host, lines in clashes.items()
        for clash in lines
    ]


def _names(variables: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    name = variables.get("stowbay_name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        yield (
            "", "name", f"stowbay_name is {name!r}",
            "Choose up to 32 of a-z, 0-9 and hyphen: it names the cluster for good.",
        )  # fmt: skip
    public = variables.get("stowbay_public_name")
    if not isinstance(public, str) or not re.fullmatch(
        r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?", public
    ):
        yield (
            "", "name", f"stowbay_public_name is {public!r}",
            "Set the DNS name, in lower case, that clients use.",
        )  # fmt: skip
    kind = variables.get("objectstore_kind")
    if kind not in ("minio", "seaweedfs", None):
        yield ("", "store", f"objectstore_kind is {kind!r}", "Say minio or seaweedfs.")
    for port in ("stowbay_api_port", "stowbay_upload_port", "stowbay_download_port"):
        value = variables.get(port)
        if value is not None and not _is_number(value, 1, 65535):
            yield ("", "ports", f"{port} is {value!r}", "Set a number from 1 to 65535.")
    processes = variables.get("gateway_processes")
    if processes is not None and not _is_number(processes, 1, 90):
        yield (
            "", "ports", f"gateway_processes is {processes!r}", "Set a number from 1 to 90."
        )  # fmt: skip


def _groups(groups: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str, str]]:
    everyone = set(groups.get("stowbay", ()))
    for group in GROUPS:
        if group not in groups:
            yield (
                "", "groups", f"the group {group} is missing",
                f"Add it; a host may be in many groups. Without {group} nothing runs its part.",
            )  # fmt: skip
        elif not groups[group]:
            yield ("", "groups", f"the group {group} has no host", "Put one into it.")
        for host in groups.get(group, ()):
            if host not in everyone:
                yield (
                    host, "groups", f"it is in {group} but not in stowbay",
                    f"Make {group} a child of the group stowbay.",
                )  # fmt: skip


def _voters(groups: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str, str]]:
    for group, what in (("etcd", "etcd voters"), ("redis", "Redis sentinels")):
        count = len(groups.get(group, ()))
        if count and count % 2 == 0:
            yield (
                "", "voters", f"{count} {what}: an even number survives no more losses than "
                f"{count - 1}, and {count // 2} against {count // 2} decides nothing",
                f"Use {count - 1} or {count + 1} hosts in the group {group}.",
            )  # fmt: skip


def _shards(
    variables: Mapping[str, Any], groups: Mapping[str, list[str]]
) -> Iterator[tuple[str, str, str, str]]:
    shards = variables.get("stowbay_shards")
    if not isinstance(shards, list) or not shards:
        yield ("", "shards", "stowbay_shards is empty", "List at least one shard.")
        return
    sound = []
    for number, shard in enumerate(shards):
        wrong = _shard_shape(shard)
        if wrong:
            yield (
                "", "shards", f"item {number + 1} of stowbay_shards: {wrong}",
                "Each has name, group, port, rest_port, primary_port, replica_port, first_slot, "
                "last_slot and, if wanted, leader_host.",
            )  # fmt: skip
            continue
        sound.append(shard)
        yield from _shard_members(shard, groups)
    for name, count in Counter(shard["name"] for shard in sound).items():
        if count > 1:
            yield (
                "", "shards", f"{count} items of stowbay_shards are named {name}: two primaries",
                "One item is one shard with one primary; remove or rename the others.",
            )  # fmt: skip
    if len(sound) == len(shards):
        yield from _slots(sound)


def _shard_shape(shard: Any) -> str:
    if not isinstance(shard, Mapping):
        return f"{shard!r} is not a shard"
    if not isinstance(shard.get("name"), str) or not re.fullmatch(
        r"[a-z][a-z0-9]{0,30}", shard["name"]
    ):
        return f"its name is {shard.get('name')!r}, not a-z and 0-9"
    if not isinstance(shard.get("group"), str):
        return f"{shard['name']} has no group"
    for key in SHARD_NUMBERS:
        highest = SLOTS - 1 if key.endswith("slot") else 65535
        if not _is_number(shard.get(key), 0, highest):
            return f"{shard['name']} has {key} {shard.get(key)!r}"
    return ""


def _shard_members(
    shard: Mapping[str, Any], groups: Mapping[str, list[str]]
) -> Iterator[tuple[str, str, str, str]]:
    name, group = shard["name"], shard["group"]
    members = groups.get(group, [])
    if not members:
        yield (
            "", "shards", f"{name} lives in the group {group}, which has no host",
            "Name a group of hosts.",
        )  # fmt: skip
    for host in sorted(set(members) - set(groups.get("postgres", ()))):
        yield (
            host, "shards", f"it carries {name} but is not in the group postgres",
            f"Make {group} a child of postgres.",
        )  # fmt: skip
    if len(members) == 2:
        yield (
            "", "voters", f"{name} has two members: strict synchronous commit would stop with "
            "either, and without it a failover loses what was acknowledged",
            "Use one member (no failover) or three and more.",
        )  # fmt: skip
    leader = shard.get("leader_host") or ""
    if not isinstance(leader, str) or re.search(r"[,\s]", leader):
        yield (
            "", "shards", f"{name} asks for two primaries: leader_host is {leader!r}",
            "Name one host, or none.",
        )  # fmt: skip
    elif leader and leader not in members:
        yield (
            "", "shards", f"{name}'s leader_host {leader} is not in the group {group}",
            "Name one of its members, or none.",
        )  # fmt: skip


def _slots(shards: list[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    remedy = f"The shards' slots, side by side, are 0 to {SLOTS - 1}, each once."
    expected = 0
    for shard in sorted(shards, key=lambda each: (each["first_slot"], each["last_slot"])):
        first, last = shard["first_slot"], shard["last_slot"]
        if last < first:
            yield ("", "slots", f"{shard['name']} ends ({last}) before it begins ({first})", remedy)
        elif first > expected:
            yield ("", "slots", f"no shard has the slots {expected} to {first - 1}", remedy)
        elif first < expected:
            yield (
                "", "slots", f"{shard['name']} begins at {first}, but slots up to {expected - 1} "
                "are another's", remedy,
            )  # fmt: skip
        expected = max(expected, last + 1)
    if expected < SLOTS:
        yield ("", "slots", f"no shard has the slots {expected} to {SLOTS - 1}", remedy)


def _secrets(variables: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name in sorted(each for each in variables if str(each).startswith("vault_")):
        remedy = "Remove it from the vault and let `ansible-playbook secrets.yml` make a new one."
        if wrong := _weak(name, str(variables[name])):
            yield ("", "secrets", f"{name} {wrong}", remedy)
    for name in sorted(ROLES_SECRETS.intersection(variables)):
        remedy = f"Remove {name} from the inventory: the vault has one."
        for place, value in _leaves(name, variables[name]):
            if wrong := _weak(place, value):
                yield ("", "secrets", f"{place} {wrong}", remedy)


def _weak(name: str, value: str) -> str:
    if value.lower() in KNOWN_DEFAULTS or value == name:
        return "is a known default"
    if name in FIXED_LENGTH:
        least = FIXED_LENGTH[name]
        return "" if len(value) == least else f"has not {least} characters"
    if len(value) < MIN_SECRET:
        return f"is shorter than {MIN_SECRET} characters"
    return "repeats the same few characters" if len(set(value)) < 5 else ""


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Values within a role's dictionary, with the way to each."""
    if not isinstance(value, Mapping):
        yield name, str(value)
        return
    for key in value:
        yield from _leaves(f"{name}.{key}", value[key])


def _is_number(value: Any, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {
            "inventory_findings": inventory_findings,
            "clash_findings": clash_findings,
            "judged_variables": judged_variables,
            "of_hosts": of_hosts,
        }
