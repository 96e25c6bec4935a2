"""python -m appliance.gateway.reference [--write DIR]: the reference pages made from the tables.

errors.md    domain.errors and problems.STATUS
metrics.md   telemetry.metrics.TABLE
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

from appliance.domain.errors import ALL, IdempotencyMismatch, Problem
from appliance.gateway.problems import CONTENT_TYPE, status_of, type_of
from appliance.gateway.routes import ROUTES
from appliance.telemetry.metrics import TABLE

__all__ = ["PAGES", "errors", "metrics"]

_MADE = "<!-- Made by `python -m appliance.gateway.reference --write docs/reference`. -->"


def errors() -> str:
    return "\n".join(
        [
            "# Errors",
            "",
            _MADE,
            "",
            f"Every failure is answered as `{CONTENT_TYPE}` (RFC 9457):",
            "",
            "```json",
            "{",
            f'  "type": "{type_of("name-taken")}",',
            '  "title": "Something of that name is already there",',
            '  "status": 409,',
            '  "code": "name-taken",',
            '  "detail": "...",',
            '  "request_id": "5f0c..."',
            "}",
            "```",
            "",
            "Branch on `code`: it never changes its meaning. `title` and `detail` are for people,",
            "and may. Further members depend on the code. `request_id` is also in the header",
            "`X-Request-Id` of every answer and on each line that the server logged for it.",
            "429 and 503 carry `Retry-After`, in seconds: send the same request again then.",
            "Answers to batches carry `code` and `detail` for each of their items.",
            "",
            "| code | status | meaning | where, beyond what every call may answer |",
            "| --- | --- | --- | --- |",
            *(_error_row(code, kind) for code, kind in sorted(ALL.items())),
            "",
        ]
    )


def _error_row(code: str, kind: type[Problem]) -> str:
    note = inspect.cleandoc(kind.__dict__.get("__doc__") or "").split("\n\n")[0].replace("\n", " ")
    meaning = f"{kind.title}. {note}".strip()
    where = [
        f"`{r.method} {r.path}`"
        for r in ROUTES
        if code in r.errors or (r.idempotent and code == IdempotencyMismatch.code)
    ]
    return f"| `{code}` | {status_of(code)} | {meaning} | {'<br>'.join(where)} |"


def metrics() -> str:
    return "\n".join(
        [
            "# Metrics",
            "",
            _MADE,
            "",
            "Prometheus scrapes each process on loopback: gateway number *i* on `metrics_port` + "
            "*i*, path `/metrics`; the worker on its `--metrics-port`.",
            "Beside these, each process has the usual `process_*` and `python_gc_*`.",
            "",
            *_metric_table("gateway"),
            *_metric_table("worker"),
        ]
    )


def _metric_table(process: str) -> Iterable[str]:
    yield f"## {process}"
    yield ""
    yield "| name | kind | labels | meaning |"
    yield "| --- | --- | --- | --- |"
    for m in TABLE:
        if m.process == process:
            labels = ", ".join(f"`{label}`" for label in m.labels)
            yield f"| `{m.name}` | {m.kind} | {labels} | {m.help} |"
    yield ""


PAGES = {"errors.md": errors, "metrics.md": metrics}


def main() -> None:
    parser = argparse.ArgumentParser(prog="appliance.gateway.reference")
    parser.add_argument("--write", type=Path, metavar="DIR", help="instead of printing")
    directory: Path | None = parser.parse_args().write
    for name, page in PAGES.items():
        if directory is None:
            sys.stdout.write(page())
        else:
            (directory / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
