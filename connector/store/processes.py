"""The running processes: each writes a row, and a sign of life every few seconds. Queries only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from connector.store.database import insert_rows
from connector.store.prepared import Prepared
from connector.store.tables import processes

BEAT_MS: Final = 10_000  #: between two signs of life
ALIVE_MS: Final = 35_000  #: a process without a sign of life for this long counts as gone: three are missed
KEPT_MS: Final = 7 * 24 * 3600 * 1000  #: how long an ended one is kept

_process = processes.c


class Role(StrEnum):
    """The work of a process. One process may have several roles."""

    WEB = "web"
    WORKER = "worker"
    CONSUMER = "consumer"
    POLLER = "poller"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. Times in unix ms; ``stopped_at``: it ended in order."""

    id: str
    roles: tuple[Role, ...]
    host: str
    pid: int
    version: str
    config: str  #: hash of the configuration file that it runs with
    since: int
    seen_at: int
    stopped_at: int | None = None

    def alive(self, now: int) -> bool:
        return self.stopped_at is None and self.seen_at > now - ALIVE_MS


def beat(conn: Connection, process: Process, now: int) -> None:
    """Writes a sign of life; the row is made if it is missing."""
    if _BEAT.change(conn, {"of": process.id, "now": now}) == 1:
        return
    row = {
        "id": process.id,
        "roles": " ".join(process.roles),
        "host": process.host,
        "pid": process.pid,
        "version": process.version,
        "config": process.config,
        "since": now,
        "seen_at": now,
        "stopped_at": None,
    }
    insert_rows(conn, processes, [row])
    conn.execute(delete(processes).where(_process.seen_at < now - KEPT_MS))


_BEAT: Final = Prepared(
    update(processes).where(_process.id == bindparam("of")).values(seen_at=bindparam("now"), stopped_at=None)
)


def stopped(conn: Connection, id: str, now: int) -> None:
    conn.execute(update(processes).where(_process.id == id).values(seen_at=now, stopped_at=now))


def gone(found: Sequence[Process], now: int) -> list[Process]:
    """The ones that ended without having been stopped, and that no other process replaces.

    A process replaces, in each of its roles, one whose last sign is older than its own start. So, once others run,
    nobody misses the processes of a backup's time, nor one that was killed and started again.
    """
    starts = {role: sorted(one.since for one in found if role in one.roles) for role in Role}
    missed = []
    for one in sorted(found, key=lambda one: one.seen_at):
        if one.stopped_at is not None or one.alive(now):
            continue
        later = {role: next((since for since in starts[role] if since > one.seen_at), None) for role in one.roles}
        for role, since in later.items():
            if since is not None:
                starts[role].remove(since)
        if None in later.values():
            missed.append(one)
    return missed


def every(conn: Connection) -> Sequence[Process]:
    """The processes of the last days, the newest sign first."""
    rows = conn.execute(select(processes).order_by(_process.seen_at.desc(), _process.id)).all()
    return [
        Process(
            id=row.id,
            roles=tuple(Role(role) for role in row.roles.split()),
            host=row.host,
            pid=row.pid,
            version=row.version,
            config=row.config,
            since=row.since,
            seen_at=row.seen_at,
            stopped_at=row.stopped_at,
        )
        for row in rows
    ]
