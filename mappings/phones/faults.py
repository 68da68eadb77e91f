"""Why digits are not a number, as sentences that show only the country code and two digits."""

from __future__ import annotations

from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber

from mappings.events import Phone
from mappings.phones.kinds import kind_of

ROUNDED: Final = "a spreadsheet has rounded it, and its last digits are gone: write the column as text"
LETTERS: Final = "letters stand among its digits: write it with digits only"
DOCUMENT: Final = "the words before it call it a document, an order or an amount, not a phone"
IN_DOUBT: Final = "it can be read in more than one way: write it with its country code"
_LENGTHS: Final = {
    phonenumbers.ValidationResult.TOO_SHORT: "is too short for",
    phonenumbers.ValidationResult.TOO_LONG: "is too long for",
    phonenumbers.ValidationResult.INVALID_LENGTH: "has a wrong number of digits for",
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "lacks its area code in",
}


def fault_of(digits: str, *, plus: bool, region: str) -> str:
    """Why these digits are not a number that may be dialled."""
    if not digits:
        return "is no phone number"
    try:
        number = phonenumbers.parse(f"+{digits}" if plus else digits, region)
    except phonenumbers.NumberParseException as fault:
        if fault.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            return f"a number of {len(digits)} digits has no known country code"
        return f"a text with {len(digits)} digits is no phone number"
    return _fault(number)


def masked(phone: Phone) -> str:
    """The country code, two digits, and how many there are: "+5730… (10 digits)"."""
    return f"+{phone.country_code}{phone.national[:2]}… ({len(phone.national)} digits)"


def _fault(number: PhoneNumber) -> str:
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    shown = masked(Phone(number.country_code or 0, phonenumbers.national_significant_number(number)))
    if phonenumbers.is_valid_number(number):
        return f"{shown} is not called: it costs extra, or is no person's" if not kind_of(number) else IN_DOUBT
    what = _LENGTHS.get(phonenumbers.is_possible_number_with_reason(number), "is no number in use in")
    return f"{shown} {what} {region}"
