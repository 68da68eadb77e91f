"""People who are called in a day, by the country of their numbers and by source. Queries only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from connector.core.times import DAY_MS
from connector.store.prepared import Prepared
from connector.store.tables import country_calls

_calls = country_calls.c

Called = tuple[str, str]  #: country, source


def used(conn: Connection, account: str, now: int) -> dict[Called, int]:
    """How many were called within a day."""
    rows = _USED.all(conn, {"of": account, "since": now - DAY_MS})
    return {(row.country, row.source): int(row.people) for row in rows}


_USED: Final = Prepared(
    select(_calls.country, _calls.source, func.sum(_calls.people).label("people"))
    .where(_calls.account == bindparam("of"), _calls.at > bindparam("since"))
    .group_by(_calls.country, _calls.source)
)


def count(conn: Connection, account: str, attempt: int, people: Mapping[Called, int], now: int) -> None:
    """A call is about to be made with them. What counts no more is forgotten."""
    same = {"account": account, "at": now, "attempt": attempt}
    rows = [
        {**same, "country": country, "source": source, "people": many} for (country, source), many in people.items()
    ]
    for row in rows:
        _COUNT.change(conn, row)
    _FORGET.change(conn, {"of": account, "until": now - DAY_MS})


_COUNT: Final = Prepared(insert(country_calls).values({one.name: bindparam(one.name) for one in _calls}))
_FORGET: Final = Prepared(
    delete(country_calls).where(_calls.account == bindparam("of"), _calls.at <= bindparam("until"))
)
