"""Default deny between groups, by packets: the inventory whose groups are all apart.

Each host is a network namespace with the ruleset that the role makes for it, loaded by the nft of
the lab's Debian, and a listener on every port of the documented matrix and on one that it doesn't
know. Everybody knocks everywhere. In the lab's clusters each host is in all groups, so there all of
this is open between them.
"""

from __future__ import annotations

import functools
import json
import resource
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cluster.base_image import base_image
from tests.cluster.controller.altered import ANSIBLE, MAIN, alter, copy_of, play
from tests.cluster.controller.documented import Door, Inventory, Way, doors, ways
from tests.cluster.controller.knocking import PATIENCE, Address, answered, arrived, listen, send
from tests.cluster.controller.namespaces import Place, joined
from tests.cluster.port_pages import PAGE

OUTSIDE = {"administrator": "198.51.100.10", "client": "203.0.113.10"}
STRANGE = Door("tcp", 18999)
BY_V6 = " by IPv6"  # behind the name of a way's target


@dataclass(frozen=True)
class Lab:
    """The inventory `lab` and whoever else asks, with the rulesets of its hosts."""

    inventory: Inventory
    rulesets: Mapping[str, str]

    def doors(self, proto: str) -> list[Door]:
        """Those that every host has a listener on, whatever it serves."""
        known = doors(PAGE.read_text(), self.inventory.variables)
        return sorted(door for door in known | {STRANGE} if door.proto == proto)

    @property
    def ways(self) -> set[Way]:
        return ways(PAGE.read_text(), self.inventory)


def read(inventory: Path, *arguments: str) -> Lab:
    file = inventory.parent / "rulesets.json"
    playbook = Path(__file__).with_name("rulesets.yml")
    said = play(inventory, "-e", f"rulesets_file={file}", *arguments, playbook=str(playbook))
    assert said.code == 0, said.text
    held = json.loads(file.read_text())
    variables = yaml.safe_load((inventory / MAIN).read_text())
    return Lab(Inventory(held["groups"], held["addresses"] | OUTSIDE, variables), held["rulesets"])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return read(copy_of(ANSIBLE / "inventories" / "lab", tmp_path_factory.mktemp("lab")))


@pytest.fixture(scope="module")
def places(lab: Lab) -> Iterator[dict[str, Place]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    with joined(lab.inventory.addresses) as made:
        yield made
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def listeners(lab: Lab, places: dict[str, Place]) -> Iterator[None]:
    with ExitStack() as closing:
        for host in lab.rulesets:
            listen(places[host], lab.doors("tcp"), closing)
        yield


@functools.cache
def debian() -> str:
    """The hosts', as this machine's nft may not know all that Debian 13's does."""
    return str(base_image())


def nft(place: Place, statements: str) -> None:
    place.run("chroot", debian(), "/usr/sbin/nft", "-f", "-", given=statements)


@contextmanager
def in_force(places: Mapping[str, Place], rulesets: Mapping[str, str]) -> Iterator[None]:
    try:
        for host, ruleset in rulesets.items():
            nft(places[host], ruleset)
        yield
    finally:
        for host in rulesets:
            nft(places[host], "flush ruleset")


def everybody(lab: Lab, proto: str = "tcp") -> set[Way]:
    """From each place to each door of each host but itself, by IPv4 and by IPv6."""
    versions = ("",) if proto == "vrrp" else ("", BY_V6)
    return {
        Way(source, target + version, door)
        for source in lab.inventory.addresses
        for target in lab.rulesets
        for version in versions
        for door in lab.doors(proto)
        if source != target
    }


def addresses_of(places: Mapping[str, Place]) -> dict[str, str]:
    """By what a way calls them."""
    v6 = {name + BY_V6: place.v6 for name, place in places.items()}
    return {name: place.v4 for name, place in places.items()} | v6


def open_ways(
    places: Mapping[str, Place], asked: Collection[Way], expected: Collection[Way]
) -> set[Way]:
    """Those of the ways, all TCP, on which a connection opens."""
    addresses = addresses_of(places)
    names = {ip: name for name, ip in addresses.items()}

    def from_one(source: str) -> set[Way]:
        def of(given: Collection[Way]) -> set[Address]:
            return {Address(addresses[b], door) for a, b, door in given if a == source}

        found = answered(places[source], of(asked), of(expected))
        return {Way(source, names[each.ip], each.door) for each in found}

    with ThreadPoolExecutor(6) as pool:  # silence takes its seconds
        return set().union(*pool.map(from_one, places))


def assert_same(seen: set[Way], expected: set[Way]) -> None:
    wrong = [f"open: {a} to {b}, {d.port}/{d.proto}" for a, b, d in sorted(seen - expected)]
    wrong += [f"silent: {a} to {b}, {d.port}/{d.proto}" for a, b, d in sorted(expected - seen)]
    if wrong:
        pytest.fail("\n".join(["against the documented matrix", *wrong]), pytrace=False)


@pytest.mark.parametrize(
    ("source", "target", "port", "is_open"),
    [
        ("app1", "db1", 5432, True),
        ("app1", "db1", 5442, False),  # the other shard's, which db1 doesn't carry
        ("db4", "db2", 5442, True),
        ("db4", "db2", 5432, False),
        ("edge1", "app2", 7102, True),
        ("edge1", "app2", 7103, False),
        ("edge1", "db1", 5432, False),
        ("edge1", "cache1", 6379, False),
        ("app1", "vote1", 2379, False),
        ("db1", "vote1", 2379, True),
        ("db1", "store1", 9000, False),
        ("app1", "cache1", 26379, False),
        ("watch1", "store4", 9443, True),
        ("app1", "store4", 9443, False),
        ("store1", "app1", 7101, False),
        ("administrator", "vote3", 22, True),
        ("client", "vote3", 22, False),
        ("client", "edge2", 443, True),
        ("client", "app1", 7101, False),
        ("app1", "app2", 22, False),
    ],
)
def test_the_page_promises(lab: Lab, source: str, target: str, port: int, is_open: bool) -> None:
    assert (Way(source, target, Door("tcp", port)) in lab.ways) == is_open


@pytest.mark.usefixtures("listeners")
def test_without_rulesets_every_door_answers(lab: Lab, places: dict[str, Place]) -> None:
    """So silence is the rulesets' doing: each door is asked once, each host by everybody."""
    asked = {way for way in everybody(lab) if way.source == "client" or way.door == STRANGE}
    assert_same(open_ways(places, asked, asked), asked)


@pytest.mark.usefixtures("listeners")
def test_the_matrix_is_open_and_nothing_else(lab: Lab, places: dict[str, Place]) -> None:
    """By IPv6 nothing at all: no network of the inventory is of it."""
    expected = {way for way in lab.ways if way.door.proto == "tcp"}
    with in_force(places, lab.rulesets):
        seen = open_ways(places, everybody(lab), expected)
    assert_same(seen, expected)


@pytest.mark.parametrize(
    ("proto", "asks"),
    [
        pytest.param("udp", lambda source, target: True, id="udp"),
        # Without ports, two that both ask answer each other, and answers pass.
        pytest.param("vrrp", lambda source, target: source < target, id="vrrp one way"),
        pytest.param("vrrp", lambda source, target: source > target, id="vrrp the other way"),
    ],
)
def test_datagrams(lab: Lab, proto: str, asks: Callable[[str, str], bool]) -> None:
    """First without rulesets, when all come; then only what the matrix opens does."""
    asked = {way for way in everybody(lab, proto) if asks(way.source, way.target)}
    expected = {way for way in lab.ways if way in asked}
    with joined(lab.inventory.addresses) as places, ExitStack() as closing:
        heard = {host: listen(places[host], lab.doors(proto), closing) for host in lab.rulesets}
        assert_same(ways_of_datagrams(places, heard, asked, asked), asked)
        with in_force(places, lab.rulesets):
            seen = ways_of_datagrams(places, heard, asked, expected)
        assert_same(seen, expected)


def ways_of_datagrams(
    places: Mapping[str, Place],
    heard: Mapping[str, Mapping[Door, socket.socket]],
    asked: Collection[Way],
    expected: set[Way],
) -> set[Way]:
    """Sent again until all that are expected have come, then once more."""
    addresses = addresses_of(places)
    names = {place.v4: name for name, place in places.items()}
    names |= {place.v6: name for name, place in places.items()}

    def new() -> set[Way]:
        return {
            Way(names[ip], host + BY_V6 if ":" in ip else host, door)
            for host, listeners in heard.items()
            for door, listener in listeners.items()
            for ip in arrived(listener)
        }

    new()  # what came late, before these rulesets
    seen: set[Way] = set()
    until = time.monotonic() + PATIENCE
    complete = False
    while not complete and time.monotonic() < until:
        complete = seen >= expected
        for source, place in places.items():
            send(place, [Address(addresses[b], door) for a, b, door in asked if a == source])
        time.sleep(0.2)
        seen |= new()
    return seen


@pytest.mark.usefixtures("listeners")
def test_clients_are_those_of_the_inventory(
    lab: Lab, places: dict[str, Place], tmp_path: Path
) -> None:
    """Where not everybody is a client, who is in no named group is silent at an edge, too."""
    inventory = copy_of(ANSIBLE / "inventories" / "lab", tmp_path)
    alter(
        inventory / MAIN,
        lambda held: held["stowbay_networks"].update(clients=["203.0.113.0/24"]),
    )
    narrow = read(inventory, "--limit", "edge1")
    assert list(narrow.rulesets) == ["edge1"]
    expected = {way for way in narrow.ways if way.target == "edge1" and way.door.proto == "tcp"}
    with in_force(places, narrow.rulesets):
        seen = open_ways(places, everybody(narrow), expected)
    assert_same(seen, expected)
    let_in = {way.source for way in seen if way.door.port == 443}
    assert let_in == {"client", "edge2", "app1", "app2"}


def forwards() -> None:
    """Make a router of the place this is called in, one that doesn't tell of a shorter way."""
    settings = {"conf/all/send_redirects": 0, "conf/eth0/send_redirects": 0, "ip_forward": 1}
    for key, value in settings.items():
        (Path("/proc/sys/net/ipv4") / key).write_text(f"{value}\n")


def test_nothing_is_forwarded(lab: Lab) -> None:
    """Even if the kernel of a host would: an edge as the administrator's way to the backup."""
    names = ("edge1", "backup1", "administrator")
    rulesets = {host: lab.rulesets[host] for host in names[:2]}
    ssh = Door("tcp", 22)
    addresses = {name: lab.inventory.addresses[name] for name in names}
    with joined(addresses) as made, ExitStack() as closing:
        edge, backup, administrator = (made[name] for name in names)
        listen(backup, [ssh], closing)
        edge.do(forwards)
        way = f"{backup.v4} via {edge.v4} dev eth0 onlink".split()
        administrator.run("ip", "route", "add", *way)
        door = {Address(backup.v4, ssh)}
        with in_force(made, {"backup1": rulesets["backup1"]}):
            assert answered(administrator, door, door) == door
        with in_force(made, rulesets):
            assert answered(administrator, door, set()) == set()
