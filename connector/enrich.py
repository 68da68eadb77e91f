"""The step between: fetches what a thin event only points at, then routes it. Reads are safe to repeat.

Every piece is an attempt of its own, claimed like a delivery's; the account's quota, holds and blocks are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

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
from connector.outcomes import Fate, Outcome
from connector.settings import Account, Settings
from connector.settle import account_fault
from connector.vendors.fetching import Fetching
from connector.waiting import Waiting
from mappings.base import FieldError, Ignored, Invalid
from mappings.events import Event, Thin

log = get("enrich")

CREDENTIALS: Final = "check the account's token and what it may read, then resume"
TRIES: Final = (
    20  #: exponential waits: about two hours; then the event is invalid, and `connector replay` may try again
)


class Mapped(Protocol):
    """What receiving knows and fetching needs: how a source's payloads are read, completed and routed."""

    def read(self, source: settings.Source, body: Any) -> Event | Thin:
        """The event, or what is to be fetched. Raises `Invalid` and `Ignored`."""

    def completed(
        self, source: settings.Source, body: Any, fetched: Mapping[str, Any], event_id: str
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
    with source.database.read() as conn:
        event = waiting.get(conn, claim.attempt.about or 0)
    thin = _thin(source, event) if event else None
    if event is None or thin is None:
        patiently(lambda: _close(source, claim))
        return
    piece = source.vendor.next_piece(thin.what, thin.ref, event.fetched)
    body, outcome = _fetch(source.vendor, piece, thin, event.fetched, deadline)
    known = dict(event.fetched) | ({piece: body} if outcome.attempt == "accepted" else {})
    patiently(lambda: _settle(source, claim, event, thin, outcome, known))
    log.info("fetched", account=source.account.name, attempt=claim.attempt.id, outcome=outcome.attempt, piece=piece)


def _thin(source: Source, event: Waiting) -> Thin | None:
    """What is to be fetched; None when the source left the configuration or the mapping changed its mind."""
    configured = source.settings.sources.get(event.source)
    if configured is None:
        return None
    try:
        thin = source.receiver.read(configured, event.payload)
    except (Invalid, Ignored):
        return None
    return thin if isinstance(thin, Thin) else None


def _fetch(
    vendor: Fetching, piece: str, thin: Thin, known: Mapping[str, Any], deadline: Deadline
) -> tuple[Any, Outcome]:
    try:
        answer = vendor.fetch(piece, thin.what, thin.ref, known, deadline=deadline)
    except NotSent as fault:
        return None, not_sent(str(fault))
    except NoAnswer as fault:
        return None, no_answer(str(fault))
    return answer.json(), classify(answer, vendor.fault_of(answer))


def classify(answer: Answer, fault: str = "") -> Outcome:
    """What the answer to a read means; what no table knows fails closed."""
    words = cut(f"{answer.status} {fault}".strip())
    kind = fault or _FAULTS.get(answer.status, "failed" if answer.status >= 500 else "")
    if kind in _MEANINGS:
        return _MEANINGS[kind](answer, words)
    if 200 <= answer.status < 300:
        return delivered(answer) if isinstance(answer.json(), dict | list) else failed(answer, f"unreadable ({words})")
    return unrecognised(answer)


_FAULTS: Final = {401: "credentials", 403: "credentials", 404: "gone", 410: "gone", 429: "slow"}
_MEANINGS: Final[dict[str, Callable[[Answer, str], Outcome]]] = {
    "gone": refused,
    "slow": held,
    "failed": failed,
    "credentials": lambda answer, words: blocked(answer, words, CREDENTIALS),
}


def _close(source: Source, claim: Claim) -> None:
    with source.database.write(serialise=source.account.name) as conn:
        now = now_ms(conn)
        attempts.finish(conn, claim.attempt.id, state="not_sent", now=now, words="nothing to fetch")
        if claim.attempt.about is not None:
            why = FieldError("source", "its source or mapping left the configuration while it waited")
            waiting.end(conn, claim.attempt.about, state="invalid", fetched={}, errors=[asdict(why)])


def _settle(
    source: Source, claim: Claim, event: Waiting, thin: Thin, outcome: Outcome, known: Mapping[str, Any]
) -> None:
    with source.database.write(serialise=source.account.name) as conn:
        now = now_ms(conn)
        words = outcome.words or None
        attempts.finish(conn, claim.attempt.id, state=outcome.attempt, now=now, status=outcome.status, words=words)
        account_fault(conn, source.account.name, outcome, now)
        if outcome.verdict.fate is Fate.REFUSED:
            _end_invalid(conn, event, known, FieldError(thin.what, f"the vendor does not have it ({outcome.words})"))
        elif outcome.attempt != "accepted":
            _later(conn, event, known, outcome, now)
        elif source.vendor.next_piece(thin.what, thin.ref, known):
            waiting.keep(conn, event.id, known, now)
        else:
            _route(conn, source, event, known, now)
        announce(conn)


def _later(conn: Connection, event: Waiting, known: Mapping[str, Any], outcome: Outcome, now: int) -> None:
    if event.tries >= TRIES and not (outcome.block or outcome.attempt == "rejected"):
        _end_invalid(conn, event, known, FieldError("fetch", f"given up after {event.tries} tries: {outcome.words}"))
        return
    waiting.keep(conn, event.id, known, now + int(wait_s(event.tries) * 1000))


def _end_invalid(conn: Connection, event: Waiting, known: Mapping[str, Any], *errors: FieldError) -> None:
    waiting.end(conn, event.id, state="invalid", fetched=known, errors=[asdict(error) for error in errors])


def _route(conn: Connection, source: Source, event: Waiting, known: Mapping[str, Any], now: int) -> None:
    """The event is whole: it is mapped, told apart from what it repeats, and gets its deliveries."""
    configured = source.settings.sources[event.source]
    try:
        arrival, second_key = source.receiver.completed(configured, event.payload, known, event.event_id)
    except Ignored as ignored:
        waiting.end(conn, event.id, state="ignored", fetched=known, notes=(str(ignored),))
        return
    except Invalid as invalid:
        _end_invalid(conn, event, known, *invalid.errors)
        return
    if second_key and (earlier := waiting.same(conn, event.source, second_key)):
        notes = (*arrival.notes, f"the same as event {earlier}, which was fetched before")
        waiting.end(conn, event.id, state="ignored", fetched=known, notes=notes)
        return
    ended = waiting.end(conn, event.id, state=arrival.state, fetched=known, second_key=second_key, notes=arrival.notes)
    if ended:
        outbox.add(conn, [(event.id, arrival.deliveries)], now)
