"""Bodies as senders really send them: under another content type, compressed, written by templates."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from connector.core.errors import Unreadable, UnsupportedType
from connector.core.settings import Secret, Verify
from connector.inbound.payloads import json, lenient_json
from connector.inbound.payloads.decode import decode
from connector.inbound.payloads.encodings import MOST
from connector.inbound.signatures import NotAuthentic, Proof, sign, verify
from connector.inbound.stored import payload_of

LEAD = b'{"nombre": "Ana", "telefono": "3001112233"}'
MEANT = {"nombre": "Ana", "telefono": "3001112233"}
JSON = "application/json"


def bodies(raw: bytes, content_type: str = JSON, encoding: str = "", *, as_sent: bool = True) -> list[Any]:
    headers = {"content-encoding": encoding} if encoding else {}
    decoded = decode(raw, content_type=content_type, headers=headers, as_sent=as_sent)
    for payload in decoded.payloads:
        assert payload.error is None
    return [payload.body for payload in decoded.payloads]


@pytest.mark.parametrize("as_sent", [True, False])
@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "text/plain;charset=UTF-8", "text/json", "*/*", "application/octet-stream", "json"),
        *("application/json,application/json", "application/json, text/plain", "application/json charset=utf-8"),
        *("application/json; charset=utf8mb4", "application/x-www-form-urlencoded", "multipart/form-data"),
    ],
)
def test_a_body_that_is_json_is_read_as_json(content_type: str, as_sent: bool) -> None:
    assert bodies(LEAD, content_type, as_sent=as_sent) == [MEANT]


def test_lines_of_json_are_known_too() -> None:
    assert bodies(LEAD + b"\n" + LEAD, "text/plain") == [MEANT, MEANT]
    assert bodies(b'{\n "nombre": "Ana",\n "telefono": "3001112233"\n}', "text/plain") == [MEANT]


def test_xml_is_known_by_how_it_begins_where_a_source_takes_it() -> None:
    document = b'<?xml version="1.0"?><lead><name>Ana</name></lead>'
    assert bodies(document, "text/plain") == [{"lead": {"name": "Ana"}}]
    with pytest.raises(UnsupportedType):
        bodies(document, "text/plain", as_sent=False)


def test_what_is_neither_is_what_its_sender_says() -> None:
    with pytest.raises(UnsupportedType, match="application/xml"):
        bodies(b"hola", "text/plain")
    assert bodies(b"{a=1&b=2", "application/x-www-form-urlencoded") == [{"{a": "1", "b": "2"}]
    with pytest.raises(UnsupportedType, match="charset"):
        bodies(b'{"a": "\xff"}', "application/json; charset=martian")


PACKED = [
    ("gzip", gzip.compress(LEAD)),
    ("x-gzip", gzip.compress(LEAD)),
    ("GZIP", gzip.compress(LEAD[:9]) + gzip.compress(LEAD[9:])),
    ("deflate", zlib.compress(LEAD)),
    ("deflate", zlib.compress(LEAD)[2:-4]),
    ("br", brotli.compress(LEAD)),
    ("zstd", zstandard.compress(LEAD)),
    ("gzip, br", brotli.compress(gzip.compress(LEAD))),
    ("identity", LEAD),
    ("", gzip.compress(LEAD)),
    *((one, LEAD) for one in ("gzip", "deflate", "br", "zstd")),  # a proxy unpacked it and left the header
]


@pytest.mark.parametrize(
    ("encoding", "raw"), PACKED, ids=[f"{number} {encoding}" for number, (encoding, _) in enumerate(PACKED)]
)
def test_a_compressed_body_is_unpacked(encoding: str, raw: bytes) -> None:
    assert bodies(raw, encoding=encoding) == [MEANT]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstandard.compress)],
)
def test_what_grows_beyond_the_limit_or_was_cut_off_is_refused(encoding: str, pack: Any) -> None:
    with pytest.raises(Unreadable, match="once it is unpacked"):
        bodies(pack(b" " * (2 * MOST)), encoding=encoding)
    with pytest.raises(Unreadable, match="cut off"):
        bodies(pack(LEAD * 3)[:-6], encoding=encoding)


def test_an_encoding_that_nobody_knows_is_named() -> None:
    with pytest.raises(UnsupportedType, match="gzip, deflate, br, zstd"):
        bodies(LEAD, encoding="snappy")


@given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate", "br", "zstd", "", "br, gzip"]))
def test_any_bytes_are_unpacked_or_refused(raw: bytes, encoding: str) -> None:
    for given_bytes in (raw, b"\x1f\x8b" + raw, b"\x28\xb5\x2f\xfd" + raw):
        try:
            bodies(given_bytes, encoding=encoding)
        except (Unreadable, UnsupportedType, AssertionError):
            continue


def test_a_compressed_body_that_was_kept_can_be_read_again() -> None:
    import base64

    kept = "data:application/octet-stream;base64," + base64.b64encode(gzip.compress(LEAD)).decode()
    assert payload_of(kept, JSON, "7").body == MEANT


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (b'"{\\"nombre\\": \\"Ana\\"}"', {"nombre": "Ana"}),
        (b'{"a": "hola\nbuenas\ttardes"}', {"a": "hola\nbuenas\ttardes"}),
        (b'{"a": NaN, "b": Infinity, "c": -Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a": "N\xfa\xf1ez"}', {"a": "Núñez"}),
        (b'{"a": [1, 2,], "b": "x,}",}', {"a": [1, 2], "b": "x,}"}),
        (b'{"a": , "b": }', {"a": None, "b": None}),
        (b'{"a": 1}\x00\x00', {"a": 1}),
        (b'{"a": 1};', {"a": 1}),
    ],
)
def test_json_with_one_reading_is_read(raw: bytes, meant: Any) -> None:
    assert bodies(raw) == [meant]


@pytest.mark.parametrize("raw", [b'{"a": "x "y" z"}', b'{"a"', b'{"a": 1} {"b": 2}', b"{'a': 1}", b"[" * 100_000])
def test_json_with_several_readings_or_none_stays_a_fault(raw: bytes) -> None:
    with pytest.raises(Unreadable, match="is not JSON"):
        bodies(raw)


_BYTE_BY_BYTE = re.compile(rb'("(?:[^"\\]++|\\.)*+")|,(?=\s*+[}\]])|(?<=:)(?=\s*+[,}])', re.DOTALL)


@given(st.text('",:{}[] \\a1\n', max_size=30).map(str.encode))
@example(b'{"a":, "b": }')
@example(b'{"a":,}')
@example(b'{"x:,}": [1 , ], "b')
def test_slips_are_found_in_long_steps_as_byte_by_byte(raw: bytes) -> None:
    assert lenient_json._SLIPS.sub(lenient_json._mended, raw) == _BYTE_BY_BYTE.sub(lenient_json._mended, raw)


@pytest.mark.parametrize("body", [b"1" * 100_000, b"[" * 100_000, b'"' + b"a" * 100_000, b" " * 100_000])
def test_what_holds_no_slip_is_passed_in_one_step(body: bytes) -> None:
    steps = sum(1 for found in lenient_json._SLIPS.finditer(body) if found[0])
    assert steps <= 2
    assert json._FIRST.search(body) is None


def test_svix_s_own_header_names_prove_the_same() -> None:
    spec = Verify(scheme="standard-webhooks", secrets=(Secret("whsec_" + "QUJD" * 8),))
    signed = sign(spec, LEAD, secret=spec.secrets[0], now_s=1_800_000_000, message_id="msg_1")
    named = {name.replace("webhook-", "svix-"): value for name, value in signed.items()}
    verify(spec, Proof(LEAD, named, now_s=1_800_000_000))
    with pytest.raises(NotAuthentic):
        verify(spec, Proof(LEAD, named | {"webhook-id": "msg_2"}, now_s=1_800_000_000))
    assert decode(LEAD, content_type=JSON, headers=named).payloads[0].event_id == "msg_1"
