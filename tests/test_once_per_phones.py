"""once_per by phone: all phones of both sides, and no copy of a copy that is somebody else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connector.store import inbox, once_keys
from connector.store.database import Database
from mappings.events import Phone
from tests import outbound_steps
from tests.outbound_steps import Out, accepted, dial, lead, once, refused
from tests.test_once_per_trust import at_two_doors

store, database = outbound_steps.store, outbound_steps.database


def phones(*numbers: int) -> tuple[Phone, ...]:
    return tuple(Phone(57, f"300{number:07}") for number in numbers)


def put(out: Out, *people: Sequence[int], source: str = "landing", first: int = 0) -> None:
    """A lead for each person, who leaves these phones."""
    events = [lead(first + index, phones=phones(*some)) for index, some in enumerate(people)]
    with out.database.write() as conn:
        for event in events:  # what is stored together has no order of its own
            inbox.store(conn, [out.arrival(event, source=source)])


def states(out: Out) -> list[str]:
    return [str(row.state) for row in out.deliveries()]


@pytest.mark.parametrize(
    ("one", "two"),
    [((1,), (1,)), ((1, 2), (2,)), ((1,), (2, 1)), ((1, 2), (3, 2)), ((1, 2), (2, 1)), ((5, 6, 7), (8, 9, 7))],
)
@pytest.mark.parametrize("together", [True, False])
def test_a_phone_that_both_have_makes_them_one_person(
    database: Database, one: Sequence[int], two: Sequence[int], *, together: bool
) -> None:
    out = Out(database, dial(once_per=once()))
    put(out, one)
    if not together:
        out.settle(out.claimed(), accepted())
    put(out, two, first=50)
    claimed = out.claim()
    if together:
        out.settle(claimed, accepted())  # type: ignore[arg-type]
    assert states(out) == ["delivered", "suppressed"]
    first, second = out.deliveries()
    assert f'"other":{first.id}' in second.reason_facts.replace(" ", "")


def test_people_without_a_phone_in_common_all_go(database: Database) -> None:
    out = Out(database, dial(once_per=once()))
    put(out, (1, 2), (3, 4), (5,))
    out.settle(out.claimed(), accepted())
    assert out.states() == {"delivered": 3}


def test_nobody_is_dialled_more_often_behind_the_phones_of_others(database: Database) -> None:
    out = Out(database, dial(once_per=once()))
    put(out, *((number, 99) for number in range(1, 6)))
    out.settle(out.claimed(), accepted())
    assert states(out) == ["delivered", *["suppressed"] * 4]


def test_a_copy_of_a_copy_goes_if_it_is_somebody_else(database: Database) -> None:
    out = Out(database, dial(once_per=once()))
    put(out, (1, 2), (2, 3), (3, 4), (4,))
    for _ in range(3):
        claimed = out.claim()
        if hasattr(claimed, "attempt"):
            out.settle(claimed, accepted())
    assert states(out) == ["delivered", "suppressed", "delivered", "suppressed"]


def test_each_copy_takes_the_place_of_one_that_died(database: Database) -> None:
    out = Out(database, dial(once_per=once()))
    out.works()
    put(out, (1, 2), (2,), (1,))
    out.settle(out.claimed(), refused())
    assert states(out) == ["dead", "pending", "pending"]
    out.settle(out.claimed(), accepted())
    assert states(out) == ["dead", "delivered", "delivered"]


@pytest.mark.parametrize("order", [("landing", "crm"), ("crm", "landing")])
def test_a_second_phone_of_an_unproved_source_suppresses_nobody_who_signed(
    database: Database, order: tuple[str, str]
) -> None:
    out = at_two_doors(database)
    given = {"landing": (8, 1), "crm": (1,)}
    for number, source in enumerate(order):
        put(out, given[source], source=source, first=number)
    out.settle(out.claimed(), accepted())
    found = dict(zip(order, states(out), strict=True))
    assert found == {"crm": "delivered", "landing": "suppressed"}


def test_a_delivery_that_is_replayed_has_the_phones_of_its_new_record(database: Database) -> None:
    out = Out(database, dial(once_per=once()))
    put(out, (1, 2))
    with database.write() as conn:
        [first] = out.deliveries()
        new = out.router.deliveries("landing", lead(0, phones=phones(1, 7)))[0]
        once_keys.replace(conn, first.id, new)
        keys = once_keys.of(conn, [first.id])[first.id]
    assert keys == {first.once_key, *new.once_more} and len(keys) == 2
