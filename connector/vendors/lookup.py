"""Lookups: reads beside the deliveries of an account, which make sending better. No lookup gates a delivery.

Each help has a state of its own, kept in the store. Deliveries go on without its answer; only a refused
token, or a reported limit, stops the account, as with any other call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector.core.http import Answer, Deadline
from connector.core.outcomes import Outcome
from connector.core.settings import Account
from connector.store.helps import HelpState


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of a lookup. ``outcome`` stops the account only for a refused token or a reported limit."""

    outcome: Outcome
    state: HelpState
    value: Any = None  #: None: nothing usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One question that some of the vendor's destinations need answered before they send."""

    kind: str  #: of its attempts, and its key in `Vendor.lookups`
    help: str  #: its name for a person: "the real-time report"
    read: Callable[[Any, Deadline], Answer]  #: makes the call; raises `NotSent` or `NoAnswer`
    means: Callable[[Answer, Account], LookupResult]
    #: (conn, account, until): a call is under way that may last until then (unix ms); no other worker makes it
    begin: Callable[[Connection, str, int], None]
    #: (conn, account, result, state of the attempt, now in unix ms): stores the result
    store: Callable[[Connection, str, Any, str, int], None]


@dataclass(frozen=True, slots=True)
class Count:
    """Calls of the day by the vendor's own count; None: unreadable."""

    limit: int | None
    used: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The vendor's own count of the day's calls, read by workers that start and once a day. Yields a `Count`."""

    help: str
    read: Callable[[Any, Deadline], Answer]
    means: Callable[[Answer, Account], LookupResult]


@dataclass(frozen=True, slots=True)
class Ready:
    """The destination may send. ``value`` travels to `Destination.send` as `Sending.prepared`."""

    value: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """The lookup of this kind has to be made first."""

    kind: str


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing can be sent before ``at`` (unix ms)."""

    at: int
    why: str


Prepared = Ready | Ask | Later
