"""Every sender's own requests, through the real HTTP endpoint, with their own headers and secrets.

``tests/payloads/<mapping>/….request.json`` is a request as it arrives: ``method``, ``path``, ``headers``,
``body_text``, the ``clock`` (unix seconds) at which it is received and the ``secrets`` that its source has. Its proof
of origin is the mapping's own scheme, or what ``verify`` says. It ``becomes`` the events of these expected files
beside it, of the one with its own name if it does not say. A new sender needs only such files.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

import mappings
from connector.config import loader
from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.signatures import sign
from connector.store.database import Database
from connector.store.tables import deliveries, events, records
from connector.vendors import destinations
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app
from mappings.events import Thin
from tests.conftest import settings_for
from tests.test_mappings import PAYLOADS, RENDERINGS, expected_of, plain

REQUESTS = sorted(PAYLOADS.glob("*/*.request.json"))
PUBLIC_URL = "https://connector.example.com"  #: what senders that sign the address have signed
HANDSHAKE = "fixture-verify-token"
STORED = (events, deliveries, records)


@dataclass(frozen=True)
class Sent:
    """One request file."""

    file: Path

    @cached_property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    @property
    def mapping(self) -> str:
        return self.file.parent.name

    @property
    def source(self) -> str:
        return urlsplit(self.said["path"]).path.split("/")[2]

    @property
    def body(self) -> bytes:
        return str(self.said["body_text"]).encode()

    @property
    def becomes(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        own = self.file.name.removesuffix(".request.json")
        return [expected_of(self.file.with_name(f"{stem}.json")) for stem in self.said.get("becomes", [own])]

    def toml(self, **verify: Any) -> str:
        """A configuration with this source, and a route for each of `RENDERINGS`."""
        given, _ = self.becomes[0]
        mapping = mappings.PAYLOADS[self.mapping]
        proof = {"scheme": self.mapping, **self.said.get("verify", {}), "secrets": self.said["secrets"], **verify}
        if mapping.sender.handshake:
            proof["handshake"] = HANDSHAKE
        source: dict[str, Any] = {"mapping": self.mapping, "verify": proof}
        if given.get("fields"):
            source["fields"] = given["fields"]
        tables: dict[str, dict[str, Any]] = {f"sources.{self.source}": source}
        if mapping.fetches:
            source["account"] = "asked"
            tables["accounts.asked"] = {"vendor": mapping.fetches, "token": "fixture-asked"}
        top = f"timezone = {_toml(given['timezone'])}\nregion = {_toml(given['region'])}\n"
        return top + "".join(f"[{name}]\n{_lines(table)}" for name, table in tables.items()) + _routes()

    def settings(self, folder: Path, database_url: str, **verify: Any) -> Settings:
        path = folder / "connector.toml"
        path.write_text(self.toml(**verify))
        environ = {"DATABASE_URL": database_url, "CONNECTOR_PUBLIC_URL": PUBLIC_URL, "CONNECTOR_SECRET_KEY": "invented"}
        return loader.load(environ, config_path=str(path), destinations=destinations.SPECS)

    def post(
        self, client: FlaskClient, *, body: bytes | None = None, headers: dict[str, str] | None = None, path: str = ""
    ) -> TestResponse:
        return client.post(
            path or self.said["path"],
            data=self.body if body is None else body,
            headers=self.said["headers"] if headers is None else headers,
        )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _lines(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())


def _routes() -> str:
    """A route, with an account of its own, for each of `RENDERINGS`."""
    text = ""
    every = sorted({event_type for types in mappings.EVENT_TYPES.values() for event_type in types})
    for number, (name, (to, options)) in enumerate(RENDERINGS.items()):
        vendor = to.partition(".")[0]
        of_account = {key: value for key, value in options.items() if key in ("dial_prefix", "phone_format")}
        account = {"vendor": vendor, "token": f"fixture-token-{number}", **of_account}
        account |= {"server": "0011"} if vendor == "wolkvox" else {}
        route = {"name": name, "on": every, "to": to, "account": f"a{number}", **_needed(to)}
        route |= {key: value for key, value in options.items() if key not in of_account}
        text += f"[accounts.a{number}]\n{_lines(account)}[[routes]]\n{_lines(route)}"
    return text


def _needed(to: str) -> dict[str, Any]:
    """The campaign, where a route must name one."""
    wanted = destinations.SPECS[to].options().fields
    campaigns = {"campaign_id": "1042", "campaign_code": "52"}
    return {name: code for name, code in campaigns.items() if name in wanted and wanted[name].required}


@contextlib.contextmanager
def web(settings: Settings, *, now_s: float | None = None) -> Iterator[tuple[FlaskClient, Database]]:
    """A client of the application, its clock stopped if need be."""
    database = Database(settings.database_url)
    committer = Committer(database)
    try:
        app = create_app(settings, database, name_of, committer, clock=time.time if now_s is None else lambda: now_s)
        yield app.test_client(), database
    finally:
        committer.close()
        database.close()


def rows(database: Database, table: Any = events) -> list[Any]:
    with database.read() as conn:
        return list(conn.execute(select(table).order_by(table.c[0])))


def count(database: Database) -> int:
    """Everything that was stored."""
    with database.read() as conn:
        return sum(
            conn.execute(select(func.count()).select_from(one)).scalar_one() for one in (events, deliveries, records)
        )


def each(files: list[Path]) -> pytest.MarkDecorator:
    """The test for each of these requests."""
    ids = [f"{file.parent.name}/{file.name.removesuffix('.request.json')}" for file in files]
    return pytest.mark.parametrize("sent", [Sent(file) for file in files], ids=ids)


# --- what becomes of them -------------------------------------------------------------------------------------------


def test_every_sender_has_a_request() -> None:
    assert {file.parent.name for file in REQUESTS} == set(mappings.PAYLOADS) - {"lead", "ticket"}


@each(REQUESTS)
def test_a_request_becomes_the_events_and_records_of_its_expected_files(
    sent: Sent, tmp_path: Path, sqlite_url: str
) -> None:
    settings = sent.settings(tmp_path, sqlite_url)
    with web(settings, now_s=sent.said["clock"]) as (client, database):
        answer = sent.post(client)
        assert answer.status_code in (200, 202), answer.text
        left = rows(database)
        assert len(left) == len(sent.becomes)
        for given, wanted in sent.becomes:
            told = {name: value for name, value in wanted.items() if name != "records"}
            row = next((row for row in left if read_again(settings, row, given) == told), None)
            assert row is not None, [read_again(settings, row, given) for row in left]
            left.remove(row)
            if "records" in wanted:
                assert_records(settings, database, row, given, wanted["records"])


def read_again(settings: Settings, row: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What a row of the inbox is, as the expected files say it: its payload is read as it is whenever it is read."""
    if row.state == "invalid":
        return {"errors": {error["field"]: error["message"] for error in json.loads(row.errors)}}
    if row.state == "ignored":
        return {"ignored": json.loads(row.notes)[0]}
    receiver, source = Receiver(settings, Router(settings, destinations.name_of)), settings.sources[row.source]
    event = receiver.read(source, json.loads(row.payload))
    assert row.type == event.type
    if not isinstance(event, Thin):
        assert row.state == "accepted" and event.id in (row.event_id, "")
        return {"event": plain(event)}
    assert (row.state, row.account) == ("waiting", "asked")
    return {"thin": plain(event), "event": plain(receiver.read(source, json.loads(row.payload), given["fetched"]))}


def assert_records(
    settings: Settings, database: Database, row: Any, given: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """What the outbox holds for the event, or will once it is fetched."""
    if row.state == "waiting":
        receiver = Receiver(settings, Router(settings, destinations.name_of))
        arrival, _ = receiver.completed(
            settings.sources[row.source],
            json.loads(row.payload),
            given["fetched"],
            event_id=row.event_id,
            received_at=row.received_at,
        )
        made = {new.route: (new.state, str(new.reason or ""), new.record) for new in arrival.deliveries}
    else:
        with database.read() as conn:
            joined = deliveries.outerjoin(records, records.c.delivery == deliveries.c.id)
            query = select(deliveries.c.route, deliveries.c.state, deliveries.c.reason_facts, records.c.record)
            found = conn.execute(query.select_from(joined).where(deliveries.c.event == row.id))
            made = {route: (state, reason, record) for route, state, reason, record in found}
    assert made.keys() == wanted.keys()
    for name, (state, reason, record) in made.items():
        if "errors" in wanted[name]:
            assert state == "dead"
            assert all(message in reason for message in wanted[name]["errors"].values())
        else:
            assert state == "pending"
            assert {key: value for key, value in json.loads(record).items() if value != ""} == wanted[name]["record"]


# PostCenter's notifications have no id, and two alike may mean two changes: the ticket's own state tells them apart.
@each([file for file in REQUESTS if file.parent.name != "postcenter"])
def test_a_second_copy_of_a_request_changes_nothing(sent: Sent, tmp_path: Path, sqlite_url: str) -> None:
    with web(sent.settings(tmp_path, sqlite_url), now_s=sent.said["clock"]) as (client, database):
        sent.post(client)
        kept = [row for row in rows(database) if row.state != "invalid"]
        answer = sent.post(client)
        assert answer.status_code < 300
        assert [row for row in rows(database) if row.state != "invalid"] == kept


@each(REQUESTS)
def test_what_is_stored_of_a_request_holds_no_secret(sent: Sent, tmp_path: Path, sqlite_url: str) -> None:
    with web(sent.settings(tmp_path, sqlite_url), now_s=sent.said["clock"]) as (client, database):
        sent.post(client)
        everything = repr([rows(database, table) for table in STORED])
        assert len(everything) > 100
        for secret in sent.said["secrets"]:
            assert secret not in everything


# --- what is not theirs ---------------------------------------------------------------------------------------------


def tampered(sent: Sent, verify: Verify) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every way of spoiling the proof that this scheme has: a name, and what is posted."""
    headers, body, path = sent.said["headers"], sent.body, sent.said["path"]
    if verify.scheme == "hmac":
        for place in sorted({0, len(body) // 2, len(body) - 1}):
            yield f"byte {place}", {"body": body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]}
        yield "longer", {"body": body + b" "}
        yield "empty", {"body": b""}
    carrier = verify.header or ("Authorization" if verify.scheme == "basic" else "")
    if carrier:
        yield "missing", {"headers": without(headers, carrier)}
        for value in MALFORMED:
            yield f"malformed {value!r}", {"headers": {**headers, carrier: value}}
        if verify.timestamp_header:
            yield "no timestamp", {"headers": without(headers, verify.timestamp_header)}
            for value in ("", "soon", "1", "9" * 30, "2026-11-20", "\xff"):
                yield f"timestamp {value!r}", {"headers": {**headers, verify.timestamp_header: value}}
    if verify.scheme in ("query", "path"):
        wrong = path.replace(sent.said["secrets"][-1], "fixture-wrong")
        yield "wrong", {"path": wrong}
        yield "missing", {"path": path.partition("?")[0] if verify.scheme == "query" else path.rpartition("/")[0]}
        yield "empty", {"path": path.replace(sent.said["secrets"][-1], "")}
        yield "malformed", {"path": path.replace(sent.said["secrets"][-1], "%FF%00")}
    if verify.scheme == "field":
        secret = sent.said["secrets"][-1].encode()
        yield "wrong", {"body": body.replace(secret, b"fixture-wrong")}
        yield "missing", {"body": body.replace(verify.field.encode(), b"nobody")}
        yield "no text", {"body": body.replace(b'"' + secret + b'"', b"true")}
        yield "in an array", {"body": b"[" + body + b"]"}
        yield "unreadable", {"body": body[:-2]}


MALFORMED = [
    "",
    " ",
    "sha256=",
    "sha256",
    "v1,",
    "=",
    "sha256=!!",
    "Basic",
    "Basic !",
    "Bearer x",
    "\xe9\xff",
    "x" * 500,
]


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name.lower()}


def proof_of(settings: Settings, sent: Sent) -> Verify:
    verify = settings.sources[sent.source].verify
    assert verify is not None
    return verify


def assert_refused(answer: TestResponse, database: Database, how: str) -> None:
    assert answer.status_code == 401, how
    assert answer.content_type == "application/problem+json"
    assert count(database) == 0, how


@each(REQUESTS)
def test_a_request_that_was_tampered_with_is_refused_and_leaves_no_trace(
    sent: Sent, tmp_path: Path, sqlite_url: str
) -> None:
    settings = sent.settings(tmp_path, sqlite_url)
    with web(settings, now_s=sent.said["clock"]) as (client, database):
        ways = list(tampered(sent, proof_of(settings, sent)))
        assert len(ways) >= 4
        for how, changed in ways:
            assert_refused(sent.post(client, **changed), database, how)


@each(REQUESTS)
def test_a_request_that_another_secret_made_is_refused(sent: Sent, tmp_path: Path, sqlite_url: str) -> None:
    other = "other-user:other-pass" if sent.said.get("verify", {}).get("scheme") == "basic" else "fixture-other"
    with web(sent.settings(tmp_path, sqlite_url, secrets=[other]), now_s=sent.said["clock"]) as (client, database):
        assert_refused(sent.post(client), database, "another secret")


@each([file for file in REQUESTS if "timestamp_header" in mappings.PROOFS.get(file.parent.name, {})])
def test_a_request_that_comes_late_is_refused_where_its_time_is_signed(
    sent: Sent, tmp_path: Path, sqlite_url: str
) -> None:
    settings = sent.settings(tmp_path, sqlite_url)
    for now_s in (sent.said["clock"] + 301, sent.said["clock"] - 301):
        with web(settings, now_s=now_s) as (client, database):
            assert_refused(sent.post(client), database, "late")


def test_a_schemes_options_may_be_changed(tmp_path: Path, sqlite_url: str) -> None:
    sent = Sent(PAYLOADS / "zendesk" / "ticket.created.request.json")
    settings = sent.settings(tmp_path, sqlite_url, tolerance_s=1000)
    with web(settings, now_s=sent.said["clock"] + 900) as (client, _):
        assert sent.post(client).status_code == 202


# --- what each wants to hear ----------------------------------------------------------------------------------------


def source(name: str, mapping: str, verify: Verify | None = None, **more: Any) -> Source:
    return Source(name=name, mapping=mapping, verify=verify or Verify(scheme="none"), **more)


def with_sources(database_url: str, *sources: Source) -> Settings:
    known = settings_for(database_url, "http://127.0.0.1:9")
    return replace(known, sources={one.name: one for one in sources})


def of(mapping: str, *secrets: str, **more: Any) -> Verify:
    """A sender's own scheme."""
    proof = {**mappings.PROOFS[mapping], **more}
    return Verify(**proof, secrets=tuple(map(Secret, secrets)))


GOOGLE = of("google_lead_form", "k-1")
TYPEFORM = of("typeform", "t-1")
META = of("meta_leadgen", "m-1", handshake=Secret(HANDSHAKE))


def google_lead(**changed: Any) -> dict[str, Any]:
    phone = {"column_id": "PHONE_NUMBER", "string_value": "+573000000001"}
    return {"lead_id": "G-1", "user_column_data": [phone], "google_key": "k-1", **changed}


def test_google_is_answered_an_empty_object_whatever_becomes_of_a_lead(sqlite_url: str) -> None:
    settings = with_sources(sqlite_url, source("google", "google_lead_form", GOOGLE, on_invalid="refuse"))
    with web(settings) as (client, database):
        lead, other, test = google_lead(), google_lead(gcl_id="other"), google_lead(lead_id="G-2", is_test=True)
        for body in (lead, lead, other, test, google_lead(lead_id="G-3", user_column_data=[])):
            answer = client.post("/webhooks/google", json=body)
            assert (answer.status_code, answer.data, answer.content_type) == (200, b"{}", "application/json")
        assert [row.state for row in rows(database)] == ["accepted", "invalid", "ignored", "invalid"]
        assert len(rows(database, deliveries)) == 1
        assert client.post("/webhooks/google", json=google_lead(google_key="k-2")).status_code == 401
        assert "k-1" not in repr(rows(database))


def typeform(body: bytes) -> dict[str, str]:
    return sign(TYPEFORM, body, secret="t-1", now_s=0)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"event_type":"form_response","event_id":"E-1","form_response":{}}', "application/json"),
        (b'{"event_type":"something_new"}', "application/json"),
        (b"[5]", "application/json"),
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"\xff\x00", "application/octet-stream"),
        (b"{}", "application/json; charset=klingon"),
        (b"a=1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_sender_that_gives_up_hears_that_its_event_was_taken_even_if_nobody_can_read_it(
    sqlite_url: str, body: bytes, content_type: str
) -> None:
    settings = with_sources(sqlite_url, source("typeform", "typeform", TYPEFORM, on_invalid="refuse"))
    with web(settings) as (client, database):
        answer = client.post("/webhooks/typeform", data=body, content_type=content_type, headers=typeform(body))
        assert answer.status_code == 202
        assert [row.state for row in rows(database)] == ["invalid"]


def test_a_sender_that_gives_up_never_hears_404_or_410_of_a_source_that_there_is(sqlite_url: str) -> None:
    settings = with_sources(sqlite_url, source("typeform", "typeform", TYPEFORM))
    with web(settings) as (client, database):
        for path in ("/webhooks/typeform/", "/webhooks/typeform/x", "/webhooks/typeform/x/y"):
            answer = client.post(path, data=b"{}", content_type="application/json", headers=typeform(b"{}"))
            assert answer.status_code == 401, path
        assert client.post("/webhooks/typefrom", data=b"{}", content_type="application/json").status_code == 404
        assert count(database) == 0


def meta_asks(client: FlaskClient, path: str = "/webhooks/meta", **asked: str) -> TestResponse:
    given = {"hub.mode": "subscribe", "hub.verify_token": HANDSHAKE, "hub.challenge": "1158201444"}
    changed = {f"hub.{name}": value for name, value in asked.items()}
    return client.get(path, query_string={key: value for key, value in {**given, **changed}.items() if value != "-"})


@pytest.fixture
def subscribing(sqlite_url: str) -> Iterator[FlaskClient]:
    sources = (
        source("meta", "meta_leadgen", META, account="dialler"),
        source("typeform", "typeform", TYPEFORM),
    )
    with web(with_sources(sqlite_url, *sources)) as (client, _):
        yield client


def test_a_sender_that_subscribes_reads_its_challenge_as_plain_text(subscribing: FlaskClient) -> None:
    answer = meta_asks(subscribing)
    assert (answer.status_code, answer.data) == (200, b"1158201444")
    assert answer.mimetype == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert meta_asks(subscribing, challenge="<script>ñ").data == "<script>ñ".encode()


@pytest.mark.parametrize("token", ["-", "", "fixture-verify-tokem", "é", "fixture-verify-token "])
def test_a_subscription_that_shows_another_token_is_refused(subscribing: FlaskClient, token: str) -> None:
    answer = meta_asks(subscribing, verify_token=token)
    assert answer.status_code == 403
    assert b"1158201444" not in answer.data


@pytest.mark.parametrize("challenge", ["-", "", "x" * 501, "a\r\nb"])
def test_a_subscription_without_a_challenge_worth_echoing_is_refused(subscribing: FlaskClient, challenge: str) -> None:
    assert meta_asks(subscribing, challenge=challenge).status_code == 400


def test_nobody_else_subscribes(subscribing: FlaskClient) -> None:
    for path in ("/webhooks/typeform", "/webhooks/nobody", "/webhooks/meta/x"):
        answer = meta_asks(subscribing, path)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"
    assert subscribing.put("/webhooks/meta").status_code == 405


# --- whose word an event's id is ------------------------------------------------------------------------------------

LEAD = {"id": "L-1", "type": "lead.created", "data": {"phones": ["+573000000001"]}}
HMAC = Verify(scheme="hmac", secrets=(Secret("h-1"),), header="X-Signature")
FIELD = Verify(scheme="field", secrets=(Secret("f-1"),), field="clave")
TOKEN = Verify(scheme="token", secrets=(Secret("x-1"),), header="X-Token")


def posted_id(client: FlaskClient, name: str, body: dict[str, Any], verify: Verify, **headers: str) -> str:
    raw = json.dumps(body).encode()
    own = sign(verify, raw, secret=verify.secrets[0], now_s=0)
    answer = client.post(f"/webhooks/{name}", data=raw, headers={"Content-Type": "application/json", **own, **headers})
    return str(answer.get_json()["id"])


def test_an_id_beside_the_body_counts_only_where_it_proves_as_much_as_the_body(sqlite_url: str) -> None:
    proofs = {"hmac": HMAC, "field": FIELD, "token": TOKEN}
    with web(with_sources(sqlite_url, *(source(name, "lead", proof) for name, proof in proofs.items()))) as (client, _):
        beside = {"webhook-id": "anything"}
        assert posted_id(client, "hmac", LEAD, HMAC, **beside) == "L-1"
        assert posted_id(client, "field", {**LEAD, "clave": "f-1"}, FIELD, **beside) == "L-1"
        assert posted_id(client, "token", LEAD, TOKEN, **beside) == "anything"


def test_a_header_that_nobody_signed_names_no_event(tmp_path: Path, sqlite_url: str) -> None:
    trigger, event = (Sent(PAYLOADS / "zendesk" / f"ticket.{name}.request.json") for name in ("closed", "created"))
    with web(trigger.settings(tmp_path, sqlite_url), now_s=trigger.said["clock"]) as (client, database):
        for sent in (trigger, event):
            assert sent.post(client).status_code == 202
        of_trigger, of_event = [row.event_id for row in rows(database)]
        assert of_trigger.startswith("signed:") and of_event == "01K0FIXTURE0000000000000ZD"


# --- secrets in odd places ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps({**LEAD, "clave": "f-1"}), "application/json"),
        (json.dumps({**LEAD, "clave": "f-1", "data": {**LEAD["data"], "extra": {"clave": "f-1", "x": ["f-1"]}}}), ""),  # type: ignore[dict-item]
        ("type=lead.created&phones=3000000001&clave=f-1&otra=f-1", "application/x-www-form-urlencoded"),
        ("type=lead.created&data[phones]=3000000001&clave=f-1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_secret_in_the_body_is_taken_out_wherever_it_stands(sqlite_url: str, body: str, content_type: str) -> None:
    with web(with_sources(sqlite_url, source("odd", "lead", FIELD))) as (client, database):
        answer = client.post("/webhooks/odd", data=body, content_type=content_type or "application/json")
        assert answer.status_code == 202
        assert "f-1" not in repr(rows(database)) + repr(rows(database, records))
        assert "+573000000001" in repr(rows(database, records)) or "3000000001" in repr(rows(database))


def test_what_cannot_be_read_is_kept_without_the_secrets_in_it(sqlite_url: str) -> None:
    query = Verify(scheme="query", secrets=(Secret("google-key-1"),), parameter="key")
    with web(with_sources(sqlite_url, source("google", "google_lead_form", query))) as (client, database):
        broken = b'{"lead_id":"G-1","google_key":"google-key-1",'
        answer = client.post("/webhooks/google?key=google-key-1", data=broken, content_type="application/json")
        assert (answer.status_code, answer.data) == (200, b"{}")
        (row,) = rows(database)
        assert '"lead_id":"G-1"' in row.payload
        assert "google-key-1" not in row.payload


ODD_PLACES = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "fixture-wolkvox-token"

[sources.body]
mapping = "google_lead_form"
verify = { scheme = "google_lead_form", secrets = ["fixture-body-secret"] }

[sources.query]
mapping = "rd_station"
verify = { scheme = "rd_station", secrets = ["fixture-query-secret"] }

[sources.path]
mapping = "elementor"
verify = { scheme = "elementor", secrets = ["fixture-path-secret"] }

[sources.meta]
mapping = "meta_leadgen"
account = "graph"
verify = { scheme = "meta_leadgen", secrets = ["fixture-meta-secret"], handshake = "fixture-handshake-secret" }

[accounts.graph]
vendor = "meta"
base_url = "http://127.0.0.1:9"
token = "fixture-graph-token"
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["web", "run"])
def test_no_secret_reaches_what_a_real_process_logs(command: str, tmp_path: Path, sqlite_url: str) -> None:
    with connector(command, tmp_path, sqlite_url) as (port, log):
        for kind in ("secret", "wrong"):
            body = json.dumps(google_lead(google_key=f"fixture-body-{kind}")).encode()
            lead = b'{"leads":[{"email":"ana@example.com"}]}'
            statuses = [
                ask(port, "POST", "/webhooks/body", body),
                ask(port, "POST", f"/webhooks/query?key=fixture-query-{kind}", lead),
                ask(port, "POST", f"/webhooks/path/fixture-path-{kind}", b'{"email":"ana@example.com"}'),
                ask(port, "GET", f"/webhooks/meta?hub.verify_token=fixture-handshake-{kind}&hub.challenge=1", b""),
            ]
            assert all(status < 300 if kind == "secret" else status in (401, 403) for status in statuses), statuses
            strays = [
                f"/webhooks/body/fixture-stray-{kind}",
                f"/fixture-stray-{kind}",
                f"/webhooks/fixture-stray-{kind}",
            ]
            assert {ask(port, "POST", stray, b"{}") for stray in strays} == {401, 404}
    said = log.read_text()
    assert said.count('"logger": "access"') > 6
    assert "fixture-" not in said
    assert "ana@example.com" not in said
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("connector.db*") if file.is_file())
    assert b"ana@example.com" in kept
    assert not re.search(rb"fixture-(body|query|path|handshake|stray)", kept)


@contextlib.contextmanager
def connector(command: str, folder: Path, database_url: str) -> Iterator[tuple[int, Path]]:
    """`connector web` or `run` as it is started in earnest: its port, and the file with all that it says."""
    (folder / "connector.toml").write_text(ODD_PLACES)
    log, port = folder / "log", free_port()
    given = {name: value for name, value in os.environ.items() if name not in ("DYNO", "WEB_CONCURRENCY", "AMQP_URL")}
    of_ours = {"CONNECTOR_CONFIG": str(folder / "connector.toml"), "DATABASE_URL": database_url, "LOG_LEVEL": "DEBUG"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", command],
            env={**given, **of_ours, "PORT": str(port)},
            stdout=out,
            stderr=out,
        )
        try:
            wait_until_it_answers(process, port, log)
            yield port, log
        finally:
            process.terminate()
            process.wait(timeout=90)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(port, "GET", "/livez", b"") == 200:
                return
        time.sleep(0.05)
    pytest.fail("it does not answer")


def ask(port: int, method: str, path: str, body: bytes) -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(line):
        line.request(method, path, body, {"Content-Type": "application/json"})
        answer = line.getresponse()
        answer.read()
        return answer.status
