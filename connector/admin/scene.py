"""One consistent snapshot of the database, for one question of an operator."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from connector.core import masking
from connector.core.phrases import mapped
from connector.core.reasons import Reason
from connector.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Scene:
    """One consistent snapshot of the database, for one question."""

    conn: Connection
    settings: Settings
    now: int
    show_record: bool

    def words(self, text: str | None, status: int | None = None) -> str:
        """A text as it may be shown: a vendor's where a status came with it, else ours. Whole with the record."""
        if not text or self.show_record:
            return text or ""
        return mapped(text, masking.of_ours) if status is None else masking.of_others(text)

    def reason(self, reason: Reason | None) -> str:
        return str(reason or "") if self.show_record else masking.reason(reason)
