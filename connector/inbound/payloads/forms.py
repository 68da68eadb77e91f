"""HTML forms to payloads: urlencoded and multipart, names with brackets and dots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from connector.core.payload import Payload
from connector.inbound.payloads.contract import MAX_DEPTH, Decoded, Media, gather, unreadable
from connector.inbound.payloads.media import text_of

#: Fields of one form.
MAX_FORM_FIELDS = 1000
#: Splits a name into its head and its bracketed parts: ``data[phones][]``.
_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
#: A head that is a path. A dot anywhere else ("Acepto. Sí") is a literal one: such names are labels.
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)+")


def _urlencoded_fields(raw: bytes, media: Media) -> list[tuple[bytes, bytes]]:
    if raw.count(b"&") >= MAX_FORM_FIELDS:
        raise unreadable(f"has more than {MAX_FORM_FIELDS} fields")
    pairs = [pair.partition(b"=") for pair in raw.split(b"&") if pair]
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _multipart_fields(raw: bytes, media: Media) -> list[tuple[bytes, bytes]]:
    from werkzeug.exceptions import RequestEntityTooLarge

    try:
        return list(_parts(raw, media.boundary.encode("ascii")))
    except RequestEntityTooLarge:
        raise unreadable(f"has more than {MAX_FORM_FIELDS} fields") from None
    except ValueError:
        raise unreadable("is not multipart/form-data with the declared boundary") from None


def _parts(raw: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The named parts that are not files. Raises ValueError or RequestEntityTooLarge."""
    from werkzeug.sansio import multipart

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


FORMS: dict[str, Callable[[bytes, Media], list[tuple[bytes, bytes]]]] = {
    "application/x-www-form-urlencoded": _urlencoded_fields,
    "multipart/form-data": _multipart_fields,
}


def read_form(raw: bytes, media: Media, max_elements: int) -> Decoded:
    root: dict[str, Any] = {}
    fields = FORMS[media.name](raw, media)
    if not fields:
        raise unreadable("has no form fields")
    for name, value in fields:
        _put(root, _path(text_of(name, media.codec)), text_of(value, media.codec))
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
        raise unreadable(f"has a field nested deeper than {MAX_DEPTH} levels")
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


def read_plain_form(raw: bytes, media: Media, max_elements: int) -> Decoded:
    """Every field under the name it was sent with; one that comes several times is a list."""
    found: dict[str, Any] = {}
    for name, value in FORMS[media.name](raw, media):
        gather(found, text_of(name, media.codec), text_of(value, media.codec))
    if not found:
        raise unreadable("has no form fields")
    return Decoded([Payload(found)], many=False)
