"""Apply the numbered SQL files of migrations/ to a database, each once, each in a transaction.

Safe to run from several hosts at once (the table of what was applied is locked), and beside the
previous release: each file says how. A file that was applied must never change: its sha256 is
kept and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import LiteralString

import psycopg

from appliance.domain.errors import Problem

__all__ = ["CannotMigrate", "compare", "migrate", "pending"]

_TABLE: LiteralString = """
create table if not exists migrations (
  name       text        not null primary key,
  sha256     text        not null,
  applied_at timestamptz not null default now()
)"""


class CannotMigrate(Problem):
    """The database can't be reached or refuses, or it has applied a file that has changed since."""


def _files() -> Sequence[tuple[str, str]]:
    folder = resources.files("appliance.store") / "migrations"
    found = [(f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(found)


def migrate(dsn: str) -> list[str]:
    """The names that were applied now. Raises CannotMigrate, which names no secret."""
    applied: list[str] = []
    with _connected(dsn) as conn:
        # Two sessions that both create the table at once would collide in the catalogue.
        conn.execute("select pg_advisory_xact_lock(7277916)")
        conn.execute(_TABLE)
        for name, sql in _lacking(conn):
            conn.execute("set local lock_timeout = '5s'")
            conn.execute(sql)
            digest = hashlib.sha256(sql.encode()).hexdigest()
            conn.execute("insert into migrations (name, sha256) values (%s, %s)", (name, digest))
            applied.append(name)
    return applied


def pending(dsn: str) -> list[str]:
    """The names that `migrate` would apply; nothing is written. Raises as it does."""
    with _connected(dsn) as conn:
        (known,) = conn.execute("select to_regclass('migrations') is not null").fetchone() or (0,)
        return [name for name, _ in (_lacking(conn) if known else _files())]


def compare(dsn: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names that the database lacks, that this release doesn't know, and that differ; nothing is
    written. Raises CannotMigrate only for a database that can't be asked."""
    ours = {name: hashlib.sha256(sql.encode()).hexdigest() for name, sql in _files()}
    with _connected(dsn) as conn:
        (known,) = conn.execute("select to_regclass('migrations') is not null").fetchone() or (0,)
        rows = conn.execute("select name, sha256 from migrations").fetchall() if known else []
    theirs: dict[str, str] = dict(rows)
    changed = tuple(name for name in ours if theirs.get(name, ours[name]) != ours[name])
    return (
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(theirs.keys() - ours.keys())),
        changed,
    )


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(dsn) as conn:
            yield conn
    except psycopg.Error as error:
        raise CannotMigrate(" ".join(str(error).split()) or type(error).__name__) from error


def _lacking(conn: psycopg.Connection) -> list[tuple[str, str]]:
    done: dict[str, str] = dict(conn.execute("select name, sha256 from migrations").fetchall())
    lacking = []
    for name, sql in _files():
        if name not in done:
            lacking.append((name, sql))
        elif done[name] != hashlib.sha256(sql.encode()).hexdigest():
            raise CannotMigrate(f"{name} was changed after it had been applied")
    return lacking
