"""Limits × usage -> may a call start now? Pure; the counting is a COUNT over the attempts, inside the claim.

The vendor counts arrivals, we only know start and finish: so a call counts in a window from its start until its finish
(or its deadline, while or when that is unknown) plus the window. Nothing else can be exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from connector.settings import Account

DAY_MS: Final = 24 * 3600 * 1000
KEPT_OF_A_DAY: Final = 200  #: bulk leaves the last call of so many: five of a thousand, so that 99 % can be used
KEPT_OF_A_WINDOW: Final = 20  #: the same of minutes, where what is left unused is soon there again


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``calls`` in any ``length_ms``."""

    calls: int
    length_ms: int
    why: str  #: what a person reads while waiting for it
    kept: int = 0  #: of these calls bulk leaves so many, for whatever is live; and so do questions, for what is sent


@dataclass(frozen=True, slots=True)
class Limits:
    """What an account's vendor allows."""

    in_flight: int
    windows: tuple[Window, ...] = ()
    paced: bool = False  #: the first window is a day's budget, spread over the working day: see `pacing`


@dataclass(frozen=True, slots=True)
class Used:
    """Calls that count now, and when the first of them stops counting (unix ms; None when there is none)."""

    calls: int
    next_free_at: int | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A call may start now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No call may start for ``seconds`` (None: until something else happens), because of ``why``."""

    seconds: float | None
    why: str


def _wolkvox(account: Account) -> Limits:
    return Limits(in_flight=2, windows=(_day(account.licences * 1000),), paced=True)


def _day(calls: int) -> Window:
    return Window(calls, DAY_MS, f"the day's {calls} calls are used", kept=calls // KEPT_OF_A_DAY)


def _requests_per_window(account: Account) -> Limits:
    length_ms = int(account.window_seconds * 1000)
    why = f"{account.requests_per_window} requests in {account.window_seconds:g} s are used"
    # No limit on simultaneous requests is documented; four keep an account busy enough.
    kept = account.requests_per_window // KEPT_OF_A_WINDOW
    return Limits(in_flight=4, windows=(Window(account.requests_per_window, length_ms, why, kept),))


def _postcenter(_account: Account) -> Limits:
    return Limits(in_flight=2)


LIMITS: Final[dict[str, Callable[[Account], Limits]]] = {
    "wolkvox": _wolkvox,
    "tracksale": _requests_per_window,
    "postcenter": _postcenter,
    "hubspot": _requests_per_window,
    "meta": _requests_per_window,
}


def limits(account: Account, told: int | None = None) -> Limits:
    """The documented limits of the account's vendor, under the account's licences and settings.

    ``told``: a day's calls as the vendor itself says; obeyed where they are fewer.
    """
    found = LIMITS[account.vendor](account)
    if told and found.paced and told < found.windows[0].calls:
        return replace(found, windows=(_day(told), *found.windows[1:]))
    return found


def decide(allowed: Limits, in_flight: Used, windows: Sequence[Used], now: int, *, behind: int = 0) -> Slot | Wait:
    """``windows`` in the order of ``allowed.windows``; ``behind``: how many kinds of calls go before it."""
    if in_flight.calls >= allowed.in_flight:
        return Wait(_until(in_flight.next_free_at, now), f"{in_flight.calls} calls are in flight")
    for window, used in zip(allowed.windows, windows, strict=True):
        if used.calls >= window.calls:
            return Wait(_until(used.next_free_at, now), window.why)
        if used.calls >= window.calls - window.kept * behind:
            why = f"the last {window.kept * behind} of {window.calls} calls are kept for {_KEPT_FOR[behind]}"
            return Wait(_until(used.next_free_at, now), why)
    return Slot()


#: By how many kinds of calls go before.
_KEPT_FOR: Final = {1: "live leads", 2: "live leads and whom the vendor agreed to"}


def _until(free_at: int | None, now: int) -> float | None:
    return None if free_at is None else max(0.001, (free_at - now) / 1000)
