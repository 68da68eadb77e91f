"""Checks of a call against the documents before it is made, for use of the API classes by themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from connector.core.errors import ConnectorError

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class WrongCall(ConnectorError):  # noqa: N818 - a verdict on the call
    """The call is not as the vendor documents it. Nothing was sent."""


def at_most(number: int, most: int, what: str) -> None:
    """Raises `WrongCall` beyond the documented number in one call."""
    if number > most:
        raise WrongCall(f"{number:,} {what} in one call, where at most {most:,} are allowed: split them")


def exactly_one(params: Mapping[str, Any], names: str) -> None:
    """Raises `WrongCall` unless one of these was given."""
    if len(params) != 1:
        raise WrongCall(f"give exactly one of {names}")


def at_least_one(params: Mapping[str, Any], names: str) -> None:
    """Raises `WrongCall` if none of these is given."""
    if not params:
        raise WrongCall(f"give one of {names}")


def a_day(text: str, name: str) -> None:
    """Raises `WrongCall` if it is not a day as YYYY-MM-DD."""
    try:
        is_day = bool(_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        is_day = False
    if not is_day:
        raise WrongCall(f"{name} must be a day as YYYY-MM-DD")
