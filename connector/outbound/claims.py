"""The claim: quota, batch and the STARTED attempt decided together, in one transaction serialised per account.

Any number of workers on any number of machines share an account's limits exactly this way, with no leader: the database
decides. Order: probes, thin events (both as far as they leave a slot: see `slots`), then live deliveries rotating over
destinations, then bulk, which also fills what room a live batch leaves and gets every tenth call at least; then thin
events of the past.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from connector.core.quota import Wait
from connector.core.retry import CHECKED_WAIT_MS
from connector.core.settings import Account
from connector.core.states import AccountState, AttemptState, DestinationState, Kind
from connector.core.turns import in_order
from connector.outbound import budget, settle, slots
from connector.outbound.batch import Batch, ranked
from connector.outbound.budget import Pace, Room
from connector.outbound.guards import GUARDS, ceilings, people, share
from connector.outbound.guards.base import Members
from connector.store import accounts, attempts, chains, contacts, looks, once_keys, outbox, thin_events, turns
from connector.store.accounts import AccountStanding, DestinationStanding
from connector.store.attempts import Attempt
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, BULK_LANES, CHECK_OF, LIVE, LIVE_LANES
from connector.store.looks import Moments
from connector.store.outbox import Head
from connector.store.worker_locks import worker_name
from connector.vendors import VENDORS
from connector.vendors.base import Destination
from connector.vendors.lookup import Ask, Later

BULK_EVERY: Final = 10  #: calls, of which bulk gets at least one


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that may be made now, and must be settled. ``records``: (delivery id, record JSON), oldest first.

    They are read in the claim: a record that no key opens is not sent, and its call is never begun.
    """

    attempt: Attempt
    records: Sequence[tuple[int, str]] = ()
    prepared: str = ""  #: the destination's result of its lookups


def claim(conn: Connection, account: Account, places: Mapping[str, Destination]) -> Claim | Wait:
    """The next call of the account, or how long to wait and why. ``places``: the account's destinations by name."""
    now, names = now_ms(conn), list(places)
    soon = looks.moments(conn, account.name, names)
    if soon.lapses_at is not None and soon.lapses_at <= now:
        for attempt in attempts.lapsed(conn, account.name, now):
            settle.lapse(conn, attempt, places.get(attempt.destination), now)
        soon = looks.moments(conn, account.name, names)
    stand = accounts.account(conn, account.name)
    if stand.state != AccountState.OPEN:
        return Wait(None, f"{account.name} is {stand.state}: {stand.reason}")
    if stand.hold_until > now:
        return Wait((stand.hold_until - now) / 1000, f"{account.name} is held: {stand.hold_reason}")
    room = budget.read_room(conn, account, stand, now)
    pace = Pace(room, lambda: budget.rate(conn, room))
    may_ask = slots.leaves_one(conn, room)
    turn = _Turn(conn, account, places, now, soon, room, pace, bulk_is_due(stand), may_ask, stand.fetched_source)
    if room.may_ask_budget:
        return _ask_budget(turn)
    if isinstance(answer := room.answer, Wait):
        return answer
    found = _found(turn)
    if turn.pace.renewed is not None:
        accounts.paced(conn, account.name, turn.pace.renewed)
    return found


def _found(turn: _Turn) -> Claim | Wait:
    """Questions first, where they leave a slot; a live delivery gets the last one."""
    live_first = slots.free(turn.room) == 1 and slots.live_is_due(turn.conn, _open_names(turn), turn.now)
    found = _next(turn) if live_first or not turn.may_ask else None
    if isinstance(found, Claim) or not turn.may_ask:
        assert found is not None
        return found
    question = _probe(turn) or _fetch(turn, behind=False)
    if question is not None:
        return question
    found = found or _next(turn)
    return (_fetch(turn, behind=True) or found) if isinstance(found, Wait) else found


def _open_names(turn: _Turn) -> list[str]:
    stands = accounts.of_account(turn.conn, turn.account.name)
    return [stand.name for stand in stands if stand.name in turn.places and stand.state == AccountState.OPEN]


def lapse_strays(database: Database, served: Collection[str]) -> int:
    """Ends calls past their deadline of accounts that no worker claims for: they, or all their routes, left.

    ``served``: the accounts that are claimed for; `claim` ends their calls. Returns how many calls there were.
    """
    with database.read() as conn:
        left = [name for name in attempts.overdue(conn, now_ms(conn)) if name not in served]
    count = 0
    for name in left:
        with database.write(serialise=name) as conn:
            now = now_ms(conn)
            lapsed = attempts.lapsed(conn, name, now)
            for attempt in lapsed:
                settle.lapse(conn, attempt, None, now)
            count += len(lapsed)
    return count


def again(conn: Connection, account: Account, before: Claim, places: Mapping[str, Destination]) -> Claim | Wait:
    """The same members in an attempt of its own. On Wait the transaction must be given up."""
    now = now_ms(conn)
    stand = accounts.account(conn, account.name)
    if stand.state != AccountState.OPEN or stand.hold_until > now:
        return Wait(None, f"{account.name} is {stand.state if stand.state != AccountState.OPEN else 'held'}")
    if isinstance(answer := budget.read_room(conn, account, stand, now).answer, Wait):
        return answer
    old = before.attempt
    attempt = _start(conn, account, old.destination, old.kind, now, about=old.about)
    moved = outbox.move_to(conn, old.id, attempt.id, now)
    if not moved or moved != len(before.records):  # it had lapsed, and others took its records further
        return Wait(None, "its records are in other hands")
    place = places.get(old.destination)
    if place is not None and place.plan is not None and attempts.state(conn, old.id) == AttemptState.NOT_SENT:
        contacts.drop(conn, [number for number, _ in before.records], old.id)
    if place is not None and _guarded(conn, place, attempt.id, old.kind, now):
        return Wait(None, "a guard has a say in what becomes of its records")
    attempts.set_records(conn, attempt.id, moved)
    return Claim(attempt, before.records, before.prepared)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One claim's surroundings."""

    conn: Connection
    account: Account
    places: Mapping[str, Destination]
    now: int
    soon: Moments  #: of what is asked
    room: Room
    pace: Pace
    bulk_is_due: bool
    may_ask: bool  #: a question leaves a slot for what is sent
    fetched_source: str | None  #: source of the last fetched thin event, while several sources wait
    whys: list[str] = field(default_factory=list)  #: of due deliveries that wait for their pace


def bulk_is_due(stand: AccountStanding) -> bool:
    """Whether bulk goes first, as if it were live."""
    return stand.calls_since_bulk >= BULK_EVERY - 1


def _start(
    conn: Connection, account: Account, destination: str, kind: str, now: int, about: int | None = None
) -> Attempt:
    timeout_ms = int(account.timeout_s * 1000)
    return attempts.start(
        conn,
        account=account.name,
        destination=destination,
        kind=kind,
        worker=worker_name(conn),
        now=now,
        timeout_ms=timeout_ms,
        about=about,
    )


def _ask_budget(turn: _Turn) -> Claim:
    """A question to the vendor about the day's budget."""
    name = turn.account.name
    attempt = _start(turn.conn, turn.account, f"{name}/budget", Kind.BUDGET, turn.now)
    # If this worker dies, or there is no answer, it is read again, but not at once.
    accounts.ask_budget(turn.conn, name, attempt.deadline + accounts.ASK_AGAIN_MS)
    return Claim(attempt)


def _probe(turn: _Turn) -> Claim | None:
    if turn.soon.probe_at is None or turn.soon.probe_at > turn.now:
        return None
    unknown = attempts.to_ask(turn.conn, list(turn.places), turn.now)
    if unknown is None:
        return None
    attempt = _start(turn.conn, turn.account, unknown.destination, Kind.PROBE, turn.now, about=unknown.id)
    attempts.ask_later(turn.conn, unknown.id, attempt.deadline)  # should this worker die, the question is put again
    return Claim(attempt)


def _fetch(turn: _Turn, *, behind: bool) -> Claim | None:
    """The rest of the thin event that has waited longest, of several sources in turns; of the past (``behind``) when
    there is nothing else to do.
    """
    head = _next_thin(turn)
    if head is None or head[0] > turn.now or head[2] is not behind:
        return None
    event = _in_turn(turn, head[1], behind=behind)
    attempt = _start(turn.conn, turn.account, f"{turn.account.name}/fetch", Kind.FETCH, turn.now, about=event)
    thin_events.lease(turn.conn, event, attempt.id, attempt.deadline)
    return Claim(attempt)


def _next_thin(turn: _Turn) -> tuple[int, int, bool] | None:
    """The thin event that is fetched next, as `thin_events.next_due` has it."""
    return thin_events.next_due(turn.conn, turn.account.name, turn.now) if turn.soon.fetch_at is not None else None


def _in_turn(turn: _Turn, oldest: int, *, behind: bool) -> int:
    """The event of the source behind the one that was served last; without several sources the ``oldest``."""
    heads = thin_events.heads(turn.conn, turn.account.name, turn.now, behind=behind)
    if len(heads) < 2:
        source = None
    else:
        source = next((name for name in heads if name > (turn.fetched_source or "")), next(iter(heads)))
    if source != turn.fetched_source:
        accounts.fetched_in_turn(turn.conn, turn.account.name, source)
    return oldest if source is None else heads[source]


def _next(turn: _Turn) -> Claim | Wait:
    stands = [s for s in accounts.of_account(turn.conn, turn.account.name) if s.name in turn.places]
    waits = [str(s.reason or "") for s in stands if s.state == DestinationState.STOPPED]
    open_ones = [s for s in stands if s.state == DestinationState.OPEN]
    live_first = [(s, lanes) for lanes in (LIVE_LANES, BULK_LANES) for s in open_ones]
    if turn.bulk_is_due:
        live_first = [*live_first[len(open_ones) :], *live_first[: len(open_ones)]]
    soonest: list[int] = []
    for stand, lanes in live_first:
        found = _from(turn, stand, lanes, soonest)
        if found is not None:
            return found
    if not turn.may_ask:
        soonest += [turn.room.in_flight.next_free_at] if turn.room.in_flight.next_free_at else []
    else:
        head = _next_thin(turn)
        soonest += [moment for moment in (turn.soon.probe_at, head and head[0]) if moment is not None]
    seconds = max(0.001, (min(soonest) - turn.now) / 1000) if soonest else None
    return Wait(seconds, "; ".join(dict.fromkeys([*waits, *turn.whys])) or "nothing is due")


def _from(turn: _Turn, stand: DestinationStanding, lanes: tuple[int, int], soonest: list[int]) -> Claim | Wait | None:
    """A claim on this destination's whole or split lane, in turns; None if nothing may go there now."""
    place = turn.places[stand.name]
    if place.checks and (found := _check(turn, stand, place, lanes, soonest)):
        return found
    for lane in lanes if stand.claimed_lane != lanes[0] else lanes[::-1]:
        head = outbox.next_due(turn.conn, stand.name, lane, turn.now)
        if head is None:
            continue
        if head[0] > turn.now:
            soonest.append(head[0])
            continue
        if held := _held(turn, place, lane):
            return held
        if _is_paced(turn, lanes, soonest):
            return None
        prepared = place.prepare(turn.conn, turn.now)
        if isinstance(prepared, Ask):
            return _look_up(turn, place, prepared.kind)
        if isinstance(prepared, Later):
            turn.whys.append(prepared.why)
            soonest.append(prepared.at)
            return None
        return _send(turn, stand, place, lane, head, prepared.value)
    return None


def _is_paced(turn: _Turn, lanes: tuple[int, int], soonest: list[int], *, asks: bool = False) -> bool:
    """Whether due deliveries in these lanes, or their pre-checks, wait for their pace."""
    wait = turn.pace.wait(bulk=lanes == BULK_LANES and not turn.bulk_is_due, asks=asks)
    if wait is None:
        return False
    turn.whys.append(wait.why)
    if wait.seconds is not None:
        soonest.append(turn.now + round(wait.seconds * 1000))
    return True


def _held(turn: _Turn, place: Destination, lane: int) -> Wait | None:
    """Lets the guards put off due deliveries at the head of the lane that may not be sent now."""
    held = sum(guard.hold_head(turn.conn, place, lane, turn.now) for guard in GUARDS)
    return Wait(0, "what was due is held by a guard; look again") if held else None


def _check(
    turn: _Turn, stand: DestinationStanding, place: Destination, lanes: tuple[int, int], soonest: list[int]
) -> Claim | Wait | None:
    """A claim for the pre-check of one person; None if there is nobody, or if others are to leave first."""
    conn, now, name, lane = turn.conn, turn.now, stand.name, CHECK_OF[lanes[0]]
    head = outbox.next_due(conn, name, lane, now)
    if head is None or head[0] > now:
        soonest += [head[0]] if head else []
        return None
    if not turn.may_ask or _is_last_for_others(turn, name):
        return None
    checked = outbox.next_due(conn, name, lanes[0], now)
    if checked is not None and checked[0] <= now - CHECKED_WAIT_MS:
        return None
    if held := _held(turn, place, lane):
        return held
    if _is_paced(turn, lanes, soonest, asks=True):
        return None
    attempt = _start(conn, turn.account, name, Kind.PRECHECK, now)
    share = _check_turn(turn, stand, place, lane)
    outbox.claim(conn, attempt.id, name, lane, 1, now, head=head if share is None else None, turn=share)
    if _guarded(conn, place, attempt.id, attempt.kind, now):
        _end_more(turn, place, attempt.id, lane)
        attempts.forget(conn, attempt.id)
        return Wait(0, "what was due is ended, or put off, by a guard; look again")
    attempts.set_records(conn, attempt.id, 1)
    if share is None:
        accounts.claimed(conn, name, lane, now)
    else:
        accounts.checked_in_turn(conn, name, lane, now, share)
    accounts.count_call(conn, turn.account.name, bulk=lanes[0] == BULK)
    return Claim(attempt, outbox.members(conn, attempt.id))


def _check_turn(turn: _Turn, stand: DestinationStanding, place: Destination, lane: int) -> int | None:
    """The source that may have a person pre-checked now, if several sources wait."""
    waiting = turns.waiting(turn.conn, place.name, lane, turn.now) if len(place.sources) > 1 else []
    return in_order(ranked(place, waiting), stand.checked_turn, 1)[0] if len(waiting) > 1 else None


def _is_last_for_others(turn: _Turn, name: str) -> bool:
    """Whether the last of several slots is needed for a live delivery that goes elsewhere, and asks nothing first."""
    if slots.free(turn.room) > 1 or turn.room.allowed.in_flight == 1:
        return False
    return slots.live_is_due(turn.conn, [one for one in _open_names(turn) if one != name], turn.now)


def _end_more(turn: _Turn, place: Destination, attempt: int, lane: int) -> None:
    """If a guard ended one that needed a pre-check, ends a batch of others as well, instead of one in each claim."""
    outbox.claim(turn.conn, attempt, place.name, lane, place.batch_size, turn.now)
    _kept_back(Members(turn.conn, place, attempt, Kind.PRECHECK, turn.now))
    outbox.let_go(turn.conn, attempt, turn.now)


def _guarded(conn: Connection, place: Destination, attempt: int, kind: str, now: int) -> int:
    """Lets go of those members that must not be sent (now), and writes down what begins. Returns how many."""
    members = Members(conn, place, attempt, kind, now)
    _kept_back(members)
    if kind == Kind.SEND:
        people.write_down(members)
    share.write_down(members)
    ceilings.write_down(members)
    return members.exclusions


def _kept_back(members: Members) -> None:
    """Lets every guard keep back what it must."""
    conn, place, now = members.conn, members.destination, members.now
    copies = any(route.once_per is not None for route in place.routes.values())
    for guard in GUARDS:
        ended, held = guard.apply(members)
        if ended and copies and guard.frees_copies:
            once_keys.revive_copies(conn, ended, now)
        members.exclusions += len(ended) + held
    if place.followers:
        chains.wake(conn, outbox.suppressed_now(conn, members.attempt, now), place.followers, now)


def _look_up(turn: _Turn, place: Destination, kind: str) -> Claim:
    """A claim for a lookup that serves all deliveries of this destination."""
    attempt = _start(turn.conn, turn.account, place.name, kind, turn.now)
    VENDORS[turn.account.vendor].lookups[kind].begin(turn.conn, turn.account.name, attempt.deadline)
    return Claim(attempt)


def _send(
    turn: _Turn, stand: DestinationStanding, place: Destination, lane: int, head: Head, prepared: str
) -> Claim | Wait:
    conn, now = turn.conn, turn.now
    attempt = _start(conn, turn.account, place.name, Kind.SEND, now)
    batch = Batch(conn, place, attempt.id, now, stand.claimed_turn)
    count = batch.fill(lane, head)
    if lane == LIVE and count < place.batch_size:
        count += batch.fill(BULK)
    count -= _guarded(conn, place, attempt.id, attempt.kind, now)
    if not count:
        attempts.forget(conn, attempt.id)
        return Wait(0, "what was due is ended, or put off, by a guard; look again")
    attempts.set_records(conn, attempt.id, count)
    if batch.turn == stand.claimed_turn:
        accounts.claimed(conn, place.name, lane, now)
    else:
        accounts.claimed_in_turn(conn, place.name, lane, now, batch.turn)
    bulk = lane in BULK_LANES
    credit = turn.pace.spent(bulk=bulk and not turn.bulk_is_due)
    accounts.count_call(conn, turn.account.name, bulk=bulk, credit=credit)
    return Claim(attempt, outbox.members(conn, attempt.id), prepared)
