"""Content types and charsets."""

from __future__ import annotations

from dataclasses import replace
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Final

from connector.core.errors import UnsupportedType
from connector.inbound.payloads.contract import Media, unreadable
from mappings.remembered import remembered

_LONGEST: Final = 1000  #: characters of a content type that are read

# UTF-7 can produce lone surrogates; only the names here are looked up, so an invented charset imports nothing.
_CODECS = (aliases | {codec: codec for codec in aliases.values()} | {"utf_8_sig": "utf_8"}).items()
_CHARSETS = {name: codec for name, codec in _CODECS if codec != "utf_7"}
#: Declared by senders who then write UTF-8, and meant as cp1252 when they do not (as browsers read them).
_WESTERN = frozenset({"", "ascii", "latin_1", "cp1252"})


@remembered(256, longest=_LONGEST)
def media_of(content_type: str) -> Media:
    from werkzeug.http import parse_options_header

    name, options = parse_options_header(content_type)
    charset = options.get("charset", "").strip().lower()
    codec = _CHARSETS.get(normalize_encoding(charset), "") if charset.isascii() else ""
    # Sent twice, it comes joined by a comma; a missing semicolon leaves a blank.
    first = name.split(",")[0].split()
    return Media(first[0].lower() if first else "", codec, options.get("boundary", ""), bool(charset and not codec))


def with_known_charset(media: Media, raw: bytes) -> Media:
    """The same; of an unknown charset ("utf8mb4") if the bytes are UTF-8. Raises `UnsupportedType` if they are not."""
    if not media.is_unknown:
        return media
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise UnsupportedType("the charset is unknown: send UTF-8") from None
    return replace(media, is_unknown=False)


def text_of(raw: bytes, codec: str) -> str:
    """`raw` in its declared charset. A western charset, or none, gives way to UTF-8 if the bytes are UTF-8."""
    if codec in _WESTERN:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")
    try:
        return raw.decode(codec)
    except UnicodeError:
        raise unreadable("is not in the charset that the content type declares") from None
    except LookupError:  # a Python codec of that name that is not a charset ("hex")
        raise UnsupportedType("the charset is unknown: send UTF-8") from None


def utf8_of(raw: bytes, codec: str) -> bytes:
    """`raw` as UTF-8 without its byte order mark. With no charset declared it is JSON's own: UTF-8."""
    if codec not in ("", "utf_8"):
        raw = text_of(raw, codec).encode()
    return raw.removeprefix(b"\xef\xbb\xbf")
