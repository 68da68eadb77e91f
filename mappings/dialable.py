"""Rules for which of a person's numbers may be called: calls cost money, and a form accepts any number.

By country, by kind, and a maximum for each person. Numbers left out are noted under the name of their field.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol

from mappings.events import Event, Lead, Phone

_EITHER: Final = "fixed_or_mobile"  #: for countries that do not distinguish them: "US"
_NOWHERE: Final = "001"  #: of satellites and international premium numbers, which only their kind admits


@dataclass(frozen=True, slots=True)
class NumberRule:
    """``countries``: ("CO", "ES"). ``numbers``: kinds. ``most``: of one person."""

    countries: tuple[str, ...]
    numbers: tuple[str, ...]
    most: int

    def narrowed(self, countries: Sequence[str], numbers: Sequence[str], most: int) -> NumberRule:
        """Narrowed by a source's own rule, which can only exclude. Empty and 0: no rule."""
        return NumberRule(
            tuple(one for one in self.countries if not countries or one in countries),
            tuple(one for one in self.numbers if not numbers or one in numbers),
            min(self.most, most) if most else self.most,
        )

    @property
    def mark(self) -> int:
        """A number that distinguishes two rules; the order of their parts does not matter."""
        text = "|".join((*sorted({*self.countries}), "", *sorted({*self.numbers}), str(self.most)))
        return zlib.crc32(text.encode()) & 0x7FFF_FFFF

    def fault(self, phone: Phone) -> str:
        """Why a number is not called; "" if it may be."""
        country, kind = _what(phone.country_code, phone.national)
        if not kind:
            return "a number is left out: it is not in use, or no person's"
        if country not in (*self.countries, _NOWHERE):
            return f"a number of {country} is left out: add it to countries if it is to be called"
        fits = kind in self.numbers or (kind == _EITHER and {"mobile", "fixed"} & {*self.numbers})
        return "" if fits else f"a {kind} number is left out: add {kind} to numbers if it is to be called"


class Says(Protocol):
    """An account, or a source that narrows it."""

    @property
    def countries(self) -> tuple[str, ...]:
        """The countries whose numbers are called; empty: the region's, or as the account says."""

    @property
    def numbers(self) -> tuple[str, ...]:
        """Kinds that are called; empty: none, or as the account says."""

    @property
    def phones_per_lead(self) -> int:
        """The most of one person; 0: as the account says."""


def rule_of(account: Says, source: Says | None, region: str) -> NumberRule | None:
    """The rule for what a source sends to an account; None if the account calls nobody."""
    if not account.numbers:
        return None
    rule = NumberRule(account.countries or (region,), account.numbers, account.phones_per_lead)
    return rule.narrowed(source.countries, source.numbers, source.phones_per_lead) if source else rule


@lru_cache(maxsize=4096)
def _what(country_code: int, national: str) -> tuple[str, str]:
    """Country and kind of a number, from its digits (at most 18)."""
    from mappings.phones.kinds import any_kind_of_digits, region_of  # slow to import

    return region_of(country_code, national) or _NOWHERE, any_kind_of_digits(country_code, national)


def judged(event: Event, rule: NumberRule) -> tuple[Event, tuple[str, ...]]:
    """The event with the callable numbers, and a note for each number left out."""
    if not isinstance(event, Lead):
        phone = event.customer.phone
        fault = rule.fault(phone) if phone else ""
        return (_without(event), (f"customer.phone: {fault}",)) if fault else (event, ())
    callable_phones: list[Phone] = []
    notes: list[str] = []
    for index, phone in enumerate(event.phones):
        fault = rule.fault(phone)
        if not fault and len(callable_phones) >= rule.most:
            fault = f"left out: phones_per_lead is {rule.most}"
        if fault:
            notes.append(f"phones.{index}: {fault}")
        else:
            callable_phones.append(phone)
    back = event.callback_phone
    if back and (fault := rule.fault(back)):
        notes.append(f"callback_phone: {fault}")
        back = None
    if not notes:
        return event, ()
    return replace(event, phones=tuple(callable_phones), callback_phone=back), tuple(notes)


def _without(event: Event) -> Event:
    assert not isinstance(event, Lead)
    return replace(event, customer=replace(event.customer, phone=None))
