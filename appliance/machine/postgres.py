"""This instance's PostgreSQL: a cluster of its own under `var/postgres`, reached over loopback.

No Unix socket (its path may be too long below a deep folder), scram passwords, data checksums.
PostgreSQL refuses to run as root; started by root it runs as Debian's `postgres` user. Where the
instance lies below a folder that this user may not pass (a home of mode 0700) it is given
CAP_DAC_READ_SEARCH, the right to pass and read, and nothing else of root's.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from appliance.machine.failure import CannotStart
from appliance.machine.logs import open_log
from appliance.machine.places import write_private
from appliance.machine.service import Service

__all__ = ["Postgres", "find_binaries"]

APPLICATION = "stowbay"
OWNER = "postgres"
_SYSTEM_USER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Postgres:
    """What the cluster is made of; passwords are those of the secrets."""

    folder: Path
    binaries: Path
    port: int
    owner_password: str
    application_password: str
    log: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def dsn(self, database: str, user: str = APPLICATION) -> str:
        """A connection URL with its password: for the settings file, never for an argument."""
        password = self.owner_password if user == OWNER else self.application_password
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster if it isn't there, and write its settings. Idempotent.

        An initdb that was cut off leaves a folder without PG_VERSION's sibling `global/pg_control`
        or with our mark missing: it is made again, nothing can have been stored in it.
        """
        self._own_folder()
        mark = self.folder / "made"
        if not mark.exists():
            shutil.rmtree(self.data, ignore_errors=True)
            self._initdb()
            mark.touch()
        self._configure()

    def service(self, env: Mapping[str, str]) -> Service:
        program = str(self.binaries / "postgres")
        argv = (*_as_system_user(self.folder, arm=True), program, "-D", str(self.data))
        return Service(
            name="postgres",
            argv=argv,
            env=env,
            cwd=self.folder,
            ready=self._answers,
            ready_seconds=180.0,  # it may be recovering from a crash
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            stop_seconds=60.0,
            arms_itself=True,
        )

    def make_databases(self, names: tuple[str, ...]) -> None:
        """Create the application's role and its databases where they are missing."""
        with psycopg.connect(self.dsn("postgres", OWNER), autocommit=True) as connection:
            role = connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", (APPLICATION,)
            ).fetchone()
            if role is None:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(APPLICATION), sql.Literal(self.application_password)
                    )
                )
            for name in names:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (name,)
                ).fetchone()
                if found is None:
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(
                            sql.Identifier(name), sql.Identifier(APPLICATION)
                        )
                    )

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn("postgres", OWNER), connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def _own_folder(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o700)
        if os.geteuid() == 0:
            shutil.chown(self.folder, _SYSTEM_USER, _group_of(_SYSTEM_USER))

    def _initdb(self) -> None:
        password_file = self.folder / "password"
        write_private(password_file, self.owner_password + "\n")
        if os.geteuid() == 0:
            shutil.chown(password_file, _SYSTEM_USER)
        log = open_log(self.log)
        try:
            done = subprocess.run(
                [
                    *_as_system_user(self.folder, arm=False),
                    str(self.binaries / "initdb"),
                    f"--pgdata={self.data}",
                    f"--username={OWNER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--data-checksums",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                check=False,
            )
        finally:
            os.close(log)
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            raise CannotStart("PostgreSQL's data folder can't be made (initdb failed)", self.log)

    def _configure(self) -> None:
        """Our settings win over postgresql.conf as they are included last."""
        main = self.data / "postgresql.conf"
        include = "include = 'stowbay.conf'"
        text = main.read_text(encoding="utf-8")
        if include not in text:
            # In place: the file keeps its owner.
            with main.open("a", encoding="utf-8") as handle:
                handle.write(f"\n{include}\n")
        self._put("stowbay.conf", _settings(self.port))
        self._put("pg_hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")

    def _put(self, name: str, text: str) -> None:
        path = self.data / name
        write_private(path, text)
        if os.geteuid() == 0:
            shutil.chown(path, _SYSTEM_USER, _group_of(_SYSTEM_USER))


def _settings(port: int) -> str:
    values = {
        "listen_addresses": "'127.0.0.1'",
        "port": str(port),
        "unix_socket_directories": "''",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "password_encryption": "'scram-sha-256'",
        "fsync": "on",
        "synchronous_commit": "on",  # one host alone: no standby that could confirm
        "full_page_writes": "on",
        "wal_compression": "on",
        "max_wal_size": "1GB",
        "random_page_cost": "1.1",
        "logging_collector": "off",
        "log_line_prefix": "'%m [%p] '",
        "log_timezone": "'UTC'",
        "timezone": "'UTC'",
        "log_min_duration_statement": "1000",
        "log_parameter_max_length": "0",  # parameters hold people's file names
        "log_parameter_max_length_on_error": "0",
        "idle_in_transaction_session_timeout": "60s",
        "tcp_keepalives_idle": "60",
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def find_binaries(folder: Path) -> Path:
    """The newest PostgreSQL, or the one that an existing cluster was made with."""
    versions = {
        int(entry.name): entry / "bin"
        for entry in (_DEBIAN.iterdir() if _DEBIAN.is_dir() else ())
        if re.fullmatch(r"\d+", entry.name) and (entry / "bin" / "postgres").exists()
    }
    if not versions:
        raise CannotStart("PostgreSQL isn't installed: `make setup` says what to do")
    made_with = folder / "data" / "PG_VERSION"
    if made_with.exists():
        version = int(made_with.read_text(encoding="ascii").strip())
        if version not in versions:
            raise CannotStart(
                f"the data in {folder} was made by PostgreSQL {version}, which isn't installed"
                f" (there is {', '.join(map(str, sorted(versions)))});"
                f" install postgresql-{version}, or move the data with pg_upgrade"
            )
        return versions[version]
    return versions[max(versions)]


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _as_system_user(folder: Path, *, arm: bool) -> tuple[str, ...]:
    """The setpriv call before a PostgreSQL program: user, rights, and signal on our death."""
    arming = ("--pdeathsig", "INT") if arm else ()
    if os.geteuid() != 0:
        return ("setpriv", *arming, "--") if arm else ()
    keep = "-all,+dac_read_search" if not _passable(folder) else "-all"
    return (
        "setpriv",
        f"--reuid={_SYSTEM_USER}",
        f"--regid={_group_of(_SYSTEM_USER)}",
        "--clear-groups",
        f"--inh-caps={keep}",
        f"--ambient-caps={keep}",
        f"--bounding-set={keep}",
        "--no-new-privs",
        *arming,
        "--",
    )


def _passable(folder: Path) -> bool:
    """Whether anybody may pass all folders above this one."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.parents)
