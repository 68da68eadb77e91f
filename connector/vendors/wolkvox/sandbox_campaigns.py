"""The data of wolkvox: predictive campaigns and their rows, indexed by phone and customer_id. No HTTP, no locks."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from connector.vendors.wolkvox.sandbox_rows import EMPTY, PHONES

#: The numbers of the real-time report that the sandbox does not simulate.
_STILL: Mapping[str, str] = dict.fromkeys(
    (
        *("dial", "answer", "no_answer", "busy/congestion/failed", "answer_machine"),
        *("penetration_day", "penetration_now", "hits", "calls_x_min", "recycled"),
    ),
    "0",
)


@dataclass(slots=True)
class Campaign:
    """A predictive campaign. Rows are kept as compact JSON without their empty fields; all texts are as they came."""

    id: str
    name: str
    status: str = "started"
    packed: bytearray = field(default_factory=bytearray)  #: one text: an object a row costs four times as much
    ends: array[int] = field(default_factory=lambda: array("Q"))  #: where each row ends in `packed`
    arrived: array[float] = field(default_factory=lambda: array("d"))  #: unix seconds, for each row
    visible_at: array[float] = field(default_factory=lambda: array("d"))  #: ascending but for changed delays
    by_id: dict[str, int] = field(default_factory=dict)  #: customer_id -> its first row
    by_phone: dict[str, int] = field(default_factory=dict)  #: any phone of a row -> its first row
    repeated_ids: dict[str, list[int]] = field(default_factory=dict)  #: customer_id -> its further rows
    repeated_phones: dict[str, list[int]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forgets every row."""
        for store in (self.by_id, self.by_phone, self.repeated_ids, self.repeated_phones):
            store.clear()
        del self.packed[:], self.ends[:], self.arrived[:], self.visible_at[:]

    def add(self, rows: list[dict[str, str]], *, arrived: float, visible_at: float, keep: bool) -> None:
        """Appends compact rows; without ``keep`` only their customer_ids stay."""
        start = len(self.arrived)
        self.arrived.extend([arrived] * len(rows))
        self.visible_at.extend([visible_at] * len(rows))
        for place, row in enumerate(rows, start):
            _index(self.by_id, self.repeated_ids, row.get("customer_id", ""), place)
            for phone in {row[name] for name in PHONES if name in row} if keep else ():
                _index(self.by_phone, self.repeated_phones, phone, place)
            self.packed += orjson.dumps(row if keep else {"customer_id": row.get("customer_id", "")})
            self.ends.append(len(self.packed))

    def visible(self) -> int:
        """How many rows have taken effect."""
        return bisect_right(self.visible_at, time.time())

    def rows(self, places: range | list[int]) -> list[dict[str, Any]]:
        """The rows at these places, every field of them, with ``arrived_s``."""
        return [{**EMPTY, **self._row(n), "arrived_s": self.arrived[n]} for n in places]

    def _row(self, place: int) -> dict[str, str]:
        start = self.ends[place - 1] if place else 0
        row: dict[str, str] = orjson.loads(self.packed[start : self.ends[place]])
        return row

    def find(self, phone: str, customer_id: str) -> list[int]:
        """Places of the visible rows with the phone (in any column) and the customer_id, as far as they are given."""
        found = [_places(self.by_id, self.repeated_ids, customer_id)] if customer_id else []
        found += [_places(self.by_phone, self.repeated_phones, phone)] if phone else []
        return sorted(n for n in set.intersection(*found) if n < self.visible())

    def duplicates(self) -> dict[str, int]:
        """customer_id or first phone -> how many rows have it, where it is more than one."""
        found = {customer_id: 1 + len(places) for customer_id, places in self.repeated_ids.items()}
        for phone in self.repeated_phones:
            places = _places(self.by_phone, self.repeated_phones, phone)
            number = sum(self._row(n)["tel1"] == phone for n in places)
            if number > 1:
                found[phone] = max(number, found.get(phone, 0))
        return found


def _index(first: dict[str, int], repeated: dict[str, list[int]], value: str, place: int) -> None:
    """Two flat dicts instead of a list for each value: half the memory at a hundred thousand rows."""
    if value and first.setdefault(value, place) != place:
        repeated.setdefault(value, []).append(place)


def _places(first: dict[str, int], repeated: dict[str, list[int]], value: str) -> set[int]:
    return {first[value], *repeated.get(value, ())} if value in first else set()


def report(campaign: Campaign) -> dict[str, str]:
    """One campaign of the real-time report: every number is a text, the id stands inside ``campaign``."""
    return {
        "campaign": f"{campaign.id} - {campaign.name} - Strategy (TEL1 100%)",
        "speed": "1",
        "status": campaign.status,
        "skill_id": "1",
        "records": str(campaign.visible()),
        "clean": str(campaign.visible()),
        **_STILL,
    }
