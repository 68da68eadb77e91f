"""One bad row harms no other: what the database refuses is found by halving, and kept as invalid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.exc import DataError, IntegrityError, StatementError

from connector.core.errors import StoreUnavailable
from connector.core.log import get
from connector.store import inbox
from connector.store.arrivals import Arrival, Stored

log = get("inbox")

#: Faults of an arrival, not of the database.
ITS_OWN_FAULT: Final = (IntegrityError, DataError, StatementError, TypeError, ValueError, OverflowError)

Store = Callable[[Sequence[Arrival]], Sequence[Stored]]  #: stores all of them in one transaction, or none


def store_apart(store: Store, arrivals: Sequence[Arrival]) -> list[Stored]:
    """Stores all of them, in their order, in as few transactions as the bad ones among them allow.

    Raises `StoreUnavailable` if one cannot even be kept as invalid, and what ``store`` raises that is no fault of an
    arrival.
    """
    try:
        return list(store(arrivals))
    except ITS_OWN_FAULT as fault:
        if len(arrivals) == 1:
            return _as_invalid(store, arrivals[0], fault)
    half = len(arrivals) // 2
    return store_apart(store, arrivals[:half]) + store_apart(store, arrivals[half:])


def _as_invalid(store: Store, arrival: Arrival, fault: Exception) -> list[Stored]:
    log.error("an event is kept as invalid, as it cannot be stored", fault=type(fault).__name__)
    try:
        return list(store([inbox.unstorable(arrival)]))
    except ITS_OWN_FAULT as again:
        raise StoreUnavailable(f"an event could not even be kept as invalid ({type(again).__name__})") from again
