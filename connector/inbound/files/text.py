"""A file's bytes to text: encodings, byte order marks, lines."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.text import quote
from connector.inbound.files.encodings import mixed_text, single_byte_codec, wide_codec
from connector.inbound.files.unpacking import unpacked

LONGEST: Final = 10_000_000  #: bytes of one row, as of one webhook
_CHUNK: Final = 1 << 18
_HEAD: Final = 4096
_NEEDED: Final = "a workbook, a CSV, NDJSON or JSON file is needed"
_NO_TEXT: Final = (
    (b"%PDF", f"is a PDF: {_NEEDED}"),
    (b"\x89PNG", f"is a picture: {_NEEDED}"),
    (b"\xff\xd8\xff", f"is a picture: {_NEEDED}"),
    (b"Rar!", "is a RAR archive: unpack it first"),
    (b"7z\xbc\xaf", "is a 7z archive: unpack it first"),
    (b"{\\rtf", f"is a text document: {_NEEDED}"),
)
_WEB_PAGE: Final = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body|table|meta|style)\b", re.IGNORECASE | re.DOTALL
)
_XML: Final = re.compile(r"\s*<\?xml\b")
_FOREIGN_LINES: Final = 65_536  #: bytes of non-UTF-8 lines from which their encoding is detected


class File:
    """The bytes of a file, converted to UTF-8 from UTF-16 or from a given encoding; `text` decodes the rest."""

    def __init__(self, raw: io.BufferedReader, name: str, encoding: str) -> None:
        self.name: Final = name
        self.size: Final = os.fstat(raw.fileno()).st_size
        self._raw = raw
        head = raw.read(_HEAD)
        _demand_text(head, name)
        self._codec: Final = codecs.lookup(encoding).name if encoding else wide_codec(head, name)
        raw.seek(0)
        self._foreign: Final = "" if self._codec else _foreign(raw)
        # latin-1 leaves every byte as it is, and only line ends are line ends.
        self._text = io.TextIOWrapper(raw, encoding=self._codec or "latin-1", newline="")
        self.head: Final = head.decode(self._codec or "utf-8", "ignore").removeprefix("\ufeff").lstrip()
        if _WEB_PAGE.match(self.head):
            raise ConnectorError(
                phrase("{name} is a web page, whatever it is called: open it and save it as CSV or .xlsx", name=name)
            )
        if _XML.match(self.head):
            raise ConnectorError(phrase("{name} is XML: open it and save it as CSV or .xlsx", name=name))

    @property
    def encoding(self) -> str:
        """Its encoding; if it is UTF-8 only in part, that of the rest."""
        return self._codec or self._foreign or "utf-8"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the person who imports: letters that were guessed."""
        if self._foreign in ("", "cp1252"):
            return ()
        template = "no mark says which encoding it has: by its letters it is {encoding}; --encoding names another"
        return (phrase(template, encoding=self._foreign),)

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._raw.tell()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes, with its end, of each line; ends may be of any system. Raises `ConnectorError`."""
        for number in count(1):
            line = self._taken(self._text.readline, LONGEST + 1)
            if not line:
                return
            if len(line) > LONGEST:
                raise ConnectorError(
                    phrase(
                        "line {number} of {name} is longer than {most:,} characters: is it text?",
                        number=number,
                        name=self.name,
                        most=LONGEST,
                    )
                )
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line

    def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises `ConnectorError`."""
        return self._taken(self._text.read, _CHUNK)

    def text(self, raw: bytes) -> str:
        """Bytes as UTF-8, or in the encoding of the file's other lines: files are concatenated, and cut within
        letters.

        Padding zeros are dropped, and DOS's end of a file.
        """
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = mixed_text(raw, self._foreign or "cp1252")
        if "\0\0" in text or text.endswith("\0") or text.startswith("\0"):
            text = text.replace("\0", "")
        return text.replace("\x1a", "") if "\x1a" in text else text

    def _taken(self, take: Callable[[int], str], most: int) -> bytes:
        try:
            text = take(most)
            return text.encode() if self._codec else text.encode("latin-1")
        except UnicodeError as fault:
            raise ConnectorError(
                phrase("{name} is not all in {encoding}: save it as UTF-8", name=self.name, encoding=self.encoding)
            ) from fault
        except OSError as fault:
            raise ConnectorError(
                phrase("{name} cannot be read: {why}", name=self.name, why=fault.strerror or "")
            ) from fault


@contextlib.contextmanager
def unwrapped(path: Path) -> Iterator[tuple[io.BufferedReader, str]]:
    """The bytes of a file and its name, extracted if it is an archive. Raises `ConnectorError`."""
    try:
        raw = path.open("rb")
    except OSError as fault:
        raise ConnectorError(phrase("{path} cannot be read: {why}", path=path, why=fault.strerror or "")) from fault
    with contextlib.ExitStack() as closing:
        closing.enter_context(raw)
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise ConnectorError(phrase("{path} is no regular file: save what it gives into one first", path=path))
        inner, name = unpacked(raw, path.name)
        closing.enter_context(inner)
        yield inner, name


def text_file(raw: io.BufferedReader, name: str, encoding: str = "") -> File:
    """A text file; its encoding is detected if it is not given. Raises `ConnectorError` if it is not text."""
    try:
        return File(raw, name, encoding)
    except LookupError as fault:
        raise ConnectorError(
            phrase("no encoding is called {encoding}: utf-8, cp1252, mac-roman …", encoding=quote(encoding))
        ) from fault


def _demand_text(head: bytes, name: str) -> None:
    for start, what in _NO_TEXT:
        if head.startswith(start):
            raise ConnectorError(f"{name} {what}")


def _foreign(raw: io.BufferedReader) -> str:
    """The encoding of the lines that are not UTF-8; "" if there are none."""
    found: list[bytes] = []
    size = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    while (piece := raw.readline(_CHUNK)) and size < _FOREIGN_LINES:
        try:
            decoder.decode(piece)
        except UnicodeDecodeError:
            decoder.reset()
            found.append(piece)
            size += len(piece)
    raw.seek(0)
    return single_byte_codec(found) if found else ""
