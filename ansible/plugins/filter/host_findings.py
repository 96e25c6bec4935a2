"""What is wrong with the hosts themselves, from what each was seen to be and hold.

Invariant: nothing here changes a host, and every host is judged, the unreachable ones too, so that
one report names all there is to do. A finished or half-installed host of the same cluster gives no
finding: a second run must go through.

Pure: surveys (the module stowbay_host_survey's answers) and expectations in, findings out. A
finding is {host, check, message, remedy}.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from typing import Any

Finding = dict[str, str]
Told = tuple[str, str, str]

_NAMESPACE = uuid.UUID("6f0a8f0e-4f0b-5b1d-9a6e-0c5f2b7d3e41")


def host_findings(
    results: Mapping[str, Mapping[str, Any]],
    opened: Mapping[str, list[Mapping[str, Any]]],
    addresses: Mapping[str, str],
    expected: Mapping[str, Any],
) -> list[Finding]:
    """`results` is each host's registered survey task; `opened` each host's rows of the matrix.

    `expected`: name, public_name, networks, floating (address/prefix or ""), floating_interfaces
    {edge: interface}, writes_hosts_file, memory_mb, free_mb {folder: MB}, clock_seconds, clocks
    {host: {before, time, after}} (Unix seconds; the host's time between two of the controller's),
    devices {host: {mount point: device}}, adopt [hosts].
    """
    silent = {host: result for host, result in results.items() if result.get("survey") is None}
    found = [_finding(host, _silent(result)) for host, result in silent.items()]
    surveys = {host: results[host]["survey"] for host in results if host not in silent}
    ours = {
        each["system"]
        for survey in surveys.values()
        for each in survey["data"]
        if survey["marker"] == expected["name"]
    }
    for host, survey in surveys.items():
        told = [
            *_system(survey, expected),
            *_clock(host, expected),
            *_resolution(host, survey, addresses, expected),
            *_interfaces(host, survey, addresses, expected),
            *_sockets(survey, opened.get(host, [])),
            *_devices(host, survey, expected),
            *_belonging(host, survey, ours, expected),
        ]
        found += [_finding(host, each) for each in told]
    found += [_finding("", each) for each in _strange_systems(surveys)]
    return found


def part_findings(failed: Mapping[str, Any], host: str, part: str, task: str) -> list[Finding]:
    """What the preflight of a part's role refused: `failed` is the answer of its task `task`.

    An assertion's message is for a person already; any other task's is named by the task.
    """
    wrong = [each for each in failed.get("results", [failed]) if each.get("failed")]
    told = [
        each["msg"] if "assertion" in each
        else f"{task}: {' '.join(str(each.get('stderr') or each.get('msg') or 'failed').split())}"
        for each in wrong
    ]  # fmt: skip
    return [_finding(host, (part, each, "")) for each in told]


def told_once(findings: Iterable[Finding]) -> list[Finding]:
    """What is wrong in the same words on several hosts is one finding, of all of these."""
    hosts: dict[tuple[str, ...], list[str]] = {}
    for each in findings:
        words = (each["check"], each["message"], each["remedy"])
        hosts.setdefault(words, []).append(each["host"])
    return [_finding(", ".join(sorted(hosts[words])), words) for words in hosts]


def findings_report(findings: list[Finding], title: str) -> str:
    """For a person: grouped by host, the inventory's own first."""
    lines = [f"{title}: {len(findings)} to put right. Nothing was changed."]
    hosts: dict[str, list[Finding]] = {}
    for each in findings:
        hosts.setdefault(each["host"], []).append(each)
    for host in sorted(hosts):
        lines.append(f"{host or 'inventory'}:")
        lines += [f"  [{e['check']}] {_sentences(e['message'], e['remedy'])}" for e in hosts[host]]
    return "\n".join(lines)


def _sentences(*parts: str) -> str:
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def device_faults(
    survey: Mapping[str, Any], devices: Mapping[str, str], host: str, cluster: str
) -> list[str]:
    """Why one of these devices (mount point: device) of the host must not be formatted."""
    expected = {"name": cluster, "devices": {host: devices}}
    return [_sentences(told, remedy) for _, told, remedy in _devices(host, survey, expected)]


def drive_faults(survey: Mapping[str, Any], devices: Collection[str]) -> list[str]:
    """Which of the surveyed drives aren't disks of their own. `devices`: the mount points that
    os_baseline takes care of, which may still be folders. A host of the cluster may have lost a
    drive that its fstab names; the store goes on without it, and alerts tell."""
    taken = {*devices, *(survey["fstab"] if survey["marker"] is not None else ())}
    mounted: dict[int, list[str]] = {}
    faults = []
    for path, number in survey["drives"].items():
        if number is not None:
            mounted.setdefault(number, []).append(path)
        elif path not in taken:
            faults.append(
                f"Nothing is mounted on {path}, so its files would lie on the system's disk. "
                "Mount a filesystem there, or list its device in objectstore_devices."
            )
    faults += [
        f"{', '.join(paths)} are one filesystem: one disk lost would be several drives."
        for paths in mounted.values()
        if len(paths) > 1
    ]
    return faults


def device_uuid(mount: str, host: str, cluster: str) -> str:
    """The identifier of the filesystem we make: that cluster, that host, that mount point."""
    return str(uuid.uuid5(_NAMESPACE, f"{cluster}/{host}{mount}"))


def host_addresses(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Each host's stowbay_address, or else its ansible_host; None where both are missing, a
    finding of network_findings."""
    hosts = list(hosts)
    reached = host_values(hosts, hostvars, "ansible_host")
    found = reached | host_values(hosts, hostvars, "stowbay_address")
    return {host: found.get(host) for host in hosts}


def host_values(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], name: str
) -> dict[str, Any]:
    """A variable of each host that has it. An expression that can't be resolved counts as missing:
    Ansible would end the run with a trace instead of a report."""
    found = {}
    for host in hosts:
        try:
            if name in hostvars[host]:
                found[host] = hostvars[host][name]
        except Exception:  # noqa: S112 - Ansible's and Jinja's have no common root below it
            continue
    return found


def _finding(host: str, told: tuple[str, ...]) -> Finding:
    return dict(zip(("host", "check", "message", "remedy"), (host, *told), strict=True))


def _silent(result: Mapping[str, Any]) -> Told:
    why = " ".join(str(result.get("msg") or result.get("module_stderr") or "no answer").split())
    if result.get("unreachable"):
        return ("reach", f"can't be reached: {why}", "Check its name, its ssh key and its network")
    return ("reach", f"can't be looked at: {why}", "It needs Python 3 and sudo for Ansible's user")


def _system(survey: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[Told]:
    system = survey["os"]
    if (system["ID"], system["VERSION_ID"].split(".")[0]) != ("debian", "13"):
        runs = f"runs {system['ID']} {system['VERSION_ID']}"
        yield ("os", runs, "Install Debian 13")
    if survey["memory_mb"] < expected["memory_mb"]:
        told = f"{survey['memory_mb']} MB of memory, {expected['memory_mb']} are asked for"
        yield ("memory", told, "Add memory, or lower preflight_memory_mb")
    for folder, least in expected["free_mb"].items():
        if survey["free_mb"][folder] < least:
            told = f"{survey['free_mb'][folder]} MB free for {folder}, {least} are asked for"
            yield ("disk", told, "Make room, or lower preflight_free_mb")


def _clock(host: str, expected: Mapping[str, Any]) -> Iterator[Told]:
    """The host told its time between two readings of the controller's clock: outside them is
    offset."""
    read = expected["clocks"].get(host, {})
    if "time" not in read:
        told = f"its clock can't be read: {read.get('msg', 'no answer')}"
        yield ("clock", told, "`date +%s.%N` must work for Ansible's user")
        return
    offset = max(read["before"] - read["time"], read["time"] - read["after"])
    if offset > expected["clock_seconds"]:
        side = "behind" if read["time"] < read["before"] else "ahead of"
        told = f"its clock is at least {offset:.0f} s {side} the controller's"
        yield ("clock", told, "Set both by NTP")


def _resolution(
    host: str, survey: Mapping[str, Any], addresses: Mapping[str, str], expected: Mapping[str, Any]
) -> Iterator[Told]:
    """What the role will write to /etc/hosts may be missing, but never be otherwise. Without a
    floating address it writes no public name, and which address that has isn't ours to know."""
    remedy = "Correct DNS or /etc/hosts there"
    public, floating = expected["public_name"], expected["floating"].split("/")[0]
    wanted = {**addresses, public: floating} if floating else {public: "", **addresses}
    for name, address in wanted.items():
        answer = survey["names"][name]
        got = [a for a in answer["addresses"] if not _own_loopback(a, name == host, expected)]
        if got and address and address not in got:
            yield ("names", f"{name} resolves to {', '.join(got)}, not to {address}", remedy)
        elif not got and not (address and expected["writes_hosts_file"]):
            yield ("names", f"{name} doesn't resolve", remedy)
        if name == public or expected["writes_hosts_file"]:
            continue
        if not any(_same_name(each, name) for each in answer["names"]):
            back = ", ".join(answer["names"]) or "no name"
            yield ("names", f"{address} resolves back to {back}, not to {name}", remedy)


def _own_loopback(address: str, own: bool, expected: Mapping[str, Any]) -> bool:
    """Debian's installer writes `127.0.1.1 NAME`; the role takes it out."""
    return own and expected["writes_hosts_file"] and ipaddress.ip_address(address).is_loopback


def _same_name(one: str, other: str) -> bool:
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def _interfaces(
    host: str, survey: Mapping[str, Any], addresses: Mapping[str, str], expected: Mapping[str, Any]
) -> Iterator[Told]:
    links = [
        (each["name"], ipaddress.ip_interface(each["address"])) for each in survey["interfaces"]
    ]
    own = ipaddress.ip_address(addresses[host])
    carrier = next((name for name, link in links if link.ip == own), None)
    if carrier is None:
        yield ("address", f"no interface has {own}", "Correct stowbay_address or the interface")
        return
    for net in map(ipaddress.ip_network, expected["networks"]["cluster"]):
        for name, link in links:
            same_kind = link.version == net.version
            if name != carrier and same_kind and link.network.overlaps(net):
                told = f"{name} ({link}) overlaps with the cluster's network {net} on {carrier}"
                yield ("networks", told, "Give one of the two another network")
    names = {name for name, _ in links}
    wanted = expected["floating_interfaces"].get(host)
    if expected["floating"] and wanted is not None and wanted not in names:
        told = f"it has no interface {wanted} with an address"
        yield ("floating address", told, "Set stowbay_floating_interface for this host")
    admin = [ipaddress.ip_network(each) for each in expected["networks"]["admin"]]
    peers = [ipaddress.ip_address(each) for each in survey["ssh_peers"]]
    if peers and not any(peer in net for peer in peers for net in admin):
        told = f"ssh comes from {', '.join(sorted(set(map(str, peers))))}, no admin network"
        yield ("networks", told, "Add it to stowbay_networks.admin, or the firewall locks you out")


def _sockets(survey: Mapping[str, Any], opened: list[Mapping[str, Any]]) -> Iterator[Told]:
    rows = {(port, row["proto"]): row for row in opened for port in row["ports"]}
    taken = set()
    for each in survey["listeners"]:
        row = rows.get((each["port"], each["proto"]))
        if row is None or any(
            fnmatch.fnmatchcase(each["unit"], unit) for unit in row["unit"].split("|")
        ):
            continue
        who = each["unit"] or each["process"] or "an unknown process"
        taken.add((each["port"], each["proto"], row["service"], who))
    for port, proto, service, who in sorted(taken):
        told = f"{port}/{proto} ({service}) is taken by {who}"
        yield ("ports", told, "Stop it, or give the service another port")


def _devices(host: str, survey: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[Told]:
    mounts: dict[str, list[str]] = {}
    for mount, path in (expected["devices"].get(host) or {}).items():
        seen = survey["devices"][path]
        mounts.setdefault(seen.get("real", path), []).append(mount)
        if not seen["exists"]:
            yield ("disk", f"there is no {path} for {mount}", "Correct objectstore_devices")
            continue
        if not seen["block"]:
            yield ("disk", f"{path} is no block device", "Correct objectstore_devices")
            continue
        ours = device_uuid(mount, host, expected["name"])
        holds = [*seen["signatures"], *seen["children"]]
        if seen["children"] or (holds and ours not in seen["uuids"]):
            told = f"{path} for {mount} is not empty ({', '.join(holds)}) and not ours"
            yield ("disk", told, "Name another device, or empty it yourself (wipefs -a)")
        elif seen["mounts"] and seen["mounts"] != [mount]:
            told = f"{path} is mounted on {', '.join(seen['mounts'])}, not on {mount}"
            yield ("disk", told, "Unmount it, or correct objectstore_devices")
    for path, places in mounts.items():
        if len(places) > 1:
            told = f"{path} is listed for {' and '.join(places)}"
            yield ("disk", told, "Give each drive a device of its own (objectstore_devices)")


def _belonging(
    host: str, survey: Mapping[str, Any], ours: Set[str], expected: Mapping[str, Any]
) -> Iterator[Told]:
    """A host that lost its marker but kept data of a cluster whose other hosts have theirs is one
    of them: `ours` are the identifiers found there."""
    marker = survey["marker"]
    if marker is not None and marker != expected["name"]:
        told = f"it belongs to the cluster {marker!r}, not to {expected['name']!r}"
        yield ("cluster", told, "Uninstall it there first (uninstall.yml), or take another host")
    if marker is None and host not in expected["adopt"]:
        for each in survey["data"]:
            if each["system"] and each["system"] in ours:
                continue
            told = f"{each['path']} is data of nobody knows which cluster"
            remedy = "Move it away, or take it over with preflight_adopt: [this host]"
            yield ("cluster", told, remedy)


def _strange_systems(surveys: Mapping[str, Mapping[str, Any]]) -> Iterator[Told]:
    """Members of one shard have one Postgres system identifier, in the same folder."""
    systems: dict[str, dict[str, list[str]]] = {}
    for host, survey in surveys.items():
        for each in survey["data"]:
            if each["system"]:
                systems.setdefault(each["path"], {}).setdefault(each["system"], []).append(host)
    for path, by_system in systems.items():
        if len(by_system) > 1:
            sides = "; ".join(f"{k} on {', '.join(hosts)}" for k, hosts in by_system.items())
            told = f"{path} holds different Postgres clusters: {sides}"
            yield ("cluster", told, "Move the strange one away; Patroni clones it anew")


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {
            "host_findings": host_findings,
            "part_findings": part_findings,
            "told_once": told_once,
            "findings_report": findings_report,
            "device_faults": device_faults,
            "drive_faults": drive_faults,
            "device_uuid": device_uuid,
            "host_addresses": host_addresses,
            "host_values": host_values,
        }
