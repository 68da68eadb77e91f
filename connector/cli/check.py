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
from connector.core.errors import ConfigError, ConnectorError, StoreUnavailable, said_of
from connector.core.phrases import joined, mapped, phrase, plural
from connector.core.quota import Wait
from connector.core.settings import Account, Settings
from connector.core.states import AccountState, AttemptState, Kind
from connector.outbound import budget, calls
from connector.store import accounts, hash_keys, suppression_list
from connector.store.database import HEAD, Database, now_ms, revision
from connector.vendors import VENDORS

CONFIGURATION: Final = phrase("configuration")
ENVIRONMENT: Final = phrase("environment")
DATABASE: Final = phrase("database")
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
        output.table(
            (phrase("what"), phrase("state"), phrase("finding")),
            [(f.name, _word(f.state), f.message) for f in findings],
        )
        output.line(plural("{number} fault", "{number} faults", len(faults)) if faults else _all_clear(findings))
    sys.exit(1 if faults else 0)


def _all_clear(findings: Sequence[Finding]) -> str:
    warnings = sum(one.state == "warning" for one in findings)
    if not warnings:
        return phrase("nothing is wrong")
    one = "nothing is wrong; {number} warning, see above"
    return plural(one, "nothing is wrong; {number} warnings, see above", warnings)


def _word(state: str) -> str:
    """The state of a finding as a word that another language can say."""
    words = {"ok": "ok", "warning": phrase("warning"), "fault": phrase("fault"), "skipped": phrase("skipped")}
    return words[state]


def _configured(offline: bool) -> Iterator[Finding]:
    try:
        settings = app.settings()
    except ConfigError as fault:
        yield from (Finding(CONFIGURATION, "fault", line) for line in fault.faults)
        if not offline:
            yield from _without_configuration()
        return
    weak = live.faults(settings, os.environ)
    yield from (Finding(CONFIGURATION, "fault", line) for line in weak)
    if not weak:
        facts = {"accounts": settings.accounts, "sources": settings.sources, "routes": settings.routes}
        template = "accounts: {accounts}, sources: {sources}, routes: {routes}"
        yield Finding(CONFIGURATION, "ok", phrase(template, **{name: len(found) for name, found in facts.items()}))
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
            yield Finding(
                _account_named(account.name), "skipped", phrase("not tried: a call must be counted in the database")
            )
        else:
            yield _account(settings, account)


# --- the environment ------------------------------------------------------------------------------------------------


def _processes() -> Iterator[Finding]:
    """Variables that only `web` and `consume` read."""
    for name in ("WEB_CONCURRENCY", "CONSUMER_CONCURRENCY"):
        try:
            supervisor.number(os.environ, name)
        except ConfigError as fault:
            yield Finding(ENVIRONMENT, "fault", said_of(fault))


def _warnings(settings: Settings) -> Iterator[Finding]:
    found = {
        phrase(
            "CONNECTOR_SECRET_KEY is not set: hashes of phones and e-mails can be guessed; set it once, and keep it"
        ): not settings.secret_key,
        phrase("CONNECTOR_ADMIN_TOKEN is not set: /api is closed"): not settings.admin_token,
        phrase("SQLite serves the processes of one machine; several machines need Postgres in DATABASE_URL"): (
            settings.database_url.startswith("sqlite")
        ),
        phrase("the disk of a dyno is lost every day, and SQLite's leads with it"): (
            settings.database_url.startswith("sqlite") and bool(os.environ.get("DYNO"))
        ),
        phrase(
            "CONNECTOR_PUBLIC_URL is not set, and a source signs the URL: behind a proxy its signatures will not match"
        ): not settings.public_url and _signs_url(settings),
    }
    yield from (Finding(ENVIRONMENT, "warning", line) for line, true in found.items() if true)
    if settings.retention is None:
        template = 'personal data is kept for ever: add [retention] with purge_after = "90d"'
        yield Finding(phrase("retention"), "warning", phrase(template))
    for name, source in settings.sources.items():
        if source.is_open:
            yield Finding(
                _source_named(name), "warning", phrase("verify is none: anybody who knows the address may send")
            )
        if source.is_open and not any(route.sources is None or name in route.sources for route in settings.routes):
            template = 'no route takes its events: name it, sources = ["{name}"], in each route that is to'
            yield Finding(_source_named(name), "warning", phrase(template, name=name))
    for name, account in settings.accounts.items():
        if urlsplit(account.base_url).hostname in ("127.0.0.1", "localhost", "::1"):
            here = phrase("base_url is this machine (the sandbox?): nobody is contacted")
            yield Finding(_account_named(name), "warning", here)


def _account_named(name: str) -> str:
    return phrase("account {name}", name=name)


def _source_named(name: str) -> str:
    return phrase("source {name}", name=name)


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
        return Finding(DATABASE, "fault", said_of(fault))
    kind = "SQLite" if database.is_sqlite else "Postgres"
    if now == HEAD:
        return Finding(DATABASE, "ok", phrase("{kind} can be used, its tables are current", kind=kind))
    if now is None:
        template = "{kind} can be reached, but has no tables yet: connector run makes them"
        return Finding(DATABASE, "skipped", phrase(template, kind=kind))
    template = "{kind} can be reached, but is at revision {now}, not {head}: run `connector migrate`"
    return Finding(DATABASE, "fault", phrase(template, kind=kind, now=now, head=HEAD))


def _other_key(settings: Settings) -> Iterator[Finding]:
    with closing(Database(settings.database_url)) as database, database.read() as conn:
        settings = replace(settings, database_key=hash_keys.find(conn, settings))
        if forget.has_other_key(conn, settings.hash_key):
            yield Finding(ENVIRONMENT, "fault", forget.OTHER_KEY)
        try:
            suppression_list.demand_key(conn, settings.hash_key)
        except ConnectorError as fault:
            yield Finding(ENVIRONMENT, "fault", said_of(fault))


def _problems(settings: Settings) -> Iterator[Finding]:
    """Urgent problems are faults: no all-clear while there is one."""
    zone = settings.locale.timezone
    with closing(Database(settings.database_url)) as database, database.read() as conn:
        found = problems.problems(conn, settings, now_ms(conn))
    for one in found:
        yield Finding(
            one.about,
            "fault" if one.urgent else "warning",
            mapped(joined([one.said, one.next], ": "), lambda text: output.local(text, zone)),
        )


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.amqp_url:
        return
    from connector.inbound.rabbitmq.connection import broker_reachable
    from connector.inbound.rabbitmq.trial import queues_refused

    why = broker_reachable(settings.amqp_url)
    yield Finding(phrase("broker"), "fault", why) if why else Finding(phrase("broker"), "ok", phrase("it lets us in"))
    if not why:
        for source, refusal in queues_refused(settings).items():
            queue = phrase("queue {name}", name=settings.sources[source].queue)
            text = refusal or phrase("{source} can consume it", source=source)
            yield Finding(queue, "fault" if refusal else "ok", text)


def _spool(settings: Settings) -> Iterator[Finding]:
    """Whether webhooks have a place while the database is away."""
    found = spool.state(settings)
    if found is None:
        return
    state = "fault" if found["fault"] else "warning" if found["waiting"] or found["aside"] else "ok"
    yield Finding(phrase("spool"), state, spool.in_words(found))


# --- the vendors' credentials ---------------------------------------------------------------------------------------


def _account(settings: Settings, account: Account) -> Finding:
    """One harmless call, logged and counted as any other, if the quota has room for it."""
    name = _account_named(account.name)
    vendor: Any = VENDORS[account.vendor].client(account)
    checked = VENDORS[account.vendor].check
    database = Database(settings.database_url)
    try:
        answer, result = calls.make_call(
            database,
            account,
            Kind.CREDENTIALS,
            lambda deadline: checked.ask(vendor, deadline),
            lambda answer: checked.means(answer, settings.locale.timezone),
            timeout_s=LONGEST_S,
        )
        if isinstance(result, Wait):
            state = "fault" if _is_blocked(database, account) else "warning"
            return Finding(name, state, phrase("not tried: {why}", why=result.why))
        counter = VENDORS[account.vendor].counter
        if answer is not None and counter is not None and counter.read is checked.ask:
            budget.keep_answer(database, account, answer)
    except StoreUnavailable as fault:
        return Finding(name, "fault", said_of(fault))
    finally:
        vendor.close()
        database.close()
    if result.status is None:
        return Finding(name, "fault", joined([urlsplit(account.base_url).netloc, masking.of_ours(result.words)], ": "))
    if result.attempt == AttemptState.ACCEPTED:
        return Finding(name, "ok", masking.of_ours(result.words))
    return Finding(name, "fault", masking.reason(result.block) if result.block else masking.of_others(result.words))


def _is_blocked(database: Database, account: Account) -> bool:
    with database.read() as conn:
        return accounts.account(conn, account.name).state == AccountState.BLOCKED
