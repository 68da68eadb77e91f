"""One number from its digits: numbers that may be dialled, old forms renewed, double codes, codes without +.

The input is digits only (0 to 9), never letters. ``None`` means: not a number that may be dialled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber

from mappings.base import Locale
from mappings.events import Phone
from mappings.phones.countries import NEIGHBOUR_CODES, code_of_region
from mappings.phones.kinds import any_kind_of_digits, kind_of, kind_of_digits
from mappings.phones.result import Number

_MOBILE: Final = ("mobile", "fixed_or_mobile")
_SHORTEST, _LONGEST = 6, 18  #: digits, codes and prefixes included
_CODES: Final = phonenumbers.COUNTRY_CODE_TO_REGION_CODE

#: Old forms that people still write: region -> (pattern of the national part, its form today).
OLD_NUMBERS: Final[dict[str, tuple[tuple[re.Pattern[str], str], ...]]] = {
    # 15 stands for the 9 of mobiles, after the area code, and some write both; their sum is always ten digits
    "AR": (
        *((re.compile(rf"0?9?0?([1-3]\d{{{area - 1}}})15(\d{{{10 - area}}})"), r"9\1\2") for area in (2, 3, 4)),
        (re.compile(r"90([1-3]\d{9})"), r"9\1"),
    ),
    # mobiles had eight digits until 2012 (São Paulo) to 2016; the carrier may stand before the area code
    "BR": ((re.compile(r"(?:0(?:1[245]|2[1-35]|31|4[13]|[56]5|99)|0)?([1-9]{2})([6-9]\d{7})"), r"\g<1>9\2"),),
    "CL": (
        (re.compile(r"0?9(\d{8})"), r"9\1"),  # 09 before mobiles, until 2016
        (re.compile(r"0?9?([89]\d{7})"), r"9\1"),  # mobiles had eight digits until 2012
        (re.compile(r"0?(5[469]\d{6}|6[0268]\d{6}|6[9]\d{6}|7[046-9]\d{6})"), r"9\1"),  # where no area code begins so
        (re.compile(r"0?2(\d{7})"), r"22\1"),  # Santiago had seven digits until 2012
    ),
    "CO": (
        (re.compile(r"0?([124-8])(\d{7})"), r"60\1\2"),  # one-digit area codes, until 2021
        (re.compile(r"0[3579]([124-8])(\d{7})"), r"60\1\2"),  # with the carrier before them
        (re.compile(r"0[3579]?(3\d{9})"), r"\1"),  # 03 before mobiles from a fixed line, until 2021
    ),
    "EC": ((re.compile(r"0?([89]\d{7})"), r"9\1"),),  # mobiles had eight digits until 2012
    "MX": (
        (re.compile(r"(?:01|04[45])(\d{10})"), r"\1"),
    ),  # 044 and 045 before mobiles, 01 before the rest, until 2019
    "PE": ((re.compile(r"0?(?:1|[4-8]\d)(9\d{8})"), r"\1"),),  # an area code before a mobile, which has none
}
#: The same where the country code stands before it: only there a 1 before ten digits is Mexico's old mobile.
OLD_ABROAD: Final = {**OLD_NUMBERS, "MX": ((re.compile(r"(?:1|01|04[45])(\d{10})"), r"\1"),)}

#: Beginnings of home numbers. With one digit too many it may be a typing error, and is not foreign.
_HOME_BEGINS: Final = {
    "CO": "3[0-5]|60",
    "MX": "[2-9]",
    "BR": "1[1-9]|2[12478]|3[1-578]|4[1-9]|5[1345]|6[1-9]|7[134579]|8[1-9]|9[1-9]",
    "AR": "11|2[2-9]|3[3-8]|9",
    "CL": "2|3[2-5]|4[1-5]|5[1-358]|6[1-57]|7[1-35]|9",
    "PE": "1|4[1-4]|5[1-46]|6[1-7]|7[236]|8[2-4]|9",
    "EC": "[2-7]|9",
    "UY": "[249]",
    "PY": "[2-9]",
    "BO": "[2-467]",
    "VE": "[24]",
    "ES": "[6-9]",
    "PT": "[239]",
    "US": "[2-9]",
}
_BEGINS: Final = {region: re.compile(begins) for region, begins in _HOME_BEGINS.items()}
_ANYTHING: Final = re.compile("")
_CPF_DIGITS: Final = 11  #: Brazil's document number, which begins with anything
_US_GROUPS: Final = (1, 3, 3, 4)  #: as 1 305 555 0123 is written


def read_plainly(digits: str, region: str) -> Number | None:
    """A number in the home country's own form or with its code: the quick way for most numbers."""
    code = code_of_region(region)
    if digits[0] != "0" and (found := _direct(code, digits)):
        return found
    if digits.startswith(str(code)) and digits[len(str(code)) :][:1] not in ("0", ""):
        return _direct(code, digits[len(str(code)) :])
    return None


def read_international(digits: str, locale: Locale) -> Number | None:
    """The digits after a +: "573000000001". Removes trunk zeros and a code that is there twice."""
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    if digits[0] == "0":  # +0057…, +057…
        digits = digits.lstrip("0")
    code = _code_of(digits)
    if not code:
        return None
    national = digits[len(code) :]
    if national[:1] != "0" and (found := _direct(int(code), national)):
        return found
    return _parsed(f"+{digits}", None) or _renewed(code, national) or _twice(code, national, locale)


def read_home(digits: str, locale: Locale) -> Number | None:
    """A possible number of the home country, or of any with 00 before its code. Old forms are renewed."""
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    region = locale.region
    if found := read_plainly(digits, region):
        return found
    if digits.startswith("00"):
        return _with_exit_code(digits, locale)
    found = _behind_trunk(digits, region)
    if found is None and _has_prefix(digits, region):
        found = _home_parsed(digits, region)
    if found or digits[0] != "0":
        return found or _home_code(digits, locale) or _first(_renewals(region, digits, OLD_NUMBERS))
    bare = digits.lstrip("0")
    found = _first(_renewals(region, digits, OLD_NUMBERS))
    return found or (read_plainly(bare, region) or _home_code(bare, locale) if len(bare) >= _SHORTEST else None)


def read_abroad(
    digits: str, locale: Locale, *, groups: tuple[int, ...] = (), blank_before: bool = False
) -> Number | None:
    """A foreign number without its +, or with 011 instead. For digits that `read_home` could not read.

    ``groups``: the lengths of the written groups of digits. ``blank_before``: a + in a form's body arrives as a blank.
    """
    if digits.startswith("011"):
        return read_international(digits[3:], locale)
    code = _code_of(digits)
    national = digits[len(code) :]
    found = _direct(int(code), national) if code and national[:1] not in ("0", "") else None
    found = found or (_first(_renewals(_CODES[int(code)][0], national, OLD_ABROAD)) if code else None)
    if found is None or found.phone.country_code == code_of_region(locale.region):
        return None
    if locale.extra_countries:
        return found if found.region in locale.extra_countries else None
    if int(code) not in NEIGHBOUR_CODES or found.kind not in _MOBILE:
        return None
    if groups == _US_GROUPS or blank_before:
        return found
    # Until 2019 mobiles in Mexico had a 1 in front: there 1 55 1234 5678 is not a number of New Jersey.
    old_mexican = locale.region == "MX" and code == "1"
    return None if old_mexican or _may_be_a_slip(digits, locale.region) else found


def read_as_dialled(digits: str, locale: Locale) -> Number | None:
    """The number behind an account's own dial prefix, as a dialler's reports write it: in today's form.

    987654321 is a mobile of Peru without its code, not a 9 before one of Colombia's old fixed lines.
    """
    for prefix in locale.dial_prefixes:
        rest = digits.removeprefix(prefix)
        if rest == digits or len(rest) < _SHORTEST:
            continue
        if found := read_home(rest, locale) if rest[0] == "0" else read_plainly(rest, locale.region):
            return found
    return None


def read_costly(digits: str, locale: Locale, *, plus: bool) -> Number | None:
    """A number that costs extra, of a kind that the locale names, in today's form. For what nothing else could read."""
    if not locale.costly or not _SHORTEST <= len(digits) <= _LONGEST:
        return None
    if not plus and digits.startswith(("00", "011")):
        digits, plus = digits.removeprefix("011").lstrip("0"), True
    try:
        number = phonenumbers.parse(f"+{digits}" if plus else digits, None if plus else locale.region)
    except phonenumbers.NumberParseException:
        return None
    code, national = number.country_code or 0, phonenumbers.national_significant_number(number)
    kind = any_kind_of_digits(code, national)
    return Number(Phone(code, national), kind) if kind in locale.costly else None


def is_code(digits: str) -> bool:
    """Whether the digits are a country's calling code and no more."""
    return len(digits) <= 3 and digits.isdecimal() and digits[:1] != "0" and int(digits or 0) in _CODES


def _code_of(digits: str) -> str:
    return next((digits[:n] for n in (1, 2, 3) if digits[:n] and int(digits[:n]) in _CODES), "")


def _direct(code: int, national: str) -> Number | None:
    """The national significant number as it is."""
    kind = kind_of_digits(code, national) if len(national) <= 15 else ""
    return Number(Phone(code, national), kind) if kind else None


def _of(number: PhoneNumber) -> Number | None:
    kind = kind_of(number)
    if not kind:
        return None
    return Number(Phone(number.country_code or 0, phonenumbers.national_significant_number(number)), kind)


def _parsed(text: str, region: str | None) -> Number | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return _of(number)


@cache
def _prefix_of(region: str) -> re.Pattern[str]:
    """The prefixes that a country may dial before a number: trunk, carrier, or its own code."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    code = code_of_region(region)
    dialled = (metadata and metadata.national_prefix_for_parsing) or "0"
    return re.compile(f"(?:{dialled})|{code}|0")


def _has_prefix(digits: str, region: str) -> bool:
    """Whether it has a prefix that phonenumbers may remove."""
    match = _prefix_of(region).match(digits)
    return match is not None and match.end() > 0


def _behind_trunk(digits: str, region: str) -> Number | None:
    """A number after the 0 that most countries dial first: quick, because nothing else has to be removed."""
    if digits[0] != "0" or digits[1] == "0" or _trunk_of(region) != "0":
        return None
    return _direct(code_of_region(region), digits[1:])


@cache
def _trunk_of(region: str) -> str:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return (metadata and metadata.national_prefix) or ""


def _home_parsed(digits: str, region: str) -> Number | None:
    """With the trunk and carrier prefixes of the country, but none that is another country's code."""
    found = _parsed(digits, region)
    if found is None:
        return None
    # 1 646 … is a number of the United States also where a 1 was once dialled before mobiles.
    foreign = region == "MX" and digits[0] == "1" and len(digits) == 11
    home = found.phone.country_code == code_of_region(region)
    return found if home and not foreign else None


def _home_code(digits: str, locale: Locale) -> Number | None:
    """The home country's code without its +, before an old form or a trunk zero: 57 1 555 0100, 55 011 …"""
    code = str(code_of_region(locale.region))
    if not digits.startswith(code) or code == "1":
        return None
    national = digits[len(code) :]
    return _renewed(code, national) or _twice(code, national, locale)


def _renewed(code: str, national: str) -> Number | None:
    """Without trunk zeros, in today's form."""
    region = _CODES[int(code)][0]
    bare = national.lstrip("0")
    found = _first(_renewals(region, national, OLD_ABROAD))
    if found is None and bare and bare != national and len(bare) >= _SHORTEST - 1:
        found = _direct(int(code), bare) or _first(_renewals(region, bare, OLD_ABROAD))
    return found


def _renewals(
    region: str, national: str, olds: dict[str, tuple[tuple[re.Pattern[str], str], ...]]
) -> Iterator[Number | None]:
    code = code_of_region(region)
    for old, new in olds.get(region, ()):
        if old.fullmatch(national):
            yield _direct(code, old.sub(new, national))


def _first(found: Iterator[Number | None]) -> Number | None:
    return next((number for number in found if number), None)


def _twice(code: str, national: str, locale: Locale) -> Number | None:
    """The number inside where a widget put the country's code before one that was typed with its own."""
    bare = national.lstrip("0")
    if len(bare) < _SHORTEST:
        return None
    if bare.startswith(code):
        inner = bare[len(code) :]
        return (_direct(int(code), inner) if inner[:1] not in ("0", "") else None) or _renewed(code, inner)
    if int(code) == code_of_region(locale.region) and len(bare) > 10:
        return read_abroad(bare, locale)
    return None


def _with_exit_code(digits: str, locale: Locale) -> Number | None:
    """00 is the world's +, but Colombia and Brazil dial a carrier after it."""
    bare = digits.lstrip("0")
    plain = read_international(bare, locale) if len(bare) >= _SHORTEST else None
    home = code_of_region(locale.region)
    if plain and plain.phone.country_code == home:
        return plain
    carried = _parsed(digits, locale.region)
    if plain and carried and plain.phone != carried.phone:
        return None if carried.phone.country_code != home else plain
    return plain or carried or (read_plainly(bare, locale.region) if len(bare) >= _SHORTEST else None)


def _may_be_a_slip(digits: str, region: str) -> bool:
    """Whether it may be a number of the home country with a digit too many."""
    if region == "BR" and len(digits) == _CPF_DIGITS:
        return True
    longest = _longest_at_home(region)
    return len(digits) <= longest + 1 and _BEGINS.get(region, _ANYTHING).match(digits) is not None


def _longest_at_home(region: str) -> int:
    """Digits of a mobile of the country."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    lengths = metadata.mobile.possible_length if metadata and metadata.mobile else ()
    return max(lengths, default=10)
