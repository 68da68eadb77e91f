"""`connector check`: everything that could keep the connector from working, every fault at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import click

from connector import calls, configuration, do_not_contact, forgetting, standing
from connector.client import Answer, Deadline
from connector.commands import face, processes, show
from connector.db import HEAD, Database, revision
from connector.destinations import tracksale, wolkvox
from connector.destinations.base import delivered, unrecognised
from connector.enrich import classify
from connector.errors import ConfigError, ConnectorError, StoreUnavailable
from connector.outcomes import Outcome
from connector.quota import Wait
from connector.settings import Account, Settings
from connector.vendors import VENDORS, HubSpot, Meta, PostCenter
from connector.vendors.wolkvox import rows_of

LONGEST_S: Final = 20.0  #: one vendor, of the time of a person who waits


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``state``: ok | warning | fault | skipped."""

    name: str
    state: str
    message: str


@click.command()
@click.option("--offline", is_flag=True, help="Contact nobody: configuration and environment only.")
@face.json_option
def check(offline: bool, as_json: bool) -> None:
    """Names everything that is wrong, at once.

    Configuration, environment, database, broker and the vendors' credentials.
    """
    findings = list(_configured(offline))
    faults = [f for f in findings if f.state == "fault"]
    if as_json:
        show.as_json(
            {"ok": not faults, "checks": [{"name": f.name, "state": f.state, "message": f.message} for f in findings]}
        )
    else:
        show.table(("what", "state", "finding"), [(f.name, f.state, f.message) for f in findings])
        show.line(f"{len(faults)} fault{'s' * (len(faults) != 1)}" if faults else "nothing is wrong")
    sys.exit(1 if faults else 0)


def _configured(offline: bool) -> Iterator[Finding]:
    try:
        settings = face.settings()
    except ConfigError as fault:
        yield from (Finding("configuration", "fault", line) for line in fault.faults)
        if not offline:
            yield from _without_configuration()
        return
    told = f"{len(settings.accounts)} accounts, {len(settings.sources)} sources, {len(settings.routes)} routes"
    yield Finding("configuration", "ok", told)
    yield from _processes()
    yield from _warnings(settings)
    if not offline:
        yield from _contacted(settings)


def _without_configuration() -> Iterator[Finding]:
    """What can be looked at although the configuration is faulty."""
    try:
        url = configuration.database_url(os.environ)
    except ConfigError:
        return  # told already
    yield _database(url)


def _contacted(settings: Settings) -> Iterator[Finding]:
    database = _database(settings.database_url)
    yield database
    if database.state == "ok":
        yield from _other_key(settings)
    yield from _broker(settings)
    for account in settings.accounts.values():
        if database.state == "fault":
            yield Finding(f"account {account.name}", "skipped", "not tried: a call must be counted in the database")
        else:
            yield _account(settings, account)


# --- the environment ------------------------------------------------------------------------------------------------


def _processes() -> Iterator[Finding]:
    """What only `web` and `consume` read."""
    for name in ("WEB_CONCURRENCY", "CONSUMER_CONCURRENCY"):
        try:
            processes.number(os.environ, name)
        except ConfigError as fault:
            yield Finding("environment", "fault", str(fault))


def _warnings(settings: Settings) -> Iterator[Finding]:
    said = {
        "CONNECTOR_SECRET_KEY is not set: hashes of phones and e-mails can be guessed; set it once, and keep it": (
            not settings.secret_key
        ),
        "CONNECTOR_ADMIN_TOKEN is not set: /api is closed": not settings.admin_token,
        "SQLite serves the processes of one machine; several machines need Postgres in DATABASE_URL": (
            settings.database_url.startswith("sqlite")
        ),
        "the disk of a dyno is lost every day, and SQLite's leads with it": (
            settings.database_url.startswith("sqlite") and bool(os.environ.get("DYNO"))
        ),
        "CONNECTOR_PUBLIC_URL is not set, and a source signs the URL: behind a proxy its signatures will not match": (
            not settings.public_url and _signs_url(settings)
        ),
    }
    yield from (Finding("environment", "warning", line) for line, true in said.items() if true)
    if settings.retention is None:
        yield Finding(
            "retention", "warning", 'personal data is kept for ever: add [retention] with purge_after = "90d"'
        )
    for name, source in settings.sources.items():
        if source.verify is not None and source.verify.scheme == "none":
            yield Finding(f"source {name}", "warning", "verify is none: anybody who knows the address may send")
    for name, account in settings.accounts.items():
        if urlsplit(account.base_url).hostname in ("127.0.0.1", "localhost", "::1"):
            yield Finding(f"account {name}", "warning", "base_url is this machine (the sandbox?): nobody is contacted")


def _signs_url(settings: Settings) -> bool:
    return any(source.verify is not None and "url}" in source.verify.signed for source in settings.sources.values())


# --- database and broker --------------------------------------------------------------------------------------------


def _database(url: str) -> Finding:
    try:
        database = Database(url)
        try:
            with database.read() as conn:
                now = revision(conn)
        finally:
            database.close()
    except ConnectorError as fault:
        return Finding("database", "fault", str(fault))
    kind = "SQLite" if database.is_sqlite else "Postgres"
    if now == HEAD:
        return Finding("database", "ok", f"{kind} can be used, its tables are current")
    missing = "has no tables yet" if now is None else f"is at revision {now}, not {HEAD}"
    return Finding("database", "fault", f"{kind} can be reached, but {missing}: run `connector migrate`")


def _other_key(settings: Settings) -> Iterator[Finding]:
    with closing(Database(settings.database_url)) as database, database.read() as conn:
        if forgetting.has_other_key(conn, settings.hash_key):
            yield Finding("environment", "fault", forgetting.OTHER_KEY)
        try:
            do_not_contact.demand_key(conn, settings.hash_key)
        except ConnectorError as fault:
            yield Finding("environment", "fault", str(fault))


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.amqp_url:
        return
    from connector.consumer import broker_reachable

    why = broker_reachable(settings.amqp_url)
    yield Finding("broker", "fault", why) if why else Finding("broker", "ok", "it lets us in")


# --- the vendors' credentials ---------------------------------------------------------------------------------------


def _account(settings: Settings, account: Account) -> Finding:
    """One harmless call, logged and counted as any other, if the quota has room for it."""
    name = f"account {account.name}"
    vendor: Any = VENDORS[account.vendor](account)
    ask, means = _CALLS[account.vendor]
    database = Database(settings.database_url)
    try:
        _, said = calls.ask(
            database,
            account,
            "check",
            lambda deadline: ask(vendor, deadline),
            lambda answer: means(answer, settings),
            timeout_s=LONGEST_S,
        )
        if isinstance(said, Wait):
            return Finding(name, "fault" if _is_blocked(database, account) else "warning", f"not tried: {said.why}")
    except StoreUnavailable as fault:
        return Finding(name, "fault", str(fault))
    finally:
        vendor.close()
        database.close()
    if said.status is None:
        return Finding(name, "fault", f"{urlsplit(account.base_url).netloc}: {said.words}")
    good = said.attempt == "accepted"
    return Finding(name, "ok" if good else "fault", said.words if good else said.block or said.words)


def _is_blocked(database: Database, account: Account) -> bool:
    with database.read() as conn:
        return standing.account(conn, account.name).state == "blocked"


def _wolkvox(answer: Answer, settings: Settings) -> Outcome:
    body = answer.json()
    if not 200 <= wolkvox.code_of(answer, body) < 300 or not isinstance(body, dict):
        return wolkvox.meaning(answer, settings.locale.timezone) or unrecognised(answer)
    row = (rows_of(body) or [{}])[:1]
    used, limit = (row[0].get(key) if row else None for key in ("token_use_today", "token_limit"))
    return delivered(answer, f"the token is known; {used} of {limit} calls used today, by wolkvox's own count")


def _tracksale(answer: Answer, _settings: Settings) -> Outcome:
    if 200 <= answer.status < 300 and isinstance(body := answer.json(), list | dict):
        campaigns = f"; {len(body)} campaigns" if isinstance(body, list) else ""
        return delivered(answer, f"the token is known{campaigns}")
    return tracksale.meaning(answer) or unrecognised(answer)


def _postcenter(answer: Answer, _settings: Settings) -> Outcome:
    return _readable(answer, PostCenter.fault_of(answer), PostCenter.words_of(answer))


def _hubspot(answer: Answer, _settings: Settings) -> Outcome:
    return _readable(answer, HubSpot.fault_of(answer), HubSpot.words_of(answer))


def _meta(answer: Answer, _settings: Settings) -> Outcome:
    return _readable(answer, Meta.fault_of(answer), Meta.words_of(answer))


def _readable(answer: Answer, fault: str, words: str) -> Outcome:
    outcome = classify(answer, fault, words)
    return delivered(answer, "the token is known") if outcome.attempt == "accepted" else outcome


_Call = tuple[Callable[[Any, Deadline], Answer], Callable[[Answer, Settings], Outcome]]

#: vendor -> its harmless call, and what the answer means.
_CALLS: Final[dict[str, _Call]] = {
    "wolkvox": (lambda vendor, deadline: vendor.token_info(deadline=deadline), _wolkvox),
    "tracksale": (lambda vendor, deadline: vendor.campaigns(deadline=deadline), _tracksale),
    "postcenter": (lambda vendor, deadline: vendor.ping(deadline=deadline), _postcenter),
    "hubspot": (lambda vendor, deadline: vendor.contacts(deadline=deadline), _hubspot),
    "meta": (lambda vendor, deadline: vendor.me(deadline=deadline), _meta),
}
