"""What a destination is: batch sizes, what is sent again, which routes share one; and PostCenter's two."""

from __future__ import annotations

from typing import Any

import pytest

from connector.core.errors import ConfigError
from connector.core.http import Deadline
from connector.core.settings import Route, Settings
from connector.vendors.answers import cut
from connector.vendors.base import ProbeResult, Sending
from connector.vendors.destinations import SPECS, name_of, places
from connector.vendors.numbers import count_of
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.wolkvox.options import WolkvoxOptions
from tests.destinations import (
    ADD_RECORD,
    ANSWERS,
    CLOSE,
    DIALLER,
    DISPATCH,
    FILL_TAGS,
    LINKS,
    NOTE,
    OK,
    PLACES,
    REASSIGN,
    TICKET,
    Line,
    answer,
    asked,
    close,
    records_of,
    told,
)

# --- PostCenter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [CLOSE, REASSIGN])
def test_a_ticket_is_named_in_the_address(place: str) -> None:
    line = Line(answer(200, OK))
    PLACES[place]().send(PostCenter(line, "http://p"), Sending(records_of(place), Deadline.after(5)))  # type: ignore[arg-type]
    method, url, _, body = line.asked[0]
    what = place.removeprefix("postcenter.")
    assert (method, url, body) == ("POST", f"http://p/v2/ticket/{TICKET}/{what}/", None)


@pytest.mark.parametrize("closed", [True, False])
def test_whether_a_ticket_is_closed_can_be_read(closed: bool) -> None:
    seen, line = asked(close(), answer(200, {"id": TICKET, "is_closed": closed}), records_of(CLOSE))
    assert seen == ProbeResult({100: closed})
    assert line.asked[0][:2] == ("GET", f"http://v/v2/ticket/{TICKET}/")
    assert asked(close(), answer(200, told("Not found", 404)), records_of(CLOSE))[0].unclear


# --- what a destination is ------------------------------------------------------------------------------------------


def test_batches_are_as_large_as_the_vendor_takes() -> None:
    sizes = {name: make().batch_size for name, make in PLACES.items()}
    assert sizes == {
        ADD_RECORD: 10_000,
        DISPATCH: 500,
        LINKS: 500,
        ANSWERS: 500,
        FILL_TAGS: 1,
        NOTE: 1,
        CLOSE: 1,
        REASSIGN: 1,
    }


def test_only_what_is_harmless_is_sent_again_when_nobody_knows() -> None:
    assert {name for name, spec in SPECS.items() if spec.on_unknown == "resend"} == {
        LINKS,
        FILL_TAGS,
        NOTE,
        REASSIGN,
        "wolkvox.add_dnc",
    }
    assert {name for name, make in PLACES.items() if make().repeatable} == {LINKS, FILL_TAGS}
    assert {name for name, make in PLACES.items() if make().can_ask} == {ADD_RECORD, DISPATCH, ANSWERS, CLOSE}


def route(name: str, **more: Any) -> Route:
    options = WolkvoxOptions().load({"campaign_id": "1042"} | more.pop("options", {}))
    return Route(name=name, on=("lead.created",), to=ADD_RECORD, account="dialler", options=options, **more)


def test_routes_to_one_campaign_share_a_destination() -> None:
    found = places(Settings(accounts={"dialler": DIALLER}, routes=(route("a"), route("b", options={"opt": ["x"]}))))
    assert list(found["dialler"]) == [name_of(route("a"))] == ["dialler/wolkvox.add_record/1042"]


def test_routes_that_share_a_campaign_must_agree_on_how_it_is_called() -> None:
    routes = (route("a"), route("b", options={"campaign_status": "stop", "trace_field": "opt12"}, on_unknown="resend"))
    with pytest.raises(ConfigError) as fault:
        places(Settings(accounts={"dialler": DIALLER}, routes=routes))
    assert len(fault.value.faults) == 3
    assert '"a" and "b"' in fault.value.faults[0]


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), ("1", 1), (" 07 ", 7), (" ", None), ("", None), (None, None), (True, None), (1.0, None), ("-1", None),
     ("1" * 40, None), ("٣", None), ([1], None)],
)  # fmt: skip
def test_numbers_come_as_numbers_or_texts(value: Any, number: int | None) -> None:
    assert count_of(value) == number


def test_words_are_cut_to_one_short_line() -> None:
    assert cut("a\n b\t c") == "a b c"
    assert len(cut("x" * 10_000)) == 300
