"""Unicode normalisation in linear time for any text.

CPython sorts the combining marks after a letter by insertion, so normalising takes a time that grows with the square of
the longest run of them (python/cpython#149079). Every normalisation of an outside text goes through this module, which
shortens such runs first, like the stream-safe form of UAX #15.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

MAX_MARKS: Final = 30  #: combining marks in a row; the longest sequence in use in any language has fewer than 10

#: Have no combining class and become marks by a decomposition.
_BECOME_MARKS: Final = "\uff9e\uff9f\u0f73\u0f75\u0f81"
_LAST: Final = 0x1F000  #: no mark has a higher number
#: Texts that may have too many marks. Marks are neither letters nor digits, except the two voiced ones.
_SUSPECT: Final = re.compile(rf"(?<![^\w\s\x00-\x7f])[^\w\s\x00-\x7f]{{{MAX_MARKS + 1}}}|[\uff9e\uff9f]")


def nfc(text: str) -> str:
    """The text composed: one character for each letter and its accents, where there is one."""
    return text if text.isascii() else unicodedata.normalize("NFC", bounded(text))


def nfkc(text: str) -> str:
    """The text composed, with compatibility characters (full-width digits, ligatures) as ordinary ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", bounded(text))


def nfkd(text: str) -> str:
    """The decomposed text: each accent a mark of its own, compatibility characters as ordinary ones."""
    return text if text.isascii() else unicodedata.normalize("NFKD", bounded(text))


def unaccented(text: str) -> str:
    """The ASCII letters, digits and signs of the text, without accents; other characters are left out."""
    return nfkd(text).encode("ascii", "ignore").decode()


def bounded(text: str) -> str:
    """The text with at most `MAX_MARKS` combining marks in a row; the others are left out."""
    if len(text) <= MAX_MARKS or text.isascii() or not _SUSPECT.search(text):
        return text
    return _surplus().sub(r"\1", text)


@cache
def _surplus() -> re.Pattern[str]:
    """Made when a text first needs it: few ever do."""
    marks = "".join(map(re.escape, filter(is_mark, map(chr, range(0x300, _LAST)))))
    return re.compile(f"(?<![{marks}])([{marks}]{{{MAX_MARKS}}})[{marks}]+")


def is_mark(character: str) -> bool:
    """Whether the character is put into an order with its neighbours when a text is normalised."""
    return unicodedata.combining(character) != 0 or character in _BECOME_MARKS
