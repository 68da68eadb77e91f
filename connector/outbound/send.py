"""The step out: claim, call, settle. No transaction is open while a call is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.errors import ConnectorError, StoreUnavailable
from connector.core.http import Answer, Deadline, NoAnswer, NotSent
from connector.core.log import get
from connector.core.outcomes import Outcome
from connector.core.quota import Wait
from connector.core.retry import patiently, tries
from connector.core.settings import Account, Settings
from connector.core.states import AttemptState
from connector.core.times import DAY_MS
from connector.outbound import budget, claims, provoked
from connector.outbound.apply import apply
from connector.outbound.claims import Claim
from connector.outbound.fetch import Mapped
from connector.outbound.settle import decide_help, faults_of, settle, settle_check
from connector.store import accounts, attempts
from connector.store.database import Database, now_ms
from connector.store.helps import HelpState
from connector.vendors import VENDORS
from connector.vendors.answers import no_answer, not_sent
from connector.vendors.base import Destination, Sending
from connector.vendors.limits import deadline as deadline_of
from connector.vendors.lookup import LookupResult

log = get("deliver")


class NoSlot(ConnectorError):  # noqa: N818
    """The call cannot be repeated at once; the retry goes through the database."""


@dataclass(frozen=True, slots=True)
class Line:
    """One account's way out of this process."""

    database: Database
    account: Account
    places: dict[str, Destination]
    vendor: Any  #: the class of the vendor's operations, which only its own folder knows
    install: str
    settings: Settings | None = None  #: of a line that fetches thin events, as `receiver`
    receiver: Mapped | None = None


def claim(line: Line) -> Claim | Wait:
    """The account's next call, or how long to wait and why."""
    with line.database.write(serialise=line.account.name) as conn:
        return claims.claim(conn, line.account, line.places)


def send(line: Line, claimed: Claim, deadline: Deadline) -> Outcome:
    """Delivers the claimed batch."""
    place = line.places[claimed.attempt.destination]
    call = _Call(line, place, claimed, deadline)
    outcome = call.outcome()
    ids = [number for number, _ in claimed.records]
    patiently(lambda: _settle(line, call.claimed, place, outcome, ids))
    _note(call.claimed, outcome, len(ids))
    return outcome


def check(line: Line, claimed: Claim, deadline: Deadline) -> Outcome:
    """Asks whether the one person may be contacted."""
    place = line.places[claimed.attempt.destination]
    agreed: bool | None = None
    try:
        agreed, outcome = place.agreed(place.ask_first(line.vendor, claimed.records[0], deadline))
    except NotSent as fault:
        outcome = not_sent(str(fault))
    except NoAnswer as fault:
        outcome = no_answer(str(fault))
    ids = [number for number, _ in claimed.records]
    patiently(lambda: _settle_check(line, claimed, outcome, ids, agreed))
    _note(claimed, outcome, len(ids))
    return outcome


def _settle_check(line: Line, claimed: Claim, outcome: Outcome, ids: list[int], agreed: bool | None) -> None:
    with line.database.write(serialise=line.account.name) as conn:
        place = line.places[claimed.attempt.destination]
        settle_check(conn, claimed.attempt, place, outcome, ids, agreed)


def _settle(line: Line, claimed: Claim, place: Destination, outcome: Outcome, ids: list[int]) -> None:
    with line.database.write(serialise=line.account.name) as conn:
        settle(conn, claimed.attempt, place, outcome, ids)


@dataclass(slots=True)
class _Call:
    """A batch being sent, with the quick repeats that the client allows: each an attempt with a slot of its own."""

    line: Line
    place: Destination
    claimed: Claim
    deadline: Deadline
    fault: NotSent | NoAnswer | None = None  #: of the last try

    def outcome(self) -> Outcome:
        try:
            for try_ in tries(repeatable=self.place.repeatable):
                with try_:
                    if self.fault is not None:
                        self._log_again(self.fault)
                    return self._once()
        except (NotSent, NoAnswer, NoSlot, StoreUnavailable) as end:
            fault = self.fault or end
            return no_answer(str(fault)) if isinstance(fault, NoAnswer) else not_sent(str(fault))
        raise AssertionError("tenacity ends with an outcome or the last error")

    def _once(self) -> Outcome:
        sending = Sending(
            records=self.claimed.records,
            deadline=self.deadline,
            prepared=self.claimed.prepared,
            install=self.line.install,
        )
        try:
            answer = self.place.send(self.line.vendor, sending)
        except (NotSent, NoAnswer) as fault:
            self.fault = fault
            raise
        return self.place.classify(answer, self.claimed.records)

    def _log_again(self, fault: NotSent | NoAnswer) -> None:
        before = self.claimed
        self.deadline = deadline_of(self.line.account)
        state = AttemptState.UNKNOWN if isinstance(fault, NoAnswer) else AttemptState.NOT_SENT
        with self.line.database.write(serialise=self.line.account.name) as conn:
            words = f"{fault}; repeated at once"
            attempts.finish(conn, before.attempt.id, state=state, now=now_ms(conn), words=words)
            after = claims.again(conn, self.line.account, before, self.line.places)
            if isinstance(after, Wait):
                raise NoSlot(after.why)  # and the transaction leaves nothing
        self.claimed = after


def look_up(line: Line, claimed: Claim, deadline: Deadline) -> Outcome:
    """Makes the lookups of some destinations."""
    lookup = VENDORS[line.account.vendor].lookups[claimed.attempt.kind]
    result = _looked(lookup.read, lookup.means, line, deadline)

    def store(conn: Connection, now: int) -> None:
        lookup.store(conn, line.account.name, result.value, result.outcome.attempt, now)

    return _settle_help(line, claimed, lookup.help, result, store)


def ask_budget(line: Line, claimed: Claim, deadline: Deadline) -> Outcome:
    """Asks how many of the day's calls are used, by the vendor's own count."""
    counter = VENDORS[line.account.vendor].counter
    assert counter is not None, "only an account that counts a day's calls is asked for them"
    result = _looked(counter.read, counter.means, line, deadline)

    def store(conn: Connection, now: int) -> None:
        if result.value is not None:
            budget.keep(conn, line.account, result.value, now)
        elif result.state is HelpState.NOT_THERE:  # our own count is used then; once a day the help is tried again
            accounts.ask_budget(conn, line.account.name, now + DAY_MS)

    return _settle_help(line, claimed, counter.help, result, store)


def _looked(
    read: Callable[[Any, Deadline], Answer],
    means: Callable[[Answer, Account], LookupResult],
    line: Line,
    deadline: Deadline,
) -> LookupResult:
    """Stores the result of a lookup. A help that fails holds no delivery up."""
    try:
        return means(read(line.vendor, deadline), line.account)
    except NotSent as fault:  # no call gets through, whichever it is
        return LookupResult(not_sent(str(fault)), HelpState.UNKNOWN)
    except NoAnswer as fault:
        return LookupResult(replace(no_answer(str(fault)), hold=None, hold_s=None), HelpState.UNKNOWN)


def _settle_help(
    line: Line, claimed: Claim, name: str, result: LookupResult, store: Callable[[Connection, int], None]
) -> Outcome:
    outcome = result.outcome

    def settle() -> None:
        with line.database.write(serialise=line.account.name) as conn:
            now = now_ms(conn)
            faults = faults_of(conn, line.account.name, outcome)
            apply(conn, decide_help(claimed.attempt, name, result, faults, now), None, now)
            store(conn, now)

    patiently(settle)
    _note(claimed, outcome, 0)
    return outcome


_LEVEL: Final[Mapping[str, str]] = {
    AttemptState.ACCEPTED: "info",
    AttemptState.REJECTED: "warning",
    AttemptState.NOT_SENT: "warning",
    AttemptState.UNKNOWN: "warning",
}


def _note(claimed: Claim, outcome: Outcome, count: int) -> None:
    attempt, outcome = claimed.attempt, provoked.softened(outcome)
    say = getattr(log, "error" if outcome.block else _LEVEL[outcome.attempt])
    say(
        "call settled",
        account=attempt.account,
        destination=attempt.destination,
        kind=attempt.kind,
        attempt=attempt.id,
        outcome=outcome.attempt,
        count=count,
        status=outcome.status,
        words=str(outcome.block or "") or outcome.words,
    )
