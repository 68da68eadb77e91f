"""JSON as templates and old programs write it, read if there is only one way to read it.

A text with line breaks, Windows-1252 letters, NaN, an extra comma, a value that a template left out: each has one
meaning. An unescaped quote within a text has several: that stays a fault.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

NOT_JSON: Final = object()
#: A comma before what closes, or a value that is missing. Group 1: all up to the next of them, whole strings included,
#: in one match: nothing else runs while a pattern is tried at each byte of a large body.
_SLIPS: Final = re.compile(
    rb",(?=\s*+[}\]])|(?<=:)(?=\s*+[,}])"
    rb'|((?:"(?:[^"\\]++|\\.)*+"|[^",:]++|(?!,\s*+[}\]])(?!:\s*+[,}])[,:])++)',
    re.DOTALL,
)
_MOST_DIGITS: Final = 19  #: a longer whole number is read as a float, as everywhere
#: A letter of several bytes, or its beginning.
_PART_OF_UTF8: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_END: Final = b" \t\r\n\0\x1a;"


def leniently(raw: bytes) -> Any:
    """The value that the text can only mean, or `NOT_JSON`."""
    raw = raw.strip(_END)
    if b"\0" in raw:
        return NOT_JSON
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        if _PART_OF_UTF8.search(raw):  # cut or concatenated: it is ambiguous which
            return NOT_JSON
        text = raw.decode("cp1252", "replace")
    for written in (text, _SLIPS.sub(_mended, text.encode()).decode()):
        try:
            return json.loads(written, strict=False, parse_constant=_nothing, parse_int=_whole, parse_float=_number)
        except (ValueError, RecursionError):
            continue
    return NOT_JSON


def _mended(slip: re.Match[bytes]) -> bytes:
    """A missing value becomes null; an extra comma is dropped."""
    if slip[1] is not None:
        return slip[1]
    return b"" if slip[0] == b"," else b" null"


def _nothing(_name: str) -> None:
    """NaN and Infinity become null."""


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else _number(digits)


def _number(digits: str) -> float:
    """Raises `ValueError` for one that no float holds."""
    if math.isinf(found := float(digits)):
        raise ValueError("beyond any float")
    return found
