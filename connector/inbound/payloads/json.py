"""JSON and NDJSON bodies to payloads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import orjson

from connector.core.errors import Unreadable
from connector.core.payload import Payload
from connector.inbound.payloads.contract import MAX_DEPTH, Decoded, Media, demand_few, unreadable
from connector.inbound.payloads.lenient_json import NOT_JSON, leniently
from connector.inbound.payloads.media import utf8_of

_MOST_TEXTS = 2
#: An escaped surrogate after the backslashes that stand for themselves; group 2: a whole pair.
_SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*+)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_FIRST = re.compile(rb"\\u[dD]")


def parsed(raw: bytes, *, what: str = "is") -> Any:
    """The value of a JSON text, however deep. Half an emoji, as cut by senders that count UTF-16, becomes U+FFFD."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    # Searched for by its first bytes: the pattern takes its time at every byte, and nothing else runs meanwhile.
    mended = _SURROGATES.sub(_mended_surrogate, raw) if _FIRST.search(raw) else raw
    if mended != raw:
        return parsed(mended, what=what)
    found = leniently(raw)
    if found is not NOT_JSON:
        return found
    raise unreadable(f"{what} not JSON: {reason}")


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


def fault_of(element: Any, *, maybe_deep: bool) -> str:
    """Why a JSON value cannot be an event's payload; "" if it can."""
    if type(element) is not dict:
        return "must be a JSON object"
    if maybe_deep and _too_deep(element):
        return f"is nested deeper than {MAX_DEPTH} levels"
    # Beyond 64 bits a whole number is read as a float: two ids would become one.
    if type(element.get("id")) is float and abs(element["id"]) >= 2**53:
        return "has an id of more digits than a JSON number keeps: send it as text"
    return ""


def may_be_deep(raw: bytes) -> bool:
    return raw.count(b"{") + raw.count(b"[") > MAX_DEPTH


def _element(value: Any, *, maybe_deep: bool) -> Payload:
    """One element of many: its fault is its own."""
    fault = fault_of(value, maybe_deep=maybe_deep)
    if not fault:
        return Payload(value)
    return Payload(_pruned(value, MAX_DEPTH) if maybe_deep else value, error=unreadable(fault))


def _pruned(value: Any, levels: int) -> Any:
    """`value` with null for what lies deeper than `levels`, so that it can be written again."""
    if type(value) is dict:
        return {key: _pruned(child, levels - 1) for key, child in value.items()} if levels else None
    if type(value) is list:
        return [_pruned(child, levels - 1) for child in value] if levels else None
    return value


def read_json(raw: bytes, media: Media, max_elements: int) -> Decoded:
    raw = utf8_of(raw, media.codec)
    value = parsed(raw)
    for _ in range(_MOST_TEXTS):  # JSON inside of a JSON text, as some encode it twice
        if type(value) is str and value.lstrip()[:1] in ("{", "["):
            raw = value.encode(errors="replace")
            value = parsed(raw)
    maybe_deep = may_be_deep(raw)
    if type(value) is list:
        demand_few(len(value), max_elements)
        return Decoded([_element(element, maybe_deep=maybe_deep) for element in value], many=True)
    if fault := fault_of(value, maybe_deep=maybe_deep):
        raise unreadable(fault if type(value) is dict else "must be a JSON object or an array of objects")
    return Decoded([Payload(value)], many=False)


def read_lines(raw: bytes, media: Media, max_elements: int) -> Decoded:
    payloads: list[Payload] = []
    for number, line in enumerate(BytesIO(utf8_of(raw, media.codec)), start=1):
        if line := line.strip():
            demand_few(len(payloads) + 1, max_elements)
            payloads.append(_line(line, number))
    return Decoded(payloads, many=True)


def _line(line: bytes, number: int) -> Payload:
    """One line of NDJSON; a bad one keeps its text, unreadable bytes replaced."""
    try:
        return _element(parsed(line, what=f"line {number} is"), maybe_deep=may_be_deep(line))
    except Unreadable as error:
        errors = error.errors
    # A new exception: the caught one keeps the stack and the whole body alive.
    return Payload(line.decode(errors="replace"), error=Unreadable(errors))
