"""where and why deliveries ended badly, in the index that leads to them"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TROUBLED = sa.text("state IN ('uncertain', 'suppressed', 'dead')")


def upgrade() -> None:
    op.drop_index("ix_deliveries_troubled", "deliveries")
    op.create_index(
        "ix_deliveries_troubled",
        "deliveries",
        ["state", "updated_at", "id", "destination", "reason_code"],
        unique=False,
        sqlite_where=TROUBLED,
        postgresql_where=TROUBLED,
    )
