"""The input and output of every body reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from connector.core.errors import Unreadable
from connector.core.payload import Payload
from mappings.base import FieldError

#: Containers within containers; orjson reads 1024 of them but writes only 254.
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Media:
    name: str  #: "application/json", lower case
    codec: str  #: Python's name of the charset; "" if none is declared
    boundary: str
    is_unknown: bool = False  #: the charset that is declared


class Lookup(Protocol):
    """Headers: werkzeug's own, a dict with lower-case names, or AMQP's, whose values are not always text."""

    def get(self, key: str, /) -> Any:
        """The value, or None."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The payloads of one request or message; `many` for an array, NDJSON or a batch, were it of one element."""

    payloads: list[Payload]
    many: bool


def unreadable(message: str, *, field: str = "body") -> Unreadable:
    return Unreadable((FieldError(field, message),))


def demand_few(count: int, max_elements: int) -> None:
    if count > max_elements:
        raise unreadable(f"has more than {max_elements} elements: send fewer at once")


Reader = Callable[[bytes, Media, int], Decoded]


def gather(found: dict[str, Any], name: str, value: Any) -> None:
    """Puts `value` under `name`; repeated names become a list."""
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]
