"""The mark of a delivery that a person asked to be erased while a call had it in hand; see docs/adr/0014.

It stands in `expires_at`: a moment that is over by any clock, so that the condition that every claim asks anyway ends
the delivery, should it come back from its call.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, case, or_

from connector.store.tables import deliveries

_MARK: Final = 0
_expires_at: Final = deliveries.c.expires_at

#: Whether a delivery has the mark.
MARKED: Final[ColumnElement[bool]] = _expires_at == _MARK
#: The values that give it the mark.
MARK: Final[dict[str, Any]] = {"expires_at": _MARK}


def is_marked(expires_at: int) -> bool:
    """The same of a row that was read."""
    return expires_at == _MARK


def no_sooner(when: int) -> ColumnElement[int]:
    """`expires_at` put off until then; what has the mark keeps it. ``when``: unix ms."""
    return case((or_(_expires_at > when, MARKED), _expires_at), else_=when)
