"""After `connector rekey` no hash is left of the old secret key, and everybody is recognised as before."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, TypeDecorator, select, type_coerce

from connector.admin.privacy import forget
from connector.cli.root import connector
from connector.core import keyed_hash
from connector.core.keyed_hash import LAYER_BYTES, digest, layered, mark
from connector.core.settings import Secret, Settings
from connector.core.states import EventState
from connector.inbound.router import hashed
from connector.store import facts, hash_keys, inbox, rehashing, suppression_list
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database, insert_rows, now_ms
from connector.store.schema import metadata
from connector.store.suppression_list import Entry
from connector.store.tables import contacts, deliveries, events, once_keys, records, registry_entries, search_keys

OLD, NEW, NEWEST = "old-key-8f1d3a6c5b7e92f0", "new-key-4a8c1d6e3b5f7092", "third-key-0192837465abcdef"
PHONE, MAIL = "+573001234567", "ana@example.com"


def keyed(text: str) -> Settings:
    return Settings(secret_key=Secret(text))


def filled(database: Database, key: bytes) -> None:
    """A hash of each kind in every place that has one."""
    ways = [str(hashed(key, "", way)) for way in (PHONE, MAIL)]
    arrivals = [
        Arrival(
            source="s",
            event_id=name,
            type="lead.created",
            state=EventState.ACCEPTED,
            payload="{}",
            fingerprint="content",
            deliveries=(
                NewDelivery(
                    route="r",
                    account="a",
                    destination="d",
                    record="{}",
                    expires_at=1,
                    contact=ways[0],
                    contacts=orjson.dumps(ways).decode(),
                    once_key=hashed(key, "r", PHONE),
                ),
            ),
        )
        for name in ("a stays", "goes", "signed:goes")
    ]
    forget.begin(database, key)
    with database.write() as conn:
        suppression_list.keep_key(conn, key)
        suppression_list.add(conn, [Entry(way, "hint", "", 1) for way in ways])
        inbox.store(conn, arrivals, key=key)
        conn.execute(events.update().where(events.c.id == 2).values(second_key="lead:7"))
        for number in (2, 3):
            conn.execute(deliveries.update().where(deliveries.c.event == number).values(state="delivered"))
        forget.forget(conn, [2, 3], key, now_ms(conn))
        insert_rows(conn, search_keys, [{"hash": way, "event": 1} for way in (*ways, hashed(key, "id", "a stays"))])
        insert_rows(conn, once_keys, [{"hash": hashed(key, "r", MAIL), "delivery": 1}])
        entry = {"registry": "x", "first": 1, "last": 1, "since": 1, "listed": 1}
        insert_rows(conn, registry_entries, [{**entry, "hash": way} for way in ways])
        contact = {"delivery": 1, "attempt": 1, "at": 1, "day": "", "week": "", "zone": "", "channel": ""}
        more = {"purpose": "", "country": ""}
        insert_rows(conn, contacts, [{"hash": way, **contact, **more} for way in ways])


def found(database: Database, key: bytes) -> dict[str, Any]:
    """Everything that is recognised with this key, as the product looks for it."""
    ways = [str(hashed(key, "", way)) for way in (PHONE, MAIL)]
    again = [
        Arrival(source="s", event_id=name, type="t", state=EventState.IGNORED, payload="{}", fingerprint=print_)
        for name, print_ in (("goes", "content"), ("goes", "other"), ("signed:goes", "content"))
    ]
    with database.write() as conn:
        verdicts = [inbox.store(conn, [one], key=key)[0].status for one in again]
    with database.read() as conn:
        return {
            "copies": verdicts,
            "listed": [suppression_list.on_list(conn, [way]) for way in ways],
            "contacts": conn.execute(select(contacts.c.delivery).where(contacts.c.hash.in_(ways))).scalars().all(),
            "registry": conn.execute(select(registry_entries.c.listed).where(registry_entries.c.hash.in_(ways)))
            .scalars()
            .all(),
            "search": [
                conn.execute(select(search_keys.c.event).where(search_keys.c.hash == one)).scalar()
                for one in (*ways, hashed(key, "id", "a stays"))
            ],
            "once": conn.execute(select(deliveries.c.id).where(deliveries.c.once_key == hashed(key, "r", PHONE)))
            .scalars()
            .all(),
            "once behind": conn.execute(
                select(once_keys.c.delivery).where(once_keys.c.hash == hashed(key, "r", MAIL))
            ).scalar(),
            "contact": conn.execute(select(records.c.delivery).where(records.c.contact == ways[0])).scalars().all(),
            "ways": [orjson.loads(one) == ways for one in conn.execute(select(records.c.contacts)).scalars() if one],
            "second": conn.execute(
                select(events.c.id).where(events.c.second_key == keyed_hash.name(key, "s", "lead:7"))
            ).scalar(),
        }


def hashes(database: Database) -> set[str]:
    """Everything in the database that looks like a hash of ours, but what was hashed without a key."""
    seen: set[str] = set()
    with database.read() as conn:
        for table in metadata.sorted_tables:
            for column in table.c:
                if table.name != "facts" and isinstance(column.type, Text | TypeDecorator):
                    for text in conn.execute(select(type_coerce(column, Text)).where(column.is_not(None))).scalars():
                        seen |= set(re.findall(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", text))
    return seen


def test_every_hash_is_another_one_and_everybody_is_recognised(database: Database) -> None:
    filled(database, OLD.encode())
    before, seen = found(database, OLD.encode()), hashes(database)
    assert before["copies"] == ["duplicate", "conflict", "duplicate"] and all(before["listed"]), before
    assert before["search"] == [1, 1, 1] and before["ways"] == [True, True, True] and before["second"] == 2
    assert len(seen) >= 7
    former: list[bytes] = [OLD.encode()]
    for keys in (f"{NEW},{OLD}", f"{NEWEST},{NEW}"):
        with database.write() as conn:
            if keys.startswith(NEW + ","):
                hash_keys.keep(conn, keyed(OLD))
            assert rehashing.is_due(conn, keyed(keys))
            assert rehashing.rewrite(conn, keyed(keys)) > 15
            assert not rehashing.is_due(conn, keyed(keys))
            key = hash_keys.find(conn, keyed(keys.partition(",")[0]))
        assert found(database, key) == before
        assert not seen & hashes(database)
        assert len(hashes(database)) == len(seen)
        for old in former:
            with database.read() as conn:
                assert not suppression_list.on_list(conn, [str(hashed(old, "", way)) for way in (PHONE, MAIL)])
        former.append(key)
        seen = hashes(database)


def test_every_column_of_hashes_is_written_again() -> None:
    named = {(table.name, "hash") for table in metadata.sorted_tables if "hash" in table.c}
    assert named <= {(table, column) for table, column, _ in rehashing._HASHES}


def test_what_a_database_hashes_is_what_we_hash() -> None:
    layer = bytes(range(LAYER_BYTES))
    one = digest(b"k", "", "ana")
    assert one is not None
    assert digest(layered(b"k", layer), "", "ana") == keyed_hash.again(layer, one)
    twice = layered(layered(b"k", layer), b"2" * LAYER_BYTES)
    assert digest(twice, "", "ana") == keyed_hash.again(b"2" * LAYER_BYTES, keyed_hash.again(layer, one))
    assert len({mark(b"k"), mark(layered(b"k", layer)), mark(twice)}) == 3


@given(st.binary(min_size=1, max_size=64), st.lists(st.binary(min_size=32, max_size=32), max_size=4), st.text())
def test_layers_are_kept_in_their_order(first: bytes, layers: list[bytes], text: str) -> None:
    key, wanted = first, digest(first, "s", text.encode(errors="replace").decode())
    for layer in layers:
        key, wanted = layered(key, layer), keyed_hash.again(layer, str(wanted))
    assert digest(key, "s", text.encode(errors="replace").decode()) == wanted


# --- the command, and processes that run ----------------------------------------------------------------------------

CONFIG = """
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "t"
[sources.landing]
mapping = "lead"
verify = { scheme = "none" }
"""


@pytest.fixture
def place(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    (tmp_path / "c.toml").write_text(CONFIG)
    monkeypatch.setenv("CONNECTOR_CONFIG", str(tmp_path / "c.toml"))
    monkeypatch.setenv("DATABASE_URL", database.url)
    return database


def run(key: str, *words: str) -> str:
    return CliRunner().invoke(connector, words, env={"CONNECTOR_SECRET_KEY": key}).output


def test_the_command_writes_them_once_and_says_how_many(place: Database) -> None:
    filled(place, OLD.encode())
    with place.write() as conn:
        hash_keys.keep(conn, keyed(OLD))
    assert "hashes written again" in run(f"{NEW},{OLD}", "rekey")
    assert "already" in run(f"{NEW},{OLD}", "rekey")
    assert "1 removed" in run(NEW, "suppress", "remove", PHONE)
    assert "is not the one" in run(OLD, "rekey")
    assert "is not the one" in run(OLD, "suppress", "add", PHONE)


def test_a_wrong_key_changes_nothing(place: Database) -> None:
    filled(place, OLD.encode())
    with place.write() as conn:
        hash_keys.keep(conn, keyed(OLD))
    seen = hashes(place)
    assert "is not the one" in run(NEW, "rekey")
    assert hashes(place) == seen


@pytest.mark.slow
def test_no_hash_changes_while_a_process_runs_and_one_with_an_older_key_ends(place: Database) -> None:
    filled(place, OLD.encode())
    import os

    environment = {**os.environ, "CONNECTOR_SECRET_KEY": f"{NEW},{OLD}"}
    process = subprocess.Popen([sys.executable, "-m", "connector", "work"], env=environment, stderr=subprocess.PIPE)
    try:
        until(lambda: _alive(place) == 1)
        seen = hashes(place)
        told = run(f"{NEW},{OLD}", "rekey")
        assert "stay as they are while processes run (worker on" in told
        assert hashes(place) == seen
        with place.write() as conn:  # as if it had started a moment later, unseen
            rehashing.rewrite(conn, keyed(f"{NEW},{OLD}"))
        _, said = process.communicate(timeout=90)
        assert b"wrote the hashes again" in said
        assert process.returncode == 0
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _alive(database: Database) -> int:
    from connector.store import processes

    with database.read() as conn:
        return sum(one.alive(now_ms(conn)) for one in processes.every(conn))


def until(there: Any) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_process_knows_that_its_key_is_old(database: Database) -> None:
    old = replace(keyed(OLD), database_key=OLD.encode())
    with database.write() as conn:
        assert not hash_keys.has_other(conn, old)
        hash_keys.keep(conn, keyed(OLD))
        rehashing.rewrite(conn, keyed(f"{NEW},{OLD}"))
        assert hash_keys.has_other(conn, old)
        assert not hash_keys.has_other(conn, replace(old, database_key=hash_keys.find(conn, keyed(NEW))))
        assert facts.some(conn, hash_keys.IN_USE)
