"""What pages of the console cost over a large database: the server's time for each, and how large they are."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping

import requests
import sqlalchemy
from flask.testing import FlaskClient
from sqlalchemy import text

from connector.config import loader
from connector.console.app import create
from connector.console.application import ConsoleApp
from connector.core.reasons import Code, Reason
from connector.core.settings import Console, Person, Role, Secret, Settings
from connector.store import reasons
from connector.store.database import Database
from connector.vendors import destinations
from tests.bench import load
from tests.bench.report import Report, limit
from tests.bench.steps import engine_url

BASE = "http://127.0.0.1"
KEY = "a-key-of-the-bench-of-forty-characters-xx"
TIMES = 20  #: looks at each page
LARGEST_KB = 40
#: Page -> its address, and the ms that it may take.
PAGES: Mapping[str, tuple[str, float]] = {
    "now": ("/console/", 50),
    "now, part": ("/console/parts/now", 50),
    "destination": ("/console/destinations/{destination}", 50),
    "deliveries": ("/console/deliveries", 20),
    "deliveries, refused": ("/console/deliveries?state=dead", 20),
    "deliveries, waiting": ("/console/deliveries?state=pending&since=24h", 20),
    "problems": ("/console/problems?since=30d", 50),
    "story": ("/console/events/e5", 20),
    "do not contact": ("/console/do-not-contact", 20),
    "history": ("/console/history", 20),
    "lots": ("/console/lots", 20),
    "alarms": ("/console/alarms", 20),
    "campaigns": ("/console/campaigns", 50),
    "set-up": ("/console/setup", 50),
}
#: The one that is read by all viewers together.
SNAPSHOT_MS = 50


def refuse_some(database_url: str) -> None:
    """A tenth of all deliveries is refused, for one of two causes."""
    engine = sqlalchemy.create_engine(engine_url(database_url))
    with engine.begin() as connection:
        for number, words in ((0, "400 customer_id too long"), (5, "400 no such field")):
            columns = reasons.columns(Reason(Code.REFUSED, {"words": words, "status": 400}))
            given = ", ".join(f"{name} = :{name}" for name in columns)
            change = f"UPDATE deliveries SET state = 'dead', {given} WHERE id % 20 = :number"
            connection.execute(text(change), {**columns, "number": number})
    with engine.connect() as connection:  # what a server does by itself soon after
        tidied = "VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(tidied))
    engine.dispose()


def pages(report: Report, kind: str, environment: Mapping[str, str], rows: int) -> None:
    """Looks at every page."""
    settings = loader.load({**os.environ, **environment}, destinations=destinations.SPECS)
    database = Database(settings.database_url)
    app, client = opened(settings, database)
    destination = destinations.name_of(settings.routes[0])
    try:
        fresh = [seconds * 1000 for seconds in _timed(lambda: app.snapshot.read(fresh=True), 5)]
        row = f"{kind}, {rows:,} deliveries"
        report.add(limit(f"console, what Now reads, {row}", statistics.median(fresh), SNAPSHOT_MS, unit="ms"))
        for name, (path, most) in PAGES.items():
            address = path.format(destination=destination)
            answer = client.get(address, base_url=BASE)
            if answer.status_code != 200:
                report.fail(f"console, {name}", f"answered {answer.status_code}")
                continue
            cpu = time.process_time()
            waits = [seconds * 1000 for seconds in _timed(lambda at=address: client.get(at, base_url=BASE), TIMES)]
            cpu_ms = (time.process_time() - cpu) * 1000 / TIMES
            size_kb = len(answer.data) / 1000
            note = f"{size_kb:.1f} kB; CPU here {cpu_ms:.1f} ms"
            if size_kb > LARGEST_KB:
                report.fail(f"console, {name}", f"{size_kb:.1f} kB, at most {LARGEST_KB} are promised")
            report.add(limit(f"console, {name}, p95, {row}", load.quantile(waits, 0.95), most, unit="ms", note=note))
        unseen = [seconds * 1000 for seconds in _timed(_onwards(client), TIMES)]
        report.add(
            limit(
                f"console, deliveries, pages that nobody has looked at, p95, {row}",
                load.quantile(unseen, 0.95),
                20,
                unit="ms",
                note="each the one behind the one before",
            )
        )
    finally:
        database.close()


def _onwards(client: FlaskClient) -> Callable[[], None]:
    """What looks at one page of deliveries after the other, so that each shows fifty further persons."""
    address = ["/console/deliveries"]

    def look() -> None:
        page = client.get(address[0], base_url=BASE).text
        found = re.search(r'href="(/console/deliveries\?[^"]*before=[^"]+)"', page)
        assert found is not None
        address[0] = found[1].replace("&amp;", "&")

    look()
    return look


def opened(settings: Settings, database: Database) -> tuple[ConsoleApp, FlaskClient]:
    """The console, and somebody who signed in."""
    console = Console(enabled=True, people={"root": Person("root", Role.ADMIN, Secret(KEY))})
    app = create(dataclasses.replace(settings, console=console, secret_key=Secret("invented-key")), database)
    client = app.test_client()
    _sign_in(client)
    return app, client


@contextlib.contextmanager
def signed_in(base: str) -> Iterator[requests.Session]:
    """Somebody at the console of a running connector."""
    with requests.Session() as session:
        page = session.get(f"{base}/console/sign-in", timeout=30).text
        found = re.search(r'name="form_token" value="([^"]+)"', page)
        assert found is not None
        given = {"key": KEY, "form_token": found[1]}
        done = session.post(f"{base}/console/sign-in", data=given, allow_redirects=False, timeout=30)
        assert done.status_code == 303, done.status_code
        yield session


def _timed(look: object, times: int) -> Iterator[float]:
    for _ in range(times):
        begun = time.perf_counter()
        look()  # type: ignore[operator]
        yield time.perf_counter() - begun


def _sign_in(client: FlaskClient) -> None:
    page = client.get("/console/sign-in", base_url=BASE).text
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found is not None
    done = client.post("/console/sign-in", data={"key": KEY, "form_token": found[1]}, base_url=BASE)
    assert done.status_code == 303, done.status_code
