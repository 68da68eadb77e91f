"""A real Postgres killed under load, with a web process killed as well: see `tests.outage`."""

from __future__ import annotations

import pytest

from connector.vendors.sandbox.exchange import Sandbox
from tests.broker import broker
from tests.outage import Play, play

__all__ = ["broker"]  # the fixture
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["file", "queue"])
def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "queue":
        request.getfixturevalue("broker")  # skips without one
    given = Play(kind=kind, rounds=2, away_s=4.0, between_s=1.5, pause_s=0.1)
    with Sandbox(port=0) as sandbox:
        found = play(given, sandbox)
    assert (found.lost, found.twice, found.sent_twice, found.undelivered) == (0, 0, 0, 0)
    assert found.answers["spooled"]
    assert found.answers["accepted"]
