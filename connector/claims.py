"""The claim: quota, batch and the STARTED attempt decided together, in one transaction serialised per account.

Any number of workers on any number of machines share an account's limits exactly this way, with no leader: the database
decides. Order: probes, thin events, then live deliveries rotating over destinations, then bulk, which also fills what
room a live batch leaves and gets every tenth call at least; then thin events of the past.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sqlalchemy import Connection

from connector import attempts, budget, do_not_contact, followers, outbox, settle, standing, waiting
from connector.attempts import Attempt
from connector.budget import Pace
from connector.db import Database, now_ms
from connector.outbox import BULK, BULK_CHECK, BULK_LANES, CHECK_OF, LIVE, LIVE_CHECK, LIVE_LANES, Head
from connector.quota import Wait
from connector.settings import Account
from connector.standing import AccountStanding, DestinationStanding

BULK_EVERY: Final = 10  #: calls, of which bulk gets one at least
LONGEST_S: Final = 3600.0  #: where nobody can say how long
REPORT_EVERY_MS: Final = 300_000  #: wolkvox's real-time report: at most every five minutes
REPORT_GOOD_MS: Final = 360_000  #: so that a fresh one can be read while deliveries go on

#: How long the vendor's word that a person may be contacted is good for: longer than a rush, a hold or a short block
#: lasts, and short enough that hardly anybody was surveyed elsewhere meanwhile.
CHECK_GOOD_MS: Final = 3_600_000
#: How long those whom the vendor agreed to wait for each other while more are asked about: they leave together.
CHECKED_WAIT_MS: Final = 3_000

WORKER: Final = f"{socket.gethostname()}:{os.getpid()}"


class Claimable(settle.Settleable, Protocol):
    """What the claim has to know of a destination."""

    @property
    def batch_size(self) -> int: ...

    @property
    def campaign(self) -> str:
        """The campaign whose status must be known before sending; "" when none."""

    @property
    def once_within_ms(self) -> Mapping[str, int]:
        """Routes with a ``once_per``: how long it holds."""

    @property
    def contacts_people(self) -> bool:
        """Whether a person hears of what is sent here."""

    @property
    def checks(self) -> bool:
        """Whether the vendor is asked first who may be contacted."""

    def closed(self, now: int) -> Mapping[str, tuple[int, str]]:
        """Routes that may contact nobody now: until when (unix ms), and why in words."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that may be made now, and must be settled. ``records``: (delivery id, record JSON), oldest first."""

    attempt: Attempt
    records: Sequence[tuple[int, str]] = ()
    campaign_status: str = ""  #: start | stop, where the destination asked for it


def claim(conn: Connection, account: Account, places: Mapping[str, Claimable]) -> Claim | Wait:
    """The next call of the account, or how long to wait and why. ``places``: the account's destinations by name."""
    now = now_ms(conn)
    for attempt in attempts.lapsed(conn, account.name, now):
        settle.lapse(conn, attempt, places.get(attempt.destination), now)
    stand = standing.account(conn, account.name)
    if stand.state != "open":
        return Wait(None, f"{account.name} is {stand.state}: {stand.reason}")
    if stand.hold_until > now:
        return Wait((stand.hold_until - now) / 1000, f"{account.name} is held: {stand.hold_reason}")
    room = budget.look(conn, account, stand, now)
    turn = _Turn(conn, account, places, now, Pace(room, lambda: budget.rate(conn, room)), _bulk_is_due(stand))
    if room.may_ask_budget:
        return _ask_budget(turn)
    if isinstance(answer := room.answer, Wait):
        return answer
    found = _probe(turn) or _fetch(turn, behind=False) or _next(turn)
    if isinstance(found, Wait):
        found = _fetch(turn, behind=True) or found
    if turn.pace.renewed is not None:
        standing.paced(conn, account.name, turn.pace.renewed)
    return found


def lapse_strays(database: Database, served: Collection[str]) -> int:
    """Ends calls past their deadline of accounts that nobody claims for: they, or all their routes, left.

    ``served``: the accounts that are claimed for, which `claim` sees to. Returns how many calls there were.
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


def again(conn: Connection, account: Account, before: Claim, places: Mapping[str, Claimable]) -> Claim | Wait:
    """The same members in an attempt of its own. On Wait the transaction must be given up."""
    now = now_ms(conn)
    stand = standing.account(conn, account.name)
    if stand.state != "open" or stand.hold_until > now:
        return Wait(None, f"{account.name} is {stand.state if stand.state != 'open' else 'held'}")
    if isinstance(answer := budget.look(conn, account, stand, now).answer, Wait):
        return answer
    old = before.attempt
    attempt = _start(conn, account, old.destination, old.kind, now, about=old.about)
    moved = outbox.move_to(conn, old.id, attempt.id, now)
    if not moved or moved != len(before.records):  # it had lapsed, and others took its records further
        return Wait(None, "its records are in other hands")
    if (place := places.get(old.destination)) is not None and _guarded(conn, place, attempt.id, now):
        return Wait(None, "a guard has a say in what becomes of its records")
    attempts.set_records(conn, attempt.id, moved)
    return Claim(attempt, before.records, before.campaign_status)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One claim's surroundings."""

    conn: Connection
    account: Account
    places: Mapping[str, Claimable]
    now: int
    pace: Pace
    bulk_is_due: bool
    whys: list[str] = field(default_factory=list)  #: of what is due and waits for its pace


def _bulk_is_due(stand: AccountStanding) -> bool:
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
        worker=WORKER,
        now=now,
        timeout_ms=timeout_ms,
        about=about,
    )


def _ask_budget(turn: _Turn) -> Claim:
    """A question to the vendor about the day's budget."""
    name = turn.account.name
    attempt = _start(turn.conn, turn.account, f"{name}/budget", "budget", turn.now)
    # Should this worker die, or the answer be none, it is asked again, but not at once.
    standing.ask_budget(turn.conn, name, attempt.deadline + standing.ASK_AGAIN_MS)
    return Claim(attempt)


def _probe(turn: _Turn) -> Claim | None:
    unknown = attempts.to_ask(turn.conn, list(turn.places), turn.now)
    if unknown is None:
        return None
    attempt = _start(turn.conn, turn.account, unknown.destination, "probe", turn.now, about=unknown.id)
    attempts.ask_later(turn.conn, unknown.id, attempt.deadline)  # should this worker die, the question is put again
    return Claim(attempt)


def _fetch(turn: _Turn, *, behind: bool) -> Claim | None:
    """The rest of the thin event that has waited longest; of the past (``behind``) when there is nothing else to do."""
    head = waiting.next_due(turn.conn, turn.account.name, turn.now)
    if head is None or head[0] > turn.now or head[2] is not behind:
        return None
    attempt = _start(turn.conn, turn.account, f"{turn.account.name}/fetch", "fetch", turn.now, about=head[1])
    waiting.take(turn.conn, head[1], attempt.id, attempt.deadline)
    return Claim(attempt)


def _next(turn: _Turn) -> Claim | Wait:
    stands = [s for s in standing.of_account(turn.conn, turn.account.name) if s.name in turn.places]
    waits = [s.reason or "" for s in stands if s.state == "stopped"]
    open_ones = [s for s in stands if s.state == "open"]
    live_first = [(s, lanes) for lanes in (LIVE_LANES, BULK_LANES) for s in open_ones]
    if turn.bulk_is_due:
        live_first = [*live_first[len(open_ones) :], *live_first[: len(open_ones)]]
    soonest: list[int] = []
    for stand, lanes in live_first:
        found = _from(turn, stand, lanes, soonest)
        if found is not None:
            return found
    if (ask_at := attempts.next_ask(turn.conn, list(turn.places))) is not None:
        soonest.append(ask_at)
    if (head := waiting.next_due(turn.conn, turn.account.name, turn.now)) is not None:
        soonest.append(head[0])
    seconds = max(0.001, (min(soonest) - turn.now) / 1000) if soonest else None
    return Wait(seconds, "; ".join(dict.fromkeys([*waits, *turn.whys])) or "nothing is due")


def _from(turn: _Turn, stand: DestinationStanding, lanes: tuple[int, int], soonest: list[int]) -> Claim | Wait | None:
    """A claim on this destination's whole or split lane, in turns; None when nothing may go there now."""
    place = turn.places[stand.name]
    if place.checks and (found := _check(turn, stand.name, place, lanes, soonest)):
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
        status = _campaign_status(turn, place, soonest)
        if isinstance(status, Claim):
            return status
        if status is None:
            return None
        return _send(turn, place, lane, head, status)
    return None


def _is_paced(turn: _Turn, lanes: tuple[int, int], soonest: list[int], *, asks: bool = False) -> bool:
    """Whether what is due in these lanes, or is to be asked about for them, waits for its pace."""
    wait = turn.pace.wait(bulk=lanes == BULK_LANES and not turn.bulk_is_due, asks=asks)
    if wait is None:
        return False
    turn.whys.append(wait.why)
    if wait.seconds is not None:
        soonest.append(turn.now + round(wait.seconds * 1000))
    return True


def _held(turn: _Turn, place: Claimable, lane: int) -> Wait | None:
    """Puts off what is due outside its route's contact hours."""
    held = outbox.hold(turn.conn, place.name, lane, place.closed(turn.now), turn.now)
    return Wait(0, "what was due is held until its contact hours; look again") if held else None


def _check(turn: _Turn, name: str, place: Claimable, lanes: tuple[int, int], soonest: list[int]) -> Claim | Wait | None:
    """A claim to ask the vendor about one person; None when there is nobody, or others are to leave first."""
    conn, now, lane = turn.conn, turn.now, CHECK_OF[lanes[0]]
    head = outbox.next_due(conn, name, lane, now)
    if head is None or head[0] > now:
        soonest += [head[0]] if head else []
        return None
    checked = outbox.next_due(conn, name, lanes[0], now)
    if checked is not None and checked[0] <= now - CHECKED_WAIT_MS:
        return None
    if held := _held(turn, place, lane):
        return held
    if _is_paced(turn, lanes, soonest, asks=True):
        return None
    attempt = _start(conn, turn.account, name, "check", now)
    outbox.take(conn, attempt.id, name, lane, 1, now, head=head)
    if _guarded(conn, place, attempt.id, now):
        _end_more(turn, place, attempt.id, lane)
        attempts.forget(conn, attempt.id)
        return Wait(0, "what was due is ended, or put off, by a guard; look again")
    attempts.set_records(conn, attempt.id, 1)
    standing.claimed(conn, name, lane, now)
    standing.count_call(conn, turn.account.name, bulk=lanes[0] == BULK)
    return Claim(attempt)


def _end_more(turn: _Turn, place: Claimable, attempt: int, lane: int) -> None:
    """Where one that was to be asked about is ended by a guard, a batch of others may be: at once, not one a claim."""
    outbox.take(turn.conn, attempt, place.name, lane, place.batch_size, turn.now)
    _guarded(turn.conn, place, attempt, turn.now)
    outbox.let_go(turn.conn, attempt, turn.now)


def _guarded(conn: Connection, place: Claimable, attempt: int, now: int) -> int:
    """Lets go of those members that must not be sent (now). Returns how many.

    Too old, not to be contacted, not at this hour, sent before: in this order, so that who can never be sent does not
    wait for the morning first, and nobody is the copy of one that is not sent.
    """
    ended = outbox.suppress_expired(conn, attempt, now)
    if place.contacts_people:
        ended += do_not_contact.suppress(conn, attempt, now)
    if ended and place.once_within_ms:
        outbox.revive_copies(conn, ended, now)
    off = outbox.put_off(conn, attempt, place.closed(now), now)
    once = place.once_within_ms.items()
    repeated = sum(outbox.suppress_repeated(conn, attempt, route, within, now) for route, within in once)
    if place.followers:
        followers.wake(conn, outbox.suppressed_now(conn, attempt, now), place.followers, now)
    return len(ended) + off + repeated


def _campaign_status(turn: _Turn, place: Claimable, soonest: list[int]) -> str | Claim | None:
    """start or stop ("" where it does not matter); a claim to read the report; None when it must be waited for."""
    if not place.campaign:
        return ""
    report = standing.report(turn.conn, turn.account.name)
    if turn.now >= report.asked_at + REPORT_EVERY_MS:
        attempt = _start(turn.conn, turn.account, place.name, "report", turn.now)
        standing.report_asked(turn.conn, turn.account.name, attempt.deadline)  # it may arrive as late as that
        return Claim(attempt)
    status = report.status(place.campaign)
    if status not in _STATUS or report.read_at <= turn.now - REPORT_GOOD_MS:
        soonest.append(report.asked_at + REPORT_EVERY_MS)
        return None
    return _STATUS[status]


_STATUS: Final = {"started": "start", "stopped": "stop"}


def _send(turn: _Turn, place: Claimable, lane: int, head: Head, status: str) -> Claim | Wait:
    conn, now = turn.conn, turn.now
    attempt = _start(conn, turn.account, place.name, "send", now)
    taken = outbox.take(conn, attempt.id, place.name, lane, place.batch_size, now, head=head)
    if lane == LIVE and taken < place.batch_size:
        taken += outbox.take(conn, attempt.id, place.name, BULK, place.batch_size - taken, now)
    taken -= _guarded(conn, place, attempt.id, now)
    if place.checks:
        taken -= outbox.check_again(conn, attempt.id, now - CHECK_GOOD_MS, now)
    if not taken:
        attempts.forget(conn, attempt.id)
        return Wait(0, "what was due is ended, or put off, by a guard; look again")
    attempts.set_records(conn, attempt.id, taken)
    standing.claimed(conn, place.name, lane, now)
    bulk = lane in BULK_LANES
    credit = turn.pace.spent(bulk=bulk and not turn.bulk_is_due)
    standing.count_call(conn, turn.account.name, bulk=bulk, credit=credit)
    return Claim(attempt, (), status)


def next_look(conn: Connection, account: Account, places: Mapping[str, Claimable]) -> float | None:
    """Seconds until a claim could find anything (0: now), asked without the lock that a claim takes.

    None: not before something else happens.
    """
    now = now_ms(conn)
    if attempts.lapsed(conn, account.name, now):
        return 0.0
    stand = standing.account(conn, account.name)
    if stand.state != "open":
        return None
    if stand.hold_until > now:
        return (stand.hold_until - now) / 1000
    names = list(places)
    fetch = waiting.next_due(conn, account.name, now)
    found = (fetch and fetch[0], attempts.next_ask(conn, names), stand.told.ask_at or None)
    moments = [moment for moment in found if moment is not None]
    asking = [name for name, place in places.items() if place.checks]
    due: dict[tuple[bool, bool], int | None] = {}
    for bulk, lanes, check in ((False, LIVE_LANES, LIVE_CHECK), (True, BULK_LANES, BULK_CHECK)):
        due[bulk, False] = outbox.soonest_due(conn, names, now, lanes)
        if asking and due[bulk, False] != now:
            due[bulk, True] = outbox.soonest_due(conn, asking, now, (check,))
        if now in due.values():  # then nothing behind it is what is waited for
            break
    # Most looks end here: whoever waits is told of every change, and there may be thousands a second.
    if all(moment > now for moment in (*moments, *due.values()) if moment is not None):
        return _until([*moments, *due.values()], now)
    room = budget.look(conn, account, stand, now)
    if isinstance(answer := room.answer, Wait) and not room.may_ask_budget:
        return answer.seconds
    pace = Pace(room)
    moments += [
        moment if moment > now else now + _paced_ms(pace, bulk=bulk and not _bulk_is_due(stand), asks=asks)
        for (bulk, asks), moment in due.items()
        if moment is not None
    ]
    return _until(moments, now)


def _paced_ms(pace: Pace, *, bulk: bool, asks: bool) -> int:
    wait = pace.wait(bulk=bulk, asks=asks)
    return 0 if wait is None else round((wait.seconds if wait.seconds is not None else LONGEST_S) * 1000)


def _until(moments: Sequence[int | None], now: int) -> float | None:
    soonest = min((moment for moment in moments if moment is not None), default=None)
    return None if soonest is None else max(0.0, (soonest - now) / 1000)
