"""Compressed bodies: removes each ``Content-Encoding``, within the size limit of a body."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import brotli
import zstandard

from connector.core.errors import UnsupportedType
from connector.inbound.payloads.contract import unreadable

MOST: Final = 10 * 1024 * 1024  #: bytes, as of a body that comes as it is
_MOST_LAYERS: Final = 3
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: values that some senders use for "no encoding"
_AS_IS: Final = frozenset({"", "identity", "none", "utf-8", "8bit", "binary"})
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def plain(raw: bytes, encoding: str, most: int = MOST) -> bytes:
    """The body without its encodings; an undeclared one is recognised by its first bytes.

    A proxy may have unpacked a body and left the header: a body that does not begin like its encoding stays as it is.
    Raises `Unreadable` if it cannot be unpacked or grows too large, `UnsupportedType` for other encodings.
    """
    if not encoding and raw[:2] != _GZIP and raw[:4] != _ZSTD:
        return raw
    layers = [layer for one in encoding.lower().split(",") if (layer := one.strip()) not in _AS_IS]
    if len(layers) > _MOST_LAYERS or not all(layer in _READERS for layer in layers):
        raise UnsupportedType("the content encoding is unknown: send gzip, deflate, br, zstd or none")
    for layer in reversed(layers):
        raw = _READERS[layer](raw, most)
    if raw[:2] == _GZIP:
        return _gunzipped(raw, most)
    return _unzstd(raw, most) if raw[:4] == _ZSTD else raw


def _gunzipped(raw: bytes, most: int) -> bytes:
    if raw[:2] != _GZIP:
        return raw
    found = b""
    while raw[:2] == _GZIP:  # several may follow each other
        piece, raw = _inflated(raw, _GZIP_WINDOW, most + 1 - len(found))
        found = _bounded(found + piece, most)
    return found


def _deflated(raw: bytes, most: int) -> bytes:
    """zlib's form, as the standard has it, or the bare one, as some send it."""
    if raw[:1] in (b"{", b"[", b"<"):
        return raw
    try:
        return _bounded(_inflated(raw, zlib.MAX_WBITS, most + 1)[0], most)
    except zlib.error:
        return _bounded(_inflated_or_raise(raw, -zlib.MAX_WBITS, most), most)


def _inflated(raw: bytes, window: int, most: int) -> tuple[bytes, bytes]:
    unpack = zlib.decompressobj(window)
    try:
        found = unpack.decompress(raw, most)
    except zlib.error as fault:
        if window == zlib.MAX_WBITS:
            raise
        raise unreadable("cannot be unpacked: it is not what its content encoding says") from fault
    if not unpack.eof and len(found) < most:
        raise unreadable("cannot be unpacked: it was cut off")
    return found, unpack.unused_data


def _inflated_or_raise(raw: bytes, window: int, most: int) -> bytes:
    return _inflated(raw, window, most + 1)[0]


def _unbrotlied(raw: bytes, most: int) -> bytes:
    if raw[:1] in (b"{", b"[", b"<") and raw.isascii():
        return raw
    unpack = brotli.Decompressor()
    try:
        found = unpack.process(raw, output_buffer_limit=most + 1)
        while (
            not unpack.is_finished() and len(found) <= most and (more := unpack.process(b"", output_buffer_limit=most))
        ):
            found += more
    except brotli.error as fault:
        raise unreadable("cannot be unpacked: it is not what its content encoding says") from fault
    if not unpack.is_finished() and len(found) <= most:
        raise unreadable("cannot be unpacked: it was cut off")
    return _bounded(found, most)


def _unzstd(raw: bytes, most: int) -> bytes:
    if raw[:4] != _ZSTD:
        return raw
    try:
        with zstandard.ZstdDecompressor(max_window_size=2 * MOST).stream_reader(raw, read_across_frames=True) as packed:
            found = _bounded(packed.read(most + 1), most)
        if zstandard.frame_content_size(raw) > len(found):
            raise unreadable("cannot be unpacked: it was cut off")
    except zstandard.ZstdError as fault:
        raise unreadable("cannot be unpacked: it is not what its content encoding says") from fault
    return found


def _bounded(found: bytes, most: int) -> bytes:
    if len(found) > most:
        raise unreadable(f"is larger than {most} bytes once it is unpacked")
    return found


_READERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _deflated,
    "br": _unbrotlied,
    "zstd": _unzstd,
}
