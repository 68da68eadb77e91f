"""where a person is, how often they were contacted, who else they said no to, and why each contact was allowed"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("place", sa.Text(), nullable=True))
    op.add_column("records", sa.Column("consent", sa.Text(), nullable=True))
    op.add_column("do_not_contact", sa.Column("channels", sa.Text(), nullable=True))
    _contacts()
    _registries()


def _contacts() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "contacts",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("delivery", row_id, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("week", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", "delivery", "attempt"),
    )
    op.create_index("ix_contacts_delivery", "contacts", ["delivery"], unique=False)
    op.create_table(
        "contact_proofs",
        sa.Column("delivery", row_id, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery", "attempt"),
    )


def _registries() -> None:
    op.create_table(
        "registries",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("of", sa.BigInteger(), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("current", sa.Integer(), nullable=False),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "registry_entries",
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("listed", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("registry", "hash"),
        sqlite_with_rowid=False,
    )
