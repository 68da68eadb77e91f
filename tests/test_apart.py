"""One bad row harms no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy.exc import DataError

from connector.core.errors import StoreUnavailable
from connector.core.states import EventState
from connector.inbound.apart import store_apart
from connector.store.arrivals import Arrival, Stored


def arrival(name: str) -> Arrival:
    return Arrival(source="landing", event_id=name, type="lead.created", state=EventState.ACCEPTED, payload="{}")


class Store:
    """Refuses transactions with bad rows; as invalid they are taken, unless all is refused."""

    def __init__(self, bad: set[str], *, takes_invalid: bool = True) -> None:
        self.bad, self.takes_invalid = bad, takes_invalid
        self.kept: list[tuple[str, str]] = []
        self.transactions = 0

    def __call__(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        self.transactions += 1
        for one in arrivals:
            is_invalid = one.state == EventState.INVALID
            if one.event_id in self.bad or (is_invalid and not self.takes_invalid):
                raise DataError("INSERT", {}, ValueError(one.event_id))
        stored = [Stored(str(one.state), one.event_id) for one in arrivals]
        self.kept += [(one.status, one.event_id) for one in stored]
        return stored


@pytest.mark.parametrize(
    "bad",
    [set(), {"e0"}, {"e7"}, {"e3", "e4"}, {f"e{number}" for number in range(8)}],
    ids=lambda bad: "+".join(sorted(bad)),
)
def test_bad_rows_are_kept_as_invalid_and_the_others_as_they_are(bad: set[str]) -> None:
    store, names = Store(bad), [f"e{number}" for number in range(8)]
    stored = store_apart(store, [arrival(name) for name in names])
    assert [one.status for one in stored] == ["invalid" if name in bad else "accepted" for name in names]
    assert [name for status, name in store.kept if status == "accepted"] == [name for name in names if name not in bad]


def test_a_bad_row_among_many_costs_few_transactions() -> None:
    store = Store({"e77"})
    store_apart(store, [arrival(f"e{number}") for number in range(256)])
    assert store.transactions <= 2 * 8 + 2


def test_what_cannot_be_kept_at_all_is_told() -> None:
    with pytest.raises(StoreUnavailable, match="could not even be kept as invalid"):
        store_apart(Store({"e0"}, takes_invalid=False), [arrival("e0")])


def test_a_fault_of_the_database_is_no_row_s() -> None:
    def away(_: Sequence[Arrival]) -> list[Stored]:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable, match=r"^away$"):
        store_apart(away, [arrival("e0"), arrival("e1")])
