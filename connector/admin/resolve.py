"""Resolves uncertain deliveries by an operator's word: each landed, or did not and is sent again."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import and_, select, update

from connector.admin.acts import By
from connector.admin.identifiers import NotThere
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.reasons import Code, Reason
from connector.core.settings import Settings
from connector.core.states import DeliveryState, state_word
from connector.store import acts, chains, contacts, outbox, reasons, to_erase
from connector.store.acts import What
from connector.store.database import Database, announce, now_ms
from connector.store.tables import IS_UNCERTAIN, deliveries

_deliveries = deliveries.c

LANDED: Final = Reason(Code.RESOLVED_LANDED)
NOT_LANDED: Final = Reason(Code.RESOLVED_ABSENT)


def resolve(settings: Settings, database: Database, number: int, by: By, *, landed: bool) -> bool:
    """Settles one uncertain delivery as the operator says. Raises `ConnectorError` if it is not uncertain."""
    with database.read() as conn:
        row = conn.execute(
            select(_deliveries.id, _deliveries.state, _deliveries.account).where(_deliveries.id == number)
        ).first()
    if row is None:
        raise NotThere(
            phrase("there is no delivery d{number}: `connector deliveries --state uncertain` lists them", number=number)
        )
    if not _resolve(settings, database, row.account, _deliveries.id == number, by, landed=landed):
        raise ConnectorError(
            phrase(
                "d{number} is {state}: only what is uncertain can be resolved",
                number=number,
                state=state_word(row.state),
            )
        )
    return True


def resolve_attempt(settings: Settings, database: Database, attempt: int, by: By, *, landed: bool) -> int:
    """All uncertain deliveries of one call. Returns how many."""
    with database.read() as conn:
        mine = and_(IS_UNCERTAIN, _deliveries.attempt == attempt)
        account = conn.execute(select(_deliveries.account).where(mine).limit(1)).scalar()
    if account is None:
        raise ConnectorError(
            phrase(
                "nothing of attempt a{attempt} is uncertain: `connector deliveries --state uncertain`", attempt=attempt
            )
        )
    return _resolve(settings, database, account, _deliveries.attempt == attempt, by, landed=landed)


def _resolve(settings: Settings, database: Database, account: str, which: Any, by: By, *, landed: bool) -> int:
    with database.write(serialise=account) as conn:
        now = now_ms(conn)
        values: dict[str, Any] = {"state": DeliveryState.DELIVERED, **reasons.columns(LANDED), "updated_at": now}
        if not landed:
            longest_s = max(
                (route.expires_after_s for route in settings.routes if route.account == account), default=86400
            )
            fresh = now + int(longest_s * 1000)
            values = outbox.again_values(NOT_LANDED, now) | {"expires_at": to_erase.no_sooner(fresh)}
        changed = update(deliveries).where(which, _deliveries.state == DeliveryState.UNCERTAIN).values(values)
        rows = conn.execute(changed.returning(_deliveries.id, _deliveries.attempt)).all()
        settled = [row.id for row in rows]
        for attempt in {row.attempt for row in rows if not landed}:
            contacts.free(conn, [row.id for row in rows if row.attempt == attempt], attempt, now)
        what = What.LANDED if landed else What.NOT_LANDED
        acts.append(conn, [by.act(what, delivery=number) for number in settled], now)
        chains.wake(conn, settled, settings.followers, now)
        announce(conn)
        return len(settled)
