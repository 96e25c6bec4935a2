"""Alertmanager on each monitoring host: closed to strangers, one cluster; alerts arrive, and with
a receiver they are sent on."""

import json
import os
import queue
import secrets
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import testinfra

from tests.cluster.addresses import CONTROLLER
from tests.cluster.hosts.asking import ask, post, settled, status
from tests.cluster.hosts.one_role import run_role

testinfra_hosts = ["ansible://monitoring"]


def test_it_runs_and_its_settings_are_valid(host):
    service = host.service("prometheus-alertmanager")
    assert service.is_running
    assert service.is_enabled
    assert "SUCCESS" in host.check_output("amtool check-config /etc/prometheus/alertmanager.yml")


def test_it_listens_on_the_inner_address_and_wants_tls_and_the_password(host):
    address = host.ansible.get_variables()["ansible_host"]
    listening = host.check_output("ss -Hltn 'sport = :9093'").split()
    assert listening[3] == f"{address}:9093"
    assert status(host, 9093) == "401"
    assert status(host, 9093, "-u stowbay:wrong") == "401"


def test_all_of_them_are_one_cluster(host):
    groups = host.ansible.get_variables()["groups"]

    def wrong():
        cluster = ask(host, 9093, "/api/v2/status")["cluster"]
        if len(groups["monitoring"]) == 1:
            return cluster["status"] != "disabled"
        return (cluster["status"], len(cluster["peers"])) != ("ready", len(groups["monitoring"]))

    assert not settled(wrong)


def test_a_peer_without_a_certificate_is_refused(host):
    variables = host.ansible.get_variables()
    listening = host.check_output("ss -Hltn 'sport = :9094'")
    if len(variables["groups"]["monitoring"]) == 1:
        assert listening == "", "one alone has no peers"
        return
    asked = host.run(
        f"curl -sS --max-time 5 --cacert /etc/stowbay/pki/ca.pem https://{variables['ansible_host']}:9094/"
    )
    assert asked.rc != 0
    assert "certificate required" in asked.stderr


def test_alerts_arrive(host):
    def missing():
        there = {each["labels"]["alertname"] for each in ask(host, 9093, "/api/v2/alerts")}
        return {"Watchdog"} - there

    assert settled(missing) == set()


@pytest.fixture
def sent_on():
    """What a receiver on the controller is told by the first monitoring host, and that host."""
    told = queue.SimpleQueue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            pass

    inventory = os.environ["ANSIBLE_INVENTORY"]
    host = testinfra.get_hosts(["ansible://monitoring"], ansible_inventory=inventory)[0]
    name = host.ansible.get_variables()["inventory_hostname"]
    with HTTPServer((CONTROLLER, 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hook = {"url": f"http://{CONTROLLER}:{server.server_port}/"}
        try:
            run_role("alertmanager", name, alertmanager_receiver={"webhook_configs": [hook]})
            yield host, told
        finally:
            run_role("alertmanager", name)
            server.shutdown()


@pytest.mark.timeout(900)
def test_a_receiver_is_told(sent_on):
    """One that nobody was told of before: the others are repeated after hours only."""
    host, told = sent_on
    name = f"Delivered{secrets.token_hex(4)}"
    post(host, 9093, "/api/v2/alerts", [{"labels": {"alertname": name}}])
    seen = set()

    def missing():
        while not told.empty():
            seen.update(alert["labels"]["alertname"] for alert in told.get()["alerts"])
        return {name} - seen

    assert not settled(missing, 180), seen
