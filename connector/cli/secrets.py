"""`connector secrets`: random values for all secrets."""

from __future__ import annotations

import base64
import os
import re
import secrets as random
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

import mappings
from connector.cli import app, output
from connector.config.loader import DEFAULT_CONFIG

#: Our own, independent of the configuration.
OURS: Final = ("CONNECTOR_SECRET_KEY", "CONNECTOR_DATA_KEY", "CONNECTOR_ADMIN_TOKEN", "CONNECTOR_METRICS_TOKEN")
BYTES: Final = 32
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@click.command()
@app.json_option
def secrets(as_json: bool) -> None:
    """Makes good secrets, and keeps none of them.

    One for each variable of ours, and for each that the configuration names as a sender's secret. Copy the lines that
    you need into the environment: a value that is in use is replaced by writing the new one before the old one, where
    several may stand (secrets = [new, old]; CONNECTOR_SECRET_KEY=new,old, then connector rekey).

    \b
    connector secrets
    connector secrets --json
    """
    values = {name: random.token_hex(BYTES) for name in OURS} | _of_senders()
    if as_json:
        output.as_json(values)
        return
    for name, value in values.items():
        output.line(f"{name}={value}")


def _of_senders() -> dict[str, str]:
    """For each sender whose secret we choose, in the form of its scheme."""
    values: dict[str, str] = {}
    for table in _sources().values():
        verify = table.get("verify") if isinstance(table, dict) else None
        if not isinstance(verify, dict):
            continue
        mapping = mappings.PAYLOADS.get(str(table.get("mapping", "")))
        if mapping is None or not mapping.sender.makes_secret:
            for text in _texts(verify.get("secrets")):
                values |= {name: _value(verify, text) for name in _VARIABLE.findall(text)}
        values |= {name: random.token_hex(BYTES) for name in _VARIABLE.findall(str(verify.get("handshake", "")))}
    return values


def _sources() -> Mapping[str, Any]:
    """The sources in the file, which need not be complete for this."""
    try:
        path = Path(os.environ.get("CONNECTOR_CONFIG") or DEFAULT_CONFIG)
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("sources")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _value(verify: Mapping[str, Any], text: str) -> str:
    scheme = mappings.PROOFS.get(str(verify.get("scheme")), {}).get("scheme", verify.get("scheme"))
    if scheme == "standard-webhooks":
        return "whsec_" + base64.b64encode(random.token_bytes(BYTES)).decode()
    whole = scheme == "basic" and ":" not in text
    return ("connector:" if whole else "") + random.token_hex(24)
