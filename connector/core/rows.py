"""Large reports, read row by row as they come: never more of one in memory than is kept of it.

A report is a JSON array of objects, or an object with such an array as ``data``. Each row is read once it is complete.
Its texts are kept up to `TEXT` characters: what makes a report large is what people wrote into it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

TEXT: Final = 300  #: characters kept of a text in a row
_FRAME: Final = 64 * 1024  #: bytes before or after the rows
_ROW: Final = 2 * 1024 * 1024  #: bytes of one row
_TRIES: Final = 1000  #: beginnings of one row that are tried as the whole of it
_BEGIN: Final = re.compile(rb"\A\s*\[|\"data\"\s*:\s*\[")
_NEXT: Final = re.compile(rb"[\s,]*")
_END: Final = re.compile(rb"\}(?=\s*[,\]])")


class TooLarge(ValueError):  # noqa: N818 - a verdict on the report
    """It cannot be read row by row, or too much of it would have to be kept."""


class Rows:
    """One report on its way. ``most``: bytes that may be kept of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._before: bytes | None = None  #: up to the array's bracket
        self._left = bytearray()  #: not read yet
        self._kept = bytearray()
        self._is_over = False  #: the array has ended
        self._tries = 0

    def feed(self, piece: bytes) -> None:
        """More of it. Raises `TooLarge`."""
        self._left += piece
        if self._before is None:
            self._begin()
        at = 0
        while self._before is not None and not self._is_over:
            end = self._row(at)
            if end < 0:
                break
            at = end
        if at:
            del self._left[:at]
        if len(self._left) > (_FRAME if self._before is None or self._is_over else _ROW):
            raise TooLarge

    def whole(self) -> bytes:
        """All of it, as JSON with shorter texts; what broke off is no JSON."""
        return bytes((self._before or b"") + self._kept + self._left)

    def _begin(self) -> None:
        if found := _BEGIN.search(self._left):
            self._before = bytes(self._left[: found.end()])
            del self._left[: found.end()]

    def _row(self, at: int) -> int:
        """Reads the row that begins there, and gives its end; -1: it is not complete, or there is none."""
        if (found := _NEXT.match(self._left, at)) is None or found.end() == len(self._left):
            return -1
        begin = found.end()
        if self._left[begin] == ord("]"):
            self._is_over = True
            return begin
        if self._left[begin] != ord("{"):
            raise TooLarge
        for end in _END.finditer(self._left, begin):
            self._tries += 1
            try:
                row = orjson.loads(memoryview(self._left)[begin : end.end()])
            except orjson.JSONDecodeError:
                if self._tries > _TRIES:
                    raise TooLarge from None
                continue
            self._keep(row)
            self._tries = 0
            return end.end()
        return -1

    def _keep(self, row: dict[str, Any]) -> None:
        if self._kept:
            self._kept += b","
        self._kept += orjson.dumps(_short(row))
        if len(self._kept) > self._most:
            raise TooLarge


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT]
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    return [_short(inner) for inner in value] if isinstance(value, list) else value
