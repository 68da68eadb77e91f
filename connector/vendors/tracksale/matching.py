"""Matches the customers of a request with those that an answer of Tracksale names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector.vendors.tracksale.readers import tags_of
from connector.vendors.tracksale.values import text_of


def identities(customer: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The identifiers of a customer of Tracksale: (kind, value), regardless of case."""
    fields = ("email", "phone", "identification")
    return {(name, str(customer[name]).strip().casefold()) for name in fields if customer.get(name)}


def name_of(customer: Mapping[str, Any]) -> str:
    return " ".join(str(customer.get("name") or "").split()).casefold()


def matched(entries: Sequence[Mapping[str, Any]], customers: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Position of a customer -> the one entry of an answer that is certainly about this customer.

    First those who are named in full, including tags; copies of one person are matched in order, if all are there. Then
    those who agree in an address or the identification and contradict in none, if nobody else does. A name alone does
    not decide, and neither does the order.
    """
    named, expected = _positions(entries), _positions(customers)
    sure: dict[int, int] = {}
    for who, positions in expected.items():
        if any(who[0]) and len(named[who]) == len(positions):
            sure |= dict(zip(positions, named[who], strict=True))
    left = {at: ways_of(entries[at]) for at in {*range(len(entries))} - {*sure.values()}}
    fitting = {
        at: [entry for entry, ways in left.items() if fits(ways, ways_of_customer)]
        for at, ways_of_customer in enumerate(map(ways_of, customers))
        if at not in sure
    }
    claims = Counter(entry for some in fitting.values() for entry in some)
    return sure | {at: some[0] for at, some in fitting.items() if len(some) == 1 and claims[some[0]] == 1}


Ways = tuple[str, str, str]
_Full = tuple[Ways, str, tuple[tuple[str, str], ...]]


def _positions(people: Sequence[Mapping[str, Any]]) -> dict[_Full, list[int]]:
    """The positions of each customer, by everything that is known of them."""
    found: dict[_Full, list[int]] = defaultdict(list)
    for at, person in enumerate(people):
        found[ways_of(person), name_of(person), tuple(sorted(tags_of(person.get("tags")).items()))].append(at)
    return found


def ways_of(person: Mapping[str, Any]) -> Ways:
    """E-mail, phone (its digits) and identification, as far as they are known."""
    phone = "".join(letter for letter in text_of(person.get("phone")) if letter.isdigit())
    return text_of(person.get("email")).casefold(), phone, text_of(person.get("identification")).casefold()


def fits(first: Ways, second: Ways) -> bool:
    """Whether all values that both have agree; the country code of a phone may be missing in one."""
    agree = [
        a == b or (at == 1 and _is_same_phone(a, b))
        for at, (a, b) in enumerate(zip(first, second, strict=True))
        if a and b
    ]
    return bool(agree) and all(agree)


def _is_same_phone(one: str, other: str) -> bool:
    longer, shorter = sorted((one, other), key=len, reverse=True)
    return len(shorter) >= SHORTEST_PHONE and longer.endswith(shorter)


SHORTEST_PHONE: Final = 8  #: digits of a national number that may stand for the whole of it
