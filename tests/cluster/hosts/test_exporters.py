"""Exporters on each host: on loopback only, and what no exporter knows is written, too."""

import time

import pytest

from tests.cluster.hosts.asking import figures

FIGURES = "/var/lib/prometheus/node-exporter/stowbay.prom"
PORTS = {9100: "stowbay", 9113: "edge", 9121: "redis", 9187: "postgres"}


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.mark.parametrize("port", PORTS)
def test_an_exporter_listens_on_loopback_and_only_where_its_part_is(host, variables, port):
    listening = [
        line.split()[3] for line in host.check_output(f"ss -Hltn 'sport = :{port}'").splitlines()
    ]
    here = variables["inventory_hostname"] in variables["groups"][PORTS[port]]
    assert listening == ([f"127.0.0.1:{port}"] if here else [])


def test_the_timer_writes_what_it_sees(host):
    assert host.service("stowbay-figures.timer").is_enabled
    written = host.file(FIGURES)
    assert (written.user, written.mode) == ("root", 0o644)
    assert time.time() - written.mtime.timestamp() < 120
    fresh = host.check_output("curl -sS http://127.0.0.1:9100/metrics")
    shown = figures(fresh)
    assert shown["node_textfile_scrape_error",] == 0
    assert figures(written.content_string).keys() <= shown.keys()


def test_every_certificate_has_its_end(host):
    folders = host.check_output("cd /etc/stowbay/pki && ls -d */ | tr -d /").split()
    ends = {
        leaf[0]: end
        for (name, *leaf), end in figures(host.file(FIGURES).content_string).items()
        if name == "stowbay_certificate_expiry_seconds"
    }
    assert ends.keys() == {"ca", *folders}
    for leaf, end in ends.items():
        assert end - time.time() > 29 * 86400, leaf


def test_every_volume_has_its_room(host, variables):
    found = figures(host.file(FIGURES).content_string)
    sizes = {tuple(labels) for (name, *labels) in found if name == "stowbay_volume_size_bytes"}
    wanted = {("/", "system")}
    if "objectstore" in variables["group_names"]:
        wanted |= {(drive, "store") for drive in variables["objectstore_drives"]}
    if "postgres" in variables["group_names"]:
        wanted.add(("/var/lib/postgresql", "postgres"))
    assert wanted <= sizes


def test_its_units_are_confined(host, variables):
    shards = [s for s in variables["stowbay_shards"] if s["group"] in variables["group_names"]]
    exporters = [f"prometheus-postgres-exporter@{shard['name']}.service" for shard in shards]
    for unit in ("stowbay-figures.service", *exporters):
        line = host.check_output(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
        assert float(line.split(": ")[1].split(" ")[0]) <= 3.0, line


def test_a_password_of_an_exporter_is_root_s(host, variables):
    for name in host.check_output("ls /etc/default").split():
        if name.startswith(("prometheus-redis", "prometheus-postgres-exporter@")):
            assert (host.file(f"/etc/default/{name}").mode, name) == (0o600, name)
