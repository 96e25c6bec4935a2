"""The place for backups: root's alone, marked, watched; and missed when it is gone."""

FIGURES = "/var/lib/prometheus/node-exporter/stowbay.prom"
PLACE = "/srv/stowbay/backup"

testinfra_hosts = ["ansible://backup"]


def test_the_place_is_roots_and_marked(host):
    place = host.file(PLACE)
    assert (place.user, place.group, place.mode) == ("root", "root", 0o700)
    mark = host.file(f"{PLACE}/.stowbay-backup-place")
    assert mark.content_string.strip() == host.ansible.get_variables()["stowbay_name"]


def test_it_is_watched_and_missed(host):
    present = f'stowbay_backup_place_present{{path="{PLACE}"}}'
    look = f"systemctl start stowbay-figures.service && grep present {FIGURES} | tail -1"
    assert host.check_output(look) == f"{present} 1"
    host.check_output(f"mv {PLACE} {PLACE}.away")
    try:
        assert host.check_output(look) == f"{present} 0"
    finally:
        host.check_output(f"mv {PLACE}.away {PLACE}")
    assert host.check_output(look) == f"{present} 1"
