"""Conditions of routes on the content of events: ``when = { "extra.program" = ["MBA", "Derecho"], city = "Bogotá" }``.

Texts are compared without case, accents and surrounding blanks, as people write them. A path that leads to a list meets
its condition by any of its elements.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from connector.core.phrases import phrase, with_and
from connector.core.settings import Condition, Limit, Route
from mappings.base import lookup
from mappings.events import Event
from mappings.normalisation import nfkd

_YES: Final = frozenset({"true", "1", "yes", "y", "si", "s", "sim", "on", "x", "verdadero", "verdadeiro"})
_NO: Final = frozenset({"false", "0", "no", "n", "nao", "off", "falso"})
_LONGEST: Final = 200  #: characters of a value that a message shows


def plain(text: str) -> str:
    """A text as it is compared: no case, no accents, single blanks."""
    letters = nfkd(text.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


@dataclass(frozen=True, slots=True)
class Prepared:
    """One condition, prepared for many evaluations."""

    condition: Condition
    holds: Callable[[Sequence[Any]], bool]  #: given all values that the path leads to: none, one or several

    def fault(self, event: Event) -> str:
        """Why it does not hold for an event; "" when it does."""
        values = _each(lookup(event, self.condition.path))
        if self.holds(values):
            return ""
        shown = with_and(f"“{str(one)[:_LONGEST]}”" for one in values[:3])
        facts = {"path": self.condition.path, "must": self.condition.in_words(), "shown": shown}
        return phrase("{path} is {shown}, and must {must}" if shown else "{path} is empty, and must {must}", **facts)


def prepared(route: Route, zone: tzinfo) -> tuple[Prepared, ...]:
    """A route's conditions, all of which must hold; moments without a zone are in this one."""
    return tuple(Prepared(condition, _test(condition, zone)) for condition in route.when)


def _each(found: Any) -> Sequence[Any]:
    if found is None:
        return ()
    return found if isinstance(found, list) else (found,)


def _test(condition: Condition, zone: tzinfo) -> Callable[[Sequence[Any]], bool]:
    tests = list(_tests(condition, zone))

    def holds(values: Sequence[Any]) -> bool:
        return all(test(values) for test in tests)

    return holds


def _tests(condition: Condition, zone: tzinfo) -> Iterable[Callable[[Sequence[Any]], bool]]:
    if condition.exists is not None:
        yield lambda values: bool(values) is condition.exists
    if condition.among:
        among = [_equal_to(one) for one in condition.among]
        yield lambda values: any(same(value) for value in values for same in among)
    if condition.unlike:
        others = [_equal_to(one) for one in condition.unlike]
        yield lambda values: not any(same(value) for value in values for same in others)
    if condition.like:
        patterns = [re.compile(fnmatch.translate(plain(one).replace("[", "[[]"))) for one in condition.like]
        yield lambda values: any(one.match(_text(value)) for value in values for one in patterns)
    if condition.start is not None or condition.end is not None:
        yield lambda values: any(_within(value, condition.start, condition.end, zone) for value in values)


def _text(value: Any) -> str:
    return plain("true" if value is True else "false" if value is False else str(value))


def _equal_to(operand: str | float | bool) -> Callable[[Any], bool]:
    if isinstance(operand, bool):
        words = _YES if operand else _NO
        return lambda value: _text(value) in words
    if isinstance(operand, int | float):
        return lambda value: _number(value) == operand
    text = plain(operand)
    return lambda value: _text(value) == text


def _number(value: Any) -> float | None:
    """A number, also as people write it: "7", "7,5"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    text = str(value).strip()
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None


def _within(value: Any, start: Limit | None, end: Limit | None, zone: tzinfo) -> bool:
    by_time = isinstance(start if start is not None else end, datetime)
    found: Any = _time(value, zone) if by_time else _number(value)
    if found is None:
        return False
    return (start is None or start <= found) and (end is None or found <= end)


def _time(value: Any, zone: tzinfo) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=zone)
