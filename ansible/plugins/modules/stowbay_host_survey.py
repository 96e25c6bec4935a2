#!/usr/bin/python
"""What a host is and holds, gathered in one task and changing nothing."""

from __future__ import annotations

import glob
import json
import os
import re
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: stowbay_host_survey
short_description: Gather what the preflight judges, in one call
description:
  - Reads the operating system, memory, free space, name resolution, interfaces, listening
    sockets, listed block devices, drives, the cluster's marker and data directories. Changes
    nothing.
  - Says what it saw and judges nothing; the filter host_findings does.
options:
  names: {type: dict, default: {}, description: Names to resolve and the address each should have.}
  devices: {type: list, elements: str, default: [], description: Block devices to look at.}
  drives: {type: list, elements: str, default: [], description: Folders that should be mounted.}
  data: {type: list, elements: str, default: [], description: Globs that mark data directories.}
  space: {type: list, elements: str, default: [], description: Folders whose free space counts.}
  marker: {type: str, default: /etc/stowbay/cluster, description: The file with the cluster's name.}
  ssh_port: {type: int, default: 22, description: The port sshd listens on.}
author: [Stowbay]
"""
EXAMPLES = r"""
- stowbay_host_survey:
    names: {c1: 10.0.0.11}
    devices: [/dev/sdb]
"""
RETURN = r"""
survey: {returned: always, type: dict, description: What was seen.}
"""

UNIT = re.compile(r"([^/]+\.(?:service|scope|socket))(?:/|$)")


def operating_system():
    lines = Path("/etc/os-release").read_text("utf-8").splitlines()
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return {key: pairs.get(key, "").strip('"') for key in ("ID", "VERSION_ID")}


def memory_mb():
    return int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) // 1024


def free_mb(folder):
    """Of the nearest ancestor that exists: the folder may be made later."""
    place = Path(folder)
    while not place.exists():
        place = place.parent
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize // 2**20


def resolved(name, address):
    """Both ways; an empty list is `not known`. Without an address, forward only."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        forward = sorted({each[4][0] for each in found})
    except OSError:
        forward = []
    try:
        main, aliases, _ = socket.gethostbyaddr(address) if address else ("", [], [])
        backward = [name for name in (main, *aliases) if name]
    except OSError:
        backward = []
    return {"addresses": forward, "names": backward}


def unit_of(pid):
    try:
        lines = Path("/proc", pid, "cgroup").read_text().splitlines()
    except OSError:
        return ""
    found = [
        UNIT.findall(line) for line in lines if line.startswith("0::") or "name=systemd" in line
    ]
    return next((units[-1] for units in found if units), "")


def listeners(text):
    """`ss -Hlntup` as data. Sockets of the kernel have neither process nor unit."""
    found = []
    for line in text.splitlines():
        proto, _, _, _, local, *rest = line.split(None, 6)
        address, port = local.rsplit(":", 1)
        address = address.split("%")[0].strip("[]").replace("*", "::")
        holder = re.search(r'"([^"]+)",pid=(\d+)', " ".join(rest))
        found.append(
            {
                "address": address,
                "port": int(port),
                "proto": proto,
                "process": holder[1] if holder else "",
                "unit": unit_of(holder[2]) if holder else "",
            }
        )
    return found


def device(module, path):
    if not Path(path).exists():
        return {"exists": False}
    if not Path(path).is_block_device():
        return {"exists": True, "block": False}
    real = str(Path(path).resolve())
    _, out, _ = module.run_command(["wipefs", "--no-act", "--json", real], check_rc=True)
    marks = (json.loads(out) if out.strip() else {}).get("signatures", [])
    _, out, _ = module.run_command(["lsblk", "--json", "--list", "-o", "NAME,MOUNTPOINTS", real])
    rows = json.loads(out)["blockdevices"] if out.strip() else []
    return {
        "exists": True,
        "block": True,
        "real": real,
        "signatures": [mark["type"] for mark in marks],
        "uuids": [mark["uuid"] for mark in marks if mark.get("uuid")],
        "children": [row["name"] for row in rows if "/dev/" + row["name"] != real],
        "mounts": sorted({place for row in rows for place in row["mountpoints"] if place}),
    }


def drive(path):
    """The filesystem mounted there, by its number; None if there is no other than the folder's
    around it, or the system's."""
    if not Path(path).is_mount():
        return None
    number = Path(path).stat().st_dev
    return None if number == Path("/").stat().st_dev else number


def fstab():
    """The mount points that /etc/fstab names; a space in one is written as \\040."""
    file = Path("/etc/fstab")
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    return [each[1].replace("\\040", " ") for each in fields if len(each) > 1]


def data_directory(found):
    """Whose it is, where the data itself says so: Postgres's system identifier (the first 8 bytes
    of pg_control), MinIO's deployment."""
    control = Path(found).parent / "global" / "pg_control"
    if Path(found).name == "PG_VERSION" and control.exists():
        return {
            "path": str(Path(found).parent),
            "system": str(struct.unpack("=Q", control.read_bytes()[:8])[0]),
        }
    if Path(found).name == "format.json":
        return {
            "path": str(Path(found).parents[1]),
            "system": json.loads(Path(found).read_text())["id"],
        }
    return {"path": found, "system": ""}


def interfaces(module):
    _, out, _ = module.run_command(["ip", "-json", "address"], check_rc=True)
    return [
        {"name": link["ifname"], "address": f"{each['local']}/{each['prefixlen']}"}
        for link in json.loads(out)
        for each in link.get("addr_info", [])
        if each.get("scope") == "global"
    ]


def main():
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "dict", "default": {}},
            "devices": {"type": "list", "elements": "str", "default": []},
            "drives": {"type": "list", "elements": "str", "default": []},
            "data": {"type": "list", "elements": "str", "default": []},
            "space": {"type": "list", "elements": "str", "default": []},
            "marker": {"type": "str", "default": "/etc/stowbay/cluster"},
            "ssh_port": {"type": "int", "default": 22},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    with ThreadPoolExecutor(16) as pool:  # an unknown name takes the resolver's seconds
        answers = list(pool.map(lambda item: resolved(*item), wanted["names"].items()))
    _, sockets, _ = module.run_command(["ss", "-Hlntup"], check_rc=True)
    _, peers, _ = module.run_command(
        ["ss", "-Htn", "state", "established", "sport", "=", f":{wanted['ssh_port']}"]
    )
    marker = Path(wanted["marker"])
    module.exit_json(
        changed=False,
        survey={
            "os": operating_system(),
            "memory_mb": memory_mb(),
            "free_mb": {folder: free_mb(folder) for folder in wanted["space"]},
            "names": dict(zip(wanted["names"], answers, strict=True)),
            "interfaces": interfaces(module),
            "listeners": listeners(sockets),
            "ssh_peers": [
                line.split()[-1].rsplit(":", 1)[0].strip("[]") for line in peers.splitlines()
            ],
            "devices": {path: device(module, path) for path in wanted["devices"]},
            "drives": {path: drive(path) for path in wanted["drives"]},
            "fstab": fstab(),
            "marker": marker.read_text("utf-8").strip() if marker.exists() else None,
            "data": [
                data_directory(found)
                for pattern in wanted["data"]
                for found in sorted(glob.glob(pattern))  # noqa: PTH207
            ],
        },
    )


if __name__ == "__main__":
    main()
