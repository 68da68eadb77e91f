"""Whether a call may start now, from limits and usage.

Pure; the usage is a COUNT over the attempts, inside the claim.

The vendor counts arrivals, we only know start and finish: so a call counts in a window from its start until its finish
(or its deadline, while or if that is unknown) plus the window. Nothing else can be exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from connector.core.phrases import phrase
from connector.core.times import DAY_MS

KEPT_OF_A_DAY: Final = 200  #: bulk leaves the last call of so many: five of a thousand, so that 99 % can be used
KEPT_OF_A_WINDOW: Final = 20  #: the same for windows of minutes, where unused calls are soon available again


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``calls`` in any ``length_ms``."""

    calls: int
    length_ms: int
    why: str  #: the reason, for a person
    #: calls reserved for higher priorities: bulk leaves them to live deliveries, pre-checks leave them to sends
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a vendor sets for an account."""

    in_flight: int
    windows: tuple[Window, ...] = ()
    #: the time that the vendor may count an abandoned call, from its receipt; None: not documented
    holds_ms: int | None = None
    paced: bool = False  #: the first window is a day's budget, spread over the working day: see `pacing`


@dataclass(frozen=True, slots=True)
class Used:
    """The calls that count now, and when the first of them stops counting (unix ms; None if there is none)."""

    calls: int
    next_free_at: int | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A call may start now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may start for ``seconds`` (None: until another call ends), because of ``why``."""

    seconds: float | None
    why: str


def a_day(calls: int) -> Window:
    """A day's budget."""
    return Window(
        calls, DAY_MS, phrase("the day's {calls} calls are used", calls=calls), reserved=calls // KEPT_OF_A_DAY
    )


def a_window(calls: int, seconds: float) -> Window:
    """A window of this many requests in this many seconds."""
    why = phrase("{calls} requests in {seconds:g} s are used", calls=calls, seconds=seconds)
    return Window(calls, int(seconds * 1000), why, calls // KEPT_OF_A_WINDOW)


def lowered(found: Limits, reported: int | None) -> Limits:
    """The limits with the daily quota that the vendor reports (``told``), if that is lower."""
    if reported and found.paced and reported < found.windows[0].calls:
        return replace(found, windows=(a_day(reported), *found.windows[1:]))
    return found


def decide(allowed: Limits, in_flight: Used, windows: Sequence[Used], now: int, *, behind: int = 0) -> Slot | Wait:
    """Decides for a call.

    ``windows`` in the order of ``allowed.windows``; ``behind``: the number of higher priorities.
    """
    if in_flight.calls >= allowed.in_flight:
        return Wait(_until(in_flight.next_free_at, now), phrase("{number} calls are in flight", number=in_flight.calls))
    for window, used in zip(allowed.windows, windows, strict=True):
        if used.calls >= window.calls:
            return Wait(_until(used.next_free_at, now), window.why)
        if used.calls >= window.calls - window.reserved * behind:
            why = phrase(
                "the last {kept} of {calls} calls are kept for {whom}",
                kept=window.reserved * behind,
                calls=window.calls,
                whom=_KEPT_FOR[behind],
            )
            return Wait(_until(used.next_free_at, now), why)
    return Slot()


#: By how many kinds of calls go before.
_KEPT_FOR: Final = {1: phrase("live leads"), 2: phrase("live leads and passed pre-checks")}


def _until(free_at: int | None, now: int) -> float | None:
    return None if free_at is None else max(0.001, (free_at - now) / 1000)
