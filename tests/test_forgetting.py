"""Forgetting: what is old or erased is nowhere any more, and nobody is sent anything twice because of it."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, delete, select, update

from connector.admin.privacy import forget
from connector.admin.privacy.erase import Erasing
from connector.admin.privacy.person import person
from connector.admin.privacy.purge import Purging
from connector.admin.privacy.retention import BEGUN, Schedule
from connector.cli.root import connector as command
from connector.core import keyed_hash
from connector.core.errors import Unreadable
from connector.core.reasons import Code, Reason
from connector.core.settings import Retention
from connector.inbound.receiver import unreadable
from connector.outbound.claims import Claim
from connector.store import arrivals, inbox, reasons, tables, thin_events
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database, now_and_fact, now_ms
from connector.store.encrypted_column import Encrypted
from connector.store.inbox import HASHED
from connector.vendors.answers import not_sent
from connector.vendors.sandbox.exchange import Sandbox
from tests.configured_world import environ, world
from tests.connector_steps import World, lead, ticket
from tests.outbound_steps import refused, unknown

__all__ = ["environ", "world"]

DAY_S = 24 * 3600
LANDING = "landing"

#: Whatever must not be found of lead 7 once it is forgotten, in any spelling that was ever stored.
SEVEN = ("3000000007", "300 000 0007", "inigo7@example", "C-7", "L-7", "Íñigo", "Conceição", "Medell")

Run = Callable[..., Result]


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Runs a command in this process."""

    def run(*args: str, given: str | None = None, **more: str) -> Result:
        asks = args[0] in ("purge", "erase", "resolve") and "--dry-run" not in args
        return CliRunner().invoke(command, [*args, *["--yes"] * asks], env=environ | more, input=given)

    return run


def done(result: Result) -> dict[str, Any]:
    """The JSON it printed."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def purge(run: Run, older_than: str = "90d", *more: str) -> dict[str, Any]:
    return done(run("purge", "--older-than", older_than, "--json", *more))


def erase(run: Run, who: str, *more: str) -> dict[str, Any]:
    return done(run("erase", who, "--json", *more))


def kept_of(world: World, *signs: str) -> set[str]:
    """Which of these texts the database still holds: in any column, and on SQLite in any byte of its files."""
    held = "\n".join(str(tuple(row)) for table in tables.metadata.tables.values() for row in rows_of(world, table))
    if world.database.path is not None:
        files = (world.database.path, Path(f"{world.database.path}-wal"))
        held += "".join(file.read_bytes().decode("utf-8", "replace") for file in files if file.exists())
    assert "dial new leads" in held, "it looks in the right place"
    return {sign for sign in signs if sign.casefold() in held.casefold()}


def rows_of(world: World, table: Any = tables.deliveries) -> list[Any]:
    with world.database.read() as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)))


def in_a_call(world: World) -> Claim:
    """A call with all that is due, once the campaign's status is known."""
    claimed = world.claimed()
    if claimed.attempt.kind == "report":
        world.make(claimed)
        claimed = world.claimed()
    assert claimed.attempt.kind == "send"
    return claimed


# --- purge ----------------------------------------------------------------------------------------------------------


def test_what_is_old_and_settled_is_forgotten_down_to_the_bytes(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(91 * DAY_S)
    world.receive(LANDING, lead(8))
    assert kept_of(world, *SEVEN) == set(SEVEN)
    assert purge(run) == {"dry_run": False, "events": 1, "deliveries": 1, "left": 0}
    assert kept_of(world, "3000000007", "300 000 0007", "inigo7@example", "C-7", "L-7") == set()
    old, new = rows_of(world)
    assert (old.state, new.state) == ("delivered", "pending")
    assert [row.record != "" for row in rows_of(world, tables.records)] == [False, True]
    assert purge(run)["events"] == 0


def test_nothing_is_left_of_anything_that_was_ever_said(run: Run, world: World) -> None:
    """Invalid, ignored, dead, with words of the vendor that name the person."""
    world.works()
    world.receive(LANDING, lead(7), {"id": "L-7", "type": "Íñigo", "data": {"phones": ["3000000007"]}})
    world.receive(LANDING, lead(7, first_name="Íñigo Conceição"))
    world.receive("tickets", ticket(7, "ticket.created", comment="C-7 inigo7@example.com 300 000 0007"))
    claimed = in_a_call(world)
    world.settle(claimed, refused("400 Íñigo da Conceição of Medellín is on no list"))
    world.later(91 * DAY_S)
    assert [row.state for row in world.events()] == ["accepted", "invalid", "invalid", "ignored"]
    assert purge(run)["events"] == 4
    assert kept_of(world, *SEVEN, "Zoë", "Mu\u00f1oz") == set()
    [row] = rows_of(world)
    assert (row.state, reasons.of(row)) == ("dead", Reason(Code.REFUSED, {"status": 400}))


def test_what_is_young_or_unsettled_stays_until_it_is_settled(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1), lead(2), lead(3))
    claimed = in_a_call(world)
    world.settle(claimed, unknown())
    world.receive(LANDING, lead(4))
    world.later(91 * DAY_S)
    world.receive(LANDING, lead(5))
    assert purge(run) == {"dry_run": False, "events": 0, "deliveries": 0, "left": 4}
    assert kept_of(world, "inigo1@", "inigo4@", "inigo5@") == {"inigo1@", "inigo4@", "inigo5@"}
    assert run("resolve", "d1", "--landed").exit_code == 0
    assert purge(run) == {"dry_run": False, "events": 1, "deliveries": 0, "left": 3}
    assert kept_of(world, "inigo1@", "inigo2@") == {"inigo2@"}


def test_a_dry_run_counts_and_changes_nothing(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1), lead(2))
    world.drain()
    world.receive(LANDING, lead(3))
    world.later(91 * DAY_S)
    before = world.everything()
    assert purge(run, "90d", "--dry-run") == {"dry_run": True, "events": 2, "deliveries": 2, "left": 1}
    assert world.everything() == before


def test_copies_of_what_was_purged_change_nothing(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1), lead(2))
    world.drain()
    world.later(91 * DAY_S)
    purge(run)
    assert [one.status for one in world.receive(LANDING, lead(1), lead(2), lead(1, first_name="Eva"), lead(3))] == [
        *("duplicate", "duplicate", "conflict", "accepted")
    ]
    assert len(rows_of(world)) == 3


def test_once_per_holds_over_a_purge(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1))
    world.drain()
    world.later(3600)
    assert purge(run, "1m")["events"] == 1
    world.receive(LANDING, lead(1) | {"id": "L-another"})
    world.drain()
    assert [row.state for row in rows_of(world)] == ["delivered", "suppressed"]
    assert reasons.of(rows_of(world)[1]) == Reason(Code.ONCE, {"other": 1})


def test_a_forgotten_copy_takes_nobodys_place(run: Run, world: World) -> None:
    world.works()
    world.receive(LANDING, lead(1))
    first = in_a_call(world)
    world.receive(LANDING, lead(1) | {"id": "L-another"})
    assert not isinstance(world.claim(), Claim)
    world.later(120)
    assert purge(run, "1m")["events"] == 1
    world.settle(first, refused("400 wrong"))
    assert [row.state for row in rows_of(world)] == ["dead", "suppressed"]
    assert reasons.of(rows_of(world)[1]) == Reason(Code.ONCE_FORGOTTEN, {"other": 1})


def test_a_purge_goes_on_where_it_stopped(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.admin.privacy.purge.AT_ONCE", 3)
    world.receive(LANDING, *map(lead, range(10)))
    world.drain()
    world.later(91 * DAY_S)
    calls = iter((False, False, True))
    from connector.admin.privacy.purge import Purging

    half = Purging(world.settings, world.database, 90 * DAY_S * 1000, stop=lambda: next(calls))
    list(half.run())
    assert half.purged.events == 6
    assert purge(run)["events"] == 4
    assert purge(run)["events"] == 0
    assert kept_of(world, *(f"inigo{number}@" for number in range(10))) == set()


REASON = ("reason", "reason_code", "reason_facts")  #: the facts lose what quotes a person

#: Columns of texts that stay. Whoever adds another says here why it holds nobody, or forgets it in `forgetting`.
STAYS = {
    "alarms": {"kind", "about", "state", "severity", "facts"},  # names of the configuration, counts, masked words
    "alarm_notices": {"addressee", "occasion", "state", "words"},
    "api_answers": {"key", "asked", "answer"},  # keyed hashes, and what the API told, persons masked
    "hours": {"source", "route", "account", "state", "waits", "sent_waits"},
    "search_keys": {"hash"},
    "processes": {"id", "roles", "host", "version", "config"},
    "plans": {"who", "role", "about", "deliveries", "state", "why", "kept"},  # ids, counts, why something stays
    "acts": {"who", "what", "account", "about", "before", "why"},  # reasons are masked, vendors' words left out
    "accounts": {"name", "state", "fetched_source", *REASON, *(f"hold_{column}" for column in REASON)},
    "attempts": {"account", "destination", "kind", "state", "worker", "probed", "words"},  # words: what quotes nobody
    "contacts": {"hash", "day", "week", "zone", "channel", "purpose", "country"},  # keyed hashes, and where and when
    "contact_proofs": {"proof"},  # rules, places and moments, and `records.consent`
    "call_proofs": {"proof", "deliveries", "consents"},  # the same, for all deliveries of a call that share it
    "registries": {"name"},
    "registry_entries": {"registry", "hash"},
    "campaign_reports": {"account", "statuses", "rows"},  # campaigns and their figures
    "deliveries": {"route", "account", "destination", "state", "attempts", "once_key", "place", *REASON},  # the same
    "destinations": {"name", "account", "state", "refusals", *REASON},  # as of accounts
    "events": {"source", "key", "type", "state", "content_type", "fingerprint", "account", "attempts", "second_key"},
    "facts": {"name", "value"},
    "forgetting": set(),
    # a file's name, who read it in, its columns' titles and counts; of a row its line and what became of it
    "imports": {"kind", "source", "name", "who", "titles", "counts"},
    "import_rows": {"status", "why"},
    "helps": {"account", "name", "state", "words"},  # of an account's own calls
    "source_calls": {"account", "source"},
    "country_calls": {"account", "source", "country"},  # how many people, of no one
    "once_keys": {"hash"},  # keyed, as `deliveries.once_key`
    "lot_deliveries": set(),
    "lots": {"account", "campaign", "code", "state", "asked"},
    "do_not_contact": {"hash", "hint", "reason", "channels"},  # a keyed hash, two digits, an operator's own words
    # ids and moments of answers and tickets, and why a page could not be read
    "polls": {"name", "source", "what", "cursor", "seen", "holder", "error", "reason_code", "reason_facts"},
    # keyed hashes, a route, and of a consent: whether, when, a keyed hash of its words and the page without its query
    "records": {"contact", "contacts", "after", "consent"},
}
GOES = {"events": {"event_id", "payload", "errors", "notes", "fetched"}, "records": {"record", "notes", "result"}}


def test_every_column_of_texts_is_known_to_hold_nobody_or_is_emptied(run: Run, world: World) -> None:
    found = {
        name: {column.name for column in table.columns if isinstance(column.type, Text | Encrypted)}
        for name, table in tables.metadata.tables.items()
    }
    assert found == {name: STAYS[name] | GOES.get(name, set()) for name in STAYS}
    world.receive(LANDING, lead(1))
    with world.database.write() as conn:
        conn.execute(update(tables.events).values(dict.fromkeys(GOES["events"], '["Ana"]')))
        conn.execute(update(tables.records).values(dict.fromkeys(GOES["records"], '["Ana"]')))
        conn.execute(update(tables.deliveries).values(state="delivered"))
    world.later(91 * DAY_S)
    assert purge(run)["events"] == 1
    for name, columns in GOES.items():
        [row] = rows_of(world, tables.metadata.tables[name])
        assert {getattr(row, column) or "" for column in columns} == {""}


# --- what can still be told -----------------------------------------------------------------------------------------


def test_the_story_of_what_was_forgotten_is_still_told(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(91 * DAY_S)
    purge(run)
    told = done(run("explain", "L-7", "--json"))
    [event] = told["events"]
    assert (event["event"], event["event_id"], event["state"]) == ("e1", "", "accepted")
    assert event["forgotten_at"]
    story = " | ".join(line["said"] for line in event["story"])
    for words in ("received from landing", "whose id is forgotten", "was accepted", "its data was forgotten"):
        assert words in story
    assert event["deliveries"][0]["now"].startswith("delivered at")
    assert event["deliveries"][0]["next"] == []
    assert "its data was forgotten" in run("explain", "d1").stdout
    [found] = json.loads(run("deliveries", "--find", "+57 300 000 0007", "--json").stdout)
    assert found["delivery"] == "d1"


def test_what_was_forgotten_cannot_be_replayed_and_says_why(run: Run, world: World) -> None:
    world.works()
    world.receive(LANDING, lead(1), {"id": "L-2", "type": "lead.created", "data": {}})
    world.settle(in_a_call(world), refused("400 wrong"))
    world.later(91 * DAY_S)
    purge(run)
    for args in (("--delivery", "d1"), ("--event", "e1"), ("--event", "L-1"), ("--event", "e2")):
        result = run("replay", *args)
        assert result.exit_code == 1
        assert "its data was forgotten on " in result.stdout
    assert [row.state for row in rows_of(world)] == ["dead"]


def test_an_invalid_copy_of_a_forgotten_event_cannot_be_replayed_into_a_second_one(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1))
    world.drain()
    world.later(91 * DAY_S)
    world.receive(LANDING, lead(1, first_name="Eva"))
    purge(run)
    result = run("replay", "--event", f"e{world.events()[-1].id}")
    assert "a copy of it was accepted, and forgotten since" in result.stdout
    assert len(rows_of(world)) == 1


# --- erase ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "who", ["3000000007", "+57 300 000 0007", "(300) 000-0007", "93000000007", "INIGO7@example.com"]
)
def test_a_person_is_erased_whatever_they_are_called_by(run: Run, world: World, who: str) -> None:
    world.receive(LANDING, lead(7), lead(8))
    world.drain()
    world.receive(LANDING, lead(7) | {"id": "L-7b"})
    world.receive(LANDING, {"id": "L-7c", "data": {"phones": ["300.000.0007"], "email": "inigo7@example.com"}})
    found = erase(run, who)
    assert found == {"dry_run": False, "events": 3, "deliveries": 1, "ended": 1, "in_hand": 0, "uncertain": 0}
    assert kept_of(world, "3000000007", "000 0007", "000.0007", "inigo7", "C-7", "L-7") == set()
    assert kept_of(world, "inigo8@", "C-8") == {"inigo8@", "C-8"}
    assert [(row.state, row.reason_code) for row in rows_of(world)][2] == ("suppressed", Code.ERASED)
    assert erase(run, who)["events"] == 0
    world.drain()
    assert [row.state for row in rows_of(world)] == ["delivered", "delivered", "suppressed"]


SECOND = {"phones": ["+57 300 000 0099", "(300) 000 0007"]}


@pytest.mark.parametrize(
    "payload",
    [
        *(
            {"id": "A", "type": "lead.created", "data": data}
            for data in (SECOND, {**SECOND, "extra": {"a": "3000000007"}})
        ),
        *(
            {"id": "B", "type": "lead.created", "data": {"phones": [phone]}}
            for phone in (3000000007, "+57.300.000.0007")
        ),
        {
            "id": "C",
            "type": "lead.created",
            "data": {"phones": ["１-2"], "city": "llámeme al ３００ ０００ ０００７, gracias"},
        },
        {"id": "D", "type": "nobody.knows", "tel": "00573000000007"},
        {"id": "E", "data": {"email": "other@example.com", "callback_phone": "9300 0000 007"}, "type": "lead.updated"},
        {"id": "3000000007", "type": "lead.created", "data": {}},
        {"note": "contacto=%2B57+300+000+0007&x=1"},
    ],
)
def test_wherever_a_payload_names_the_person_it_goes(run: Run, world: World, payload: Any) -> None:
    world.receive(LANDING, payload, lead(8), {"id": "near", "type": "lead.created", "data": {"phones": ["3000000070"]}})
    assert erase(run, "+573000000007")["events"] == 1
    assert [row.forgotten_at is not None for row in world.events()] == [True, False, False]
    assert [row.payload == "" for row in world.events()] == [True, False, False]


@pytest.mark.parametrize(
    "email", ["mariana@example.com", "ana@example.com.co", "ana@example.community", "d.ana@example.com"]
)
def test_an_address_that_holds_the_persons_is_somebody_elses(run: Run, world: World, email: str) -> None:
    world.receive(LANDING, lead(1, email=email), lead(2, email="Ana@Example.com"), lead(3, city="<ana@example.com>."))
    assert erase(run, "ana@example.com")["events"] == 2
    assert [row.forgotten_at is not None for row in world.events()] == [False, True, True]


@pytest.mark.parametrize("number", ["13000000007", "30000000071", "573000000007"])
def test_a_longer_number_that_holds_the_persons_is_somebody_elses(run: Run, world: World, number: str) -> None:
    world.receive(LANDING, lead(1, phones=["3000000001"], id_number=number))
    assert erase(run, "3000000007")["events"] == (number == "573000000007")


def test_bytes_that_are_no_payload_are_searched_too(run: Run, world: World) -> None:
    source = world.settings.sources[LANDING]
    for raw in (b'{"phone": "300 000 0007", "broken', b"\xff\xfe3\x000\x000\x000\x000\x000\x000\x000\x000\x007\x00"):
        arrival = unreadable(source, raw, "text/plain", Unreadable(()))
        with world.database.write() as conn:
            inbox.store(conn, [arrival], key=world.settings.hash_key)
    assert erase(run, "3000000007")["events"] == 2


def test_numbers_as_they_were_written_before_their_form_changed_are_known(run: Run, world: World) -> None:
    world.receive(LANDING, lead(1, phones=["1 2345678"]))
    assert erase(run, "+57 601 2345678")["events"] == 1


def test_nothing_that_was_to_be_sent_to_the_person_is_sent(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7), lead(8))
    claimed = in_a_call(world)
    world.receive(LANDING, lead(7, phones=["3000000099", "3000000007"]) | {"id": "L-9"})
    found = erase(run, "3000000007")
    assert found == {"dry_run": False, "events": 2, "deliveries": 0, "ended": 1, "in_hand": 1, "uncertain": 0}
    world.settle(claimed, not_sent("the connection was refused"))  # it comes back, and must not leave again
    world.resume()
    world.drain()
    assert [(row.state, row.reason_code) for row in rows_of(world)] == [
        ("suppressed", Code.ERASED),
        ("delivered", None),
        ("suppressed", Code.ERASED),
    ]


def test_what_is_in_a_call_is_forgotten_as_soon_as_it_is_settled(run: Run, world: World) -> None:
    world.works()
    world.receive(LANDING, lead(7))
    claimed = in_a_call(world)
    assert erase(run, "3000000007")["in_hand"] == 1
    assert rows_of(world, tables.records)[0].record != ""
    assert [row.payload for row in world.events()] == [""]
    look = Schedule(world.settings, world.database, threading.Event()).run_once
    look()
    assert rows_of(world, tables.records)[0].record != "", "the call may have to be made again, or asked about"
    world.settle(claimed, refused("400 Íñigo da Conceição"))
    look()
    assert world.database.fold_log()
    assert kept_of(world, "3000000007", "300 000 0007", "inigo7@example", "C-7", "L-7", "Íñigo") == set()
    assert [(row.state, reasons.of(row)) for row in rows_of(world)] == [("dead", Reason(Code.REFUSED, {"status": 400}))]
    assert rows_of(world, tables.forgetting) == []


@pytest.mark.parametrize("answer", ["--landed", "--resend"])
def test_what_is_uncertain_is_forgotten_once_a_person_has_settled_it(run: Run, world: World, answer: str) -> None:
    world.receive(LANDING, lead(7))
    world.settle(in_a_call(world), unknown())
    assert erase(run, "3000000007")["uncertain"] == 1
    again = run("erase", "3000000007").stdout
    assert "in a call or uncertain: 1;" in again
    assert "connector resolve" in again
    assert "nothing of this person" not in again
    assert run("resolve", "d1", answer).exit_code == 0
    world.drain()
    Schedule(world.settings, world.database, threading.Event()).run_once()
    [row] = rows_of(world)
    assert row.state == ("delivered" if answer == "--landed" else "suppressed")
    assert rows_of(world, tables.records)[0].record == ""


def test_who_waited_behind_the_erased_person_takes_their_place(run: Run, world: World) -> None:
    """once_per by phone: the same phone, but that of a family."""
    world.receive(LANDING, lead(1, phones=["3000000001"], email="a@example.com"))
    claimed = in_a_call(world)
    world.receive(LANDING, lead(2, phones=["3000000001"], email="b@example.com"))
    world.drain()
    assert [row.state for row in rows_of(world)] == ["sending", "suppressed"]
    world.settle(claimed, not_sent("the connection was refused"))
    assert erase(run, "a@example.com")["ended"] == 1
    assert [row.state for row in rows_of(world)] == ["suppressed", "pending"]


def test_a_thin_event_of_the_person_is_fetched_no_more(run: Run, world: World) -> None:
    thin = arrivals.Arrival(
        source=LANDING, event_id="F-1", type="lead.created", state="waiting", payload='{"mail": "a@b.co"}'
    )
    thin.account = "dialler"
    with world.database.write() as conn:
        inbox.store(conn, [thin])
    assert purge(run, "1m")["left"] == 0
    world.later(120)
    assert purge(run, "1m")["left"] == 1
    assert erase(run, "A@B.co")["events"] == 1
    assert [(row.state, row.payload) for row in world.events()] == [("ignored", "")]
    with world.database.read() as conn:
        assert thin_events.next_due(conn, "dialler", now_ms(conn)) is None


def test_the_second_key_of_a_forgotten_thin_event_still_tells_its_like(world: World, run: Run) -> None:
    world.receive(LANDING, lead(1))
    with world.database.write() as conn:
        conn.execute(update(tables.events).values(second_key="lead 1 lead.created"))
    world.drain()
    world.later(120)
    assert purge(run, "1m")["events"] == 1
    with world.database.read() as conn:
        keys = ["lead 1 lead.created", "lead 2 lead.created"]
        known = thin_events.known(conn, LANDING, keys, hash_key=world.settings.hash_key)
    assert known == {"lead 1 lead.created": (1, "e1")}
    assert kept_of(world, "lead 1 lead.created") == set()


# --- how it is asked for --------------------------------------------------------------------------------------------


def test_a_dry_run_of_erase_counts_and_changes_nothing(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7), lead(8))
    world.drain()
    world.receive(LANDING, lead(7) | {"id": "L-7b"})
    before = world.everything()
    found = erase(run, "3000000007", "--dry-run")
    assert found == {"dry_run": True, "events": 2, "deliveries": 1, "ended": 1, "in_hand": 0, "uncertain": 0}
    assert world.everything() == before


@pytest.mark.parametrize("who", ["inigo7@example.com", "300-000-0007", "nobody", "12", "a@b", ""])
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)])
def test_the_person_is_never_said_again(
    run: Run, world: World, who: str, more: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    world.receive(LANDING, lead(7))
    result = run("erase", who, *more, LOG_LEVEL="DEBUG")
    said = result.output + "".join(capfd.readouterr())
    assert not who or who not in said
    assert "0007" not in said
    assert result.exit_code == (0 if len(who) > 8 else 1)
    if result.exit_code:
        assert "neither a phone number nor an e-mail address" in result.stderr


def test_the_person_may_be_read_from_a_pipe(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    assert done(run("erase", "-", "--json", given="3000000007\n"))["events"] == 1
    assert "nothing of this person is here" in run("erase", "-", given="3000000007\n").stdout


def test_without_the_key_of_the_hashes_nothing_is_forgotten(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    world.later(91 * DAY_S)
    before = world.everything()
    for args in (("purge", "--older-than", "90d"), ("erase", "3000000007"), ("erase", "3000000007", "--dry-run")):
        result = run(*args, CONNECTOR_SECRET_KEY="")
        assert result.exit_code == 1
        assert "CONNECTOR_SECRET_KEY is not set" in result.stderr
    assert world.everything() == before


def test_with_another_key_than_before_nothing_is_forgotten_and_check_says_so(run: Run, world: World) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(91 * DAY_S)
    purge(run)
    assert "is not the one that data was forgotten with" not in run("check").stdout
    for args in (("purge", "--older-than", "90d"), ("erase", "3000000008"), ("check",)):
        result = run(*args, CONNECTOR_SECRET_KEY="another")
        assert result.exit_code == 1
        assert "is not the one that data was forgotten with" in result.output


@pytest.mark.parametrize("args", [(), ("--older-than", "90"), ("--older-than", "0d"), ("--older-than", "soon")])
def test_a_purge_without_an_age_is_wrong_usage(run: Run, args: tuple[str, ...]) -> None:
    assert run("purge", *args).exit_code == 2


def test_a_purge_takes_the_age_of_the_configuration(run: Run, world: World, tmp_path: Path) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(11 * DAY_S)
    config = tmp_path / "retention.toml"
    config.write_text((tmp_path / "connector.toml").read_text() + '\n[retention]\npurge_after = "10d"\n')
    assert done(run("purge", "--json", CONNECTOR_CONFIG=str(config)))["events"] == 1


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        (Reason(Code.REFUSED, {"words": "400 Ana", "status": 400}), Reason(Code.REFUSED, {"status": 400})),
        (Reason(Code.NO_RECORD, {"words": "tel1: “Ana” is wrong"}), Reason(Code.NO_RECORD)),
        (Reason(Code.HALVED, {"size": 12, "words": "Ana"}), Reason(Code.HALVED, {"size": 12})),
        (Reason(Code.ONCE, {"other": 12}), Reason(Code.ONCE_FORGOTTEN, {"other": 12})),
        (Reason(Code.UNKNOWN_ASKED, {"fault": "no answer"}), Reason(Code.UNKNOWN_ASKED, {"fault": "no answer"})),
        (Reason(Code.EXPIRED), Reason(Code.EXPIRED)),
    ],
    ids=lambda reason: str(reason.code) if isinstance(reason, Reason) else None,
)
def test_of_a_reason_stays_what_quotes_nobody(reason: Reason, kept: Reason) -> None:
    behind = Reason(Code.BEFORE_ENDED, {"route": "links", "state": "dead", "because": reason.nested()})
    assert reason.forgotten() == kept
    assert kept.forgotten() == kept
    assert behind.forgotten().facts["because"] == kept.nested()
    assert "Ana" not in str(behind.forgotten())


# --- whatever comes in between --------------------------------------------------------------------------------------


def test_purges_while_copies_are_stored_leave_each_event_once(run: Run, world: World) -> None:
    """Many threads store the same events while others forget them: the database decides, whoever is faster."""
    arrivals = [arrival for number in range(240) for arrival in arrivals_of(world, lead(number))]
    put(world, arrivals)
    world.drain()
    world.later(91 * DAY_S)
    forget.begin(world.database, world.settings.hash_key)
    over = threading.Event()

    def store(seed: int) -> set[str]:
        chance, said = random.Random(seed), set()
        while not over.is_set():
            some = chance.sample(arrivals, 60)
            said |= {one.status for one in put(world, [replace(one) for one in some])}
        return said

    with ThreadPoolExecutor(6) as pool:
        storing = [pool.submit(store, seed) for seed in range(4)]
        purges = [pool.submit(lambda: list(Purging(world.settings, world.database, 1000).run())) for _ in range(2)]
        for one in purges:
            one.result()
        over.set()
        said = {status for one in storing for status in one.result()}
    assert said <= {"duplicate"}
    assert len(world.events()) == 240
    assert all(row.forgotten_at for row in world.events())
    assert len(rows_of(world)) == 240


def test_the_first_purge_waits_for_whoever_has_begun_to_store(run: Run, world: World) -> None:
    """Who has read that nothing was ever forgotten does not look for it: on Postgres it must end first."""
    world.receive(LANDING, lead(1))
    world.drain()
    world.later(91 * DAY_S)
    copy = arrivals_of(world, lead(1))
    begun, go_on = threading.Event(), threading.Event()

    def late() -> list[str]:
        with world.database.write() as conn:
            now_and_fact(conn, keyed_hash.FACT)
            begun.set()
            go_on.wait(120)
            return [one.status for one in inbox.store(conn, copy, key=world.settings.hash_key)]

    with ThreadPoolExecutor(2) as pool:
        storing = pool.submit(late)
        assert begun.wait(120)
        purging = pool.submit(lambda: list(Purging(world.settings, world.database, 1000).run()))
        with pytest.raises(TimeoutError):
            purging.result(1.0)
        assert [row.forgotten_at for row in world.events()] == [None]
        go_on.set()
        assert storing.result(300) == ["duplicate"]
        purging.result(300)
    assert len(world.events()) == 1
    assert world.events()[0].forgotten_at


def arrivals_of(world: World, *payloads: Any) -> list[Arrival]:
    source = world.settings.sources[LANDING]
    raw = [orjson.dumps(payload) for payload in payloads]
    return [
        arrival
        for one in raw
        for arrival in world.receiver.arrivals(source, one, content_type="application/json", headers={})[0]
    ]


def put(world: World, arrivals: list[Arrival]) -> list[arrivals.Stored]:
    with world.database.write() as conn:
        return inbox.store(conn, arrivals, key=world.settings.hash_key)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=4)),
        st.tuples(st.just("purge"), st.just(())),
        st.tuples(st.just("erase"), st.integers(0, 3)),
        st.tuples(st.just("deliver"), st.just(())),
        st.tuples(st.just("days"), st.integers(1, 3)),
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(acts=ACTS, hashed=st.booleans())
def test_copies_are_told_apart_as_if_nothing_was_ever_forgotten(world: World, acts: Any, hashed: bool) -> None:
    """Two databases' worth of the same acts, one without the purges: what senders are answered is the same."""
    said: dict[bool, list[str]] = {}
    for forgets in (True, False):
        empty(world.database)
        said[forgets] = [status for act in acts for status in acted(world, *act, hashed=hashed, forgets=forgets)]
    assert said[True] == said[False]


def acted(world: World, act: str, what: Any, *, hashed: bool, forgets: bool) -> list[str]:
    if act == "store":
        return [one.status for one in put(world, [made(number, other, hashed=hashed) for number, other in what])]
    if act == "days":
        world.later(what * DAY_S)
    if act == "deliver":
        with world.database.write() as conn:
            conn.execute(update(tables.deliveries).values(state="delivered"))
    if act == "purge" and forgets:
        list(Purging(world.settings, world.database, 1000).run())
    if act == "erase" and forgets:
        list(Erasing(world.settings, world.database, person(f"300000000{what}", world.settings)).run())
    return []


def made(number: int, other: int, *, hashed: bool) -> Arrival:
    """Event ``number``, or another one under its id."""
    delivery = NewDelivery(route="dial", account="dialler", destination="a/b/c", record="{}", expires_at=9 * 10**12)
    called = f"{HASHED}{number}" if hashed else f"L-{number}"
    given = {"source": LANDING, "event_id": called, "type": "lead.created", "state": "accepted"}
    given |= {"payload": f'{{"tel": "300000000{number}", "n": {other}}}', "fingerprint": f"f{number}.{other}"}
    return Arrival(**given, deliveries=(delivery,))


def empty(database: Database) -> None:
    with database.write() as conn:
        for name, table in tables.metadata.tables.items():
            if name not in ("accounts", "destinations"):
                conn.execute(delete(table))


# --- on a schedule --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["work", "run"])
def test_a_process_purges_by_itself(world: World, environ: dict[str, str], tmp_path: Path, name: str) -> None:
    world.receive(LANDING, lead(7))
    world.drain()
    world.later(91 * DAY_S)
    config = tmp_path / "connector.toml"
    config.write_text(config.read_text() + '\n[retention]\npurge_after = "90d"\nevery = "1s"\n')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = os.environ | environ | {"PORT": port, "LOG_LEVEL": "INFO"}
    process = subprocess.Popen(
        [sys.executable, "-m", "connector", name], env=given, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: all(row.forgotten_at for row in world.events()))
        world.receive(LANDING, lead(8))
        wait_until(lambda: rows_of(world)[-1].state == "delivered")
        world.later(91 * DAY_S)
        wait_until(lambda: all(row.forgotten_at for row in world.events()))
    finally:
        process.terminate()
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0
    assert '"purged"' in said
    assert kept_of(world, "3000000007", "300 000 0007", "inigo7@example", "C-7", "L-7") == set()


def wait_until(so: Callable[[], bool], patience_s: float = 120) -> None:
    end = time.monotonic() + patience_s
    while not so():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.1)


def test_of_many_processes_one_purges_each_time(world: World) -> None:
    kept = dataclasses.replace(world.settings, retention=Retention(purge_after_s=90 * DAY_S, every_s=3600))
    schedules = [Schedule(kept, world.database, threading.Event()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        turns = list(pool.map(lambda schedule: schedule._takes_turn(3_600_000), schedules))
    assert sum(turns) == 1
    with world.database.write() as conn:
        long_ago = str(now_ms(conn) - 3_600_000)
        conn.execute(update(tables.facts).where(tables.facts.c.name == BEGUN).values(value=long_ago))
    assert schedules[0]._takes_turn(3_600_000)
    assert not schedules[1]._takes_turn(3_600_000)


def test_an_erasure_among_calls_sends_nobody_an_empty_record_and_the_person_nothing_more(
    run: Run, world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While workers claim, call and settle: once `erase` has said that it is done, no call with the person begins."""
    monkeypatch.setattr("connector.vendors.wolkvox.destinations.ROWS_PER_CALL", 3)
    mine = [lead(number, phones=["3000000007"], extra={"family": number}) for number in range(1000, 1200)]
    others = [lead(number) for number in range(2000, 2220)]
    for one, other in zip(mine + mine[:20], others, strict=True):
        world.receive(LANDING, one, other)
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(once_key=None))
    over = threading.Event()

    def deliver() -> None:
        while not over.is_set():
            world.step()

    with ThreadPoolExecutor(3) as pool:
        delivering = [pool.submit(deliver) for _ in range(2)]
        wait_until(lambda: bool(sandbox.wolkvox.rows("1042")))
        erase(run, "3000000007")
        sent = sum("3000000007" in str(row) for row in sandbox.wolkvox.rows("1042"))
        in_hand = sum(row.state == "sending" for row in rows_of(world))
        wait_until(lambda: not any(row.state in ("pending", "sending") for row in rows_of(world)))
        over.set()
        for one in delivering:
            one.result()
    reached = sum("3000000007" in str(row) for row in sandbox.wolkvox.rows("1042"))
    assert 0 < reached <= sent + in_hand < len(mine)
    assert len(sandbox.wolkvox.rows("1042")) == len(others) + reached
    assert sandbox.breaches == []
    Schedule(world.settings, world.database, threading.Event()).run_once()
    theirs = [row.id for row in world.events() if row.forgotten_at]
    assert len(theirs) == len(mine)
    assert {row.state for row in rows_of(world) if row.event in theirs} <= {"delivered", "suppressed"}
    assert {row.state for row in rows_of(world) if row.event not in theirs} == {"delivered"}
    assert rows_of(world, tables.forgetting) == []
