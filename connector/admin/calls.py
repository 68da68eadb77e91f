"""One call to a vendor: what it was, what was answered, which deliveries it took, what was asked about it later."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, and_, literal, or_, select

from connector.admin.explain import attempt_shown
from connector.admin.identifiers import NotThere
from connector.admin.scene import Scene
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.core.states import Kind
from connector.store import attempt_list
from connector.store.database import Database, now_ms
from connector.store.tables import IN_HAND, attempts, deliveries

NEAR: Final = 10_000  #: rows on either side of a known member in which others are looked for
MEMBERS_SHOWN: Final = 50
LATEST: Final = 20  #: calls of an account

_attempts = attempts.c
_delivery = deliveries.c


def call(database: Database, settings: Settings, number: int, *, near: int | None = None) -> dict[str, Any]:
    """The call a45. ``near``: a delivery that it took, where its others are looked for.

    No index leads from a call to its settled members: those that are still in its hand are known, others are looked for
    among rows of the same time. Raises `NotThere`, `StoreUnavailable`.
    """
    with database.read() as conn:
        row = conn.execute(select(attempts).where(_attempts.id == number)).first()
        if row is None:
            raise NotThere(phrase("There is no such call here."))
        scene = Scene(conn, settings, now_ms(conn), show_record=False)
        probes = select(attempts).where(_attempts.about == number, _attempts.kind == Kind.PROBE)
        members = _members(conn, number, near if near is not None else _last_before(conn, row.started_at))
        return {
            **attempt_shown(scene, row),
            "account": row.account,
            "destination": row.destination,
            "about": f"a{row.about}" if row.about is not None and row.kind == Kind.PROBE else None,
            "probes": [attempt_shown(scene, one) for one in conn.execute(probes.order_by(_attempts.id))],
            "members": [{"delivery": f"d{one.id}", "event": f"e{one.event}", "state": one.state} for one in members],
        }


def latest(database: Database, settings: Settings, account: str) -> list[dict[str, Any]]:
    """The account's last calls, the latest first."""
    with database.read() as conn:
        scene = Scene(conn, settings, now_ms(conn), show_record=False)
        query = select(attempts).where(_attempts.account == account, _attempts.ended_at.is_not(None))
        rows = conn.execute(query.order_by(_attempts.ended_at.desc()).limit(LATEST)).all()
        return [attempt_shown(scene, row) for row in rows]


def _members(conn: Connection, number: int, near: int | None) -> list[Any]:
    took = or_(_delivery.attempt == number, attempt_list.lists(_delivery.attempts, literal(number)))
    found = select(_delivery.id, _delivery.event, _delivery.state)
    in_hand = found.where(IN_HAND, _delivery.attempt == number).order_by(_delivery.id).limit(MEMBERS_SHOWN)
    rows = {row.id: row for row in conn.execute(in_hand)}
    if near is not None:
        around = and_(_delivery.id >= near - NEAR, _delivery.id <= near + NEAR)
        some = found.where(around, took).order_by(_delivery.id).limit(MEMBERS_SHOWN)
        rows |= {row.id: row for row in conn.execute(some)}
    return [rows[number] for number in sorted(rows)][:MEMBERS_SHOWN]


def _last_before(conn: Connection, when: int) -> int | None:
    """The last delivery that was made before a time: ids follow time, so a binary search finds it."""
    nearest = select(_delivery.id, _delivery.created_at).order_by(_delivery.id.desc()).limit(1)
    last = conn.execute(nearest).first()
    first = conn.execute(select(_delivery.id).order_by(_delivery.id).limit(1)).scalar()
    if last is None or first is None:
        return None
    low, high = int(first), int(last.id)
    while low < high:
        middle = (low + high + 1) // 2
        row = conn.execute(nearest.where(_delivery.id <= middle)).first()
        if row is not None and row.created_at <= when:
            low = middle
        else:
            high = middle - 1
    return low
