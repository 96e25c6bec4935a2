"""Who answers whom: listeners on doors, and knocks on many of them at once.

A closed door is silent, so a knock tells it from an open one by waiting. It waits for all that are
expected to answer, however slow the machine, and then a little longer for the others: they were
asked at the same moment, and asked again before that while is over.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from ipaddress import ip_address
from typing import NamedTuple

from tests.cluster.controller.documented import Door
from tests.cluster.controller.namespaces import Place

__all__ = ["Address", "answered", "arrived", "listen", "send"]

PATIENCE = 30.0  # seconds
SILENCE = 1.5  # seconds; TCP asks again after one
VRRP = 112  # its number as an IP protocol


class Address(NamedTuple):
    ip: str
    door: Door


def listen(place: Place, doors: Iterable[Door], closing: ExitStack) -> dict[Door, socket.socket]:
    """A listener on each door, by IPv4 and IPv6; VRRP's by IPv4 alone. Nobody accepts: the kernel
    does what a knock needs."""

    def opened(door: Door) -> socket.socket:
        if door.proto == "vrrp":
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
        kind = socket.SOCK_STREAM if door.proto == "tcp" else socket.SOCK_DGRAM
        made = socket.socket(socket.AF_INET6, kind)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(("::", door.port))
        if door.proto == "tcp":
            made.listen(1024)
        return made

    return place.do(lambda: {door: closing.enter_context(opened(door)) for door in doors})


def answered(
    source: Place, asked: Collection[Address], expected: Collection[Address]
) -> set[Address]:
    """Those of the TCP doors that let the source in. A refusal or an unreachable host is an error:
    each door has a listener."""

    def there() -> set[Address]:
        found: set[Address] = set()
        with selectors.DefaultSelector() as waiting, ExitStack() as closing:
            for each in asked:
                knock = closing.enter_context(socket.socket(_family(each.ip), socket.SOCK_STREAM))
                knock.setblocking(False)
                knock.connect_ex((each.ip, each.door.port))
                waiting.register(knock, selectors.EVENT_WRITE, each)
            ends = time.monotonic() + PATIENCE
            while len(found) < len(asked):
                if found.issuperset(expected):
                    ends = min(ends, time.monotonic() + SILENCE)
                left = ends - time.monotonic()
                ready = waiting.select(max(left, 0))
                for key, _ in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    if error := key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        raise OSError(error, os.strerror(error), str(key.data))
                    waiting.unregister(key.fileobj)
                    found.add(key.data)
                if not ready and left <= 0:
                    break
        return found

    return source.do(there)


def send(source: Place, asked: Iterable[Address]) -> None:
    """A datagram to each; only the receiver can tell whether it came."""

    def there() -> None:
        for ip, door in asked:
            kind = (socket.SOCK_RAW, VRRP) if door.proto == "vrrp" else (socket.SOCK_DGRAM, 0)
            with socket.socket(_family(ip), *kind) as sender:
                sender.sendto(b"knock", (ip, door.port))

    source.do(there)


def arrived(listener: socket.socket) -> set[str]:
    """The addresses from which datagrams have come by now."""
    found: set[str] = set()
    while True:
        try:
            _, (address, *_) = listener.recvfrom(100, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return found
        ip = ip_address(address)
        found.add(str(getattr(ip, "ipv4_mapped", None) or ip))


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET
