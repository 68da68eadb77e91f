"""Numbers in vendors' answers, which may be texts."""

from __future__ import annotations

import re
from typing import Any, Final

_FIGURE: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_BEYOND: Final = 2.0**53  #: from here on a float has lost digits; "inf" and "nan" are not numbers either


def figure_of(value: Any) -> float | None:
    """45.5, "45.5", "45,5" or "45,5%" as a number; None otherwise."""
    if isinstance(value, str):
        text = value.strip().removesuffix("%").strip().replace(",", ".")
        value = float(text) if _FIGURE.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_BEYOND < value < _BEYOND else None


def number_of(value: Any) -> int | None:
    """1, 1.0, "1" or " 1 " as a whole number; None otherwise, also for " "."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    figure = figure_of(value)
    return int(figure) if figure is not None and figure == int(figure) else None


def count_of(value: Any) -> int | None:
    """1, "1" or " 1 " as a number of 0 or more; None otherwise: counts must not be guessed."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
