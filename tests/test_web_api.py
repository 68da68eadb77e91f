"""Health, metrics and the read-only API."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from connector.admin import people as people_of
from connector.core.reasons import Code, Reason
from connector.core.settings import Console, Person, Role, Secret, Settings
from connector.inbound.committer import Committer
from connector.store import accounts
from connector.store.database import Database, now_ms
from connector.store.tables import attempts, deliveries
from connector.vendors.destinations import name_of
from connector.web.watch import create_watch
from connector.web.wsgi import create_app
from tests import web_client
from tests.conftest import settings_for
from tests.web_client import assert_problem, lead, post, web, web_settings

settings = web_client.settings


def test_it_is_alive_and_ready(client: FlaskClient) -> None:
    assert client.get("/livez").get_json() == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.get_json()
    assert {one["code"] for one in told.pop("problems")} == {"nobody_works"}  # no process has reported here
    assert told == {
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
        accounts.ensure(conn, ["dialler", "surveys", "gone"], pairs, now)
        accounts.block(
            conn,
            "surveys",
            Reason(Code.BLOCKED_CREDENTIALS, {"words": "the token is not accepted, said ana@example.com"}),
            now,
        )
        accounts.pause(conn, "gone", "left the configuration", now)
        accounts.stop(conn, "dialler/wolkvox.add_record/1042", Reason(Code.OTHER, {"words": "no such campaign"}), now)
        accounts.stop(conn, "old/place", Reason(Code.OTHER, {"words": "left the configuration"}), now)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.get_json()
    assert [(one["name"], one["state"]) for one in told["accounts"]] == [("surveys", "blocked")]
    assert "ana@example.com" not in told["accounts"][0]["reason"]
    assert [(one["name"], one["reason"]) for one in told["destinations"]] == [
        ("dialler/wolkvox.add_record/1042", "no such campaign")
    ]


def test_the_metrics_tell_the_backlog_and_the_calls(client: FlaskClient, database: Database) -> None:
    post(client, "open", [lead(1), lead(2), lead(3), {}])
    with database.write() as conn:
        accounts.ensure(conn, ["dialler"], [("dialler/wolkvox.add_record/1042", "dialler")], now_ms(conn))
        accounts.pause(conn, "dialler", "a person asked for it", now_ms(conn))
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
    [event] = client.post("/api/search", data='{"text": "300 0000001"}', headers=ADMIN).get_json()["events"]
    [one] = client.get(f"/api/deliveries?state=pending&event={event['event']}", headers=ADMIN).get_json()
    assert one["event_id"] == "L-1"
    story = client.get(f"/api/explain/{one['delivery']}", headers=ADMIN)
    assert story.status_code == 200
    assert "3000000001" not in story.get_data(as_text=True)
    assert client.get("/api/explain/nobody/knows", headers=ADMIN).status_code == 404
    assert client.get("/api/explain/e999", headers=ADMIN).status_code == 404
    assert client.get("/api/explain/%00", headers=ADMIN).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "since=whenever", "state=%00", "limit=\u0664"])
def test_the_api_says_what_is_wrong_with_a_question(client: FlaskClient, query: str) -> None:
    assert_problem(client.get(f"/api/deliveries?{query}", headers=ADMIN), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/api/deliveries?find={}",
        "/api/deliveries?event={}",
        "/api/explain/{}",
        "/api/{}",
        "/console/events/{}",
        "/console/people/{}",
        "/console/deliveries/{}",
        "/webhooks/open/{}",
        "/{}",
    ],
)
def test_who_is_written_into_an_address_is_not_found_and_in_no_log(
    settings: Settings, path: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    with web(replace(settings, log_level="DEBUG")) as client:
        post(client, "open", lead(data={}))
        for who in ("+573000000001", "300 000 0001", "ana@example.com", "L-1"):
            answer = client.get(path.format(quote(who)), headers=ADMIN)
            assert answer.status_code in (400, 404, 405)
            assert who not in answer.get_data(as_text=True) or who == "L-1"
    out, err = capfd.readouterr()
    assert not [who for who in ("0000001", "000 0001", "ana@") if who in caplog.text + out + err]


# --- who may read how it goes ---------------------------------------------------------------------------------------


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_how_it_goes_is_told_to_those_who_show_a_token(sqlite_url: str, path: str) -> None:
    private = replace(web_settings(sqlite_url, "http://127.0.0.1:9"), metrics_public=False)
    with web(replace(private, metrics_token=Secret("for-metrics"))) as client:
        for headers in ({}, bearer("wrong"), bearer(""), {"Authorization": "Basic Zm9yLW1ldHJpY3M="}):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.get_json()["detail"]) == (401, "unauthorised")
        assert client.get(path, headers=bearer("for-metrics")).status_code == 200
        assert client.get(path, headers=bearer("invented-admin-token")).status_code == 200
        assert client.get("/api/status", headers=bearer("for-metrics")).status_code == 401
    with web(replace(private, admin_token=Secret(""))) as client:
        assert client.get(path, headers=bearer("")).status_code == 401
        assert client.get("/livez").status_code == 200
    with web(replace(private, metrics_public=True)) as client:
        assert client.get(path).status_code == 200


def test_a_port_of_its_own_tells_how_it_goes_and_takes_nothing(sqlite_url: str) -> None:
    private = replace(web_settings(sqlite_url, "http://127.0.0.1:9"), metrics_public=False)
    database = Database(sqlite_url)
    committer = Committer(database)
    app = create_app(private, database, name_of, committer)
    watch = create_watch(app.intake, private, database).test_client()
    assert (
        watch.get("/metrics").status_code == watch.get("/readyz").status_code == watch.get("/livez").status_code == 200
    )
    assert watch.get("/metrics").headers["Cache-Control"] == "no-store"
    assert watch.post("/webhooks/open", data=b"{}").status_code == watch.get("/api/status").status_code == 404
    committer.close()
    database.close()


def test_wrong_keys_cost_few_slow_hashes_and_lock_nobody_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, counted = "a-key-of-somebody-that-is-long-enough", []
    people = {
        "ana": Person(name="ana", role=Role.VIEWER, token_hash=generate_password_hash(right)),
        "luz": Person(name="luz", role=Role.VIEWER, token=Secret("another-key-of-somebody")),
    }
    checked = people_of.check_password_hash
    monkeypatch.setattr(people_of, "check_password_hash", lambda *given: (counted.append(1), checked(*given))[1])
    with web(replace(settings, console=Console(people=people))) as client:

        def ask(key: str) -> TestResponse:
            return client.get("/api/status", headers={"Authorization": f"Bearer {key}"})

        assert ask(right).status_code == 200
        counted.clear()
        answers = [ask(f"wrong-{number}") for number in range(30)]
        assert [one.status_code for one in answers[:4]] == [401] * 4
        assert_problem(answers[-1], 429)
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert len(counted) < 12
        assert ask(right).status_code == 200
        assert ask("another-key-of-somebody").status_code == 200
        assert ask("").status_code == 401
