"""What the packed columns of the outbox spare: ``python -m tests.bench.encodings``. Decision records 0007, 0008, 0014.

Each pair does the same work on SQLite, packed and as plain columns or tables, in turns; what is printed is the median
of the processor time. The last line is for record 0015. It takes some seconds.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ROWS = 100_000
BATCH = 500
TURNS = 9
CONSTRAINED = 1_000_000

Work = Callable[[sqlite3.Connection, int], None]

_COMMON = "id INTEGER PRIMARY KEY, destination TEXT, state TEXT, due_at INTEGER, expires_at INTEGER, attempt INTEGER"
_PACKED = f"""
CREATE TABLE deliveries ({_COMMON}, lane INTEGER, attempts TEXT);
CREATE INDEX due ON deliveries (destination, lane, due_at, id) WHERE state = 'pending';
CREATE INDEX held ON deliveries (attempt) WHERE state IN ('sending', 'uncertain');
CREATE TABLE events (id INTEGER PRIMARY KEY, account TEXT, due_at INTEGER);
CREATE INDEX waits ON events (account, due_at, id);
"""
_PLAIN = f"""
CREATE TABLE deliveries ({_COMMON}, priority INTEGER, stage INTEGER, erase INTEGER);
CREATE INDEX due ON deliveries (destination, priority, stage, due_at, id) WHERE state = 'pending';
CREATE INDEX held ON deliveries (attempt) WHERE state IN ('sending', 'uncertain');
CREATE TABLE members (attempt INTEGER, delivery INTEGER, PRIMARY KEY (delivery, attempt)) WITHOUT ROWID;
CREATE TABLE events (id INTEGER PRIMARY KEY, account TEXT, behind INTEGER, due_at INTEGER);
CREATE INDEX waits ON events (account, behind, due_at, id);
"""
_TAKE = (
    "UPDATE deliveries SET state = 'sending', attempt = :attempt{also} WHERE id IN (SELECT id FROM deliveries"
    " WHERE state = 'pending' AND destination = 'd' AND {lane} AND due_at <= 9 ORDER BY due_at, id LIMIT :batch)"
)
_BACK = "UPDATE deliveries SET state = 'pending' WHERE state IN ('sending', 'uncertain') AND attempt = ?"


@contextmanager
def filled(schema: str, deliveries: str, events: str) -> Iterator[sqlite3.Connection]:
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "bench.db")) as conn:
        conn.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {schema}")
        numbers = ((number,) for number in range(ROWS))
        conn.executemany(f"INSERT INTO deliveries VALUES (?, 'd', 'pending', 1, 99, NULL, {deliveries})", numbers)
        numbers = ((number,) for number in range(ROWS))
        conn.executemany(f"INSERT INTO events VALUES (?, 'a', {events})", numbers)
        conn.commit()
        yield conn


def take(lane: str, also: str = "") -> Work:
    statement = _TAKE.format(lane=lane, also=also)

    def work(conn: sqlite3.Connection, turn: int) -> None:
        conn.execute(statement, {"attempt": turn, "batch": BATCH})

    return work


def take_listed(conn: sqlite3.Connection, turn: int) -> None:
    take("priority = 0 AND stage = 0")(conn, turn)
    held = "state IN ('sending', 'uncertain') AND attempt = ?"
    conn.execute(f"INSERT INTO members SELECT attempt, id FROM deliveries WHERE {held}", (turn,))


def expire(condition: str) -> Work:
    statement = (
        "UPDATE deliveries SET state = 'suppressed' WHERE state IN ('sending', 'uncertain') AND attempt = ?"
        f" AND {condition}"
    )

    def work(conn: sqlite3.Connection, turn: int) -> None:
        take("lane = 0" if "erase" not in condition else "priority = 0 AND stage = 0")(conn, turn)
        conn.execute(statement, (turn,))

    return work


def next_waiting(*statements: str) -> Work:
    def work(conn: sqlite3.Connection, turn: int) -> None:
        for _ in range(BATCH):
            for statement in statements:
                conn.execute(statement).fetchone()

    return work


#: what -> (packed, plain)
WORKS: dict[str, tuple[Work, Work]] = {
    "0008 claim by lane | by priority and stage": (take("lane = 0"), take("priority = 0 AND stage = 0")),
    "0007 claim with the calls as text | as rows": (
        take("lane = 0", ", attempts = attempts || ',' || :attempt"),
        take_listed,
    ),
    "0014 claim and expiry, the mark in expires_at | a column": (
        expire("expires_at <= 9"),
        expire("(expires_at <= 9 OR erase = 1)"),
    ),
    "0014 next thin event, one order | two columns": (
        next_waiting("SELECT due_at, id FROM events WHERE account = 'a' ORDER BY due_at, id LIMIT 1"),
        next_waiting(
            *(
                f"SELECT due_at, id FROM events WHERE account = 'a' AND behind = {behind} ORDER BY due_at, id LIMIT 1"
                for behind in (0, 1)
            )
        ),
    ),
}


def cpu_ms(work: Work, conn: sqlite3.Connection, turn: int) -> float:
    began = time.process_time()
    work(conn, turn)
    spent = (time.process_time() - began) * 1000
    conn.execute(_BACK, (turn,))
    return spent


def compare(packed: Work, plain: Work, one: sqlite3.Connection, other: sqlite3.Connection) -> tuple[float, float]:
    """Medians in ms of processor time, the two taken in turns."""
    pairs = [(cpu_ms(packed, one, turn), cpu_ms(plain, other, turn)) for turn in range(1, TURNS + 1)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def constraint() -> tuple[float, float]:
    """Milliseconds by the clock: a constraint written into the table's text with its proof, and the table rewritten."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "bench.db")) as conn:
        conn.executescript(_PACKED)
        rows = ((number,) for number in range(CONSTRAINED))
        conn.executemany("INSERT INTO deliveries VALUES (?, 'd', 'delivered', 1, 99, 7, 0, ',7')", rows)
        conn.commit()
        began = time.perf_counter()
        conn.execute("SELECT id FROM deliveries WHERE NOT state IN ('pending', 'delivered') LIMIT 1").fetchone()
        proved_ms = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        made = conn.execute("SELECT sql FROM sqlite_master WHERE name = 'deliveries'").fetchone()[0]
        conn.executescript(
            made.replace("TABLE deliveries", "TABLE another")
            + "; INSERT INTO another SELECT * FROM deliveries; DROP TABLE deliveries;"
            " ALTER TABLE another RENAME TO deliveries;"
            " CREATE INDEX due ON deliveries (destination, lane, due_at, id) WHERE state = 'pending';"
        )
        return proved_ms, (time.perf_counter() - began) * 1000


def main() -> None:
    with filled(_PACKED, "0, ''", "1") as one, filled(_PLAIN, "0, 0, 0", "0, 1") as other:
        for name, (packed, plain) in WORKS.items():
            mine, theirs = compare(packed, plain, one, other)
            print(f"{name}: {mine:.2f} ms, {theirs:.2f} ms ({theirs / mine - 1:+.0%})", flush=True)
    proved_ms, rewritten_ms = constraint()
    print(f"0015 constraint on {CONSTRAINED:,} rows, proved | rewritten: {proved_ms:.0f} ms, {rewritten_ms:.0f} ms")


if __name__ == "__main__":
    main()
