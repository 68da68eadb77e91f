"""What a request holds: its headers, its query, its body. None of it is trusted to be UTF-8, or ever to end."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
DRAINED_BYTES: Final = 32 * 1024 * 1024  #: of a body that is too large, before its sender is hung up on
_CHUNK: Final = 64 * 1024


class Headers:
    """The headers in a WSGI environment; a look-up costs two dict accesses, and there are a dozen for each request."""

    __slots__ = ("_environ",)

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    def get(self, key: str, /) -> str | None:
        """The value, bytes read as latin-1, or None."""
        return self._environ.get(_variable(key))


@lru_cache(maxsize=1024)
def _variable(name: str) -> str:
    variable = name.upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


def query(environ: dict[str, Any]) -> dict[str, str]:
    """The query's parameters, the first of each name; what is no UTF-8 becomes U+FFFD.

    werkzeug's own reading raises UnicodeDecodeError on raw bytes.
    """
    text = environ.get("QUERY_STRING", "").encode("latin-1", "replace").decode("utf-8", "replace")
    return dict(reversed(parse_qsl(text, keep_blank_values=True)))


def body() -> bytes:
    """The whole body. Raises werkzeug's 413 if it is too large, as its head says or as it grows; 400 if it is cut."""
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        _drain(request.environ)
        raise
    declared = request.content_length
    if declared is not None and len(raw) < declared:
        raise ClientDisconnected
    return raw


def _drain(environ: dict[str, Any]) -> None:
    """Throws away what is still coming, so that a sender who reads only after writing gets its answer.

    One that asked first (``Expect: 100-continue``), or announces more than that, is answered at once.
    """
    announced = request.content_length or 0
    if announced > DRAINED_BYTES or "HTTP_EXPECT" in environ:
        return
    left = DRAINED_BYTES
    while left > 0 and (chunk := environ["wsgi.input"].read(_CHUNK)):
        left -= len(chunk)
