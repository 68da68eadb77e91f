"""Detects the encoding of a text file: by its byte order mark, by its zeros, or by the letters that it would contain.

Spreadsheets and old programs of the region write Windows-1252, DOS code pages (850, 437) and Mac Roman, and no file
declares which. General detectors need more text than a list of names has; Spanish and Portuguese letters decide.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from typing import Final

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL: Final = re.compile(rb"[\x01-\x08\x0e-\x19\x1c-\x1f]")
#: The first one applies if nothing decides.
SINGLE_BYTE: Final = ("cp1252", "cp850", "mac_roman", "cp437")
_COMMON: Final = frozenset("áéíóúñãõçêâôàüÁÉÍÓÚÑÃÕÇ")
_USUAL: Final = frozenset("ÊÂÔÀÜ¿¡ºª°«»“”‘’–—…€´ëïöäèìòùî·")
_FARTHEST: Final = 0x24F  #: of the letters that people's names have
#: A letter of two bytes, each read as one of Windows' letters.
_TWICE: Final = re.compile("[ÂÃ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
_VOWELS: Final = frozenset("aeiouáéíóúãõâêôü")
_LETTERS_LOOKED_AT: Final = 20_000


def wide_codec(head: bytes, name: str) -> str:
    """The codec of a file with a byte order mark, or of UTF-16 without one; "" if its letters are single bytes.

    Zeros that only pad fields or the file do not count. Raises `ConnectorError` if it is not text.
    """
    for mark, codec in _BOMS:
        if head.startswith(mark):
            return codec
    zeros = (head[0::2].count(0), head[1::2].count(0))
    if sum(zeros) * 8 < len(head):
        return ""  # a stray one is some cell's
    if min(zeros) * 10 <= max(zeros) and b"\0\0" not in head.rstrip(b"\0"):
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    if _CONTROL.search(head) or not head.strip(b"\0 \r\n"):
        raise ConnectorError(
            phrase("{name} is no text file: a workbook, a CSV, NDJSON or JSON file is needed", name=name)
        )
    return ""


def single_byte_codec(raws: Iterable[bytes]) -> str:
    """The most likely encoding of the lines that are not UTF-8."""
    text = b"\n".join(raws)[:_LETTERS_LOOKED_AT]
    return max(SINGLE_BYTE, key=lambda codec: _likeness(text.decode(codec, "replace")))


def mixed_text(raw: bytes, codec: str) -> str:
    """A line that is not UTF-8: decoded by ``codec``, except for letters of the region that are UTF-8 within it.

    Files are concatenated from several, and cut within letters. Two letters of a DOS code page may look like a rare
    UTF-8 letter, which was not meant.
    """
    near = not any(ord(letter) > _FARTHEST for letter in raw.decode(errors="ignore"))
    return raw.decode(errors=f"connector.{codec}") if near else raw.decode(codec, "replace")


def _replaced(codec: str) -> Callable[[UnicodeError], tuple[str, int]]:
    def replace(fault: UnicodeError) -> tuple[str, int]:
        if not isinstance(fault, UnicodeDecodeError):
            raise fault
        return fault.object[fault.start : fault.end].decode(codec, "replace"), fault.end

    return replace


for _codec in SINGLE_BYTE:
    codecs.register_error(f"connector.{_codec}", _replaced(_codec))


def once_encoded(text: str) -> str:
    """Repairs a text whose UTF-8 was decoded as Windows-1252 and encoded again: "telÃ©fono" is "teléfono"."""
    return _TWICE.sub(_decoded_again, text) if "Ã" in text or "Â" in text else text


def _decoded_again(found: re.Match[str]) -> str:
    raw = b"".join(one.encode("latin-1") if ord(one) < 256 else one.encode("cp1252") for one in found[0])
    return raw.decode(errors="replace")


def _likeness(text: str) -> float:
    """How much the letters beyond ASCII look like a person's data."""
    score = 0.0
    for at, letter in enumerate(text):
        if letter.isascii():
            continue
        if letter in _COMMON:
            score += _place(text, at)
        elif letter in _USUAL:
            score += 0.3
        else:
            score -= 1.0
    return score


def _place(text: str, at: int) -> float:
    """A capital within small letters, or a ç or ñ without a vowel behind it, is the sign of another code page."""
    letter, before = text[at], text[at - 1 : at]
    if letter in "çñÇÑ" and text[at + 1 : at + 2].lower() not in _VOWELS:
        return -0.5
    if letter.isupper() and before.islower():
        return -0.5
    if letter.islower() and before.isupper() and text[at - 2 : at - 1].isupper():
        return 0.2
    return 1.0
