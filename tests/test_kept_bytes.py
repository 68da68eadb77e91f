"""What goes nowhere of a source without proof is kept up to so many bytes a day, whatever way it goes nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Text, func, select, type_coerce

from connector.core.settings import Settings, Source
from connector.inbound import source_limits
from connector.inbound.signatures import sign
from connector.inbound.source_limits import SourceLimits
from connector.store.database import Database
from connector.store.tables import events
from connector.web.limits import Gate
from tests import web_client
from tests.web_client import HUB, assert_problem, kept, lead, post, web

MOST = 20_000
LARGE = "x" * 6000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_limits, "KEPT_BYTES", MOST)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return web_client.web_settings(database_url, "http://127.0.0.1:9")


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    with web(settings) as client:
        yield client


def stored(database: Database, source: str) -> int:
    with database.read() as conn:
        size = func.sum(func.length(type_coerce(events.c.payload, Text)))
        return int(conn.execute(select(size).where(events.c.source == source)).scalar() or 0)


NOWHERE = {
    "unreadable": lambda number: (b"{" + LARGE.encode(), "application/json"),
    "invalid": lambda number: ({"type": "nothing", "id": str(number), "x": LARGE}, "application/json"),
    "invalid in an array": lambda number: ([{"type": "nothing", "x": LARGE}], "application/json"),
    "conflicting": lambda number: ({**lead(1, address=f"{number}{LARGE}"), "id": "same"}, "application/json"),
    "conflicting in an array": lambda number: ([{**lead(number, address=LARGE), "id": "same"}], "application/json"),
}


@pytest.mark.parametrize("source", ["open", "strict"])
@pytest.mark.parametrize("way", NOWHERE)
def test_beyond_the_bound_it_is_refused_and_not_kept(
    client: FlaskClient, database: Database, way: str, source: str
) -> None:
    answers = [post(client, source, *NOWHERE[way](number)) for number in range(12)]
    assert stored(database, source) <= MOST + 2 * len(LARGE)
    if way != "conflicting in an array":
        assert_problem(answers[-1], 429)
        assert int(answers[-1].headers["Retry-After"]) > 0
    else:
        assert "not kept" in str(answers[-1].get_json())
    assert post(client, source, lead(77)).status_code == 202, "what goes somewhere is taken as before"
    assert (source, "L-77", "accepted") in kept(database)


def test_an_ignored_event_counts_as_well(client: FlaskClient, database: Database, settings: Settings) -> None:
    answers = [post(client, "open", {**lead(number, address=LARGE), "type": "lead.updated"}) for number in range(12)]
    assert answers[0].get_json()["status"] == "ignored"
    assert_problem(answers[-1], 429)
    assert stored(database, "open") <= MOST + 2 * len(LARGE)


def test_what_was_proved_is_kept_whatever_it_is(client: FlaskClient, database: Database) -> None:
    for number in range(12):
        body = b'{"type":"nothing","n":%d,"x":"%s"}' % (number, LARGE.encode())
        headers = sign(HUB, body, secret="hub", now_s=0)
        assert post(client, "hub", body, headers=headers).status_code in (202, 422)
    assert stored(database, "hub") > MOST


def test_all_processes_of_a_database_share_the_bound(settings: Settings, database: Database) -> None:
    with web(settings) as one:
        for number in range(12):
            post(one, "open", *NOWHERE["invalid"](number))
    other = SourceLimits(settings.sources, database)
    other.read()
    assert other.keep("open", len(LARGE)) > 0
    assert other.keep("hub", 10**9) == 0 and other.keep("tickets", 10**9) == 0


def test_the_bound_of_one_source_is_not_anothers(client: FlaskClient) -> None:
    for number in range(12):
        post(client, "open", *NOWHERE["invalid"](number))
    assert post(client, "strict", *NOWHERE["invalid"](1)).status_code == 422


def test_the_bound_is_in_the_table_of_limits() -> None:
    assert Gate().table()["kept_bytes"] == 16 * 1024 * 1024


def test_a_source_that_proves_but_is_trusted_less_keeps_its_unreadable_bodies_whole(
    settings: Settings, database: Database
) -> None:
    lowered = Source(name="low", mapping="lead", verify=HUB, trusted_as="none")
    settings.sources["low"] = lowered  # type: ignore[index]
    body = b"{" + b"x" * 200_000
    with web(settings) as client:
        post(client, "low", body, headers=sign(HUB, body, secret="hub", now_s=0))
    assert stored(database, "low") == len(body)
