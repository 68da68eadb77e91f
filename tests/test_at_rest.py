"""With CONNECTOR_DATA_KEY nothing of a person can be read in the files, and everything goes on as without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Text, select, type_coerce

from connector.core import at_rest
from connector.core.errors import ConnectorError
from connector.core.settings import Secret, Settings
from connector.inbound.committer import Committer
from connector.store import encrypted
from connector.store.database import Database
from connector.store.tables import events, records
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app

OLD, NEW = Secret("old-data-key"), Secret("new-data-key")


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    at_rest.configure((OLD,))
    yield
    at_rest.configure(())


def test_a_text_opens_at_its_own_place_with_its_own_key() -> None:
    sealed = at_rest.sealed("Ana ñ \ud800", "events.payload")
    assert sealed is not None and sealed.startswith(at_rest.newest()) and "Ana" not in sealed
    assert at_rest.opened(sealed, "events.payload") == "Ana ñ \ud800"
    assert sealed != at_rest.sealed("Ana ñ \ud800", "events.payload"), "the same text twice looks different"
    for wrong, place in ((sealed, "records.record"), (sealed[:-4] + "AAA=", "events.payload")):
        with pytest.raises(ConnectorError):
            at_rest.opened(wrong, place)
    at_rest.configure((NEW, OLD))
    assert at_rest.opened(sealed, "events.payload") == "Ana ñ \ud800"
    at_rest.configure((NEW,))
    with pytest.raises(ConnectorError, match="CONNECTOR_DATA_KEY"):
        at_rest.opened(sealed, "events.payload")


def test_nothing_and_what_was_stored_before_stay_as_they_are() -> None:
    assert at_rest.sealed("", "x") == "" and at_rest.sealed(None, "x") is None
    assert at_rest.opened('{"a":1}', "x") == '{"a":1}' and at_rest.opened(None, "x") is None
    at_rest.configure(())
    assert at_rest.sealed("Ana", "x") == "Ana"


def test_events_and_records_are_stored_encrypted_and_written_again_with_another_key(
    settings: Settings, database: Database
) -> None:
    committer = Committer(database)
    client = create_app(settings, database, name_of, committer).test_client()
    ticket = {"id": "T-1", "type": "ticket.closed", "data": {"ticket_id": "583dcb2855d0a46e438d0206", "number": "1"}}
    ticket["data"]["customer"] = {"name": "Zoraida", "email": "zoraida@example.com"}  # type: ignore[index]
    answers = [client.post("/webhooks/tickets", json=ticket, headers={"X-Token": "invented-token"}) for _ in range(2)]
    assert [one.get_json()["status"] for one in answers] == ["accepted", "duplicate"]
    committer.close()
    raw = [select(type_coerce(column, Text)) for column in (events.c.payload, records.c.record)]

    def stored() -> list[str]:
        with database.read() as conn:
            return [str(conn.execute(query).scalar_one()) for query in raw]

    before = stored()
    assert all(one.startswith(at_rest.newest()) for one in before)
    at_rest.configure((NEW, OLD))
    assert sum(encrypted.rewrite(database)) == 2
    assert sum(encrypted.rewrite(database)) == 0
    at_rest.configure((NEW,))
    assert all(one.startswith(at_rest.newest()) for one in stored()) and stored() != before
    with database.read() as conn:
        assert "Zoraida" in conn.execute(select(events.c.payload)).scalar_one()
        assert "Zoraida" in conn.execute(select(records.c.record)).scalar_one()
