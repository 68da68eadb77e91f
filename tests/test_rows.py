"""Large reports are read row by row, over real sockets: what is kept of one is bounded, whatever comes."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import http
from connector.core.http import Answer, Client, NoAnswer
from connector.core.rows import TEXT, Rows, TooLarge
from connector.vendors.wolkvox.api import campaigns_of
from tests.test_client import Play, read_request, vendor

SMALL = 1 << 20


def sending(pieces: Iterable[bytes]) -> Play:
    def play(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            conn.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        conn.sendall(b"0\r\n\r\n")

    return play


def rows(count: int, comment: str = "x" * 20_000) -> Iterator[bytes]:
    """A report of wolkvox's in real time, as it would come: rows of 20 KB, most of it a comment."""
    yield b'{"code":"200","error":null,"msg":"ok","data":[\n'
    for number in range(count):
        row = {"campaign": f"{number} - Ventas", "status": "started", "note": comment, "inner": [{"a": "},"}, {"b": 1}]}
        yield (b", " if number else b"") + orjson.dumps(row)
    yield b'],"meta":{"page":1}}'


def report(url: str, *, is_report: bool = True) -> Answer:
    client = Client({})
    try:
        return client.call("GET", f"{url}/x", is_report=is_report)
    finally:
        client.close()


def test_a_report_far_beyond_what_memory_is_given_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", 4 * SMALL)
    count = 3000  # 60 MB
    with vendor(sending(rows(count))) as there:
        tracemalloc.start()
        try:
            answer = report(there.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 * SMALL, f"{peak >> 20} MB"
    body = answer.json()
    assert body["code"] == "200" and body["meta"] == {"page": 1}
    found = campaigns_of(body)
    assert [one.id for one in found] == [str(number) for number in range(count)]
    assert found[7].status == "started" and found[7].figures["note"] == "x" * TEXT
    assert body["data"][7]["inner"] == [{"a": "},"}, {"b": 1}]


def test_a_report_within_the_bound_of_all_answers_is_as_it_came() -> None:
    whole = b"".join(rows(20))
    with vendor(sending(rows(20))) as there:
        assert report(there.url).body == whole


def test_no_other_answer_is_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", SMALL)
    with vendor(sending(rows(200))) as there, pytest.raises(NoAnswer, match="too long"):
        report(there.url, is_report=False)


@pytest.mark.parametrize(
    "pieces",
    [
        [b" " * 100_000] * 40,
        [b'{"data":"', *[b"x" * 100_000] * 40],
        [b"[", *[b'{"a":"b"},' * 10_000] * 400],
        [b"[", *[b'{"a":[{},' * 10_000] * 40],
        [b"[1,", *[b"2," * 100_000] * 40],
        [b"<html>" * 20_000] * 40,
        [b'[{"a":1}]', *[b"x" * 100_000] * 40],
    ],
    ids=["blanks", "one text", "rows without end", "nested without end", "no objects", "html", "rest without end"],
)
def test_what_is_no_report_is_ended(pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", SMALL)
    with vendor(sending(pieces)) as there, pytest.raises(NoAnswer, match="too long"):
        report(there.url)


def test_more_than_the_largest_report_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", SMALL)
    monkeypatch.setattr(http, "REPORT_BYTES", 3 * SMALL)
    with vendor(sending(rows(100))) as there:
        assert len(report(there.url).json()["data"]) == 100
    with vendor(sending(rows(200))) as there, pytest.raises(NoAnswer, match="too long"):
        report(there.url)


def test_a_report_that_breaks_off_is_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", SMALL)
    with vendor(sending(list(rows(100))[:-1])) as there:
        assert report(there.url).json() is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(max_size=8), values, max_size=4), max_size=6), st.booleans(), st.data())
def test_rows_are_the_same_however_they_are_cut(some: list[Any], is_bare: bool, data: st.DataObject) -> None:
    body: Any = some if is_bare else {"code": 200, "data": some, "rest": {"data": [1]}}
    whole = orjson.dumps(body, option=data.draw(st.sampled_from([0, orjson.OPT_INDENT_2])))
    read, at = Rows(SMALL), 0
    while at < len(whole):
        step = data.draw(st.integers(1, 40))
        read.feed(whole[at : at + step])
        at += step
    assert orjson.loads(read.whole()) == body


def test_a_row_of_endless_beginnings_is_given_up() -> None:
    read = Rows(SMALL)
    with pytest.raises(TooLarge):
        read.feed(b'[{"a":"' + b"},{" * 5000 + b'"},')
        read.feed(b'{"a":"' + b"}," * 5000)
