"""The input and output of a call: a deadline; an answer, or why there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from connector.core.errors import ConnectorError


class NotSent(ConnectorError):  # noqa: N818 - a verdict on the request
    """The request provably never left. It may be repeated."""


class NoAnswer(ConnectorError):  # noqa: N818
    """The request was written, at least in part, and no usable answer came. It may have landed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The vendor's answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body, or None if it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("content-type", "").lower() or self.body.lstrip()[:1] == b"<"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the clock that goes on while the machine sleeps; and, maybe sooner, one to write the request by."""

    at_s: float
    write_by_s: float = math.inf

    @classmethod
    def after(cls, seconds: float, *, write_within_s: float = math.inf) -> Deadline:
        now_s = _clock_s()
        return cls(now_s + seconds, now_s + write_within_s)

    def left_s(self) -> float:
        return self.at_s - _clock_s()

    def left_to_write_s(self) -> float:
        """How long a request may still be written: what is written later, the vendor may count for too long."""
        return min(self.at_s, self.write_by_s) - _clock_s()


def _clock_s() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
