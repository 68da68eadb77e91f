"""How many deliveries are unsettled, by destination.

What waits and what was refused is counted along indexes; of a million entries that takes up to a second of a database's
time. So a count of very many is used again for a while, which is the longer the longer it took: it then costs a
twentieth of a core at most.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Select, func, select

from connector.core.states import DeliveryState, words
from connector.store.lanes import ASIDE_LANES, CEILING_LANES, CHECKED, LIMITED_LANES, PARKED_LANES
from connector.store.tables import IN_HAND, IS_DEAD, IS_PENDING, deliveries

#: The counts of each destination.
UNSETTLED: Final = words(DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCERTAIN, DeliveryState.DEAD)
MANY: Final = 50_000  #: deliveries of a count; fewer are counted every time
REST: Final = 19.0  #: a count of many is used so many times as long as it took
LONGEST_REST_S: Final = 30.0

Counts = dict[str, dict[str, Any]]  #: destination -> {"pending": n, …, "oldest_id": id of the oldest pending one}

_delivery = deliveries.c
_clock = time.monotonic
_place = (_delivery.destination, _delivery.lane)
_end = (_delivery.destination, _delivery.state)
# In the order of the index, and of its columns alone: it is read from end to end, and nothing else.
_WAITING: Final = select(func.count(), *_place, func.min(_delivery.id)).where(IS_PENDING).group_by(*_place)
_ENDED: Final = select(func.count(), *_end).where(IS_DEAD).group_by(*_end)
_HELD: Final = select(func.count(), *_end).where(IN_HAND).group_by(*_end)
#: Database -> query -> its rows, and until when (monotonic) they are used again.
_known: WeakKeyDictionary[Engine, dict[Select[Any], tuple[Sequence[Any], float]]] = WeakKeyDictionary()


def counts(conn: Connection) -> Counts:
    """The counts; where they are of very many, those of some seconds ago."""
    counted = (*UNSETTLED, "parked", "unasked", "aside")
    found: Counts = defaultdict(lambda: dict.fromkeys(counted, 0) | {"lanes": []})
    kinds = {"parked": PARKED_LANES, "unasked": tuple(CHECKED), "aside": (*ASIDE_LANES, *LIMITED_LANES, *CEILING_LANES)}
    for number, name, lane, oldest in _rows(conn, _WAITING):
        known = found[name]
        known[DeliveryState.PENDING.value] += number
        known["oldest_id"] = min(oldest, known.get("oldest_id", oldest))
        known["lanes"].append(lane)
        for kind, lanes in kinds.items():
            known[kind] += number if lane in lanes else 0
    for query in (_HELD, _ENDED):
        for number, name, state in _rows(conn, query):
            found[name][state] = number
    return found


def _rows(conn: Connection, query: Select[Any]) -> Sequence[Any]:
    """The rows of a count, of which the first column is how many."""
    known = _known.setdefault(conn.engine, {})
    rows, until = known.get(query, ((), 0.0))
    begun = _clock()
    if begun < until:
        return rows
    rows = conn.execute(query).all()
    if sum(row[0] for row in rows) > MANY:
        took_s = _clock() - begun
        known[query] = rows, begun + took_s + min(LONGEST_REST_S, REST * took_s)
    else:
        known.pop(query, None)
    return rows
