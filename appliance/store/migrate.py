"""Apply the numbered SQL files of migrations/ to a database, each once, each in a transaction.

Safe to run from several hosts at once (the table of what was applied is locked), and beside the
previous release: each file says how. A file that was applied must never change: its sha256 is
kept and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import LiteralString

import psycopg

__all__ = ["MigrationChanged", "migrate"]

_TABLE: LiteralString = """
create table if not exists migrations (
  name       text        not null primary key,
  sha256     text        not null,
  applied_at timestamptz not null default now()
)"""


class MigrationChanged(RuntimeError):
    """A migration that this database has applied differs from the file of this release."""


def _files() -> Sequence[tuple[str, str]]:
    folder = resources.files("appliance.store") / "migrations"
    found = [(f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(found)


def migrate(dsn: str) -> list[str]:
    """The names that were applied now. Raises MigrationChanged, psycopg.Error."""
    applied: list[str] = []
    with psycopg.connect(dsn) as conn:
        # Two sessions that both create the table at once would collide in the catalogue.
        conn.execute("select pg_advisory_xact_lock(7277916)")
        conn.execute(_TABLE)
        rows = conn.execute("select name, sha256 from migrations").fetchall()
        done: dict[str, str] = dict(rows)
        for name, sql in _files():
            digest = hashlib.sha256(sql.encode()).hexdigest()
            if done.get(name) == digest:
                continue
            if name in done:
                raise MigrationChanged(f"{name} was changed after it had been applied")
            conn.execute("set local lock_timeout = '5s'")
            conn.execute(sql)
            conn.execute("insert into migrations (name, sha256) values (%s, %s)", (name, digest))
            applied.append(name)
    return applied
