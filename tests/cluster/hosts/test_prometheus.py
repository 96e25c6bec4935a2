"""Prometheus on each monitoring host: it asks every part, all answer, and nothing is alarming."""

import json
from collections import Counter
from pathlib import Path

from tests.cluster.alert_pages import RULES, alerts
from tests.cluster.hosts.asking import ask, query, settled, status
from tests.cluster.promql import used_metrics

testinfra_hosts = ["ansible://monitoring"]

DASHBOARD = Path(__file__).parents[3] / "monitoring" / "dashboards" / "overview.json"
# There only after something went wrong, or was used: not on a fresh cluster.
SOMETIMES = {"stowbay_problems_total", "stowbay_job_items_total", "stowbay_job_runs_total"}
OF_MINIO = ("minio_", "store:drives_away:")


def expected_targets(variables):
    """Job -> how many are asked, by the inventory."""
    groups = variables["groups"]
    wanted = Counter({job: len(set(groups[group])) for job, group in {
        "node": "stowbay", "haproxy": "stowbay", "etcd": "etcd", "redis": "redis", "nginx": "edge",
        "worker": "worker", "store": "objectstore", "prometheus": "monitoring",
        "alertmanager": "monitoring",
    }.items()})  # fmt: skip
    wanted["gateway"] = len(set(groups["gateway"])) * int(variables["gateway_processes"])
    for shard in variables["stowbay_shards"]:
        for job in ("postgres", "patroni"):
            wanted[job] += len(set(groups[shard["group"]]))
    return wanted


def test_it_runs_and_starts_with_the_host(host):
    service = host.service("prometheus")
    assert service.is_running
    assert service.is_enabled


def test_it_listens_on_the_inner_address_and_wants_tls_and_the_password(host):
    address = host.ansible.get_variables()["ansible_host"]
    listening = host.check_output("ss -Hltn 'sport = :9090'").split()
    assert listening[3] == f"{address}:9090"
    assert status(host, 9090) == "401"
    assert status(host, 9090, "-u stowbay:wrong") == "401"
    plain = host.run(f"curl -sS -o /dev/null -w '%{{http_code}}' http://{address}:9090/-/healthy")
    assert plain.stdout == "400"


def test_its_secrets_are_its_own(host):
    for name in ("web.yml", "password", "prometheus.yml"):
        found = host.file(f"/etc/prometheus/{name}")
        assert (found.user, found.group, found.mode) == ("root", "prometheus", 0o640), name


def test_every_part_is_asked_and_answers(host):
    wanted = expected_targets(host.ansible.get_variables())

    def down():
        targets = ask(host, 9090, "/api/v1/targets?state=active")["data"]["activeTargets"]
        assert Counter(each["labels"]["job"] for each in targets) == wanted
        return [
            (each["scrapeUrl"], each["health"], each["lastError"])
            for each in targets
            if each["health"] != "up"
        ]

    assert settled(down) == []


def test_what_the_exporters_ask_answers_them(host):
    groups = host.ansible.get_variables()["groups"]
    for name, group in (("redis_up", "redis"), ("nginx_up", "edge")):
        assert [each["value"] for each in query(host, name)] == [1.0] * len(groups[group]), name
    assert {each["value"] for each in query(host, "pg_up")} == {1.0}


def test_every_rule_is_there_and_healthy(host):
    groups = ask(host, 9090, "/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == {
        rule["alert"] for _, rule in alerts()
    }

    def ill():
        found = ask(host, 9090, "/api/v1/rules")["data"]["groups"]
        return [r for group in found for r in group["rules"] if r["health"] != "ok"]

    assert settled(ill) == []
    brought = host.check_output("ls /etc/prometheus/rules").split()
    assert brought == sorted(path.name for path in RULES.glob("*.yml"))


def test_nothing_is_alarming_on_a_healthy_cluster(host):
    firing = 'ALERTS{alertstate="firing", severity!="info"}'
    assert settled(lambda: query(host, firing), seconds=150) == []
    assert [each["alertname"] for each in query(host, 'ALERTS{severity="info"}')] == ["Watchdog"]


def test_the_page_that_needs_no_grafana(host):
    page = ask(host, 9090, "/consoles/stowbay.html", parse=str)
    wanted = expected_targets(host.ansible.get_variables())
    for job in wanted:
        assert f"<td>{job}<td>{wanted[job]}" in page
    for shard in host.ansible.get_variables()["stowbay_shards"]:
        assert f"<td>{shard['name']} takes writes<td>yes" in page


def test_every_figure_of_the_rules_and_the_dashboard_comes(host):
    """What a rule reads and nobody says would be silent for ever."""
    variables = host.ansible.get_variables()
    expressions = [rule["expr"] for _, rule in alerts()]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        expressions += [target["expr"] for target in panel.get("targets", [])]
    wanted = set().union(*map(used_metrics, expressions)) - SOMETIMES
    if not variables["stowbay_floating_address"]:
        wanted.discard("stowbay_floating_address_holder")
    shards = variables["stowbay_shards"]
    if all(len(set(variables["groups"][shard["group"]])) == 1 for shard in shards):
        wanted.discard("shard:replica_lag_bytes:max")  # nobody follows
    if variables["objectstore_kind"] != "minio":
        wanted = {name for name in wanted if not name.startswith(OF_MINIO)}

    def missing():
        return wanted - set(ask(host, 9090, "/api/v1/label/__name__/values")["data"])

    assert settled(missing, seconds=150) == set()
