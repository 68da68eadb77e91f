"""the rule of a delivery's numbers, people called by country, all phones of a person, turns of pre-checks"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("destinations", sa.Column("checked_turn", sa.Integer(), nullable=True))
    op.add_column("deliveries", sa.Column("rule", sa.Integer(), nullable=True))
    op.create_table(
        "country_calls",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "at", "attempt", "country", "source"),
    )
    op.create_index("ix_country_calls_attempt", "country_calls", ["attempt"], unique=False)
    op.create_table(
        "once_keys",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column(
            "delivery", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("hash", "delivery"),
    )
    op.create_index("ix_once_keys_delivery", "once_keys", ["delivery"], unique=False)
