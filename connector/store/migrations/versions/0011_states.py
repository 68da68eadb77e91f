"""which states there are

SQLite has no statement that adds a constraint. Its documents allow to write one into the table's own text, where the
rows that are there keep to it: no row is written, however many there are. See docs/adr/0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_STATES = {
    "events": ("accepted", "waiting", "ignored", "invalid"),
    "deliveries": ("pending", "sending", "delivered", "uncertain", "suppressed", "dead"),
    "attempts": ("started", "accepted", "rejected", "not_sent", "unknown"),
    "accounts": ("open", "paused", "blocked"),
    "destinations": ("open", "stopped"),
    "lots": ("draft", "fired", "discarded", "gone"),
}


def upgrade() -> None:
    conditions = {table: _condition(states) for table, states in _STATES.items()}
    if op.get_bind().dialect.name == "sqlite":
        _write_into_sqlite(conditions)
        return
    for table, condition in conditions.items():
        op.create_check_constraint(f"ck_{table}_state", table, sa.text(condition))


def _condition(states: tuple[str, ...]) -> str:
    return f"state IN ({', '.join(repr(state) for state in states)})"


def _write_into_sqlite(conditions: dict[str, str]) -> None:
    conn = op.get_bind()
    for table, condition in conditions.items():
        wrong = conn.execute(sa.text(f"SELECT state FROM {table} WHERE NOT {condition} LIMIT 1")).scalar()
        if wrong is not None:
            raise ValueError(f"{table} holds a row in the state {wrong!r}, which no release knows")
    version = conn.execute(sa.text("PRAGMA schema_version")).scalar_one()
    conn.execute(sa.text("PRAGMA writable_schema = ON"))
    for table, condition in conditions.items():
        made = conn.execute(sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :t"), {"t": table})
        body, end = made.scalar_one().rstrip().removesuffix(")"), ")"
        said = f"{body.rstrip()}, \n\tCONSTRAINT ck_{table}_state CHECK ({condition})\n{end}"
        conn.execute(
            sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :t"), {"sql": said, "t": table}
        )
    conn.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    conn.execute(sa.text("PRAGMA writable_schema = OFF"))
