"""What a posted event becomes: alone, in an array, in every type of content."""

from __future__ import annotations

import io
import time
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from connector.core.settings import Verify
from connector.inbound.signatures import sign
from connector.store.database import Database
from connector.store.tables import deliveries
from tests import web_client
from tests.conftest import LANDING_SECRET, TICKETS_TOKEN
from tests.web_client import assert_problem, kept, lead, post

settings = web_client.settings


def signed(client: FlaskClient, body: Any, *, message_id: str, **kw: Any) -> TestResponse:
    """To the landing page's source, as its sender does it."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    spec = Verify(scheme="standard-webhooks")
    headers = sign(spec, raw, secret=LANDING_SECRET, now_s=time.time(), message_id=message_id)
    return post(client, "landing", raw, headers=headers, **kw)


def ticket(client: FlaskClient, body: Any, **kw: Any) -> TestResponse:
    return post(client, "tickets", body, headers={"X-Token": TICKETS_TOKEN}, **kw)


def delivery_count(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(deliveries)).scalar_one())


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
    leads = [lead(number) for number in range(10_001)]
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


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "nonsense"])
def test_another_type_is_refused_unless_the_body_is_json(
    client: FlaskClient, database: Database, content_type: str
) -> None:
    assert_problem(post(client, "open", b"hello", content_type), 415)
    assert kept(database) == []
    assert post(client, "open", lead(), content_type).status_code == 202
