"""whose turn a delivery takes, what sources used of an account's day, and events that wait for their source's limit"""

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("released_at", sa.BigInteger(), nullable=True))
    op.add_column("deliveries", sa.Column("turn", sa.Integer(), nullable=True))
    op.add_column("destinations", sa.Column("claimed_turn", sa.Integer(), nullable=True))
    op.create_table(
        "source_calls",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.SmallInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "source", "at", "attempt"),
    )
    op.create_index("ix_source_calls_attempt", "source_calls", ["attempt"], unique=False)
    _number_waiting()
    waiting, limited = sa.text("state = 'pending'"), sa.text("released_at IS NOT NULL")
    op.create_index(
        "ix_deliveries_turn",
        "deliveries",
        ["destination", "lane", "turn", "due_at", "id"],
        unique=False,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index(
        "ix_events_released",
        "events",
        ["source", "released_at", "id"],
        unique=False,
        sqlite_where=limited,
        postgresql_where=limited,
    )


def _number_waiting() -> None:
    """What waits gets its source's number; what is settled takes no turn any more."""
    conn = op.get_bind()
    sources = "SELECT DISTINCT source FROM events WHERE id IN (SELECT event FROM deliveries WHERE state = 'pending')"
    for (source,) in conn.execute(sa.text(sources)).all():
        conn.execute(
            sa.text(
                "UPDATE deliveries SET turn = :turn WHERE state = 'pending'"
                " AND event IN (SELECT id FROM events WHERE source = :source)"
            ),
            {"turn": zlib.crc32(source.encode()) & 0x7FFF_FFFF, "source": source},
        )
