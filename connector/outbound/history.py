"""The history of a call's members and the other facts that `provoked` needs. Read under the account's lock."""

from __future__ import annotations

from sqlalchemy import Connection

from connector.core.states import DeliveryState
from connector.outbound.provoked import SEEN, Known, Past, Provoker
from connector.store import accounts, attempts, outbox
from connector.store.attempts import Attempt


def past_of(conn: Connection, attempt: Attempt) -> Past:
    """The unknown answers of the attempt's members, including this one."""
    facts = [reason.facts for _, reason in outbox.reasons_in_hand(conn, attempt.id) if reason is not None]
    had = [(int(one["first"]), int(one["times"])) for one in facts if "first" in one]
    first = min((number for number, _ in had), default=attempt.id)
    return _past(conn, attempt, first, max((times for _, times in had), default=0) + 1)


def of_answer(conn: Connection, attempt: Attempt) -> Known:
    """The facts about a suspect answer."""
    account = accounts.account(conn, attempt.account)
    destination = accounts.destination(conn, attempt.destination)
    since = max(destination.accepted_at, account.since)
    earlier = outbox.provokers(conn, attempt.destination, SEEN, since)
    return Known(
        members=outbox.members_by_source(conn, attempt.id),
        past=past_of(conn, attempt),
        accepted_at=destination.accepted_at,
        refusals=accounts.refusals(destination),
        faults=account.faults,
        earlier=[
            Provoker(row.id, row.attempt, row.source, row.record, row.state == DeliveryState.PENDING) for row in earlier
        ],
    )


def of_absence(conn: Connection, about: Attempt) -> Known:
    """The facts about an unknown attempt with members that are absent at the vendor."""
    reasons = [reason for _, reason in outbox.reasons_in_hand(conn, about.id) if reason is not None]
    first = next((reason for reason in reasons if "first" in reason.facts), None)
    if first is None:
        return Known()
    destination = accounts.destination(conn, about.destination)
    return Known(
        members=outbox.members_by_source(conn, about.id),
        past=_past(conn, about, int(first.facts["first"]), int(first.facts["times"])),
        reason=first,
        accepted_at=destination.accepted_at,
        refusals=accounts.refusals(destination),
    )


def _past(conn: Connection, attempt: Attempt, first: int, times: int) -> Past:
    began = attempts.get(conn, first) if first != attempt.id else attempt
    return Past(first, (began or attempt).started_at, times)
