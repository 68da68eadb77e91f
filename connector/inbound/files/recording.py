"""The record of an import: name, user, time, column readings, and the fate of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector.inbound.files.rows import Understanding
from connector.store import imports
from connector.store.database import Database, now_ms
from connector.store.imports import ImportedRow

AT_ONCE: Final = 500  #: rows in one statement


class Upload:
    """A running import."""

    def __init__(self, database: Database, number: int, source: str) -> None:
        self.number: Final = number
        self._database = database
        self._source = source

    @classmethod
    def begin(
        cls, database: Database, *, kind: str, source: str, name: str, who: str, known: Understanding | None
    ) -> Upload:
        """Stores the import. Raises `StoreUnavailable`."""
        titles = [] if known is None else [*known.read, *(("", title) for title in known.aside)]
        with database.write() as conn:
            number = imports.begin(conn, kind=kind, source=source, name=name, who=who, titles=titles, now=now_ms(conn))
        return cls(database, number, source)

    def keep(self, rows: Sequence[ImportedRow]) -> None:
        """Stores the fates of some rows."""
        for at in range(0, len(rows), AT_ONCE):
            with self._database.write() as conn:
                imports.add_rows(conn, self.number, self._source, rows[at : at + AT_ONCE])

    def end(self, counts: Mapping[str, Any], *, whole: bool) -> None:
        """``whole``: the file was read to its end."""
        with self._database.write() as conn:
            imports.finish(conn, self.number, counts, now_ms(conn), whole=whole)

    def refuse(self, event: int) -> str:
        """Why a corrected row may not replace this event; "" if it may."""
        with self._database.read() as conn:
            return imports.may_replace(conn, self._source, event)

    def replace(self, some: Sequence[tuple[int, str]]) -> None:
        """Ends the unsent deliveries of these events, before the rows that replace them are stored: (event, new id)."""
        with self._database.write() as conn:
            now = now_ms(conn)
            for event, key in some:
                imports.end_replaced(conn, event, key, now)
