"""A command in several processes: whoever is killed, the others go on or end with it; nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connector.cli.supervisor import number
from connector.core.errors import ConfigError

ROOT = Path(__file__).parent.parent
#: Each process notes itself in a file of its own; `how` says what becomes of it then.
SCRIPT = """
import os, sys, time
from pathlib import Path
from connector.cli import shutdown, supervisor
from connector.cli.group import fail
from connector.core.errors import ConnectorError

at, how = Path(sys.argv[1]), sys.argv[2]
shutdown.STOP_S = supervisor.STOP_S = 2.0 if how == "hangs" else 60.0

def work(asked):
    began = at / str(os.getpid())
    began.touch()
    if how == "refused":
        raise ConnectorError("the broker refuses us")
    if how == "breaks":
        raise ZeroDivisionError
    asked.wait()
    began.with_suffix(".asked").touch()
    while how == "hangs":
        time.sleep(1)
    time.sleep(0.5)
    began.rename(began.with_suffix(".ended"))

try:
    supervisor.serve(work, 2, name="one")
except ConnectorError as fault:
    fail(str(fault))
"""


def wait_until(true: Callable[[], object], timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Family:
    """The parent, in a process group of its own, and what its processes have noted."""

    def __init__(self, at: Path, how: str) -> None:
        self.at = at
        self.parent = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(at), how],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def said(self) -> str:
        """On stderr, once it has ended."""
        assert self.parent.stderr is not None
        return self.parent.stderr.read()

    def begun(self) -> set[int]:
        return {int(path.stem) for path in self.at.iterdir()}

    def asked(self) -> set[int]:
        """Those that know that they are to end."""
        return {int(path.stem) for path in self.at.glob("*.asked")}

    def ended(self) -> set[int]:
        """Those that ended in order."""
        return {int(path.stem) for path in self.at.glob("*.ended")}

    def alive(self) -> set[int]:
        return {pid for pid in self.begun() if _is_alive(pid)}

    def both(self) -> set[int]:
        wait_until(lambda: len(self.alive()) == 2)
        return self.alive()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or while it was read
        return False


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Callable[[str], Family]]:
    """Started as told; whoever is left of it in the end is killed."""
    started: list[Family] = []

    def start(how: str = "well") -> Family:
        started.append(Family(tmp_path, how))
        return started[-1]

    yield start
    for each in started:
        with each.parent:
            for pid in (each.parent.pid, *each.alive()):
                if _is_alive(pid):
                    os.kill(pid, signal.SIGKILL)


Start = Callable[..., Family]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whom", [os.kill, os.killpg])
def test_a_signal_to_the_parent_or_to_all_ends_each_in_order(
    family: Start, how: signal.Signals, whom: Callable[[int, int], None]
) -> None:
    running = family()
    both = running.both()
    whom(running.parent.pid, how)
    assert running.parent.wait(90) == 0
    assert (running.ended(), running.alive()) == (both, set())


def test_in_the_place_of_one_that_is_killed_another_is_started(family: Start) -> None:
    running = family()
    killed, stays = running.both()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(running.alive() - {killed}) == 2)
    assert stays in running.alive()
    running.parent.terminate()
    assert running.parent.wait(90) == 0
    assert "another is started" in running.said()
    assert len(running.ended()) == 2


def test_those_whose_parent_is_killed_end_in_order(family: Start) -> None:
    running = family()
    both = running.both()
    running.parent.kill()
    wait_until(lambda: not running.alive())
    assert running.ended() == both


def test_a_second_signal_ends_all_at_once(family: Start) -> None:
    running = family("hangs")
    both = running.both()
    running.parent.terminate()
    wait_until(lambda: running.asked() == both)
    running.parent.terminate()
    assert running.parent.wait(90) == -signal.SIGTERM
    wait_until(lambda: not running.alive())


def test_one_that_does_not_end_in_time_is_killed(family: Start) -> None:
    running = family("hangs")
    running.both()
    running.parent.terminate()
    assert running.parent.wait(90) == 0
    assert not running.alive()


def test_what_one_cannot_go_on_with_is_told_once_and_ends_all(family: Start) -> None:
    running = family("refused")
    assert running.parent.wait(90) == 1
    assert running.said() == "connector: the broker refuses us\n"
    assert not running.alive()


def test_one_that_breaks_is_started_again_ever_later(family: Start) -> None:
    running = family("breaks")
    wait_until(lambda: len(running.begun()) >= 4)
    assert running.parent.poll() is None
    running.parent.terminate()
    assert running.parent.wait(90) == 0
    said = running.said()
    assert said.count("another is started") >= 2
    assert "ZeroDivisionError" in said


def test_the_number_of_processes_is_checked() -> None:
    assert (number({}, "N"), number({"N": "3"}, "N")) == (2, 3)
    for wrong in ("0", "-1", "many", "1000", "\u0664"):
        with pytest.raises(ConfigError, match="N: is no number of processes"):
            number({"N": wrong}, "N")
