"""XML documents to payloads."""

from __future__ import annotations

import html
import re
from html.entities import html5
from itertools import islice
from typing import Any, Final
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ErrorString
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from connector.core.errors import Unreadable, UnsupportedType
from connector.core.payload import Payload
from connector.inbound.payloads.contract import MAX_DEPTH, Decoded, Media, gather, unreadable
from connector.inbound.payloads.media import media_of, text_of


def read_xml(raw: bytes, media: Media, max_elements: int) -> Decoded:
    """The document as ``{root: …}``; see `_Elements`.

    Its own declaration gives the charset if the media does not.

    Invalid XML is read as `mended` if that is valid: lead forms write XML by hand.
    """
    document: str | bytes = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if media.codec:
        document = text_of(raw, media.codec).lstrip("\ufeff \t\r\n")
    try:
        return Decoded([Payload(_root(document))], many=False)
    except Unreadable as fault:
        why = fault.errors
    try:
        return Decoded([Payload(_root(mended(raw, media)))], many=False)
    except (Unreadable, UnsupportedType):
        raise Unreadable(why) from None


def _root(document: str | bytes) -> dict[str, Any]:
    elements = _Elements()
    # Even without entities a DTD can give every element an attribute of megabytes.
    parser = DefusedXMLParser(target=elements, forbid_dtd=True)
    try:
        parser.feed(document)
        parser.close()
    except DefusedXmlException:
        raise unreadable("has a DTD, which is not read: send it without") from None
    except ParseError as error:
        # The message itself may quote the document.
        raise unreadable(f"is not XML: {ErrorString(error.code)}, line {error.position[0]}") from None
    except (ValueError, LookupError):
        raise unreadable("is not in the encoding that it declares") from None
    return elements.root


# --- XML as dealers' sites write it ---------------------------------------------------------------------------------

#: In any spelling: <?XML VERSION "1.0"?> and <?ADF …?> in any order, comments, a DOCTYPE with an external reference.
_PROLOG: Final = re.compile(
    r"(?:\s+|<\?[^<>]{0,500}\?>|<!--.{0,5000}?-->|<!DOCTYPE[^\[<>]{0,1000}>)+", re.DOTALL | re.IGNORECASE
)
_ENCODING: Final = re.compile(rb"<\?xml[^<>]{0,200}encoding\s*=?\s*[\"\']([A-Za-z0-9._-]{1,40})", re.IGNORECASE)
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
#: XML's own entities stay; any other & begins an entity of HTML, or is the letter.
_AMPERSAND: Final = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)(?:([A-Za-z][A-Za-z0-9]{1,31};))?"
)
_BEGIN: Final = re.compile(r"<([A-Za-z_][\w:.-]{0,60})[\s>]")
_MOST_BEGINNINGS: Final = 20  #: elements that are tried as the root
_BARE_LESS: Final = re.compile(r"<(?![A-Za-z_/!?])")
_NO_XML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def mended(raw: bytes, media: Media) -> str:
    """A document without its prolog, and with every literal & and < escaped.

    A DTD with declarations of its own stays, and is refused. Raises `Unreadable`, `UnsupportedType`.
    """
    declared = _ENCODING.search(raw[:1000])
    codec = media.codec or (media_of(f"text/xml; charset={declared[1].decode()}").codec if declared else "")
    text = _document(_NO_XML.sub("", _text(raw, codec)).lstrip("\ufeff"))
    *closed, last = text.split(_CDATA_END)
    return "".join([*map(_escaped_before_cdata, closed), _escaped(last)])


def _text(raw: bytes, codec: str) -> str:
    try:
        return text_of(raw, codec)
    except Unreadable:
        return text_of(raw, "cp1252")  # what programs write that declare UTF-8 and do not encode


def _document(text: str) -> str:
    """The root element, without what stands before it and after: a prolog in any spelling, the words of a mail."""
    if "<" not in text and "&lt;" in text:
        text = html.unescape(text)
    prolog = _PROLOG.match(text)
    text = text[prolog.end() if prolog else 0 :]
    if text.startswith("<!DOCTYPE"):
        return text[: text.rfind(">") + 1]
    for begin in islice(_BEGIN.finditer(text), _MOST_BEGINNINGS):
        end = text.rfind(f"</{begin[1]}>")
        if end > begin.start():
            return text[begin.start() : end + len(begin[1]) + 3]
    return text[: text.rfind(">") + 1]


def _escaped_before_cdata(text: str) -> str:
    """Escapes a text that ends with a CDATA section, which stays as it is."""
    before, begins, inside = text.partition(_CDATA)
    return f"{_escaped(before)}{begins}{inside}{_CDATA_END}"


def _escaped(text: str) -> str:
    return _BARE_LESS.sub("&lt;", _AMPERSAND.sub(_letter, text))


def _letter(found: re.Match[str]) -> str:
    letter = html5.get(found[1] or "", "")
    return escape(letter) if letter else f"&amp;{found[1] or ''}"


class _Elements:
    """The elements of an XML document as JSON. Of names in a namespace the local part remains.

    An element is its text (None if empty), or an object if it has more: elements by name, repeated ones as a list,
    attributes as "@name", text as "#text". White space around texts is dropped.
    """

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[dict[str, Any], list[str]]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins. A list may stand between two of them, so half as many levels as in JSON."""
        if len(self._open) >= MAX_DEPTH // 2:
            raise unreadable(f"is nested deeper than {MAX_DEPTH // 2} levels")
        self._open.append(({f"@{_local(name)}": value for name, value in attributes.items()}, []))

    def data(self, text: str) -> None:
        """A piece of the text of the element that is open."""
        self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        """The element is complete."""
        found, pieces = self._open.pop()
        text = "".join(pieces).strip()
        if found and text:
            found["#text"] = text
        gather(self._open[-1][0] if self._open else self.root, _local(tag), found or text or None)


def _local(name: str) -> str:
    return name.rpartition("}")[2]
