"""imported files, and what became of their rows"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "imports",
        sa.Column("id", row_id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("titles", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "import_rows",
        sa.Column("id", row_id, nullable=False),
        sa.Column("upload", row_id, nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("event", row_id, nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("replaced_by", row_id, nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_import_rows_import", "import_rows", ["upload", "line"])
    given = sa.text("event IS NOT NULL")
    op.create_index("ix_import_rows_event", "import_rows", ["event"], sqlite_where=given, postgresql_where=given)
