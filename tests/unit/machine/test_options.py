"""Settings: parsed once, refused by name, and all of them on the reference page."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import msgspec
import pytest

from appliance.machine.failure import CannotStart
from appliance.machine.options import read_options, settings_table
from appliance.machine.ports import MAX_GATEWAYS, WINDOW, busy, read_ports
from appliance.settings import Limits

HERE = Path("/srv/checkout")
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_defaults_need_no_environment() -> None:
    options = read_options({}, HERE)
    assert (options.store, options.var, options.databases) == ("seaweedfs", HERE / "var", 1)
    assert (options.ports.api, options.ports.upload, options.ports.download) == (8443, 8444, 8445)
    assert options.ports.gateways == (18501, 18502)
    assert options.ports.bench is None
    assert options.limits == Limits()


def test_an_empty_variable_is_an_unset_one() -> None:
    empty = {name: "" for name, _, _ in settings_table()}
    assert read_options(empty, HERE) == read_options({}, HERE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORE", "s3"),
        ("STOWBAY_GATEWAYS", "0"),
        ("STOWBAY_GATEWAYS", "9"),
        ("STOWBAY_GATEWAYS", "two"),
        ("STOWBAY_DATABASES", "3"),
        ("STOWBAY_LIMITS", '{"no_such_limit": 1}'),
        ("STOWBAY_LIMITS", '{"copy_nodes": "many"}'),
        ("STOWBAY_LIMITS", "["),
        ("STOWBAY_LOG_LEVEL", "loud"),
        ("STOWBAY_CACHE_MB", "1"),
        ("STOWBAY_PORT_API", "0"),
        ("STOWBAY_PORT_API", "99999"),
        ("STOWBAY_PORT_API", "١٢٣٤"),
        ("STOWBAY_PORT_BASE", "-1"),
        ("STOWBAY_PORT_BENCH", "yes"),
    ],
)
def test_a_wrong_value_is_refused_with_the_setting_that_holds_it(name: str, value: str) -> None:
    with pytest.raises(CannotStart, match=name):
        read_options({name: value}, HERE)


def test_limits_override_only_what_they_name() -> None:
    limits = read_options({"STOWBAY_LIMITS": '{"ticket_seconds": 2}'}, HERE).limits
    assert limits == msgspec.structs.replace(Limits(), ticket_seconds=2)


def test_a_base_moves_every_port_into_one_window() -> None:
    ports = read_ports({"STOWBAY_PORT_BASE": "20000"}, MAX_GATEWAYS)
    numbers = [port for _, port in ports.taken("seaweedfs")]
    assert len(numbers) == len(set(numbers))
    assert all(20000 <= port < 20000 + WINDOW for port in numbers)


def test_an_own_setting_wins_over_the_base() -> None:
    given = {"STOWBAY_PORT_BASE": "20000", "STOWBAY_PORT_REDIS": "6380"}
    assert read_ports(given, 1).redis == 6380


def test_two_settings_with_one_port_are_refused_with_both_names() -> None:
    with pytest.raises(CannotStart, match="STOWBAY_PORT_REDIS and STOWBAY_PORT_POSTGRES"):
        read_ports({"STOWBAY_PORT_REDIS": "18432"}, 2)


def test_a_busy_port_is_told_with_the_setting_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = read_ports({"STOWBAY_PORT_BASE": "20000", "STOWBAY_PORT_STORE": str(taken)}, 1)
        assert ("STOWBAY_PORT_STORE", taken) in busy(ports, "minio")
    assert ("STOWBAY_PORT_STORE", taken) not in busy(ports, "minio")


def test_minio_leaves_the_ports_of_the_other_store_alone() -> None:
    named = {setting for setting, _ in read_ports({}, 2).taken("minio")}
    assert "STOWBAY_PORT_STORE" in named
    assert not {"STOWBAY_PORT_MASTER", "STOWBAY_PORT_FILER_GRPC"} & named


def test_each_choice_of_store_and_databases_has_a_bucket_of_its_own() -> None:
    worlds = {
        read_options({"STORE": store, "STOWBAY_DATABASES": count}, HERE).world
        for store in ("seaweedfs", "minio")
        for count in ("1", "2")
    }
    assert len(worlds) == 4
    assert all(re.fullmatch(r"[a-z][a-z-]{2,62}", world) for world in worlds)


def test_the_reference_page_has_every_setting_with_its_default_and_limit() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, default, meaning in settings_table():
        shown = f"`{default}`" if default else "unset"
        assert f"| `{name}` | {shown} | {meaning} |" in page
    for field in msgspec.structs.fields(Limits):
        assert f"| `{field.name}` | {field.default} |" in page
