"""keys that events are looked for by"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "search_keys",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("event", row_id, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("hash", "event"),
    )
