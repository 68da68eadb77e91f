"""The way in of the served process: one thread for all requests, answers once stored, bodies that end or do not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest

from connector.core.errors import StoreUnavailable
from connector.core.payload import Payload
from connector.core.settings import Settings, Source, Verify
from connector.inbound.committer import Committer, Reply
from connector.inbound.receiver import Receiver
from connector.store.arrivals import Arrival
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web import asgi
from connector.web.asgi import Front
from connector.web.request import DRAINED_BYTES, MAX_BODY_BYTES
from connector.web.wsgi import create_app

Messages = list[dict[str, Any]]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def configured(database_url: str) -> Settings:
    sources = {"open": Source(name="open", mapping="lead", verify=Verify(scheme="none"))}
    return Settings(database_url=database_url, sources=sources)


def lead(number: int = 1) -> bytes:
    return orjson.dumps({"id": f"L-{number}", "type": "lead.created", "data": {"phones": ["+573000000001"]}})


def whole(body: bytes) -> Messages:
    return [{"type": "http.request", "body": body, "more_body": False}]


class Call:
    """One request, as a server would make it, and what was answered."""

    def __init__(self, messages: Messages, *, path: str = "/webhooks/open", headers: dict[str, str] | None = None):
        self.messages, self.answered = messages, threading.Event()
        self.status, self.headers, self.body = 0, dict[str, str](), b""
        size = sum(len(one.get("body", b"")) for one in messages)
        given = {"content-type": "application/json", "content-length": str(size)} if headers is None else headers
        self.scope = {
            "type": "http",
            "method": "POST",
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        }

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        assert self.messages, "asked for more than there is"
        return self.messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]
            self.answered.set()

    def told(self) -> Any:
        return orjson.loads(self.body)


def serve(app: Front, *calls: Call) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(app(call.scope, call.receive, call.send) for call in calls))

    asyncio.run(all_of_them())


@contextmanager
def fronted(settings: Settings, database: Database, committer: Committer | None = None) -> Iterator[Front]:
    committer = committer or Committer(database)
    yield Front(create_app(settings, database, name_of, committer))
    committer.close()


class Watching(Committer):
    """Remembers how many came together."""

    def __init__(self, database: Database) -> None:
        self.together: list[int] = []
        super().__init__(database)

    def hand_over(self, several: Sequence[Any]) -> None:
        self.together.append(len(several))
        super().hand_over(several)


def test_what_is_there_together_is_handed_over_together_and_each_gets_its_own_answer(
    configured: Settings, database: Database
) -> None:
    committer = Watching(database)
    calls = [Call(whole(lead(number))) for number in range(40)] + [Call(whole(b"{")), Call(whole(lead(7)))]
    with fronted(configured, database, committer) as app:
        serve(app, *calls)
    # The configuration has no route, so nobody wants them.
    assert [call.status for call in calls] == [*[200] * 40, 202, 200]
    assert {call.told()["status"] for call in calls[:40]} == {"ignored"}
    assert calls[-1].told() == {"status": "duplicate", "id": "L-7"}
    assert sum(committer.together) == 42 and len(committer.together) < 10


class Silent(Committer):
    """Takes everything, and never says what became of it."""

    def hand_over(self, several: Sequence[Any]) -> None:
        return


def test_a_commit_that_takes_too_long_is_a_503_and_holds_up_nobody_else(
    configured: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "PATIENCE_S", 0.3)
    late, alive = Call(whole(lead())), Call([], path="/livez", headers={})
    alive.scope["method"] = "GET"
    started = time.monotonic()
    with fronted(configured, database, Silent(database)) as app:
        serve(app, late, alive)
    assert (late.status, alive.status) == (503, 200)
    assert late.headers["retry-after"] == "5"
    assert time.monotonic() - started < 60


class Failing(Committer):
    def hand_over(self, several: Sequence[tuple[Sequence[Arrival], Reply]]) -> None:
        for _, reply in several:
            reply.set_exception(StoreUnavailable("the database cannot be used now"))


def test_what_comes_for_several_sources_in_turns_is_read_together_source_by_source(
    configured: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all, sizes = Receiver.read_all, list[tuple[str, int]]()

    def watched(self: Receiver, source: Source, payloads: Sequence[Payload], **named: Any) -> list[Arrival]:
        sizes.append((source.name, len(payloads)))
        return read_all(self, source, payloads, **named)

    monkeypatch.setattr(Receiver, "read_all", watched)
    other = Source(name="other", mapping="lead", verify=Verify(scheme="none"))
    both = replace(configured, sources={**configured.sources, "other": other})
    calls = [Call(whole(lead(number)), path=f"/webhooks/{'other' if number % 2 else 'open'}") for number in range(20)]
    with fronted(both, database) as app:
        serve(app, *calls)
    assert {call.told()["status"] for call in calls} == {"ignored"}
    assert sum(size for _, size in sizes) == 20 and len(sizes) <= 4


def test_what_brings_the_reading_down_harms_only_its_own_sender(
    configured: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all = Receiver.read_all

    def picky(self: Receiver, source: Source, payloads: Sequence[Payload], **named: Any) -> list[Arrival]:
        if any(payload.body["id"] == "L-3" for payload in payloads):
            raise RuntimeError("of ana@example.com")
        return read_all(self, source, payloads, **named)

    monkeypatch.setattr(Receiver, "read_all", picky)
    calls = [Call(whole(lead(number))) for number in range(6)]
    with fronted(configured, database) as app:
        serve(app, *calls)
    assert [call.status for call in calls] == [200, 200, 200, 500, 200, 200]
    assert b"ana" not in calls[3].body


def test_a_database_that_is_away_is_a_503(configured: Settings, database: Database) -> None:
    call = Call(whole(lead()))
    with fronted(configured, database, Failing(database)) as app:
        serve(app, call)
    assert call.status == 503


def test_a_large_body_is_mapped_by_another_thread_and_answered_the_same(
    configured: Settings, database: Database
) -> None:
    many = orjson.dumps([orjson.loads(lead(number)) for number in range(2000)])
    assert len(many) > asgi.SMALL_BYTES
    pieces = [
        {"type": "http.request", "body": many[at : at + 9000], "more_body": True} for at in range(0, len(many), 9000)
    ]
    pieces[-1]["more_body"] = False
    call = Call(pieces)
    with fronted(configured, database) as app:
        serve(app, call)
    assert (call.status, call.told()["ignored"]) == (202, 2000)


@pytest.mark.parametrize(
    ("name", "headers", "messages", "status"),
    [
        ("announced too large", {"content-length": str(MAX_BODY_BYTES + 1)}, whole(b"x" * (MAX_BODY_BYTES + 1)), 413),
        ("far too large, not read at all", {"content-length": str(DRAINED_BYTES + 1)}, [], 413),
        ("too large, asked first", {"content-length": str(MAX_BODY_BYTES + 1), "expect": "100-continue"}, [], 413),
        ("grows too large", {"transfer-encoding": "chunked"}, whole(b"x" * (MAX_BODY_BYTES + 1)), 413),
        ("never ends", {"transfer-encoding": "chunked"}, [
            {"type": "http.request", "body": b"x" * 2**20, "more_body": True} for _ in range(40)
        ], 413),
        ("cut", {"content-length": "500"}, [
            {"type": "http.request", "body": lead(), "more_body": True}, {"type": "http.disconnect"}
        ], 400),
        ("cut in a chunk", {"transfer-encoding": "chunked"}, [{"type": "http.disconnect"}], 400),
        ("chunked", {"transfer-encoding": "chunked", "content-type": "application/json"}, whole(lead()), 200),
    ],
)  # fmt: skip
def test_a_body_is_read_to_its_end_or_refused(
    configured: Settings, database: Database, name: str, headers: dict[str, str], messages: Messages, status: int
) -> None:
    call = Call(list(messages), headers=headers)
    with fronted(configured, database) as app:
        serve(app, call)
    assert call.status == status, name


def test_paths_and_headers_arrive_as_they_were_sent(configured: Settings, database: Database) -> None:
    environ = asgi._environ(
        Call([], path="/webhooks/se%C3%B1al/x%2Fy%FF", headers={"x-name": "caf\xe9", "X-Name": "two"}).scope
    )
    assert environ["PATH_INFO"].encode("latin-1") == "/webhooks/señal/x/y".encode() + b"\xff"
    assert environ["HTTP_X_NAME"] == "caf\xe9,two"
