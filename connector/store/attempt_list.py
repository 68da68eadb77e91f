"""The calls that a row was a member of, as one text: ",12,45", the oldest first; see docs/adr/0007.

A claim appends to it in the same statement that takes the delivery.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BindParameter, ColumnElement, Text, func, literal

NONE: Final = ""  #: of a row that no call was made for


def of(*attempts: int) -> str:
    """The text of these calls."""
    return "".join(f",{one}" for one in attempts)


def numbers(text: str | None) -> list[int]:
    """The calls of a text, the oldest first."""
    return [int(one) for one in (text or NONE).split(",") if one]


def appended(column: ColumnElement[str], attempt: int) -> ColumnElement[str]:
    """The column's list with one call more."""
    return column + of(attempt)


def without_last(column: ColumnElement[str], length: int | BindParameter[int]) -> ColumnElement[str]:
    """The column's list without its last call. ``length``: of that call's own text, see `length_of`."""
    return func.substr(column, 1, func.length(column) - length)


def length_of(attempt: int) -> int:
    """Characters that a call takes in a list."""
    return len(of(attempt))


def holds_others(column: ColumnElement[str], attempt: int) -> ColumnElement[bool]:
    """Whether there are other calls than this one in the list."""
    return column != of(attempt)


def lists(column: ColumnElement[str], attempt: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a row of the log is in the column's list."""
    whole = literal(",").concat(attempt.cast(Text)).concat(",")
    return literal(",").concat(column).concat(",").contains(whole)
