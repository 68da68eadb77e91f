"""Every kind of call that a claim may bring, and who makes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from connector.core import tracing
from connector.core.http import Deadline
from connector.core.metrics import ANSWERS, CALL_SECONDS
from connector.core.outcomes import Outcome
from connector.core.states import Kind
from connector.outbound.claims import Claim
from connector.outbound.fetch import Source, enrich
from connector.outbound.probe import probe
from connector.outbound.send import Line, ask_budget, check, look_up, send

#: Makes the claimed call, settles it and says what it brought; None where that is not counted.
Performer = Callable[[Line, Claim, Deadline], Outcome | None]


def perform(line: Line, claimed: Claim, deadline: Deadline) -> None:
    """Makes the claimed call and settles it."""
    started_s, kind = time.monotonic(), claimed.attempt.kind
    facts = {"account": line.account.name, "destination": claimed.attempt.destination, "kind": kind}
    with tracing.about(**facts, attempt=claimed.attempt.id, records=len(claimed.records)):
        outcome = PERFORMERS.get(kind, look_up)(line, claimed, deadline)
    if outcome is not None:
        CALL_SECONDS.labels(line.account.name, kind).observe(time.monotonic() - started_s)
        ANSWERS.labels(line.account.name, kind, outcome.attempt).inc()


def _probe(line: Line, claimed: Claim, deadline: Deadline) -> None:
    place = line.places[claimed.attempt.destination]
    probe(line.database, line.account, place, claimed, line.vendor, line.install, deadline)


def _fetch(line: Line, claimed: Claim, deadline: Deadline) -> Outcome | None:
    assert line.settings is not None and line.receiver is not None, "a line that fetches knows how events are read"
    source = Source(line.database, line.settings, line.account, line.receiver, line.vendor)
    return enrich(source, claimed, deadline)


#: Any other kind is a lookup of the vendor's own. Polls and what a person asks for (credentials, draft lots, figures)
#: are not claimed: see `calls`.
PERFORMERS: Final[Mapping[str, Performer]] = {
    Kind.SEND: send,
    Kind.PRECHECK: check,
    Kind.PROBE: _probe,
    Kind.FETCH: _fetch,
    Kind.BUDGET: ask_budget,
    Kind.REPORT: look_up,
}
