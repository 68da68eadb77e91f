"""What people order beyond one delivery: draft lots are fired, and a later release takes the place of the former."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from sqlalchemy import Table, text

from connector.admin import lot_acts
from connector.core.errors import ConnectorError
from connector.core.states import LotState
from connector.store import database as store

if TYPE_CHECKING:
    from tests.simulator.world import World

DRAFTS: Final = "26"  #: the campaign whose surveys wait for a person
#: What a process of the former release does not write: columns of the last migrations.
NEWER: Final[Mapping[str, frozenset[str]]] = {"events": frozenset({"released_at"}), "deliveries": frozenset({"turn"})}
GROWING: Final = ("events", "deliveries", "records", "attempts", "accounts", "destinations", "processes")


def fire(world: World) -> None:
    """Somebody looks at the draft lots and fires those whose people may all be contacted; others are thrown away."""
    settings, database = world.settings, world.database
    try:
        with lot_acts.opened(settings, database, "surveys") as drafts:
            for shown in drafts.lots(DRAFTS):
                if not shown.listed or shown.state != LotState.DRAFT:
                    continue
                check = lot_acts.checked(settings, database, drafts, shown, None)
                if check.may:
                    lot_acts.fire(database, drafts, shown, check, None, world.by)
                else:
                    lot_acts.discard(database, drafts, shown, world.by)
    except ConnectorError as fault:
        world.machine.tell(f"the draft lots stay as they are: {fault}")


def upgrade(world: World) -> None:
    """The next release's migration adds to the tables, while the former release's processes run on for a while."""
    with world.database.write() as conn:
        for table in GROWING:
            conn.execute(text(f"ALTER TABLE {table} ADD COLUMN of_the_next_release INTEGER"))
        conn.execute(text("CREATE TABLE next_release (id INTEGER PRIMARY KEY)"))
    world.is_upgraded = True
    world.restart_all("upgraded")


@contextmanager
def former_release(world: World) -> Iterator[None]:
    """Processes of the former release write no column that it did not know."""
    sealed = store.sealed_rows

    def written(table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        unknown = NEWER.get(table.name)
        if unknown and world.is_former():
            rows = [{name: value for name, value in row.items() if name not in unknown} for row in rows]
        return sealed(table, rows)

    with mock.patch.object(store, "sealed_rows", written):
        yield
