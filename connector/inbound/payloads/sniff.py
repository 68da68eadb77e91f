"""Content type by the bytes of a body alone, for signed bodies: the header beside it is not signed."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from connector.core.errors import Unreadable
from connector.inbound.payloads.json import parsed

_NEXT_LINE: Final = re.compile(rb"[}\]]\s*\n\s*[{\[]")
_BLANKS: Final = b" \t\r\n"
_MARK: Final = b"\xef\xbb\xbf"
_LONGEST_BOUNDARY: Final = 70  #: characters, RFC 2046
_ENVELOPE: Final = ("specversion", "id", "source", "type")


def content_type_of(raw: bytes, *, as_sent: bool) -> str:
    """The content type that fits. With `as_sent` no envelope is searched, and XML is read."""
    text = raw.removeprefix(_MARK).lstrip(_BLANKS)
    if not text or text[:1] in b"{[":
        return _json_type(text, as_sent) + _charset(raw)
    if text[:1] == b"<" and as_sent:
        return "application/xml"
    if text.startswith(b"--") and (boundary := _boundary(text)):
        return f'multipart/form-data; boundary="{boundary}"'
    return "application/x-www-form-urlencoded" if b"=" in text else "application/json"


def begins_as_text(raw: bytes) -> bool:
    """Whether a body begins as JSON, XML or a multipart form does, and so is not packed."""
    text = raw.removeprefix(_MARK).lstrip(_BLANKS)
    return text[:1] in (b"{", b"[", b"<") or text[:2] == b"--"


def _json_type(text: bytes, as_sent: bool) -> str:
    if b"\n" in text and _NEXT_LINE.search(text) and not _is_json(text):
        return "application/x-ndjson"
    if as_sent or b'"specversion"' not in text:
        return "application/json"
    try:
        value = parsed(text)
    except Unreadable:
        return "application/json"
    if isinstance(value, list):
        whole = bool(value) and all(map(_is_envelope, value))
        return "application/cloudevents-batch+json" if whole else "application/json"
    return "application/cloudevents+json" if _is_envelope(value) else "application/json"


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_envelope(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in _ENVELOPE)


def _charset(raw: bytes) -> str:
    """UTF-8, as JSON is, or else what old programs write."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "; charset=cp1252"
    return ""


def _boundary(text: bytes) -> str:
    line = text[2 : _LONGEST_BOUNDARY + 4].partition(b"\n")[0].rstrip(b"\r")
    named = line.decode("latin-1")
    return named if named.isascii() and named.isprintable() and '"' not in named and "\\" not in named else ""
