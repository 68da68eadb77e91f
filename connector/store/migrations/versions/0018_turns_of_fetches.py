"""whose turn a fetch takes"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("fetched_source", sa.Text(), nullable=True))
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_events_waiting_turn",
        "events",
        ["account", "source", "due_at", "id"],
        unique=False,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
