"""Worker processes: killed, stopped and continued, run once, planned only, ended by TERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from appliance.domain import ids
from appliance.settings import Limits, Settings
from tests.objects.store_processes import RunningStore

from .stored import half_done
from .world import File, World

QUICK = Limits(fresh_blob_seconds=1, dying_grace_seconds=1, put_grace_seconds=1, part_url_seconds=4)


@dataclass
class Processes:
    """Each in a session of its own, ended with the test."""

    config: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.workers", *options],
            env={**os.environ, "STOWBAY_CONFIG": str(self.config), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def once(self, *options: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*options, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def end(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()


@pytest.fixture
def processes(databases, object_store: RunningStore, tmp_path: Path) -> Iterator[Processes]:
    settings = Settings(
        api_url="https://localhost:8443",
        upload_url="https://localhost:8444",
        download_url="https://localhost:8445",
        gateway_ports=(),
        metrics_port=0,
        databases=databases,
        redis_url="",
        store=object_store.settings,
        ticket_keyring=str(tmp_path / "none.json"),
        limits=QUICK,
    )
    config = tmp_path / "stowbay.json"
    config.write_bytes(msgspec.json.encode(settings))
    found = Processes(config)
    yield found
    found.end()


@pytest.mark.parametrize("step", ["completed-in-store", "record-uploaded"])
async def test_a_worker_killed_after_any_step_is_made_up_for(
    world: World, processes: Processes, step: str
) -> None:
    file, upload = await half_done(world, "completing")
    flags = ("--once", "--job", "uploads", "--stuck-seconds", "0", "--lease-seconds", "1")
    code, _, _ = processes.once(*flags, STOWBAY_CRASH_AT=step)
    assert code == -signal.SIGKILL
    time.sleep(1.1)  # the dead one's lease
    code, out, err = processes.once(*flags)
    assert code == 0, err
    assert out.startswith("uploads: ")
    assert await world.state(upload) in ("uploaded", None)
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


async def test_a_dry_run_says_what_once_then_does(world: World, processes: Processes) -> None:
    quick = world.with_limits(**msgspec.structs.asdict(QUICK))
    await quick.put(File.small())
    time.sleep(QUICK.part_url_seconds + 1.2)
    code, out, err = processes.once("--dry-run", "--job", "blobs")
    assert code == 0, err
    assert f"blobs {world.home.space_id:016x}: let-die" in out
    assert await world.live_blobs() == 1
    code, out, err = processes.once("--once", "--job", "blobs")
    assert code == 0, err
    assert "dying=" in out
    assert await world.live_blobs() == 0


async def test_a_worker_that_slept_through_its_lease_does_no_harm(
    world: World, processes: Processes, object_store: RunningStore
) -> None:
    """Stopped while the store doesn't answer, overtaken, then continued."""
    quick = world.with_limits(**msgspec.structs.asdict(QUICK))
    flags = ("--once", "--job", "blobs", "--lease-seconds", "1.5")
    for _ in range(2):  # what other tests left would come first, and hang as well
        assert processes.once(*flags)[0] == 0
        time.sleep(1.2)
    world.clock.time = datetime.now(UTC)
    await quick.put(File.small())
    time.sleep(QUICK.part_url_seconds + 1.2)
    assert processes.once(*flags)[0] == 0
    time.sleep(1.2)
    os.kill(object_store.process_id, signal.SIGSTOP)
    try:
        sleeper = processes.start(*flags)
        await holds(world, "blobs")
        time.sleep(0.5)
        os.kill(sleeper.pid, signal.SIGSTOP)
    finally:
        os.kill(object_store.process_id, signal.SIGCONT)
    time.sleep(1.6)
    code, _, err = processes.once(*flags)
    assert code == 0, err
    gone = await world.one("select count(*) as n from blobs where space_id = %(space_id)s")
    assert gone.n == 0
    kept = await world.put(File.small())
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.communicate(timeout=60)
    rows = await world.one("select count(*) as n from blobs where space_id = %(space_id)s")
    assert rows.n == 1
    assert list(await world.objects()) == [await world.key(kept.id)]
    fence = await world.one("select fence from leases where key = %(space_id)s and job = 'blobs'")
    assert fence.fence >= 3


async def test_term_ends_it_soon_and_gives_the_lease_back(
    world: World, processes: Processes
) -> None:
    _, upload = await half_done(world, "completing")
    process = processes.start("--every", "0.2", "--job", "uploads", "--stuck-seconds", "0")
    for _ in range(100):
        if await world.state(upload) != "completing":
            break
        time.sleep(0.1)
    assert await world.state(upload) in ("uploaded", None)
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    held = await world.one(
        "select count(*) as n from leases where key = %(space_id)s and expires_at > now()"
    )
    assert held.n == 0
    assert ids.decode("u", upload)[0] == world.home.space_id


async def holds(world: World, job: str) -> None:
    for _ in range(100):
        row = await world.one(
            "select count(*) as n from leases where key = %(space_id)s and job = %(job)s"
            " and expires_at > now()",
            job=job,
        )
        if row.n:
            return
        time.sleep(0.1)
    raise AssertionError("it never took the lease")


async def test_systemd_hears_a_worker_from_start_to_end(
    processes: Processes, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        worker = processes.start(
            "--job", "answers", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000"
        )
        assert manager.recv(64) == b"READY=1"
        assert [manager.recv(64) for _ in range(2)] == [b"WATCHDOG=1"] * 2
        worker.send_signal(signal.SIGTERM)
        while (word := manager.recv(64)) == b"WATCHDOG=1":
            pass
        assert word == b"STOPPING=1"
        worker.communicate(timeout=20)
    assert worker.returncode == 0
