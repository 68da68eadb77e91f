"""The configuration file and the environment, checked whole: `load` gives `Settings`, or every fault at once."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.config import own_senders
from connector.config.environment import read_environment
from connector.config.faults import Faults
from connector.config.references import refuse_queues_without_broker
from connector.config.shapes import DestinationSpec, text_of
from connector.config.spool import read_spool
from connector.config.tables import read_tables
from connector.core.errors import ConfigError
from connector.core.settings import Settings, Source

DEFAULT_CONFIG = "config/connector.toml"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def path_of(environ: Mapping[str, str]) -> str:
    """The file that the environment names."""
    return environ.get("CONNECTOR_CONFIG") or DEFAULT_CONFIG


def load(
    environ: Mapping[str, str],
    *,
    config_path: str | None = None,
    destinations: Mapping[str, DestinationSpec],
    only_reads: bool = False,
) -> Settings:
    """The configuration at ``config_path``, else ``CONNECTOR_CONFIG``, else config/connector.toml, with its variables.

    ``only_reads``: nothing is sent or received with it; tokens and senders' secrets that are not set may be missing.
    Raises `ConfigError` with every fault of file and environment.
    """
    faults = Faults()
    surroundings = read_environment(environ, faults)
    path = config_path or path_of(environ)
    document, config_hash = _document(path, faults)
    own_senders.load(path)
    document = _fill(document, environ, faults, only_reads=only_reads)
    parts = read_tables(document, destinations, faults)
    has_broker, on_dyno = bool(surroundings["amqp_url"]), bool(environ.get("DYNO"))
    spool = read_spool(document, has_broker=has_broker, on_dyno=on_dyno, faults=faults)
    if not surroundings["amqp_url"]:
        refuse_queues_without_broker(document, faults)
    if not surroundings["public_url"]:
        _refuse_signed_urls(parts["sources"], faults)
    if "retention" in document and not surroundings["secret_key"] and not only_reads:
        faults.add(("retention",), "needs CONNECTOR_SECRET_KEY: without it what is kept of a person could be guessed")
    if parts["console"] and parts["console"].enabled and not surroundings["secret_key"] and not only_reads:
        faults.add(("console", "enabled"), "needs CONNECTOR_SECRET_KEY: sessions are signed with it")
    if lines := faults.lines():
        raise ConfigError(lines)
    return Settings(**parts, **surroundings, spool=spool, config_hash=config_hash)


def _document(path: str, faults: Faults) -> tuple[dict[str, Any], str]:
    """The file, and a hash by which a process knows that it runs with another one."""
    try:
        content = Path(path).read_bytes()
        document = tomllib.loads(content.decode().replace("\r\n", "\n"))
    except OSError as error:
        fault = (error.strerror or "cannot be read").lower()
        faults.add((path,), f"{fault}: name the configuration file in CONNECTOR_CONFIG")
    except tomllib.TOMLDecodeError as error:
        faults.add((path,), f"is not TOML: {str(error).splitlines()[0]}")
    except (UnicodeDecodeError, ValueError, RecursionError):
        faults.add((path,), "is not TOML: save it as UTF-8 text")
    else:
        return document, hashlib.sha256(content).hexdigest()[:12]
    return {}, ""


def _fill(
    document: dict[str, Any], environ: Mapping[str, str], faults: Faults, *, only_reads: bool = False
) -> dict[str, Any]:
    """The document with every ``${NAME}`` replaced."""
    faults.name_routes(tuple(text_of(route, "name") for route in _tables(document)))
    known = _Stand(environ) if only_reads else environ
    filled: dict[str, Any] = _filled(document, (), known, faults)
    return filled


class _Stand(dict[str, str]):
    """An environment in which secrets may be missing."""


def _stand_in(name: str) -> str:
    """A stand-in for a secret that is not set: valid for every scheme but basic, unknown to senders and vendors."""
    text = f"{name} is not set here".encode()
    return "whsec_" + text.hex().ljust(len(text) * 2 + len(text) % 2 * 2, "0")  # base64 without padding, + and /


def _with_user(verify: dict[str, Any]) -> dict[str, Any]:
    """The table of a source with scheme basic, whose secrets read user:password."""
    secrets = verify.get("secrets")
    if not isinstance(secrets, list):
        return verify
    return verify | {
        "secrets": [f"user:{one}" if isinstance(one, str) and one.startswith("whsec_") else one for one in secrets]
    }


def _filled(value: Any, place: tuple[str | int, ...], environ: Mapping[str, str], faults: Faults) -> Any:
    if isinstance(value, dict):
        filled = {key: _filled(inner, (*place, key), environ, faults) for key, inner in value.items()}
        return _with_user(filled) if isinstance(environ, _Stand) and filled.get("scheme") == "basic" else filled
    if isinstance(value, list):
        return [_filled(inner, (*place, index), environ, faults) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(found: re.Match[str]) -> str:
        name, text = found[1], environ.get(found[1], "")
        is_secret = place[-1] in ("token", "handshake") or place[-2:-1] == ("secrets",)
        if not text.strip() and is_secret and isinstance(environ, _Stand):
            text = _stand_in(name)
        if not text.strip() and place[:2] == ("alarms", "to") and isinstance(environ, _Stand):
            text = _stand_in(name) if place[-1] == "secret" else "https://not-set.invalid"
        if not text.strip():
            fault = "is empty" if name in environ else "is not set"
            faults.add_unset(place, f"{found[0]} {fault}: write it into .env, or export it")
            return found[0]
        faults.hide(name, text)
        return text

    if "${" in _VARIABLE.sub("", value):
        faults.add_unset(place, "holds ${ without a name and }: write ${NAME}, with letters, digits and _")
    return _VARIABLE.sub(variable, value)


def _tables(document: Mapping[str, Any]) -> list[Any]:
    routes = document.get("routes", [])
    return routes if isinstance(routes, list) else []


def _refuse_signed_urls(sources: Mapping[str, Source | None], faults: Faults) -> None:
    """A signed address must not be composed from the Host header, which anybody can write."""
    for name, source in sources.items():
        verify = source.verify if source else None
        if verify and verify.scheme == "hmac" and ("{url}" in verify.signed or "{decoded_url}" in verify.signed):
            fault = "signs the address it calls: set CONNECTOR_PUBLIC_URL to https://host as the sender writes it"
            faults.add(("sources", name, "verify"), fault)
