"""The way in over HTTP: every row of its table, whatever is posted, and its end at SIGTERM."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from connector import inbox, standing
from connector.committer import Committer
from connector.db import Database, now_ms
from connector.errors import ConnectorError, StoreUnavailable
from connector.settings import Secret, Settings, Source, Verify
from connector.signatures import sign
from connector.tables import attempts, deliveries, events
from connector.web import MAX_BODY_BYTES, create_app
from connector.web.application import Exchange
from connector.web.embedded import Embedded
from connector.web.ports import address, bound
from tests.conftest import LANDING_SECRET, TICKETS_TOKEN, settings_for

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
#: Every status that a sender may be answered; 500 is none of them.
TABLE = {200, 202, 400, 401, 404, 405, 413, 415, 422, 503}


def web_settings(database_url: str, base_url: str) -> Settings:
    known = settings_for(database_url, base_url)
    more = {source.name: source for source in SOURCES}
    # Port 9 of this machine: nobody listens there.
    return replace(known, sources={**known.sources, **more}, amqp_url=Secret("amqp://guest:guest@127.0.0.1:9/%2F"))


@pytest.fixture
def settings(database_url: str) -> Settings:
    return web_settings(database_url, "http://127.0.0.1:9")


@contextlib.contextmanager
def web(settings: Settings) -> Iterator[FlaskClient]:
    """A client of an application with a database of its own."""
    database = Database(settings.database_url)
    committer = Committer(database)
    try:
        yield create_app(settings, database, committer).test_client()
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


def signed(client: FlaskClient, body: Any, *, message_id: str, **kw: Any) -> TestResponse:
    """To the landing page's source, as its sender does it."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    spec = Verify(scheme="standard-webhooks")
    headers = sign(spec, raw, secret=LANDING_SECRET, now_s=time.time(), message_id=message_id)
    return post(client, "landing", raw, headers=headers, **kw)


def ticket(client: FlaskClient, body: Any, **kw: Any) -> TestResponse:
    return post(client, "tickets", body, headers={"X-Token": TICKETS_TOKEN}, **kw)


def kept(database: Database) -> list[tuple[str, str, str]]:
    """(source, event id, state) of all that is in the inbox."""
    with database.read() as conn:
        rows = conn.execute(select(events.c.source, events.c.event_id, events.c.state).order_by(events.c.id))
        return [tuple(row) for row in rows]


def delivery_count(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(deliveries)).scalar_one())


def assert_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    told = answer.get_json(force=True)
    assert told["status"] == status
    assert told["type"] == "about:blank"
    assert told["title"]
    assert "\n" not in told["detail"] and len(told["detail"]) < 200
    return dict(told)


# --- what becomes of an event ---------------------------------------------------------------------------------------


def test_an_event_is_stored_with_its_deliveries_before_it_is_accepted(client: FlaskClient, database: Database) -> None:
    answer = signed(client, lead(), message_id="msg_1")
    assert answer.status_code == 202
    assert answer.get_json() == {"status": "accepted", "id": "msg_1", "deliveries": 1}
    assert kept(database) == [("landing", "msg_1", "accepted")]
    assert delivery_count(database) == 1


def test_a_second_copy_changes_nothing(client: FlaskClient, database: Database) -> None:
    signed(client, lead(), message_id="msg_1")
    answer = signed(client, lead(), message_id="msg_1")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "duplicate", "id": "msg_1"}
    assert len(kept(database)) == delivery_count(database) == 1


def test_another_event_under_a_known_id_is_refused_and_kept(client: FlaskClient, database: Database) -> None:
    signed(client, lead(1), message_id="msg_1")
    told = assert_problem(signed(client, lead(2), message_id="msg_1"), 422)
    assert told["errors"][0]["field"] == "id"
    assert kept(database) == [("landing", "msg_1", "accepted"), ("landing", "msg_1", "invalid")]
    assert delivery_count(database) == 1


def test_another_event_under_a_known_id_is_parked_where_the_source_parks(client: FlaskClient) -> None:
    post(client, "open", lead(1))
    answer = post(client, "open", {**lead(2), "id": "L-1"})
    assert answer.status_code == 202
    assert answer.get_json()["status"] == "invalid"
    assert answer.get_json()["errors"][0]["field"] == "id"


def test_an_event_that_no_route_wants_is_ignored(client: FlaskClient, database: Database) -> None:
    answer = post(client, "open", {**lead(), "type": "lead.updated"})
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ignored"}
    assert kept(database) == [("open", "L-1", "ignored")]


def test_an_invalid_event_is_refused_with_every_fault_and_kept(client: FlaskClient, database: Database) -> None:
    told = assert_problem(
        post(client, "strict", {"id": "L-9", "type": "lead.created", "data": {"phones": ["12"]}}), 422
    )
    assert {"phones.0", "phones"} <= {error["field"] for error in told["errors"]}
    assert all(set(error) == {"field", "message"} for error in told["errors"])
    assert kept(database) == [("strict", "L-9", "invalid")]


def test_an_invalid_event_is_parked_where_the_source_parks(client: FlaskClient, database: Database) -> None:
    answer = ticket(client, {"id": "T-9", "type": "ticket.closed", "data": {}})
    assert answer.status_code == 202
    told = answer.get_json()
    assert (told["status"], told["id"]) == ("invalid", "T-9")
    assert told["errors"]
    assert kept(database) == [("tickets", "T-9", "invalid")]


def test_a_corrected_copy_of_an_invalid_event_is_welcome(client: FlaskClient) -> None:
    assert post(client, "strict", {**lead(), "data": {}}).status_code == 422
    assert post(client, "strict", lead()).status_code == 202


@pytest.mark.parametrize(("source", "status"), [("strict", 400), ("open", 202)])
def test_bytes_that_are_no_payload_are_kept(client: FlaskClient, database: Database, source: str, status: int) -> None:
    answer = post(client, source, b'{"id": "L-1", ')
    assert answer.status_code == status
    told = answer.get_json(force=True)
    assert told["errors"][0]["field"] == "body"
    [(kept_source, event_id, state)] = kept(database)
    assert (kept_source, state) == (source, "invalid")
    assert event_id.startswith("sha256:")
    assert told.get("id", event_id) == event_id


# --- arrays ---------------------------------------------------------------------------------------------------------


def test_one_bad_element_of_an_array_harms_no_other(client: FlaskClient, database: Database) -> None:
    post(client, "strict", lead(1))
    array = [lead(1), lead(2), {**lead(3), "type": "lead.updated"}, {**lead(4), "data": {}}, "none", lead(2), lead(5)]
    answer = post(client, "strict", array)
    assert answer.status_code == 202
    told = answer.get_json()
    assert {name: told[name] for name in ("accepted", "duplicate", "ignored", "invalid")} == {
        "accepted": 2,
        "duplicate": 2,
        "ignored": 1,
        "invalid": 2,
    }
    statuses = [event["status"] for event in told["events"]]
    assert statuses == ["duplicate", "accepted", "ignored", "invalid", "invalid", "duplicate", "accepted"]
    assert told["events"][1] == {"status": "accepted", "id": "L-2", "deliveries": 1}
    assert told["events"][3]["errors"]
    assert delivery_count(database) == 3


def test_an_array_of_one_is_answered_as_an_array(client: FlaskClient) -> None:
    assert post(client, "open", [lead()]).get_json()["accepted"] == 1


def test_an_empty_array_is_answered_and_stores_nothing(client: FlaskClient, database: Database) -> None:
    answer = post(client, "open", b"[]")
    assert answer.status_code == 202
    assert answer.get_json() == {"accepted": 0, "duplicate": 0, "ignored": 0, "invalid": 0, "events": []}
    assert kept(database) == []


def test_ten_thousand_leads_come_in_one_array_and_not_one_more(client: FlaskClient, database: Database) -> None:
    leads = [lead(n) for n in range(10_001)]
    assert post(client, "strict", leads[:10_000]).get_json()["accepted"] == 10_000
    assert delivery_count(database) == 10_000
    told = assert_problem(post(client, "strict", leads), 400)
    assert "10000" in told["errors"][0]["message"]


# --- what payloads come in ------------------------------------------------------------------------------------------

CLOUD = {"specversion": "1.0", "id": "c-1", "source": "/forms", "type": "com.example.lead.created"}


@pytest.mark.parametrize(
    ("content_type", "raw", "headers"),
    [
        ("application/json", orjson.dumps(lead()), {}),
        ("", orjson.dumps(lead()), {}),
        ("application/vnd.example+json; charset=utf-8", b"\xef\xbb\xbf" + orjson.dumps(lead()), {}),
        ("application/x-www-form-urlencoded", b"id=L-1&type=lead.created&phones[]=%2B573000000001&first_name=Ana", {}),
        ("application/cloudevents+json", orjson.dumps({**CLOUD, "data": lead()["data"]}), {}),
        (
            "application/json",
            orjson.dumps(lead()["data"]),
            {f"ce-{name}": value for name, value in CLOUD.items()},
        ),
    ],
    ids=["json", "no type", "+json and a BOM", "form", "structured CloudEvent", "binary CloudEvent"],
)
def test_one_event_comes_as(client: FlaskClient, content_type: str, raw: bytes, headers: dict[str, str]) -> None:
    answer = post(client, "open", raw, content_type, headers=headers)
    assert answer.get_json()["status"] == "accepted", answer.get_data()
    assert answer.get_json()["id"] in ("L-1", "/forms|c-1")


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("application/x-ndjson", orjson.dumps(lead(1)) + b"\n\n" + orjson.dumps(lead(2)) + b"\r\n{"),
        (
            "application/cloudevents-batch+json",
            orjson.dumps([{**CLOUD, "data": lead()["data"]}, {**CLOUD, "id": "c-2", "data": lead()["data"]}, {}]),
        ),
    ],
    ids=["NDJSON", "CloudEvents batch"],
)
def test_many_events_come_as(client: FlaskClient, content_type: str, raw: bytes) -> None:
    told = post(client, "open", raw, content_type).get_json()
    assert (told["accepted"], told["invalid"]) == (2, 1)


def test_a_multipart_form_comes_in(client: FlaskClient) -> None:
    form = {"type": "lead.created", "id": "L-1", "phones[]": "+573000000001", "cv": (io.BytesIO(b"\0\xff"), "cv.pdf")}
    assert client.post("/webhooks/open", data=form).get_json()["status"] == "accepted"


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "application/json; charset=klingon", "nonsense"])
def test_another_type_is_refused_and_nothing_stored(client: FlaskClient, database: Database, content_type: str) -> None:
    assert_problem(post(client, "open", lead(), content_type), 415)
    assert kept(database) == []


# --- proof of origin ------------------------------------------------------------------------------------------------


def hmac_headers(raw: bytes, url: str, *, secret: str = "crm-new", message_id: str = "m-1") -> dict[str, str]:
    return sign(HMAC, raw, secret=secret, now_s=time.time(), message_id=message_id, url=url)


@pytest.mark.parametrize("secret", ["crm-old", "crm-new"])
def test_the_url_is_signed_as_it_was_called(client: FlaskClient, secret: str) -> None:
    raw, query = orjson.dumps(lead()), "b=2&a=%C3%B1&a=%2F"
    headers = hmac_headers(raw, f"http://localhost/webhooks/crm?{query}", secret=secret)
    answer = post(client, "crm", raw, headers=headers, query_string=query)
    assert answer.get_json() == {"status": "accepted", "id": "m-1", "deliveries": 1}


def test_a_signed_body_under_other_cloudevents_headers_is_no_other_event(
    client: FlaskClient, database: Database
) -> None:
    """Whoever overheard one could else have a person dialled as often as they like."""
    for body in (lead()["data"], lead()):
        raw = orjson.dumps(body)
        signature = sign(HUB, raw, secret="hub", now_s=time.time())
        given = {"ce-specversion": "1.0", "ce-source": "/x", "ce-type": "lead.created"}
        answers = [post(client, "hub", raw, headers={**signature, **given, "ce-id": f"e{n}"}) for n in range(3)]
        assert [one.get_json()["status"] for one in answers] == ["accepted", "duplicate", "duplicate"]
        another = {**signature, **given, "ce-id": "e9", "ce-time": "2026-11-20T15:01:02Z"}
        assert post(client, "hub", raw, headers=another).get_json()["status"] in ("duplicate", "invalid")
    assert [state for _, _, state in kept(database)].count("accepted") == 2


def test_behind_a_proxy_the_public_url_is_what_was_signed(settings: Settings) -> None:
    raw = orjson.dumps(lead())
    with web(replace(settings, public_url="https://connector.example.com/in/")) as client:
        headers = hmac_headers(raw, "https://connector.example.com/in/webhooks/crm?x=1")
        assert post(client, "crm", raw, headers=headers, query_string="x=1").status_code == 202
        headers = hmac_headers(raw, "http://localhost/webhooks/crm?x=1", message_id="m-2")
        assert post(client, "crm", raw, headers=headers, query_string="x=1").status_code == 401


def test_basic_and_query_prove_the_origin_too(client: FlaskClient) -> None:
    password = base64.b64encode(b"ana:se:creto").decode()
    assert post(client, "basic", lead(), headers={"Authorization": f"Basic {password}"}).status_code == 202
    assert post(client, "key", lead(), query_string="k=llave%2F%C3%B1").status_code == 202


@pytest.mark.parametrize(
    ("source", "headers"),
    [
        ("landing", {}),
        ("landing", {"webhook-id": "a", "webhook-timestamp": "9" * 400, "webhook-signature": "v1,AAAA"}),
        ("landing", {"webhook-id": "a", "webhook-timestamp": "\u0664", "webhook-signature": "\xff\xfe"}),
        ("crm", {"X-Signature": "sha256=zz", "X-Timestamp": "nan", "X-Message": ""}),
        ("crm", {"X-Signature": "sha256=" + "0" * 64, "X-Timestamp": "-1", "X-Message": "m"}),
        ("tickets", {"X-Token": "wrong-tok\xe9n"}),
        ("tickets", {"X-Token": f"{TICKETS_TOKEN},{TICKETS_TOKEN}"}),
        ("basic", {"Authorization": "Basic \xf1\xf1\xf1"}),
        ("basic", {"Authorization": "Basic"}),
        ("key", {}),
    ],
)
def test_without_proof_nothing_is_stored(
    client: FlaskClient, database: Database, source: str, headers: dict[str, str]
) -> None:
    wire = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answer = client.post(
        f"/webhooks/{source}?k=wrong%FF", data=b"{}", content_type="application/json", headers=list(wire.items())
    )
    told = assert_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"]
    shown = json.dumps(told)
    secrets = (LANDING_SECRET, TICKETS_TOKEN, "crm-old", "crm-new", "se:creto", "llave")
    assert not any(secret in shown for secret in secrets)
    assert "wrong" not in shown
    assert kept(database) == []


def test_only_basic_is_asked_for_a_password(client: FlaskClient) -> None:
    assert post(client, "basic", lead()).headers["WWW-Authenticate"].startswith("Basic ")
    assert not post(client, "landing", lead()).headers["WWW-Authenticate"].startswith("Basic ")


def test_a_source_without_proof_of_origin_takes_no_webhooks(client: FlaskClient) -> None:
    assert_problem(post(client, "queued", lead()), 404)


# --- addresses, methods, sizes, and which fault is told first -------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/nobody",
        "/webhooks/",
        "/webhooks",
        "/webhooks/open/",
        "//webhooks/open",
        "/webhooks/%FF%00",
        "/",
        "/x",
    ],
)
def test_an_unknown_address_is_not_found(client: FlaskClient, path: str) -> None:
    assert_problem(client.post(path, data=b"{}", content_type="application/json"), 404)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_a_webhook_takes_only_post(client: FlaskClient, method: str) -> None:
    answer = client.open("/webhooks/open", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_what_is_too_large_is_refused_by_its_announced_length(client: FlaskClient, database: Database) -> None:
    told = assert_problem(post(client, "open", b"x" * (20 * 1024 * 1024)), 413)
    assert "10 MB" in told["detail"]
    assert kept(database) == []


def chunked(client: FlaskClient, stream: io.RawIOBase | io.BytesIO) -> TestResponse:
    """A body without announced length, as servers give it to an application."""
    overrides = {"wsgi.input": stream, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.post(
        "/webhooks/strict", content_type="application/json", environ_overrides={**overrides, "CONTENT_LENGTH": ""}
    )


class Endless(io.RawIOBase):
    """Zeros without end; counts what was read."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.given += len(buffer)
        buffer[:] = b"0" * len(buffer)
        return len(buffer)


def test_what_grows_too_large_is_refused_and_not_read_for_ever(client: FlaskClient) -> None:
    body = Endless()
    assert_problem(chunked(client, body), 413)
    assert body.given < 64 * 1024 * 1024


def test_a_chunked_body_comes_in(client: FlaskClient) -> None:
    assert chunked(client, io.BytesIO(orjson.dumps(lead()))).status_code == 202


def test_a_body_of_just_ten_megabytes_comes_in(client: FlaskClient) -> None:
    body = lead(1, extra={"note": ""})
    body["data"]["extra"]["note"] = "x" * (MAX_BODY_BYTES - len(orjson.dumps(body)))
    assert len(orjson.dumps(body)) == MAX_BODY_BYTES
    assert post(client, "open", body).status_code == 202


def test_half_a_body_is_not_taken_for_a_whole_one(client: FlaskClient, database: Database) -> None:
    assert_problem(post(client, "open", lead(), environ_overrides={"CONTENT_LENGTH": "5000"}), 400)
    assert kept(database) == []


def test_a_sender_that_hangs_up_is_not_taken_for_one_that_has_finished(client: FlaskClient, database: Database) -> None:
    class HungUp(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    assert_problem(chunked(client, HungUp()), 400)
    assert kept(database) == []


@pytest.mark.parametrize("length", ["-1", "abc", "1,1", "9" * 30, "\u0664"])
def test_a_length_that_is_none_is_refused(client: FlaskClient, length: str) -> None:
    assert_problem(post(client, "open", lead(), environ_overrides={"CONTENT_LENGTH": length}), 400)


def test_two_lengths_are_refused(client: FlaskClient) -> None:
    overrides = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "3"}
    assert_problem(post(client, "open", lead(), environ_overrides=overrides), 400)


def test_an_unknown_source_is_told_before_the_size(client: FlaskClient) -> None:
    assert_problem(post(client, "nobody", b"x" * (MAX_BODY_BYTES + 1)), 404)


def test_the_size_is_told_before_the_proof(client: FlaskClient) -> None:
    assert_problem(post(client, "landing", b"x" * (MAX_BODY_BYTES + 1)), 413)


def test_the_proof_is_demanded_before_anything_is_parsed(client: FlaskClient) -> None:
    assert_problem(post(client, "landing", b"{", "image/png"), 401)


# --- bad input ------------------------------------------------------------------------------------------------------

BAD_INPUT: dict[str, bytes] = {
    "empty": b"",
    "no UTF-8": b'{"id":"L-1","type":"lead.created","data":{"first_name":"\xff\xfe","phones":["+573000000001"]}}',
    "bytes at random": bytes(range(256)),
    "200 levels": b'{"type":"lead.created","data":{"phones":["+573000000001"],"extra":'
    + b'{"a":' * 200
    + b"1"
    + b"}" * 202,
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "400 digits": b'{"id":' + b"9" * 400 + b',"type":"lead.created","data":{"age":' + b"9" * 400 + b"}}",
    "tiny numbers": b'{"id":1e-400,"type":"lead.created","data":{"phones":[1e400]}}',
    "NUL characters": b'{"id":"L\\u0000","type":"lead.created","data":{"city":"\\u0000","phones":["+573000000001"]}}',
    "raw NULs": b'{"id":"L-1\0"}',
    "lone surrogates": b'{"id":"\\ud800","type":"lead.created","data":{"city":"\\udc00","phones":["+573000000001"]}}',
    "duplicate keys": b'{"id":"L-1","id":"L-2","type":"lead.created","data":{"phones":["+573000000001"],"phones":[]}}',
    "null": b"null",
    "a number": b"1",
    "a text": b'"lead"',
    "NaN": b'{"id":NaN}',
    "an array of everything": b'[null,1,"x",[],{},[[[]]],{"type":"lead.created"},{"id":{}},{"id":true,"type":[]}]',
    "types that are no text": b'{"id":[1],"type":{"a":1},"time":5,"data":[]}',
    "a long id": b'{"id":"' + b"x" * 100_000 + b'","type":"lead.created","data":{"phones":["+573000000001"]}}',
}


@pytest.mark.parametrize("name", BAD_INPUT)
@pytest.mark.parametrize("source", ["open", "strict"])
def test_bad_input_is_refused_or_stored(client: FlaskClient, database: Database, source: str, name: str) -> None:
    answer = post(client, source, BAD_INPUT[name])
    assert answer.status_code in ({202, 400, 422} if source == "strict" else {202})
    assert kept(database)
    assert orjson.loads(answer.get_data())


@pytest.mark.parametrize("name", BAD_INPUT)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json; charset=utf-16",
    ],
)
def test_bad_input_of_any_type_is_refused_or_stored(client: FlaskClient, name: str, content_type: str) -> None:
    answer = post(client, "strict", BAD_INPUT[name], content_type)
    assert answer.status_code in {202, 400, 422}
    assert orjson.loads(answer.get_data())


texts = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60)
names = st.sampled_from(
    ["webhook-id", "webhook-timestamp", "webhook-signature", "X-Token", "Authorization", "ce-id", "ce-type",
     "ce-source", "ce-specversion", "ce-time", "X-Signature", "X-Timestamp", "X-Message", "Expect", "Host"]
)  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=300),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["id", "type", "time", "data", "phones", "email", "extra", "x"]), inner)
        ),
        max_leaves=12,
    ).map(lambda value: orjson.dumps(value, default=str)),
)
types = st.sampled_from(
    ["application/json", "application/x-ndjson", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/cloudevents+json", "application/cloudevents-batch+json", ""]
) | texts  # fmt: skip
paths = st.sampled_from(
    [f"/webhooks/{name}" for name in ("landing", "tickets", "crm", "open", "strict", "basic", "key")]
)


@trying(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=bodies, headers=st.dictionaries(names, texts, max_size=6), content_type=types, path=paths, query=texts)
def test_whatever_is_posted_the_answer_is_of_the_table(
    client: FlaskClient, raw: bytes, headers: dict[str, str], content_type: str, path: str, query: str
) -> None:
    overrides = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    overrides |= {"CONTENT_TYPE": content_type, "QUERY_STRING": query}
    answer = client.post(path, data=raw, environ_overrides=overrides)
    assert answer.status_code in TABLE
    assert isinstance(orjson.loads(answer.get_data()), dict)
    assert b"Traceback" not in answer.get_data()


@trying(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=texts, method=st.sampled_from(["GET", "POST", "HEAD", "DELETE"]), query=texts)
def test_whatever_address_is_called_the_answer_is_of_the_table(
    client: FlaskClient, path: str, method: str, query: str
) -> None:
    overrides = {"PATH_INFO": f"/{path}", "QUERY_STRING": query}
    answer = client.open("/", method=method, environ_overrides=overrides)
    assert answer.status_code in TABLE | {403}
    assert b"Traceback" not in answer.get_data()


# --- when nothing can be stored -------------------------------------------------------------------------------------


def assert_unavailable(answer: TestResponse) -> None:
    told = assert_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "sqlite" not in json.dumps(told).lower()
    assert "127.0.0.1" not in json.dumps(told)


def test_a_full_disk_is_a_503_and_nothing_is_acknowledged(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    full = True

    def limit(connection: sqlite3.Connection, *_: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 1_000_000
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sqlalchemy_event.listen(database.engine, "checkout", limit)
    committer = Committer(database)
    client = create_app(web_settings(sqlite_url, "http://127.0.0.1:9"), database, committer).test_client()
    large = lead(1, extra={"note": "x" * 200_000})
    assert_unavailable(post(client, "open", large))
    assert_unavailable(post(client, "strict", b"{" + b"x" * 200_000))
    full = False
    assert kept(database) == []
    assert post(client, "open", large).status_code == 202
    committer.close()
    database.close()


def test_a_locked_database_is_a_503(sqlite_url: str) -> None:
    with web(web_settings(sqlite_url, "http://127.0.0.1:9")) as client:
        put = inbox.store

        def locked(*_: Any) -> None:
            raise StoreUnavailable("the database cannot be used now: database is locked")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("connector.committer.inbox.store", locked)
            assert_unavailable(post(client, "open", [lead(1), lead(2)]))
        assert inbox.store is put
        assert post(client, "open", [lead(1), lead(2)]).get_json()["accepted"] == 2


def test_a_database_without_tables_is_a_503(tmp_path: Path) -> None:
    with web(web_settings(f"sqlite:///{tmp_path / 'new.db'}", "http://127.0.0.1:9")) as client:
        assert_unavailable(post(client, "open", lead()))
        assert client.get("/readyz").status_code == 503


def test_a_read_only_folder_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="make the folder writable"):
        Database(f"sqlite:///{tmp_path / 'file' / 'connector.db'}")


def test_an_unreachable_postgres_is_a_503() -> None:
    with web(web_settings("postgresql+psycopg://nobody@127.0.0.1:9/none", "http://127.0.0.1:9")) as client:
        assert_unavailable(post(client, "open", lead()))
        answer = client.get("/readyz")
        assert (answer.status_code, answer.get_json()["database"]) == (503, "away")
        assert client.get("/livez").status_code == 200
        assert "connector_database_up 0.0" in client.get("/metrics").get_data(as_text=True)


def test_a_database_that_takes_too_long_is_a_503(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Committer):
        def hand_over(self, *_: Any) -> None:
            return  # and never tells

    committer = Slow(database)
    monkeypatch.setattr(Exchange.end, "__kwdefaults__", {"patience_s": 0.1})
    assert_unavailable(post(create_app(settings, database, committer).test_client(), "open", lead()))
    committer.close()


def test_after_the_committer_closed_nothing_is_acknowledged(settings: Settings, database: Database) -> None:
    committer = Committer(database)
    client = create_app(settings, database, committer).test_client()
    committer.close()
    assert_unavailable(post(client, "open", lead()))


def test_one_event_that_cannot_be_stored_harms_no_other(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, groups = inbox.store, []

    def picky(conn: Any, arrivals: Any, **named: Any) -> Any:
        groups.append(len(arrivals))
        time.sleep(0.05)  # so that the others come together meanwhile
        if any(arrival.event_id == "L-3" for arrival in arrivals):
            raise ValueError("no such row")
        return store(conn, arrivals, **named)

    monkeypatch.setattr("connector.committer.inbox.store", picky)
    committer = Committer(database)
    app = create_app(settings, database, committer)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: post(app.test_client(), "open", lead(n)).status_code, range(8)))
    committer.close()
    assert answers == [202, 202, 202, 503, 202, 202, 202, 202]
    assert max(groups) > 1
    assert {event_id for _, event_id, _ in kept(database)} == {f"L-{n}" for n in range(8)} - {"L-3"}


def test_a_fault_of_our_own_shows_the_sender_no_trace(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Committer):
        def hand_over(self, *_: Any) -> None:
            raise RuntimeError("of ana@example.com")

    committer = Broken(database)
    answer = post(create_app(settings, database, committer).test_client(), "open", lead())
    committer.close()
    told = json.dumps(assert_problem(answer, 500))
    assert "RuntimeError" not in told and "ana" not in told
    logged = capsys.readouterr().err
    assert "RuntimeError" in logged
    assert "ana@example.com" not in logged


# --- the log --------------------------------------------------------------------------------------------------------


def test_the_log_names_the_route_and_never_what_a_sender_wrote(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    committer = Committer(database)
    client = create_app(replace(settings, log_level="DEBUG"), database, committer).test_client()
    post(client, "key", lead(), query_string="k=llave-falsa-1")
    client.post("/webhooks/ana-perez-3001234567?k=otra")
    client.open("/webhooks/open", method="3001234567")
    committer.close()
    logged = capsys.readouterr().err
    assert '"route": "/webhooks/<source>"' in logged
    assert '"source": "key"' in logged
    assert '"status": 401' in logged
    assert not re.search("falsa|otra|ana-perez|3001234567", logged)


def test_refusals_of_one_kind_are_told_once_in_a_while(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(50):
        post(client, "landing", lead())
        post(client, "nobody", lead())
    lines = [line for line in capsys.readouterr().err.splitlines() if "request refused" in line]
    assert len(lines) == 2


# --- health, metrics, api -------------------------------------------------------------------------------------------


def test_it_is_alive_and_ready(client: FlaskClient) -> None:
    assert client.get("/livez").get_json() == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ready",
        "database": "reachable",
        "broker": "away",
        "accounts": [],
        "destinations": [],
    }


def test_a_broker_that_listens_is_reachable(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        url = f"amqp://guest:guest@127.0.0.1:{broker.getsockname()[1]}/%2F"
        with web(replace(settings, amqp_url=Secret(url))) as client:
            assert client.get("/readyz").get_json()["broker"] == "reachable"


def test_nothing_is_said_of_a_broker_that_no_source_needs(database_url: str) -> None:
    with web(settings_for(database_url, "http://127.0.0.1:9")) as client:
        assert "broker" not in client.get("/readyz").get_json()


def test_it_stays_ready_and_names_what_is_blocked(client: FlaskClient, database: Database) -> None:
    with database.write() as conn:
        now = now_ms(conn)
        pairs = [("dialler/wolkvox.add_record/1042", "dialler"), ("old/place", "gone")]
        standing.ensure(conn, ["dialler", "surveys", "gone"], pairs, now)
        standing.block(conn, "surveys", "the token is not accepted, said ana@example.com", now)
        standing.pause(conn, "gone", "left the configuration", now)
        standing.stop(conn, "dialler/wolkvox.add_record/1042", "no such campaign", now)
        standing.stop(conn, "old/place", "left the configuration", now)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.get_json()
    assert [(a["name"], a["state"]) for a in told["accounts"]] == [("surveys", "blocked")]
    assert "ana@example.com" not in told["accounts"][0]["reason"]
    assert [(d["name"], d["reason"]) for d in told["destinations"]] == [
        ("dialler/wolkvox.add_record/1042", "no such campaign")
    ]


def test_the_metrics_tell_the_backlog_and_the_calls(client: FlaskClient, database: Database) -> None:
    post(client, "open", [lead(1), lead(2), lead(3), {}])
    with database.write() as conn:
        standing.ensure(conn, ["dialler"], [("dialler/wolkvox.add_record/1042", "dialler")], now_ms(conn))
        standing.pause(conn, "dialler", "a person asked for it", now_ms(conn))
        conn.execute(deliveries.update().where(deliveries.c.id == 1).values(state="dead"))
        conn.execute(deliveries.update().where(deliveries.c.id == 2).values(state="uncertain"))
        known = {"account": "dialler", "destination": "d", "worker": "w", "records": 1, "started_at": 1, "deadline": 1}
        call = known | {"kind": "send", "state": "accepted", "ended_at": now_ms(conn)}
        conn.execute(attempts.insert(), [call, call, call | {"ended_at": 5}])
    text = client.get("/metrics").get_data(as_text=True)
    place = 'destination="dialler/wolkvox.add_record/1042"'
    for state in ("pending", "dead", "uncertain"):
        assert f'connector_deliveries{{{place},state="{state}"}} 1.0' in text
    assert f"connector_oldest_pending_seconds{{{place}}}" in text
    assert 'connector_attempts_last_day{account="dialler",kind="send",outcome="accepted"} 2.0' in text
    assert 'connector_account_open{account="dialler"} 0.0' in text
    assert "connector_database_up 1.0" in text
    assert re.search(r'connector_events_total\{process="\d+",source="open",status="accepted"\} \d', text)
    types = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(types) == len(set(types))


@pytest.mark.parametrize("path", ["/api/status", "/api/deliveries", "/api/explain/d1", "/api/", "/api/none"])
def test_the_api_is_closed_without_the_token(client: FlaskClient, settings: Settings, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}, {"Authorization": "\xf1"}):
        assert client.get(path, headers=headers).status_code in ((401,) if path != "/api/" else (401, 404))
    with web(replace(settings, admin_token=Secret(""))) as closed:
        answer = closed.get(path, headers={"Authorization": "Bearer "})
        assert answer.status_code in ((403,) if path != "/api/" else (403, 404))


ADMIN = {"Authorization": "bearer invented-admin-token"}


def test_the_api_tells_what_the_commands_tell(client: FlaskClient) -> None:
    post(client, "open", lead())
    assert "accounts" in client.get("/api/status", headers=ADMIN).get_json()
    [one] = client.get("/api/deliveries?state=pending&find=300 0000001", headers=ADMIN).get_json()
    assert one["event_id"] == "L-1"
    story = client.get(f"/api/explain/{one['delivery']}", headers=ADMIN)
    assert story.status_code == 200
    assert "3000000001" not in story.get_data(as_text=True)
    assert client.get("/api/explain/nobody/knows", headers=ADMIN).status_code == 404
    assert client.get("/api/explain/%00", headers=ADMIN).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "since=whenever", "find=%00", "limit=\u0664"])
def test_the_api_says_what_is_wrong_with_a_question(client: FlaskClient, query: str) -> None:
    assert_problem(client.get(f"/api/deliveries?{query}", headers=ADMIN), 400)


# --- in a server of this process ------------------------------------------------------------------------------------


@pytest.fixture
def embedded(sqlite_url: str) -> Iterator[Embedded]:
    database = Database(sqlite_url)
    committer = Committer(database)
    server = Embedded(create_app(web_settings(sqlite_url, "http://127.0.0.1:9"), database, committer), "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()
    committer.close()
    database.close()


def ask(port: int, request: bytes, *, timeout_s: float = 10) -> bytes:
    """Sends raw bytes; gives what is answered until the other side closes (or is silent for a while)."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as line:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            line.sendall(request)
        return _answer(line)


def _answer(line: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < _announced(answer):
            if not (some := line.recv(65536)):
                break
            answer += some
    return answer


def _announced(answer: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", answer)
    return int(found[1]) if found else 0


def raw_post(source: str, body: bytes, *headers: bytes) -> bytes:
    head = [f"POST /webhooks/{source} HTTP/1.1".encode(), b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


WEIRD: dict[str, tuple[bytes, set[int]]] = {
    "latin-1 header": (raw_post("open", b"{}", b"X-Name: \xf1\xff"), {202}),
    "duplicate header": (raw_post("tickets", b"{}", b"X-Token: a", b"X-Token: b"), {401}),
    "strange host": (raw_post("open", b"{}").replace(b"Host: x", b"Host: \xf1.."), {202, 400, 404}),
    "no host": (raw_post("open", b"{}").replace(b"Host: x\r\n", b""), {202, 400}),
    "path that is no UTF-8": (raw_post("%ff%fe", b"{}"), {404}),
    "raw bytes in the path": (raw_post("open", b"{}").replace(b"/open", b"/\xff\xfe"), {400, 404}),
    "query that is no UTF-8": (raw_post("key?k=%ff&%zz&&=\xff", b"{}"), {400, 401}),
    "offers HTTP/2": (
        raw_post("open", b"{}", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        {202},
    ),
    "chunked": (
        b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        {202},
    ),
    "bad chunks": (
        b"POST /webhooks/strict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        {400},
    ),
    "no length": (b"POST /webhooks/strict HTTP/1.1\r\nHost: x\r\n\r\n", {400, 411}),
    "negative length": (b"POST /webhooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", {400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", {400}),
    "20 MB": (raw_post("open", b"x" * 20_000_000), {413}),
    "HTTP/1.0": (raw_post("open", b"{}").replace(b"HTTP/1.1", b"HTTP/1.0"), {202}),
}


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


@pytest.mark.parametrize("name", WEIRD)
def test_weird_requests_over_a_real_socket(embedded: Embedded, name: str) -> None:
    request, allowed = WEIRD[name]
    answer = ask(embedded.port, request)
    assert status_of(answer) in allowed, answer[:300]
    assert b"Traceback" not in answer


def test_a_sender_that_asks_first_is_told_to_continue(embedded: Embedded) -> None:
    body = orjson.dumps(lead())
    head = raw_post("open", body, b"Expect: 100-continue")[: -len(body)]
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=5) as line:
        line.sendall(head)
        assert line.recv(100).startswith(b"HTTP/1.1 100")
        line.sendall(body)
        assert status_of(_answer(line)) == 202


def test_a_port_in_use_is_told_in_one_line(embedded: Embedded) -> None:
    with pytest.raises(ConnectorError, match=rf"port {embedded.port} .*in use: choose another in PORT"):
        bound("127.0.0.1", embedded.port)


def test_a_server_that_never_started_can_be_stopped(settings: Settings, database: Database) -> None:
    committer = Committer(database)
    server = Embedded(create_app(settings, database, committer), "127.0.0.1", 0)
    assert server.stop()
    committer.close()


def test_stopping_answers_what_is_in_flight_and_takes_nothing_new(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, storing = inbox.store, threading.Event()

    def slow(conn: Any, arrivals: Any, **named: Any) -> Any:
        storing.set()
        time.sleep(0.5)
        return store(conn, arrivals, **named)

    monkeypatch.setattr("connector.committer.inbox.store", slow)
    database = Database(sqlite_url)
    committer = Committer(database)
    server = Embedded(create_app(web_settings(sqlite_url, "http://127.0.0.1:9"), database, committer), "127.0.0.1", 0)
    server.start()
    answers: list[bytes] = []
    sender = threading.Thread(target=lambda: answers.append(ask(server.port, raw_post("open", orjson.dumps(lead())))))
    idle = socket.create_connection(("127.0.0.1", server.port))
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(raw_post("open", b"x" * 100)[:-50])
    sender.start()
    assert storing.wait(5)
    assert server.stop(timeout_s=10)
    sender.join()
    assert status_of(answers[0]) == 202
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
    committer.close()
    assert kept(database) == [("open", "L-1", "accepted")]
    idle.close()
    half.close()
    database.close()


# --- in processes of its own ----------------------------------------------------------------------------------------


def test_it_listens_to_everybody_only_on_a_dyno_or_when_told(settings: Settings) -> None:
    assert address(settings, {}) == ("127.0.0.1", 8000)
    assert address(replace(settings, port=5000), {"DYNO": "web.1"}) == ("0.0.0.0", 5000)
    assert address(settings, {"DYNO": "web.1", "CONNECTOR_HOST": "10.0.0.1"})[0] == "10.0.0.1"


CONFIGURATION = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented"

[sources.open]
mapping = "lead"
verify = { scheme = "none" }

[sources.strict]
mapping = "lead"
verify = { scheme = "none" }
on_invalid = "refuse"

[sources.tickets]
mapping = "ticket"
verify = { scheme = "token", header = "X-Token", secrets = ["invented"] }

[sources.key]
mapping = "lead"
verify = { scheme = "query", parameter = "k", secrets = ["invented"] }

[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
"""


class Process:
    """`connector web` as it is started in earnest."""

    def __init__(self, folder: Path, database_url: str, port: int) -> None:
        (folder / "connector.toml").write_text(CONFIGURATION)
        given = {name: value for name, value in os.environ.items() if name not in ("DYNO", "WEB_CONCURRENCY")}
        environment = {
            **given,
            "CONNECTOR_CONFIG": str(folder / "connector.toml"),
            "DATABASE_URL": database_url.replace("postgresql+psycopg", "postgresql"),
            "PORT": str(port),
        }
        self.port = port
        self.inner = subprocess.Popen(
            [sys.executable, "-m", "connector", "web"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            assert self.inner.poll() is None, self.inner.stderr and self.inner.stderr.read()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if post_to(self.port, b"", path="/livez", method="GET") == 200:
                    return
            time.sleep(0.05)
        pytest.fail("connector web does not answer")

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.inner.pid}/task/{self.inner.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def kill(self) -> None:
        if self.inner.poll() is None:
            self.inner.kill()
            self.inner.communicate()

    def end(self) -> tuple[int, str]:
        """Exit code, and what was said on stderr."""
        _, said = self.inner.communicate(timeout=30)
        return self.inner.returncode, said


def post_to(port: int, body: bytes, *, path: str = "/webhooks/open", method: str = "POST") -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        line.request(method, path, body, {"Content-Type": "application/json"})
        answer = line.getresponse()
        answer.read()
        return answer.status
    finally:
        line.close()


def runs(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody has reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    with bound("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])


Starting = Callable[..., Process]


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Starting]:
    """Starts processes, and kills those that their test has left."""
    with contextlib.ExitStack() as leftovers:

        def start(database_url: str, port: int = 0) -> Process:
            process = Process(tmp_path, database_url, port or free_port())
            leftovers.callback(process.kill)
            return process

        yield start


@pytest.mark.slow
def test_after_sigterm_everything_acknowledged_is_stored(starting: Starting, database: Database) -> None:
    process = starting(database.url)
    process.wait_until_ready()
    acknowledged: list[str] = []
    stopping = threading.Event()

    def send(first: int) -> None:
        for n in range(first, first + 100_000):
            try:
                if post_to(process.port, orjson.dumps(lead(n))) == 202:
                    acknowledged.append(f"L-{n}")
            except (OSError, http.client.HTTPException):
                if stopping.is_set():
                    return

    senders = [threading.Thread(target=send, args=(n * 100_000,)) for n in range(8)]
    for sender in senders:
        sender.start()
    time.sleep(1.0)
    stopping.set()
    started = time.monotonic()
    process.inner.send_signal(signal.SIGTERM)
    code, said = process.end()
    for sender in senders:
        sender.join()
    assert (code, time.monotonic() - started < 25) == (0, True), said
    assert len(acknowledged) > 50
    stored = {event_id for _, event_id, state in kept(database) if state == "accepted"}
    assert set(acknowledged) <= stored
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_ends_it_as_well(starting: Starting, sqlite_url: str, number: int) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    started = time.monotonic()
    os.killpg(process.inner.pid, number)
    code, said = process.end()
    assert code == 0, said
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_a_signal_at_the_very_start_ends_it(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    end = time.monotonic() + 20
    while not process.children():
        assert time.monotonic() < end
        time.sleep(0.001)
    started = time.monotonic()
    process.inner.send_signal(signal.SIGTERM)
    code, said = process.end()
    assert code == 0, said
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_a_half_sent_body_does_not_keep_it_from_ending(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    with socket.create_connection(("127.0.0.1", process.port)) as line:
        line.sendall(raw_post("open", b"x" * 100)[:-50])
        time.sleep(0.3)
        started = time.monotonic()
        process.inner.send_signal(signal.SIGTERM)
        code, said = process.end()
    assert code == 0, said
    assert time.monotonic() - started < 25


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_killed_parent_leaves_none(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    first = process.children()
    os.kill(first[0], signal.SIGKILL)
    end = time.monotonic() + 15
    while (now := process.children()) == first or len(now) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    process.wait_until_ready()
    process.inner.kill()
    process.end()
    successor = starting(sqlite_url, process.port)
    successor.wait_until_ready()
    assert post_to(process.port, orjson.dumps(lead())) == 202
    assert not any(map(runs, now))
    successor.inner.send_signal(signal.SIGTERM)
    assert successor.end()[0] == 0


@pytest.mark.slow
def test_two_cannot_share_a_port(starting: Starting, sqlite_url: str) -> None:
    process = starting(sqlite_url)
    process.wait_until_ready()
    code, said = starting(sqlite_url, process.port).end()
    assert code == 1
    assert "choose another in PORT" in said
    assert len(said.strip().splitlines()) == 1
    process.inner.send_signal(signal.SIGINT)
    assert process.end()[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIRD)
def test_weird_requests_to_the_real_server(real_server: int, name: str) -> None:
    request, allowed = WEIRD[name]
    answer = ask(real_server, request)
    # The server's own refusals of what is no HTTP may come as a hang-up.
    assert status_of(answer) in allowed | {0}, name


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("real")
    process = Process(folder, f"sqlite:///{folder / 'connector.db'}", free_port())
    try:
        process.wait_until_ready()
        yield process.port
        process.inner.send_signal(signal.SIGTERM)
        assert process.end()[0] == 0
    finally:
        process.kill()
