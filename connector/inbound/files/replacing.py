"""Corrected rows: a file written by `connector imports show N --csv` names the events that its rows replace."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from connector.inbound.files.columns import title_key

REPLACES: Final = "replaces"  #: the title of the column that names an event: "e45"
#: Columns about the earlier rows. None of them is imported.
TOLD: Final = ("was_line", "was_state", "was_why")
_EVENT: Final = re.compile(r"e(\d{1,18})")


class Corrected:
    """Reads the column that names events, if a table has one, and hides it and its companions from the mapping."""

    def __init__(self, titles: Sequence[str]) -> None:
        keys = [title_key(title) for title in titles]
        self._at = keys.index(REPLACES) if REPLACES in keys else -1
        self._hidden = {at for at, key in enumerate(keys) if key in (REPLACES, *TOLD)} if self._at >= 0 else set()

    @property
    def is_marked(self) -> bool:
        return self._at >= 0

    def event(self, cells: Sequence[Any]) -> int | None:
        """The event that a row replaces; None if it names none."""
        text = str(cells[self._at]).strip() if 0 <= self._at < len(cells) else ""
        found = _EVENT.fullmatch(text)
        return int(found[1]) if found else None

    def cells(self, cells: Sequence[Any]) -> Sequence[Any]:
        """The cells of the row for its mapping."""
        if not self._hidden:
            return cells
        return ["" if at in self._hidden else cell for at, cell in enumerate(cells)]

    def aside(self, titles: Sequence[str]) -> list[str]:
        """Titles without the hidden ones."""
        return [one for one in titles if not self.is_marked or title_key(one) not in (REPLACES, *TOLD)]
