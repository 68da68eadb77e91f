"""Raw bytes to payloads: JSON, NDJSON, forms, XML, and envelopes around them (CloudEvents, Standard Webhooks).

Pure.

For any bytes the result is payloads that `orjson.dumps` can write again, `Unreadable` or `UnsupportedType`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import Final

from connector.core.errors import Unreadable, UnsupportedType
from connector.core.payload import Payload
from connector.inbound.payloads.cloudevents import (
    ENVELOPES,
    attribute_prefix,
    attribute_text,
    counted,
    form_body,
    header_attributes,
    opened,
    timed,
    unnamed,
    wrapped,
)
from connector.inbound.payloads.contract import Decoded, Lookup, Media, Reader
from connector.inbound.payloads.encodings import MOST, plain
from connector.inbound.payloads.forms import FORMS, read_form, read_plain_form
from connector.inbound.payloads.json import parsed, read_json, read_lines
from connector.inbound.payloads.media import media_of, utf8_of, with_known_charset
from connector.inbound.payloads.xml import read_xml

SECRET_BYTES: Final = 256 * 1024  #: searched for a secret before anything is proved


def decode(
    raw: bytes,
    *,
    content_type: str,
    headers: Lookup,
    message_id: str = "",
    max_elements: int = 10_000,
    as_sent: bool = False,
    trusts_webhook_id: bool = True,
    signed_id: str = "",
    max_bytes: int = MOST,
) -> Decoded:
    """The payloads in `raw`. Event ids come from ``webhook-id``, CloudEvents or `message_id`, in this order.

    A `signed_id` comes before all of them and belongs to the first payload itself: whether a body is one event or an
    array of one is not signed.

    If not `trusts_webhook_id`, headers name no event, neither ``webhook-id`` nor a CloudEvent's in binary mode: anybody
    could put them beside a signed body, again and again.

    A packed body may have `max_bytes` once it is unpacked.

    Raises `Unreadable` if the whole is not a payload (one bad element only carries its own `error`) and
    `UnsupportedType` for an unknown content type or charset. With `as_sent` no envelope is searched, form fields keep
    their sent names, and XML is read too: for senders with a shape of their own.
    """
    raw = plain(raw, attribute_text(headers.get("content-encoding")), max_bytes)
    media = _by_content(raw, with_known_charset(media_of(content_type or "application/json"), raw), as_sent=as_sent)
    if as_sent:
        decoded = _plain_reader(media.name)(raw, media, max_elements)
        return _identified(decoded, webhook_id="", message_id=message_id, signed_id=signed_id)
    read = _reader(media.name)
    prefix = None if media.name in ENVELOPES else attribute_prefix(headers)
    # A CloudEvent in binary mode may have no data, hence no body.
    bare = read(raw, media, max_elements) if raw or prefix is None else Decoded([Payload(None)], many=False)
    if prefix is None:
        decoded = _shaped(bare, media.name)
    elif trusts_webhook_id:
        decoded = wrapped(bare, header_attributes(headers, prefix))
    else:
        decoded = unnamed(bare, header_attributes(headers, prefix))
    webhook_id = attribute_text(headers.get("webhook-id") or headers.get("svix-id")) if trusts_webhook_id else ""
    return _identified(decoded, webhook_id=webhook_id, message_id=message_id, signed_id=signed_id)


def event_key(text: str) -> str:
    """`text` as an event id any store can hold and index: itself, or its hash if very long or not plain text."""
    if len(text) <= 255 and text.isprintable():
        return text
    return "long:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def body_field(raw: bytes, content_type: str, name: str) -> str | None:
    """A text at the top of a JSON object, or a form's field under its sent name; None if there is none.

    Raises nothing: it is called before the body is trusted.
    """
    if len(raw) > SECRET_BYTES:
        return None
    try:
        decoded = decode(raw, content_type=content_type, headers={}, as_sent=True, max_bytes=SECRET_BYTES)
    except (Unreadable, UnsupportedType):
        return None
    body = decoded.payloads[0].body if not decoded.many and decoded.payloads else None
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


def _shaped(decoded: Decoded, name: str) -> Decoded:
    """Each payload in our own shape, as its content type asks."""
    if name in ENVELOPES:
        return Decoded([opened(payload, many=decoded.many) for payload in decoded.payloads], decoded.many)
    shape = form_body if name in FORMS else timed
    for payload in decoded.payloads:
        if payload.error is None:
            payload.body = shape(payload.body)
    return decoded


def _identified(decoded: Decoded, *, webhook_id: str, message_id: str, signed_id: str) -> Decoded:
    """Each payload with its event id: the signed one, else the envelope's, else the message's."""
    for position, payload in enumerate(decoded.payloads):
        if signed_id:
            payload.event_id = event_key(f"{signed_id}.{position}" if position else signed_id)
            continue
        whole = webhook_id or ("" if payload.event_id else message_id)
        payload.event_id = event_key(f"{whole}{counted(decoded, position)}" if whole else payload.event_id)
    return decoded


def _by_content(raw: bytes, media: Media, *, as_sent: bool) -> Media:
    """The media with the type that the body itself shows, if the declared one is impossible: JSON as text/plain, XML.

    Nothing else is guessed: a body that begins neither as JSON nor as XML has the declared type.
    """
    begin = raw[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begin in (b"{", b"[") or (begin == b'"' and media.name not in _PLAIN_READERS):
        if media.name.endswith("+json") or (media.name in _READERS and media.name not in FORMS):
            return media
        if media.name in FORMS and not _is_json(raw, media):
            return media
        return replace(media, name=_json_name(raw))
    if as_sent and (begin == b"<" if media.name not in FORMS else _DOCUMENT.match(raw[:_HEAD])):
        return replace(media, name="application/xml")
    if as_sent and media.name not in FORMS and _is_xml_in_text(raw, media):
        return replace(media, name="application/xml")
    return media


def _is_xml_in_text(raw: bytes, media: Media) -> bool:
    """Whether a mail's text holds a document: <?xml …?> or <?adf …?> somewhere, and the end of an element after it."""
    unread = media.name not in _PLAIN_READERS and media.name not in _READERS
    return unread and (begin := raw.find(b"<?")) >= 0 and raw.find(b"</", begin) > 0


def _json_name(raw: bytes) -> str:
    """One value, or one on each line."""
    first, _, rest = raw.strip().partition(b"\n")
    if not rest.strip() or first.rstrip()[-1:] != b"}":
        return "application/json"
    return "application/x-ndjson" if rest.lstrip()[:1] == b"{" else "application/json"


def _is_json(raw: bytes, media: Media) -> bool:
    try:
        parsed(utf8_of(raw, media.codec))
    except (Unreadable, UnsupportedType):
        return False
    return True


_HEAD = 1024  #: bytes that are searched for the beginning
#: How a document begins, and no field of a form.
_DOCUMENT: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:[?!]|[A-Za-z][\w:.-]*[\s>])")
_READERS: dict[str, Reader] = {
    "application/json": read_json,
    "application/x-ndjson": read_lines,
    "application/ndjson": read_lines,
    "application/jsonlines": read_lines,
    "application/x-www-form-urlencoded": read_form,
    "multipart/form-data": read_form,
}


def _reader(name: str) -> Reader:
    reader = _READERS.get(name) or (read_json if name.endswith("+json") else None)
    if reader is None:
        raise UnsupportedType(f"the content type is not understood: send one of {', '.join(_READERS)}")
    return reader


_PLAIN_READERS: dict[str, Reader] = {
    **dict.fromkeys(FORMS, read_plain_form),
    "application/xml": read_xml,
    "text/xml": read_xml,
}


def _plain_reader(name: str) -> Reader:
    if reader := _PLAIN_READERS.get(name) or _READERS.get(name):
        return reader
    if name.endswith(("+xml", "+json")):
        return read_xml if name.endswith("+xml") else read_json
    raise UnsupportedType(
        f"the content type is not understood: send one of {', '.join({**_READERS, **_PLAIN_READERS})}"
    )
