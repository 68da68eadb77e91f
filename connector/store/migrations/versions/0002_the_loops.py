"""what the loops between the vendors remember"""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _followers() -> None:
    """Deliveries that wait for another one, and what a vendor answered for them."""
    op.add_column("records", sa.Column("after", sa.Text(), nullable=True))
    op.add_column("records", sa.Column("result", sa.Text(), nullable=True))


def _lots() -> None:
    """Draft lots, and the campaign report as it was read."""
    op.add_column("campaign_reports", sa.Column("rows", sa.Text(), nullable=True))
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "lots",
        sa.Column("id", row_id, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("asked_until", sa.BigInteger(), nullable=True),
        sa.Column("fires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "campaign", "code", name="uq_lots_code"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lot_deliveries",
        sa.Column("delivery", row_id, autoincrement=False, nullable=False),
        sa.Column("lot", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("delivery"),
    )
    op.create_index("ix_lot_deliveries_lot", "lot_deliveries", ["lot"], unique=False)


def _polls() -> None:
    """Where each poller is."""
    op.create_table(
        "polls",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )


def _people() -> None:
    """Who must not be contacted, and what is checked before a person is."""
    op.add_column("records", sa.Column("contacts", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("checked_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "do_not_contact",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )


def _forgetting() -> None:
    """What is left of what was forgotten."""
    op.add_column("events", sa.Column("forgotten_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "forgetting",
        sa.Column("event", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("erase", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event"),
    )
    op.create_index(
        "ix_attempts_about",
        "attempts",
        ["about"],
        unique=False,
        sqlite_where=sa.text("about IS NOT NULL"),
        postgresql_where=sa.text("about IS NOT NULL"),
    )


def _budgets() -> None:
    """How a day's calls are spread, and what a vendor says of the budget that is used."""
    for name, type_ in (
        ("live_credit", sa.Float()),
        ("bulk_credit", sa.Float()),
        ("credit_at", sa.BigInteger()),
        ("rate", sa.Float()),
        ("rate_at", sa.BigInteger()),
        ("others", sa.Integer()),
        ("told_limit", sa.Integer()),
        ("told_at", sa.BigInteger()),
        ("ask_at", sa.BigInteger()),
    ):
        op.add_column("accounts", sa.Column(name, type_, nullable=True))


_STEPS: tuple[Callable[[], None], ...] = (_followers, _lots, _polls, _people, _forgetting, _budgets)


def upgrade() -> None:
    for step in _STEPS:
        step()
