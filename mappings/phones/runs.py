"""Runs of digits in a text: groups that may belong to one number, and the words between the runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from mappings.phones.wrappings import EXTENSION, INTERNATIONAL, REFUSED

_DIGITS: Final = re.compile("[0-9]+")
_WORD: Final = re.compile(rf"[^\W\d_]|[{REFUSED}{EXTENSION}]")
_MARKS: Final = str.maketrans("", "", REFUSED + INTERNATIONAL + EXTENSION)
_FIRST_WORD: Final = re.compile(r"[^\W\d_]+")
_LAST_WORD: Final = re.compile(r"[^\W\d_]+$")
_LIKE_DIGITS: Final = frozenset("oOlI")
_GLUED: Final = 2  #: digits that belong to the word they touch: Cel1, 24h, 8am


@dataclass(slots=True)
class Group:
    """Digits without anything between them."""

    digits: str
    between: str = ""  #: the text between it and the previous group of the same run
    plus: bool = False
    international: bool = False  #: a + that is not written: in WhatsApp's ids and links


@dataclass(slots=True)
class Run:
    """Groups of digits with no word between them."""

    before: str  #: the words since the run before it
    groups: list[Group] = field(default_factory=list)
    blank_before: bool = False  #: the text begins with a blank and then this
    letters: bool = False  #: a letter that may mean a digit touches it
    joined: bool = False  #: a word without blanks joins it to the run before it

    @property
    def digits(self) -> str:
        return "".join([group.digits for group in self.groups])


def runs(text: str) -> tuple[list[Run], str]:
    """The runs of a text, and all that stands between them and around."""
    found: list[Run] = []
    around: list[str] = []
    words, is_open, end = "", False, 0
    for match in _DIGITS.finditer(text):
        stretch, digits = text[end : match.start()], match[0]
        parts = _parting(stretch)
        if parts >= 0 or not is_open:
            if parts >= 0:
                around.append(stretch)
            words += stretch
            _taint_before(found, stretch, is_open)
            is_open = False
        end = match.end()
        if len(digits) <= _GLUED and _touches_word(stretch, text[end : end + 1]):
            words += digits
            is_open = False
            continue
        between = stretch[parts + 1 :] if parts >= 0 else stretch
        group = Group(digits, between if is_open else "", "+" in between, INTERNATIONAL in between)
        if not is_open:
            blank = not found and match.start() == len(stretch) and stretch.isspace()
            run = Run(words.translate(_MARKS), blank_before=blank, letters=_like_digits(_LAST_WORD.search(stretch)))
            run.joined = bool(found) and stretch.isalpha()
            found.append(run)
            words = ""
        found[-1].groups.append(group)
        is_open = True
    around.append(text[end:])
    _taint_before(found, text[end:], is_open)
    return found, " 0 ".join(around)


def _parting(stretch: str) -> int:
    """The end of the last word or mark of a stretch; -1 if it has none."""
    last = -1
    if stretch.isascii() and stretch.isspace():
        return last
    for match in _WORD.finditer(stretch):
        last = match.start()
    return last


def _touches_word(stretch: str, after: str) -> bool:
    last = _LAST_WORD.search(stretch) if stretch[-1:].isalpha() else None
    return (last is not None and not _like_digits(last)) or (after.isalpha() and after not in _LIKE_DIGITS)


def _taint_before(found: list[Run], stretch: str, is_open: bool) -> None:
    if is_open and found and stretch[:1].isalpha() and _like_digits(_FIRST_WORD.match(stretch)):
        found[-1].letters = True


def _like_digits(word: re.Match[str] | None) -> bool:
    return word is not None and set(word[0]) <= _LIKE_DIGITS


def chunks(run: Run) -> Iterator[list[Group]]:
    """The run's groups, parted before every sign of a country's code."""
    chunk: list[Group] = []
    for group in run.groups:
        if chunk and (group.plus or group.international):
            yield chunk
            chunk = []
        chunk.append(group)
    if chunk:
        yield chunk
