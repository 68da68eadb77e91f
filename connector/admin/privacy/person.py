"""A person as identified by a phone or an e-mail, and whether a text, or an event, is about them.

Used where no hash leads: in payloads without deliveries, and for phones that are not the person's first.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote_plus

from connector.core.errors import ConnectorError
from connector.core.payload import DATA_URL, as_bytes
from connector.core.phrases import phrase
from connector.core.settings import Settings
from mappings.base import COSTLY, Locale
from mappings.emails import addresses
from mappings.events import Event, Lead, Phone
from mappings.fields import clean
from mappings.normalisation import nfkc
from mappings.phones.reader import LONGEST, identities, read_phones

NOBODY: Final = phrase("that is neither a phone number nor an e-mail address: write it as people do, +57 300 000 0001")
_TELLING: Final = 6  #: the last digits of a number, however it is written
_BETWEEN: Final = r"(?:[\s()./_·\-\u2010-\u2015\u2212]|\\[tnr]){0,4}"  #: two digits of a number; JSON's escapes too
_PIECE: Final = re.compile(rf'[^"\n&=]{{6,{LONGEST}}}')  #: in a payload: between quotes, or in a field of a form
_NO_DIGIT: Final = re.compile(r"[^0-9]+")
_DIGIT: Final = re.compile(r"\d")
_NO_EMAIL: Final = re.compile(
    r"\bsips?:\S+|\S+@(?:s\.whatsapp\.net|c\.us|g\.us|lid|broadcast|newsletter)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Person:
    """The person that a phone (E.164) or an e-mail (casefolded) identifies. Its repr shows neither."""

    value: str
    _sign: str  #: without it in a text, folded, the person is not there: the last digits, or the e-mail
    _written: re.Pattern[str]
    _locale: Locale
    _same: frozenset[str] = frozenset()  #: of a phone, every form it is kept in

    def __repr__(self) -> str:
        return "<Person ***>"

    @property
    def is_phone(self) -> bool:
        return self.value.startswith("+")

    def may_be_in(self, text: str) -> bool:
        """A quick test without false negatives. ``text`` as `readable` returns it."""
        return self._sign in (_NO_DIGIT.sub("", text) if self.is_phone else text)

    def is_in(self, text: str) -> bool:
        """Whether the text names the person, in any way people write them. ``text`` as `readable` gives it."""
        return bool(self._written.search(text)) or (self.is_phone and any(map(self._is_read_in, _PIECE.findall(text))))

    def _is_read_in(self, piece: str) -> bool:
        """Whether the reader of leads would dial the person from a piece of a payload."""
        if self._sign not in _NO_DIGIT.sub("", piece):
            return False
        return any(number.e164 in self._same for number in read_phones(piece, self._locale).numbers)

    def is_of(self, event: Event) -> bool:
        """Whether the event, as its mapping read it, is about the person."""
        if isinstance(event, Lead):
            phones, email = (*event.phones, event.callback_phone), event.email
        else:
            phones, email = (event.customer.phone,), event.customer.email
        if not self.is_phone:
            return _folded(email) == self.value
        return any(phone is not None and phone.e164 in self._same for phone in phones)


def person(text: str, settings: Settings) -> Person:
    """The person that a text identifies. Raises `ConnectorError`, which does not repeat the text."""
    plain = _given(text)
    if found := phones(plain, settings):
        return _by_phone(found[0], locale_of(settings))
    if found_too := emails(plain):
        return _by_email(found_too[0])
    raise ConnectorError(NOBODY)


def named(text: str, settings: Settings) -> str | None:
    """The first phone (E.164) or e-mail (casefolded) of a text; None if it has neither.

    Equal to `person`, at a hundredth of the cost: for long lists.
    """
    return next(iter(everybody(text, settings)), None)


def everybody(text: str, settings: Settings) -> tuple[str, ...]:
    """All phones (E.164) and then e-mails (casefolded) of a text: those that the same text in a lead would yield."""
    plain = _given(text)
    return (*(phone.e164 for phone in phones(plain, settings)), *emails(plain))


def _given(text: str) -> str:
    return clean(text.encode("utf-8", "replace").decode())


def emails(text: str) -> tuple[str, ...]:
    """Without texts that look like addresses and are accounts of WhatsApp or of a telephone exchange."""
    return tuple(dict.fromkeys(map(_folded, addresses(_NO_EMAIL.sub(" ", text))))) if "@" in text else ()


def phones(text: str, settings: Settings) -> list[Phone]:
    """The numbers that the text may be, in any spelling, or as a vendor dials them: those that the same text would
    dial.
    """
    locale = locale_of(settings)
    bare = [text.removeprefix(prefix) for prefix in locale.dial_prefixes if text.startswith(prefix)]
    return list(dict.fromkeys(phone for one in (text, *bare) for phone in read_phones(one, locale).phones))


def locale_of(settings: Settings) -> Locale:
    """The locale for reading a person's phone, with the prefixes that the accounts dial.

    Of every kind: what was stored while an account named one is still found.
    """
    return replace(settings.locale, dial_prefixes=settings.dial_prefixes, costly=COSTLY)


def _by_email(value: str) -> Person:
    # Not the end of a longer address, nor the beginning of another's domain.
    written = re.compile(rf"(?<![\w.+'-]){re.escape(value)}(?![\w-]|\.\w)")
    return Person(value, value, written, Locale())


def _by_phone(phone: Phone, locale: Locale) -> Person:
    country = str(phone.country_code)
    before = {"", "0", *locale.dial_prefixes}
    starts = {f"{prefix}{code}" for prefix in (*before, "00") for code in ("", country)} - {"00"}
    longest_first = sorted(starts, key=len, reverse=True)
    start = "|".join(_BETWEEN.join(one) + _BETWEEN if one else "" for one in longest_first)
    same = identities(phone)
    national = "|".join(_BETWEEN.join(one.removeprefix(f"+{country}")) for one in same)
    written = re.compile(rf"(?<![0-9])(?:{start})(?:{national})(?![0-9])")
    return Person(phone.e164, phone.national[-_TELLING:], written, locale, frozenset(same))


def readable(*texts: str | None) -> str:
    """Stored texts in a form for searching a person: no data: URLs, no form escapes, plain digits, folded case."""
    return "\n".join(_readable(text) for text in texts if text)


def _readable(text: str) -> str:
    if text.startswith(DATA_URL):
        raw = as_bytes(text)
        text = raw.decode("latin-1").replace("\0", "") + raw.decode("utf-8", "replace")
    if "%" in text:
        text = f"{text}\n{unquote_plus(text)}"
    if text.isascii():
        return text.casefold()
    return _DIGIT.sub(lambda found: str(unicodedata.digit(found[0])), _folded(text))


def _folded(text: str) -> str:
    return nfkc(text).casefold()
