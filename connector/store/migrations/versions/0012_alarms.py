"""what is wrong, and who is told of it"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_CURRENT = sa.text("state IN ('watched', 'begun')")
_TO_TELL = sa.text("state IN ('waiting', 'sending')")


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "alarms",
        sa.Column("id", row_id, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.CheckConstraint("state IN ('watched', 'begun', 'ended')", name="ck_alarms_state"),
        sa.CheckConstraint("severity IN ('warning', 'urgent')", name="ck_alarms_severity"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_alarms_current",
        "alarms",
        ["kind", "about"],
        unique=True,
        sqlite_where=_CURRENT,
        postgresql_where=_CURRENT,
    )
    op.create_table(
        "alarm_notices",
        sa.Column("id", row_id, primary_key=True),
        sa.Column("alarm", sa.BigInteger(), nullable=False),
        sa.Column("addressee", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'replaced', 'failed')", name="ck_alarm_notices_state"
        ),
        sa.CheckConstraint("occasion IN ('begun', 'reminder', 'ended')", name="ck_alarm_notices_occasion"),
        sa.UniqueConstraint("alarm", "addressee", "occasion", "number", name="uq_alarm_notices_once"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_alarm_notices_due", "alarm_notices", ["due_at"], sqlite_where=_TO_TELL, postgresql_where=_TO_TELL
    )
