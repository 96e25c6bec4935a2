"""A run as it is watched: a live display on a terminal, plain lines elsewhere, and the account of
it at the end, for people or as one JSON document.

Everything but the account goes to standard error, so that standard output is for results.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from appliance.cli import exits
from appliance.cli.printing import print_json, shown
from appliance.cli.sizes import format_size
from appliance.client.transfer.outcome import Outcome
from appliance.domain.errors import Problem

__all__ = ["Watch"]

_PLAIN_SECONDS = 10.0


@dataclass(slots=True)
class _Totals:
    files: int = 0
    size: int = 0
    through: int = 0  # files that are done or failed
    moved: int = 0
    skipped: int = 0


@dataclass(slots=True)
class _Account:
    """Of what is through. Outcomes themselves are kept where they are printed at the end: for
    JSON; a run over 100,000 files needs no list of them else."""

    done: int = 0  # things of any kind
    files: int = 0  # sent or fetched
    same: int = 0
    sent: int = 0  # bytes of all
    problems: list[Problem] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.sent += outcome.sent
        if outcome.problem is not None:
            self.problems.append(outcome.problem)
            return
        self.done += 1
        if outcome.kind == "file":
            self.same += outcome.result == "unchanged"
            self.files += outcome.result != "unchanged"


@dataclass(slots=True)
class Watch:
    """A transfer Listener. `verbose` explains decisions, `quiet` shows failures only."""

    verb: str  # "put" or "get"
    verbose: bool = False
    quiet: bool = False
    json: bool = False
    _account: _Account = field(default_factory=_Account)
    _outcomes: list[Outcome] = field(default_factory=list)  # for JSON alone
    _totals: _Totals = field(default_factory=_Totals)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float = field(default_factory=time.monotonic)
    _spoke: float = field(default_factory=time.monotonic)
    _live: Progress | None = None
    _bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self.quiet:
            self._live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[files]}"),
                DownloadColumn(binary_units=True),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar = self._live.add_task("looking", total=None, files="")
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def phase(self, text: str) -> None:
        if self._live is not None:
            self._live.update(self._bar, description=text)

    def expect(self, files: int, size: int) -> None:
        self._totals.files, self._totals.size = files, size
        self._refresh()

    def moved(self, size: int) -> None:
        with self._lock:
            self._totals.moved += size
        self._refresh()

    def skipped(self, size: int) -> None:
        with self._lock:
            self._totals.skipped += size
        self._refresh()

    def explain(self, text: str) -> None:
        if self.verbose:
            self._line(text, to_stdout=not self.json)

    def finished(self, outcome: Outcome) -> None:
        self._account.add(outcome)
        if self.json:
            self._outcomes.append(outcome)
        if outcome.kind == "file" and outcome.result != "unchanged":
            self._totals.through += 1
        if outcome.problem is not None:
            name = outcome.local if self.verb == "put" else outcome.path
            self._line(_failure(name, outcome), to_stdout=False)
        elif self.verbose:
            self._line(_verbose(outcome, self.verb), to_stdout=not self.json)
        self._refresh()

    def conclude(self) -> int:
        """Prints the account; the exit code."""
        seconds = time.monotonic() - self._began
        if self.json:
            print_json(self._document(seconds))
        elif not self.quiet:
            click.echo(self._words(seconds))
        return exits.of_run(self._account.problems, self._account.done)

    def _document(self, seconds: float) -> dict[str, Any]:
        return {
            "files": [_entry(one) for one in self._outcomes if one.problem is None],
            "failed": [
                {
                    "local": shown(one.local),
                    "path": shown(one.path),
                    "kind": one.kind,
                    "code": one.problem.code,
                    "detail": str(one.problem),
                }
                for one in self._outcomes
                if one.problem is not None
            ],
            "sent_bytes": self._account.sent,
            "seconds": round(seconds, 3),
        }

    def _words(self, seconds: float) -> str:
        account = self._account
        word = "sent" if self.verb == "put" else "fetched"
        parts = [f"{account.files} files {word} ({format_size(account.sent)} in {seconds:.1f} s"]
        if seconds > 0.05 and account.sent:
            parts[0] += f", {format_size(int(account.sent / seconds))}/s"
        parts[0] += ")"
        if account.same:
            parts.append(f"{account.same} unchanged")
        if account.problems:
            parts.append(f"{len(account.problems)} failed; run it again for what is left")
        return ", ".join(parts)

    def _refresh(self) -> None:
        totals = self._totals
        if self._live is not None:
            self._live.update(
                self._bar,
                total=totals.size,
                completed=min(totals.moved + totals.skipped, totals.size),
                files=f"{totals.through}/{totals.files}",
            )
            return
        now = time.monotonic()
        if self.quiet or now - self._spoke < _PLAIN_SECONDS:
            return
        with self._lock:
            if now - self._spoke < _PLAIN_SECONDS:
                return
            self._spoke = now
        rate = totals.moved / max(now - self._began, 0.001)
        left = max(totals.size - totals.moved - totals.skipped, 0)
        eta = f", {left / rate:.0f} s left" if rate > 0 and left else ""
        click.echo(
            f"{totals.through} of {totals.files} files, {format_size(totals.moved)} moved, "
            f"{format_size(int(rate))}/s{eta}",
            err=True,
        )

    def _line(self, text: str, *, to_stdout: bool) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=not to_stdout)


def _failure(name: str, outcome: Outcome) -> str:
    assert outcome.problem is not None
    text = str(outcome.problem)
    prefix = "" if shown(name) in text else f"{shown(name)}: "
    return f"failed: {prefix}{text} [{outcome.problem.code}]"


def _verbose(outcome: Outcome, verb: str) -> str:
    source, target = shown(outcome.local), shown(outcome.path)
    if verb == "get":
        source, target = target, source
    facts: list[str] = [outcome.result]
    if outcome.how and outcome.how != outcome.result:
        facts.append(outcome.how)
    if outcome.kind == "file" and outcome.result != "unchanged":
        facts.append(f"{outcome.size} bytes in {outcome.chunks} chunks, {outcome.sent} moved")
    return f"{source} -> {target}: {', '.join(facts)}"


def _entry(one: Outcome) -> dict[str, Any]:
    return {
        "local": shown(one.local),
        "path": one.path,
        "kind": one.kind,
        "result": one.result,
        "how": one.how or None,
        "size": one.size,
        "sent": one.sent,
        "chunks": one.chunks,
        "id": one.node,
        "version": one.version,
        "sha256": one.sha256,
    }
