"""When a part is given up, and that logs stay bounded."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.machine.logs import ROTATE_BYTES, open_log, shrink_log, tail
from appliance.machine.watch import GIVE_UP_DEATHS, GIVE_UP_WINDOW, History


@given(st.lists(st.floats(min_value=0, max_value=300), max_size=40))
def test_a_part_is_given_up_exactly_when_it_dies_five_times_within_a_minute(
    pauses: list[float],
) -> None:
    now, times, history = 1000.0, [], History()
    for pause in pauses:
        now += pause
        times.append(now)
        history = history.died(now)
        recent = [t for t in times if now - t < GIVE_UP_WINDOW]
        assert history.hopeless == (len(recent) >= GIVE_UP_DEATHS)
        assert 0 < history.pause <= 5.0


def test_pauses_grow_with_the_deaths_of_the_last_minute() -> None:
    first = History().died(0.0)
    second = first.died(1.0)
    assert second.pause > first.pause
    assert second.died(1000.0).pause == first.pause


def test_a_log_that_has_grown_too_large_is_moved_away_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    for generation in range(4):
        descriptor = open_log(log)
        os.write(descriptor, f"generation {generation}\n".encode())
        os.close(descriptor)
        os.truncate(log, ROTATE_BYTES + 1)
    os.close(open_log(log))
    kept = sorted(each.name for each in tmp_path.iterdir())
    assert kept == ["part.log", "part.log.1", "part.log.2"]
    assert (tmp_path / "part.log.1").read_bytes().startswith(b"generation 3\n")
    assert log.stat().st_size == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_running_part_goes_on_writing_to_a_log_that_was_shrunk(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    descriptor = open_log(log)
    os.write(descriptor, b"x" * (ROTATE_BYTES + 1))
    shrink_log(log)
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "part.log.1").stat().st_size == ROTATE_BYTES + 1


def test_the_tail_shows_the_last_lines_and_says_when_there_are_none(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    assert "nothing" in tail(log)
    log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(100)))
    shown = tail(log, lines=3).splitlines()
    assert [line.split()[:2] for line in shown] == [["line", str(n)] for n in (97, 98, 99)]
