"""Alarms: they begin once, are remembered each day, end once; each addressee in their language; never a person."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select, update

from connector.__main__ import main
from connector.admin.alarms import conditions, trial
from connector.admin.alarms.changes import ENDS_AFTER_MS
from connector.admin.alarms.conditions import Condition, Looker
from connector.admin.alarms.loop import LEASE_MS, LOOK_EVERY_MS, LOOKED, Watch
from connector.admin.alarms.sentences import sentences
from connector.admin.status import status
from connector.config import alarms as configured
from connector.config import loader
from connector.core.alarms import KINDS, AlarmKind, Severity
from connector.core.errors import ConfigError
from connector.core.reasons import Code, Reason
from connector.core.settings import (
    Addressee,
    Alarms,
    Console,
    ContactHours,
    ContactRules,
    Registry,
    Secret,
    Settings,
    Verify,
)
from connector.core.states import AccountState, DeliveryState, DestinationState, Kind, NoticeState
from connector.inbound.rabbitmq import dead_letters
from connector.inbound.signatures import Proof, verify
from connector.languages.catalogue import LANGUAGES
from connector.store import alarms, facts, processes, reasons, registries, tables
from connector.store.database import Database, now_ms
from connector.store.processes import ALIVE_MS, Process, Role
from connector.store.reasons import columns
from connector.vendors import destinations
from connector.web.metrics import FromDatabase
from tests.alarm_receiver import Receiver, receiving, receiving_mail
from tests.broker import AMQP_URL, Broker
from tests.connector_steps import World, environment, lead

SECRET = "whsec_" + "YWxhcm1zLWFyZS1zaWduZWQtd2l0aC10aGlzLWtleQ=="
MINUTE_MS = 60_000
DAY_MS = 24 * 3600 * 1000
HERE = "dialler/wolkvox.add_record/1042"
#: What a vendor might quote of a person.
PERSON = ("Íñigo", "Conceição", "3000000001", "300 000 0001", "inigo1@example.com")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def world(tmp_path: Path, database_url: str, sandbox: Any, receiver: Receiver) -> Iterator[World]:
    environ = environment(tmp_path, database_url, sandbox.url)
    settings = loader.load(environ, destinations=destinations.SPECS)
    ana = Addressee(name="ana", url=Secret(receiver.url()), secret=Secret(SECRET), language="es")
    settings = replace(
        settings,
        alarms=Alarms(account_after_s=60, to=(ana,)),
        public_url="https://leads.example.com",
        console=Console(enabled=True),
    )
    database = Database(settings.database_url)
    made = World(settings, database)
    beat(made)
    yield made
    database.close()


def rules(world: World) -> Alarms:
    assert world.settings.alarms is not None
    return world.settings.alarms


def with_rules(world: World, **values: Any) -> Alarms:
    world.settings = replace(world.settings, alarms=replace(rules(world), **values))
    return rules(world)


def to(world: World, *more: Addressee) -> None:
    with_rules(world, to=more)


def beat(world: World) -> None:
    with world.database.write() as conn:
        at = now_ms(conn)
        roles = (Role.WEB, Role.WORKER, Role.CONSUMER, Role.POLLER)
        processes.beat(conn, Process("p", roles, "vm", 7, "0.1.0", "", at, at), at + 10 * DAY_MS)


def watch(world: World, database: Database | None = None) -> Watch:
    return Watch(world.settings, rules(world), database or world.database)


def look(world: World) -> None:
    """Looks now, however lately it was done."""
    with world.database.write() as conn:
        facts.put(conn, LOOKED, "0")
    watch(world).check()


def tell(world: World) -> None:
    """Tells all that is due."""
    one = watch(world)
    while one.send_one() == 0.0:
        pass


def step(world: World) -> None:
    look(world)
    tell(world)


def block(
    world: World, *, minutes: int = 5, words: str = "token is invalid", state: str = AccountState.BLOCKED
) -> None:
    reason = Reason(Code.REFUSED, {"words": words, "status": 401})
    with world.database.write() as conn:
        since = now_ms(conn) - minutes * MINUTE_MS
        row = {"state": state, "since": since, **columns(reason)}
        conn.execute(update(tables.accounts).where(tables.accounts.c.name == "dialler").values(row))


def resume(world: World) -> None:
    with world.database.write() as conn:
        conn.execute(update(tables.accounts).values(state=AccountState.OPEN, hold_until=0))
        conn.execute(update(tables.destinations).values(state=DestinationState.OPEN))


def pass_time(world: World, ms: int) -> None:
    """Moves what is kept of alarms into the past."""
    with world.database.write() as conn:
        for one in (tables.alarms, tables.alarm_notices):
            names = {"since", "seen_at", "begun_at", "ended_at", "made_at", "due_at", "sent_at"} & set(one.c.keys())
            conn.execute(update(one).values({name: one.c[name] - ms for name in names}))


def found(world: World, now: int | None = None) -> dict[tuple[str, str], Condition]:
    looker = Looker(world.settings, rules(world))
    looker.ask_broker()
    with world.database.read() as conn:
        some = looker.read(conn, now or now_ms(conn)).conditions
    return {(one.kind.value, one.about): one for one in some}


def notices(world: World) -> list[Any]:
    with world.database.read() as conn:
        return list(conn.execute(select(tables.alarm_notices).order_by(tables.alarm_notices.c.id)))


# --- the life of an alarm -------------------------------------------------------------------------------------------


def test_an_alarm_is_told_once_when_it_begins_and_once_when_it_ends(world: World, receiver: Receiver) -> None:
    step(world)
    assert receiver.received == []
    block(world)
    for _ in range(3):
        step(world)
    assert receiver.kinds() == ["alarm.begun account_closed"]
    resume(world)
    step(world)
    assert len(receiver.received) == 1  # it may be a gap
    pass_time(world, ENDS_AFTER_MS)
    for _ in range(3):
        step(world)
    assert receiver.kinds() == ["alarm.begun account_closed", "alarm.ended account_closed"]
    block(world)
    step(world)
    assert receiver.kinds()[2:] == ["alarm.begun account_closed"]  # another one


def test_the_message_is_signed_in_the_language_of_its_addressee_and_links_to_the_page(
    world: World, receiver: Receiver
) -> None:
    block(world)
    step(world)
    [(path, headers, raw)] = receiver.received
    verify(Verify(scheme="standard-webhooks", secrets=(Secret(SECRET),)), Proof(raw, headers, now_s=time.time()))
    assert headers["webhook-id"].startswith("alarm_")
    data = json.loads(raw)["data"]
    assert data["title"].startswith("Alarma: dialler está bloqueada desde ")
    assert data["link"] == "https://leads.example.com/console/accounts/dialler"
    assert data["link"] in data["text"]
    assert path == "/alarms"


def test_a_blocked_account_is_no_alarm_before_its_time(world: World, receiver: Receiver) -> None:
    block(world, minutes=0)
    step(world)
    assert receiver.received == []
    resume(world)
    pass_time(world, ENDS_AFTER_MS)
    step(world)
    with world.database.read() as conn:
        assert alarms.current(conn) == alarms.ended(conn, 10) == []
    assert receiver.received == []


def test_a_reminder_comes_each_day_and_none_is_made_up_for(world: World, receiver: Receiver) -> None:
    block(world)
    step(world)
    pass_time(world, DAY_MS)
    step(world)
    step(world)
    pass_time(world, 3 * DAY_MS)
    step(world)
    assert receiver.kinds() == ["alarm.begun account_closed", *["alarm.reminder account_closed"] * 2]
    assert [one["data"]["reminder"] for one in receiver.bodies] == [0, 1, 4]
    assert receiver.bodies[1]["data"]["title"].startswith("Sigue así: ")


def test_who_could_not_be_told_is_tried_again_and_status_says_so(world: World, receiver: Receiver) -> None:
    receiver.status = 503
    block(world)
    step(world)
    tell(world)
    assert len(receiver.received) == 1  # not before its time
    [untold] = status(world.database, world.settings)["alarms"]["untold"]
    assert (untold["addressee"], untold["why"], untold["tries"]) == ("ana", "HTTP 503", 1)
    receiver.status = 204
    pass_time(world, 20 * MINUTE_MS)
    tell(world)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.received}) == 1
    shown = status(world.database, world.settings)["alarms"]
    assert shown["untold"] == []
    assert [one["state"] for one in shown["now"][0]["notices"]] == ["sent"]


def test_what_ended_before_anybody_was_told_is_told_as_one_message(world: World, receiver: Receiver) -> None:
    receiver.status = 500
    block(world)
    step(world)
    resume(world)
    pass_time(world, ENDS_AFTER_MS)
    receiver.status = 200
    receiver.received.clear()
    step(world)
    pass_time(world, 20 * MINUTE_MS)
    step(world)
    assert receiver.kinds() == ["alarm.ended account_closed"]
    assert " hasta " in receiver.bodies[0]["data"]["text"]


def test_metrics_have_what_is_wrong_and_what_is_untold(world: World, receiver: Receiver) -> None:
    receiver.status = 503
    block(world)
    step(world)
    text = generate_latest(FromDatabase(world.database, world.settings)).decode()  # type: ignore[arg-type]
    assert 'connector_alarm{about="dialler",kind="account_closed",severity="urgent"} 1.0' in text
    assert 'connector_alarm_notices{addressee="ana"} 1.0' in text


def test_after_two_days_it_is_given_up_and_that_stays_to_be_seen(world: World, receiver: Receiver) -> None:
    receiver.status = 410
    block(world)
    step(world)
    pass_time(world, 2 * DAY_MS + MINUTE_MS)
    tell(world)
    assert [one.state for one in notices(world)] == [NoticeState.FAILED]
    assert status(world.database, world.settings)["alarms"]["now"][0]["notices"][0]["why"] == "HTTP 410"


def test_an_addressee_hears_of_chosen_kinds_and_of_what_is_bad_enough(world: World, receiver: Receiver) -> None:
    def one(name: str, **values: Any) -> Addressee:
        return Addressee(name=name, url=Secret(receiver.url(path=f"/{name}")), secret=Secret(SECRET), **values)

    to(
        world,
        one("all"),
        one("urgent", severity=Severity.URGENT),
        one("silence", kinds=(AlarmKind.SOURCE_SILENT,)),
    )
    block(world, state=AccountState.PAUSED)
    step(world)
    assert [path for path, _, _ in receiver.received] == ["/all"]
    block(world)
    step(world)
    assert [path for path, _, _ in receiver.received] == ["/all", "/urgent"]
    resume(world)
    pass_time(world, ENDS_AFTER_MS)
    step(world)
    assert sorted(path for path, _, _ in receiver.received[2:]) == ["/all", "/urgent"]


def test_an_addressee_that_left_the_configuration_is_told_nothing_more(world: World, receiver: Receiver) -> None:
    block(world)
    look(world)
    to(world)
    tell(world)
    assert receiver.received == []
    assert [one.state for one in notices(world)] == [NoticeState.REPLACED]


# --- several processes ----------------------------------------------------------------------------------------------


def test_of_several_that_look_and_tell_at_once_one_tells(world: World, receiver: Receiver) -> None:
    block(world)
    with world.database.write() as conn:
        facts.put(conn, LOOKED, "0")
    start = threading.Barrier(6)

    def run() -> None:
        own = Database(world.settings.database_url)
        one = watch(world, own)
        start.wait()
        one.check()
        while one.send_one() == 0.0:
            pass
        own.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell(world)
    assert receiver.kinds() == ["alarm.begun account_closed"]


def test_who_looked_a_moment_ago_saves_the_others_the_work(world: World) -> None:
    look(world)
    block(world)
    assert watch(world).check() == LOOK_EVERY_MS / 1000
    with world.database.read() as conn:
        assert alarms.current(conn) == []


TELLS = """
import os, signal, sys, json
from connector.config import loader
from connector.vendors import destinations
from connector.web.metrics import FromDatabase
from connector.admin.alarms.loop import Watch
from connector.store import alarms
from connector.store.database import Database
settings = loader.load(os.environ, destinations=destinations.SPECS)
if "killed" in sys.argv:
    alarms.sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
one = Watch(settings, settings.alarms, Database(settings.database_url))
print("ready", flush=True)
sys.stdin.readline()
one.check()
while one.send_one() == 0.0:
    pass
"""


def process(world: World, tmp_path: Path, receiver: Receiver, *words: str) -> subprocess.Popen[str]:
    """A process with the same database, told by a file of its own."""
    more = f"""
[alarms]
account_after = "1m"
[[alarms.to]]
name = "ana"
url = "{receiver.url()}"
secret = "{SECRET}"
"""
    environ = environment(tmp_path, world.settings.database_url, world.settings.accounts["dialler"].base_url, more=more)
    line = [sys.executable, "-c", TELLS, *words]
    return subprocess.Popen(line, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(*some: subprocess.Popen[str]) -> None:
    for one in some:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in some:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in some:
        one.communicate(timeout=120)


@pytest.mark.slow
def test_two_processes_at_once_tell_once(world: World, tmp_path: Path, receiver: Receiver) -> None:
    block(world)
    go(process(world, tmp_path, receiver), process(world, tmp_path, receiver))
    assert receiver.kinds() == ["alarm.begun account_closed"]


@pytest.mark.slow
def test_one_that_dies_between_sending_and_noting_is_followed_under_the_same_id(
    world: World, tmp_path: Path, receiver: Receiver
) -> None:
    block(world)
    go(process(world, tmp_path, receiver, "killed"))
    assert receiver.kinds() == ["alarm.begun account_closed"]
    tell(world)
    assert len(receiver.received) == 1  # its lease runs
    pass_time(world, LEASE_MS + 1)
    tell(world)
    tell(world)
    first, second = (headers["webhook-id"] for _, headers, _ in receiver.received)
    assert first == second
    assert [one.state for one in notices(world)] == [NoticeState.SENT]


# --- what is wrong --------------------------------------------------------------------------------------------------


def test_nothing_is_wrong_with_what_works(world: World) -> None:
    world.receive("landing", lead(1))
    world.drain()
    assert found(world) == {}


def test_an_account_that_may_not_be_called_for_long(world: World, receiver: Receiver) -> None:
    with world.database.write() as conn:
        until = now_ms(conn) + 3600_000
        held = {"hold_until": until, **reasons.hold_columns(Reason(Code.REFUSED, {"words": "429", "status": 429}))}
        conn.execute(update(tables.accounts).where(tables.accounts.c.name == "dialler").values(held))
    step(world)
    assert receiver.received == []
    pass_time(world, MINUTE_MS)
    step(world)
    assert receiver.kinds() == ["alarm.begun account_held"]


def test_a_destination_that_is_stopped(world: World) -> None:
    with world.database.write() as conn:
        conn.execute(update(tables.destinations).where(tables.destinations.c.name == HERE).values(state="stopped"))
    assert (AlarmKind.DESTINATION_STOPPED, HERE) in found(world)


def test_a_lead_that_waits_too_long(world: World) -> None:
    world.receive("landing", lead(1))
    with world.database.read() as conn:
        now = now_ms(conn)
    assert found(world) == {}
    assert found(world, now + 9 * MINUTE_MS) == {}
    assert (AlarmKind.LEADS_WAIT, HERE) in found(world, now + 11 * MINUTE_MS)
    block(world, state=AccountState.PAUSED)
    assert (AlarmKind.LEADS_WAIT, HERE) not in found(world, now + 11 * MINUTE_MS)


def test_the_hours_in_which_nobody_may_be_called_do_not_count(world: World) -> None:
    never = ContactHours(
        name="mornings", weekdays=(480, 540), saturday=(480, 540), sunday=(480, 540), holidays=(480, 540), country=""
    )
    routes = tuple(replace(one, contact_hours=never) for one in world.settings.routes)
    world.settings = replace(world.settings, routes=routes)
    world.receive("landing", lead(1))
    evening = int(datetime(2026, 11, 24, 23, 0, tzinfo=UTC).timestamp() * 1000)  # 18:00 in Bogotá
    opens = int(datetime(2026, 11, 25, 13, 0, tzinfo=UTC).timestamp() * 1000)  # 08:00
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(due_at=evening, created_at=evening))
    assert (AlarmKind.LEADS_WAIT, HERE) not in found(world, opens + 5 * MINUTE_MS)
    waits = found(world, opens + 11 * MINUTE_MS)[AlarmKind.LEADS_WAIT, HERE]
    assert waits.facts["minutes"] == 11
    with world.database.write() as conn:  # tried and put back: it waits since it came, not since the last try
        conn.execute(update(tables.deliveries).values(due_at=opens + 9 * MINUTE_MS, attempts=",1"))
    assert (AlarmKind.LEADS_WAIT, HERE) in found(world, opens + 11 * MINUTE_MS)


def test_deliveries_that_are_refused_above_a_rate(world: World) -> None:
    world.receive("landing", *(lead(number) for number in range(1, 9)))
    with world.database.write() as conn:
        now = now_ms(conn)
        dead = {"state": DeliveryState.DEAD, "updated_at": now}
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id <= 5).values(dead))
    dying = found(world)[AlarmKind.DELIVERIES_DIE, HERE]
    assert (dying.facts["number"], dying.facts["total"]) == (5, 5)
    with_rules(world, dead_least=6)
    assert found(world) == {}
    with_rules(world, dead_least=5)
    with world.database.write() as conn:
        call = {"account": "dialler", "destination": HERE, "kind": Kind.SEND, "state": "accepted", "worker": "w"}
        call |= {"records": 96, "started_at": now, "deadline": now, "ended_at": now}
        conn.execute(tables.attempts.insert().values(call))
    assert found(world) == {}


def test_a_budget_that_will_not_last(world: World) -> None:
    noon = int(datetime(2026, 11, 24, 17, 0, tzinfo=UTC).timestamp() * 1000)  # 12:00 in Bogotá
    limit = 1000 * world.settings.accounts["dialler"].licences
    with world.database.write() as conn:
        call = {"account": "dialler", "destination": HERE, "kind": Kind.SEND, "state": "accepted", "worker": "w"}
        call |= {"records": 1, "started_at": noon - MINUTE_MS, "deadline": noon, "ended_at": noon - MINUTE_MS}
        conn.execute(tables.attempts.insert().values([call] * (limit // 2)))
    short = found(world, noon)[AlarmKind.BUDGET_SHORT, "dialler"]
    assert short.facts["left"] == limit - limit // 2
    night = noon + 8 * 3600_000  # the working hours are over
    assert (AlarmKind.BUDGET_SHORT, "dialler") not in found(world, night)


def test_a_source_that_is_silent(world: World) -> None:
    world.receive("landing", *(lead(number) for number in range(1, 22)))
    with world.database.write() as conn:
        now = now_ms(conn)
        stored = tables.events.c
        for number in range(21):
            days = 7 - number // 3
            conn.execute(
                update(tables.events).where(stored.id == number + 1).values(received_at=now - days * DAY_MS - MINUTE_MS)
            )
        conn.execute(update(tables.deliveries).values(state=DeliveryState.DELIVERED))
    assert found(world)[AlarmKind.SOURCE_SILENT, "landing"].facts["number"] == 3


def test_nobody_works(world: World) -> None:
    with world.database.write() as conn:
        gone = now_ms(conn) - ALIVE_MS - 2 * MINUTE_MS
        conn.execute(update(tables.processes).values(seen_at=gone))
    assert found(world)[AlarmKind.NOBODY_WORKS, "worker"].weight is Severity.URGENT
    with world.database.write() as conn:
        conn.execute(update(tables.processes).values(stopped_at=gone))
    assert found(world)[AlarmKind.NOBODY_WORKS, "worker"].weight is Severity.WARNING
    world.receive("landing", lead(1))
    assert found(world)[AlarmKind.NOBODY_WORKS, "worker"].weight is Severity.URGENT


def test_a_list_that_is_too_old(world: World) -> None:
    lists = {"rne": Registry(name="rne", max_age_s=30 * 86400), "asked": Registry(name="asked", asked="crc")}
    world.settings = replace(world.settings, contact=ContactRules(lists=lists))
    assert found(world)[AlarmKind.LIST_OLD, "rne"].facts["day"] is None
    with world.database.write() as conn:
        now = now_ms(conn)
        number = registries.begin(conn, "rne")
        registries.finish(conn, "rne", number, now - 31 * DAY_MS, replaces=True, now=now)
    assert found(world)[AlarmKind.LIST_OLD, "rne"].facts["days"] == 30
    assert (AlarmKind.LIST_OLD, "rne") not in found(world, now - 2 * DAY_MS)
    assert (AlarmKind.LIST_OLD, "asked") not in found(world)


def test_a_calendar_that_is_too_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.database.read() as conn:
        later = now_ms(conn) + 800 * DAY_MS
    assert (AlarmKind.CALENDAR_OLD, "public holidays") in found(world, later)
    world.settings = replace(world.settings, contact=ContactRules())
    monkeypatch.setattr(conditions.law, "READ", date(2020, 1, 1))
    assert (AlarmKind.CALENDAR_OLD, "law") in found(world)


def test_dead_letters_and_a_broker_that_does_not_answer(world: World, receiver: Receiver) -> None:
    try:
        broker = Broker()
        broker.declare()
    except OSError:
        pytest.skip("no RabbitMQ at TEST_AMQP_URL")
    landing = replace(world.settings.sources["landing"], queue=broker.queue)
    plain = world.settings
    world.settings = replace(plain, sources={**plain.sources, "landing": landing}, amqp_url=Secret(AMQP_URL))
    try:
        assert dead_letters.counted(world.settings) == {"landing": 0}
        broker.publish(b"{}", b"{}", queue=broker.dead)
        assert found(world)[AlarmKind.DEAD_LETTERS, "landing"].facts["number"] == 2
        step(world)
        world.settings = replace(world.settings, amqp_url=Secret("amqp://127.0.0.1:9/"))
        pass_time(world, ENDS_AFTER_MS)
        step(world)
        assert receiver.kinds() == ["alarm.begun dead_letters"]  # nothing is known: it has not ended
        elsewhere = replace(landing, queue=f"{broker.queue}.never")
        world.settings = replace(plain, sources={**plain.sources, "landing": elsewhere}, amqp_url=Secret(AMQP_URL))
        assert dead_letters.counted(world.settings) == {}
    finally:
        broker.delete()
        broker.delete(broker.dead)


# --- words ----------------------------------------------------------------------------------------------------------

#: Of each kind, facts as its condition gives them.
FACTS: Mapping[AlarmKind, dict[str, Any]] = {
    AlarmKind.ACCOUNT_CLOSED: {"account": "a", "state": "blocked", "since": "2026-11-30T10:00:00.000Z", "reason": None},
    AlarmKind.ACCOUNT_HELD: {"account": "a", "until": "2026-11-30T10:00:00.000Z", "reason": None},
    AlarmKind.DESTINATION_STOPPED: {"destination": "d", "since": "2026-11-30T10:00:00.000Z", "reason": None},
    AlarmKind.LEADS_WAIT: {"destination": "d", "minutes": 11},
    AlarmKind.DELIVERIES_DIE: {"destination": "d", "number": 1200, "total": 2000},
    AlarmKind.CEILING_NEAR: {"account": "a", "whose": "landing", "prefix": "+57", "used": 900, "most": 1000},
    AlarmKind.BUDGET_SHORT: {"account": "a", "until": "2026-11-30T10:00:00.000Z", "left": 3, "limit": 1000},
    AlarmKind.SOURCE_SILENT: {"source": "s", "number": 3},
    AlarmKind.DEAD_LETTERS: {"source": "s", "queue": "q.dead", "number": 1},
    AlarmKind.NOBODY_WORKS: {"role": "worker", "host": "vm", "since": "2026-11-30T10:00:00.000Z"},
    AlarmKind.LIST_OLD: {"list": "l", "day": "2026-11-01T00:00:00.000Z", "days": 30},
    AlarmKind.CALENDAR_OLD: {"calendar": "public holidays", "version": "0.1"},
    AlarmKind.TEST: {},
}


@pytest.mark.parametrize("kind", AlarmKind)
def test_every_kind_has_its_sentences(kind: AlarmKind) -> None:
    said, then = sentences(kind, FACTS[kind])
    assert said and then and "{" not in said + then


def test_a_kind_of_a_later_release_is_named() -> None:
    assert "later_kind" in sentences("later_kind", {})[0]


def test_no_person_is_in_an_alarm_whatever_a_vendor_says(world: World, receiver: Receiver) -> None:
    words = f"bad row: {' '.join(PERSON)}"
    block(world, words=words)
    with world.database.write() as conn:
        stopped = {"state": "stopped", **columns(Reason(Code.REFUSED, {"words": words, "status": 400}))}
        conn.execute(update(tables.destinations).values(stopped))
        now = now_ms(conn)
        held = {"hold_until": now + DAY_MS, **reasons.hold_columns(Reason(Code.REFUSED, {"words": words}))}
        conn.execute(update(tables.accounts).where(tables.accounts.c.name == "surveys").values(held))
    world.receive("landing", *(lead(number) for number in range(1, 9)))
    with world.database.write() as conn:
        dead = {"state": DeliveryState.DEAD, "updated_at": now, **columns(Reason(Code.REFUSED, {"words": words}))}
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id <= 5).values(dead))
        waits = {"due_at": now - 3600_000, "created_at": now - 3600_000}
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id > 5).values(waits))
    step(world)
    pass_time(world, 2 * MINUTE_MS)
    step(world)
    kinds = {one["data"]["kind"] for one in receiver.bodies}
    assert kinds >= {"account_closed", "account_held", "destination_stopped", "deliveries_die", "leads_wait"}
    with world.database.read() as conn:
        kept = str([conn.execute(select(one)).all() for one in (tables.alarms, tables.alarm_notices)])
    sent = "".join(json.dumps(one, ensure_ascii=False) for one in receiver.bodies)
    listed = str(status(world.database, world.settings)["alarms"])
    assert not [part for part in PERSON for text in (kept, sent, listed) if part in text]


# --- apprise --------------------------------------------------------------------------------------------------------


def test_apprise_sends_and_says_what_came_of_it(world: World, receiver: Receiver) -> None:
    def one(name: str, url: str) -> Addressee:
        return Addressee(name=name, url=Secret(url), language="pt")

    to(
        world,
        one("json", receiver.url("json")),
        one("unknown", "no-such-service://key"),
        one("away", "json://127.0.0.1:9/"),
    )
    reached, unknown, away = trial.to_everybody(world.settings, world.database)
    assert reached == {"addressee": "json", "language": "pt", "sent": True, "why": None}
    assert unknown["why"] == "apprise does not know such an address"
    assert not away["sent"] and "onnection" in away["why"]
    [given] = receiver.bodies
    assert given["title"].startswith("Alarme: isto é um teste")
    assert given["type"] == "failure"


def test_apprise_sends_mail(world: World) -> None:
    with receiving_mail() as (port, came):
        url = f"mailto://127.0.0.1:{port}?from=alarms@example.com&to=shift@example.com&mode=insecure"
        to(world, Addressee(name="mail", url=Secret(url), language="es"))
        block(world)
        step(world)
    [mail] = came
    read = message_from_string(mail, policy=policy.default)
    assert read["Subject"].startswith("Alarma: dialler está bloqueada desde ")
    body = read.get_body(("plain",))
    assert body is not None and body.get_content().strip().endswith(
        "\nhttps://leads.example.com/console/accounts/dialler"
    )


def test_apprise_is_not_loaded_by_who_looks() -> None:
    line = "import connector.admin.alarms.loop, connector.cli.run, sys; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0


# --- the configuration ----------------------------------------------------------------------------------------------


def read(tmp_path: Path, more: str, **environ: str) -> Settings:
    given = environment(tmp_path, f"sqlite:///{tmp_path}/c.db", "http://127.0.0.1:9", more=more)
    return loader.load(given | environ, destinations=destinations.SPECS)


def test_the_configuration_names_who_is_told(tmp_path: Path) -> None:
    more = """
[alarms]
leads_wait = "5m"
[[alarms.to]]
name = "shift"
url = "${ALARM_URL}"
kinds = ["leads_wait", "nobody_works"]
severity = "urgent"
"""
    found = read(tmp_path, more, ALARM_URL="tgram://token/chat").alarms
    assert found is not None and found.leads_wait_s == 300 and found.account_after_s == 600
    [one] = found.to
    assert (one.language, one.kinds) == ("es", (AlarmKind.LEADS_WAIT, AlarmKind.NOBODY_WORKS))
    assert "tgram" not in repr(found)


def test_faults_of_the_configuration_are_told_without_the_secret(tmp_path: Path) -> None:
    more = """
[alarms]
dead_percent = 101
[[alarms.to]]
name = "a"
url = "${ALARM_URL}"
[[alarms.to]]
name = "b"
url = "http://example.com/hook"
secret = "${ALARM_SECRET}"
kinds = ["everything"]
language = "fr"
[[alarms.to]]
name = "c"
url = "https://example.com"
secret = "no base64!"
[[alarms.to]]
name = "d"
url = "${UNSET}"
[[alarms.to]]
name = "e"
url = "json://x"
[[alarms.to]]
name = "e"
url = "http://example.com/hook"
secret = "whsec_aW52ZW50ZWQtc2VjcmV0LTI0LWJ5dGVz"
"""
    with pytest.raises(ConfigError) as fault:
        read(tmp_path, more, ALARM_URL="nowhere-secret", ALARM_SECRET="whsec_aW52ZW50ZWQtc2VjcmV0LTI0LWJ5dGVz")
    said = "\n".join(fault.value.faults)
    for part in (
        "alarms.dead_percent: is more than all",
        "alarms.to #1.url: is no address",
        "alarms.to #2.kinds",
        "alarms.to #2.language",
        "alarms.to #3.secret: is no secret of Standard Webhooks",
        "alarms.to #4.url: ${UNSET} is not set",
        "alarms.to #6.url: takes signed webhooks",
    ):
        assert part in said
    assert "nowhere-secret" not in said


def test_the_languages_of_addressees_are_those_of_the_catalogues() -> None:
    assert set(configured.LANGUAGES) == set(LANGUAGES)


def test_the_commands_list_and_test(
    world: World,
    tmp_path: Path,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    more = f'[alarms]\n[[alarms.to]]\nname = "ana"\nurl = "{receiver.url()}"\nsecret = "{SECRET}"\nlanguage = "en"\n'
    environ = environment(tmp_path, world.settings.database_url, "http://127.0.0.1:9", more=more)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*line: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["connector", *line])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    assert run("alarms") == (0, "there is no alarm now\n")
    code, said = run("alarms", "test")
    assert (code, said) == (0, "ana: sent\n")
    assert receiver.bodies[0]["data"]["title"] == "Alarm: this is a test: nothing is wrong"
    receiver.status = 500
    assert run("alarms", "test") == (1, "ana: HTTP 500\n")
    block(world)
    step(world)
    code, said = run("alarms")
    assert said.startswith("! dialler is blocked since ") and "ana: begun waiting (HTTP 500), tried 1 times" in said
    _, listed = run("alarms", "--json")
    assert json.loads(listed)[0]["kind"] == "account_closed"


def test_every_kind_can_be_chosen() -> None:
    assert set(KINDS) == set(AlarmKind) - {AlarmKind.TEST}
