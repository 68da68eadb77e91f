"""Sources that are polled, around one database and one sandbox."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from connector.core.settings import Account, Poll, Route, Secret, Settings, Source, Verify
from connector.outbound import poll as polling
from connector.outbound.poll import Polling, Step
from connector.outbound.worker import Worker, prepare
from connector.store import accounts, polls, tables
from connector.store.database import Database, now_ms
from connector.vendors.destinations import places
from connector.vendors.polling import Span
from connector.vendors.sandbox.exchange import Sandbox
from tests import outbound_steps
from tests.outbound_steps import dial, survey

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox
ANSWERS = Poll(call="tracksale.answers", campaign_codes=("52",))
CLOSED = Poll(call="postcenter.tickets", state="closed")
EMAIL = Poll(call="postcenter.tickets", channel="email")
DAY_S = 86400


def seconds(**ago: float) -> int:
    """Unix seconds, so long ago."""
    return int(time.time() - timedelta(**ago).total_seconds())


def local(unix_s: float) -> str:
    """As PostCenter writes its times: the account's, without a zone."""
    zone = Settings().locale.timezone
    return datetime.fromtimestamp(unix_s, zone).replace(tzinfo=None, microsecond=0).isoformat()


class Asked:
    """Sources that are polled, and the routes that want what they bring, around one database and one sandbox."""

    def __init__(self, database: Database, sandbox: Sandbox, poll: Poll, *routes: Route, **values: Any) -> None:
        self.database, self.sandbox = database, sandbox
        answers = poll.call == "tracksale.answers"
        self.account = "surveys" if answers else "helpdesk"
        mapping = "tracksale_answer" if answers else "postcenter"
        account = Account(
            name=self.account,
            vendor="tracksale" if answers else "postcenter",
            token=Secret("invented-3"),
            base_url=sandbox.url,
            timeout_s=20,
            **values,
        )
        others = [outbound_steps.dialler(sandbox.url), outbound_steps.surveys(sandbox.url)]
        proof = Verify(scheme="token", header="X-Token", secrets=(Secret("invented-4"),))
        self.source = Source(name="asked", mapping=mapping, account=self.account, poll=poll, verify=proof)
        self.settings = Settings(
            accounts={one.name: one for one in [*others, account]},
            sources={"asked": self.source},
            routes=routes,
            database_url=database.url,
        )
        self.places = places(self.settings)
        prepare(self.settings, database, self.places)
        self.polling = self.another()

    def another(self, span: Span | None = None) -> Polling:
        """One more process that polls."""
        return Polling(self.settings, self.database, self.source, span)

    def look(self, one: Polling | None = None, *, most: int = 50) -> list[Step]:
        """A whole look, now."""
        self.due(one, late=True)
        made: list[Step] = []
        for _ in range(most):
            step = (one or self.polling).step()
            made.append(step)
            if step.through or step.closed:
                return made
            assert step.cursor is not None, step
        raise AssertionError(f"no end of pages: {made[-1]}")

    def due(self, one: Polling | None = None, *, late: bool = False) -> None:
        """Now, or for so long that it yields to nobody any more."""
        name = (one or self.polling).name
        with self.database.write() as conn:
            now = now_ms(conn) - late * polling.OVERDUE_MS
            conn.execute(update(tables.polls).where(tables.polls.c.name == name).values(due_at=now))

    def stand(self, name: str = "asked") -> polls.PollState:
        with self.database.read() as conn:
            found = polls.get(conn, name)
        assert found is not None
        return found

    def rows(self, table: Any = tables.events) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(select(table).order_by(table.c[0])))

    def events(self) -> list[tuple[str, str]]:
        """(event id, state), in the order they came."""
        return [(row.event_id, row.state) for row in self.rows()]

    def types(self) -> dict[str, int]:
        return dict(Counter(row.type for row in self.rows()))

    def sent(self) -> list[tuple[str, str, int]]:
        """(route, state, lane) of every delivery."""
        return [(row.route, row.state, row.lane) for row in self.rows(tables.deliveries)]

    def calls(self, begins: str = "") -> int:
        return sum(call.operation.startswith(begins) for call in self.sandbox.calls)

    def fetch(self) -> None:
        """As a worker does, until nothing waits."""
        worker = Worker(self.settings, self.database)
        worker.start()
        try:
            until(lambda: all(row.state != "waiting" for row in self.rows()))
        finally:
            assert worker.stop()

    def resume(self) -> None:
        with self.database.write() as conn:
            accounts.resume(conn, self.account, now_ms(conn))


def until(fulfilled: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def call_back(*types: str, **values: Any) -> Route:
    return dial(name="call back", on=types or ("answer.detractor",), **values)


@pytest.fixture
def answers(database: Database, sandbox: Sandbox) -> Asked:
    return Asked(database, sandbox, ANSWERS, call_back())


def detractor(sandbox: Sandbox, **values: Any) -> int:
    given = {"campaign_code": 52, "name": "Ana Núñez", "phone": "3000000001", "nps_answer": 2, "nps_comment": "Nadie"}
    return sandbox.tracksale.add_answer(**given | values)


def ref(number: int, created_s: float) -> str:
    """A ticket's id holds when it was created."""
    return f"{int(created_s):08x}{number:016x}"


def ticket(sandbox: Sandbox, number: int, *, closed: bool = True, created_s: float = 0, **values: Any) -> str:
    created_s = created_s or time.time()
    given = {"id": ref(number, created_s), "created": local(created_s), "updated_time": local(created_s)}
    given |= {"is_closed": closed, "account": f"cliente.{number}@example.com"}
    return sandbox.postcenter.add_ticket(number, "email", **given | values)


@pytest.fixture
def closed(database: Database, sandbox: Sandbox) -> Asked:
    return Asked(database, sandbox, CLOSED, survey())


@pytest.fixture
def email(database: Database, sandbox: Sandbox) -> Asked:
    return Asked(database, sandbox, EMAIL, survey())
