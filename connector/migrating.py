"""Alembic, loaded only where there is something to migrate: it takes 10 MB of every process that has it."""

from __future__ import annotations

import alembic.command
import alembic.config
import alembic.util
from sqlalchemy import Connection

from connector.db import MIGRATIONS, first_line
from connector.errors import ConnectorError


def upgrade(conn: Connection) -> None:
    """Brings the tables up to date. Raises `ConnectorError` when they are of a version that is not ours."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    try:
        alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as fault:
        raise ConnectorError(f"the database is of another version: {first_line(fault)}") from fault
