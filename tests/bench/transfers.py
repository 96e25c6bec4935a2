"""Put and get, side by side: each round does everything once, ratios are taken round by round."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.instance import BIN, Instance, User

from .measure import Run, cpu_seconds, median, run
from .rclone import Rclone

__all__ = ["Comparison", "big_file", "small_files"]

MIB = 1 << 20


@dataclass
class Comparison:
    """`ratio` is the reference's time over ours: 1.0 is as fast, 2.0 twice as fast."""

    what: str
    reference: str
    reach: float | None
    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)
    gateway_cpu: list[float] = field(default_factory=list)
    nginx_cpu: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        pairs = zip(self.theirs, self.ours, strict=True)
        return median([their.wall / our.wall for their, our in pairs])


@dataclass
class Bench:
    instance: Instance
    user: User
    folder: Path
    rounds: int

    def stowbay(self, *args: str | Path) -> Run:
        self.user.sign_in_client()
        return run([BIN / "stowbay", *args], self.user.client_env())

    def pids(self, part: str) -> list[int]:
        return [
            int(path.read_text().split()[0])
            for path in (self.instance.var / "run").glob(f"{part}*.pid")
        ]

    def compare(
        self, comparison: Comparison, ours: Callable[[], Run], theirs: Callable[[], Run]
    ) -> None:
        comparison.theirs.append(theirs())
        gateway, nginx = cpu_seconds(self.pids("gateway")), cpu_seconds(self.pids("nginx"))
        comparison.ours.append(ours())
        comparison.gateway_cpu.append(cpu_seconds(self.pids("gateway")) - gateway)
        comparison.nginx_cpu.append(cpu_seconds(self.pids("nginx")) - nginx)


def _random_file(path: Path, size: int) -> None:
    with path.open("wb") as sink:
        for start in range(0, size, 8 * MIB):
            sink.write(os.urandom(min(8 * MIB, size - start)))


def big_file(bench: Bench, nginx: Rclone, direct: Rclone, size: int) -> list[Comparison]:
    put = Comparison("put one big file", "rclone, same nginx", 0.9)
    put_direct = Comparison("put one big file", "rclone, store directly", None)
    cold = Comparison("get it, edge cache cold", "rclone, same nginx", 0.7)
    cold_direct = Comparison("get it, edge cache cold", "rclone, store directly", None)
    hot = Comparison("get it, edge cache hot", "rclone, same nginx", 1.0)
    for turn in range(bench.rounds):
        source, back = bench.folder / "big", bench.folder / "big.back"
        _random_file(source, size)
        name = f"big-{turn}"

        def get_ours(name: str = name, back: Path = back) -> Run:
            back.unlink(missing_ok=True)
            return bench.stowbay("get", f"/{name}", back)

        def get_theirs(name: str = name, back: Path = back) -> Run:
            back.unlink(missing_ok=True)
            return nginx.get(name, back)

        put_direct.theirs.append(direct.put(source, f"direct-{name}"))
        bench.compare(
            put,
            lambda source=source, name=name: bench.stowbay("put", source, f"/{name}"),
            lambda source=source, name=name: nginx.put(source, name),
        )
        put_direct.ours.append(put.ours[-1])
        bench.compare(cold, get_ours, get_theirs)
        run(["cmp", source, back], os.environ)
        back.unlink()
        cold_direct.theirs.append(direct.get(f"direct-{name}", back))
        cold_direct.ours.append(cold.ours[-1])
        get_ours()  # the second fetch writes the cache
        bench.compare(hot, get_ours, get_theirs)
        run(["cmp", source, back], os.environ)
        source.unlink()
        back.unlink()
    return [put, put_direct, cold, cold_direct, hot]


def small_files(
    bench: Bench, nginx: Rclone, direct: Rclone, count: int, size: int
) -> list[Comparison]:
    what = f"{count} files of {size} B"
    put = Comparison(f"put {what}", "rclone, store directly", 0.7)
    put_nginx = Comparison(f"put {what}", "rclone, same nginx", None)
    get = Comparison(f"get {what}, cold", "rclone, store directly", 0.7)
    get_nginx = Comparison(f"get {what}, cold", "rclone, same nginx", None)
    hot = Comparison(f"get {what}, hot", "rclone, store directly", None)
    for turn in range(bench.rounds):
        source, back = bench.folder / f"small-{turn}", bench.folder / "small.back"
        for number in range(count):
            path = source / f"{number % 30:02}" / f"{number:05}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))

        def get_ours(turn: int = turn, back: Path = back) -> Run:
            shutil.rmtree(back, ignore_errors=True)
            back.mkdir()
            return bench.stowbay("get", f"/small-{turn}", back)

        def get_theirs(turn: int = turn, back: Path = back) -> Run:
            shutil.rmtree(back, ignore_errors=True)
            return direct.get(f"small-{turn}", back, folder=True)

        bench.compare(
            put,
            lambda source=source: bench.stowbay("put", source, "/"),
            lambda source=source, turn=turn: direct.put(source, f"small-{turn}"),
        )
        put_nginx.ours.append(put.ours[-1])
        put_nginx.theirs.append(nginx.put(source, f"nginx-small-{turn}"))
        bench.compare(get, get_ours, get_theirs)
        shutil.rmtree(back)
        get_nginx.ours.append(get.ours[-1])
        get_nginx.theirs.append(nginx.get(f"nginx-small-{turn}", back, folder=True))
        get_ours()  # the second fetch writes the cache
        bench.compare(hot, get_ours, get_theirs)
        run(["diff", "-r", source, back / source.name], os.environ)
        shutil.rmtree(source)
        shutil.rmtree(back)
    return [put, put_nginx, get, get_nginx, hot]
