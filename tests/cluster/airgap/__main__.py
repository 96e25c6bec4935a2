"""One Debian 13 host with no way out, installed from the bundle alone: `make test-airgap`.

The host is its own controller: Ansible, too, comes from the bundle. First a bundle with one byte
changed or one file more, and one that a stranger signed, are refused, by verify.sh and by the
playbook, with nothing installed; then the true one is converged (again, and as a dry run),
and a client's files come back. Whatever happens, all of it is gone in the end; what was said stays
in var/cluster/airgap.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from bundle.dep5 import stanzas
from bundle.manifest import signers_line
from bundle.places import OUT, bundle_name
from tests.cluster.addresses import PUBLIC_NAME, address
from tests.cluster.airgap.host import Host
from tests.cluster.base_image import installed_tree
from tests.cluster.converge import Failure, call
from tests.cluster.lab import down, up
from tests.cluster.places import REPOSITORY, Lab
from tests.cluster.playbook_output import changed_tasks, recap
from tests.cluster.round_trip import round_trip
from tests.cluster.vault import leaks, secrets_of

HERE = Path(__file__).parent
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NETWORK = "10.77.0.0/24"
_BUNDLE = f"/srv/{bundle_name()}"
_ADMIN = "/srv/admin"  # the administrator's folder on the host
_PLAYBOOK = (
    f"cd {_ADMIN}/stowbay/ansible && ANSIBLE_VAULT_PASSWORD_FILE={_ADMIN}/vault-password "
    f"{_ADMIN}/controller/bin/ansible-playbook -i {_ADMIN}/our-cluster --diff site.yml"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.airgap", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab of a failed run")
    given = parser.parse_args()
    if os.geteuid() != 0:
        print("This boots a Debian host with systemd-nspawn: run it as root.", file=sys.stderr)
        return 1
    for number in _STOPPING:
        signal.signal(number, _stop)
    lab = Lab("airgap")
    os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = str(lab.vault_password)
    logs = REPOSITORY / "var" / "cluster" / lab.name
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    started, failed = time.monotonic(), True
    base = installed_tree("airgap", HERE / "packages.txt", HERE / "bare_host.sh")
    up(lab, 1, base=base, gateway=False)
    host = Host(lab, logs)
    try:
        _flow(host)
        failed = False
    except Failure as error:
        print(f"FAILED: {error}", file=sys.stderr)
        _keep_journal(host)
    finally:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        if not (failed and given.keep):
            down(lab)
            failed = _left(lab) or failed
    print(f"{'FAILED' if failed else 'passed'} in {time.monotonic() - started:.0f} s; {logs}")
    return 1 if failed else 0


def _flow(host: Host) -> None:
    host.expect_alone()
    bare = host.packages()
    print(f"a bare host with {len(bare)} packages and no way out", flush=True)
    _carry(host)
    host.run("1-verify", f"sh {_ADMIN}/verify.sh {_BUNDLE} {_ADMIN}/allowed_signers")
    host.run("2-controller", f"sh {_BUNDLE}/controller.sh {_ADMIN}/controller")
    _write_inventory(host)
    _refuse(host)
    _converge(host)
    _expect_only_the_bundles(host, bare)
    host.expect_alone()
    host.fetch(f"{_ADMIN}/our-cluster", host.lab.inventory)
    _expect_no_secret(host)
    round_trip(host.lab, host.logs)


def _carry(host: Host) -> None:
    host.carry(OUT / bundle_name(), _BUNDLE)
    host.carry(OUT / "verify.sh", _ADMIN)
    host.carry(OUT / "allowed_signers", _ADMIN)


def _write_inventory(host: Host) -> None:
    """As docs/how-to/without-internet.md says; the controller reaches itself by ssh."""
    shutil.rmtree(host.lab.inventory)
    host.lab.inventory.mkdir()
    host.ask(
        f"cp -r {_BUNDLE}/project {_ADMIN}/stowbay"
        f" && cp -r {_ADMIN}/stowbay/ansible/inventories/single {_ADMIN}/our-cluster"
        " && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519"
        " && cat ~/.ssh/id_ed25519.pub >>~/.ssh/authorized_keys"
        f" && ssh-keyscan -t ed25519 {address('c1')} 2>/dev/null >~/.ssh/known_hosts"
    )
    host.write(f"{_ADMIN}/vault-password", host.lab.vault_password.read_text(), "600")
    host.ask(f"mkdir -p {_ADMIN}/our-cluster/host_vars/c1 {_ADMIN}/our-cluster/group_vars/stowbay")
    host.write_json(
        f"{_ADMIN}/our-cluster/host_vars/c1/airgap.yml",
        {"ansible_host": address("c1"), "stowbay_address": address("c1"), "ansible_user": "root"},
    )
    host.write_json(
        f"{_ADMIN}/our-cluster/group_vars/all/zz-airgap.yml",
        {
            "stowbay_bundle": _BUNDLE,
            "stowbay_bundle_signers": f"{_ADMIN}/allowed_signers",
            "stowbay_public_name": PUBLIC_NAME,
            "stowbay_networks": {
                "cluster": [_NETWORK], "admin": [_NETWORK], "clients": ["0.0.0.0/0"],
            },
        },
    )  # fmt: skip


def _refuse(host: Host) -> None:
    """Neither tool nor playbook goes on, and nothing was installed."""
    before = host.ask("sha256sum /var/lib/dpkg/status")
    # In the middle of a package; the same once more gives the old byte back.
    byte = (
        f"import glob; file = open(sorted(glob.glob('{_BUNDLE}/apt/nginx_*.deb'))[0], 'r+b'); "
        "file.seek(100_000); old = file.read(1)[0]; file.seek(100_000); "
        "file.write(bytes([old ^ 1])); file.close()"
    )
    host.ask(f'python3 -c "{byte}"')
    _expect_refusal(host, "byte", "allowed_signers", "apt/nginx_")
    host.ask(f'python3 -c "{byte}"')
    host.ask(f"touch {_BUNDLE}/apt/more.deb")
    _expect_refusal(host, "file", "allowed_signers", "files that nobody signed: ./apt/more.deb")
    host.ask(f"rm {_BUNDLE}/apt/more.deb")
    host.ask(f"ssh-keygen -q -t ed25519 -N '' -f {_ADMIN}/stranger")
    host.write(f"{_ADMIN}/strangers", signers_line(host.ask(f"cat {_ADMIN}/stranger.pub")))
    _expect_refusal(host, "signer", "strangers", "signed by a key of")
    if host.ask("sha256sum /var/lib/dpkg/status") != before:
        raise Failure("packages were installed from a bundle that isn't what was signed")
    host.ask("! ls -d /etc/stowbay /opt/stowbay /etc/apt/stowbay-bundle.list 2>/dev/null")


def _expect_refusal(host: Host, what: str, signers: str, why: str) -> None:
    by_hand = f"sh {_ADMIN}/verify.sh {_BUNDLE} {_ADMIN}/{signers}"
    by_playbook = f"{_PLAYBOOK} -e stowbay_bundle_signers={_ADMIN}/{signers}"
    for log, command in (("3-refused-by-hand", by_hand), ("4-refused-by-playbook", by_playbook)):
        told = host.run(f"{log}-{what}", command, fails=True)
        if "REFUSED" not in told or why not in " ".join(told.split()):  # Ansible folds lines
            raise Failure(f"it wasn't refused for {why}: {told[-2000:]}")


def _converge(host: Host) -> None:
    for log, command, may_change in (
        ("5-converge", _PLAYBOOK, True),
        ("6-again", _PLAYBOOK, False),
        ("7-check", f"{_PLAYBOOK} --check", False),
    ):
        told = host.run(log, command)
        counts = recap(told)
        if not counts:
            raise Failure(f"{log}: the playbook has no recap")
        if not may_change and any(each["changed"] for each in counts.values()):
            raise Failure(f"{log}: a run that should change nothing changed {changed_tasks(told)}")


def _expect_only_the_bundles(host: Host, bare: dict[str, str]) -> None:
    """Every package that came is one of the bundle's, in the version that was signed."""
    index = (OUT / bundle_name() / "apt" / "Packages").read_text()
    signed = {(each["Package"], each["Version"]) for each in stanzas(index)}
    came = {name: version for name, version in host.packages().items() if bare.get(name) != version}
    strange = [n for n, version in came.items() if (n.partition(":")[0], version) not in signed]
    if strange or not came:
        raise Failure(f"{len(came)} packages came, not of the bundle: {strange}")
    places = set(host.ask("apt-get indextargets --format '$(REPO_URI)'").split())
    if not all(each.startswith("file:/opt/stowbay/bundle/") for each in places):
        raise Failure(f"apt knows other places: {places}")
    print(f"{len(came)} packages came, all of the bundle", flush=True)


def _expect_no_secret(host: Host) -> None:
    secrets = secrets_of(host.lab.inventory)
    for log in sorted(host.logs.glob("*.log")):
        if shown := leaks(log.read_text(), secrets):
            raise Failure(f"{log} shows secrets: {', '.join(shown)}")


def _keep_journal(host: Host) -> None:
    command = ["ssh", "-F", host.lab.ssh_config, "c1"]
    journal = "systemctl --failed --no-pager; journalctl -b --no-pager -o short-precise"
    try:
        call(host.lab, host.logs / "journal-c1.log", *command, journal, timeout=60)
    except (Failure, SystemExit) as error:
        print(f"no journal: {error}", file=sys.stderr)


def _left(lab: Lab) -> bool:
    """Processes, mounts and cgroups that outlived the lab; there must be none."""
    left = [line for line in Path("/proc/self/mounts").read_text().splitlines()
            if f"/labs/{lab.name}/" in line]  # fmt: skip
    left += [str(each) for each in Path("/sys/fs/cgroup").glob(f"*/stowbay-lab-{lab.name}")]
    left += [str(lab.folder)] if lab.folder.exists() else []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = each.read_text().replace("\0", " ")
        except OSError:
            continue
        if f"lab_driver {lab.name} " in text or f"{lab.folder}/" in text:
            left.append(text)
    for each in left:
        print(f"left over: {each}", file=sys.stderr)
    return bool(left)


def _stop(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
