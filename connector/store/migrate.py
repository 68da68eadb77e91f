"""Creates and upgrades the tables, with Alembic."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connector.core.errors import ConnectorError, first_line
from connector.core.phrases import phrase
from connector.store.database import HEAD, MIGRATIONS, Database, revision


def migrate(url: str) -> None:
    """Creates or upgrades the tables; does nothing when they are current. Safe to run by several at once."""
    database = Database(url)
    try:
        with database.write(serialise="migrate") as conn:
            if revision(conn) != HEAD:
                _upgrade(conn)
    except SQLAlchemyError as fault:
        raise ConnectorError(phrase("the database could not be migrated: {why}", why=first_line(fault))) from fault
    finally:
        database.close()


def _upgrade(conn: Connection) -> None:
    # Alembic takes 10 MB of memory, so it is imported only if there is something to migrate.
    import alembic.command
    import alembic.config
    import alembic.util

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = conn
    try:
        alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as fault:
        raise ConnectorError(phrase("the database is of another version: {why}", why=first_line(fault))) from fault
