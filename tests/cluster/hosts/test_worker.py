"""The worker on a host: it runs, shut in, and tells its figures on loopback only."""

testinfra_hosts = ["ansible://worker"]

UNIT = "stowbay-worker.service"


def test_it_runs_and_starts_with_the_host(host):
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled


def test_it_is_shut_in_and_watched(host):
    line = host.check_output(f"systemd-analyze security --no-pager {UNIT} | tail -n 1")
    assert float(line.split(":")[1].split()[0]) <= 3.0, line
    shown = host.check_output(f"systemctl show -P Type -P WatchdogUSec -P User {UNIT}").split()
    assert shown == ["notify", "1min", "stowbay"]


def test_its_figures_are_on_loopback_and_nothing_else_listens(host):
    process = host.check_output(f"systemctl show -P MainPID {UNIT}")
    listed = host.check_output("ss -Hltnp").splitlines()
    assert {line.split()[3] for line in listed if f"pid={process}," in line} == {"127.0.0.1:7290"}
    figures = host.check_output("curl -sS --max-time 10 http://127.0.0.1:7290/metrics")
    assert "stowbay_start_time_seconds" in figures


def test_keys_that_sign_tickets_are_on_gateways_only(host):
    groups = host.ansible.get_variables()["group_names"]
    assert host.file("/etc/stowbay/tickets.json").exists == ("gateway" in groups)


def test_it_gives_its_work_back_when_it_is_stopped(host):
    before = host.check_output(f"systemctl show -P MainPID {UNIT}")
    host.check_output(f"systemctl restart {UNIT}")
    assert host.check_output(f"systemctl show -P MainPID {UNIT}") != before
    assert host.check_output(f"systemctl show -P Result {UNIT}") == "success"
    assert host.service(UNIT).is_running
