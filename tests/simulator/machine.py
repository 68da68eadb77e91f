"""A computer of its own: processes as greenlets, a virtual clock, one choice of who runs next, and sudden death.

A process goes on until it sleeps, waits, or comes to a `point`: the edge of a transaction or of a call. There another
may run first, and there it may die. Inside of a transaction nobody else runs, as the database's lock would see to.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import greenlet
import time_machine

#: The longest that a process runs on without giving another one its turn, ms of the virtual clock.
STEP_MS = 40


class Killed(greenlet.GreenletExit):  # type: ignore[misc]
    """The process is gone: nothing of it may run any more. No `Exception`, as nobody may catch it."""


class Stuck(Exception):  # noqa: N818 - the world is
    """Nobody can ever run again, or there is no end of steps."""


@dataclass(eq=False)
class Process:
    """What dies together: one or several threads."""

    name: str
    is_dead: bool = False


@dataclass(eq=False, slots=True)
class Thread:
    """One line of steps of a process."""

    process: Process
    name: str
    run: greenlet.greenlet
    wakes_ms: int = 0  #: when it can go on; with `waits_for` at the latest then
    waits_for: Callable[[], bool] | None = None


@dataclass
class Death:
    """A process dies: the first whose name begins so, at its nth point from a moment on."""

    at_ms: int
    victim: str
    points: int

    def __str__(self) -> str:
        return f"at {self.at_ms} ms {self.victim} dies at its point {self.points}"


@dataclass
class Machine:
    """Who runs, what time it is, and who dies where. All chance is `chance`'s."""

    chance: random.Random
    start_ms: int  #: unix ms of the beginning
    deaths: list[Death] = field(default_factory=list)
    now_ms: int = 0  #: since the beginning
    skew_ms: int = 0  #: by which the wall clock is wrong
    died: list[tuple[int, str, str]] = field(default_factory=list)  #: (moment, process, point)
    told: list[str] = field(default_factory=list)  #: what happened, a line each
    on_death: Callable[[Process], None] = lambda process: None
    after_step: Callable[[], None] = lambda: None
    on_time: Callable[[], None] = lambda: None
    _threads: list[Thread] = field(default_factory=list)
    _current: Thread | None = None
    _scheduler: Any = None
    steps: int = 0

    # the clock

    def wall_ms(self) -> int:
        """Unix ms, as the machine's clock shows."""
        return self.start_ms + self.now_ms + self.skew_ms

    def monotonic_s(self) -> float:
        return 1000 + self.now_ms / 1000

    def tell(self, what: str) -> None:
        """For the story."""
        self.told.append(f"{self.now_ms / 1000:10.3f} s  {what}")

    # processes

    @property
    def current(self) -> Process:
        """Whose turn it is."""
        return self._here().process

    def spawn(self, process: Process, name: str, work: Callable[[], None], *, delay_ms: int = 0) -> Thread:
        """A thread of the process, which begins as soon as it is chosen."""
        # Its end leads back to the scheduler, not to whoever began it.
        run = greenlet.greenlet(self._guarded(work), parent=self._scheduler or greenlet.getcurrent())
        thread = Thread(process, name, run, wakes_ms=self.now_ms + delay_ms)
        self._threads.append(thread)
        return thread

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except Killed:
                return

        return run

    def point(self, name: str) -> None:
        """The edge of a transaction or a call: others may run first, or the process dies here."""
        self._die_if_due(name)
        self._pause(self.now_ms + self.chance.randrange(STEP_MS))
        self._still_alive()

    def edge(self, name: str) -> None:
        """Inside of a transaction: nobody else may run, but the process may die, and nothing of it is kept."""
        self._die_if_due(name)

    def sleep(self, seconds: float) -> None:
        """As `time.sleep`."""
        self._pause(self.now_ms + max(1, round(seconds * 1000)))
        self._still_alive()

    def wait(self, true: Callable[[], bool], seconds: float) -> bool:
        """Until it is true, for so long at the most. Whether it became true."""
        thread = self._here()
        thread.waits_for = true
        self._pause(self.now_ms + round(seconds * 1000))
        thread.waits_for = None
        self._still_alive()
        return true()

    def _here(self) -> Thread:
        assert self._current is not None, "only a thread of the machine has points"
        return self._current

    def _pause(self, wakes_ms: int) -> None:
        thread = self._here()
        thread.wakes_ms = wakes_ms
        self._scheduler.switch()

    def _still_alive(self) -> None:
        if self._here().process.is_dead:
            raise Killed

    def _die_if_due(self, point: str) -> None:
        thread = self._here()
        if thread.process.is_dead:
            raise Killed
        for death in self.deaths:
            if self.now_ms >= death.at_ms and thread.process.name.startswith(death.victim):
                death.points -= 1
                if death.points <= 0:
                    self.deaths.remove(death)
                    self.kill(thread.process, point)
                    raise Killed
                return

    def kill(self, process: Process, point: str) -> None:
        """All of its threads end where they stand."""
        process.is_dead = True
        self.died.append((self.now_ms, process.name, point))
        self.tell(f"{process.name} dies ({point})")
        for thread in self._threads:
            if thread.process is process:
                thread.wakes_ms, thread.waits_for = self.now_ms, None
        self.on_death(process)

    # the loop

    def run(self, until_ms: int, most_steps: int, is_over: Callable[[], bool]) -> None:
        """Goes on until the moment, or until everybody has ended, or (looked at when all sleep) all is over."""
        self._scheduler = greenlet.getcurrent()
        while self.steps < most_steps:
            if not self._threads:
                return
            now_ms = self.now_ms
            ready = [one for one in self._threads if one.wakes_ms <= now_ms or (one.waits_for and one.waits_for())]
            if not ready:
                # What is waited for is changed by steps, not by time: only sleeps can end now.
                soonest = min([one.wakes_ms for one in self._threads])
                if soonest > now_ms + 1000 and is_over():
                    return
                if soonest > until_ms:
                    self.now_ms = until_ms
                    return
                self.now_ms = max(now_ms, soonest)
                ready = [one for one in self._threads if one.wakes_ms <= self.now_ms]
            self._step(self.chance.choice(ready))
        raise Stuck(f"no end after {most_steps} steps")

    def _step(self, thread: Thread) -> None:
        self.steps += 1
        self.on_time()
        self._current = thread
        thread.run.switch()
        self._current = None
        if thread.run.dead:
            self._threads.remove(thread)
        self.after_step()

    def end(self) -> None:
        """Whoever is left goes."""
        for thread in self._threads:
            thread.process.is_dead = True
            thread.run.parent = greenlet.getcurrent()
            while not thread.run.dead:
                self._current = thread
                thread.run.throw(Killed)
        self._threads, self._current = [], None


@contextmanager
def clocks_of(machine: Machine) -> Iterator[None]:
    """Every clock is the machine's, and so is every sleep of its thread; other threads sleep as ever."""
    own, sleep = threading.get_ident(), time.sleep

    def sleeps(seconds: float) -> None:
        (machine.sleep if threading.get_ident() == own else sleep)(seconds)

    with (
        time_machine.travel(machine.wall_ms() / 1000, tick=False) as traveller,
        mock.patch.multiple(
            time,
            time=lambda: machine.wall_ms() / 1000,
            time_ns=lambda: machine.wall_ms() * 1_000_000,
            monotonic=machine.monotonic_s,
            perf_counter=machine.monotonic_s,
            clock_gettime=lambda _clock: machine.monotonic_s(),
            sleep=sleeps,
        ),
    ):
        shown_ms = machine.wall_ms()

        def move() -> None:
            nonlocal shown_ms
            if (now_ms := machine.wall_ms()) != shown_ms:
                shown_ms = now_ms
                traveller.move_to(now_ms / 1000)

        machine.on_time = move
        yield
