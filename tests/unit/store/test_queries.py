"""Every named query binds its key on every table it names, so that no statement crosses keys.

A query that spans keys says `bucket` and binds a range. What isn't a table (unnest, a subquery, a
common table expression) has no key. The reader of SQL below knows no more than our queries need;
what it can't read it refuses, so a query that it doesn't understand fails here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import appliance.store
from appliance.store.queries import Query, parse

STORE = Path(appliance.store.__file__).parent
SCHEMA = "\n".join(path.read_text() for path in sorted((STORE / "migrations").glob("*.sql")))
KEYS = ("space_id", "user_id", "login_key", "key")
_TABLE = re.compile(r"create table (?:if not exists )?(\w+) \((.*?)\n\);", re.DOTALL)
_TOKEN = re.compile(r":?\w+|\S")
_CLAUSES = {
    "where", "join", "left", "cross", "inner", "order", "group", "limit", "on", "set", "having",
    "union", "returning", "for", "lateral", "values", "using", "offset", "select", "from",
}  # fmt: skip


def keys_of_tables() -> dict[str, str]:
    """The first column of each table's primary key."""
    found = {}
    for name, body in _TABLE.findall(SCHEMA):
        whole = re.search(r"primary key \((\w+)", body)
        column = re.search(r"^\s*(\w+)[^\n]*\bprimary key", body, re.MULTILINE)
        found[name] = whole[1] if whole else column[1]
    return found


TABLES = keys_of_tables()


@dataclass(frozen=True)
class Use:
    """A table, the name it has in the statement, and the statement's text around it."""

    table: str
    alias: str
    scope: str


def plain(sql: str) -> str:
    """Without comments, strings and casts; a parameter is `:name`."""
    text = re.sub(r"--[^\n]*|'(?:[^']|'')*'|::\w+(?:\[\])?", " ", sql)
    return re.sub(r"%\((\w+)\)s", r":\1", text)


def scopes(text: str) -> Iterator[str]:
    """Each SELECT, UPDATE, DELETE or INSERT by itself: what is in brackets is a scope of its own.

    Brackets that hold no statement belong to the text around them; each half of a UNION is one.
    """
    while inner := re.search(r"\(([^()]*)\)", text):
        statement = re.match(r"\s*(?:select|update|delete|insert|with)\b", inner[1])
        if statement:
            yield from halves(inner[1])
        kept = " _ " if statement else f" {{{inner[1]}}} "
        text = text[: inner.start()] + kept + text[inner.end() :]
    yield from halves(text)


def halves(text: str) -> Iterator[str]:
    yield from re.split(r"\bunion(?: all)?\b", text)


def uses(scope: str) -> Iterator[Use]:
    tokens = _TOKEN.findall(scope)
    for at, token in enumerate(tokens):
        if token not in TABLES:
            continue
        before = tokens[at - 1] if at else ""
        if before not in ("from", "join", "update", "into", ",", "lateral"):
            continue
        if before == "," and not listed_in_from(tokens[:at]):
            continue
        following = tokens[at + 1 : at + 3]
        if following[:1] == ["as"]:
            following = following[1:]
        alias = following[0] if following else token
        named = re.fullmatch(r"\w+", alias) and alias not in _CLAUSES
        yield Use(token, alias if named else token, scope)


def listed_in_from(tokens: list[str]) -> bool:
    clauses = [t for t in tokens if t in _CLAUSES]
    return bool(clauses) and clauses[-1] == "from"


def binds(use: Use, *, bucket: bool) -> bool:
    key = TABLES[use.table]
    others = [other for other in uses(use.scope) if other.alias != use.alias]
    if re.search(rf"\binto {use.table}\b", use.scope):
        # The key is a parameter, or that of rows which this statement has just written with it.
        return f":{key}" in use.scope or (
            not others and re.search(rf"\bselect {key}\b", use.scope) is not None
        )
    column = rf"\b{use.alias}\.{key}" if others else rf"(?:\b{use.alias}\.{key}|(?<![\w.]){key})"
    if not bucket:
        return re.search(rf"{column} = :{key}\b", use.scope) is not None
    ranges = rf"{column} (?:between :\w+ and :\w+|>= :\w+ and {column} <= :\w+)"
    joined = "|".join(rf"{column} = {other.alias}\.{key}\b" for other in others)
    return re.search(f"{ranges}|{joined}" if joined else ranges, use.scope) is not None


def all_queries() -> list[tuple[str, Query]]:
    return [
        (f"{path.stem}.{query.name}", query)
        for path in sorted(STORE.glob("*.sql"))
        for query in parse(path.read_text(encoding="utf-8")).values()
    ]


QUERIES = all_queries()


def unbound(query: Query) -> list[str]:
    """The tables that are used without their key."""
    bucket = "bucket" in query.description
    found = [use for scope in scopes(plain(query.sql)) for use in uses(scope)]
    return [use.table for use in found if not binds(use, bucket=bucket)]


def test_the_schema_is_understood() -> None:
    assert TABLES["nodes"] == TABLES["spaces"] == TABLES["journal"] == "space_id"
    assert TABLES["users"] == TABLES["tokens"] == "user_id"
    assert TABLES["logins"] == "login_key"
    assert len(TABLES) == SCHEMA.count("create table")
    assert set(TABLES.values()) <= set(KEYS)


@pytest.mark.parametrize("query", [q for _, q in QUERIES], ids=[name for name, _ in QUERIES])
def test_a_query_binds_its_key_on_every_table(query: Query) -> None:
    assert unbound(query) == []


def test_a_query_is_about_some_table() -> None:
    for name, query in QUERIES:
        touched = [u for scope in scopes(plain(query.sql)) for u in uses(scope)]
        wanted = set(re.findall(r"\b(?:from|join|update|into)\s+(\w+)", query.sql)) & set(TABLES)
        assert {u.table for u in touched} == wanted, name
        assert wanted, name


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 from nodes",
        "select 1 from nodes n where n.space_id > %(space_id)s",
        "select 1 from nodes n where n.node_id = %(space_id)s",
        "select 1 from nodes n join versions v on v.space_id = n.space_id"
        " where n.space_id = %(space_id)s",
        "select 1 from nodes n where n.space_id = %(space_id)s"
        " and exists (select from versions v where v.node_id = n.node_id)",
        "with recursive up as (select 1 from nodes where space_id = %(space_id)s"
        " union all select 1 from up join nodes n on n.node_id = up.parent_id) select 1 from up",
        "update nodes set name = '' where node_id = %(node_id)s",
        "delete from nodes where space_id = any(%(space_ids)s)",
        "insert into nodes (space_id) select %(other)s",
        "select 1 from unnest(%(a)s) t join nodes n on n.node_id = t.a",
        "select (select count(*) from versions v) from nodes n where n.space_id = %(space_id)s",
        "insert into versions (space_id) select space_id from nodes n",
    ],
)
def test_a_query_without_its_key_is_found(sql: str) -> None:
    assert unbound(Query("bad", "Bad.", sql)) != []
