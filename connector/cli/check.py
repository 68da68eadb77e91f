"""`connector check`: everything that could keep the connector from working, every fault at once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

import click

from connector.admin import contact_findings, problems, spool
from connector.admin.privacy import forget
from connector.cli import app, output, supervisor
from connector.config import environment, live
from connector.core import masking
from connector.core.errors import ConfigError, ConnectorError, StoreUnavailable
from connector.core.quota import Wait
from connector.core.settings import Account, Settings
from connector.core.states import AccountState, AttemptState, Kind
from connector.outbound import budget, calls
from connector.store import accounts, hash_keys, suppression_list
from connector.store.database import HEAD, Database, now_ms, revision
from connector.vendors import VENDORS

LONGEST_S: Final = 20.0  #: one vendor, of the time of a person who waits


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of one check. ``state``: ok | warning | fault | skipped."""

    name: str
    state: str
    message: str


@click.command()
@click.option("--offline", is_flag=True, help="Contact nobody: configuration and environment only.")
@app.json_option
def check(offline: bool, as_json: bool) -> None:
    """Checks settings, database, broker, tokens.

    Every fault at once: also of the environment, and the vendors' credentials.

    \b
    connector check
    connector check --offline
    """
    findings = list(_configured(offline))
    faults = [f for f in findings if f.state == "fault"]
    if as_json:
        output.as_json(
            {"ok": not faults, "checks": [{"name": f.name, "state": f.state, "message": f.message} for f in findings]}
        )
    else:
        output.table(("what", "state", "finding"), [(f.name, f.state, f.message) for f in findings])
        output.line(f"{len(faults)} fault{'s' * (len(faults) != 1)}" if faults else _all_clear(findings))
    sys.exit(1 if faults else 0)


def _all_clear(findings: Sequence[Finding]) -> str:
    warnings = sum(one.state == "warning" for one in findings)
    return "nothing is wrong" + (f"; {warnings} warning{'s' * (warnings != 1)}, see above" if warnings else "")


def _configured(offline: bool) -> Iterator[Finding]:
    try:
        settings = app.settings()
    except ConfigError as fault:
        yield from (Finding("configuration", "fault", line) for line in fault.faults)
        if not offline:
            yield from _without_configuration()
        return
    weak = live.faults(settings, os.environ)
    yield from (Finding("configuration", "fault", line) for line in weak)
    if not weak:
        finding = f"{len(settings.accounts)} accounts, {len(settings.sources)} sources, {len(settings.routes)} routes"
        yield Finding("configuration", "ok", finding)
    yield from _processes()
    yield from _warnings(settings)
    yield from (Finding(*finding) for finding in contact_findings.findings(settings, int(time.time() * 1000)))
    if not offline:
        yield from _contacted(settings)


def _without_configuration() -> Iterator[Finding]:
    """The checks that are possible with a faulty configuration."""
    try:
        url = environment.database_url(os.environ)
    except ConfigError:
        return  # already reported
    yield _database(url)


def _contacted(settings: Settings) -> Iterator[Finding]:
    database = _database(settings.database_url)
    yield database
    if database.state == "ok":
        yield from _other_key(settings)
        yield from _problems(settings)
    yield from _broker(settings)
    yield from _spool(settings)
    for account in settings.accounts.values():
        if database.state != "ok":
            yield Finding(f"account {account.name}", "skipped", "not tried: a call must be counted in the database")
        else:
            yield _account(settings, account)


# --- the environment ------------------------------------------------------------------------------------------------


def _processes() -> Iterator[Finding]:
    """Variables that only `web` and `consume` read."""
    for name in ("WEB_CONCURRENCY", "CONSUMER_CONCURRENCY"):
        try:
            supervisor.number(os.environ, name)
        except ConfigError as fault:
            yield Finding("environment", "fault", str(fault))


def _warnings(settings: Settings) -> Iterator[Finding]:
    warnings = {
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
    yield from (Finding("environment", "warning", line) for line, true in warnings.items() if true)
    if settings.retention is None:
        yield Finding(
            "retention", "warning", 'personal data is kept for ever: add [retention] with purge_after = "90d"'
        )
    for name, source in settings.sources.items():
        if source.is_open:
            yield Finding(f"source {name}", "warning", "verify is none: anybody who knows the address may send")
        if source.is_open and not any(route.sources is None or name in route.sources for route in settings.routes):
            named = f'no route takes its events: name it, sources = ["{name}"], in each route that is to'
            yield Finding(f"source {name}", "warning", named)
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
    if now is None:
        return Finding("database", "skipped", f"{kind} can be reached, but has no tables yet: connector run makes them")
    missing = f"is at revision {now}, not {HEAD}"
    return Finding("database", "fault", f"{kind} can be reached, but {missing}: run `connector migrate`")


def _other_key(settings: Settings) -> Iterator[Finding]:
    with closing(Database(settings.database_url)) as database, database.read() as conn:
        settings = replace(settings, database_key=hash_keys.find(conn, settings))
        if forget.has_other_key(conn, settings.hash_key):
            yield Finding("environment", "fault", forget.OTHER_KEY)
        try:
            suppression_list.demand_key(conn, settings.hash_key)
        except ConnectorError as fault:
            yield Finding("environment", "fault", str(fault))


def _problems(settings: Settings) -> Iterator[Finding]:
    """Urgent problems are faults: no all-clear while there is one."""
    zone = settings.locale.timezone
    with closing(Database(settings.database_url)) as database, database.read() as conn:
        found = problems.problems(conn, settings, now_ms(conn))
    for one in found:
        step = f": {one.next}" if one.next else ""
        yield Finding(one.about, "fault" if one.urgent else "warning", f"{output.local(one.said, zone)}{step}")


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.amqp_url:
        return
    from connector.inbound.rabbitmq.connection import broker_reachable
    from connector.inbound.rabbitmq.trial import queues_refused

    why = broker_reachable(settings.amqp_url)
    yield Finding("broker", "fault", why) if why else Finding("broker", "ok", "it lets us in")
    if not why:
        for source, refusal in queues_refused(settings).items():
            queue = f"queue {settings.sources[source].queue}"
            yield Finding(queue, "fault", refusal) if refusal else Finding(queue, "ok", f"{source} can consume it")


def _spool(settings: Settings) -> Iterator[Finding]:
    """Whether webhooks have a place while the database is away."""
    found = spool.told(settings)
    if found is None:
        return
    state = "fault" if found["fault"] else "warning" if found["waiting"] or found["aside"] else "ok"
    yield Finding("spool", state, spool.in_words(found))


# --- the vendors' credentials ---------------------------------------------------------------------------------------


def _account(settings: Settings, account: Account) -> Finding:
    """One harmless call, logged and counted as any other, if the quota has room for it."""
    name = f"account {account.name}"
    vendor: Any = VENDORS[account.vendor].client(account)
    checked = VENDORS[account.vendor].check
    database = Database(settings.database_url)
    try:
        answer, result = calls.ask(
            database,
            account,
            Kind.CREDENTIALS,
            lambda deadline: checked.ask(vendor, deadline),
            lambda answer: checked.means(answer, settings.locale.timezone),
            timeout_s=LONGEST_S,
        )
        if isinstance(result, Wait):
            return Finding(name, "fault" if _is_blocked(database, account) else "warning", f"not tried: {result.why}")
        counter = VENDORS[account.vendor].counter
        if answer is not None and counter is not None and counter.read is checked.ask:
            budget.keep_answer(database, account, answer)
    except StoreUnavailable as fault:
        return Finding(name, "fault", str(fault))
    finally:
        vendor.close()
        database.close()
    if result.status is None:
        return Finding(name, "fault", f"{urlsplit(account.base_url).netloc}: {masking.of_ours(result.words)}")
    if result.attempt == AttemptState.ACCEPTED:
        return Finding(name, "ok", masking.of_ours(result.words))
    return Finding(name, "fault", masking.reason(result.block) if result.block else masking.of_others(result.words))


def _is_blocked(database: Database, account: Account) -> bool:
    with database.read() as conn:
        return accounts.account(conn, account.name).state == AccountState.BLOCKED
