"""The result of every file reader: rows, and their positions in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One payload of a file: its JSON; with a ``fault``, the bytes as they stand."""

    line: int  #: where it begins, from 1
    raw: bytes
    content_type: str = "application/json"
    fault: str = ""
    replaces: int | None = None  #: the event that it replaces, as a corrected row


@dataclass(slots=True)
class Understanding:
    """How the columns of a table are read, for a person to agree with."""

    read: list[tuple[str, str]] = field(default_factory=list)  #: our field, and the title of its column
    aside: list[str] = field(default_factory=list)  #: titles that are kept in extra only
    place: str = ""  #: the line of the titles, and the sheet


class Reading(Protocol):
    """How a file of some kind is read."""

    @property
    def separator(self) -> str:
        """CSV: the separator of cells; "" otherwise."""

    @property
    def understanding(self) -> Understanding | None:
        """None for payloads: they name their own fields."""

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings for the person who imports."""

    def __iter__(self) -> Iterator[Row]:
        """Its rows. Raises `ConnectorError` where it cannot go on."""
