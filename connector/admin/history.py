"""The acts of people, page by page, the latest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.admin.acts import as_json
from connector.core.phrases import Phrase, phrase
from connector.store import acts
from connector.store.acts import Narrowed, What
from connector.store.database import Database, now_ms

#: What people do -> what it is called where one of them is chosen.
CALLED: Final[Mapping[What, Phrase]] = {
    What.REPLAY: phrase("sending again"),
    What.RESEND: phrase("sending a second time"),
    What.LANDED: phrase("resolving: it landed"),
    What.NOT_LANDED: phrase("resolving: it did not land"),
    What.PAUSE: phrase("pausing an account"),
    What.RESUME: phrase("resuming an account"),
    What.SUPPRESS: phrase("putting on the do-not-contact list"),
    What.UNSUPPRESS: phrase("taking off the do-not-contact list"),
    What.ERASE: phrase("forgetting a person"),
    What.PURGE: phrase("forgetting what is old"),
    What.FIRE: phrase("firing a lot"),
    What.DISCARD: phrase("discarding a lot"),
    What.REDRIVE: phrase("putting messages back into a queue"),
    What.IMPORT: phrase("importing a file"),
    What.BACKFILL: phrase("fetching the past"),
    What.REVEAL: phrase("looking at a person's data"),
    What.EXPORT: phrase("taking a list as a file"),
    What.EXPORT_ACTS: phrase("taking the history as a file"),
}


def acts_of(
    database: Database, wanted: Narrowed, before: int | None, most: int, *, within_ms: int = 0
) -> dict[str, Any]:
    """``{"acts": […], "older": row before which the next page begins, None at the end}``.

    ``within_ms``: those of that long before now. A page looks at 20,000 rows at most: it may be empty before the end.
    """
    with database.read() as conn:
        since = now_ms(conn) - within_ms if within_ms else 0
        narrowed = Narrowed(who=wanted.who, what=wanted.what, account=wanted.account, since=since)
        rows, floor = acts.page(conn, narrowed, before, most + 1)
    shown = [as_json(row) for row in rows[:most]]
    older = rows[most - 1].id if len(rows) > most else floor or None
    return {"acts": shown, "older": older}
