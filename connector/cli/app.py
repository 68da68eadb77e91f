"""The settings and the database, shared by all commands."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import click

from connector.admin.acts import By
from connector.config import live, loader
from connector.core import at_rest, log, tracing
from connector.core.errors import ConfigError, StoreUnavailable
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.store import hash_keys
from connector.store.database import Database, demand_file, revision
from connector.vendors import destinations

wide_option = click.option("--wide", is_flag=True, help="All columns, however narrow the terminal is.")
#: What `--since` takes, as its help says it.
PAST = "24h (ago), today, yesterday, 10:05, or 2026-11-20T10:00"
#: The same of `--at`.
AHEAD = "2h (from now), 20:00, or 2026-11-28T09:00"
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings(*, only_reads: bool = False) -> Settings:
    """The configuration and the environment; sets up the log. Raises `ConfigError` with every fault."""
    try:
        found = loader.load(os.environ, destinations=destinations.SPECS, only_reads=only_reads)
    except ConfigError as fault:
        if not only_reads:
            raise
        raise ConfigError([*fault.faults, _way_to_read()]) from fault.__cause__
    destinations.places(found)
    log.configure(found.log_level, secrets=found.secrets)
    at_rest.configure(found.data_keys)
    return found


def _way_to_read() -> str:
    """What to do where only something was to be read: the processes are as well as they were before."""
    template = "correct {file} or the environment first; running processes go on with what they read at their start"
    return phrase(template, file=loader.path_of(os.environ))


def starting() -> Settings:
    """The same for a process that receives or sends. Raises `ConfigError` also for settings that must not go live."""
    found = settings()
    if lines := live.faults(found, os.environ):
        raise ConfigError(lines)
    tracing.start(os.environ)
    return found


def keyed(found: Settings) -> Settings:
    """The same with the key of the database's hashes, which is stored from now on."""
    if not found.secret_keys:
        return found
    with contextlib.closing(Database(found.database_url)) as database, database.write(serialise="facts") as conn:
        known = revision(conn) is not None
        return replace(found, database_key=hash_keys.keep(conn, found)) if known else found


def _keyed(found: Settings, database: Database) -> Settings:
    """The same without storing it. Without a database or tables there are no hashes either."""
    try:
        with database.read() as conn:
            known = found.secret_keys and revision(conn) is not None
            return replace(found, database_key=hash_keys.find(conn, found)) if known else found
    except StoreUnavailable:
        return found


def by(why: str = "") -> By:
    """The person who runs this command: CONNECTOR_WHO or the system's user, and why."""
    who = os.environ.get("CONNECTOR_WHO", "").strip()
    if not who:
        try:
            who = getpass.getuser()
        except (OSError, KeyError):  # a user without a name, as containers have
            who = f"uid {os.getuid()}"
    return By(who, why)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The settings and the database of a command."""

    settings: Settings
    database: Database


@contextlib.contextmanager
def opened(*, only_reads: bool = False) -> Iterator[Surroundings]:
    """Settings and database, closed at the end. Missing tables are reported by the query that needs them.

    ``only_reads``: secrets of vendors and senders may be missing.
    """
    found = settings(only_reads=only_reads)
    if only_reads:
        demand_file(found.database_url)
    database = Database(found.database_url)
    try:
        yield Surroundings(_keyed(found, database), database)
    finally:
        database.close()
