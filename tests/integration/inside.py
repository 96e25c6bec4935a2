"""What only somebody inside the machine can see and do: processes, sockets, the store's objects."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio

from appliance.domain import ids

from .instance import Instance, User

__all__ = ["inner_ports", "listeners", "object_keys", "overwrite", "processes"]


def _store(instance: Instance, credential: str) -> Minio:
    words = (instance.var / "secrets" / f"store-{credential}").read_text()
    access, secret = words.strip().split(":")
    store = instance.settings["store"]
    return Minio(
        urlsplit(store["endpoint"]).netloc,
        access_key=access,
        secret_key=secret,
        region=store["region"],
        secure=False,
    )


def object_keys(user: User) -> list[str]:
    """Of all the objects that hold the user's files."""
    mark = f"{ids.decode_key('s', user.space):016x}"
    found = _store(user.instance, "scrub").list_objects(
        user.instance.settings["store"]["bucket"], recursive=True
    )
    return [item.object_name for item in found if item.object_name and mark in item.object_name]


def overwrite(user: User, key: str, data: bytes) -> None:
    """Other bytes under the key, as no part of the product would ever write them."""
    _store(user.instance, "root").put_object(
        user.instance.settings["store"]["bucket"], key, io.BytesIO(data), len(data)
    )


def processes(instance: Instance) -> set[int]:
    found = [int(path.read_text().split()[0]) for path in (instance.var / "run").glob("*.pid")]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return set(found)


def _sockets(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                name = str(link.readlink())
            except OSError:
                continue
            if inode := re.match(r"socket:\[(\d+)\]", name):
                found.add(inode[1])
    return found


def listeners(instance: Instance) -> list[tuple[str, int]]:
    """(address in hexadecimal, port) of every TCP listener of the instance's processes."""
    mine = _sockets(processes(instance))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in mine:
                address, port = fields[1].split(":")
                found.append((address, int(port, 16)))
    return found


def inner_ports(instance: Instance) -> list[int]:
    """All that listen, but for nginx's own three."""
    public = {
        urlsplit(instance.settings[key]).port for key in ("api_url", "upload_url", "download_url")
    }
    return sorted({port for _, port in listeners(instance)} - public)
