"""Headers, query and body of a request. None of them is trusted to be UTF-8, or to end."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge

from connector.web.limits import WHOLE_BODY

MAX_BODY_BYTES: Final = WHOLE_BODY

DRAINED_BYTES: Final = 32 * 1024 * 1024  #: of a body that is too large, before its sender is hung up on
_CHUNK: Final = 64 * 1024


class Headers:
    """The headers of a WSGI environment; a look-up costs two dict accesses, and there are a dozen for each request."""

    __slots__ = ("_environ",)

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    def get(self, key: str, /) -> str | None:
        """The value, bytes decoded as latin-1, or None."""
        return self._environ.get(_variable(key))


@lru_cache(maxsize=1024)
def _variable(name: str) -> str:
    variable = name.upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


def query(environ: dict[str, Any]) -> dict[str, str]:
    """The query's parameters, the first of each name; invalid UTF-8 becomes U+FFFD.

    werkzeug's own parser raises UnicodeDecodeError on raw bytes.
    """
    text = environ.get("QUERY_STRING", "").encode("latin-1", "replace").decode("utf-8", "replace")
    return dict(reversed(parse_qsl(text, keep_blank_values=True)))


def body(environ: dict[str, Any], largest: int = MAX_BODY_BYTES) -> bytes:
    """The whole body, of ``largest`` bytes at most.

    Raises werkzeug's 413 if it is too large, as announced or as it grows; 400 if it is cut.
    """
    announced = _announced(environ)
    most = largest + 1 if announced is None else announced
    raw = _read(environ, most) if most <= largest + 1 else b""
    if max(len(raw), announced or 0) > largest:
        _drain(environ, announced)
        raise RequestEntityTooLarge(f"the body is larger than {largest >> 10} KB: send fewer events at once")
    if len(raw) < (announced or 0):
        raise ClientDisconnected
    return raw


def _announced(environ: dict[str, Any]) -> int | None:
    """The announced number of bytes; None if only the end of the body tells. Raises werkzeug's 400."""
    text = environ.get("CONTENT_LENGTH", "")
    if "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
        if text:
            raise BadRequest  # two lengths: a proxy may have gone by the other one
        return None
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadRequest
    return int(text or 0)


def _read(environ: dict[str, Any], most: int) -> bytes:
    """Reads this many bytes, or all there are. A server may give them in pieces."""
    stream, pieces = environ["wsgi.input"], []
    try:
        while most > 0 and (piece := stream.read(most)):
            pieces.append(piece)
            most -= len(piece)
    except OSError as fault:
        raise ClientDisconnected from fault
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _drain(environ: dict[str, Any], announced: int | None) -> None:
    """Reads and discards the rest, so that a sender that reads only after writing gets its answer.

    One that asked first (``Expect: 100-continue``), or announces more than that, is answered at once.
    """
    left = DRAINED_BYTES if announced is None else announced
    if left > DRAINED_BYTES or "HTTP_EXPECT" in environ:
        return
    while left > 0 and (piece := _read(environ, min(left, _CHUNK))):
        left -= len(piece)
