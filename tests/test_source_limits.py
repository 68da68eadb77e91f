"""A source may send so many events in a time, whichever process takes them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from connector.core.errors import ConfigError
from connector.core.fields import Limit
from connector.core.settings import Secret, Source, Verify
from connector.inbound.source_limits import SourceLimits, Window
from connector.store import inbox
from connector.store.database import Database
from tests import outbound_steps
from tests.config_texts import DIAL, DIALLER, LANDING, load_text
from tests.outbound_steps import Out, dial, leads
from tests.web_client import assert_problem, lead, post, web, web_settings

store, database = outbound_steps.store, outbound_steps.database

OPEN = Source(name="landing", mapping="lead", verify=Verify(scheme="none"), limit=((3, 60), (5, 86400)))


def test_a_limit_is_events_in_a_time() -> None:
    assert Limit().deserialize("60/m, 2000/d") == ((60, 60), (2000, 86400))
    for wrong in ("", "60", "60/w", "0/m", "60/m,", 60, ["60/m"]):
        with pytest.raises(Exception, match="60/m"):
            Limit().deserialize(wrong)


def test_a_window_takes_so_many_and_says_when_there_is_room() -> None:
    window = Window(3, 60)
    for second in (0, 10, 20):
        assert window.wait_s(1, second) == 0
        window.add(1, second)
    assert window.wait_s(1, 21) == 40
    assert window.wait_s(1, 61) == 0
    assert window.wait_s(1, 1000) == 0
    window.add(2, 1000)
    assert window.wait_s(2, 1001) > 0
    assert Window(3, 60).wait_s(10, 0) == 0, "a body larger than the limit goes alone"


def test_events_of_other_processes_count_and_none_counts_twice() -> None:
    window = Window(10, 60)
    window.add(4, 1)
    window.begin_reading()
    assert window.wait_s(7, 2) > 0
    window.end_reading([(1, 4)])  # these, read back
    assert window.wait_s(6, 2) == 0
    window.end_reading([(2, 5)])  # another process's
    assert window.wait_s(2, 3) > 0
    assert window.wait_s(1, 3) == 0


def test_a_limit_is_shared_through_the_database_and_outlives_a_process(database: Database) -> None:
    out = Out(database, dial())
    out.put(leads(4))
    limits = SourceLimits({"landing": OPEN}, database)
    limits.read()
    limits.read()
    assert limits.wait_s("landing", 1) > 0
    assert limits.wait_s("crm", 1) == 0
    with database.read() as conn:
        first = inbox.id_before(conn, 0)
        last, _ = inbox.counted_after(conn, first, ["landing"])
        assert inbox.id_before(conn, 2**52) == last
        assert inbox.counted_after(conn, last, ["landing"]) == (last, [])


def test_reading_ends_with_the_database(tmp_path: Path) -> None:
    database, before = Database(f"sqlite:///{tmp_path / 'own.db'}"), threading.enumerate()
    SourceLimits({"landing": OPEN}, database).wait_s("landing", 1)
    [reader] = [thread for thread in threading.enumerate() if thread not in before]
    database.close()
    reader.join(60)
    assert not reader.is_alive()


def test_trust_is_what_webhooks_prove_and_may_be_lowered() -> None:
    signed = Source(name="crm", mapping="lead", verify=Verify(scheme="standard-webhooks", secrets=(Secret("whsec_x"),)))
    assert (signed.trust, replace(signed, trusted_as="none").trust, OPEN.trust) == ("signed", "none", "none")


PUB = '\n[sources.pub]\nmapping = "lead"\nverify = { scheme = "none" }\n'


def test_an_open_source_has_a_limit_of_its_own_and_is_named_to_be_taken(tmp_path: Path) -> None:
    settings = load_text(tmp_path, DIALLER + LANDING + DIAL + PUB)
    assert settings.sources["pub"].limit == ((600, 60), (20_000, 86_400))
    assert settings.sources["landing"].limit == ()
    [dial_all] = settings.routes
    assert dial_all.sources == ("landing",)
    for refusing in ("", '\n[[routes]]\nname = "no"\non = "contact.refused"\nto = "do_not_contact.add"\n'):
        with pytest.raises(ConfigError, match=r'is required: no source proves .*, sources = \["pub"\]'):
            load_text(tmp_path, DIALLER + DIAL + refusing + PUB)
    assert load_text(tmp_path, DIALLER + DIAL + 'sources = ["pub"]\n' + PUB).routes[0].sources == ("pub",)
    told = load_text(tmp_path, DIALLER + LANDING + DIAL + 'sources = ["landing", "pub"]\n' + PUB + 'limit = "9/h"\n')
    assert told.routes[0].sources == ("landing", "pub")
    assert told.sources["pub"].limit == ((9, 3600),)


def test_an_open_source_puts_nobody_on_the_list_unless_it_is_named(tmp_path: Path) -> None:
    refusing = '\n[[routes]]\nname = "no"\non = "contact.refused"\nto = "do_not_contact.add"\ntell = "dialler"\n'
    settings = load_text(tmp_path, DIALLER + LANDING + DIAL + refusing + PUB)
    assert [one.sources for one in settings.refusals] == [("landing",)]
    assert {route.name: route.sources for route in settings.routes}["no (tell dialler)"] == ("landing",)
    named = load_text(tmp_path, DIALLER + LANDING + DIAL + refusing + 'sources = ["pub"]\n' + PUB)
    assert [one.sources for one in named.refusals] == [("pub",)]


def test_a_source_cannot_be_trusted_more_than_it_proves(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be raised: its webhooks prove none"):
        load_text(tmp_path, DIALLER + DIAL + PUB + 'trust = "signed"\n')


def test_beyond_its_limit_a_sender_hears_when_to_come_again(database_url: str) -> None:
    known = web_settings(database_url, "http://127.0.0.1:9")
    settings = replace(known, sources={**known.sources, "open": replace(OPEN, name="open")})
    with web(settings) as client:
        assert [post(client, "open", lead(number)).status_code for number in range(3)] == [202] * 3
        refused = post(client, "open", lead(4))
        assert_problem(refused, 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert post(client, "open", b"{").status_code == 429, "what cannot be read counts as well"
        assert post(client, "strict", lead(5)).status_code == 202
