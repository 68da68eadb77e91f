"""The step out: claim, call, settle. No transaction is open while a call is made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector import attempts, budget, claims, outbox, standing
from connector.claims import Claim
from connector.client import Deadline, NoAnswer, NotSent, patiently, tries
from connector.db import Database, announce, now_ms
from connector.destinations.base import Destination, Record, Sending, no_answer, not_sent
from connector.destinations.wolkvox import read_budget, read_report
from connector.errors import ConnectorError, StoreUnavailable
from connector.log import get
from connector.metrics import ANSWERS, CALL_SECONDS
from connector.outcomes import Outcome
from connector.quota import Wait
from connector.settings import Account
from connector.settle import account_fault, settle, settle_check
from connector.vendors import Vendor, Wolkvox
from connector.vendors.wolkvox import TokenUse, rows_of

log = get("deliver")


class NoSlot(ConnectorError):  # noqa: N818
    """The call cannot be repeated at once; the outbox's own clock takes over."""


@dataclass(frozen=True, slots=True)
class Line:
    """One account's way out of this process."""

    database: Database
    account: Account
    places: dict[str, Destination]
    vendor: Vendor
    install: str


def claim(line: Line) -> Claim | Wait:
    """The account's next call, or how long to wait and why."""
    with line.database.write(serialise=line.account.name) as conn:
        return claims.claim(conn, line.account, line.places)


def perform(line: Line, claimed: Claim, deadline: Deadline) -> None:
    """Makes the claimed call and settles it."""
    started_s = time.monotonic()
    if claimed.attempt.kind == "report":
        outcome = _report(line, claimed, deadline)
    elif claimed.attempt.kind == "budget":
        outcome = _ask_budget(line, claimed, deadline)
    elif claimed.attempt.kind == "check":
        outcome = _check(line, line.places[claimed.attempt.destination], claimed, deadline)
    else:
        outcome = _send(line, line.places[claimed.attempt.destination], claimed, deadline)
    CALL_SECONDS.labels(line.account.name, claimed.attempt.kind).observe(time.monotonic() - started_s)
    ANSWERS.labels(line.account.name, claimed.attempt.kind, outcome.attempt).inc()


def _send(line: Line, place: Destination, claimed: Claim, deadline: Deadline) -> Outcome:
    records = _members(line, claimed.attempt.id)
    current = Claim(claimed.attempt, records, claimed.campaign_status)
    call = _Call(line, place, current, deadline)
    outcome = call.made()
    ids = [number for number, _ in records]
    patiently(lambda: _settle(line, call.claimed, place, outcome, ids))
    _note(call.claimed, outcome, len(records))
    return outcome


def _check(line: Line, place: Destination, claimed: Claim, deadline: Deadline) -> Outcome:
    """Asks whether the one person may be contacted."""
    records = _members(line, claimed.attempt.id)
    agreed: bool | None = None
    try:
        agreed, outcome = place.agreed(place.ask_first(line.vendor, records[0], deadline))
    except NotSent as fault:
        outcome = not_sent(str(fault))
    except NoAnswer as fault:
        outcome = no_answer(str(fault))
    ids = [number for number, _ in records]
    patiently(lambda: _settle_check(line, claimed, outcome, ids, agreed))
    _note(claimed, outcome, len(records))
    return outcome


def _settle_check(line: Line, claimed: Claim, outcome: Outcome, ids: list[int], agreed: bool | None) -> None:
    with line.database.write(serialise=line.account.name) as conn:
        place = line.places[claimed.attempt.destination]
        settle_check(conn, claimed.attempt, place, outcome, ids, agreed)


def _members(line: Line, attempt: int) -> list[Record]:
    """Read with patience: a call that was never made must not become unknown because the database is away."""
    found: list[Record] = []

    def read() -> None:
        with line.database.read() as conn:
            found[:] = outbox.members(conn, attempt)

    patiently(read)
    return found


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

    def made(self) -> Outcome:
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
            campaign_status=self.claimed.campaign_status,
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
        self.deadline = Deadline.after(self.line.account.timeout_s)
        state = "unknown" if isinstance(fault, NoAnswer) else "not_sent"
        with self.line.database.write(serialise=self.line.account.name) as conn:
            words = f"{fault}; repeated at once"
            attempts.finish(conn, before.attempt.id, state=state, now=now_ms(conn), words=words)
            after = claims.again(conn, self.line.account, before, self.line.places)
            if isinstance(after, Wait):
                raise NoSlot(after.why)  # and the transaction leaves nothing
        self.claimed = after


def _report(line: Line, claimed: Claim, deadline: Deadline) -> Outcome:
    """Reads the campaign report for everybody."""
    assert isinstance(line.vendor, Wolkvox)
    statuses = rows = None
    try:
        answer = line.vendor.campaigns(deadline=deadline)
        statuses, outcome = read_report(answer, line.account, line.places[claimed.attempt.destination].locale.timezone)
        rows = rows_of(answer.json())
    except NotSent as fault:
        outcome = not_sent(str(fault))
    except NoAnswer as fault:
        outcome = no_answer(str(fault))
    patiently(lambda: _settle_report(line, claimed, outcome, statuses, rows))
    _note(claimed, outcome, 0)
    return outcome


def _settle_report(
    line: Line, claimed: Claim, outcome: Outcome, statuses: dict[str, str] | None, rows: Sequence[Any] | None
) -> None:
    with line.database.write(serialise=line.account.name) as conn:
        now = now_ms(conn)
        words = outcome.words or None
        attempts.finish(conn, claimed.attempt.id, state=outcome.attempt, now=now, status=outcome.status, words=words)
        account_fault(conn, line.account.name, outcome, now)
        standing.report_ended(conn, line.account.name, outcome.attempt, statuses, rows, now)
        announce(conn)


def _ask_budget(line: Line, claimed: Claim, deadline: Deadline) -> Outcome:
    """Asks how many of the day's calls are used, by the vendor's own count."""
    assert isinstance(line.vendor, Wolkvox)
    use = None
    try:
        answer = line.vendor.token_info(deadline=deadline)
        use, outcome = read_budget(answer, line.account.working_hours.zone)
    except NotSent as fault:
        outcome = not_sent(str(fault))
    except NoAnswer as fault:
        outcome = no_answer(str(fault))
    patiently(lambda: _settle_budget(line, claimed, outcome, use))
    _note(claimed, outcome, 0)
    return outcome


def _settle_budget(line: Line, claimed: Claim, outcome: Outcome, use: TokenUse | None) -> None:
    with line.database.write(serialise=line.account.name) as conn:
        now, name = now_ms(conn), line.account.name
        words = outcome.words or None
        attempts.finish(conn, claimed.attempt.id, state=outcome.attempt, now=now, status=outcome.status, words=words)
        account_fault(conn, name, outcome, now)
        if use is not None:
            told = budget.told(conn, line.account, use.token_use_today, use.token_limit, now)
            standing.budget_told(conn, name, told)
        announce(conn)


_LEVEL: Final = {"accepted": "info", "rejected": "warning", "not_sent": "warning", "unknown": "warning"}


def _note(claimed: Claim, outcome: Outcome, count: int) -> None:
    attempt = claimed.attempt
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
        words=outcome.block or outcome.words,
    )
