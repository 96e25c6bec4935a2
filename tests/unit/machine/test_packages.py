"""What the set-up says and does on a machine that lacks packages; nothing is installed here.

The machine is a folder, and `apt-get`, `id` and `systemctl` are stand-ins that write down how they
were called: the real ones would change the machine that runs the tests.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "appliance" / "machine" / "packages.sh"
ALL = "postgresql redis-server nginx libnginx-mod-http-js python3-venv"
COMPILER = "gcc libc6-dev python3-dev"

APT = """\
rule=$STOWBAY_SETUP_SYSTEM/usr/sbin/policy-rc.d
echo "apt-get $* [$DEBIAN_FRONTEND] policy $("$rule" >/dev/null 2>&1; echo $?)" \
"cluster $(cat "$STOWBAY_SETUP_SYSTEM"/etc/postgresql-common/createcluster.d/* 2>/dev/null)"
exit ${APT_FAILS:-0}
"""
PYTHON = """\
case $2 in
*%d.%d*) echo "$PYTHON_VERSION" ;;
*sysconfig*) echo "$STOWBAY_SETUP_SYSTEM/usr/include/python" ;;
esac
"""


class Machine:
    """A bare Debian of this release; `programs` are what the script finds on its PATH."""

    def __init__(self, folder: Path, release: int = 12) -> None:
        self.root = folder / "system"
        self.programs = folder / "programs"
        self.programs.mkdir()
        for part in ("etc", "usr/sbin"):
            (self.root / part).mkdir(parents=True)
        (self.root / "etc" / "os-release").write_text(f'VERSION_ID="{release}"\n')
        self.program("apt-get", APT)
        self.program("id", "echo $USER_ID")
        self.program("uname", "echo x86_64")
        self.program("python3", "exit 1")
        self.program("systemctl", 'echo "systemctl $*"')

    def program(self, name: str, text: str) -> Path:
        return self._script(self.programs / name, text)

    def has(self, *paths: str) -> None:
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            self._script(self.root / path, "")

    def _script(self, path: Path, text: str) -> Path:
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
        return path

    def set_up(self, user: int, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", "-c", 'set -euo pipefail; . "$0"; need_packages', str(SCRIPT)],
            env={
                "PATH": f"{self.programs}:{os.defpath}",
                "STOWBAY_SETUP_SYSTEM": str(self.root),
                "USER_ID": str(user),
                **more,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )

    def rules(self) -> list[str]:
        """What the set-up puts on the machine to keep services from starting."""
        found = [self.root / "usr/sbin/policy-rc.d"]
        found += (self.root / "etc/postgresql-common/createcluster.d").glob("*")
        return [path.name for path in found if path.exists()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_root_it_names_the_one_command_and_changes_nothing(machine: Machine) -> None:
    done = machine.set_up(user=1000)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"These Debian packages are missing: {ALL}",
        f"Install them with: sudo apt-get install --no-install-recommends {ALL}",
    ]
    assert machine.rules() == []


def test_as_root_it_says_so_first_and_installs_without_starting_services(machine: Machine) -> None:
    done = machine.set_up(user=0)
    assert done.returncode == 0, done.stdout
    guarded = "[noninteractive] policy 101 cluster create_main_cluster = false"
    assert done.stdout.splitlines() == [
        f"Installing Debian packages: {ALL}",
        f"apt-get update -q {guarded}",
        f"apt-get install -q -y --no-install-recommends {ALL} {guarded}",
        "systemctl --quiet disable postgresql.service",
        "systemctl --quiet disable redis-server.service",
        "systemctl --quiet disable nginx.service",
    ]
    assert machine.rules() == []


def test_the_tests_need_three_packages_more(machine: Machine) -> None:
    machine.has("usr/lib/postgresql/15/bin/initdb", "usr/bin/redis-server", "usr/sbin/nginx")
    machine.has("usr/lib/nginx/modules/ngx_http_js_module.so")
    python = machine.program("any-python", PYTHON)
    more = {"PYTHON": str(python), "PYTHON_VERSION": "3.11"}
    assert machine.set_up(user=0, **more).stdout == ""
    done = machine.set_up(user=0, **more, STOWBAY_SETUP_TESTS="yes")
    assert done.returncode == 0, done.stdout
    named = "prometheus faketime openssh-client"
    assert done.stdout.splitlines()[0] == f"Installing Debian packages: {named}"
    assert done.stdout.splitlines()[-1] == "systemctl --quiet disable prometheus.service"
    machine.has("usr/bin/promtool", "usr/bin/faketime", "usr/bin/ssh-keygen")
    assert machine.set_up(user=0, **more, STOWBAY_SETUP_TESTS="yes").stdout == ""


def test_a_failed_installation_fails_and_leaves_no_rule_behind(machine: Machine) -> None:
    done = machine.set_up(user=0, APT_FAILS="100")
    assert done.returncode == 100
    assert "install" not in done.stdout.splitlines()[-1]
    assert machine.rules() == []


def test_a_policy_of_the_machine_s_own_stays(machine: Machine) -> None:
    machine.has("usr/sbin/policy-rc.d")
    assert machine.set_up(user=0).returncode == 0
    assert machine.rules() == ["policy-rc.d"]


def test_only_what_is_missing_is_named(machine: Machine) -> None:
    machine.has("usr/lib/postgresql/15/bin/initdb", "usr/bin/valkey-server", "usr/sbin/nginx")
    python = machine.program("any-python", PYTHON)
    done = machine.set_up(user=1000, PYTHON=str(python), PYTHON_VERSION="3.11")
    assert done.stdout.splitlines()[0] == (
        "These Debian packages are missing: libnginx-mod-http-js"
    )
    machine.has("usr/lib/nginx/modules/ngx_http_js_module.so")
    done = machine.set_up(user=1000, PYTHON=str(python), PYTHON_VERSION="3.11")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("version", "processor", "wanted"),
    [("3.11", "x86_64", ""), ("3.13", "x86_64", COMPILER), ("3.12", "aarch64", COMPILER)],
)
def test_a_compiler_where_no_wheel_fits(
    version: str, processor: str, wanted: str, machine: Machine
) -> None:
    machine.has(
        "usr/lib/postgresql/17/bin/initdb", "usr/bin/redis-server", "usr/sbin/nginx",
        "usr/lib/nginx/modules/ngx_http_js_module.so",
    )  # fmt: skip
    machine.program("python3", PYTHON)
    machine.program("uname", f"echo {processor}")
    done = machine.set_up(user=1000, PYTHON_VERSION=version)
    assert (done.returncode, wanted in done.stdout) == (1 if wanted else 0, True)
    machine.has("usr/bin/gcc", "usr/include/python/Python.h")
    done = machine.set_up(user=1000, PYTHON_VERSION=version)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_bare_debian_13_needs_the_compiler_too(tmp_path: Path) -> None:
    done = Machine(tmp_path, release=13).set_up(user=1000)
    assert done.stdout.splitlines()[0].endswith(f"{ALL} {COMPILER}")
