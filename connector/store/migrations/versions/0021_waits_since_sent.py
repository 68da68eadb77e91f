"""waits since the sender's own time"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hours", sa.Column("sent_waits", sa.Text(), nullable=True))
