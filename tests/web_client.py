"""A client of the web application, sources of every kind of proof, and requests as their senders make them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.store.tables import events
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app
from tests.conftest import settings_for

HMAC = Verify(
    scheme="hmac",
    secrets=(Secret("crm-old"), Secret("crm-new")),
    header="X-Signature",
    prefix="sha256=",
    signed="{method} {url} {timestamp} {id} {body}",
    timestamp_header="X-Timestamp",
    id_header="X-Message",
)
HUB = Verify(scheme="hmac", secrets=(Secret("hub"),), header="X-Hub", prefix="sha256=")  #: signs the body alone
SOURCES = (
    Source(name="crm", mapping="lead", verify=HMAC),
    Source(name="hub", mapping="lead", verify=HUB),
    Source(name="open", mapping="lead", verify=Verify(scheme="none")),
    Source(name="strict", mapping="lead", verify=Verify(scheme="none"), on_invalid="refuse"),
    Source(name="basic", mapping="lead", verify=Verify(scheme="basic", secrets=(Secret("ana:se:creto"),))),
    Source(name="key", mapping="lead", verify=Verify(scheme="query", parameter="k", secrets=(Secret("llave/ñ"),))),
    Source(name="queued", mapping="lead", queue="crm.leads"),
)


def web_settings(database_url: str, base_url: str) -> Settings:
    known = settings_for(database_url, base_url)
    more = {source.name: source for source in SOURCES}
    # Port 9 of this machine: nobody listens there.
    return replace(
        known,
        sources={**known.sources, **more},
        amqp_url=Secret("amqp://guest:guest@127.0.0.1:9/%2F"),
        public_url="http://localhost",
    )


@pytest.fixture
def settings(database_url: str) -> Settings:
    return web_settings(database_url, "http://127.0.0.1:9")


@contextlib.contextmanager
def web(settings: Settings) -> Iterator[FlaskClient]:
    """A client of an application with a database of its own."""
    database = Database(settings.database_url)
    committer = Committer(database)
    try:
        yield create_app(settings, database, name_of, committer).test_client()
    finally:
        committer.close()
        database.close()


def lead(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"L-{number}", "type": "lead.created", "data": {"phones": [f"+57300{number:07d}"], **fields}}


def post(
    client: FlaskClient, source: str, body: Any, content_type: str = "application/json", **kw: Any
) -> TestResponse:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return client.post(f"/webhooks/{source}", data=raw, content_type=content_type, **kw)


def kept(database: Database) -> list[tuple[str, str, str]]:
    """(source, event id, state) of all that is in the inbox."""
    with database.read() as conn:
        rows = conn.execute(select(events.c.source, events.c.event_id, events.c.state).order_by(events.c.id))
        return [tuple(row) for row in rows]


def assert_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    told = answer.get_json(force=True)
    assert told["status"] == status
    assert told["type"] == "about:blank"
    assert told["title"]
    assert "\n" not in told["detail"] and len(told["detail"]) < 200
    return dict(told)


def chunked(client: FlaskClient, stream: io.RawIOBase | io.BytesIO) -> TestResponse:
    """A body without announced length, as servers give it to an application."""
    overrides = {"wsgi.input": stream, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.post(
        "/webhooks/strict", content_type="application/json", environ_overrides={**overrides, "CONTENT_LENGTH": ""}
    )


texts = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60)
types = st.sampled_from(
    ["application/json", "application/x-ndjson", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/cloudevents+json", "application/cloudevents-batch+json", ""]
) | texts  # fmt: skip
