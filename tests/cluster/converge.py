"""A lab's hosts brought up by site.yml as an operator does it: once, again, and as a dry run.

Invariants checked: the second run and the dry run change nothing, and no run's output, with all
differences shown, holds a secret of the vault.
"""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.lab import enter
from tests.cluster.places import REPOSITORY, Lab
from tests.cluster.playbook_output import changed_tasks, recap
from tests.cluster.vault import leaks, secrets_of

__all__ = ["Failure", "beside", "call", "converge", "on_hosts", "playbook"]


class Failure(Exception):
    """A step of the flow that didn't hold; the message says which and where its log is."""


def converge(lab: Lab, logs: Path) -> None:
    playbook(lab, logs / "1-converge.log", "site.yml", may_change=True)
    playbook(lab, logs / "2-again.log", "site.yml")
    playbook(lab, logs / "3-check.log", "site.yml", "--check")


def playbook(
    lab: Lab, log: Path, *arguments: str, may_change: bool = False, typed: str = ""
) -> None:
    """One run of a playbook of ansible/, judged by its end and its output."""
    command = ("ansible-playbook", "--diff", *arguments)
    call(lab, log, *command, folder=REPOSITORY / "ansible", typed=typed)
    output = log.read_text()
    counts = recap(output)
    if not counts:
        raise Failure(f"the playbook has no recap: {log}")
    if not may_change and any(each["changed"] for each in counts.values()):
        tasks = "\n  ".join(changed_tasks(output))
        raise Failure(f"a run that should change nothing changed:\n  {tasks}\n{log}")
    # The vault exists from the first run on.
    if shown := leaks(output, secrets_of(lab.inventory)):
        raise Failure(f"{log} shows secrets: {', '.join(shown)}")


def call(
    lab: Lab,
    log: Path,
    *command: str | Path,
    folder: Path = REPOSITORY,
    timeout: float = 1500,
    typed: str = "",
) -> None:
    """A command on the lab's controller; its output goes to the log, the log's end to a failure.
    What is `typed` waits for it at a terminal, else it has no input."""
    started = time.monotonic()
    print(f"{log.stem} ...", end=" ", flush=True)
    with log.open("wb") as output, _input(typed) as given:
        try:
            done = subprocess.run(
                enter(lab, [str(each) for each in command], folder),
                stdin=given,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise _failure(log, f"not done after {timeout:.0f} s") from None
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    if done.returncode != 0:
        raise _failure(log, f"exit status {done.returncode}")


@contextmanager
def beside(lab: Lab, log: Path, *command: str | Path, timeout: float = 1500) -> Iterator[None]:
    """The command runs while the body does, and is judged after it, at most `timeout` s later."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            enter(lab, [str(each) for each in command], REPOSITORY),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield
            code = running.wait(timeout)
        except subprocess.TimeoutExpired:
            raise _failure(log, f"not done {timeout:.0f} s after the rest") from None
        finally:
            # What it left in the lab ends with the lab.
            running.kill()
            running.wait()
    if code != 0:
        raise _failure(log, f"exit status {code}")
    print(f"{log.stem} ... passed meanwhile", flush=True)


def on_hosts(lab: Lab, script: str) -> set[str]:
    """Each line that the shell script says on any host, behind the host's name."""
    found = set()
    for host in sorted(each.name for each in lab.host("").glob("c*")):
        try:
            said = subprocess.run(
                enter(lab, ["ssh", "-F", str(lab.ssh_config), host, "bash -s"]),
                input=script, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Failure(f"{host}: not done after 60 s:\n{script}") from None
        if said.returncode != 0:
            raise Failure(f"{host}: {script}\n{said.stdout}{said.stderr}")
        found |= {f"{host} {line}" for line in said.stdout.splitlines()}
    return found


def _failure(log: Path, what: str) -> Failure:
    return Failure(f"{log}, {what}:\n{log.read_text(errors='replace')[-6000:]}")


@contextmanager
def _input(typed: str) -> Iterator[int]:
    if not typed:
        yield subprocess.DEVNULL
        return
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, typed.encode())
        yield terminal
    finally:
        os.close(terminal)
        os.close(keyboard)
