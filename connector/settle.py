"""Settling: what a call brought, written down at once for attempt, deliveries, destination and account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from connector import attempts, followers, lots, outbox, standing
from connector.attempts import Attempt
from connector.client import wait_s
from connector.db import announce, now_ms
from connector.outcomes import Fate, Outcome, Verdict

ENOUGH: Final = 10  #: lone records refused, in whatever words, before it is believed all the same
SAMPLES: Final = 3  #: lone records tried before a destination that never accepted anything is believed to be wrong
SAMPLE_WAIT_MS: Final = 60_000  #: how long the rest of a refused batch waits for what becomes of its samples
LANDED_BEFORE: Final = "an attempt before had landed"
LAPSED: Final = "no answer was recorded before the deadline: the worker died or was frozen"


class Settleable(Protocol):
    """What settling has to know of a destination."""

    @property
    def name(self) -> str: ...

    @property
    def resend(self) -> bool:
        """Whether an unknown outcome is simply sent again."""

    @property
    def can_ask(self) -> bool:
        """Whether the vendor can be asked what became of an unknown attempt."""

    @property
    def followers(self) -> frozenset[str]:
        """Routes that come after one of its own: what waits there is told what became of these."""


def lapse(conn: Connection, attempt: Attempt, place: Settleable | None, now: int) -> None:
    """A started attempt whose deadline has passed is unknown."""
    attempts.finish(conn, attempt.id, state="unknown", now=now, words=LAPSED)
    if attempt.kind == "send":
        _unknown(conn, attempt, place, LAPSED, ask=True, now=now)
    elif attempt.kind == "check":  # it only asked
        outbox.settle(conn, attempt.id, state="pending", now=now, reason=LAPSED, due_at=now)


def settle(conn: Connection, attempt: Attempt, place: Settleable, outcome: Outcome, ids: list[int]) -> None:
    """Settles a ``send``. ``ids``: the members in the order in which the outcome's positions count them."""
    now = now_ms(conn)
    words = outcome.words or None
    if not attempts.finish(conn, attempt.id, state=outcome.attempt, now=now, status=outcome.status, words=words):
        return  # somebody settled it before: it stands
    account_fault(conn, attempt.account, outcome, now)
    if outcome.attempt == "unknown":
        _unknown(conn, attempt, place, outcome.words, ask=outcome.ask, now=now)
    elif outcome.each:
        _settle_each(conn, attempt, outcome, ids, now)
    else:
        _settle_all(conn, attempt, outcome.verdict, ids, now)
    if outcome.draft is not None:
        there = [number for at, number in enumerate(ids) if outcome.of(at).fate is Fate.DELIVERED]
        lots.put(conn, attempt.account, outcome.draft, there, since=attempt.started_at, now=now)
    followers.keep(conn, _results(outcome, ids))
    followers.wake(conn, ids, place.followers, now)
    announce(conn)


def _results(outcome: Outcome, ids: list[int]) -> dict[int, Mapping[str, Any]]:
    """What of the answer is to be kept for each delivery."""
    if not outcome.verdict.result and not any(verdict.result for verdict in outcome.each.values()):
        return {}
    return {one: outcome.of(at).result for at, one in enumerate(ids) if outcome.of(at).fate is Fate.DELIVERED}


def settle_check(
    conn: Connection, attempt: Attempt, place: Settleable, outcome: Outcome, ids: list[int], agreed: bool | None
) -> None:
    """Settles a ``check``: whether the vendor ``agreed`` to the member's being contacted; None: it did not say."""
    now = now_ms(conn)
    words = outcome.words or None
    if not attempts.finish(conn, attempt.id, state=outcome.attempt, now=now, status=outcome.status, words=words):
        return
    account_fault(conn, attempt.account, outcome, now)
    if agreed:
        outbox.settle(conn, attempt.id, state="pending", now=now, due_at=now, lanes=outbox.CHECKED)
    elif agreed is not None:
        outbox.settle(conn, attempt.id, state="suppressed", now=now, reason=TOO_SOON)
        followers.wake(conn, ids, place.followers, now)
    elif outcome.verdict.fate is Fate.REFUSED:
        _refused(conn, attempt, outcome.words, ids, now)
    else:
        outbox.settle(conn, attempt.id, state="pending", now=now, reason=f"asked in vain: {outcome.words}", due_at=now)
    announce(conn)


TOO_SOON: Final = "ninety_day_rule: Tracksale says that this customer was asked too recently"


def account_fault(conn: Connection, account: str, outcome: Outcome, now: int) -> None:
    """Blocks, holds or clears the account, as the outcome says."""
    if outcome.block:
        standing.block(conn, account, outcome.block, now)
    elif outcome.hold:
        if outcome.over_budget:  # asking now would be one call more beyond the limit: when the hold is over
            standing.ask_budget(conn, account, now)
        faults = standing.account(conn, account).faults
        seconds = outcome.hold_s if outcome.hold_s is not None else wait_s(faults + 1)
        standing.hold(conn, account, outcome.hold, now + int(seconds * 1000))
    elif outcome.attempt in ("accepted", "rejected"):
        standing.well(conn, account, now)


def _unknown(conn: Connection, attempt: Attempt, place: Settleable | None, why: str, *, ask: bool, now: int) -> None:
    if place is not None and place.resend:
        reason = f"{why}; sent again, as its route says"
        outbox.settle(conn, attempt.id, state="pending", now=now, reason=reason, due_at=now + _jittered_ms())
        return
    askable = ask and place is not None and place.can_ask
    reason = f"{why}; the vendor is asked" if askable else f"{why}; the vendor cannot be asked: `connector resolve`"
    outbox.settle(conn, attempt.id, state="uncertain", now=now, reason=reason)
    if askable:
        attempts.ask_later(conn, attempt.id, now)


def _jittered_ms() -> int:
    return int(wait_s(1) * 1000)


# --- one fate for all -----------------------------------------------------------------------------------------------


def _settle_all(conn: Connection, attempt: Attempt, verdict: Verdict, ids: list[int], now: int) -> None:
    if verdict.fate is Fate.REFUSED:
        _refused(conn, attempt, verdict.reason, ids, now)
        return
    if verdict.fate in (Fate.DELIVERED, Fate.DUPLICATE):
        _accepted(conn, attempt.destination, now)
    if verdict.fate is Fate.DUPLICATE:
        _settle_each(conn, attempt, Outcome(attempt="accepted", verdict=verdict), ids, now)
        return
    due_at = now if verdict.fate is Fate.AGAIN else None
    outbox.settle(conn, attempt.id, state=_STATE[verdict.fate], now=now, reason=verdict.reason or None, due_at=due_at)


_STATE: Final = {
    Fate.DELIVERED: "delivered",
    Fate.AGAIN: "pending",
    Fate.ALONE: "pending",
    Fate.DOUBTFUL: "uncertain",
}


def _accepted(conn: Connection, destination: str, now: int) -> None:
    stand = standing.destination(conn, destination)
    standing.accepted(conn, destination, now)
    if standing.refusals(stand) or not standing.works(stand, now):
        outbox.release_splits(conn, destination, now)


def _refused(conn: Connection, attempt: Attempt, words: str, ids: list[int], now: int) -> None:
    """A refused batch is halved until the bad record stands alone; alone, it is judged."""
    stand = standing.destination(conn, attempt.destination)
    if len(ids) == 1:
        _judge(conn, attempt, {ids[0]: words}, now)
    elif standing.works(stand, now):
        middle = ids[len(ids) // 2]
        reason = f"its batch of {len(ids)} was refused ({words}); halved to find the bad record"
        _regroup(conn, attempt, 1, reason, now, last=middle - 1)
        _regroup(conn, attempt, 2, reason, now, first=middle)
    else:
        _sample(conn, attempt, words, ids, now)


def _regroup(
    conn: Connection,
    attempt: Attempt,
    group: int,
    reason: str,
    due_at: int,
    *,
    first: int | None = None,
    last: int | None = None,
) -> None:
    number = attempt.id * (SAMPLES + 1) + group  # unique: an attempt is split once
    outbox.settle(
        conn,
        attempt.id,
        state="pending",
        now=due_at,
        reason=reason,
        due_at=due_at,
        first=first,
        last=last,
        split=number,
    )


def _sample(conn: Connection, attempt: Attempt, words: str, ids: list[int], now: int) -> None:
    """The destination never accepted anything: a few lone records first, the rest waits for what becomes of them."""
    chosen = sorted({ids[0], ids[len(ids) // 2], ids[-1]})
    reason = f"its batch of {len(ids)} was refused ({words}); tried alone, as nothing was accepted here yet"
    for group, one in enumerate(chosen, start=1):
        _regroup(conn, attempt, group, reason, now, first=one, last=one)
    _regroup(conn, attempt, 0, reason, now + SAMPLE_WAIT_MS)


def _judge(conn: Connection, attempt: Attempt, refused: dict[int, str], now: int) -> None:
    """Lone records were refused: they die if the destination is known to work; else it stops when all say the same."""
    stand = standing.destination(conn, attempt.destination)
    if standing.works(stand, now):
        outbox.settle_each(conn, attempt.id, [(i, "dead", words) for i, words in refused.items()], now, now)
        outbox.revive_copies(conn, list(refused), now)
        return
    said = [*standing.refusals(stand), *refused.values()][-50:]
    standing.refuse(conn, attempt.destination, said)
    waiting = "refused ({}); kept until this destination has accepted something or a person acts"
    due = now + SAMPLE_WAIT_MS
    outbox.settle_each(conn, attempt.id, [(i, "pending", waiting.format(w)) for i, w in refused.items()], now, due)
    if len(said) >= ENOUGH or (len(said) >= SAMPLES and len(set(said)) == 1):
        reason = (
            f"{attempt.destination} accepted nothing yet and refused {len(said)} lone records ({said[-1]}): "
            f"check the route's options, then `connector resume {attempt.account}`"
        )
        standing.stop(conn, attempt.destination, reason, now)


# --- each its own ---------------------------------------------------------------------------------------------------


def _settle_each(conn: Connection, attempt: Attempt, outcome: Outcome, ids: list[int], now: int) -> None:
    verdicts = {one: outcome.of(position) for position, one in enumerate(ids)}
    if any(v.fate in (Fate.DELIVERED, Fate.DUPLICATE) for v in verdicts.values()):
        _accepted(conn, attempt.destination, now)
    asked_before = outbox.tried_before(conn, attempt.id)
    rows: list[tuple[int, str, str | None]]
    rows = [(i, *_duplicate(i in asked_before, v)) for i, v in verdicts.items() if v.fate is Fate.DUPLICATE]
    rows += [(i, _STATE[v.fate], v.reason or None) for i, v in verdicts.items() if v.fate in _STATE]
    outbox.settle_each(conn, attempt.id, rows, now, now)
    outbox.set_apart(conn, [i for i, v in verdicts.items() if v.fate is Fate.ALONE])
    refused = {i: v.reason for i, v in verdicts.items() if v.fate is Fate.REFUSED}
    if refused:
        _judge(conn, attempt, refused, now)
    if any(v.fate is Fate.DOUBTFUL for v in verdicts.values()) and outcome.ask:
        attempts.ask_later(conn, attempt.id, now)


def _duplicate(sent_before: bool, verdict: Verdict) -> tuple[str, str]:
    if sent_before:
        return "delivered", f"{verdict.reason}: {LANDED_BEFORE}"
    return "suppressed", verdict.reason
