"""The kind of a number's line: phonenumbers' own patterns, looked up once for each country.

The same result as `phonenumbers.number_type`, which looks its patterns up again for every number and kind: that was a
third of the time for reading a lead.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberType

from mappings.base import COSTLY

#: Kinds that are dialled as a matter of course. Others cost extra (`COSTLY`), or reach no person.
KINDS: Final = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.TOLL_FREE: "toll_free",
}
_LONGEST: Final = 17  #: digits of a national number, as `phonenumbers` has it
#: phonenumbers' region of satellites, international premium numbers and the like.
_NO_COUNTRY: Final = ("001",)
#: The calling codes without a country that reach a person: satellites, and networks at sea and in the air.
_OF_NO_COUNTRY: Final = {
    **dict.fromkeys((870, 881, 882), "satellite"),
    808: "shared_cost",
    878: "personal",
    979: "international_premium",
}
_REGIONS: Final = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
#: Kinds of a metadata in phonenumbers' order: the first match counts.
_ORDER: Final = (
    ("premium_rate", "premium"),
    ("toll_free", "toll_free"),
    ("shared_cost", "shared_cost"),
    ("voip", "voip"),
    ("personal_number", "personal"),
    ("pager", ""),
    ("uan", ""),
    ("voicemail", ""),
    ("fixed_line", "fixed"),
    ("mobile", "mobile"),
)

#: A pattern, and the number of digits of its numbers; none: as many as the country's numbers.
_Form = tuple[re.Pattern[str], frozenset[int]]


def kind_of(number: PhoneNumber) -> str:
    """Its `KINDS`; "" of a number that is not in use, costs extra or reaches no person."""
    return kind_of_digits(number.country_code or 0, phonenumbers.national_significant_number(number))


def kind_of_digits(code: int, national: str) -> str:
    """The same for a calling code and the national significant number after it."""
    kind = any_kind_of_digits(code, national)
    return "" if kind in COSTLY else kind


def any_kind_of_digits(code: int, national: str) -> str:
    """Of `KINDS` or `COSTLY`; "" of a number that is not in use or reaches no person."""
    return _any_kind(code, national) if len(national) <= _LONGEST else ""


@lru_cache(maxsize=4096)
def _any_kind(code: int, national: str) -> str:
    """Kept, because a number is judged when it is read and again for each route that dials it."""
    regions = _REGIONS.get(code, _NO_COUNTRY)
    if regions == _NO_COUNTRY:
        return _OF_NO_COUNTRY.get(code, "") if _is_in_use(code, national) else ""
    if len(regions) == 1:
        return _kind_in(regions[0], national)
    for region in regions:
        leads = _leading(region)
        if leads.match(national) if leads else _is_in(region, national):
            return _kind_in(region, national)
    return ""


def region_of(code: int, national: str) -> str:
    """The country of a number, as `phonenumbers.region_code_for_number` has it; "" if it is in none."""
    regions = _REGIONS.get(code, ())
    if len(regions) == 1:
        return str(regions[0])
    number = PhoneNumber(country_code=code, national_number=int(national or 0))
    return phonenumbers.region_code_for_number(number) or ""


def _is_in_use(code: int, national: str) -> bool:
    number = PhoneNumber(country_code=code, national_number=int(national or 0))
    return phonenumbers.national_significant_number(number) == national and phonenumbers.is_valid_number(number)


def _kind_in(region: str, national: str) -> str:
    in_use, kinds = _of_length(region, len(national))
    if in_use is None or in_use.fullmatch(national) is None:
        return ""
    for kind, pattern in kinds:
        if pattern.fullmatch(national):
            is_either = kind == "fixed" and _fits(_mobile(region), national)
            return "fixed_or_mobile" if is_either else kind
    return ""


@cache
def _of_length(region: str, digits: int) -> tuple[re.Pattern[str] | None, tuple[tuple[str, re.Pattern[str]], ...]]:
    """The pattern of the country's numbers of so many digits, None if it has none, and those of their kinds."""
    fit = [(kind, pattern) for kind, (pattern, lengths) in _forms(region) if not lengths or digits in lengths]
    return (fit[0][1], tuple(fit[1:])) if fit and fit[0][0] == "" else (None, ())


def _is_in(region: str, national: str) -> bool:
    """Whether a number of this country has any kind, including those that may not be dialled."""
    forms = _forms(region)
    return bool(forms) and all(
        (_fits(forms[0][1], national), any(_fits(form, national) for _, form in forms[1:])),
    )


def _fits(form: _Form | None, national: str) -> bool:
    if form is None or (form[1] and len(national) not in form[1]):
        return False
    return form[0].fullmatch(national) is not None


@cache
def _forms(region: str) -> tuple[tuple[str, _Form], ...]:
    """The form of the country's numbers, then those of its kinds."""
    metadata = PhoneMetadata.metadata_for_region(region)
    general = _form(metadata.general_desc) if metadata else None
    if general is None:
        return ()
    kinds = ((kind, _form(getattr(metadata, name))) for name, kind in _ORDER)
    return (("", general), *((kind, form) for kind, form in kinds if form))


@cache
def _mobile(region: str) -> _Form | None:
    """The form of mobiles if fixed lines have another; of fixed lines if both share one."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return None
    return _form(metadata.fixed_line if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile)


@cache
def _leading(region: str) -> re.Pattern[str] | None:
    metadata = PhoneMetadata.metadata_for_region(region)
    return re.compile(metadata.leading_digits) if metadata and metadata.leading_digits else None


def _form(description: Any) -> _Form | None:
    pattern = description.national_number_pattern if description is not None else ""
    return (re.compile(pattern), frozenset(description.possible_length)) if pattern else None
