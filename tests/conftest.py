"""Shared fixtures: a migrated database of either kind, the simulated vendors, a configuration, a web client.

Postgres is the server of TEST_DATABASE_URL. Without one its tests are skipped, or fail where REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from flask.testing import FlaskClient

from connector.core import log
from connector.core.settings import Account, Route, Secret, Settings, Source, Verify
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.store.migrate import migrate
from connector.vendors.destinations import name_of
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.tracksale.options import DispatchOptions, NoteOptions
from connector.vendors.wolkvox.options import WolkvoxOptions
from connector.web.wsgi import create_app

#: What the shell says of a connector that really runs is none of the tests' business, nor of the processes they start.
for name in [name for name in os.environ if name.startswith("CONNECTOR_")]:
    del os.environ[name]
for name in ("AMQP_URL", "CLOUDAMQP_URL", "DATABASE_URL", "DYNO", "PORT", "WEB_CONCURRENCY"):
    os.environ.pop(name, None)

# The processes that tests start find our modules compiled, as those of an installed release do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

POSTGRES = os.environ.get("TEST_DATABASE_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"
os.environ["LC_ALL"] = "C.UTF-8"  # commands speak English in every test
LANDING_SECRET = "whsec_aW52ZW50ZWQtc2VjcmV0LTI0LWJ5dGVz"
TICKETS_TOKEN = "invented-token"

# How fast the machine is says nothing about what is tested.
hypothesis.settings.register_profile(
    "any-speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# `make quick` is a first answer in a minute: a fifth of the examples. `make test` tries all of them.
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("any-speed"), max_examples=20)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "any-speed")
hypothesis.settings.load_profile(PROFILE)


def examples(most: int) -> int:
    """How many examples a test tries that asks for another number than the usual hundred."""
    return most // 5 if PROFILE == "quick" else most


@pytest.fixture(autouse=True)
def usual_log() -> None:
    """Each test finds the log as it is after start-up, whatever level and secrets a test before it gave."""
    log._configure_ours(logging.INFO)
    log._known_secrets.clear()


def missing(what: str) -> None:
    """Skips the test, or fails it where every service must be there."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(what)
    pytest.skip(what)


def as_sqlalchemy(server: str, name: str) -> str:
    """The URL of a database on that server, as settings hold it."""
    return server.replace("://", "+psycopg://", 1).replace("postgres+", "postgresql+", 1).rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[psycopg.Connection]:
    """A connection that may create and drop databases."""
    try:
        server = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as fault:
        missing(f"no Postgres at TEST_DATABASE_URL: {str(fault).splitlines()[0]}")
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: psycopg.Connection) -> Iterator[str]:
    """A migrated, empty database to copy: much quicker than migrating for each test."""
    name = f"test_template_{secrets.token_hex(4)}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    migrate(as_sqlalchemy(POSTGRES, name))
    yield name
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("template") / "connector.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite file of the test's own."""
    shutil.copy(sqlite_template, tmp_path / "connector.db")
    return f"sqlite:///{tmp_path / 'connector.db'}"


@pytest.fixture
def postgres_url(postgres_server: psycopg.Connection, postgres_template: str) -> Iterator[str]:
    """A migrated Postgres database of the test's own."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield as_sqlalchemy(POSTGRES, name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Every test that uses it, directly or not, runs on both."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Migrated, empty."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The vendors, strict."""
    with Sandbox(port=0) as sandbox:
        yield sandbox


def settings_for(database_url: str, base_url: str) -> Settings:
    """A landing page's leads for wolkvox, and tickets for Tracksale: surveys when closed, notes when updated."""
    accounts = (
        Account(name="dialler", vendor="wolkvox", token=Secret("w"), base_url=base_url, licences=10, dial_prefix="9"),
        Account(name="surveys", vendor="tracksale", token=Secret("t"), base_url=base_url, paged_base_url=base_url),
    )
    landing = Verify(scheme="standard-webhooks", secrets=(Secret(LANDING_SECRET),))
    tickets = Verify(scheme="token", header="X-Token", secrets=(Secret(TICKETS_TOKEN),))
    sources = (
        Source(name="landing", mapping="lead", verify=landing, on_invalid="refuse"),
        Source(name="tickets", mapping="ticket", verify=tickets),
    )
    campaign = {"campaign_id": "1042", "campaign_status": "start", "opt": ["utm.source", "program"]}
    routes = (
        Route(
            name="dial new leads",
            on=("lead.created",),
            to="wolkvox.add_record",
            account="dialler",
            options=WolkvoxOptions().load(campaign),
        ),
        Route(
            name="survey closed tickets",
            on=("ticket.closed",),
            to="tracksale.dispatch",
            account="surveys",
            options=DispatchOptions().load({"campaign_code": "52", "tags": {"Canal": "channel"}}),
        ),
        Route(
            name="note on answers",
            on=("ticket.updated",),
            to="tracksale.note",
            account="surveys",
            options=NoteOptions().load({}),
            on_unknown="resend",
        ),
    )
    return Settings(
        accounts={account.name: account for account in accounts},
        sources={source.name: source for source in sources},
        routes=routes,
        database_url=database_url,
        secret_key=Secret("invented-key"),
        admin_token=Secret("invented-admin-token"),
        metrics_public=True,
    )


@pytest.fixture
def settings(database_url: str, sandbox: Sandbox) -> Settings:
    """`settings_for` this test's database and sandbox."""
    return settings_for(database_url, sandbox.url)


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[FlaskClient]:
    """A client of the web application; what it is answered is stored."""
    committer = Committer(database)
    yield create_app(settings, database, name_of, committer).test_client()
    committer.close()
