"""Fetches the rest of a thin event, then routes it. Reads are safe to repeat.

Every part is an attempt of its own, claimed like a delivery's; quota, holds and blocks of the account are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from connector.core import settings
from connector.core.http import Deadline, NoAnswer, NotSent
from connector.core.log import get
from connector.core.outcomes import Fate, Outcome
from connector.core.reasons import Code, Reason, answer_facts
from connector.core.retry import FETCH_PATIENCE_MS, FETCH_TRIES, LOOK_AGAIN_MS, patiently, wait_s
from connector.core.settings import Account, Settings
from connector.core.states import AttemptState, DeliveryState, EventState
from connector.outbound.claims import Claim
from connector.outbound.settle import account_fault, of_question
from connector.store import accounts, attempts, outbox, refusals, thin_events
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database, announce, now_ms
from connector.store.lanes import BULK, LIVE
from connector.store.thin_events import Waiting
from connector.vendors.answers import classify, delivered, no_answer, not_sent, unrecognised
from connector.vendors.fetching import Fetching
from mappings import EVENT_TYPES
from mappings.base import FieldError, Ignored, Invalid
from mappings.events import Event, Thin

log = get("enrich")

#: Parts that are not found may appear later: searched for this long after the event came, and at least this often.
APPEARS_MS: Final = 6 * 3600 * 1000
APPEARS_TRIES: Final = 12
#: So many reads in a row, of so many objects, that found nothing: the account may see nothing.
UNSEEN: Final = 5
UNSEEN_OBJECTS: Final = 3


class Mapped(Protocol):
    """The part of receiving that fetching needs: how a source's payloads are read, completed and routed."""

    def read(self, source: settings.Source, body: Any) -> Event | Thin:
        """The event, or the parts to fetch. Raises `Invalid` and `Ignored`."""

    def chooses(self, route: str) -> bool:
        """Whether a route has conditions on the content of events."""

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
    """The tools of this process that fetching needs."""

    database: Database
    settings: Settings
    account: Account
    receiver: Mapped
    vendor: Fetching


def enrich(source: Source, claim: Claim, deadline: Deadline) -> Outcome | None:
    """Makes the claimed call for the event ``claim.attempt.about``, and settles its result. None: no call was made."""
    event = _event(source, claim)
    thin = _thin(source, event) if event else None
    piece = source.vendor.next_piece(thin.what, thin.ref, event.fetched) if event and isinstance(thin, Thin) else ""
    if event is None or not isinstance(thin, Thin) or not piece:
        patiently(lambda: _without_a_call(source, claim, event, thin))
        return None
    body, outcome = _fetch(source.vendor, piece, thin, event.fetched, deadline)
    patiently(lambda: _settle(source, claim, thin, outcome, {piece: body}))
    say = log.info if outcome.attempt == AttemptState.ACCEPTED else log.error if outcome.block else log.warning
    attempt = claim.attempt.id
    say("fetched", account=source.account.name, attempt=attempt, outcome=outcome.attempt, piece=piece)
    return outcome


def _event(source: Source, claim: Claim) -> Waiting | None:
    """Read with patience: a call that was never made must not become unknown because the database is away."""
    found: list[Waiting | None] = []

    def read() -> None:
        with source.database.read() as conn:
            found.append(thin_events.get(conn, claim.attempt.about or 0))

    patiently(read)
    return found[-1]


def _thin(source: Source, event: Waiting) -> Event | Thin | Invalid | Ignored | None:
    """The parts to fetch, or the event that the mapping reads by now; None if the source left the configuration."""
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
    if piece in vendor.optional and answer.status in _NOT_SHOWN:
        return {}, delivered(answer, "is not shown, and can be done without")
    body = answer.json()
    outcome = classify(answer, vendor.fault_of(answer), vendor.words_of(answer))
    if outcome.attempt == AttemptState.ACCEPTED and not vendor.is_piece(piece, body):
        outcome = unrecognised(answer, f"with something else than the {piece}")
    return body, outcome


_NOT_SHOWN: Final = (403, 404, 410)


# --- the result -----------------------------------------------------------------------------------------------------


def _settle(source: Source, claim: Claim, thin: Thin, outcome: Outcome, brought: Mapping[str, Any]) -> None:
    with source.database.write(serialise=source.account.name) as conn:
        now = now_ms(conn)
        attempt, words = claim.attempt.id, outcome.words or None
        if not attempts.finish(conn, attempt, state=outcome.attempt, now=now, status=outcome.status, words=words):
            return  # stored already, by a transaction without an acknowledged commit
        outcome = _weighed(conn, source.account.name, outcome)
        sends = any(route.account == source.account.name for route in source.settings.routes)
        account_fault(conn, source.account.name, of_question(outcome) if sends else outcome, now)
        event = _in_hand(conn, claim)
        if event is None:
            return  # too late: the event is in other hands, or ended
        if outcome.absent and _may_appear(event, now):
            _not_yet(conn, source, event, outcome, now)
        elif outcome.verdict.fate is Fate.REFUSED:
            _end_invalid(conn, event, FieldError(thin.what, f"cannot be had from the vendor ({outcome.words})"))
        elif outcome.attempt != AttemptState.ACCEPTED:
            _later(conn, event, outcome, now)
        else:
            _go_on(conn, source, event, thin, {**event.fetched, **brought}, now)
        announce(conn)


def _in_hand(conn: Connection, claim: Claim) -> Waiting | None:
    """The event, unless its deadline passed and another worker has taken it since."""
    event = thin_events.get(conn, claim.attempt.about or 0)
    return event if event and event.attempts[-1:] == (claim.attempt.id,) else None


def _later(conn: Connection, event: Waiting, outcome: Outcome, now: int) -> None:
    """Schedules it behind all others. Each fault lengthens the wait: it must not hold up the account."""
    its_own = outcome.attempt == AttemptState.UNKNOWN and not outcome.block
    if its_own and event.tries >= FETCH_TRIES and now - event.received_at > FETCH_PATIENCE_MS:
        _end_invalid(conn, event, FieldError("fetch", f"given up after {event.tries} tries: {outcome.words}"))
        return
    thin_events.keep(conn, event.id, event.fetched, now + (int(wait_s(event.tries) * 1000) if its_own else 0))


def _weighed(conn: Connection, account: str, outcome: Outcome) -> Outcome:
    """An unknown answer stops the account only if it comes for several objects, and only for them."""
    if not outcome.suspect:
        return outcome
    last = attempts.latest_fetches(conn, account, accounts.account(conn, account).since, UNSEEN_OBJECTS)
    objects = {one.about for one in last if one.about is not None}
    alike = {(one.state, *one.words.split()[:2]) for one in last}
    if len(objects) < UNSEEN_OBJECTS or len(alike) > 1:
        return replace(outcome, block=None)  # its own wait grows each time
    for about in objects:  # none of them is fetched again automatically
        if (event := thin_events.get(conn, about)) is not None:
            _end_invalid(conn, event, FieldError("fetch", f"among those that blocked {account}: {outcome.words}"))
    return outcome


def _may_appear(event: Waiting, now: int) -> bool:
    """Whether it may appear: vendors announce new objects before everybody can read them, but not old ones."""
    return not event.behind and (now - event.received_at < APPEARS_MS or event.tries < APPEARS_TRIES)


def _not_yet(conn: Connection, source: Source, event: Waiting, outcome: Outcome, now: int) -> None:
    """Schedules another search, later each time.

    If nothing at all is found, the account may lack the right to see it.
    """
    thin_events.keep(conn, event.id, event.fetched, now + int(wait_s(event.tries) * 1000))
    account = source.account.name
    if source.vendor.unseen and _sees_nothing(conn, account):
        facts = {"count": UNSEEN, "remedy": source.vendor.unseen, **answer_facts(outcome.words, outcome.status)}
        reason = Reason(Code.BLOCKED_UNSEEN, facts)
        accounts.block(conn, account, reason, now)


def _sees_nothing(conn: Connection, account: str) -> bool:
    """Whether the last reads were of several objects, and were all answered alike."""
    last = attempts.latest_fetches(conn, account, accounts.account(conn, account).since, UNSEEN)
    alike = {(one.state, *one.words.split()[:3]) for one in last}
    return len(last) == UNSEEN and len(alike) == 1 and len({one.about for one in last}) >= UNSEEN_OBJECTS


def _end_invalid(conn: Connection, event: Waiting, *errors: FieldError) -> None:
    thin_events.end(
        conn, event.id, state=EventState.INVALID, fetched=event.fetched, errors=[asdict(error) for error in errors]
    )


def _go_on(conn: Connection, source: Source, event: Waiting, thin: Thin, fetched: Mapping[str, Any], now: int) -> None:
    if source.vendor.next_piece(thin.what, thin.ref, fetched):
        thin_events.keep(conn, event.id, fetched, now)
    else:
        _route(conn, source, event, fetched, now)


def _without_a_call(
    source: Source, claim: Claim, event: Waiting | None, thin: Event | Thin | Invalid | Ignored | None
) -> None:
    """Nothing is to be fetched: by the current configuration, or because all parts are there."""
    with source.database.write(serialise=source.account.name) as conn:
        now = now_ms(conn)
        waiting = _in_hand(conn, claim) if event else None
        if waiting is None or thin is not None:
            attempts.finish(conn, claim.attempt.id, state=AttemptState.NOT_SENT, now=now, words="nothing to fetch")
        if waiting is None:
            return
        if thin is None:
            attempts.forget(conn, claim.attempt.id)
            thin_events.put_back(conn, waiting, now + LOOK_AGAIN_MS)
        elif isinstance(thin, Ignored):
            thin_events.end(conn, waiting.id, state=EventState.IGNORED, fetched=waiting.fetched, notes=(str(thin),))
        elif isinstance(thin, Invalid):
            _end_invalid(conn, waiting, *thin.errors)
        elif isinstance(thin, Thin):
            _route(conn, source, waiting, waiting.fetched, now)
        else:
            _end_invalid(conn, waiting, FieldError("mapping", "its source's mapping reads it whole by now: replay it"))
        announce(conn)


# --- routing --------------------------------------------------------------------------------------------------------


def _route(conn: Connection, source: Source, event: Waiting, fetched: Mapping[str, Any], now: int) -> None:
    """The event is complete: it is mapped, compared with earlier ones, and gets its deliveries."""
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
        thin_events.end(conn, event.id, state=EventState.IGNORED, fetched=fetched, notes=(str(ignored),))
        return
    except Invalid as invalid:
        errors = [asdict(error) for error in invalid.errors]
        thin_events.end(conn, event.id, state=EventState.INVALID, fetched=fetched, errors=errors)
        return
    hash_key, chooses = source.settings.hash_key, source.receiver.chooses
    fresh, key, notes = unrepeated(conn, configured, event.id, arrival, second_key, hash_key=hash_key, chooses=chooses)
    thin_events.end(
        conn,
        event.id,
        state=EventState.ACCEPTED if fresh else EventState.IGNORED,
        fetched=fetched,
        type=arrival.type,
        second_key=key if fresh else "",  # an event that went nowhere takes no key
        notes=(*arrival.notes, *notes),
    )
    outbox.add(conn, [(event.id, fresh)], now)
    refusals.apply(conn, [(event.id, fresh)], hash_key)


MOST: Final = 9  #: events of one type that a lead's routes take, each after the one before came to nothing


def unrepeated(
    conn: Connection,
    source: settings.Source,
    event: int,
    arrival: Arrival,
    second_key: str,
    *,
    hash_key: bytes,
    chooses: Callable[[str], bool],
) -> tuple[list[NewDelivery], str, tuple[str, ...]]:
    """The deliveries of routes that do not have the same lead, or the same state of a ticket; the key under which the
    event is known from then on; and a note on what was left out.

    A contact's creation and its changes come in any order: each route gets the lead once, whichever event it takes. A
    route whose delivery died before any call, because there was no phone yet, gets the next one. Routes with conditions
    on the lead (``chooses``) share it: one of them for each operation.
    """
    if not second_key:
        return list(arrival.deliveries), "", ()
    family = arrival.type.partition(".")[0]
    kinds = [kind for kind in EVENT_TYPES[source.mapping] if kind.startswith(f"{family}.")]
    names = {kind: [_numbered(second_key, kind, n) for n in range(1, MOST + 1)] for kind in kinds}
    known = thin_events.known(conn, source.name, [one for some in names.values() for one in some], hash_key=hash_key)
    earlier = {key: who for key, who in known.items() if who[0] != event}
    own = names[arrival.type]
    key = next((one for one in own if one not in earlier), "")
    if not earlier:
        return list(arrival.deliveries), key, ()
    had = thin_events.had(conn, [row for row, _ in earlier.values()])
    repeats = any(one in earlier for one in own)
    fresh = [new for new in arrival.deliveries if key and _is_fresh(new, had, chooses, repeats=repeats)]
    if len(fresh) == len(arrival.deliveries):
        return fresh, key, ()
    first = ", ".join(name for _, name in earlier.values())
    return fresh, key, (f"the same as event {first}, which was fetched before",)


def _is_fresh(
    new: NewDelivery, had: Mapping[str, thin_events.Had], chooses: Callable[[str], bool], *, repeats: bool
) -> bool:
    before = had.get(new.route)
    if before is not None:  # the same result as before is not reported again
        return before.in_vain and new.state != DeliveryState.DEAD
    if not chooses(new.route):
        return not repeats
    operation = new.destination.split("/")[1]
    return not any(one.operation == operation and not one.in_vain and chooses(one.route) for one in had.values())


def _numbered(second_key: str, kind: str, number: int) -> str:
    """The first event of a type has a plain key."""
    return f"{second_key} {kind}" + (f" {number}" if number > 1 else "")
