"""Raw bytes to payloads: JSON, NDJSON, forms, XML, and envelopes around them (CloudEvents, Standard Webhooks). Pure.

Whatever the bytes: payloads that `orjson.dumps` can write again, `Unreadable` or `UnsupportedType`, nothing else.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ErrorString

import orjson
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio import multipart

from connector.errors import Unreadable, UnsupportedType
from connector.forgotten import HASHED
from mappings.base import FieldError

#: Containers within containers; orjson reads 1024 of them but writes only 254.
MAX_DEPTH = 64
#: Fields of one form.
MAX_FORM_FIELDS = 1000
#: The types whose reverse-DNS spelling ("com.example.lead.created") is shortened.
EVENT_TYPES = frozenset({"lead.created", "lead.updated", "ticket.created", "ticket.updated", "ticket.closed"})


class Lookup(Protocol):
    """Headers: werkzeug's own, a dict with lower-case names, or AMQP's, whose values may be more than text."""

    def get(self, key: str, /) -> Any:
        """The value, or None."""


@dataclass(slots=True)
class Payload:
    """What one event is read from. With an `error`, `body` is what could be kept of it."""

    body: Any
    event_id: str = ""  #: from an envelope or the message; "" if none
    error: Unreadable | None = None
    spare_id: str = ""  #: for a body that has no id of its own


@dataclass(frozen=True, slots=True)
class Decoded:
    """The payloads of one request or message; `many` for an array, NDJSON or a batch, were it of one element."""

    payloads: list[Payload]
    many: bool


def decode(
    raw: bytes,
    *,
    content_type: str,
    headers: Lookup,
    message_id: str = "",
    max_elements: int = 10_000,
    as_sent: bool = False,
    trusts_webhook_id: bool = True,
) -> Decoded:
    """The payloads in `raw`. Event ids come from ``webhook-id``, CloudEvents or `message_id`, in this order.

    Headers that are not `trusts_webhook_id` name no event, be it a ``webhook-id`` or a CloudEvent's in binary mode:
    anybody could have put them beside a body that is signed, again and again.

    Raises `Unreadable` if the whole is no payload (one bad element only carries its own `error`) and
    `UnsupportedType` for a content type or charset that is not understood. With `as_sent` no envelope is looked for and
    form fields keep the names they were sent under, and XML is read too: for senders with a shape of their own.
    """
    media = _media(content_type or "application/json")
    if as_sent:
        decoded = _plain_reader(media.name)(raw, media, max_elements)
        return _identified(decoded, webhook_id="", message_id=message_id)
    read = _reader(media.name)
    prefix = None if media.name in _ENVELOPES else _attribute_prefix(headers)
    # A CloudEvent in binary mode may have no data, hence no body.
    plain = read(raw, media, max_elements) if raw or prefix is None else Decoded([Payload(None)], many=False)
    if prefix is None:
        decoded = _shaped(plain, media.name)
    elif trusts_webhook_id:
        decoded = _wrapped(plain, _header_attributes(headers, prefix))
    else:
        decoded = _unnamed(plain, _header_attributes(headers, prefix))
    webhook_id = _attribute_text(headers.get("webhook-id")) if trusts_webhook_id else ""
    return _identified(decoded, webhook_id=webhook_id, message_id=message_id)


def event_key(text: str) -> str:
    """`text` as an event id any store can hold and index: itself, or its hash if very long or not plain text."""
    if len(text) <= 255 and text.isprintable():
        return text
    return "long:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def body_field(raw: bytes, content_type: str, name: str) -> str | None:
    """A text at the top of a JSON object, or a form's field under the name it was sent with; None if there is none.

    Raises nothing: for whoever must know that field before the body can be believed.
    """
    try:
        decoded = decode(raw, content_type=content_type, headers={}, as_sent=True)
    except (Unreadable, UnsupportedType):
        return None
    body = decoded.payloads[0].body if not decoded.many and decoded.payloads else None
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


def form_fields(raw: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of a form in their order, names as sent. Files are left out. Raises as `decode` does."""
    media = _media(content_type)
    if media.name not in _FORMS:
        raise UnsupportedType("the content type is not that of a form")
    return [(_text(name, media.codec), _text(value, media.codec)) for name, value in _FORMS[media.name](raw, media)]


def _unreadable(message: str, *, field: str = "body") -> Unreadable:
    return Unreadable((FieldError(field, message),))


# --- content types and charsets ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Media:
    name: str  #: "application/json", lower case
    codec: str  #: Python's name of the charset; "" if none is declared
    boundary: str


# UTF-7 makes lone surrogates; the names here are all that is ever looked up, so a made-up charset imports nothing.
_CODECS = (aliases | {codec: codec for codec in aliases.values()} | {"utf_8_sig": "utf_8"}).items()
_CHARSETS = {name: codec for name, codec in _CODECS if codec != "utf_7"}
#: Declared by senders who then write UTF-8, and meant as cp1252 when they do not (as browsers read them).
_WESTERN = frozenset({"", "ascii", "latin_1", "cp1252"})


@lru_cache(maxsize=256)
def _media(content_type: str) -> _Media:
    name, options = parse_options_header(content_type)
    charset = options.get("charset", "").strip().lower()
    codec = _CHARSETS.get(normalize_encoding(charset), "") if charset.isascii() else ""
    if charset and not codec:
        raise UnsupportedType("the charset is unknown: send UTF-8")
    return _Media(name.strip().lower(), codec, options.get("boundary", ""))


def _text(raw: bytes, codec: str) -> str:
    """`raw` in its declared charset. A western one, or none, gives way to UTF-8 wherever the bytes are UTF-8."""
    if codec in _WESTERN:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("cp1252", "replace")
    try:
        return raw.decode(codec)
    except UnicodeError:
        raise _unreadable("is not in the charset that the content type declares") from None
    except LookupError:  # what Python knows under the name is no charset ("hex")
        raise UnsupportedType("the charset is unknown: send UTF-8") from None


def _utf8(raw: bytes, codec: str) -> bytes:
    """`raw` as UTF-8 without its byte order mark. With no charset declared it is JSON's own: UTF-8."""
    if codec not in ("", "utf_8"):
        raw = _text(raw, codec).encode()
    return raw.removeprefix(b"\xef\xbb\xbf")


# --- JSON -------------------------------------------------------------------------------------------------------

#: An escaped surrogate after the backslashes that stand for themselves; group 2: a whole pair.
_SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*+)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _json(raw: bytes, *, what: str = "is") -> Any:
    """The value of a JSON text, however deep. Half an emoji, as cut by senders that count UTF-16, becomes U+FFFD."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    mended = _SURROGATES.sub(_mended_surrogate, raw)
    if mended != raw:
        return _json(mended, what=what)
    raise _unreadable(f"{what} not JSON: {reason}")


def _mended_surrogate(match: re.Match[bytes]) -> bytes:
    return match[0] if match[2] else match[1] + rb"\ufffd"


def _containers(nodes: Iterable[Any]) -> list[Any]:
    """The dicts and lists directly within `nodes`."""
    return [
        child
        for node in nodes
        for child in (node.values() if type(node) is dict else node)
        if type(child) is dict or type(child) is list
    ]


def _too_deep(element: Any) -> bool:
    level = _containers([[element]])
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        level = _containers(level)
    return bool(level)


def _fault(element: Any, *, maybe_deep: bool) -> str:
    """Why a JSON value cannot be an event's payload; "" if it can."""
    if type(element) is not dict:
        return "must be a JSON object"
    if maybe_deep and _too_deep(element):
        return f"is nested deeper than {MAX_DEPTH} levels"
    # Beyond 64 bits a whole number is read as a float: two ids would become one.
    if type(element.get("id")) is float and abs(element["id"]) >= 2**53:
        return "has an id of more digits than a JSON number keeps: send it as text"
    return ""


def _may_be_deep(raw: bytes) -> bool:
    return raw.count(b"{") + raw.count(b"[") > MAX_DEPTH


def _element(value: Any, *, maybe_deep: bool) -> Payload:
    """One element of many: its fault is its own."""
    fault = _fault(value, maybe_deep=maybe_deep)
    if not fault:
        return Payload(value)
    return Payload(_pruned(value, MAX_DEPTH) if maybe_deep else value, error=_unreadable(fault))


def _pruned(value: Any, levels: int) -> Any:
    """`value` with null for what lies deeper than `levels`, so that it can be written again."""
    if type(value) is dict:
        return {key: _pruned(child, levels - 1) for key, child in value.items()} if levels else None
    if type(value) is list:
        return [_pruned(child, levels - 1) for child in value] if levels else None
    return value


def _read_json(raw: bytes, media: _Media, max_elements: int) -> Decoded:
    raw = _utf8(raw, media.codec)
    value = _json(raw)
    maybe_deep = _may_be_deep(raw)
    if type(value) is list:
        _demand_few(len(value), max_elements)
        return Decoded([_element(element, maybe_deep=maybe_deep) for element in value], many=True)
    if fault := _fault(value, maybe_deep=maybe_deep):
        raise _unreadable(fault if type(value) is dict else "must be a JSON object or an array of objects")
    return Decoded([Payload(value)], many=False)


def _read_lines(raw: bytes, media: _Media, max_elements: int) -> Decoded:
    payloads: list[Payload] = []
    for number, line in enumerate(BytesIO(_utf8(raw, media.codec)), start=1):
        if line := line.strip():
            _demand_few(len(payloads) + 1, max_elements)
            payloads.append(_line(line, number))
    return Decoded(payloads, many=True)


def _line(line: bytes, number: int) -> Payload:
    """One line of NDJSON; a bad one keeps its text, unreadable bytes replaced."""
    try:
        return _element(_json(line, what=f"line {number} is"), maybe_deep=_may_be_deep(line))
    except Unreadable as error:
        errors = error.errors
    # Made anew: the caught one holds on to the stack and the whole body.
    return Payload(line.decode(errors="replace"), error=Unreadable(errors))


def _demand_few(count: int, max_elements: int) -> None:
    if count > max_elements:
        raise _unreadable(f"has more than {max_elements} elements: send fewer at once")


# --- forms ------------------------------------------------------------------------------------------------------

#: Splits a name into its head and its bracketed parts: ``data[phones][]``.
_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
#: A head that is a path. A dot anywhere else ("Acepto. Sí") is a literal one: such names are labels.
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_ENVELOPE_FIELDS = ("id", "type", "time", "timestamp")


def _urlencoded_fields(raw: bytes, media: _Media) -> list[tuple[bytes, bytes]]:
    if raw.count(b"&") >= MAX_FORM_FIELDS:
        raise _unreadable(f"has more than {MAX_FORM_FIELDS} fields")
    pairs = [pair.partition(b"=") for pair in raw.split(b"&") if pair]
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _multipart_fields(raw: bytes, media: _Media) -> list[tuple[bytes, bytes]]:
    try:
        return list(_parts(raw, media.boundary.encode("ascii")))
    except RequestEntityTooLarge:
        raise _unreadable(f"has more than {MAX_FORM_FIELDS} fields") from None
    except ValueError:
        raise _unreadable("is not multipart/form-data with the declared boundary") from None


def _parts(raw: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The named parts that are no files. Raises ValueError or RequestEntityTooLarge."""
    if not boundary:
        raise ValueError("no boundary")
    decoder = multipart.MultipartDecoder(boundary, max_parts=MAX_FORM_FIELDS)
    decoder.receive_data(raw)
    decoder.receive_data(None)
    name: bytes | None = None
    value = b""
    while not isinstance(event := decoder.next_event(), multipart.Epilogue):
        if isinstance(event, multipart.Field):
            name, value = event.name.encode("utf-8", "replace") if event.name else None, b""
        elif isinstance(event, multipart.File):
            name = None
        elif isinstance(event, multipart.Data) and name is not None:
            value += event.data
            if not event.more_data:
                yield name, value


_FORMS: dict[str, Callable[[bytes, _Media], list[tuple[bytes, bytes]]]] = {
    "application/x-www-form-urlencoded": _urlencoded_fields,
    "multipart/form-data": _multipart_fields,
}


def _read_form(raw: bytes, media: _Media, max_elements: int) -> Decoded:
    root: dict[str, Any] = {}
    fields = _FORMS[media.name](raw, media)
    if not fields:
        raise _unreadable("has no form fields")
    for name, value in fields:
        _put(root, _path(_text(name, media.codec)), _text(value, media.codec))
    return Decoded([Payload({key: _listed(child) for key, child in root.items()})], many=False)


def _path(name: str) -> list[str]:
    """``data[phones][]`` and ``data.phones[]`` -> data, phones, "" (append). A malformed name stays whole."""
    match = _BRACKETED.fullmatch(name)
    if match is None:
        return [name]
    head, brackets = match.groups()
    path = head.split(".") if _DOTTED.fullmatch(head) else [head]
    if brackets:
        path += brackets[1:-1].split("][")
    if len(path) > MAX_DEPTH:
        raise _unreadable(f"has a field nested deeper than {MAX_DEPTH} levels")
    return path


def _put(root: dict[str, Any], path: list[str], value: str) -> None:
    node = root
    for part in path[:-1]:
        name = _free_index(node) if part == "" and node is not root else part
        child = node.get(name)
        if not isinstance(child, dict):
            # A name that was a value before becomes a branch, which keeps the value under "".
            child = node[name] = {} if child is None else {"": child}
        node = child
    _put_value(node, _free_index(node) if path[-1] == "" and node is not root else path[-1], value)


def _put_value(node: dict[str, Any], name: str, value: str) -> None:
    present = node.get(name)
    if isinstance(present, dict):
        _put_value(present, "", value)
    elif isinstance(present, list):
        present.append(value)
    else:
        node[name] = value if present is None else [present, value]


def _free_index(node: dict[str, Any]) -> str:
    index = len(node)
    while str(index) in node:
        index += 1
    return str(index)


def _listed(node: Any) -> Any:
    """Branches named 0, 1, 2, … become lists."""
    if not isinstance(node, dict):
        return node
    indexes = [str(index) for index in range(len(node))]
    if set(indexes) == node.keys():
        return [_listed(node[index]) for index in indexes]
    return {name: _listed(child) for name, child in node.items()}


def _form_body(fields: dict[str, Any]) -> dict[str, Any]:
    """Our own JSON from a form's fields: what is not of the envelope is data, unless the form says so itself."""
    if "data" in fields:
        return _timed(fields)
    body = {name: fields[name] for name in _ENVELOPE_FIELDS if name in fields}
    body["data"] = {name: value for name, value in fields.items() if name not in _ENVELOPE_FIELDS}
    return _timed(body)


# --- envelopes --------------------------------------------------------------------------------------------------

#: Header prefixes of CloudEvents attributes: HTTP, then AMQP's two, each also as a dict of lower-case names has it.
_PREFIXES = ("ce-", "cloudEvents:", "cloudEvents_", "cloudevents:", "cloudevents_")
#: What gives a CloudEvent in binary mode away, with the prefix of its attributes.
_BINARY = {prefix + name: prefix for prefix in _PREFIXES for name in ("specversion", "id")}
_REQUIRED = ("id", "source", "type")
_ATTRIBUTES = (*_REQUIRED, "time", "specversion")


def _shaped(decoded: Decoded, name: str) -> Decoded:
    """Each payload in our own shape, as its content type asks."""
    if name in _ENVELOPES:
        return Decoded([_opened(payload, many=decoded.many) for payload in decoded.payloads], decoded.many)
    shape = _form_body if name in _FORMS else _timed
    for payload in decoded.payloads:
        if payload.error is None:
            payload.body = shape(payload.body)
    return decoded


def _timed(body: dict[str, Any]) -> dict[str, Any]:
    """Standard Webhooks say ``timestamp`` where our own JSON says ``time``. Any other shape is left alone."""
    if "timestamp" in body and "time" not in body and "type" in body and "data" in body:
        return {**body, "time": body["timestamp"]}
    return body


def _attribute_prefix(headers: Lookup) -> str | None:
    """The prefix of a CloudEvent in binary mode; None if there is none."""
    if isinstance(headers, dict) and not headers:  # as of most messages
        return None
    for name, prefix in _BINARY.items():
        if headers.get(name) is not None:
            return prefix
    return None


def _header_attributes(headers: Lookup, prefix: str) -> dict[str, str]:
    values = {name: _attribute_text(headers.get(prefix + name)) for name in _ATTRIBUTES}
    if prefix == "ce-":  # AMQP's are plain text
        values = {name: _percent_decoded(value, name) for name, value in values.items()}
    return _checked(values)


def _percent_decoded(value: str, name: str) -> str:
    try:
        # WSGI reads a header's bytes as latin-1; a text that cannot come from there is taken as it is.
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "replace")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise _unreadable("is not UTF-8 once percent-decoded", field=f"ce-{name}") from None


def _attribute_text(value: Any) -> str:
    """A CloudEvents attribute or AMQP header as text; "" for what is none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _checked(attributes: dict[str, str]) -> dict[str, str]:
    """The attributes, or `Unreadable` with each that is missing."""
    missing = [FieldError(name, "a CloudEvent needs it") for name in _REQUIRED if not attributes[name]]
    version = attributes["specversion"]
    if version and not version.startswith("1."):
        missing.append(FieldError("specversion", "only CloudEvents 1.x are understood"))
    if missing:
        raise Unreadable(tuple(missing))
    return attributes


def _own_json(attributes: dict[str, str], data: Any) -> Any:
    """The body of our own shape: `data` itself if it has it, else the attributes around it."""
    if isinstance(data, dict) and "type" in data and "data" in data:
        return _timed(data)
    time = {"time": attributes["time"]} if attributes["time"] else {}
    return {"id": attributes["id"], "type": _short_type(attributes["type"]), **time, "data": data}


def _short_type(name: str) -> str:
    short = ".".join(name.split(".")[-2:])
    return short if short in EVENT_TYPES else name


def _source_and_id(attributes: dict[str, str]) -> str:
    return f"{attributes['source']}|{attributes['id']}"


def _wrapped(decoded: Decoded, attributes: dict[str, str]) -> Decoded:
    """Binary mode: one set of attributes for the body, or for each element of it, counted."""
    event_id = _source_and_id(attributes)
    return Decoded(
        [
            Payload(p.body if p.error else _own_json(attributes, p.body), f"{event_id}{_count(decoded, n)}", p.error)
            for n, p in enumerate(decoded.payloads)
        ],
        decoded.many,
    )


def _unnamed(decoded: Decoded, attributes: dict[str, str]) -> Decoded:
    """The same, of attributes that nothing proves: what a body is called is its own id, or its hash, whatever they say.

    So they may say what type it has, but not make another event of it.
    """
    return Decoded([p if p.error else _by_its_data(attributes, p.body) for p in decoded.payloads], decoded.many)


def _by_its_data(attributes: dict[str, str], data: Any) -> Payload:
    body = _own_json(attributes, data)
    if isinstance(data, dict) and "type" in data and "data" in data:
        return Payload(body)
    named = {name: value for name, value in body.items() if name != "id"}
    return Payload(named, spare_id=HASHED + sha256(orjson.dumps(data)).hexdigest())


def _count(decoded: Decoded, index: int) -> str:
    return f".{index}" if decoded.many else ""


def _opened(payload: Payload, *, many: bool) -> Payload:
    """Structured mode: the event within the envelope. A faulty element of many carries its error."""
    if payload.error:
        return payload
    try:
        attributes = _checked({name: _attribute_text(payload.body.get(name)) for name in _ATTRIBUTES})
        return Payload(_own_json(attributes, _data(payload.body)), _source_and_id(attributes))
    except Unreadable as error:
        if not many:
            raise
        errors = error.errors
    return Payload(payload.body, error=Unreadable(errors))


def _data(envelope: dict[str, Any]) -> Any:
    """A structured CloudEvent's data: the value itself, or JSON within ``data_base64``."""
    encoded = envelope.get("data_base64")
    if encoded is None:
        return envelope.get("data")
    if not _is_json(envelope.get("datacontenttype")):
        raise _unreadable("must be application/json", field="datacontenttype")
    try:
        raw = b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except ValueError:
        raise _unreadable("is not base64", field="data_base64") from None
    value = _json(raw.removeprefix(b"\xef\xbb\xbf"))
    if fault := _fault(value, maybe_deep=_may_be_deep(raw)):
        raise _unreadable(fault, field="data_base64")
    return value


def _is_json(content_type: Any) -> bool:
    """Whether a ``datacontenttype`` says JSON, which it does when absent."""
    if content_type is None:
        return True
    name = parse_options_header(content_type)[0].lower() if isinstance(content_type, str) else ""
    return name == "application/json" or name.endswith("+json")


def _identified(decoded: Decoded, *, webhook_id: str, message_id: str) -> Decoded:
    """Each payload with its event id: the signed one, else the envelope's, else the message's."""
    for n, payload in enumerate(decoded.payloads):
        whole = webhook_id or ("" if payload.event_id else message_id)
        payload.event_id = event_key(f"{whole}{_count(decoded, n)}" if whole else payload.event_id)
    return decoded


_Reader = Callable[[bytes, _Media, int], Decoded]

#: CloudEvents that travel whole in the body.
_ENVELOPES: frozenset[str] = frozenset({"application/cloudevents+json", "application/cloudevents-batch+json"})
_READERS: dict[str, _Reader] = {
    "application/json": _read_json,
    "application/x-ndjson": _read_lines,
    "application/ndjson": _read_lines,
    "application/jsonlines": _read_lines,
    "application/x-www-form-urlencoded": _read_form,
    "multipart/form-data": _read_form,
}


def _reader(name: str) -> _Reader:
    reader = _READERS.get(name) or (_read_json if name.endswith("+json") else None)
    if reader is None:
        raise UnsupportedType(f"the content type is not understood: send one of {', '.join(_READERS)}")
    return reader


def _read_plain_form(raw: bytes, media: _Media, max_elements: int) -> Decoded:
    """Every field under the name it was sent with; one that comes several times is a list."""
    found: dict[str, Any] = {}
    for name, value in _FORMS[media.name](raw, media):
        _gather(found, _text(name, media.codec), _text(value, media.codec))
    if not found:
        raise _unreadable("has no form fields")
    return Decoded([Payload(found)], many=False)


def _gather(found: dict[str, Any], name: str, value: Any) -> None:
    """Puts `value` under `name`; what comes there several times becomes a list."""
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]


# --- XML --------------------------------------------------------------------------------------------------------


def _read_xml(raw: bytes, media: _Media, max_elements: int) -> Decoded:
    """The document as ``{root: …}``; see `_Elements`. Its own declaration says the charset when the media does not."""
    document: str | bytes = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if media.codec:
        document = _text(raw, media.codec).lstrip("\ufeff \t\r\n")
    elements = _Elements()
    # Even without entities a DTD can give every element an attribute of megabytes.
    parser = DefusedXMLParser(target=elements, forbid_dtd=True)
    try:
        parser.feed(document)
        parser.close()
    except DefusedXmlException:
        raise _unreadable("has a DTD, which is not read: send it without") from None
    except ParseError as error:
        # The message itself may quote the document.
        raise _unreadable(f"is not XML: {ErrorString(error.code)}, line {error.position[0]}") from None
    except (ValueError, LookupError):
        raise _unreadable("is not in the encoding that it declares") from None
    return Decoded([Payload(elements.root)], many=False)


class _Elements:
    """What the XML parser tells, as JSON has it. Of names in a namespace the local part remains.

    An element is its text (None when empty), or an object if it has more: elements by name, those that are repeated as
    a list, attributes as "@name", text as "#text". White space around texts is dropped.
    """

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[dict[str, Any], list[str]]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins. A list may stand between two of them, so half as many levels as in JSON."""
        if len(self._open) >= MAX_DEPTH // 2:
            raise _unreadable(f"is nested deeper than {MAX_DEPTH // 2} levels")
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
        _gather(self._open[-1][0] if self._open else self.root, _local(tag), found or text or None)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


_PLAIN_READERS: dict[str, _Reader] = {
    **dict.fromkeys(_FORMS, _read_plain_form),
    "application/xml": _read_xml,
    "text/xml": _read_xml,
}


def _plain_reader(name: str) -> _Reader:
    return _PLAIN_READERS.get(name) or (_read_xml if name.endswith("+xml") else _reader(name))
