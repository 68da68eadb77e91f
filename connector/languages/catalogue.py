"""The catalogues: es.po and pt.po beside this file; English is in the code.

Babel reads them on demand. What it has read is kept beside the byte code, as Python keeps that: a command in Spanish
starts as soon as one in English.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import string
import sys
from collections.abc import Iterable, Mapping
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

import orjson

from connector.core.phrases import Phrase

#: Language -> its name in itself.
LANGUAGES: Final[Mapping[str, str]] = {"es": "Español", "pt": "Português", "en": "English"}
#: Region -> the language of most of its people.
_OF_REGION: Final[Mapping[str, str]] = {"BR": "pt", "PT": "pt", "US": "en", "GB": "en"}
_FOLDER: Final = Path(__file__).parent
#: What stands between thousands, and before tenths, as Python writes them -> as a language does.
_MARKS: Final = {"en": {}, "es": str.maketrans(",.", ".,"), "pt": str.maketrans(",.", ".,")}


class Catalogue:
    """One language. Missing phrases are in English."""

    def __init__(self, language: str, messages: Mapping[str, tuple[str, ...]]) -> None:
        self.language = language
        self._messages = messages
        self._fill = _Filler(self)

    def say(self, text: object) -> str:
        """A phrase in this language; any other text unchanged."""
        if not isinstance(text, Phrase):
            return str(text)
        if not self._messages and self.language == "en":
            return str.__str__(text)
        template = self.chosen(text.template, text.many, text.number)
        return self._fill.vformat(template, (), text.facts) if text.facts else template

    def chosen(self, one: str, many: str = "", number: int | None = None) -> str:
        """The template of this language."""
        found = self._messages.get(one, ())
        if number is None or not many:
            return found[0] if found and found[0] else one
        at = 0 if number == 1 else 1
        return found[at] if len(found) > at and found[at] else (one if at == 0 else many)

    def gettext(self, message: str) -> str:
        """For templates: a text of the page."""
        return self.chosen(message)

    def ngettext(self, one: str, many: str, number: int) -> str:
        """For templates: a text of the page for a number."""
        return self.chosen(one, many, number)

    def number(self, value: float) -> str:
        """ "1,204.5" or "1.204,5"."""
        return self.marked(f"{value:,}")

    def marked(self, number: str) -> str:
        """A number as Python writes it, with the marks of this language."""
        return number.translate(_MARKS[self.language])


class _Filler(string.Formatter):
    """Fills in a template; phrases among the facts are translated, numbers written as its language does."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, str):
            return self._catalogue.say(value)
        if format_spec == ",":
            return self._catalogue.number(value)
        if isinstance(value, float):
            return self._catalogue.marked(str(super().format_field(value, format_spec)))
        return str(super().format_field(value, format_spec))


@functools.cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of a language; English if there is none."""
    if language not in LANGUAGES or language == "en":
        return Catalogue("en", {})
    return Catalogue(language, read(_FOLDER / f"{language}.po"))


Messages = dict[str, tuple[str, ...]]  #: template -> its translation, or those for one and for many


def read(path: Path) -> Messages:
    """The entries of a .po file, as they were kept if it has not changed since."""
    stand, kept = path.stat(), Path(cache_from_source(str(path.with_suffix(".json"))))
    of = [stand.st_mtime_ns, stand.st_size]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = orjson.loads(kept.read_bytes())
        if found["of"] == of:
            return {template: tuple(texts) for template, texts in found["messages"].items()}
    messages = _read(path)
    if not sys.dont_write_bytecode:
        _keep(kept, orjson.dumps({"of": of, "messages": messages}))
    return messages


def _keep(kept: Path, content: bytes) -> None:
    """Whole or not at all; not where nothing may be written."""
    new = kept.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        new.write_bytes(content)
        new.replace(kept)


def _read(path: Path) -> Messages:
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        found = read_po(file)
    return {
        (message.id[0] if isinstance(message.id, tuple | list) else message.id): (
            tuple(message.string) if isinstance(message.string, tuple | list) else (message.string or "",)
        )
        for message in found
        if message.id and not message.fuzzy
    }


def of_environment(environ: Mapping[str, str]) -> str:
    """The language of a terminal: LC_ALL, LC_MESSAGES or LANG, as in other programs; "en" otherwise."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if text := environ.get(name, ""):
            return known(text) or "en"
    return "en"


def of_request(cookie: str, accepted: Iterable[str], region: str) -> str:
    """The language of a reader: the chosen one, otherwise the browser's, otherwise the region's."""
    for wish in (cookie, *accepted):
        if found := known(wish):
            return found
    return _OF_REGION.get(region, "es")


def known(text: str) -> str:
    """ "pt" of "pt_BR.UTF-8" or "pt-BR"; "" for a language without a catalogue."""
    language = re.split(r"[-_.@]", text.strip().lower(), maxsplit=1)[0]
    return language if language in LANGUAGES else ""
