"""The strict sandbox and the documents, call by call: where the two opinions of a vendor differ, a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from connector.core.http import Answer
from connector.vendors.postcenter.api import PostCenter
from connector.vendors.sandbox.exchange import Sandbox
from connector.vendors.tracksale.api import Tracksale
from connector.vendors.wolkvox.api import Wolkvox
from tests.recorded import documents
from tests.recorded.test_recorded import ANA, CALLS, HELPDESK_CALLS, TOKEN

#: Why the sandbox does not know what a documented call names: it holds no such object. The form of the call is right.
HOLDS_NONE = {"widget", "lot", "campaign", "next"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as found:
        yield found


def refused_by(sandbox: Sandbox, call: Callable[[], Answer]) -> tuple[int, list[str]]:
    """The status of an answer, and the rules that the call broke."""
    before = len(sandbox.breaches)
    answer = call()
    return answer.status, [one.rule for one in sandbox.breaches[before:]]


@pytest.mark.parametrize("operation", documents.TRACKSALE)
def test_the_sandbox_takes_every_documented_form_of_tracksale(sandbox: Sandbox, operation: str) -> None:
    with closing(Tracksale.at(sandbox.url, token=TOKEN)) as vendor:
        _, rules = refused_by(sandbox, lambda: CALLS[operation](vendor))
    assert {*rules} <= HOLDS_NONE


@pytest.mark.parametrize("operation", documents.POSTCENTER)
def test_the_sandbox_takes_every_documented_form_of_postcenter(sandbox: Sandbox, operation: str) -> None:
    with closing(PostCenter.at(sandbox.url, token=TOKEN)) as vendor:
        status, rules = refused_by(sandbox, lambda: HELPDESK_CALLS[operation](vendor))
    assert status in (200, 404) or {*rules} <= HOLDS_NONE


#: What is asked -> (what the sandbox says, what the documents say). The connector is safe with both.
WOLKVOX: dict[str, tuple[Callable[[Wolkvox], Answer], int, str]] = {
    "token_info": (lambda value: value.token_info(), 200, "no such call"),
    "find_record": (lambda value: value.find_record("1042", customer_phone="1", customer_id="1"), 404, "no such call"),
}


@pytest.mark.parametrize("what", WOLKVOX)
def test_the_sandbox_and_wolkvox_s_documents_differ(sandbox: Sandbox, what: str) -> None:
    """A vendor that is as the documents say answers the first two in any way: see `documents.UNKNOWN_CALLS`."""
    call, status, _ = WOLKVOX[what]
    with closing(Wolkvox.at(sandbox.url, token=TOKEN)) as vendor:
        assert refused_by(sandbox, lambda: call(vendor))[0] == status


def test_the_sandbox_knows_a_ping_that_postcenter_s_document_does_not(sandbox: Sandbox) -> None:
    """`connector check` asks for the account's channels instead, which the document names."""
    with closing(PostCenter.at(sandbox.url, token=TOKEN)) as vendor:
        assert refused_by(sandbox, vendor.ping) == (200, [])
    assert "ping" not in documents.POSTCENTER


def test_the_sandbox_refuses_a_field_that_tracksale_s_table_does_not_list(sandbox: Sandbox) -> None:
    """The documents do not say what becomes of one: the connector sends none."""
    with closing(Tracksale.at(sandbox.url, token=TOKEN)) as vendor:
        found = refused_by(sandbox, lambda: vendor.dispatch("52", [{**ANA, "colour": "blue"}], schedule_time=None))
    assert found == (400, ["customer"])
