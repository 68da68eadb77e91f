"""The step between: fetches what a thin event only points at, then routes it. Reads are safe to repeat.

Every piece is an attempt of its own, claimed like a delivery's; the account's quota, holds and blocks are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import orjson
from sqlalchemy import Connection

from connector import attempts, outbox, settings, waiting
from connector.claims import Claim
from connector.client import Answer, Deadline, NoAnswer, NotSent, patiently, wait_s
from connector.db import Database, announce, now_ms
from connector.destinations.base import (
    blocked,
    cut,
    delivered,
    failed,
    held,
    no_answer,
    not_sent,
    refused,
    unrecognised,
)
from connector.inbox import Arrival
from connector.log import get
from connector.metrics import ANSWERS, CALL_SECONDS
from connector.outbox import BULK, LIVE, NewDelivery
from connector.outcomes import Fate, Outcome
from connector.settings import Account, Settings
from connector.settle import account_fault
from connector.vendors.fetching import Fetching
from connector.waiting import Waiting
from mappings import EVENT_TYPES
from mappings.base import FieldError, Ignored, Invalid
from mappings.events import Event, Thin

log = get("enrich")

CREDENTIALS: Final = "check the account's token and what it may read, then resume"
#: A vendor may be away for days, and no event pays for that. One that only ever brings faults ends as invalid, when it
#: has been tried so often and is so old; `connector replay` may try again.
TRIES: Final = 20
PATIENCE_MS: Final = 7 * 24 * 3600 * 1000
LOOK_AGAIN_MS: Final = 600_000  #: for a source that left the configuration
PIECE_BYTES: Final = 10_000_000


class Mapped(Protocol):
    """What receiving knows and fetching needs: how a source's payloads are read, completed and routed."""

    def read(self, source: settings.Source, body: Any) -> Event | Thin:
        """The event, or what is to be fetched. Raises `Invalid` and `Ignored`."""

    def completed(
        self,
        source: settings.Source,
        body: Any,
        fetched: Mapping[str, Any],
        *,
        event_id: str,
        received_at: int,
        lane: int,
    ) -> tuple[Arrival, str]:
        """A thin event's arrival once the rest is there, and its second key. Raises `Invalid` and `Ignored`."""


@dataclass(frozen=True, slots=True)
class Source:
    """What enriching needs of this process."""

    database: Database
    settings: Settings
    account: Account
    receiver: Mapped
    vendor: Fetching


def enrich(source: Source, claim: Claim, deadline: Deadline) -> None:
    """Makes the claimed call for the event that ``claim.attempt.about`` names, and settles what it brings."""
    event = _event(source, claim)
    thin = _thin(source, event) if event else None
    piece = source.vendor.next_piece(thin.what, thin.ref, event.fetched) if event and isinstance(thin, Thin) else ""
    if event is None or not isinstance(thin, Thin) or not piece:
        patiently(lambda: _without_a_call(source, claim, event, thin))
        return
    started_s = time.monotonic()
    body, outcome = _fetch(source.vendor, piece, thin, event.fetched, deadline)
    patiently(lambda: _settle(source, claim, thin, outcome, {piece: body}))
    CALL_SECONDS.labels(source.account.name, "fetch").observe(time.monotonic() - started_s)
    ANSWERS.labels(source.account.name, "fetch", outcome.attempt).inc()
    say = log.info if outcome.attempt == "accepted" else log.error if outcome.block else log.warning
    attempt = claim.attempt.id
    say("fetched", account=source.account.name, attempt=attempt, outcome=outcome.attempt, piece=piece)


def _event(source: Source, claim: Claim) -> Waiting | None:
    """Read with patience: a call that was never made must not become unknown because the database is away."""
    found: list[Waiting | None] = []

    def read() -> None:
        with source.database.read() as conn:
            found.append(waiting.get(conn, claim.attempt.about or 0))

    patiently(read)
    return found[-1]


def _thin(source: Source, event: Waiting) -> Event | Thin | Invalid | Ignored | None:
    """What is to be fetched, or what the mapping reads by now instead; None when the source left the configuration."""
    configured = source.settings.sources.get(event.source)
    if configured is None:
        return None
    try:
        return source.receiver.read(configured, event.payload)
    except (Invalid, Ignored) as verdict:
        return verdict


# --- the call -------------------------------------------------------------------------------------------------------


def _fetch(
    vendor: Fetching, piece: str, thin: Thin, known: Mapping[str, Any], deadline: Deadline
) -> tuple[Any, Outcome]:
    try:
        answer = vendor.fetch(piece, thin.what, thin.ref, known, deadline=deadline)
    except NotSent as fault:
        return None, not_sent(str(fault))
    except NoAnswer as fault:
        return None, no_answer(str(fault))
    return answer.json(), classify(answer, vendor.fault_of(answer), vendor.words_of(answer))


def classify(answer: Answer, fault: str = "", words: str = "") -> Outcome:
    """What the answer to a read means; what no table knows fails closed. ``fault``: see `Fetching.fault_of`."""
    said = cut(f"{answer.status} {words}".strip())
    kind = fault or _FAULTS.get(answer.status, "failed" if answer.status >= 500 else "")
    if kind in _MEANINGS:
        return _MEANINGS[kind](answer, said)
    if kind or not 200 <= answer.status < 300:
        return unrecognised(answer, cut(words))
    if len(answer.body) > PIECE_BYTES:
        return refused(answer, f"an answer of {len(answer.body)} bytes is too large")
    return delivered(answer) if _can_be_kept(answer.json()) else failed(answer, f"{answer.status}, but unreadable")


def _can_be_kept(body: Any) -> bool:
    if not isinstance(body, dict | list):
        return False
    try:
        orjson.dumps([[body]])
    except orjson.JSONEncodeError:  # deeper than can be written again
        return False
    return True


_FAULTS: Final = {401: "credentials", 403: "credentials", 404: "gone", 410: "gone", 429: "slow"}
_MEANINGS: Final[dict[str, Callable[[Answer, str], Outcome]]] = {
    "gone": refused,
    "slow": held,
    "failed": failed,
    "credentials": lambda answer, words: blocked(answer, words, CREDENTIALS),
}


# --- what it brought ------------------------------------------------------------------------------------------------


def _settle(source: Source, claim: Claim, thin: Thin, outcome: Outcome, brought: Mapping[str, Any]) -> None:
    with source.database.write(serialise=source.account.name) as conn:
        now = now_ms(conn)
        attempt, words = claim.attempt.id, outcome.words or None
        if not attempts.finish(conn, attempt, state=outcome.attempt, now=now, status=outcome.status, words=words):
            return  # written down before, by a transaction whose commit was not heard of
        account_fault(conn, source.account.name, outcome, now)
        event = _in_hand(conn, claim)
        if event is None:
            return  # too late: the event is in other hands, or ended
        if outcome.verdict.fate is Fate.REFUSED:
            _end_invalid(conn, event, FieldError(thin.what, f"cannot be had from the vendor ({outcome.words})"))
        elif outcome.attempt != "accepted":
            _later(conn, event, outcome, now)
        else:
            _go_on(conn, source, event, thin, {**event.fetched, **brought}, now)
        announce(conn)


def _in_hand(conn: Connection, claim: Claim) -> Waiting | None:
    """The event, unless its deadline passed and another worker has taken it since."""
    event = waiting.get(conn, claim.attempt.about or 0)
    return event if event and event.attempts[-1:] == (claim.attempt.id,) else None


def _later(conn: Connection, event: Waiting, outcome: Outcome, now: int) -> None:
    """Behind all others. One whose calls bring faults waits longer each time: it must not hold up the account."""
    its_own = outcome.attempt == "unknown" and not outcome.block
    if its_own and event.tries >= TRIES and now - event.received_at > PATIENCE_MS:
        _end_invalid(conn, event, FieldError("fetch", f"given up after {event.tries} tries: {outcome.words}"))
        return
    waiting.keep(conn, event.id, event.fetched, now + (int(wait_s(event.tries) * 1000) if its_own else 0))


def _end_invalid(conn: Connection, event: Waiting, *errors: FieldError) -> None:
    waiting.end(conn, event.id, state="invalid", fetched=event.fetched, errors=[asdict(error) for error in errors])


def _go_on(conn: Connection, source: Source, event: Waiting, thin: Thin, fetched: Mapping[str, Any], now: int) -> None:
    if source.vendor.next_piece(thin.what, thin.ref, fetched):
        waiting.keep(conn, event.id, fetched, now)
    else:
        _route(conn, source, event, fetched, now)


def _without_a_call(
    source: Source, claim: Claim, event: Waiting | None, thin: Event | Thin | Invalid | Ignored | None
) -> None:
    """There is nothing to ask: by the configuration of now, or because all is there already."""
    with source.database.write(serialise=source.account.name) as conn:
        now = now_ms(conn)
        mine = _in_hand(conn, claim) if event else None
        if mine is None or thin is not None:
            attempts.finish(conn, claim.attempt.id, state="not_sent", now=now, words="nothing to fetch")
        if mine is None:
            return
        if thin is None:
            attempts.forget(conn, claim.attempt.id)
            waiting.put_back(conn, mine, now + LOOK_AGAIN_MS)
        elif isinstance(thin, Ignored):
            waiting.end(conn, mine.id, state="ignored", fetched=mine.fetched, notes=(str(thin),))
        elif isinstance(thin, Invalid):
            _end_invalid(conn, mine, *thin.errors)
        elif isinstance(thin, Thin):
            _route(conn, source, mine, mine.fetched, now)
        else:
            _end_invalid(conn, mine, FieldError("mapping", "its source's mapping reads it whole by now: replay it"))
        announce(conn)


# --- routing --------------------------------------------------------------------------------------------------------


def _route(conn: Connection, source: Source, event: Waiting, fetched: Mapping[str, Any], now: int) -> None:
    """The event is whole: it is mapped, told apart from what it repeats, and gets its deliveries."""
    configured = source.settings.sources[event.source]
    try:
        arrival, second_key = source.receiver.completed(
            configured,
            event.payload,
            fetched,
            event_id=event.event_id,
            received_at=event.received_at,
            lane=BULK if event.behind else LIVE,
        )
    except Ignored as ignored:
        waiting.end(conn, event.id, state="ignored", fetched=fetched, notes=(str(ignored),))
        return
    except Invalid as invalid:
        errors = [asdict(error) for error in invalid.errors]
        waiting.end(conn, event.id, state="invalid", fetched=fetched, errors=errors)
        return
    key = f"{second_key} {arrival.type}" if second_key else ""
    hash_key = source.settings.hash_key
    fresh, notes = unrepeated(conn, configured, event.id, arrival, second_key, hash_key=hash_key)
    waiting.end(
        conn,
        event.id,
        state="accepted" if fresh else "ignored",
        fetched=fetched,
        type=arrival.type,
        second_key=key if fresh else "",  # what went nowhere stands in nobody's way
        notes=(*arrival.notes, *notes),
    )
    outbox.add(conn, [(event.id, fresh)], now)


def unrepeated(
    conn: Connection, source: settings.Source, event: int, arrival: Arrival, second_key: str, *, hash_key: bytes
) -> tuple[list[NewDelivery], tuple[str, ...]]:
    """The deliveries of routes that have none of the same lead, or the same state of a ticket; and what was left out.

    A contact's creation and its changes come in any order: each route gets the lead once, whichever it asks for.
    """
    keys = [f"{second_key} {kind}" for kind in EVENT_TYPES[source.mapping]] if second_key else []
    known = waiting.known(conn, source.name, keys, hash_key=hash_key)
    earlier = {key: who for key, who in known.items() if who[0] != event}
    if not earlier:
        return list(arrival.deliveries), ()
    repeats = f"{second_key} {arrival.type}" in earlier
    taken = waiting.routes_of(conn, [row for row, _ in earlier.values()])
    fresh = [] if repeats else [new for new in arrival.deliveries if new.route not in taken]
    if len(fresh) == len(arrival.deliveries):
        return fresh, ()
    first = ", ".join(name for _, name in earlier.values())
    return fresh, (f"the same as event {first}, which was fetched before",)
