"""Pending deliveries follow the configuration: when their route leads elsewhere, they go there."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from connector.core.log import get
from connector.core.settings import Route, Settings
from connector.outbound.guards import GUARDS
from connector.store import chains, outbox, processes
from connector.store.database import Database, now_ms
from connector.store.processes import Role
from connector.vendors.destinations import Places, name_of

log = get("routes")


def follow(conn: Connection, routes: Iterable[Route], found: Places, now: int) -> int:
    """Moves what waits at a former destination of these routes to the current one. Returns how many deliveries."""
    count = 0
    for route in routes:
        for guard in GUARDS:
            guard.follow(conn, found[route.account][name_of(route)], route, now)
        moved = outbox.follow_route(conn, route.name, route.account, route.to, name_of(route))
        if waiting_for := chains.follow(conn, route.name, name_of(route), route.after):
            log.info(
                "blocked deliveries follow their route to another one before it", route=route.name, count=waiting_for
            )
        if moved:
            log.info("pending deliveries follow their route", route=route.name, count=moved)
        count += moved
    return count


def gather(settings: Settings, database: Database, found: Places) -> int:
    """Finds what came to wait at a destination that this configuration does not have, after its worker had started.

    A process of the former configuration stored it, or a call of before came back. Returns how many were moved. A
    worker that still runs with a former configuration moves nothing: it would undo what the newest has corrected.
    """
    served = [name for some in found.values() for name in some]
    with database.read() as conn:
        strays = outbox.routes_elsewhere(conn, served)
    routes = [route for route in settings.routes if _follows(route, strays)]
    if not routes:
        return 0
    with database.write(serialise="prepare") as conn:
        now = now_ms(conn)
        return follow(conn, routes, found, now) if _is_newest(conn, settings, now) else 0


def _follows(route: Route, strays: Collection[tuple[str, str]]) -> bool:
    """Whether something of this route is among the strays that `outbox.follow_route` moves."""
    return any(name == route.name and f"/{route.to}/" in place for name, place in strays)


def _is_newest(conn: Connection, settings: Settings, now: int) -> bool:
    """Whether no worker of another configuration has started since the ones of this."""
    workers = [one for one in processes.every(conn) if Role.WORKER in one.roles and one.alive(now)]
    return not workers or max(workers, key=lambda one: one.since).config == settings.config_hash
