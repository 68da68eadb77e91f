"""Pending deliveries follow the configuration: when their route leads elsewhere, they go there."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from connector.core.log import get
from connector.core.settings import Route, Settings
from connector.outbound.guards import GUARDS
from connector.store import chains, outbox
from connector.store.database import Database, now_ms
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

    A process of the former configuration stored it, or a call of before came back. Returns how many were moved.
    """
    served = [name for some in found.values() for name in some]
    with database.read() as conn:
        strays = outbox.routes_elsewhere(conn, served)
    routes = [route for route in settings.routes if route.name in strays]
    if not routes:
        return 0
    with database.write(serialise="prepare") as conn:
        return follow(conn, routes, found, now_ms(conn))
