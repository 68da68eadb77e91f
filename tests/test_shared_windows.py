"""Accounts of one machine that count in one window, and accounts that make one call at a time. On both databases."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.core.errors import ConfigError
from connector.core.quota import Wait
from connector.core.settings import Account
from connector.outbound import calls
from connector.outbound.claims import Claim
from connector.store.database import Database
from tests import outbound_steps
from tests.config_texts import DIALLER, LANDING, SURVEYS, load_text
from tests.outbound_steps import Out, accepted, dial, dialler, lead, leads, note, surveys, ticket

store, database = outbound_steps.store, outbound_steps.database

WINDOW_S = 3600.0
SHARED = '[accounts.more]\nvendor = "tracksale"\ntoken = "another-token"\nwindow_shared_with = "surveys"\n'


def sharing(calls: int) -> tuple[Account, Account]:
    """Two tokens, one window."""
    given: dict[str, Any] = {"requests_per_window": calls, "window_seconds": WINDOW_S, "timeout_s": 120.0}
    first = surveys(**given, shares_window=("more",))
    return first, replace(first, name="more", window_shared_with="surveys", shares_window=("surveys",))


def both(database: Database, calls: int) -> Out:
    routes = [note(name="first"), note(name="second", account="more")]
    return Out(database, *routes, accounts=sharing(calls))


def updates(count: int) -> list[Any]:
    return [ticket(number, type="ticket.updated", answer_id=number) for number in range(1, count + 1)]


def waited(answer: Claim | Wait) -> Wait:
    assert isinstance(answer, Wait), answer
    return answer


def test_what_one_account_used_of_a_shared_window_is_gone_for_the_other(database: Database) -> None:
    out = both(database, calls=4)
    out.put(updates(8))
    for name in ("surveys", "more", "surveys", "more"):
        out.settle(out.claimed(name), accepted())
    for name in ("surveys", "more"):
        assert "4" in waited(out.claim(name)).why
    out.later(WINDOW_S)
    out.claimed("more")


def test_workers_side_by_side_never_make_more_calls_than_a_shared_window_holds(store: str, database: Database) -> None:
    """Each account decides under a lock of its own; the window has one of them all."""
    both(database, calls=5).put(updates(20))
    outs = [both(Database(store), calls=5) for _ in range(2)]
    turns = itertools.cycle(("surveys", "more"))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: outs[number % 2].claim(next(turns)), range(30)))
    assert sum(isinstance(answer, Claim) for answer in answers) == 5
    for out in outs:
        out.database.close()


def test_a_question_of_a_person_counts_in_the_shared_window_too(database: Database) -> None:
    first, second = sharing(1)
    assert not isinstance(calls.start(database, first, "check"), Wait)
    assert isinstance(calls.start(database, second, "check"), Wait)


def test_an_account_with_one_call_at_a_time_makes_one(store: str, database: Database) -> None:
    alone = dialler(in_flight=1, timeout_s=120.0)
    routes = [dial("1042"), dial("1043")]
    Out(database, *routes, accounts=[alone]).put(leads(4))
    outs = [Out(Database(store), *routes, accounts=[alone]) for _ in range(2)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: outs[number % 2].claim(), range(12)))
    [made] = [answer for answer in answers if isinstance(answer, Claim)]
    assert {waited(answer).why for answer in answers if answer is not made} == {"1 calls are in flight"}
    outs[0].settle(made, accepted())
    outs[1].claimed()
    for out in outs:
        out.database.close()


@pytest.mark.parametrize(("wanted", "most"), [(1, 1), (2, 2), (9, 2)])
def test_an_account_never_makes_more_at_a_time_than_its_vendor_allows(
    database: Database, wanted: int, most: int
) -> None:
    out = Out(database, *(dial(str(at)) for at in range(5)), accounts=[dialler(in_flight=wanted, timeout_s=120.0)])
    out.put([lead(1)])
    assert sum(isinstance(out.claim(), Claim) for _ in range(5)) == most


# --- the configuration ----------------------------------------------------------------------------------------------


def test_those_who_share_a_window_know_each_other_and_how_much_it_holds(tmp_path: Path) -> None:
    text = SURVEYS + "requests_per_window = 50\n" + SHARED + LANDING
    settings = load_text(tmp_path, text)
    found = {name: one.shares_window for name, one in settings.accounts.items()}
    assert found == {"surveys": ("more",), "more": ("surveys",)}
    assert {one.requests_per_window for one in settings.accounts.values()} == {50}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SURVEYS + SHARED.replace('"surveys"', '"survey"'), "survey"),
        (SURVEYS + SHARED.replace('"surveys"', '"more"'), "must name an account with a window of its own"),
        (SURVEYS + SHARED + "requests_per_window = 10\n", 'stands at "surveys", whose window is shared: say it there'),
        (DIALLER + SHARED.replace('"surveys"', '"dialler"'), "is an account of another vendor"),
    ],
)
def test_a_window_that_cannot_be_shared_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, text + LANDING)
    assert any(fault in one for one in caught.value.faults), caught.value.faults
