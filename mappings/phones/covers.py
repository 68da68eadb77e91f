"""Which numbers the digit groups of one chunk are: one, several that cover all of it, or none if ambiguous."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mappings.base import Locale
from mappings.phones.countries import code_of_region
from mappings.phones.hints import NO_HINTS, Hints
from mappings.phones.plan import (
    is_code,
    read_abroad,
    read_as_dialled,
    read_costly,
    read_home,
    read_international,
    read_plainly,
)
from mappings.phones.result import Number
from mappings.phones.runs import Group

_HARD: Final = re.compile(r"[,;|:&=*#\"!?~•\\<>\[\]{}]")  #: never inside a number
#: Inside a number, or between two; the first of these that is there parts them.
_MEDIUM: Final = tuple(map(re.compile, (r"\n|\s[/._·]\s|\s-+\s", "/", r"\(", r"\)")))
_MOST_GROUPS: Final = 80  #: in one chunk; nobody writes more
_MOST_AT_ONCE: Final = 7  #: groups of one number: +54 9 11 15 23 45 67 89 has more, but is read whole
_SHORTEST, _LONGEST = 7, 16  #: digits of one number among several
_AREA: Final = 5  #: digits that may stand before a slash inside a number: 0412/1234567
_LEAST_AFTER_AREA: Final = 6  #: digits behind such a slash
_REST: Final = 4  #: digits of an extension without its word
_LABEL: Final = 2  #: digits that may number the word before them: Tel 1, Celular 2
_PART: Final = 4  #: digits of one part of a number
_RUN: Final = 8  #: digits written in one piece that are a number without doubt if they are one


@dataclass(frozen=True, slots=True)
class Cover:
    """The numbers, and the groups that belong to none."""

    numbers: tuple[Number, ...] = ()
    refused: tuple[tuple[Group, ...], ...] = ()  #: parts long enough to be meant as numbers
    passed: bool = False  #: a short part was passed over


class Reader:
    """Reads the chunks of one text."""

    def __init__(
        self, locale: Locale, hints: Hints = NO_HINTS, *, blank_before: bool = False, labelled: bool = False
    ) -> None:
        self._locale = locale
        self._hints = hints
        self._blank_before = blank_before
        self._labelled = labelled  #: a word stands before the chunk

    def cover(self, groups: Sequence[Group]) -> Cover:
        """The numbers of a chunk."""
        groups = tuple(groups)
        if len(groups) > _MOST_GROUPS:
            return Cover(refused=(groups,))
        if number := self._whole(groups):
            return Cover((number,))
        if len(groups) > 1 and (several := self._several(groups)):
            return Cover(several)
        if (abroad := self._loose(groups)) and not self._counts(groups):
            return Cover((abroad,))
        if costly := self._costly(groups):
            return Cover((costly,))
        return self._apart(groups)

    def _whole(self, groups: tuple[Group, ...]) -> Number | None:
        """The one number that all groups make, as home and international numbers are written."""
        if not _joinable(groups) or _has_rest(groups, self._locale):
            return None
        return self._with_hints(groups) if self._hints.prefixes and not groups[0].plus else self._strict(groups)

    def _with_hints(self, groups: tuple[Group, ...]) -> Number | None:
        """With the area code, or a possible country code, of a field beside it; None if that is ambiguous."""
        digits = "".join([group.digits for group in groups])
        if self._hints.area and (found := read_plainly(digits, self._locale.region)):
            return replace(found, written=digits)
        found = read_home(digits, self._locale)
        if self._hints.area:
            found = read_home(self._hints.area + digits, self._locale) or found
        elif self._hints.either:
            ways = [
                found,
                read_home(self._hints.either + digits, self._locale),
                read_international(self._hints.either + digits, self._locale) if is_code(self._hints.either) else None,
            ]
            several = {way.phone: way for way in ways if way}
            found = next(iter(several.values())) if len(several) == 1 else None
        return replace(found, written=digits) if found else None

    def _strict(self, groups: tuple[Group, ...]) -> Number | None:
        digits = "".join([group.digits for group in groups])
        if groups[0].plus or groups[0].international:
            found = read_international(digits, self._locale)
            if found is None and (groups[0].international or _is_sign_between(groups[0])):
                found = read_home(digits, self._locale)
        else:
            found = read_home(digits, self._locale)
        if found and _is_cut(groups) and found.region == "BR":
            return None
        return replace(found, written=digits) if found else None

    def _loose(self, groups: tuple[Group, ...]) -> Number | None:
        if groups[0].plus or not _joinable(groups):
            return None
        digits = "".join([group.digits for group in groups])
        lengths = tuple(len(group.digits) for group in groups)
        found = read_abroad(digits, self._locale, groups=lengths, blank_before=self._blank_before)
        found = found or read_as_dialled(digits, self._locale)
        return replace(found, written=digits) if found else None

    def _costly(self, groups: tuple[Group, ...]) -> Number | None:
        if not self._locale.costly or not _joinable(groups):
            return None
        digits = "".join([group.digits for group in groups])
        found = read_costly(digits, self._locale, plus=groups[0].plus or groups[0].international)
        return replace(found, written=digits) if found else None

    def _several(self, groups: tuple[Group, ...]) -> tuple[Number, ...]:
        """The fewest numbers that cover all groups, if there is only one way."""
        best: dict[int, list[tuple[Number, ...]]] = {0: [()]}
        for start in range(len(groups)):
            before = _fewest(best.pop(start, []))
            if before:
                for end, number in self._windows(groups, start):
                    best.setdefault(end, []).extend((*numbers, number) for numbers in before)
        found = _fewest(best.get(len(groups), []))
        return found[0] if len(found) == 1 else ()

    def _windows(self, groups: tuple[Group, ...], start: int) -> Iterator[tuple[int, Number]]:
        """The numbers that begin with a group, and where each ends."""
        length = 0
        for end in range(start + 1, min(start + _MOST_AT_ONCE, len(groups)) + 1):
            length += len(groups[end - 1].digits)
            if length > _LONGEST:
                return
            window = groups[start:end]
            if length < _SHORTEST or not _joinable(window) or _has_rest(window, self._locale):
                continue
            if number := self._strict(window):
                yield end, number

    def _counts(self, groups: tuple[Group, ...]) -> bool:
        """Whether the first digit numbers the word before it, and a home number follows: Cel 1 310 …"""
        return self._labelled and len(groups[0].digits) == 1 and self._whole(groups[1:]) is not None

    def _apart(self, groups: tuple[Group, ...]) -> Cover:
        """The parts between signs that may separate two numbers, each by itself."""
        for parting in (_HARD, *_MEDIUM):
            parts = list(_parted(groups, parting))
            if len(parts) > 1:
                return self._each(parts)
        if len(groups) > 1 and all(len(group.digits) >= _RUN for group in groups):
            return self._each([(group,) for group in groups])
        return self._with_rest(groups)

    def _each(self, parts: list[tuple[Group, ...]]) -> Cover:
        numbers: list[Number] = []
        refused: list[tuple[Group, ...]] = []
        passed = False
        for before, part in zip([(), *parts], parts, strict=False):
            if self._names_country(before, part):
                refused.append(part)
                continue
            digits = sum(len(group.digits) for group in part)
            if digits < _SHORTEST:
                passed = True
                continue
            found = self.cover(part)
            numbers += found.numbers
            refused += found.refused
            passed |= found.passed
        return Cover(tuple(numbers), tuple(refused), passed)

    def _names_country(self, before: tuple[Group, ...], part: tuple[Group, ...]) -> bool:
        """Whether the code of another country stands before it: then it is not dialled in this one."""
        if len(before) != 1 or part[0].plus or not is_code(before[0].digits):
            return False
        if before[0].plus:
            return True
        digits = before[0].digits + "".join([group.digits for group in part])
        return not self._labelled and read_international(digits, self._locale) is not None

    def _with_rest(self, groups: tuple[Group, ...]) -> Cover:
        """A number in one piece with a few digits behind it, or with digits before it that count a label."""
        first, rest = groups[0], groups[1:]
        few = rest and sum(len(group.digits) for group in rest) <= _REST and not any("." in g.between for g in rest)
        if few and len(first.digits) >= _RUN and (number := self._strict((first,))):
            return Cover((number,), passed=True)
        counts = rest and self._labelled and len(first.digits) <= _LABEL and not first.plus and not self._loose(groups)
        if counts and (number := self._whole(rest)):
            return Cover((number,), passed=True)
        return Cover(refused=(groups,))


def _fewest(ways: list[tuple[Number, ...]]) -> list[tuple[Number, ...]]:
    """The shortest cover, and two of them if they differ: then it is ambiguous."""
    found = list(dict.fromkeys(ways))
    least = min(map(len, found), default=0)
    return [way for way in found if len(way) == least][:2]


def _joinable(groups: tuple[Group, ...]) -> bool:
    """Whether nothing between the groups separates them into several numbers."""
    if _has_commas_inside(groups):
        return True
    seen, after_slash = len(groups[0].digits), _LEAST_AFTER_AREA
    for group in groups[1:]:
        between = group.between
        if between not in (" ", "-"):
            if _HARD.search(between):
                return False
            if "/" in between:
                if seen > _AREA:
                    return False
                after_slash = 0
        seen += len(group.digits)
        after_slash += len(group.digits)
    return after_slash >= _LEAST_AFTER_AREA


def _has_commas_inside(groups: tuple[Group, ...]) -> bool:
    """Whether a comma stands where others write a blank: 300,111,2233. None of its parts can be a number."""
    if len(groups) <= 2 or any(group.between != "," for group in groups[1:]):
        return False
    return all(len(group.digits) <= _PART for group in groups)


def _is_cut(groups: tuple[Group, ...]) -> bool:
    """Whether the last digit of a mobile of Brazil is missing: (11) 98765-432.

    With a digit more at its end it would be a mobile of today; the old mobiles had four digits before the dash.
    """
    return len(groups) > 1 and [len(group.digits) for group in groups[-2:]] == [5, 3] and groups[-1].between == "-"


def _has_rest(groups: tuple[Group, ...], locale: Locale) -> bool:
    """Whether it may be a number without its area code and an extension: 3158000 101, where 101 is an office.

    A number of seven to nine digits in one piece is complete for a local caller.
    """
    if len(groups) < 2 or groups[0].plus or groups[0].international:
        return False
    first = groups[0].digits
    code = str(code_of_region(locale.region))
    rest = sum([len(group.digits) for group in groups[1:]])
    return 7 <= len(first) <= 9 and rest <= 3 and not first.startswith(("0", code))


def _is_sign_between(group: Group) -> bool:
    """Whether its + is a word for "and": 3000000001 + 3000000002."""
    return group.between.strip(" ") == "+" and group.between.endswith(" ") and group.between != "+"


def _parted(groups: tuple[Group, ...], parting: re.Pattern[str]) -> Iterator[tuple[Group, ...]]:
    start = 0
    for at in range(1, len(groups)):
        if parting.search(groups[at].between):
            yield groups[start:at]
            start = at
    yield groups[start:]
