"""Nothing that a stranger wrote stays in the memory of a process after the answer: no cache is keyed by it."""

from __future__ import annotations

import gc
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web import access_log
from connector.web.asgi import Front
from connector.web.uvicorn_server import Served
from connector.web.wsgi import create_app
from mappings import PAYLOADS
from mappings.remembered import REMEMBERED, remembered
from tests.conftest import settings_for

MARK = "Qzx7"
LONG = 700  #: characters; shorter ones may stay, as there are few of them
FOLDER = Path(__file__).parent / "payloads"
NONE = Verify(scheme="none")
SIGNED = Verify(scheme="hmac", secrets=(Secret("invented"),), header="X-Sig", id_header="X-Id", signed="{id}{body}")


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    known = settings_for(sqlite_url, "http://127.0.0.1:9")
    most = ((1_000_000, 60),)
    sources = {name: Source(name=name, mapping=name, verify=NONE, account="dialler", limit=most) for name in PAYLOADS}
    more = [
        Source(name="signed", mapping="lead", verify=SIGNED),
        Source(name="basic", mapping="lead", verify=Verify(scheme="basic", secrets=(Secret("a:b"),))),
        Source(name="key", mapping="lead", verify=Verify(scheme="query", parameter="k", secrets=(Secret("s"),))),
        Source(name="field", mapping="lead", verify=Verify(scheme="field", field="k", secrets=(Secret("s"),))),
        Source(name="path", mapping="lead", verify=Verify(scheme="path", secrets=(Secret("s"),))),
    ]
    return Settings(
        database_url=sqlite_url,
        accounts=known.accounts,
        routes=known.routes,
        sources={**sources, **{one.name: one for one in more}},
        admin_token=Secret("invented-admin-token"),
        metrics_public=True,
        log_level="DEBUG",
    )


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    database = Database(settings.database_url)
    committer = Committer(database)
    served = Served(Front(create_app(settings, database, name_of, committer)), "127.0.0.1", 0, shared=False)
    served.start()
    yield served.port
    assert served.stop()
    committer.close()
    database.close()


class Stranger:
    """Writes something else each time, wherever a sender may write."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._number = 0

    def text(self, before: str = "") -> str:
        self._number += 1
        return f"{before}{MARK}{self._number}{'abcdefgh' * (LONG // 8)}"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = line.getresponse()
            answer.read()
            return answer.status
        finally:
            line.close()

    def spoilt(self, value: Any) -> Any:
        """The payload with each text, name and number longer."""
        if isinstance(value, dict):
            more = {
                self.text("phone code "): "57",
                self.text(): self.text("https://"),
                "callback_at": self.text("2026-"),
            }
            return {**{key: self.spoilt(inner) for key, inner in value.items()}, **more}
        if isinstance(value, list):
            return [self.spoilt(inner) for inner in value]
        return self.text(value) if isinstance(value, str) else value


def payloads(mapping: str) -> list[Any]:
    found = sorted(path for path in (FOLDER / mapping).glob("*.json") if not path.name.endswith(".expected.json"))
    return [json.loads(path.read_text()) for path in found[:6]]


def remains() -> list[str]:
    """The beginnings of long texts with the mark that are still there."""
    gc.collect()
    found, seen = [], set()
    todo = [(one, 0) for one in gc.get_objects()]
    while todo:
        one, depth = todo.pop()
        for inner in gc.get_referents(one):
            if id(inner) in seen:
                continue
            if isinstance(inner, str | bytes | bytearray):
                seen.add(id(inner))
                text = inner if isinstance(inner, str) else bytes(inner[:4000]).decode("latin-1")
                if len(text) >= LONG and MARK in text:
                    found.append(f"{type(one).__name__}: {text[:60]}")
            elif depth < 4 and not gc.is_tracked(inner) and isinstance(inner, dict | tuple | list):
                todo.append((inner, depth + 1))
    return found


@pytest.mark.slow
def test_nothing_that_a_stranger_wrote_stays(port: int, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = Stranger(port)
    for mapping in PAYLOADS:
        for payload in payloads(mapping):
            whole = json.dumps(payload).encode()
            stranger.ask("POST", f"/webhooks/{mapping}", json.dumps(stranger.spoilt(payload)).encode())
            stranger.ask("POST", f"/webhooks/{mapping}", whole, Content_Type=stranger.text("application/json; x="))
            form = "&".join(f"{quote(stranger.text(name))}={quote(stranger.text())}" for name in ("tel", "nombre", "a"))
            stranger.ask(
                "POST",
                f"/webhooks/{mapping}",
                form.encode(),
                Content_Type=f"application/x-www-form-urlencoded; charset={stranger.text()}",
            )
    lead = b'{"id":"L-1","type":"lead.created","data":{"phones":["+573001234567"]}}'
    for source in settings.sources:
        for _ in range(3):
            stranger.ask("POST", f"/webhooks/{source}", lead, **{stranger.text("X"): "1", "X-Sig": stranger.text()})
            stranger.ask("POST", f"/webhooks/{source}?{stranger.text()}={stranger.text()}", lead)
            stranger.ask("POST", f"/webhooks/{source}/{stranger.text()}", lead)
            stranger.ask(
                "POST", f"/webhooks/{source}", lead, X_Id=stranger.text(), Authorization=stranger.text("Basic ")
            )
            stranger.ask("POST", f"/webhooks/{source}", lead, ce_id=stranger.text(), ce_type=stranger.text())
            stranger.ask("POST", f"/webhooks/{source}", lead, Content_Encoding=stranger.text(), Host=stranger.text("h"))
            stranger.ask("OPTIONS", f"/webhooks/{source}", WebHook_Request_Origin=stranger.text())
            xml = f"<?xml version='1.0' encoding='{stranger.text()}'?><{stranger.text('a')}/>"
            stranger.ask("POST", f"/webhooks/{source}", xml.encode(), Content_Type="text/xml")
    for path in ("/livez", "/readyz", "/metrics", "/api/status", "/api/deliveries", "/nothing"):
        stranger.ask("GET", f"{path}?{stranger.text('event=')}&state={stranger.text()}")
        stranger.ask("GET", f"{path}/{stranger.text()}", Authorization=stranger.text("Bearer "))
        stranger.ask(stranger.text("M").upper(), path, Accept_Language=stranger.text("es-"))
        stranger.ask("GET", path, Authorization="Bearer invented-admin-token", X_Forwarded_For=stranger.text())
        stranger.ask("GET", path, Cookie=stranger.text("a="), If_None_Match=stranger.text())
    end = time.monotonic() + 60
    while (left := remains()) and time.monotonic() < end:
        # What a thread had in hand last is let go of with the next request of the kind.
        for source in settings.sources:
            for body in (lead, b"{", b" " * 70_000):
                stranger.ask("POST", f"/webhooks/{source}", body, Content_Type="application/json")
        for path in ("/readyz", "/metrics", "/api/status", "/console"):
            for _ in range(8):
                stranger.ask("GET", path)
    assert not left, left[:5]


def test_long_texts_are_cut_and_not_remembered() -> None:
    read: list[str] = []
    known = remembered(4, longest=100)(lambda text: read.append(text) or text)  # type: ignore[func-returns-value]
    for text in ("a" * REMEMBERED, "a" * REMEMBERED, "b" * 200, "b" * 200):
        assert known(text) == text[:100]
    assert read == ["a" * REMEMBERED, "b" * 100, "b" * 100]
    assert access_log.QUIET_S
