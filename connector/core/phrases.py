"""Sentences for people: English texts that remember their template and facts, so that they can be translated.

A `Phrase` is a plain ``str`` for code that prints it or writes it as JSON. `connector.languages` looks its template up
in a catalogue and fills in the facts again, each of which may be a phrase itself.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, Final

import orjson


class Phrase(str):
    """A sentence with its template and facts. ``many`` and ``number``: the template for all numbers but one."""

    template: str
    many: str
    number: int | None
    facts: Mapping[str, Any]

    def __new__(
        cls, english: str, template: str, facts: Mapping[str, Any], many: str = "", number: int | None = None
    ) -> Phrase:
        new = super().__new__(cls, english)
        new.template, new.many, new.number, new.facts = template, many, number, facts
        return new

    def mapped(self, change: Callable[[str], str]) -> Phrase:
        """The same with every text in it changed, for example masked."""
        facts = {name: mapped(fact, change) if isinstance(fact, str) else fact for name, fact in self.facts.items()}
        return Phrase(change(str.__str__(self)), self.template, facts, self.many, self.number)


def mapped(text: str, change: Callable[[str], str]) -> str:
    """`Phrase.mapped` of a phrase; the changed text of anything else."""
    return text.mapped(change) if isinstance(text, Phrase) else change(text)


def phrase(template: str, /, **facts: Any) -> Phrase:
    """``template`` filled in. The template is a literal at the call: catalogues are made from these."""
    return Phrase(template.format_map(facts) if facts else template, template, facts)


def plural(one: str, many: str, number: int, /, **facts: Any) -> Phrase:
    """The template for this number, filled in; the number itself is the fact ``number``."""
    facts = {"number": number} | facts
    return Phrase((one if number == 1 else many).format_map(facts), one, facts, many, number)


def joined(parts: Iterable[str], between: str = "") -> Phrase:
    """Texts one after another, each translated by itself."""
    filled = [part for part in parts if part]
    facts = {f"part{at}": part for at, part in enumerate(filled)}
    return Phrase(between.join(filled), between.join(f"{{{name}}}" for name in facts), facts)


def with_and(parts: Iterable[str]) -> str:
    """ "a and b and c"."""
    given = [part for part in parts if part] or [""]
    return reduce(lambda some, one: phrase("{some} and {one}", some=some, one=one), given)


def with_or(parts: Iterable[str]) -> str:
    """ "a or b or c"."""
    given = [part for part in parts if part] or [""]
    return reduce(lambda some, one: phrase("{some} or {one}", some=some, one=one), given)


_PACKED: Final = '{"template":'  #: how the packed form of a phrase begins


def packed(text: str) -> str:
    """A phrase as JSON, to be stored; any other text unchanged. Facts are texts, numbers and phrases."""
    if not isinstance(text, Phrase):
        if not text.startswith(_PACKED):
            return text
        text = joined([text])  # somebody else's words that look like a packed phrase are none
    return orjson.dumps(_whole(text)).decode()


def _whole(fact: Any) -> Any:
    if not isinstance(fact, Phrase):
        return fact if fact is None or isinstance(fact, int | float | bool) else str(fact)
    facts = {name: _whole(inner) for name, inner in sorted(fact.facts.items())}
    plural_form = {"many": fact.many, "number": fact.number} if fact.many else {}
    return {"template": fact.template, "facts": facts, **plural_form}


def unpacked(text: str) -> str:
    """What `packed` was given."""
    if not text.startswith(_PACKED):
        return text
    found: str = _phrase_of(orjson.loads(text))
    return found


def _phrase_of(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return stored
    template, many, number = stored["template"], stored.get("many", ""), stored.get("number")
    facts = {name: _phrase_of(inner) for name, inner in stored["facts"].items()}
    chosen = many if many and number != 1 else template
    return Phrase(chosen.format_map(facts) if facts else chosen, template, facts, many, number)


def names(template: str) -> set[str]:
    """The names of a template's facts."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
