"""Codes of areas and countries, each in the column before its phone: DDD 1, Telefone 1, DDD 2, Telefone 2.

Where a table has one such column only, it is kept in extra, and the reader of phones heeds it for every phone of the
row. Where it has several, a code cannot be assigned to its phone later: here each is joined to its phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mappings.phones.countries import calling_code
from mappings.phones.hints import kind_of_name

_CODES: Final = ("area", "either", "code")
_NUMBER: Final = re.compile(r"[\W_]*\d+[\W_]*")
_MOST: Final = 2  #: columns of one phone: of its country, and of its area
_WITHOUT_AREA: Final = 9  #: digits that a number without its area code has at most: Brazil's mobiles
_NO_DIGITS: Final = re.compile(r"\D+")

#: Of one phone: the columns of its codes and their kinds, the nearest first.
Codes = tuple[tuple[int, str], ...]


def codes_before(titles: Sequence[str], phones: Sequence[int]) -> Mapping[int, Codes]:
    """Column of a phone -> the columns of its codes; {} where one column says it for all phones."""
    kinds = [_kind(title) for title in titles]
    numbered = any(kind and _NUMBER.search(title) for kind, title in zip(kinds, titles, strict=True))
    if not numbered and all(kinds.count(kind) < _MOST for kind in _CODES):
        return {}
    return {index: found for index in phones if (found := _left_of(index, kinds))}


def _kind(title: str) -> str:
    found = kind_of_name(title) or kind_of_name(_NUMBER.sub(" ", title).strip())
    return found if found in _CODES else ""


def _left_of(index: int, kinds: Sequence[str]) -> Codes:
    found: list[tuple[int, str]] = []
    for at in range(index - 1, max(index - 1 - _MOST, -1), -1):
        if not kinds[at] or kinds[at] in [kind for _, kind in found]:
            break
        found.append((at, kinds[at]))
    return tuple(found)


def with_codes(phone: str, cells: Sequence[Any], codes: Codes) -> str:
    """A phone behind its codes, as it would be written in one column; as it is where it has them itself."""
    for index, kind in codes:
        value = str(cells[index]).strip() if index < len(cells) else ""
        if not value or phone.lstrip(" '(").startswith(("+", "00")):
            continue
        if kind == "code" or value.startswith("+"):
            code = calling_code(value)
            phone = f"+{code} {phone}" if code else phone
        elif len(_NO_DIGITS.sub("", phone)) <= _WITHOUT_AREA and (area := _NO_DIGITS.sub("", value)):
            phone = f"{area} {phone}"
    return phone
