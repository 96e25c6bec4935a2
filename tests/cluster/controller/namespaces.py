"""Places on one link, each a network namespace without a name, a process or a mount.

Invariant: a namespace lives by what this process holds of it, descriptors and sockets, so nothing
of it is left when the process ends, however it ends. Making them wants root.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Place", "joined"]

T = TypeVar("T")
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Place:
    v4: str
    v6: str
    mac: str
    namespace: int

    def do(self, work: Callable[[], T]) -> T:
        """The work's result. Sockets it makes and programs it starts belong to this place; they may
        be used, and live on, anywhere."""
        return _within(self.namespace, work)

    def run(self, *command: str, given: str = "") -> None:
        """A program in this place, with `given` on its standard input."""
        _run(self.namespace, command, given)


@contextmanager
def joined(addresses: Mapping[str, str]) -> Iterator[dict[str, Place]]:
    """A place for each IPv4 address, by name, with an IPv6 address, too. To each all others are on
    its link, whatever their networks.

    Neighbours are told to each: the table of those the kernel finds has 1,024 entries (gc_thresh3)
    for all namespaces of the machine, and two dozen places that all meet would nearly fill it.
    """
    with ExitStack() as closing:
        switch = _namespace(closing)
        places = {
            name: Place(address, f"fd00::{n:x}", f"02:00:00:00:00:{n:02x}", _namespace(closing))
            for n, (name, address) in enumerate(addresses.items(), 1)
        }
        own = f"/proc/{os.getpid()}/fd"
        _ip(
            switch,
            "link add br0 up type bridge mcast_snooping 0",
            *(
                f"link add p{n} up master br0 type veth"
                f" peer eth0 address {place.mac} netns {own}/{place.namespace}"
                for n, place in enumerate(places.values())
            ),
        )
        for place in places.values():
            _ip(
                place.namespace,
                "link set lo up",
                "link set eth0 up addrgenmode none",
                f"address add {place.v4}/32 dev eth0",
                f"address add {place.v6}/64 dev eth0 nodad",
                "route add default dev eth0",
                *(
                    f"neighbour add {ip} lladdr {other.mac} dev eth0 nud permanent"
                    for other in places.values()
                    for ip in (other.v4, other.v6)
                    if other is not place
                ),
            )
        yield places


def _ip(namespace: int, *lines: str) -> None:
    _run(namespace, ("ip", "-batch", "-"), "\n".join(lines))


def _run(namespace: int, command: Sequence[str], given: str) -> None:
    def there() -> subprocess.CompletedProcess[str]:
        out = subprocess.PIPE
        return subprocess.run(command, input=given, stdout=out, stderr=subprocess.STDOUT, text=True)

    done = _within(namespace, there)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}\n{given}"


def _namespace(closing: ExitStack) -> int:
    """A descriptor of a new one; the thread that made it is gone."""

    def made() -> int:
        _check(_LIBC.unshare(_CLONE_NEWNET), "unshare")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    descriptor = _in_a_thread(made)
    closing.callback(os.close, descriptor)
    return descriptor


def _within(namespace: int, work: Callable[[], T]) -> T:
    def there() -> T:
        _check(_LIBC.setns(namespace, _CLONE_NEWNET), "setns")
        return work()

    return _in_a_thread(there)


def _in_a_thread(work: Callable[[], T]) -> T:
    """A thread of its own: which namespace it is in is nobody else's concern."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _check(status: int, call: str) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), call)
