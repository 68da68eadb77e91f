"""Files within files: a table that is zipped or gzipped, unpacked onto the disk within a limit."""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
import zlib
from pathlib import PurePath
from typing import IO, Final

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.text import listed

MOST_UNPACKED: Final = 2_000_000_000  #: bytes; fifty times a file of 50,000 rows
_CHUNK: Final = 1 << 20
TABLES: Final = frozenset(
    {".csv", ".tsv", ".tab", ".txt", ".json", ".ndjson", ".jsonl", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
)
#: What only a workbook's archive holds.
_WORKBOOK_PARTS: Final = ("[Content_Types].xml", "mimetype", "content.xml")


def unpacked(raw: io.BufferedReader, name: str) -> tuple[io.BufferedReader, str]:
    """The table inside an archive and its name; a workbook, or a file that is not an archive, unchanged.

    Raises `ConnectorError` for an archive of several tables or none, with a password, or that grows too large.
    """
    head = raw.peek(4)[:4]
    if head[:2] == b"\x1f\x8b":
        return _gunzipped(raw, name)
    if head == b"PK\x03\x04" or head == b"PK\x05\x06":
        return _unzipped(raw, name)
    return raw, name


def _gunzipped(raw: io.BufferedReader, name: str) -> tuple[io.BufferedReader, str]:
    inner = PurePath(name).stem if PurePath(name).suffix.lower() in (".gz", ".gzip") else name
    with gzip.GzipFile(fileobj=raw) as packed:
        return _copied(packed, name), inner


def _unzipped(raw: io.BufferedReader, name: str) -> tuple[io.BufferedReader, str]:
    try:
        archive = zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as fault:
        raise ConnectorError(
            phrase("{name} is an archive that cannot be read: it was cut off, perhaps", name=name)
        ) from fault
    if sum(part.file_size for part in archive.infolist()) > MOST_UNPACKED:
        raise ConnectorError(
            phrase("{name} unpacks to more than {most:,} bytes: split it", name=name, most=MOST_UNPACKED)
        )
    if any(part in archive.namelist() for part in _WORKBOOK_PARTS):
        raw.seek(0)
        return raw, name
    tables = [part for part in archive.infolist() if _is_table(part.filename)]
    if len(tables) > 1:  # a text beside a table says what it is
        tables = [part for part in tables if PurePath(part.filename).suffix.lower() != ".txt"] or tables
    if len(tables) != 1:
        held = listed(tuple(PurePath(part.filename).name for part in tables[:10]))
        what = f"several tables: {held}; import them one by one" if tables else "no table: CSV, JSON or a workbook"
        raise ConnectorError(phrase("{name} is an archive that holds {what}", name=name, what=what))
    if tables[0].flag_bits & 0x1:
        raise ConnectorError(phrase("{name} is an archive with a password: unpack it first", name=name))
    with archive.open(tables[0]) as packed:
        return _copied(packed, name), PurePath(tables[0].filename).name


def _is_table(path: str) -> bool:
    """Whether it is a table; macOS adds files of its own beside each packed file."""
    pure = PurePath(path)
    return pure.suffix.lower() in TABLES and pure.parts[0] != "__MACOSX" and not pure.name.startswith((".", "~$"))


def _copied(packed: IO[bytes] | gzip.GzipFile, name: str) -> io.BufferedReader:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who reads it
    size = 0
    try:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            if size > MOST_UNPACKED:
                raise ConnectorError(
                    phrase("{name} unpacks to more than {most:,} bytes: split it", name=name, most=MOST_UNPACKED)
                )
            copy.write(chunk)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as fault:
        raise ConnectorError(
            phrase("{name} is packed, and cannot be unpacked: it was cut off, perhaps", name=name)
        ) from fault
    copy.flush()
    copy.seek(0)
    return io.BufferedReader(copy.detach() if isinstance(copy, io.BufferedRandom) else io.FileIO(copy.fileno()))
