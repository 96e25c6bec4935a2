"""python -m appliance.workers [--once | --dry-run] [--job NAME]… (settings: STOWBAY_CONFIG)."""

from __future__ import annotations

import argparse
import sys

import uvloop

from appliance import settings as configuration
from appliance.telemetry import logs
from appliance.workers.service import JOBS, Options, serve

_DEFAULTS = Options()


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="appliance.workers")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="run each job once, then end")
    how.add_argument("--dry-run", action="store_true", help="print what would be done, then end")
    parser.add_argument("--job", action="append", choices=JOBS, default=[], help="only these")
    parser.add_argument("--every", type=float, help="seconds between two looks, for all jobs")
    parser.add_argument(
        "--metrics-port", type=int, help="at the settings' metrics_host; none without it"
    )
    parser.add_argument(
        "--stuck-seconds", type=float, default=_DEFAULTS.stuck_seconds,
        help="how long a step of an upload may take before it is finished here",
    )  # fmt: skip
    parser.add_argument(
        "--lease-seconds", type=float, default=_DEFAULTS.lease_seconds,
        help="how long a worker that says nothing keeps others from its space",
    )  # fmt: skip
    parser.add_argument(
        "--scrub-sample", type=int, default=_DEFAULTS.scrub_sample,
        help="blobs read back in a space and period",
    )  # fmt: skip
    parser.add_argument(
        "--period-seconds", type=float, default=_DEFAULTS.period_seconds,
        help="how often each space is compared and scrubbed",
    )  # fmt: skip
    found = vars(parser.parse_args())
    return Options(jobs=tuple(found.pop("job")), **found)


def main() -> int:
    options = _options()
    settings = configuration.load()
    logs.configure(settings.log_level, process="worker")
    return uvloop.run(serve(settings, options))


if __name__ == "__main__":
    sys.exit(main())
