"""With CONNECTOR_DATA_KEY nothing of a person can be read in the files, and everything goes on as without."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from sqlalchemy import Text, TypeDecorator, select, type_coerce, update

from connector.admin import groups
from connector.admin.replay import Dead, _dead_ids
from connector.core import at_rest
from connector.core.errors import ConnectorError
from connector.core.reasons import Code, Reason, answer_facts, because, read
from connector.core.settings import Secret, Settings
from connector.core.states import DeliveryState, EventState
from connector.inbound.committer import Committer
from connector.store import encrypted, helps, inbox, reasons
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database, insert_rows, now_ms
from connector.store.schema import metadata
from connector.store.tables import accounts, attempts, deliveries, destinations, events, import_rows, records
from connector.store.tables import helps as help_rows
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


# --- nothing of a person anywhere -----------------------------------------------------------------------------------

NAME = "Zoraida Quxwitz"


def dumped(database: Database) -> dict[str, str]:
    """Every text in the database as it stands in the file, by table and column."""
    found = {}
    with database.read() as conn:
        for table in metadata.sorted_tables:
            for column in table.c:
                if isinstance(column.type, Text | TypeDecorator):
                    texts = conn.execute(select(type_coerce(column, Text)).where(column.is_not(None))).scalars().all()
                    found[f"{table.name}.{column.name}"] = "\n".join(map(str, texts))
    return found


def spoken(database: Database) -> None:
    """The person's name in every text that a sender, a vendor or a file may bring."""
    why = Reason(
        Code.BEFORE_ENDED, because(Reason(Code.REFUSED, answer_facts(f"{NAME} is wrong", 400))) | {"route": "r"}
    )
    own = Reason(Code.REFUSED, answer_facts(f"{NAME} is wrong", 400))
    arrivals = [
        Arrival(
            source="s",
            event_id=f"E-{number}",
            type="lead.created",
            state=state,
            payload=f'{{"name":"{NAME}"}}',
            errors=[{"field": "name", "message": f"{NAME} is no name"}] if state == EventState.INVALID else [],
            notes=(f"first_name: {NAME} left out",),
            deliveries=(
                NewDelivery(
                    route="r",
                    account="a",
                    destination="a d",
                    record=f'{{"name":"{NAME}"}}',
                    expires_at=1,
                    state=DeliveryState.DEAD,
                    reason=own,
                    notes=(f"{NAME} was cut",),
                ),
            )
            if state != EventState.INVALID
            else (),
        )
        for number, state in enumerate((EventState.ACCEPTED, EventState.INVALID, EventState.ACCEPTED))
    ]
    with database.write() as conn:
        inbox.store(conn, arrivals)
        now = now_ms(conn)
        conn.execute(update(deliveries).where(deliveries.c.id == 1).values(reasons.columns(why)))
        conn.execute(
            attempts.insert().values(
                account="a",
                destination="a d",
                kind="send",
                state="rejected",
                worker="w",
                records=1,
                started_at=now,
                deadline=now,
                words=f"400 {NAME} is wrong",
            )
        )
        conn.execute(
            accounts.insert().values(
                name="b",
                state="blocked",
                since=now,
                hold_until=0,
                faults=0,
                calls_since_bulk=0,
                **reasons.columns(own),
                **reasons.hold_columns(own),
            )
        )
        conn.execute(
            destinations.insert().values(
                name="b d",
                account="b",
                state="stopped",
                since=now,
                claimed_at=0,
                claimed_lane=0,
                accepted_at=0,
                refusals=orjson.dumps([f"{NAME} is wrong"]).decode(),
                **reasons.columns(own),
            )
        )
        helps.note(conn, "a", "token_info", helps.HelpState.UNKNOWN, now, words=f"{NAME}?")
        database_rows = [{"upload": 1, "line": 2, "event": None, "status": "left", "why": f"{NAME}: no phone"}]
        insert_rows(conn, import_rows, database_rows)


def test_no_text_of_a_person_can_be_read_in_any_column(database: Database) -> None:
    spoken(database)
    seen = [name for name, texts in dumped(database).items() if "Zoraida" in texts or "Quxwitz" in texts]
    assert not seen
    with database.read() as conn:
        assert NAME in conn.execute(select(attempts.c.words)).scalar_one()
        invalid = conn.execute(select(events).where(events.c.state == "invalid")).one()
        assert NAME in orjson.loads(invalid.errors)[0]["message"] and NAME in orjson.loads(invalid.notes)[0]
        assert NAME in conn.execute(select(records.c.notes).where(records.c.notes.is_not(None))).scalars().all()[0]
        row = conn.execute(select(destinations).where(destinations.c.name == "b d")).one()
        assert orjson.loads(row.refusals) == [f"{NAME} is wrong"] and reasons.of(row).words() == {f"{NAME} is wrong"}
        for one in conn.execute(select(deliveries)):
            assert reasons.of(one).words() == {f"{NAME} is wrong"}
        assert NAME in conn.execute(select(import_rows.c.why)).scalar_one()


def test_releases_before_can_read_lists_that_are_encrypted(database: Database) -> None:
    spoken(database)
    with database.read() as conn:
        notes = conn.execute(select(type_coerce(events.c.notes, Text)).where(events.c.id == 1)).scalar_one()
        errors = conn.execute(
            select(type_coerce(events.c.errors, Text)).where(events.c.errors.is_not(None))
        ).scalar_one()
        refusals = conn.execute(select(type_coerce(destinations.c.refusals, Text))).scalars().all()
    assert [type(one) for one in orjson.loads(notes)] == [str]
    assert {*orjson.loads(errors)[0]} == {"field", "message"}
    assert all(isinstance(orjson.loads(one), list) for one in refusals)


def test_failures_are_grouped_and_found_by_their_encrypted_words(database: Database) -> None:
    spoken(database)
    with database.write() as conn:
        conn.execute(
            update(deliveries).values(reasons.columns(Reason(Code.REFUSED, answer_facts(f"{NAME} is wrong", 400))))
        )
    [group] = groups.causes(database, 10**9).groups
    assert group.number == 2 and len(group.variants) == 1
    for words, number in (("quxwitz IS", 2), ("nobody", 0), ("vendor.refused", 2)):
        which = Dead(since=0, limit=10, reason=words)
        with database.read() as conn:
            assert len(_dead_ids(conn, which)) == number, words


def test_all_of_it_is_written_again_with_another_key_and_with_the_first_one(database: Database) -> None:
    at_rest.configure(())
    spoken(database)
    plain = {name for name, texts in dumped(database).items() if "Zoraida" in texts}
    assert len(plain) >= 12
    for keys in ((OLD,), (NEW, OLD)):
        at_rest.configure(keys)
        before = dumped(database)
        assert sum(encrypted.rewrite(database)) >= 10
        assert sum(encrypted.rewrite(database)) == 0
        after = dumped(database)
        assert not [name for name, texts in after.items() if "Zoraida" in texts]
        assert all(before[name] != after[name] for name in plain)
    at_rest.configure((NEW,))
    with database.read() as conn:
        assert NAME in conn.execute(select(attempts.c.words)).scalar_one()
        assert reasons.of(conn.execute(select(deliveries).limit(1)).one()).words() == {f"{NAME} is wrong"}


@pytest.mark.parametrize("text", ["enc:1234:abc", "eqv:1234:abc", "enc:", "eqv::", "enc:a:b:c"])
def test_words_that_only_look_encrypted_are_words(database: Database, text: str) -> None:
    at_rest.configure(())
    with database.write() as conn:
        helps.note(conn, "a", "x", helps.HelpState.UNKNOWN, now_ms(conn), words=text)
        assert conn.execute(select(help_rows.c.words)).scalar_one() == text
    reason = Reason(Code.REFUSED, answer_facts(text, 400))
    assert read(str(reason.code), reason.facts_json) == reason
    at_rest.configure((OLD,))
    assert read(str(reason.code), orjson.dumps(reason.facts).decode()) == reason
    assert read(str(reason.code), reason.facts_json) == reason
    with database.read() as conn:
        assert conn.execute(select(help_rows.c.words)).scalar_one() == text
