"""Masking of output: the parts of a text or a record that a list, a story or `/api` may show, by its origin.

Nothing here guesses who is a person. A foreign text (of a vendor, a sender) shows the words of `vocabulary` and short
numbers, and nothing else. A text of ours shows all but its quotations. A record shows the values that the configuration
gave, and none that an event brought.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from connector.core.log import MASK, masked, show_foreign_by
from connector.core.phrases import mapped
from connector.core.reasons import ENGLISH, Code, Reason
from connector.core.vocabulary import WORDS

LONGEST: Final = 1000  #: characters of a text
_LONGEST_NUMBER: Final = 6  #: digits that may be a count, a status or a campaign
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+")
_MASKS: Final = re.compile(r"\*\*\*(?:[^\w*]{1,3}\*\*\*|\*\*\*)+")
#: Our own sentences are treated as foreign texts if an earlier release wrote them.
_KNOWN: Final = set(WORDS).union(*(re.findall(r"[a-z]+", sentence) for sentence in ENGLISH.values()))
_QUOTED: Final = re.compile("“([^”]*)”?")
#: Reasons in our own sentences, with quotations.
_OURS: Final = frozenset({Code.NO_RECORD, Code.PERSON_FIRST})


def of_others(text: str) -> str:
    """A text of a vendor or a sender, its names, addresses and long numbers masked."""
    known = masked(text[:LONGEST])
    return _MASKS.sub(MASK, _TOKEN.sub(lambda found: found[0] if _may_be_shown(found[0]) else MASK, known))


show_foreign_by(of_others)


def of_ours(text: str) -> str:
    """A sentence of ours, its quotations masked like foreign texts."""
    return masked(_QUOTED.sub(lambda found: f"“{of_others(found[1])}”", text[:LONGEST]))


def know(names: Iterable[str]) -> None:
    """Allows names in foreign texts: those of vendors, which are not persons."""
    _KNOWN.update(names)


def reason(why: Reason | None) -> str:
    """The sentence of a reason, with the facts that may be shown; "" for none."""
    return "" if why is None else mapped(str(shown(why)), masked)


def record(value: Any, configured: Collection[str] = ()) -> Any:
    """A record without its empty fields: numbers and texts of the configuration, the rest masked."""
    if isinstance(value, Mapping):
        filled = {name: inner for name, inner in value.items() if inner not in ("", None, [])}
        return {name: record(inner, configured) for name, inner in filled.items()}
    if isinstance(value, list):
        return [record(inner, configured) for inner in value]
    if value is None or isinstance(value, bool) or str(value) in configured:
        return value
    return MASK


def texts(options: Any) -> frozenset[str]:
    """Every text and number of a route's options: the parts of a record that the configuration gave."""
    if isinstance(options, Mapping):
        return frozenset().union(*(texts(inner) for inner in options.values()))
    if isinstance(options, list | tuple | set | frozenset):
        return frozenset().union(*(texts(inner) for inner in options))
    return frozenset({str(options)}) if isinstance(options, str | int | float) else frozenset()


def shown(why: Reason) -> Reason:
    """The reason without the facts that may not be shown."""
    facts = {name: _fact(why.code, name, fact) for name, fact in why.facts.items()}
    return Reason(why.code, facts)


def _fact(code: Code, name: str, fact: Any) -> Any:
    if name == "because" and isinstance(fact, Mapping):
        inner = Reason(Code(fact["code"]) if fact["code"] in set(Code) else Code.OTHER, fact["facts"])
        return shown(inner).nested()
    if name == "words" and isinstance(fact, str):
        return of_ours(fact) if code in _OURS else of_others(fact)
    return fact


def _may_be_shown(token: str) -> bool:
    if token.isdigit():
        return len(token) <= _LONGEST_NUMBER
    if len(token) == 1:
        return True
    plain = "".join(c for c in unicodedata.normalize("NFKD", token[:40]) if not unicodedata.combining(c))
    return plain.lower() in _KNOWN
