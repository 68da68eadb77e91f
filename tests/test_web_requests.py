"""Which requests are taken: proof of origin, addresses, methods, sizes and bad input."""

from __future__ import annotations

import base64
import io
import json
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from connector.core.settings import Settings
from connector.inbound.signatures import sign
from connector.store.database import Database
from connector.web.request import MAX_BODY_BYTES
from tests import web_client
from tests.conftest import LANDING_SECRET, TICKETS_TOKEN
from tests.web_client import HMAC, HUB, assert_problem, chunked, kept, lead, post, texts, types, web

settings = web_client.settings
#: Every status that a sender may be answered; 500 is none of them.
TABLE = {200, 202, 400, 401, 404, 405, 413, 415, 422, 503}


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
        answers = [
            post(client, "hub", raw, headers={**signature, **given, "ce-id": f"e{number}"}) for number in range(3)
        ]
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


def test_a_refusal_does_not_tell_which_proof_is_wanted(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    refused = [post(client, source, lead()) for source in ("basic", "landing", "tickets", "key", "crm")]
    assert {(one.status_code, one.data, one.headers["WWW-Authenticate"]) for one in refused} == {
        (401, refused[0].data, 'Basic realm="webhooks", charset="UTF-8"')
    }
    assert refused[0].get_json()["detail"] == "unauthorised"
    assert '"why": ' in capsys.readouterr().err


def test_an_unknown_source_is_as_unknown_as_any_address(client: FlaskClient) -> None:
    assert post(client, "nobody", lead()).data == client.post("/nowhere").data


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
    assert "larger than 1024 KB" in told["detail"]
    assert kept(database) == []


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
