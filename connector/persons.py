"""A person as a phone or an e-mail names them, and whether a text, or an event, is about them.

Used where no hash leads: in payloads that no delivery was made of, and for phones that are not the person's first.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

import phonenumbers
from marshmallow import ValidationError

from connector.errors import ConnectorError
from connector.settings import Settings
from mappings.base import Locale
from mappings.events import Event, Lead, Phone
from mappings.fields import clean, read_phone

NOBODY: Final = "that is neither a phone number nor an e-mail address: write it as people do, +57 300 000 0001"
_DATA_URL: Final = "data:application/octet-stream;base64,"
_TELLING: Final = 6  #: the last digits of a number, however it is written
_BETWEEN: Final = r"(?:[\s()./_·\-\u2010-\u2015\u2212]|\\[tnr]){0,4}"  #: two digits of a number; JSON's escapes too
_NO_DIGIT: Final = re.compile(r"[^0-9]+")
_DIGIT: Final = re.compile(r"\d")
_EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(?:\.[^@\s,;<>.]+)+")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a phone (E.164) or an e-mail (casefolded) names. Prints as nobody."""

    value: str
    _sign: str  #: without it in a text, folded, the person is not there: the last digits, or the e-mail
    _written: re.Pattern[str]
    _region: str

    def __repr__(self) -> str:
        return "<Person ***>"

    @property
    def is_phone(self) -> bool:
        return self.value.startswith("+")

    def may_be_in(self, text: str) -> bool:
        """Quick, and never wrong when it says no. ``text`` as `readable` gives it."""
        return self._sign in (_NO_DIGIT.sub("", text) if self.is_phone else text)

    def is_in(self, text: str) -> bool:
        """Whether the text names the person, in any way people write them. ``text`` as `readable` gives it."""
        if self._written.search(text):
            return True
        return self.is_phone and any(
            phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164) == self.value
            for found in phonenumbers.PhoneNumberMatcher(text, self._region)
        )

    def is_of(self, event: Event) -> bool:
        """Whether the event, as its mapping read it, is about the person."""
        if isinstance(event, Lead):
            phones, email = (*event.phones, event.callback_phone), event.email
        else:
            phones, email = (event.customer.phone,), event.customer.email
        if not self.is_phone:
            return _folded(email) == self.value
        return any(phone is not None and phone.e164 == self.value for phone in phones)


def person(text: str, settings: Settings) -> Person:
    """Whom somebody means. Raises `ConnectorError`, which does not say what was given."""
    given = clean(text.encode("utf-8", "replace").decode())
    if "@" in given:
        return _by_email(given.removeprefix("mailto:"))
    found = phones(given, settings)
    if not found:
        raise ConnectorError(NOBODY)
    return _by_phone(found[0], _prefixes(settings), settings.locale.region)


def named(text: str, settings: Settings) -> str | None:
    """The phone (E.164) or e-mail (casefolded) that a text is, in any spelling; None when it is neither.

    As `person` reads it, at a hundredth of the price: for long lists.
    """
    given = clean(text.encode("utf-8", "replace").decode())
    if "@" in given:
        value = _folded(given.removeprefix("mailto:"))
        return value if _EMAIL.fullmatch(value) else None
    found = phones(given, settings)
    return found[0].e164 if found else None


def phones(text: str, settings: Settings) -> list[Phone]:
    """The number that the text may be, in any spelling, or as a vendor dials it."""
    before = [prefix for prefix in _prefixes(settings) if text.startswith(prefix)]
    found = (_phone(one, settings.locale) for one in (text, *(text.removeprefix(prefix) for prefix in before)))
    return [phone for phone in found if phone is not None]


def _prefixes(settings: Settings) -> set[str]:
    return {account.dial_prefix for account in settings.accounts.values()} - {""}


def _by_email(text: str) -> Person:
    value = _folded(text)
    if not _EMAIL.fullmatch(value):
        raise ConnectorError(NOBODY)
    # Not the end of a longer address, nor the beginning of another's domain.
    written = re.compile(rf"(?<![\w.+'-]){re.escape(value)}(?![\w-]|\.\w)")
    return Person(value, value, written, "")


def _by_phone(phone: Phone, dial_prefixes: Collection[str], region: str) -> Person:
    country = str(phone.country_code)
    before = {"", "0", *dial_prefixes}
    starts = {f"{prefix}{code}" for prefix in (*before, "00") for code in ("", country)} - {"00"}
    longest_first = sorted(starts, key=len, reverse=True)
    start = "|".join(_BETWEEN.join(one) + _BETWEEN if one else "" for one in longest_first)
    written = re.compile(rf"(?<![0-9])(?:{start}){_BETWEEN.join(phone.national)}(?![0-9])")
    return Person(phone.e164, phone.national[-_TELLING:], written, region)


def _phone(text: str, locale: Locale) -> Phone | None:
    try:
        return read_phone(text, locale.region)
    except ValidationError as fault:
        return fault.valid_data if isinstance(fault.valid_data, Phone) else None


def readable(*texts: str | None) -> str:
    """Stored texts as a person is looked for in them: no data: URLs, no escapes of forms, plain digits, folded case."""
    return "\n".join(_readable(text) for text in texts if text)


def _readable(text: str) -> str:
    if text.startswith(_DATA_URL):
        raw = base64.b64decode(text.removeprefix(_DATA_URL), validate=False)
        text = raw.decode("latin-1").replace("\0", "") + raw.decode("utf-8", "replace")
    if "%" in text:
        text = f"{text}\n{unquote_plus(text)}"
    if text.isascii():
        return text.casefold()
    return _DIGIT.sub(lambda found: str(unicodedata.digit(found[0])), _folded(text))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
