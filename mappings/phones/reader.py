"""Reads the value of a phone field: see the package."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import phonenumbers

from mappings.base import Locale
from mappings.events import Phone
from mappings.phones import faults
from mappings.phones.countries import code_of_region, region_named
from mappings.phones.covers import Cover, Reader
from mappings.phones.hints import NO_HINTS, Hints, hints, hints_beside
from mappings.phones.parts import number_in
from mappings.phones.plan import is_code, read_home, read_international, read_plainly
from mappings.phones.remarks import names_document, negative
from mappings.phones.result import NOTHING, Number, Reading
from mappings.phones.runs import Group, Run, chunks, runs
from mappings.phones.wrappings import EXTENSION, REFUSED, unwrapped, without_extensions

LONGEST: Final = 2000  #: characters of one text; a longer text is not a phone field and is not read
MOST_NUMBERS: Final = 20  #: of one field; wolkvox takes 11
_FEW: Final = 7  #: digits; fewer are part of a remark, not a number
_MOST_RUNS: Final = 60  #: in one text
_QUICK: Final = re.compile(r"\(?\+?[0-9(][0-9() .+/,;|\n-]*")
_LONGEST_QUICK: Final = 120
_BETWEEN_NUMBERS: Final = re.compile(r"[,;|\n]| / ")
_AREA: Final = 4  #: digits of a first group that may be an area code
_DATE_DIGITS: Final = 8
_NUMBERS: Final = re.compile("[0-9]+")
_HINTS: Final = ("region", "code", "area", "either")
_NO_DIGITS: Final = re.compile("[^0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad]")
_VANITY: Final = re.compile(
    r"(?<![\w+])(?:\+?1[\s.-]{0,2})?\(?(8(?:00|22|33|44|55|66|77|88))\)?[\s.-]{1,2}((?=[^\s]{0,10}[A-Za-z]{2})[A-Za-z0-9](?:[\s.-]?[A-Za-z0-9]){6})(?![A-Za-z0-9])"
)
_KEYPAD: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
_NORTH_AMERICA: Final = 1
_LETTERS_OF_VANITY: Final = 4
_MANY_LEFT: Final = f"only the first {MOST_NUMBERS} numbers are read"


def read_phones(
    value: Any,
    locale: Locale,
    *,
    country: Any = "",
    code: Any = "",
    area: Any = "",
    beside: Mapping[str, Any] | None = None,
) -> Reading:
    """The numbers of a text, a number or a list: see the package. Never raises.

    ``country``, ``code`` (calling code) and ``area`` are values of other fields; ``beside`` is a row in which they are
    found by their names.
    """
    if value is None or value == "":
        return NOTHING
    row_hints = hints(country=country, code=code, area=area) if country or code or area else NO_HINTS
    if isinstance(value, (list, tuple)):
        return _together(read_each(value, locale, row_hints, beside=beside))
    return next(read_each((value,), locale, row_hints, beside=beside))


def read_each(
    values: Sequence[Any], locale: Locale, row_hints: Hints = NO_HINTS, *, beside: Mapping[str, Any] | None = None
) -> Iterator[Reading]:
    """The reading of each of several values of one row."""
    if beside is not None and row_hints is NO_HINTS:
        row_hints = hints_beside(beside)
    locale = _locale_named(locale, row_hints)
    return (
        _read_in_parts(one, locale, row_hints) if isinstance(one, dict) else _read(one, locale, row_hints)
        for one in values
    )


def identities(phone: Phone) -> tuple[str, ...]:
    """Every E.164 form under which the person behind a number may be kept, its own first.

    Argentina's mobiles have a 9 that people leave out: +54 9 11 2345-6789 and +54 11 2345-6789 are one line.
    """
    if phone.country_code != _ARGENTINA:
        return (phone.e164,)
    if len(phone.national) == _ARGENTINE_DIGITS + 1 and phone.national[0] == "9":
        return (phone.e164, f"+{_ARGENTINA}{phone.national[1:]}")
    if len(phone.national) == _ARGENTINE_DIGITS:
        return (phone.e164, f"+{_ARGENTINA}9{phone.national}")
    return (phone.e164,)


_ARGENTINA: Final = 54
_ARGENTINE_DIGITS: Final = 10


def _locale_named(locale: Locale, row_hints: Hints) -> Locale:
    """The locale of the country that the row names."""
    region = row_hints.region
    if row_hints.code:
        code = int(row_hints.code)
        mains = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        region = next((one for one in (row_hints.region, locale.region) if one in mains), mains[0])
    return replace(locale, region=region) if region and region != locale.region else locale


def _read_in_parts(value: dict[str, Any], locale: Locale, row_hints: Hints) -> Reading:
    """The number of an object; what stands in it says more than what stands in the row."""
    number, own = number_in(value)
    if own is NO_HINTS:
        return _read(number, locale, row_hints)
    together = Hints(**{name: getattr(own, name) or getattr(row_hints, name) for name in _HINTS})
    return _read(number, _locale_named(locale, together), together)


def _read(value: Any, locale: Locale, row_hints: Hints) -> Reading:
    if isinstance(value, str):
        return _read_text(value, locale, row_hints)
    if value is None:
        return NOTHING
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        digits = _number_digits(value)
        return _read_text(digits, locale, row_hints) if digits else _refusal("is no phone number")
    return _refusal("must be text or a number")


def _number_digits(value: float) -> str:
    """A whole number of a spreadsheet or JSON; "" if it is not one."""
    if isinstance(value, float) and (not math.isfinite(value) or not value.is_integer()):
        return ""
    return str(int(value)) if 0 < value < 10**16 else ""


def _read_text(text: str, locale: Locale, row_hints: Hints) -> Reading:
    if not row_hints.prefixes and (quick := _read_quickly(text, locale)):
        return Reading(quick)
    if len(text) > LONGEST:
        return _refusal(f"a text of {len(text)} characters is no phone number")
    text = _CONTROL.sub("", text)
    if not any(map(str.isdecimal, text)):
        seen = any(c.isprintable() and not c.isspace() for c in text)
        return _refusal("is no phone number") if seen else NOTHING
    reading = _read_words(text, locale, row_hints)
    return _by_country_named(reading, text, locale, row_hints)


def _read_quickly(text: str, locale: Locale) -> tuple[Number, ...]:
    """Texts of digits and the usual separators only, in the country's own form; () if there are others."""
    if len(text) > _LONGEST_QUICK or not _QUICK.fullmatch(text):
        return ()
    found: dict[Phone, Number] = {}
    for piece in _BETWEEN_NUMBERS.split(text):
        number = _read_piece(piece.strip(), locale)
        if number is None:
            return ()
        found.setdefault(number.phone, number)
    return tuple(found.values())


def _read_piece(piece: str, locale: Locale) -> Number | None:
    groups = _NUMBERS.findall(piece)
    digits = "".join(groups)
    if len(digits) < _FEW or (len(groups) == 3 and len(digits) == _DATE_DIGITS):
        return None
    if piece.startswith(("+", "(+")):
        found = _read_behind_plus(digits, locale)
    elif digits[0] == "0":
        found = read_home(digits, locale)
    elif len(groups) == 1 or len(groups[0]) <= _AREA:
        found = read_plainly(digits, locale.region)
    else:
        return None
    return Number(found.phone, found.kind, digits) if found and "+" not in piece[2:] else None


def _read_behind_plus(digits: str, locale: Locale) -> Number | None:
    code = str(code_of_region(locale.region))
    national = digits.removeprefix(code)
    if national == digits or national[:1] in ("0", ""):
        return read_international(digits, locale)
    found = read_plainly(national, locale.region)
    return found if found and found.phone.national == national else read_international(digits, locale)


def _read_words(text: str, locale: Locale, row_hints: Hints) -> Reading:
    vanity, text = _vanity(text, locale)
    original, (text, rounded) = text, unwrapped(text)
    if rounded or not (vanity or any(map(str.isdigit, text))):
        return _refusal(faults.ROUNDED if rounded else "is no phone number")
    bare = without_extensions(text)
    found, around = runs(bare)
    covers = [_cover(run, locale, row_hints) for run in found[:_MOST_RUNS]]
    _untwine(found, covers)
    numbers = list({number.phone: number for number in (*vanity, *_numbers(covers))}.values())
    refused = [*_refused(found, covers, locale, row_hints), *([_MANY_LEFT] if len(numbers) > MOST_NUMBERS else [])]
    if not numbers and not refused:
        refused.append(faults.fault_of("".join(run.digits for run in found), plus=False, region=locale.region))
    notes = []
    if numbers and EXTENSION in bare:
        notes.append(f"{faults.masked(numbers[0].phone)}: the extension was left out")
    if numbers and (any(cover.passed for cover in covers) or _is_remark(around, found)):
        notes.append("the words beside the number were left out")
    return Reading(
        tuple(numbers[:MOST_NUMBERS]), tuple(notes), tuple(dict.fromkeys(refused)), _negative(original, around)
    )


def _negative(original: str, around: str) -> str:
    """As it was written, where no escapes hide the words."""
    if not any(map(str.isalpha, original)):
        return ""
    return negative(around if any(c in original for c in "%&<") else _NUMBERS.sub(" 0 ", original))


def _numbers(covers: Sequence[Cover]) -> Iterator[Number]:
    for cover in covers:
        yield from cover.numbers


def _cover(run: Run, locale: Locale, row_hints: Hints) -> Cover:
    """The numbers in the chunks of a run; none if the run is not a phone."""
    everything = (tuple(run.groups),)
    if run.letters or (len(run.digits) >= _FEW - 1 and names_document(run.before)):
        return Cover(refused=everything)
    reader = Reader(locale, row_hints, blank_before=run.blank_before, labelled=bool(run.before.strip(" ('\"")))
    parts = list(_sensible(list(chunks(run))))
    covers = [reader.cover(part) for part in parts if _digits(part) >= _FEW or len(parts) == 1]
    passed = any(cover.passed for cover in covers) or len(covers) < len(parts)
    return Cover(
        tuple(_numbers(covers)),
        tuple(part for cover in covers for part in cover.refused if _digits(part) >= _FEW or part[0].plus),
        passed,
    )


def _digits(groups: Sequence[Group]) -> int:
    return sum([len(group.digits) for group in groups])


def _sensible(parts: list[list[Group]]) -> Iterator[list[Group]]:
    """Without a country code before another one: +57 +56 9…; joined if it stands alone."""
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if after is not None and len(part) == 1 and is_code(part[0].digits):
            continue
        if len(part) > 1 and part[0].plus and is_code(part[0].digits):
            part[1].between = " "
        yield part


def _untwine(found: list[Run], covers: list[Cover]) -> None:
    """If a word joins two runs without a blank, both are numbers, or neither: 30B0000001 is none."""
    for at in range(1, len(covers)):
        if found[at].joined and not (covers[at - 1].numbers and covers[at].numbers):
            for one in (at - 1, at):
                covers[one] = Cover(refused=(tuple(found[one].groups),))
                found[one].letters = True


def _refused(found: list[Run], covers: list[Cover], locale: Locale, row_hints: Hints) -> Iterator[str]:
    named = ", the country that its row names" if row_hints.region or row_hints.code else ""
    for run, cover in zip(found, covers, strict=False):
        if run.letters:
            yield faults.LETTERS
        elif cover.refused and len(run.digits) >= _FEW - 1 and names_document(run.before):
            yield faults.DOCUMENT
        else:
            for part in cover.refused:
                digits = "".join([group.digits for group in part])
                plus = part[0].plus or part[0].international
                yield faults.fault_of(digits, plus=plus, region=locale.region) + ("" if plus else named)


def _is_remark(around: str, found: list[Run]) -> bool:
    """Whether more than a one-word label stands beside the numbers."""
    words = re.findall(r"[^\W\d_]{2,}", around)
    return (
        len(words) > len(found)
        or REFUSED in around
        or any(run.before.strip(" +(") and _NO_DIGITS.sub("", run.before) for run in found)
    )


def _refusal(why: str) -> Reading:
    return Reading(refused=(why,))


def _vanity(text: str, locale: Locale) -> tuple[tuple[Number, ...], str]:
    """Words after a toll-free code, on the North American plan: 1-800-FLOWERS."""
    if code_of_region(locale.region) != _NORTH_AMERICA:
        return (), text
    numbers = []
    for match in _VANITY.finditer(text):
        word = re.sub(r"[\s.-]", "", match[2]).upper()
        if sum(c.isalpha() for c in word) >= _LETTERS_OF_VANITY:
            found = read_plainly(match[1] + word.translate(_KEYPAD), locale.region)
            if found:
                numbers.append(replace(found, written=match[0]))
                text = text.replace(match[0], f" {REFUSED} ", 1)
    return tuple(numbers), text


def _by_country_named(reading: Reading, text: str, locale: Locale, row_hints: Hints) -> Reading:
    """Heeds a remark that is a country's name and nothing else: 33 1234 5678 (México)."""
    if row_hints.region or row_hints.code or not any(c.isalpha() for c in text):
        return reading
    words = re.sub(r"[^\w\s.]|[\d_]", " ", text).strip()
    region = region_named(words) if _may_be_country(words) else ""
    if not region or region == locale.region:
        return reading
    other_reading = _read_words(text, replace(locale, region=region, costly=()), row_hints)
    if not other_reading.numbers or other_reading.phones == reading.phones:
        return reading
    return replace(reading, numbers=(), refused=(faults.IN_DOUBT,)) if reading.numbers else other_reading


def _may_be_country(words: str) -> bool:
    if len(words) == 2:
        return words in _CODES_ALONE
    return 3 <= len(words) <= 40 and " ".join(words.split()).lower() not in _ALSO_WORDS


_CODES_ALONE: Final = frozenset(("US", "MX", "BR", "AR", "CL", "EC", "UY", "PY", "VE", "CR", "GT", "HN", "SV", "BO"))
#: Country codes that are also words beside a phone: weekdays, colonias, "sur".
_ALSO_WORDS: Final = frozenset(
    ("dom", "mar", "sur", "col", "par", "per", "can", "pan", "ind", "are", "ven", "mex", "chi", "hon", "arg", "bra")
)


def _together(readings: Iterator[Reading]) -> Reading:
    """The readings of a list's elements, each for itself."""
    every = list(islice(readings, MOST_NUMBERS + 1))
    many = [_MANY_LEFT] if len(every) > MOST_NUMBERS else []
    numbers = {number.phone: number for one in every[:MOST_NUMBERS] for number in one.numbers}
    return Reading(
        tuple(numbers.values())[:MOST_NUMBERS],
        tuple(dict.fromkeys(note for one in every for note in one.notes)),
        tuple(dict.fromkeys([*(why for one in every[:MOST_NUMBERS] for why in one.refused), *many])),
        next((one.negative for one in every if one.negative), ""),
    )
