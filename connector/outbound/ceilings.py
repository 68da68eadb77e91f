"""``calls_per_day``: how many people may be called in a day, in all and by the prefix of their numbers.

An account's ceilings count all people that it calls, a source's ceilings its own people, at each account. A person with
numbers of two countries counts for both. Counted are a day's, exactly, under the account's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connector.core.fields import countries_of
from connector.core.places import countries
from connector.core.reasons import Code, Reason
from connector.core.settings import Source
from connector.core.turns import turn_of
from connector.store.country_calls import Called
from connector.vendors.base import Destination

WARN_ABOVE: Final = 0.8  #: the part of a ceiling from which on people are warned


@dataclass(slots=True)
class Ceiling:
    """A ceiling and the number that is left. ``source``: its source; "" if it is the account's."""

    account: str
    source: str
    prefix: str  #: as it is written: "+57", "CO", "other", "all"
    countries: frozenset[str] | None  #: None: every one
    most: int
    left: int = 0

    @property
    def owner(self) -> str:
        """The account or the source."""
        return self.source or self.account

    @property
    def used(self) -> int:
        """The number of people that were called."""
        return self.most - self.left

    @property
    def is_near(self) -> bool:
        """Whether so many were called that people are warned."""
        return self.used >= self.most * WARN_ABOVE

    @property
    def reason(self) -> Reason:
        """The reason why a person waits."""
        return Reason(Code.CEILING_HELD, {"whose": self.owner, "prefix": self.prefix, "most": self.most})

    def counts(self, source: str, some: Sequence[str]) -> bool:
        """Whether people of that source with numbers of these countries count."""
        is_its_source = not self.source or self.source == source
        return is_its_source and (self.countries is None or not self.countries.isdisjoint(some))


def ceilings(place: Destination, used: Mapping[Called, int]) -> list[Ceiling]:
    """The ceilings of a destination's account and sources. ``used``: see `country_calls.used`."""
    account = place.account
    found = _of(account.name, "", account.calls_per_day, place)
    for source in place.sources:
        found += _of(account.name, source.name, source.calls_per_day, place)
    for one in found:
        counted = (people for (country, source), people in used.items() if one.counts(source, (country,)))
        one.left = max(0, one.most - sum(counted))
    return found


def has_ceilings(place: Destination) -> bool:
    """Whether any is configured for the destination."""
    return place.reaches_numbers and bool(
        place.account.calls_per_day or any(one.calls_per_day for one in place.sources)
    )


def called(place: Destination, where: str) -> tuple[str, ...]:
    """The countries of a person's numbers that the account calls; ("",) if none is known."""
    some = tuple(one for one in countries(where) if one in _callable(place))
    return some or ("",)


def source_of(place: Destination, turn: int) -> Source | None:
    """The source with this number."""
    return next((one for one in place.sources if turn_of(one.name) == turn), None)


def _callable(place: Destination) -> tuple[str, ...]:
    return place.account.countries or (place.locale.region,)


def _of(account: str, source: str, numbers: Sequence[tuple[str, int]], place: Destination) -> list[Ceiling]:
    named = {country for prefix, _ in numbers for country in _countries(prefix)}
    every: dict[str, frozenset[str] | None] = {"all": None, "other": frozenset({*_callable(place), ""} - named)}
    return [
        Ceiling(account, source, prefix, every.get(prefix, frozenset(_countries(prefix))), most)
        for prefix, most in numbers
    ]


def _countries(prefix: str) -> tuple[str, ...]:
    return countries_of(prefix) if prefix.startswith("+") else (prefix,)
