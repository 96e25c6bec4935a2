"""The supervisor, with real processes that live, die and refuse to go."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.machine.failure import CannotStart
from appliance.machine.process import Records
from appliance.machine.service import Barrier, Service, Step, Task
from appliance.machine.supervisor import Supervisor

ENV = {"PATH": "/usr/bin:/bin"}


class Yard:
    """A folder for one supervisor, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def service(self, name: str, script: str, **options: object) -> Service:
        """Ready when the script has made the file NAME.up."""
        mark = self.folder / f"{name}.up"
        values: dict[str, object] = {
            "name": name,
            "argv": ("sh", "-c", script.replace("READY", f"touch {mark}")),
            "env": ENV,
            "ready": mark.exists,
            "ready_seconds": 5.0,
            "stop_seconds": 1.0,
        }
        return Service(**{**values, **options})  # type: ignore[arg-type]

    def supervisor(self, *steps: Step) -> Supervisor:
        return Supervisor(steps, Records(self.folder), self.log_of, self.said.append)

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def _run_while(supervisor: Supervisor, act: Callable[[], None]) -> None:
    """`run` stays in this thread, as it does in the product; `act` runs once all are ready."""
    failures: list[BaseException] = []

    def watched() -> None:
        try:
            act()
        except BaseException as error:
            failures.append(error)
        finally:
            supervisor.ask_to_stop()

    thread = threading.Thread(target=watched)
    supervisor.run(thread.start)
    thread.join()
    if failures:
        raise failures[0]


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_barrier_holds_the_start_until_all_before_it_have_answered(yard: Yard) -> None:
    seen: list[bool] = []
    first = yard.service("first", "sleep 0.3; READY; exec sleep 300")
    check = Task("check", lambda: seen.append((yard.folder / "first.up").exists()))
    second = yard.service("second", "READY; exec sleep 300")
    pids: list[int] = []
    _run_while(
        yard.supervisor(first, Barrier(), check, second),
        lambda: pids.extend([yard.pid("first"), yard.pid("second")]),
    )
    assert seen == [True]
    assert all(_gone(pid) for pid in pids)
    assert not list(yard.folder.glob("*.pid"))


def test_parts_between_two_barriers_start_side_by_side(yard: Yard) -> None:
    """Each answers only when the other has begun, so one after the other would never end."""
    marks = {name: yard.folder / f"{name}.begun" for name in ("one", "two")}
    scripts = {
        name: f"touch {marks[name]}; until [ -e {marks[other]} ]; do sleep 0.02; done;"
        " READY; exec sleep 300"
        for name, other in (("one", "two"), ("two", "one"))
    }
    _run_while(
        yard.supervisor(*(yard.service(name, script) for name, script in scripts.items())),
        lambda: None,
    )


def test_parts_stop_backwards_and_tasks_are_undone_last(yard: Yard) -> None:
    order = yard.folder / "order"
    script = f"trap 'echo NAME >> {order}; exit' TERM; READY; while :; do sleep 0.05; done"
    undone: list[str] = []
    _run_while(
        yard.supervisor(
            Task("files", lambda: None, undo=lambda: undone.append(order.read_text())),
            yard.service("one", script.replace("NAME", "one")),
            yard.service("two", script.replace("NAME", "two")),
        ),
        lambda: None,
    )
    assert order.read_text().split() == ["two", "one"]
    assert undone == ["two\none\n"]


def test_a_part_that_dies_is_started_again(yard: Yard) -> None:
    def kill_it() -> None:
        before = yard.pid("part")
        os.kill(before, signal.SIGKILL)
        _until(lambda: (yard.folder / "part.pid").exists() and yard.pid("part") != before)

    _run_while(yard.supervisor(yard.service("part", "READY; exec sleep 300")), kill_it)
    assert any("SIGKILL" in line for line in yard.said)


def test_what_a_dead_part_left_behind_is_ended_before_it_starts_again(yard: Yard) -> None:
    child = yard.folder / "child"
    script = f"sleep 300 & echo $! > {child}; READY; wait"

    def kill_the_leader() -> None:
        _until(lambda: child.exists() and bool(child.read_text()))
        before, orphan = yard.pid("part"), int(child.read_text())
        os.kill(before, signal.SIGKILL)
        _until(lambda: (yard.folder / "part.pid").exists() and yard.pid("part") != before)
        state = Path(f"/proc/{orphan}/stat")
        assert not state.exists() or " Z " in state.read_text()

    _run_while(yard.supervisor(yard.service("part", script)), kill_the_leader)


def test_a_part_that_keeps_dying_stops_all_with_its_log(yard: Yard) -> None:
    steady = yard.service("steady", "READY; exec sleep 300")
    dying = yard.service("dying", "READY; echo oh no; sleep 0.1; exit 3")
    supervisor = yard.supervisor(steady, dying)
    pids: list[int] = []
    with pytest.raises(CannotStart, match=r"dying ended 5 times .* exit code 3") as caught:
        supervisor.run(lambda: pids.append(yard.pid("steady")))
    assert caught.value.log == yard.log_of("dying")
    assert "oh no" in yard.log_of("dying").read_text()
    assert all(_gone(pid) for pid in pids)


def test_a_part_that_ends_while_starting_fails_the_start_and_leaves_nothing(yard: Yard) -> None:
    steady = yard.service("steady", f"echo $$ > {yard.folder / 'told'}; READY; exec sleep 300")
    broken = yard.service("broken", "echo bad settings >&2; exit 7")
    with pytest.raises(CannotStart, match=r"broken ended while starting .exit code 7") as caught:
        yard.supervisor(steady, Barrier(), broken).run(lambda: None)
    assert caught.value.log == yard.log_of("broken")
    assert "bad settings" in yard.log_of("broken").read_text()
    assert _gone(int((yard.folder / "told").read_text()))


def test_a_part_that_never_answers_fails_the_start(yard: Yard) -> None:
    deaf = yard.service("deaf", "exec sleep 300", ready_seconds=0.3)
    with pytest.raises(CannotStart, match="deaf did not answer"):
        yard.supervisor(deaf).run(lambda: None)


def test_a_program_that_is_missing_fails_the_start_by_name(yard: Yard) -> None:
    absent = yard.service("absent", "", argv=(str(yard.folder / "no-such-program"),))
    with pytest.raises(CannotStart, match="absent"):
        yard.supervisor(absent).run(lambda: None)


def test_a_stop_while_starting_ends_what_has_started(yard: Yard) -> None:
    told = yard.folder / "told"
    slow = yard.service("slow", f"echo $$ > {told}; exec sleep 300", ready_seconds=60.0)
    supervisor = yard.supervisor(slow)
    timer = threading.Timer(0.5, supervisor.ask_to_stop)
    timer.start()
    supervisor.run(lambda: None)
    timer.join()
    assert _gone(int(told.read_text()))


def test_a_part_that_ignores_the_stop_signal_is_killed_in_bounded_time(yard: Yard) -> None:
    script = "trap '' TERM; READY; while :; do sleep 0.1; done"
    started = time.monotonic()
    _run_while(yard.supervisor(yard.service("deaf", script)), lambda: None)
    assert time.monotonic() - started < 8
    assert any("did not stop" in line for line in yard.said)


def test_a_wish_to_stop_wins_over_the_failure_that_it_causes(yard: Yard) -> None:
    supervisor = yard.supervisor()

    def interrupted() -> None:
        supervisor.ask_to_stop()
        raise CannotStart("its command was interrupted too")

    asked = yard.supervisor(Task("ask", interrupted))
    with pytest.raises(CannotStart):
        asked.run(lambda: None)  # this supervisor was not asked to stop

    own: list[Supervisor] = []

    def interrupted_and_asked() -> None:
        own[0].ask_to_stop()
        raise CannotStart("its command was interrupted too")

    own.append(yard.supervisor(Task("ask", interrupted_and_asked)))
    own[0].run(lambda: None)
