"""Envelopes around an event: CloudEvents in binary and structured mode, Standard Webhooks."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from connector.core.errors import Unreadable
from connector.core.keyed_hash import HASHED
from connector.core.payload import Payload
from connector.inbound.payloads.contract import Decoded, Lookup, unreadable
from connector.inbound.payloads.json import fault_of, may_be_deep, parsed
from mappings.base import FieldError

#: Types with a reverse-DNS form ("com.example.lead.created") that is shortened.
EVENT_TYPES = frozenset({"lead.created", "lead.updated", "ticket.created", "ticket.updated", "ticket.closed"})
_ENVELOPE_FIELDS = ("id", "type", "time", "timestamp")


def form_body(fields: dict[str, Any]) -> dict[str, Any]:
    """Our own JSON from a form's fields: fields outside the envelope are data, unless the form has ``data`` itself."""
    if "data" in fields:
        return timed(fields)
    body = {name: fields[name] for name in _ENVELOPE_FIELDS if name in fields}
    body["data"] = {name: value for name, value in fields.items() if name not in _ENVELOPE_FIELDS}
    return timed(body)


#: Header prefixes of CloudEvents attributes: HTTP, then AMQP's two, each also as a dict of lower-case names has it.
_PREFIXES = ("ce-", "cloudEvents:", "cloudEvents_", "cloudevents:", "cloudevents_")
#: Headers that reveal a CloudEvent in binary mode, with the prefix of its attributes.
_BINARY = {prefix + name: prefix for prefix in _PREFIXES for name in ("specversion", "id")}
_REQUIRED = ("id", "source", "type")
_ATTRIBUTES = (*_REQUIRED, "time", "specversion")


def timed(body: dict[str, Any]) -> dict[str, Any]:
    """Standard Webhooks name ``timestamp`` what our own JSON names ``time``. Any other shape is left alone."""
    if "timestamp" in body and "time" not in body and "type" in body and "data" in body:
        return {**body, "time": body["timestamp"]}
    return body


def attribute_prefix(headers: Lookup) -> str | None:
    """The prefix of a CloudEvent in binary mode; None if there is none."""
    if isinstance(headers, dict) and not headers:  # as of most messages
        return None
    for name, prefix in _BINARY.items():
        if headers.get(name) is not None:
            return prefix
    return None


def header_attributes(headers: Lookup, prefix: str) -> dict[str, str]:
    values = {name: attribute_text(headers.get(prefix + name)) for name in _ATTRIBUTES}
    if prefix == "ce-":  # AMQP's are plain text
        values = {name: _percent_decoded(value, name) for name, value in values.items()}
    return _checked(values)


def type_beside(headers: Lookup) -> dict[str, str]:
    """The headers of a CloudEvent in binary mode if they are complete; otherwise none."""
    prefix = attribute_prefix(headers)
    if prefix is None:
        return {}
    try:
        header_attributes(headers, prefix)
    except Unreadable:
        return {}
    return {prefix + name: attribute_text(headers.get(prefix + name)) for name in _ATTRIBUTES}


def _percent_decoded(value: str, name: str) -> str:
    try:
        # WSGI decodes headers as latin-1; a text that cannot come from there stays as it is.
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "replace")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise unreadable("is not UTF-8 once percent-decoded", field=f"ce-{name}") from None


def attribute_text(value: Any) -> str:
    """A CloudEvents attribute or AMQP header as text; "" if it is not text."""
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
        return timed(data)
    time = {"time": attributes["time"]} if attributes["time"] else {}
    return {"id": attributes["id"], "type": _short_type(attributes["type"]), **time, "data": data}


def _short_type(name: str) -> str:
    short = ".".join(name.split(".")[-2:])
    return short if short in EVENT_TYPES else name


def _source_and_id(attributes: dict[str, str]) -> str:
    return f"{attributes['source']}|{attributes['id']}"


def wrapped(decoded: Decoded, attributes: dict[str, str]) -> Decoded:
    """Binary mode: one set of attributes for the body, or for each element of it, counted."""
    event_id = _source_and_id(attributes)
    return Decoded(
        [
            Payload(p.body if p.error else _own_json(attributes, p.body), f"{event_id}{counted(decoded, n)}", p.error)
            for n, p in enumerate(decoded.payloads)
        ],
        decoded.many,
    )


def unnamed(decoded: Decoded, attributes: dict[str, str]) -> Decoded:
    """The same without unproved attributes: a body is then identified by its own id, or by its hash.

    So such attributes may give its type, but cannot make another event of it.
    """
    return Decoded([p if p.error else _by_its_data(attributes, p.body) for p in decoded.payloads], decoded.many)


def _by_its_data(attributes: dict[str, str], data: Any) -> Payload:
    body = _own_json(attributes, data)
    if isinstance(data, dict) and "type" in data and "data" in data:
        return Payload(body)
    named = {name: value for name, value in body.items() if name != "id"}
    return Payload(named, spare_id=HASHED + sha256(orjson.dumps(data)).hexdigest())


def counted(decoded: Decoded, index: int) -> str:
    return f".{index}" if decoded.many else ""


def opened(payload: Payload, *, many: bool) -> Payload:
    """Structured mode: the event within the envelope. A faulty element of many carries its error."""
    if payload.error:
        return payload
    try:
        attributes = _checked({name: attribute_text(payload.body.get(name)) for name in _ATTRIBUTES})
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
        raise unreadable("must be application/json", field="datacontenttype")
    try:
        raw = b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except ValueError:
        raise unreadable("is not base64", field="data_base64") from None
    value = parsed(raw.removeprefix(b"\xef\xbb\xbf"))
    if fault := fault_of(value, maybe_deep=may_be_deep(raw)):
        raise unreadable(fault, field="data_base64")
    return value


def _is_json(content_type: Any) -> bool:
    """Whether a ``datacontenttype`` means JSON; it does if absent."""
    if content_type is None:
        return True
    from werkzeug.http import parse_options_header

    name = parse_options_header(content_type)[0].lower() if isinstance(content_type, str) else ""
    return name == "application/json" or name.endswith("+json")


#: CloudEvents that travel whole in the body.
ENVELOPES: frozenset[str] = frozenset({"application/cloudevents+json", "application/cloudevents-batch+json"})
