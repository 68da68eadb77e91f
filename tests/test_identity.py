"""Which event a signed request is follows from the bytes that were signed, and from nothing that stands beside them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import select, update

import mappings
from connector.core import keyed_hash
from connector.core.errors import ConfigError, Unreadable
from connector.core.settings import Secret, Settings, Source, Verify
from connector.inbound.payloads.decode import body_field
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.inbound.signatures import Proof, sign
from connector.store.database import Database
from connector.store.tables import events
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app
from tests import test_mappings as files
from tests.conftest import settings_for

SECRET = Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NOW_S = 1_800_000_000.0
URL = "https://connector.example.com/webhooks/a"
SIGNERS = {
    "standard-webhooks": Verify(scheme="standard-webhooks", secrets=(SECRET,)),
    "the body alone": Verify(scheme="hmac", secrets=(SECRET,), header="X-Signature"),
    "body and time": Verify(
        scheme="hmac",
        secrets=(SECRET,),
        header="X-Signature",
        signed="{timestamp}.{body}",
        timestamp_header="X-Timestamp",
    ),
    "body, time and id": Verify(
        scheme="hmac",
        secrets=(SECRET,),
        header="X-Signature",
        signed="{id}.{timestamp}.{body}",
        timestamp_header="X-Timestamp",
        id_header="X-Message",
    ),
    "an id that is not signed": Verify(scheme="hmac", secrets=(SECRET,), header="X-Signature", id_header="X-Message"),
}
OWN = {name: Verify(secrets=(SECRET,), **proof) for name, proof in mappings.PROOFS.items() if proof["scheme"] == "hmac"}


def sources() -> list[Source]:
    found = [
        Source(name=f"{mapping}-{number}", mapping=mapping, verify=spec)
        for mapping in ("lead", "ticket")
        for number, spec in enumerate(SIGNERS.values())
    ]
    return found + [Source(name=name, mapping=name, verify=spec) for name, spec in OWN.items()]


SOURCES = {source.name: source for source in sources()}
RECEIVER = Receiver(
    Settings(
        sources={
            number: replace(one, fields={"email": "email"} if one.mapping == "form" else {})
            for number, one in SOURCES.items()
        }
    ),
    Router(Settings(), name_of),
)
TYPES = [
    *("application/json", "application/x-ndjson", "application/cloudevents+json", "application/cloudevents-batch+json"),
    *("application/x-www-form-urlencoded", "application/xml", "text/plain", "", "multipart/form-data; boundary=x"),
    *("application/json; charset=utf-16", "application/json; charset=iso8859_5", "image/png"),
]
CLOUD = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/x", "ce-type": "lead.updated", "ce-time": "2020-01-01"}


def bodies(mapping: str) -> list[bytes]:
    """Its payloads as JSON, alone, as an array, as lines, and ours within a CloudEvent."""
    found = [json.loads(file.read_text()) for file in files.FILES if file.parent.name == mapping]
    alone = [orjson.dumps(one) for one in found]
    more = [b"[" + b",".join(alone[:2]) + b"]", b"\n".join(alone[:2]), b"[" + alone[0] + b"]"]
    cloud = {"specversion": "1.0", "id": "c1", "source": "/forms/7", "type": "com.example.lead.created"}
    bare = [one.get("data", one) if isinstance(one, dict) else one for one in found[:1]]
    return [
        *alone,
        *more,
        orjson.dumps({**cloud, "data": found[0]}),
        *map(orjson.dumps, bare),
        b"a=1&b=2",
        b"<a/>",
        b"",
    ]


def keys(source: Source, raw: bytes, signature: dict[str, str], beside: dict[str, str], content_type: str) -> set[str]:
    """Of the events that are made of a request; those that are kept as invalid have none."""
    headers = {**beside, **{name.lower(): value for name, value in signature.items()}, "content-type": content_type}
    proved = RECEIVER.verify(source, Proof(raw, headers, now_s=NOW_S, url=URL))
    assert proved is not None
    try:
        decoded = RECEIVER.payloads(source, raw, content_type=content_type, headers=headers, proved=proved)
    except Unreadable:
        return set()
    arrivals = RECEIVER.read_all(source, decoded.payloads)
    return {one.event_id for one in arrivals if one.state != "invalid"}


def signed(source: Source, raw: bytes) -> dict[str, str]:
    assert source.verify is not None
    return sign(source.verify, raw, secret=SECRET, now_s=NOW_S, message_id="m-1", url=URL)


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_unsigned_changes_which_events_a_request_is(name: str) -> None:
    source = SOURCES[name]
    for raw in bodies(source.mapping):
        signature = signed(source, raw)
        first = keys(source, raw, signature, {}, "application/json")
        unsigned = {
            "webhook-id": "w9",
            "x-zendesk-webhook-invocation-id": "i9",
            "x-request-id": "r9",
            "user-agent": "u",
        }
        if name.endswith("-4"):
            signature = {**signature, "X-Message": "another"}
        for content_type in TYPES:
            mine = {
                name: value for name, value in unsigned.items() if name not in {header.lower() for header in signature}
            }
            assert keys(source, raw, signature, mine, content_type) == first, (content_type, raw[:80])


@pytest.mark.parametrize("name", SOURCES)
@trying(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    content_type=st.sampled_from(TYPES) | st.text(max_size=40),
    beside=st.dictionaries(st.sampled_from([*CLOUD, "webhook-id", "x-message-id"]), st.text(max_size=20)),
    at=st.integers(0, 100),
)
def test_whatever_stands_beside_a_signature_makes_no_second_event(
    name: str, content_type: str, beside: dict[str, str], at: int
) -> None:
    source = SOURCES[name]
    every = bodies(source.mapping)
    raw = every[at % len(every)]
    signature = signed(source, raw)
    mine = {name: value for name, value in beside.items() if name not in {header.lower() for header in signature}}
    one, other = keys(source, raw, signature, {}, "application/json"), keys(source, raw, signature, mine, content_type)
    cloud = keys(source, raw, signature, CLOUD, "application/json")
    # A CloudEvent's type may make an event of what says no type itself; under its one name, whatever else there is.
    assert one <= other <= one | cloud


def test_the_first_of_a_body_keeps_the_signed_id_however_it_is_written() -> None:
    source, lead = SOURCES["lead-0"], {"type": "lead.created", "data": {"email": "ana@example.com"}}
    for raw, wanted in (
        (orjson.dumps(lead), {"m-1"}),
        (orjson.dumps([lead]), {"m-1"}),
        (orjson.dumps([lead, lead]), {"m-1", "m-1.1"}),
        (orjson.dumps(lead) + b"\n" + orjson.dumps(lead), {"m-1", "m-1.1"}),
    ):
        assert keys(source, raw, signed(source, raw), {}, "application/json") == wanted


def test_a_trigger_of_zendesk_is_one_event_whatever_invocation_it_names(database_url: str) -> None:
    spec = OWN["zendesk"]
    known = settings_for(database_url, "http://127.0.0.1:9")
    settings = replace(known, sources={**known.sources, "zen": Source(name="zen", mapping="zendesk", verify=spec)})
    raw = orjson.dumps({"ticket_id": "777", "status": "solved", "requester_email": "a@example.com"})
    headers = sign(spec, raw, secret=SECRET, now_s=NOW_S)
    client = create_app(settings, Database(database_url), name_of, clock=lambda: NOW_S).test_client()
    told = []
    for number in range(3):
        more = {"X-Zendesk-Webhook-Invocation-Id": f"any{number}", "Content-Type": "application/json"}
        answer = client.post("/webhooks/zen", data=raw, headers={**headers, **more})
        told.append(answer.json and answer.json["status"])
    assert told == ["accepted", "duplicate", "duplicate"]


@pytest.mark.parametrize(("days", "wanted"), [(5, "duplicate"), (29, "duplicate"), (31, "accepted")])
def test_a_signature_of_a_body_alone_is_known_for_thirty_days(database_url: str, days: int, wanted: str) -> None:
    spec = SIGNERS["the body alone"]
    known = settings_for(database_url, "http://127.0.0.1:9")
    settings = replace(known, sources={**known.sources, "hub": Source(name="hub", mapping="lead", verify=spec)})
    raw = orjson.dumps({"type": "lead.created", "data": {"email": "ana@example.com"}})
    database = Database(database_url)
    client = create_app(settings, database, name_of).test_client()
    headers = {**sign(spec, raw, secret=SECRET, now_s=NOW_S), "Content-Type": "application/json"}
    assert client.post("/webhooks/hub", data=raw, headers=headers).json["status"] == "accepted"  # type: ignore[index]
    with database.write() as conn:
        assert conn.execute(select(events.c.key)).scalar_one().startswith(keyed_hash.PROVED)
        conn.execute(update(events).values(received_at=events.c.received_at - days * 24 * 3600 * 1000))
    assert client.post("/webhooks/hub", data=raw, headers=headers).json["status"] == wanted  # type: ignore[index]


def test_a_sender_that_signs_its_address_needs_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector.config import loader
    from connector.vendors import destinations

    file = tmp_path / "connector.toml"
    file.write_text(
        '[sources.a]\nmapping = "lead"\n[sources.a.verify]\nscheme = "hmac"\nheader = "X"\n'
        'signed = "{url}{body}"\nsecrets = ["0123456789abcdef0123456789"]\n'
    )
    table: Any = destinations.DESTINATIONS
    with pytest.raises(ConfigError, match=r"sources\.a\.verify: signs the address it calls: set CONNECTOR_PUBLIC_URL"):
        loader.load({}, config_path=str(file), destinations=table)
    public = {"CONNECTOR_PUBLIC_URL": "https://connector.example.com"}
    assert loader.load(public, config_path=str(file), destinations=table).sources["a"].verify


@pytest.mark.parametrize("encoding", ["", "gzip", "identity"])
def test_a_packed_body_is_one_event_whatever_is_said_of_its_packing(encoding: str) -> None:
    source = SOURCES["lead-1"]
    raw = gzip.compress(orjson.dumps({"id": "L-9", "type": "lead.created", "data": {"email": "ana@example.com"}}))
    beside = {"content-encoding": encoding} if encoding else {}
    assert keys(source, raw, signed(source, raw), beside, "application/json") == {"L-9"}


@pytest.mark.parametrize("name", ["lead-1", "typeform"])
def test_a_packed_body_grows_no_larger_than_its_source_takes(name: str) -> None:
    source = SOURCES[name]
    raw = gzip.compress(b'{"a":[' + b"{}," * 1_000_000 + b"{}]}")
    proved = RECEIVER.verify(
        source,
        Proof(raw, {name.lower(): value for name, value in signed(source, raw).items()}, now_s=NOW_S, url=URL),
    )
    with pytest.raises(Unreadable, match="larger than 65536 bytes"):
        RECEIVER.payloads(source, raw, content_type="", headers={}, proved=proved, max_bytes=65536)
    with pytest.raises(Unreadable, match="larger than 65536 bytes"):
        RECEIVER.payloads(source, raw, content_type="", headers={}, max_bytes=65536)
    assert body_field(raw, "application/json", "a") is None
