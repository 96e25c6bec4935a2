"""python -m appliance.gateway [--port N] [--index I] (settings: STOWBAY_CONFIG)."""

from __future__ import annotations

import argparse
import contextlib
import ctypes

import uvloop

from appliance import settings as configuration
from appliance.gateway.server import serve
from appliance.telemetry import logs

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # mallopt(3)


def _keep_memory_small() -> None:
    """Large blocks (19 MiB for each password hash) go back to the system when they are freed.

    glibc, left alone, raises its threshold to the largest block it saw and keeps such blocks in
    one arena per thread, which costs this process half as much memory again.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        libc.mallopt(_M_ARENA_MAX, 2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="appliance.gateway")
    parser.add_argument("--port", type=int, help="default: the settings' port of this index")
    parser.add_argument(
        "--index", type=int, default=0, help="which process this is: its ports, its name in logs"
    )
    options = parser.parse_args()
    _keep_memory_small()
    settings = configuration.load()
    logs.configure(settings.log_level, process=f"gateway-{options.index}")
    if options.port is None and not 0 <= options.index < len(settings.gateway_ports):
        parser.error(f"the settings have no port for index {options.index}")
    port = settings.gateway_ports[options.index] if options.port is None else options.port
    uvloop.run(serve(settings, port, settings.metrics_port + options.index))


if __name__ == "__main__":
    main()
