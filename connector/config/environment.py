"""The environment variables outside the file: database, broker, port, keys, log level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from connector.config.faults import Faults
from connector.core.errors import ConfigError
from connector.core.settings import Secret
from connector.core.text import did_you_mean, is_url, listed, quote

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]+))?")
DEFAULT_DATABASE_URL = "sqlite:///var/connector.db"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def database_url(environ: Mapping[str, str]) -> str:
    """The address of the store, as SQLAlchemy wants it: all that ``connector migrate`` needs. Raises `ConfigError`."""
    faults = Faults()
    url = _database_url(environ, faults)
    if lines := faults.lines():
        raise ConfigError(lines)
    return url


def read_environment(environ: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    return {
        "database_url": _database_url(environ, faults),
        "amqp_url": Secret(_amqp_url(environ, faults)),
        "port": _port(environ, faults),
        "admin_token": Secret(environ.get("CONNECTOR_ADMIN_TOKEN", "")),
        "metrics_token": Secret(environ.get("CONNECTOR_METRICS_TOKEN", "")),
        "data_key": Secret(environ.get("CONNECTOR_DATA_KEY", "")),
        "secret_key": Secret(environ.get("CONNECTOR_SECRET_KEY", "")),
        "public_url": _public_url(environ, faults),
        "log_level": _log_level(environ, faults),
    }


def _database_url(environ: Mapping[str, str], faults: Faults) -> str:
    text = environ.get("DATABASE_URL") or DEFAULT_DATABASE_URL
    try:
        url = make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", _with_all_hosts(text)))
    except (ArgumentError, ValueError):
        faults.add(
            ("DATABASE_URL",), "is no address: write postgres://user:password@host/name or sqlite:///var/name.db"
        )
        return ""
    if fault := _database_fault(url, environ):
        faults.add(("DATABASE_URL",), fault)
    return url.render_as_string(hide_password=False)


def _with_all_hosts(text: str) -> str:
    """Several servers in libpq's way (``//user@one:5432,two:5432/name``), written so that SQLAlchemy reads them too."""
    scheme, separator, rest = text.partition("://")
    place, slash, path = rest.partition("/")
    account, at, hosts = place.rpartition("@")
    if "," not in hosts:
        return text
    found = [_HOST.fullmatch(one) for one in hosts.split(",")]
    if None in found:
        raise ValueError("no host and port")
    names, ports = zip(*((one[1].strip("[]"), one[2] or "5432") for one in found if one), strict=True)
    name, mark, query = path.partition("?")
    several = f"host={','.join(names)}&port={','.join(ports)}"
    return f"{scheme}{separator}{account}{at}{slash}{name}?{several}{'&' if mark else ''}{query}"


def _database_fault(url: URL, environ: Mapping[str, str]) -> str:
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if environ.get("DYNO") and environ.get("CONNECTOR_ALLOW_SQLITE") != "1":
            return (
                "a dyno loses its disk every day, and SQLite's leads with it: add a Postgres database"
                " (or set CONNECTOR_ALLOW_SQLITE=1 to lose them knowingly)"
            )
        if not url.database or url.database == ":memory:":
            return "names no file, and what is only in memory is lost: write sqlite:///var/connector.db"
    elif url.drivername != "postgresql+psycopg":
        return "is neither Postgres nor SQLite: write postgres://user:password@host/name or sqlite:///var/name.db"
    elif not url.database:
        return "names no database: write postgres://user:password@host/name"
    return ""


def _amqp_url(environ: Mapping[str, str], faults: Faults) -> str:
    variable = "AMQP_URL" if environ.get("AMQP_URL") else "CLOUDAMQP_URL"
    url = environ.get(variable, "")
    if url and not is_url(url, "amqp", "amqps"):
        faults.add((variable,), "is no broker's address: write amqp://user:password@host/vhost (or amqps://)")
    return url


def _port(environ: Mapping[str, str], faults: Faults) -> int:
    text = environ.get("PORT") or "8000"
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        faults.add(("PORT",), f"{quote(text)} is no port: write a number up to 65535")
        return 0
    return int(text)


def _public_url(environ: Mapping[str, str], faults: Faults) -> str:
    url = environ.get("CONNECTOR_PUBLIC_URL", "").rstrip("/")
    if url and not is_url(url, "https", "http"):
        faults.add(("CONNECTOR_PUBLIC_URL",), "is no address: write https://host as senders see it")
    return url


def _log_level(environ: Mapping[str, str], faults: Faults) -> str:
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in _LEVELS:
        faults.add(("LOG_LEVEL",), f"{quote(level)} is none of {listed(_LEVELS)}{did_you_mean(level, _LEVELS)}")
    return level
