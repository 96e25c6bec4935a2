"""python -m appliance.gateway --port N --index I (settings: STOWBAY_CONFIG)."""

from __future__ import annotations

import argparse

import uvloop

from appliance import settings as configuration
from appliance.gateway.server import serve
from appliance.telemetry import logs


def main() -> None:
    parser = argparse.ArgumentParser(prog="appliance.gateway")
    parser.add_argument("--port", type=int, required=True, help="on loopback, behind nginx")
    parser.add_argument(
        "--index", type=int, default=0, help="which process this is: its metrics port"
    )
    options = parser.parse_args()
    settings = configuration.load()
    logs.configure(settings.log_level, process=f"gateway-{options.index}")
    uvloop.run(serve(settings, options.port, settings.metrics_port + options.index))


if __name__ == "__main__":
    main()
