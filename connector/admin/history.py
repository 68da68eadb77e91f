"""The acts of people, page by page, the latest first."""

from __future__ import annotations

from typing import Any

from connector.admin.acts import as_json
from connector.store import acts
from connector.store.database import Database


def acts_of(database: Database, who: str, before: int | None, most: int) -> dict[str, Any]:
    """``{"acts": […], "older": row before which the next page begins, None at the end}``. ``who`` "": everybody."""
    with database.read() as conn:
        rows = acts.page(conn, who, before, most + 1)
    shown = [as_json(row) for row in rows[:most]]
    return {"acts": shown, "older": rows[most - 1].id if len(rows) > most else None}
