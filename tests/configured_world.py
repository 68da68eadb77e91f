"""Fixtures: the demo's configuration over a database of each kind and the sandbox, driven step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.config import loader
from connector.store.database import Database
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox
from tests.connector_steps import World, environment


@pytest.fixture
def environ(tmp_path: Path, database_url: str, sandbox: Sandbox) -> dict[str, str]:
    """What commands run with."""
    return environment(tmp_path, database_url, sandbox.url)


@pytest.fixture
def world(environ: dict[str, str]) -> Iterator[World]:
    """What they look at."""
    settings = loader.load(environ, destinations=destinations.SPECS)
    database = Database(settings.database_url)
    yield World(settings, database)
    database.close()
