"""the ledger of contacts in the order of deliveries, and found by the beginning of a hash"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_KEY = ("delivery", "attempt", "hash")
_TEXTS = ("day", "week", "zone", "channel", "purpose", "country")


def upgrade() -> None:
    op.drop_index("ix_contacts_delivery", "contacts")
    if op.get_bind().dialect.name == "sqlite":
        _write_again()
    else:
        op.drop_constraint("contacts_pkey", "contacts", type_="primary")
        op.create_primary_key("contacts_pkey", "contacts", [*_KEY])
    op.create_index("ix_contacts_way", "contacts", [sa.text("substr(hash, 1, 7)")], unique=False)


def _write_again() -> None:
    """SQLite changes no primary key of a table that there is."""
    op.rename_table("contacts", "former_contacts")
    table = op.create_table(
        "contacts",
        sa.Column("delivery", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.PrimaryKeyConstraint(*_KEY),
    )
    names = ", ".join(table.c.keys())
    op.execute(f"INSERT INTO contacts ({names}) SELECT {names} FROM former_contacts ORDER BY {', '.join(_KEY)}")
    op.drop_table("former_contacts")
