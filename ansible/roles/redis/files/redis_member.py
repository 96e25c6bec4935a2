#!/usr/bin/python3
"""Which Redis is master is decided by the sentinels and by nothing else; a member asks them.

    redis-member join      before redis starts: writes which master to follow, if any
    redis-member seed      before a sentinel starts: its file, if there is none or the seed changed
    redis-member reload    makes a running redis read its certificate again
    redis-member check     says what is wrong with the whole group; exit code 1 if anything is
                           (with addresses: of these members; others may be lost)
    redis-member master    prints the master's address

A redis here never writes its own configuration, so a member that was down through a failover, was
replaced or is new joins whoever is master now. Addresses of members come from Ansible
(/etc/stowbay/redis/member.json); only when no sentinel answers, and this host remembers none
either, is the first of them the master. Needs root; uses the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/stowbay/redis/member.json")
SEED = Path("/etc/stowbay/redis/sentinel.conf")
LIVE = Path("/var/lib/redis/sentinel/sentinel.conf")
SEEDED = Path("/var/lib/redis/sentinel/seed")
JOIN = Path("/run/redis/join.conf")
PLACE = "@MASTER@"
SECONDS = 2.0

Call = Callable[..., Any]


def chosen(answers: Iterable[tuple[int, str]], members: Sequence[str]) -> str:
    """The master of the highest configuration epoch; who isn't a member doesn't count."""
    known = [answer for answer in answers if answer[1] in members]
    return max(known)[1] if known else members[0]


def remembered(live: str) -> list[tuple[int, str]]:
    """What a sentinel's own file says: (epoch, address), or nothing."""
    master = re.search(r"^sentinel monitor \S+ (\S+) ", live, re.M)
    epoch = re.search(r"^sentinel config-epoch \S+ (\d+)", live, re.M)
    return [(int(epoch[1]) if epoch else 0, master[1])] if master else []


def faults(
    members: Sequence[str],
    redis: dict[str, Any],
    sentinels: dict[str, Any],
    awaited: Sequence[str] = (),
) -> list[str]:
    """`redis`: each member's ROLE or None; `sentinels`: each one's (master, others) or None.
    Who is awaited must answer; by default all members."""
    awaited = awaited or members
    found = [f"redis on {each} doesn't answer" for each in awaited if redis.get(each) is None]
    masters = [each for each in members if redis.get(each) and redis[each][0] == "master"]
    if len(masters) != 1:
        return [*found, f"there are {len(masters)} masters: {', '.join(masters) or 'none'}"]
    for each in members:
        role = redis.get(each)
        if role and role[0] == "slave" and (role[1], role[3]) != (masters[0], "connected"):
            found.append(f"redis on {each} doesn't follow {masters[0]} ({role[1]}, {role[3]})")
    for each in members if len(members) > 1 else ():
        seen = sentinels.get(each)
        if seen is None:
            if each in awaited:
                found.append(f"the sentinel on {each} doesn't answer")
        elif seen != (masters[0], len(members) - 1):
            found.append(f"the sentinel on {each} sees master {seen[0]} and {seen[1]} others")
    return found


def call(config: dict[str, Any], host: str, port: int, user: str, *words: str) -> Any:
    """One command's reply; OSError when there is none, or an error reply."""
    context = ssl.create_default_context(cafile=config["ca"])
    with (
        socket.create_connection((host, port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as wire,
        wire.makefile("rb") as replies,
    ):
        wire.sendall(_packed("AUTH", user, config["password"]) + _packed(*words))
        _reply(replies)
        return _reply(replies)


def _packed(*words: str) -> bytes:
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(each.encode()), each.encode()) for each in words)
    return b"*%d\r\n%s" % (len(words), parts)


def _reply(replies: Any) -> Any:
    line = replies.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("the connection ended")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise OSError(rest)
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if int(rest) < 0:
        return None
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2].decode()
    return [_reply(replies) for _ in range(int(rest))]


def quietly(ask: Callable[..., Any], *words: Any) -> Any:
    """None where there is no answer."""
    try:
        return ask(*words)
    except OSError:
        return None


def current_master(config: dict[str, Any]) -> str:
    members: list[str] = config["members"]
    answers = remembered(LIVE.read_text()) if LIVE.exists() else []
    for each in members if len(members) > 1 else ():
        reply = quietly(sentinel, config, each, "SENTINEL", "MASTER", config["name"])
        if reply:
            told = dict(zip(reply[::2], reply[1::2], strict=True))
            answers.append((int(told["config-epoch"]), told["ip"]))
    return chosen(answers, members)


def sentinel(config: dict[str, Any], host: str, *words: str) -> Any:
    return call(config, host, config["sentinel_port"], "default", *words)


def join(config: dict[str, Any]) -> None:
    master = current_master(config)
    text = "" if master == config["self"] else f"replicaof {master} {config['port']}\n"
    JOIN.write_text(text)
    JOIN.chmod(0o644)


def seed(config: dict[str, Any]) -> None:
    wanted = SEED.read_text()
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if LIVE.exists() and SEEDED.exists() and SEEDED.read_text() == digest:
        return
    LIVE.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(LIVE.parent, "redis", "redis")
    aside = LIVE.with_name("new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(wanted.replace(PLACE, current_master(config)))
    shutil.chown(aside, "redis", "redis")
    aside.replace(LIVE)
    SEEDED.write_text(digest)


def reload(config: dict[str, Any]) -> None:
    """The same paths again: Redis then reads the files anew. All at once, or none."""
    files = (config["certificate"], config["key"])
    words = ("CONFIG", "SET", "tls-cert-file", files[0], "tls-key-file", files[1])
    call(config, config["self"], config["port"], "operator", *words)


def check(config: dict[str, Any], *awaited: str) -> None:
    members: list[str] = config["members"]
    redis = {
        each: quietly(call, config, each, config["port"], "operator", "ROLE") for each in members
    }

    def seen(host: str) -> Any:
        master = sentinel(config, host, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", config["name"])
        others = sentinel(config, host, "SENTINEL", "SENTINELS", config["name"])
        return (master[0] if master else None, len(others))

    sentinels = {each: quietly(seen, each) for each in members}
    found = faults(members, redis, sentinels, awaited)
    if found:
        sys.exit("\n".join(found))


def main() -> None:
    config = json.loads(CONFIG.read_text())
    actions: dict[str, Call] = {"join": join, "seed": seed, "reload": reload, "check": check}
    actions["master"] = lambda config: print(current_master(config))
    action, *addresses = sys.argv[1:] or [""]
    unknown = set(addresses) - set(config["members"])
    if action not in actions or unknown or (addresses and action != "check"):
        sys.exit(f"usage: redis-member {'|'.join(actions)}\n       redis-member check MEMBER ...")
    try:
        actions[action](config, *addresses)
    except OSError as error:
        sys.exit(f"redis-member {action}: {error}")


if __name__ == "__main__":
    main()
