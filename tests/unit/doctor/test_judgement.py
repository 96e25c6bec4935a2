"""What facts become: the judgement of each check, without any system to look at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from appliance import __version__
from appliance.cache.inspection import CacheState
from appliance.doctor import (
    api,
    cache,
    clocks,
    cors,
    database,
    host,
    origins,
    processes,
    queues,
    refusals,
    store,
    transfer,
    versions,
)
from appliance.doctor.clocks import Clock
from appliance.doctor.codes import Level
from appliance.doctor.origins import Certificate, Origin, OriginFacts
from appliance.doctor.report import Line, Unexaminable
from appliance.objects.drives import Drives
from appliance.store.queues import Waiting
from appliance.store.standing import Standby, Standing

NOW = datetime(2026, 11, 1, tzinfo=UTC)
API = Origin("api", "https://files.example.com")
HELD = Certificate(("files.example.com",), NOW - timedelta(days=10), NOW + timedelta(days=80))
SEEN = OriginFacts(
    API, ("192.0.2.1",), certificate=HELD, protocol="TLSv1.3", plain="HTTP/1.1 400 Bad Request"
)


def codes(lines: list[Line]) -> list[str]:
    return [line.code for line in lines]


def bad(lines: list[Line]) -> list[str]:
    return [line.code for line in lines if line.level is not Level.OK]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (SEEN, ["names.ok", "tls.ok", "https.ok"]),
        (OriginFacts(API), ["names.unresolved"]),
        (OriginFacts(API, ("192.0.2.1",), "timed out"), ["names.ok", "tls.unreachable"]),
        (replace(SEEN, refused=(10, "expired"), protocol=""), ["names.ok", "tls.expired"]),
        (replace(SEEN, refused=(9, "not yet"), protocol=""), ["names.ok", "tls.not-yet-valid"]),
        (replace(SEEN, refused=(62, "name"), protocol=""), ["names.ok", "tls.other-name"]),
        (replace(SEEN, refused=(64, "address"), protocol=""), ["names.ok", "tls.other-name"]),
        (replace(SEEN, refused=(20, "issuer"), protocol=""), ["names.ok", "tls.untrusted"]),
        (replace(SEEN, plain="HTTP/1.1 200 OK"), ["names.ok", "tls.ok", "https.plain"]),
        (replace(SEEN, plain="HTTP/1.1 302 Found"), ["names.ok", "tls.ok", "https.plain"]),
        (replace(SEEN, plain=""), ["names.ok", "tls.ok", "https.ok"]),
        (replace(SEEN, hsts="max-age=31536000"), ["names.ok", "tls.ok", "https.ok"]),
        (replace(SEEN, hsts="max-age=0"), ["names.ok", "tls.ok", "https.hsts"]),
        (replace(SEEN, hsts="includeSubDomains"), ["names.ok", "tls.ok", "https.hsts"]),
    ],
)
def test_origins(facts: OriginFacts, expected: list[str]) -> None:
    assert codes(origins.judge([facts], NOW)) == expected


@pytest.mark.parametrize(
    ("left", "code"),
    [
        (timedelta(days=21), "tls.ok"),
        (timedelta(days=21, seconds=-1), "tls.expires-soon"),
        (timedelta(days=3), "tls.expires-soon"),
        (timedelta(days=3, seconds=-1), "tls.expires-now"),
    ],
)
def test_days_left_are_judged_as_the_alerts_do(left: timedelta, code: str) -> None:
    facts = replace(SEEN, certificate=replace(HELD, ends=NOW + left))
    assert code in codes(origins.judge([facts], NOW))


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (api.ApiFacts(200, {"database": "ok", "store": "ok"}, "1"), "api.ok"),
        (api.ApiFacts(200, {"database": "ok", "cache": "down"}, "1"), "api.ok"),
        (api.ApiFacts(503, {"database": "down"}), "api.not-ready"),
        (api.ApiFacts(503), "api.no-gateway"),
        (api.ApiFacts(0), "api.no-gateway"),
    ],
)
def test_the_api(facts: api.ApiFacts, code: str) -> None:
    assert codes(api.judge(facts)) == [code]


ALLOWED = {
    "access-control-allow-origin": API.value,
    "access-control-allow-methods": "PUT",
    "access-control-allow-headers": "Content-Type, x-amz-checksum-sha256",
    "access-control-expose-headers": "ETag, X-Request-Id",
}


@pytest.mark.parametrize(
    "change",
    [
        {"access-control-allow-origin": "https://elsewhere.example.com"},
        {"access-control-allow-origin": ""},
        {"access-control-allow-methods": "GET"},
        {"access-control-allow-headers": "content-type"},
        {"access-control-expose-headers": "x-request-id"},
    ],
)
def test_a_preflight_that_forbids_something(change: dict[str, str]) -> None:
    good = cors.Preflight(cors.UPLOAD, API.value, 204, ALLOWED)
    assert codes(cors.judge([good])) == ["cors.ok"]
    assert codes(cors.judge([replace(good, headers=ALLOWED | change)])) == ["cors.upload"]
    assert codes(cors.judge([replace(good, status=403)])) == ["cors.upload"]


def test_downloads_may_be_bound_to_a_cookie_so_a_star_is_not_enough() -> None:
    headers = {
        "access-control-allow-methods": "GET",
        "access-control-allow-headers": "range",
        "access-control-expose-headers": "etag, content-range, content-disposition",
        "access-control-allow-credentials": "true",
    }
    facts = cors.Preflight(cors.DOWNLOAD, API.value, 204, headers)
    star, own = "access-control-allow-origin", {"access-control-allow-origin": API.value}
    assert codes(cors.judge([replace(facts, headers=headers | own)])) == ["cors.ok"]
    assert codes(cors.judge([replace(facts, headers=headers | {star: "*"})])) == ["cors.download"]


def hosts(**ahead: float) -> list[Clock]:
    """Each part on a host of its own."""
    return [Clock(name, seconds, name) for name, seconds in ahead.items()]


def on(host: str, *parts: str, ahead: float = 0.0) -> list[Clock]:
    return [Clock(part, ahead, host) for part in parts]


OWN = ("gateway 0", "gateway 1", "worker")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (hosts(api=0.4), []),
        (hosts(api=-600.0), [("clock.far-off", "this machine or api")]),
        (hosts(api=30.0), [("clock.off", "this machine or api")]),
        (hosts(a=1.9, b=-0.3, c=0.1), []),
        (hosts(a=30.0, b=0.0, c=0.1), [("clock.off", "a")]),
        (hosts(a=-600.0, b=0.0, c=0.1), [("clock.far-off", "a")]),
        (hosts(a=600.0, b=600.3, c=599.8), [("clock.far-off", "this machine")]),
        (hosts(a=600.0, b=-600.0), [("clock.far-off", "this machine or a or b")]),
    ],
)
def test_the_clock_of_the_most_is_right(told: list[Clock], expected: list[tuple[str, str]]) -> None:
    lines = clocks.judge(told)
    assert [(line.code, line.subject) for line in lines if line.level is not Level.OK] == expected
    assert expected or codes(lines) == ["clock.ok"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # Of three hosts this one is ahead; the most parts that tell their time are on it.
        (
            [
                *on("", *OWN),
                *on("c1", "edge", "database a", ahead=-600),
                *on("c2", "store", ahead=-600),
            ],
            [("clock.far-off", "this machine")],
        ),
        # Another one is ahead, and holds the floating address and the primary.
        (
            [
                *on("", *OWN, "store"),
                *on("c2", "store"),
                *on("c3", "edge", "database a", ahead=600),
            ],
            [("clock.far-off", "edge, database a")],
        ),
        # Everything that is elsewhere is on one host: its word against this one's.
        (
            [*on("", *OWN), *on("c1", "edge", "store", "database a", ahead=-600)],
            [("clock.far-off", "this machine or edge, store, database a")],
        ),
        # One process of this host has a clock of its own, and the host's is right.
        (
            [
                *on("", *OWN, "edge"),
                *on("", "gateway 2", ahead=-20),
                *on("c1", "store"),
                *on("c2", "database a"),
            ],
            [("clock.off", "gateway 2")],
        ),
        # One machine; the doctor alone has a clock of its own.
        (
            on("", *OWN, "edge", "store", "database a", ahead=600),
            [("clock.far-off", "this machine")],
        ),
        (on("", "worker", ahead=600), [("clock.far-off", "this machine or worker")]),
    ],
)
def test_a_host_has_one_voice(told: list[Clock], expected: list[tuple[str, str]]) -> None:
    found = [(line.code, line.subject) for line in clocks.judge(told)]
    assert found == expected


def test_no_clock_is_no_answer() -> None:
    with pytest.raises(Unexaminable):
        clocks.judge([])


STANDBY = Standby("c2", "streaming", "quorum", 0)


@pytest.mark.parametrize(
    ("expected", "synchronous", "standbys", "found"),
    [
        (0, "", (), ["replication.single"]),
        (2, "ANY 1 (c2,c3)", (STANDBY, replace(STANDBY, name="c3")), ["replication.ok"]),
        (2, "ANY 1 (c2,c3)", (STANDBY,), ["replication.missing"]),
        (2, "*", (), ["replication.no-synchronous"]),
        (2, "", (), ["replication.no-synchronous"]),
        (2, "", (replace(STANDBY, sync_state="async"),) * 2, ["replication.no-synchronous"]),
        (1, "*", (replace(STANDBY, state="catchup"),), ["replication.no-synchronous"]),
        (0, "*", (), ["replication.no-synchronous"]),
        (1, "*", (replace(STANDBY, lag=(64 << 20) + 1),), ["replication.lag"]),
        (1, "*", (Standby("", "", "", 0),), ["replication.hidden"]),
    ],
)
def test_replication(
    expected: int, synchronous: str, standbys: tuple[Standby, ...], found: list[str]
) -> None:
    standing = Standing("17.6", False, 0.0, synchronous, standbys)
    assert codes(database.judge_replication("shard1", expected, standing)) == found


def test_databases() -> None:
    standing = Standing("17.6", False, 0.0, "", ())
    good = database.DatabaseFacts("a", 0, standing=standing)
    facts = [
        good,
        database.DatabaseFacts("b", 0, "connection refused"),
        replace(good, no_writes="53100: No space left on device"),
        replace(good, standing=replace(standing, replica=True)),
    ]
    assert codes(database.judge(facts)) == [
        "database.ok", "database.unreachable", "database.no-writes", "database.no-writes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (store.StoreFacts("minio", quorum=(200, "4")), "store.ok"),
        (store.StoreFacts("minio", quorum=(503, "4")), "store.no-write-quorum"),
        (store.StoreFacts("minio", quorum=(200, "3"), drives=Drives(0, 4)), "store.ok"),
        (store.StoreFacts("minio", quorum=(200, "3"), drives=Drives(1, 4)), "store.degraded"),
        (
            store.StoreFacts("minio", quorum=(503, "3"), drives=Drives(2, 4)),
            "store.no-write-quorum",
        ),
        (store.StoreFacts("seaweedfs"), "store.ok"),
        (store.StoreFacts("seaweedfs", "Connection refused"), "store.unreachable"),
        (store.StoreFacts("seaweedfs", "", "refused"), "store.refuses"),
    ],
)
def test_the_store(facts: store.StoreFacts, code: str) -> None:
    assert codes(store.judge(facts)) == [code]


def test_redis() -> None:
    good = CacheState("7.2", "", 1 << 28, "allkeys-lru", 1 << 20, 3)
    assert codes(cache.judge(None)) == codes(cache.judge(good)) == ["cache.ok"]
    assert codes(cache.judge("Connection refused")) == ["cache.unreachable"]
    assert codes(cache.judge(replace(good, persists="appendonly"))) == ["cache.persists"]
    assert codes(cache.judge(replace(good, bound=0))) == ["cache.unbounded"]
    assert codes(cache.judge(replace(good, policy="noeviction"))) == ["cache.unbounded"]


def test_processes() -> None:
    up = processes.ProcessFacts("gateway 0", "", "1.0", 0.1)
    down = processes.ProcessFacts("gateway 1", "Connection refused")
    assert codes(processes.judge_gateways([up, up])) == ["gateways.ok"]
    assert codes(processes.judge_gateways([up, down])) == ["gateways.down", "gateways.ok"]
    assert codes(processes.judge_worker([down])) == ["worker.down"]


def test_queues_and_orphans() -> None:
    assert codes(queues.judge(Waiting())) == ["queues.ok"]
    assert codes(queues.judge(Waiting(1, 2, 3, 4, 5))) == [
        "queues.uploads", "queues.outbox", "queues.deletions", "queues.comparisons",
    ]  # fmt: skip
    assert codes(queues.judge(Waiting(trash=1))) == ["queues.deletions"]
    assert codes(queues.judge_orphans({"orphan": 0, "lost": 0})) == ["orphans.ok"]
    (line,) = queues.judge_orphans({"orphan": 2, "lost": 0})
    assert (line.code, line.subject, line.seen) == ("orphans.found", "orphan", "2")


PROBES = [refusals.Probe("GET https://x/metrics", 404)]


@pytest.mark.parametrize(
    ("probes", "canary", "expected"),
    [
        (PROBES, refusals.Canary(403, 200, True), []),
        (PROBES, None, []),
        (PROBES, refusals.Canary(403, 200, False), ["refusals.headers"]),
        (PROBES, refusals.Canary(403, 200, None), []),
        (PROBES, refusals.Canary(403, 400, None), ["refusals.headers"]),
        (PROBES, refusals.Canary(200, 412, None), ["refusals.headers"]),
        ([refusals.Probe("PUT https://x/y", 200)], None, ["refusals.open"]),
        ([refusals.Probe("PUT https://x/y", 502)], None, ["refusals.open"]),
    ],
)
def test_refusals(
    probes: list[refusals.Probe], canary: refusals.Canary | None, expected: list[str]
) -> None:
    lines = refusals.judge(probes, canary)
    assert bad(lines) == expected
    assert expected or codes(lines) == ["refusals.ok"]


def test_a_transfer() -> None:
    upload, download = Origin("upload", "https://x:8444"), Origin("download", "https://x:8445")
    whole = transfer.TransferFacts(upload=upload, download=download)
    assert codes(transfer.judge(whole)) == ["transfer.ok"]
    stopped = replace(whole, stopped=("transfer.put", "answered 403 upload-url-refused"))
    assert codes(transfer.judge(stopped)) == ["transfer.put"]
    left = replace(whole, left=("an upload: unreachable",))
    assert codes(transfer.judge(left)) == ["transfer.ok", "transfer.left"]


def test_certificates_and_backups() -> None:
    leaves = [
        host.Leaf("edge", NOW + timedelta(days=60)),
        host.Leaf("redis", NOW + timedelta(days=20)),
        host.Leaf("etcd", NOW + timedelta(days=2)),
        host.Leaf("gateway", None, "Permission denied"),
    ]
    assert codes(host.judge_certificates(leaves, NOW)) == [
        "certificates.expires-soon", "certificates.expires-now", "certificates.unreadable",
        "certificates.ok",
    ]  # fmt: skip
    there = host.BackupFacts("/srv/backup", newest=NOW - timedelta(hours=5))
    assert codes(host.judge_backup(there, NOW)) == ["backup.ok"]
    old = replace(there, newest=NOW - timedelta(hours=27))
    assert codes(host.judge_backup(old, NOW)) == ["backup.old"]
    assert codes(host.judge_backup(replace(there, newest=None), NOW)) == ["backup.none"]
    assert codes(host.judge_backup(replace(there, broken="gone"), NOW)) == ["backup.missing"]


def test_versions() -> None:
    same, other = {"worker": __version__}, {"worker": "0.0.1"}
    assert codes(versions.judge(same, [versions.Schema("a")])) == ["versions.ok"]
    assert codes(versions.judge(other, [])) == ["versions.differ"]
    behind = versions.Schema("a", lacking=("0002_more.sql",))
    assert bad(versions.judge(same, [behind])) == ["versions.schema-behind"]
    ahead = versions.Schema("a", unknown=("0002_more.sql",))
    assert bad(versions.judge(same, [ahead])) == ["versions.schema-ahead"]
