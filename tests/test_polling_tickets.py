"""Polling PostCenter's tickets by state and by channel."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from connector.store import accounts, tables
from connector.store.database import Database
from connector.vendors.sandbox.exchange import Sandbox
from tests import polled_sources
from tests.outbound_steps import survey
from tests.polled_sources import CLOSED, Asked, local, seconds, ticket

closed, database, email, sandbox, store = (
    polled_sources.closed,
    polled_sources.database,
    polled_sources.email,
    polled_sources.sandbox,
    polled_sources.store,
)


def change(sandbox: Sandbox, ref: str, updated_s: float = 0, **values: Any) -> None:
    sandbox.postcenter.tickets[ref] |= {"updated_time": local(updated_s or time.time()), **values}


def test_of_the_first_list_only_what_is_new_is_read(closed: Asked, sandbox: Sandbox) -> None:
    for number in range(300, 340):
        ticket(sandbox, number, created_s=seconds(days=30))
    fresh = ticket(sandbox, 400, created_s=seconds(hours=3))
    closed.look()
    assert [name for name, _ in closed.events()] == [f"{fresh} closed 0"]
    assert closed.stand().seen == {one["id"] for one in sandbox.postcenter.tickets.values() if one["is_closed"]}


def test_an_id_that_was_seen_costs_no_call_and_one_that_came_back_is_news(closed: Asked, sandbox: Sandbox) -> None:
    old = ticket(sandbox, 300, created_s=seconds(days=30))
    closed.look()
    number = ticket(sandbox, 301, closed=False)
    closed.look()
    assert closed.events() == []
    change(sandbox, number, seconds(minutes=30), is_closed=True)
    closed.look()
    closed.fetch()
    asked = closed.calls("postcenter.")
    for _ in range(3):
        closed.look()
    closed.fetch()
    assert closed.calls("postcenter.") == asked + 3, "one list each, and nothing else"
    for minutes in (20, 10):
        change(sandbox, number, seconds(minutes=minutes), is_closed=False)
        closed.look()
        change(sandbox, number, seconds(minutes=minutes - 5), is_closed=True)
        closed.look()
        closed.fetch()
    change(sandbox, old, is_closed=False)
    closed.look()
    change(sandbox, old, is_closed=True)
    closed.look()
    closed.fetch()
    assert closed.types() == {"ticket.closed": 4}
    assert {row.state for row in closed.rows()} == {"accepted"}
    assert len(closed.sent()) == 4


def test_what_is_fetched_after_it_was_reopened_is_no_closed_ticket(closed: Asked, sandbox: Sandbox) -> None:
    closed.look()
    number = ticket(sandbox, 301)
    closed.look()
    change(sandbox, number, is_closed=False)
    closed.fetch()
    assert closed.sent() == []
    assert closed.types() == {"ticket.updated": 1}


def test_the_list_is_small_in_the_database(closed: Asked, sandbox: Sandbox) -> None:
    for number in range(3000):
        ticket(sandbox, 1000 + number, created_s=seconds(days=5) + number)
    closed.look()
    (row,) = closed.rows(tables.polls)
    assert len(row.seen) < 3000 * 24
    assert len(closed.stand().seen) == 3001
    assert closed.events() == []


def test_a_state_that_the_account_does_not_have_is_said_and_asked_again_later(
    database: Database, sandbox: Sandbox
) -> None:
    asked = Asked(database, sandbox, replace(CLOSED, state="closed"), survey())
    sandbox.fault(
        "postcenter.tickets_by_state", "status", status=404, body={"message": "Non-existent status", "status": 404}
    )
    step = asked.polling.step()
    assert step.closed and "Non-existent status" in step.why
    assert asked.stand().due_at - time.time() * 1000 > 200_000
    with database.read() as conn:
        assert accounts.account(conn, "helpdesk").state == "open"
    asked.look()


def closed_ids(asked: Asked) -> set[str]:
    return {json.loads(row.payload)["id"] for row in asked.rows() if row.type == "ticket.closed"}


def test_pages_may_shift_while_they_are_read(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    there = {ticket(sandbox, 1000 + number, created_s=seconds(hours=5) + number) for number in range(250)}
    email.due()
    steps = []
    for page in range(10):
        steps.append(email.polling.step())
        if steps[-1].through:
            break
        there |= {ticket(sandbox, 2000 + 50 * page + number) for number in range(30)}  # new ones come first
    assert [step.read for step in steps[:2]] == [100, 100]
    email.look()
    assert closed_ids(email) == there
    assert len(email.rows()) == len(there), "and none twice"


def test_a_page_that_is_gone_begins_the_look_anew(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    there = {ticket(sandbox, 1000 + number, created_s=seconds(hours=5) + number) for number in range(150)}
    email.due()
    assert email.polling.step().read == 100
    sandbox.fault("postcenter.paginated", "status", status=400, body={"message": "Bad request", "status": 400})
    email.due()
    refused = email.polling.step()
    assert refused.cursor is None and not refused.closed and "to" not in email.stand().cursor
    email.look()
    assert closed_ids(email) == there
    assert len(email.rows()) == 150


def test_each_state_of_a_ticket_is_an_event_and_the_same_state_is_none(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    number = ticket(sandbox, 300, created_s=seconds(days=3), closed=False, updated_time=local(seconds(hours=2)))
    email.look()
    assert [row.state for row in email.rows()] == ["ignored"], "nobody wants it open: it is not fetched"
    assert [call.operation for call in sandbox.calls].count("postcenter.ticket") == 0
    for minutes in (50, 30):
        change(sandbox, number, seconds(minutes=minutes), is_closed=True)
        email.look()
        email.look()
        email.fetch()
        change(sandbox, number, seconds(minutes=minutes - 10), is_closed=False)
        email.look()
    assert [row.state for row in email.rows()].count("accepted") == 2
    assert len(email.sent()) == 2
    assert [call.operation for call in sandbox.calls].count("postcenter.ticket") == 2


def test_what_last_changed_before_the_first_look_is_left_alone(email: Asked, sandbox: Sandbox) -> None:
    ticket(sandbox, 300, created_s=seconds(days=3))
    number = ticket(sandbox, 301, created_s=seconds(days=3), updated_time=local(seconds(hours=1)))
    email.look()
    assert closed_ids(email) == {number}


def test_a_ticket_of_an_account_far_in_the_east_is_not_overlooked(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    number = ticket(sandbox, 300, created=local(seconds(hours=-13)), updated_time=local(seconds(hours=-13)))
    email.look()
    assert closed_ids(email) == {number}


def test_a_poller_that_was_away_for_weeks_loses_nothing(email: Asked, sandbox: Sandbox) -> None:
    email.look()
    with email.database.write() as conn:
        cursor = json.dumps(dict(email.stand().cursor) | {"reached": seconds(days=30), "floor": seconds(days=60)})
        conn.execute(update(tables.polls).values(cursor=cursor))
    number = ticket(sandbox, 300, created_s=seconds(days=28))
    email.look()
    assert closed_ids(email) == {number}
