"""Postgres: one key per transaction, the key in every statement (architecture, section 5).

Each table family has a module of plain async functions and a .sql file of named queries beside
it. Code knows `Stores.tx(key)` and `Stores.read(key)` only; whether one database, Citus or a
directory of clusters answers is a deployment choice.
"""
