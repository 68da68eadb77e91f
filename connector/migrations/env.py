"""Alembic's entry: runs on the connection that `connector.db.migrate` hands over."""

from alembic import context

from connector.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
