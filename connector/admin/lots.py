"""The draft lots as this database knows them, without asking the vendor."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select

from connector.core.times import iso
from connector.store.database import Database
from connector.store.tables import lot_deliveries, lots

LISTED: Final = 100


def lots_known(database: Database) -> list[dict[str, Any]]:
    """The latest first, with how many of our deliveries each holds."""
    query = select(lots).order_by(lots.c.changed_at.desc(), lots.c.id.desc()).limit(LISTED)
    with database.read() as conn:
        rows = conn.execute(query).all()
        condition = lot_deliveries.c.lot.in_([row.id for row in rows])
        counts = select(lot_deliveries.c.lot, func.count()).where(condition).group_by(lot_deliveries.c.lot)
        ours = {row[0]: row[1] for row in conn.execute(counts)}
    return [
        {
            "account": row.account,
            "campaign": row.campaign,
            "lot": row.code,
            "state": row.state,
            "ours": ours.get(row.id, 0),
            "changed_at": iso(row.changed_at),
            "asked": row.asked,
            "fires_at": iso(row.fires_at),
        }
        for row in rows
    ]
