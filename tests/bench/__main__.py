"""`make bench`: one run, everything side by side on this machine, printed as Markdown.

STORE chooses the store, BENCH_ROUNDS the rounds (3), BENCH_QUICK=1 takes a tenth of the sizes (its
figures say little), BENCH_ONLY names parts, separated by commas: big, small, calls,
metadata, tree.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.integration.instance import Instance, free_ports

from .calls import CallCost, call_cost
from .load import Load, metadata
from .measure import peak_memory
from .rclone import Rclone, make_bucket
from .real_tree import MIN_BYTES, MIN_FILES, differences, gather
from .transfers import Bench, Comparison, big_file, small_files

MIB = 1 << 20


def main() -> None:
    quick = os.environ.get("BENCH_QUICK") == "1"
    parts = os.environ.get("BENCH_ONLY", "big,small,calls,metadata,tree").split(",")
    store = os.environ.get("STORE") or "seaweedfs"
    scale = 10 if quick else 1
    rounds = int(os.environ.get("BENCH_ROUNDS") or (1 if quick else 3))
    folder = Path(tempfile.mkdtemp(prefix="stowbay-bench-"))
    base = free_ports()
    extra = {"STOWBAY_PORT_BENCH": str(base + 3), "STOWBAY_CACHE_MB": "4096"}
    instance = Instance(store, folder / "var", base, extra)
    print(f"## {store}, {os.cpu_count()} cores, {platform.platform()}\n", flush=True)
    try:
        instance.up()
        make_bucket(instance)
        bench = Bench(instance, instance.user(folder), folder, rounds=rounds)
        direct = Rclone(instance, instance.settings["store"]["endpoint"])
        nginx = Rclone(instance, f"https://localhost:{base + 3}")
        if "big" in parts:
            _print(big_file(bench, nginx, direct, 1024 * MIB // scale), 1 / scale)
        if "small" in parts:
            _print(small_files(bench, nginx, direct, 3000 // scale, 10 * 1024), None)
        if "calls" in parts:
            _print_calls(call_cost(bench, 1024 * MIB // scale), 1 / scale)
        if "metadata" in parts:
            _print_loads(metadata(bench, seconds=10 / scale))
        if "tree" in parts:
            _tree(bench, scale)
        for name in ("gateway", "nginx", "worker"):
            reach = " (reach: < 150)" if name == "gateway" else ""
            peak = peak_memory(bench.pids(name)) / MIB
            print(f"peak memory of a {name} process: {peak:.0f} MiB{reach}")
    finally:
        instance.down()
        shutil.rmtree(folder, ignore_errors=True)


def _row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _print(comparisons: Iterable[Comparison], gib: float | None) -> None:
    _row("what", "against", "ratio", "reach", "ours, s", "theirs, s", "client CPU, s",
         "client peak", "gateway CPU, s", "nginx CPU, s")  # fmt: skip
    _row(*["---"] * 10)
    for item in comparisons:
        _row(
            item.what,
            item.reference,
            f"**{item.ratio:.2f}**",
            "" if item.reach is None else f"≥ {item.reach}",
            " ".join(f"{run.wall:.2f}" for run in item.ours),
            " ".join(f"{run.wall:.2f}" for run in item.theirs),
            " ".join(f"{run.cpu:.1f}" for run in item.ours),
            f"{max(run.peak for run in item.ours) / MIB:.0f} MiB",
            " ".join(f"{cpu:.2f}" for cpu in item.gateway_cpu),
            " ".join(f"{cpu:.1f}" for cpu in item.nginx_cpu),
        )
    if gib is not None:
        print(f"\n(the file has {gib:.1f} GiB; reach: client < 250 MiB)")
    print()


def _print_calls(cost: CallCost, gib: float) -> None:
    print(f"gateways, put of {gib:.1f} GiB: {cost.cpu:.3f} CPU-s for {cost.calls:.0f} calls; at "
          f"{1000 * cost.per_call:.2f} CPU-ms a call, {cost.beyond / gib:.3f} CPU-s a GiB beyond "
          f"them (reach: < 0.05); idle: {1000 * cost.idle:.1f} CPU-ms a second\n",
          flush=True)  # fmt: skip


def _print_loads(loads: Iterable[Load]) -> None:
    print("Reach: cached stat ≥ 2500 per gateway CPU-second, commits ≥ 300/s with 64 writers.\n")
    _row("call", "clients", "calls/s", "p50, ms", "p99, ms", "calls per gateway CPU-s", "failed")
    _row(*["---"] * 7)
    for load in loads:
        _row(
            load.what,
            str(load.clients),
            f"{load.per_second:.0f}",
            f"{load.p50:.1f}",
            f"{load.p99:.1f}",
            f"{load.per_core:.0f}",
            str(load.failures),
        )
    print()


def _tree(bench: Bench, scale: int) -> None:
    source, back = bench.folder / "tree", bench.folder / "tree.back"
    files, size = gather(source, MIN_FILES // scale, MIN_BYTES // scale)
    put = bench.stowbay("put", source, "/")
    began = time.perf_counter()
    bench.stowbay("ls", "-R", "/tree")
    listed = time.perf_counter() - began
    back.mkdir()
    get = bench.stowbay("get", "/tree", back)
    differ = differences(source, back / "tree")
    again = bench.stowbay("put", source, "/")
    print(f"real tree, {files} files, {size / MIB:.0f} MiB: put {put.wall:.1f} s "
          f"({put.peak / MIB:.0f} MiB peak), listed {listed:.1f} s, get {get.wall:.1f} s "
          f"({get.peak / MIB:.0f} MiB peak), put again {again.wall:.1f} s; "
          f"{len(differ)} differ\n", flush=True)  # fmt: skip
    if differ:
        raise SystemExit(f"the tree came back different: {differ[:20]}")


main()
