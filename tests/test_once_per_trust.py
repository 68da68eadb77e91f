"""once_per between sources that prove more and less: an anonymous lead suppresses nobody who signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.settings import Source, Verify
from connector.store import inbox
from connector.store.database import Database
from connector.vendors.destinations import places
from mappings.events import Phone
from tests import outbound_steps
from tests.outbound_steps import Out, accepted, code, dial, lead, once

store, database = outbound_steps.store, outbound_steps.database

OPEN = Source(name="landing", mapping="lead", verify=Verify(scheme="none"))
SIGNED = Source(name="crm", mapping="lead", verify=Verify(scheme="standard-webhooks"))


def at_two_doors(database: Database) -> Out:
    out = Out(database, dial(once_per=once()))
    out.settings = replace(out.settings, sources={"landing": OPEN, "crm": SIGNED})
    out.places = places(out.settings)
    out.lines = {name: replace(line, places=dict(out.places[name])) for name, line in out.lines.items()}
    return out


def put(out: Out, source: str, number: int) -> None:
    """The same person each time."""
    event = lead(number, phones=(Phone(57, "3000000001"),))
    with out.database.write() as conn:
        inbox.store(conn, [out.arrival(event, source=source)])


@pytest.mark.parametrize("order", [("landing", "crm"), ("crm", "landing")])
def test_of_two_that_wait_the_one_that_proves_more_goes(database: Database, order: tuple[str, str]) -> None:
    out = at_two_doors(database)
    for number, source in enumerate(order):
        put(out, source, number)
    out.settle(out.claimed(), accepted())
    states = dict(zip(order, out.deliveries(), strict=True))
    assert {source: str(row.state) for source, row in states.items()} == {"crm": "delivered", "landing": "suppressed"}
    assert str(states["crm"].id) in str(states["landing"].reason_facts)


def test_one_that_proves_more_goes_also_after_the_other_went(database: Database) -> None:
    out = at_two_doors(database)
    for number, source in enumerate(("landing", "crm")):
        put(out, source, number)
        out.settle(out.claimed(), accepted())
    assert out.states() == {"delivered": 2}


def test_one_that_proves_less_does_not_go_after_the_other(database: Database) -> None:
    out = at_two_doors(database)
    put(out, "crm", 1)
    out.settle(out.claimed(), accepted())
    put(out, "landing", 2)
    out.claim()
    assert out.states() == {"delivered": 1, "suppressed": 1}


def test_sources_that_prove_alike_keep_their_order(database: Database) -> None:
    out = at_two_doors(database)
    put(out, "landing", 1)
    put(out, "landing", 2)
    out.settle(out.claimed(), accepted())
    assert [str(row.state) for row in out.deliveries()] == ["delivered", "suppressed"]
    assert code(out.deliveries()[0]) is None
