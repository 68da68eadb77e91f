"""Retry policy: one table of every wait, and the functions that repeat.

Quick repeats, within seconds, are `tries`. Everything longer goes back to the database with the moment when it is due:
`wait_s` computes it, exponentially and with jitter. `patiently` writes down the result of a call.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from connector.core.answer import Answer, NoAnswer, NotSent
from connector.core.errors import StoreUnavailable

if TYPE_CHECKING:  # loaded when something is repeated: most commands repeat nothing
    import tenacity

# Accounts and destinations
WAIT_MAX_S: Final = 600.0  #: the longest exponential wait
HOLD_LEAST_S: Final = 1.0  #: of an account that the vendor asks to wait: "0", or a past date, must not become a loop
RETRY_AFTER_MAX_S: Final = 86_400.0  #: the longest Retry-After that is obeyed
SAMPLE_WAIT_MS: Final = 60_000  #: the rest of a refused batch waits for the fate of its samples

#: longest time between two tries of a single record that provokes an unknown answer
PROVOKER_WAIT_MS: Final = 3_600_000

# Claims
CHECKED_WAIT_MS: Final = 3_000  #: customers who passed the pre-check wait for others, so that they leave together
PRECHECK_GOOD_MS: Final = 3_600_000  #: see `outbound.guards.precheck`
LONGEST_S: Final = 3600.0  #: if no other limit is known

# Questions about unknown attempts
PROBE_GRACE_MS: Final = 1_000  #: after the deadline, before absence is believed
LOOKS_AFTER_S: Final = (60, 300, 900, 3600)  #: a report that lags is read again this long after each read
CONTROL_GOOD_MS: Final = 3600 * 1000  #: the word that a record is absent, after one that is there was found

# Thin events: a vendor may be away for days, and no event pays for that. One that only ever brings faults ends as
# invalid, once it has been tried so often and is so old; `connector replay` may try again.
FETCH_TRIES: Final = 20
FETCH_PATIENCE_MS: Final = 7 * 24 * 3600 * 1000
LOOK_AGAIN_MS: Final = 600_000  #: for what left the configuration

# Polls
POLL_PATIENCE_S: Final = 2.0  #: for a free slot
OVERDUE_MS: Final = 30_000  #: so late, a page is read although live deliveries are due
BLOCKED_LOOK_MS: Final = 30_000  #: between two checks whether an operator has resumed the account
LEASE_SPARE_MS: Final = 30_000  #: what a page's lease has beyond the call, for storing

# Loops
IDLE_S: Final = 5.0  #: without a wake-up, should every one be lost
POLLER_IDLE_S: Final = 2.0  #: the same for a poller: a page that another process left may be due
STRAYS_S: Final = 10.0  #: between two searches for calls of dead workers, of accounts without a worker
SWEEP_S: Final = 60.0  #: between two sweeps for dependent deliveries that missed the end of the one before
BREATH_S: Final = 0.02  #: least time between two searches for dependent deliveries
ERASED_EVERY_S: Final = 10.0  #: between two checks whether pending erasures are settled

# Persons
SLOT_LOOK_S: Final = 0.2  #: between two checks for a free slot
PERSON_PATIENCE_S: Final = 30.0  #: of a person who waits for a call to be free

# The database
SETTLE_PATIENCE_S: Final = 600.0  #: for a database that is away while the outcome of a call is written down


def retry_after_s(answer: Answer, *, now: datetime | None = None) -> float | None:
    """The seconds of Retry-After, in either form of the header (RFC 9110 §10.2.3); None if the header is absent."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), RETRY_AFTER_MAX_S)
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (aware - (now or datetime.now(UTC))).total_seconds()), RETRY_AFTER_MAX_S)


WaitS = Callable[[int], float]  #: how long to wait (seconds) after so many faults in a row


def wait_s(faults: int) -> float:
    """How long the outbox waits after this many faults in a row: exponential with jitter, ten minutes at most."""
    import tenacity

    state = tenacity.RetryCallState(retry_object=tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(1, min(faults, 30))
    return float(tenacity.wait_exponential_jitter(multiplier=1, max=WAIT_MAX_S, jitter=1)(state))


@functools.cache
def tries(*, repeatable: bool) -> tenacity.Retrying:
    """Quick repeats, within seconds, of requests that provably were not sent or are safe to repeat."""
    import tenacity

    worth = (NotSent, NoAnswer) if repeatable else (NotSent,)
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(5),
        wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=2, jitter=0.2),
        retry=tenacity.retry_if_exception_type(worth),
        reraise=True,
    )


def patiently(settle: Callable[[], None]) -> None:
    """Stores the result of a call, however long the database is away: a known outcome must not become unknown."""
    with contextlib.suppress(StoreUnavailable):
        settle()
        return
    import tenacity

    tenacity.Retrying(
        stop=tenacity.stop_after_delay(SETTLE_PATIENCE_S),
        wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=5, jitter=0.1),
        retry=tenacity.retry_if_exception_type(StoreUnavailable),
        reraise=True,
    )(settle)
