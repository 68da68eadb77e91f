"""Alembic's entry: runs on the connection that `connector.store.migrate` hands over."""

from alembic import context

from connector.store.tables import metadata


def run() -> None:
    """Runs the migrations that Alembic chose."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # Alembic's own only while it migrates: a plain import changes nothing
    run()
