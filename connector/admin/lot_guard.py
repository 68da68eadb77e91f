"""Guards for draft lots: which members must not be contacted when the lot is fired.

Our deliveries in it are claimed in a transaction that is rolled back, as `connector.admin.may` does with one person.
For customers that others put there by hand only the suppression list is asked: nothing else is known of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select, update

from connector.core.openings import Plan
from connector.core.settings import Settings
from connector.core.states import DeliveryState, Kind
from connector.inbound.router import hashed
from connector.outbound.guards import GUARDS
from connector.outbound.guards.base import Members
from connector.outbound.guards.people import ledger_rows, people_of
from connector.store import attempts, contacts, reasons, suppression_list
from connector.store.database import Database
from connector.store.tables import deliveries, lot_deliveries
from connector.vendors.base import Destination
from connector.vendors.destinations import places

_delivery = deliveries.c

#: Members of a lot cannot expire, are no copies of each other, and passed the pre-check before they went there.
NOT_ASKED = ("expires_after", "once_per", "ninety_day_rule")


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A delivery of the lot that a guard would keep back. ``until``: unix ms; None: for good."""

    delivery: int
    guard: str
    why: str
    until: int | None


@dataclass(slots=True)
class Verdicts:
    """The result of checking a lot; ``rows`` go into the ledger of contacts once it is fired."""

    exclusions: list[Exclusion] = field(default_factory=list)
    rows: list[contacts.Written] = field(default_factory=list)


class _GiveUp(Exception):  # noqa: N818 - a transaction is given up by leaving it so
    """Rolls the transaction back."""


def judge(settings: Settings, database: Database, account: str, lot: int, at: int) -> Verdicts:
    """Asks every guard about our deliveries in a lot, as if they left at that moment (unix ms)."""
    verdicts = Verdicts()
    try:
        with database.write(serialise=account) as conn:
            for name, destination in places(settings)[account].items():
                _judge_members(conn, name, _as_sent(destination), lot, at, verdicts)
            raise _GiveUp
    except _GiveUp:
        return verdicts


def fired(database: Database, account: str, verdicts: Verdicts) -> None:
    """The lot was fired: its contacts count from now on."""
    with database.write(serialise=account) as conn:
        contacts.put(conn, verdicts.rows)


def on_own_list(settings: Settings, database: Database, ways: Sequence[str], channel: str = "") -> bool:
    """Whether one of these phones or e-mails is on the do-not-contact list (of that channel)."""
    hashes = [way for one in ways if (way := hashed(settings.hash_key, "", one)) is not None]
    with database.read() as conn:
        return bool(hashes) and suppression_list.on_list(conn, hashes, channel)


def _as_sent(destination: Destination) -> Destination:
    """The destination with its drafts sent at once."""
    plan = destination.plan
    if plan is None:
        return destination
    routes = {name: replace(route, is_draft=False) for name, route in plan.routes.items()}
    return replace(destination, plan=Plan(plan.rules, routes))


def _judge_members(
    conn: Connection, name: str, destination: Destination, lot: int, at: int, verdicts: Verdicts
) -> None:
    inside = select(lot_deliveries.c.delivery).where(lot_deliveries.c.lot == lot)
    conditions = (_delivery.id.in_(inside), _delivery.destination == name, _delivery.state == DeliveryState.DELIVERED)
    before: Mapping[int, int] = {
        row.id: row.attempt for row in conn.execute(select(_delivery.id, _delivery.attempt).where(*conditions))
    }
    if not before:
        return
    attempt = attempts.start(
        conn, account=destination.account.name, destination=name, kind=Kind.SEND, worker="lots", now=at, timeout_ms=1000
    )
    conn.execute(update(deliveries).where(*conditions).values(state=DeliveryState.SENDING, attempt=attempt.id))
    _keep_rows(conn, destination, attempt.id, before, at, verdicts)
    for guard in GUARDS:
        if guard.option in NOT_ASKED:
            continue
        with conn.begin_nested() as savepoint:
            guard.apply(Members(conn, destination, attempt.id, Kind.SEND, at))
            columns = (
                _delivery.id,
                _delivery.state,
                _delivery.due_at,
                _delivery.reason_code,
                _delivery.reason_facts,
                _delivery.reason,
            )
            kept_back = conn.execute(
                select(*columns).where(_delivery.id.in_(before), _delivery.state != DeliveryState.SENDING)
            ).all()
            savepoint.rollback()
        verdicts.exclusions += [
            Exclusion(
                row.id, guard.option, str(reasons.of(row)), row.due_at if row.state == DeliveryState.PENDING else None
            )
            for row in kept_back
        ]


def _keep_rows(
    conn: Connection, destination: Destination, attempt: int, before: Mapping[int, int], at: int, verdicts: Verdicts
) -> None:
    people = people_of(Members(conn, destination, attempt, Kind.SEND, at))
    if people is None:
        return
    for cohort in people.left:
        for attempt_before in {before[member.id] for member in cohort.members}:
            some = [member for member in cohort.members if before[member.id] == attempt_before]
            verdicts.rows.append(replace(ledger_rows(people, cohort, some, begins=True), attempt=attempt_before))
