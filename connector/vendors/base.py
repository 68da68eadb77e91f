"""The contract of every destination, and the common parts of every vendor's answers.

A destination is an operation of an account with the options that its calls share. It defines what is special about it:
the size of a batch, how it is sent, the meaning of the answers, and how an unknown attempt is probed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from marshmallow import Schema
from sqlalchemy import Connection

from connector.core.caps import BY_NUMBER
from connector.core.http import Answer, Deadline
from connector.core.openings import Plan
from connector.core.outcomes import Draft, Outcome
from connector.core.settings import Account, Route, Source
from connector.store.helps import HelpState
from connector.vendors.lookup import Prepared, Ready
from mappings.base import Locale

NEVER_S = 3650 * 86400.0  #: as an age: ten years
Record = tuple[int, str]  #: delivery id, record as JSON


@dataclass(frozen=True, slots=True)
class Sending:
    """One call about to be made."""

    records: Sequence[Record]
    deadline: Deadline
    prepared: str = ""  #: what `Destination.prepare` found out
    install: str = ""  #: distinguishes this database's delivery ids from another's


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe: for each delivery, whether the vendor has it; or the fault instead."""

    present: Mapping[int, bool] = field(default_factory=dict)
    fault: Outcome | None = None
    unclear: str = ""  #: the answer was well-formed, but ambiguous
    results: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  #: as a `Verdict` has them
    help: HelpState | None = None  #: the state of the help that the answer shows
    drafts: Mapping[int, Draft] = field(default_factory=dict)  #: the lot in which those present wait for a person


@dataclass(frozen=True, slots=True)
class Story:
    """The part of a delivery's story that its vendor's folder adds: facts for JSON, dated lines, and the current
    state.
    """

    facts: Mapping[str, Any]
    lines: Sequence[Mapping[str, str]]  #: {"at": ISO 8601, "said": a sentence}
    now: str
    next: Sequence[str]  #: what an operator can do


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The defaults: one record a call, nothing known about unknown outcomes but to wait for a person."""

    account: Account
    name: str  #: unique, kept with every delivery: "dialler/wolkvox.add_record/1042"
    options: Mapping[str, Any]  #: of the (first) route, checked by `options_schema`
    locale: Locale = field(default_factory=Locale)
    on_unknown_says: str = "ask"
    routes: Mapping[str, Route] = field(default_factory=dict)  #: those that share it, by name
    followers: frozenset[str] = frozenset()  #: routes that come after one of its own
    trust: Mapping[str, int] = field(default_factory=dict)  #: rank of each source; empty where all prove alike
    sources: tuple[Source, ...] = ()  #: the sources of events that may come here, the more trusted first
    largest_batch: int = 1  #: of the account's destinations
    #: marks of the rules by which numbers are judged, by the number of a source; None: of any other. Empty: none are
    number_rules: Mapping[int | None, int] = field(default_factory=dict)
    plan: Plan | None = None  #: the contact rules and its routes; None: only each route's own options apply

    #: options that shape a call or its outcome: routes that share a destination must agree on them
    shared: ClassVar[tuple[str, ...]] = ()
    options_schema: ClassVar[type[Schema]]
    on_unknown: ClassVar[str] = "ask"  #: the default of the route's option
    expires_after_s: ClassVar[float] = 7 * 86400.0  #: the default of the route's ``expires_after``
    repeatable: ClassVar[bool] = False  #: idempotent: safe to send again in any case
    can_ask: ClassVar[bool] = False
    all_or_nothing: ClassVar[bool] = False  #: a few records decide the fate of a batch
    results: ClassVar[tuple[str, ...]] = ()  #: the parts of the vendor's answer that are kept for dependent routes
    contacts_people: ClassVar[bool] = False  #: its records contact people
    by_channel: ClassVar[str] = ""  #: the channel of the contact, if it is certain: "voice"
    calls: ClassVar[bool] = False  #: its records hold numbers that are dialled

    @property
    def batch_size(self) -> int:
        return 1

    @property
    def exact(self) -> bool:
        """Whether a probe is about the record itself, and not about a person who may have been there before."""
        return False

    @property
    def control(self) -> str:
        """The help that `ask` calls if no document names it: "find_record 1042".

        An absence that it reports is believed only while it finds a record that is known to be there. "": always.
        """
        return ""

    @property
    def resend(self) -> bool:
        return self.repeatable or self.on_unknown_says == "resend"

    @property
    def checks(self) -> bool:
        """Whether its deliveries need a pre-check: `ask_first` and `agreed`."""
        return bool(self.options.get("ninety_day_rule"))

    @property
    def channel(self) -> str:
        """The channel of the contact; "" if there is no contact, or the channel is unknown."""
        planned = next(iter(self.plan.routes.values()), None) if self.plan else None
        route = next(iter(self.routes.values()), None)
        return planned.channel if planned else (route.channel if route else "") or self.by_channel

    @property
    def reaches_numbers(self) -> bool:
        """Whether its records reach people at their numbers, which are judged and counted then."""
        return self.calls or self.channel in BY_NUMBER

    @property
    def later_ms(self) -> int:
        """How long after the call the vendor contacts a person."""
        return 0

    def prepare(self, conn: Connection, now: int) -> Prepared:
        """The values needed before sending, read from the store within the claim. None by default."""
        return Ready()

    def idle(self, conn: Connection) -> str:
        """Why accepted records reach nobody now, as a sentence; "" if nothing of the kind is known."""
        return ""

    def obstacle(self, conn: Connection) -> tuple[str, str] | None:
        """Why `prepare` lets nothing be sent, for a person: the reason, and what to do."""
        return None

    def settled(self, conn: Connection, draft: Draft, members: Sequence[int], *, since: int, now: int) -> None:
        """These deliveries are in a draft lot now, by a call begun at ``since``; the vendor's folder may store that."""

    @staticmethod
    def story(conn: Connection, delivery: int) -> Story | None:
        """The vendor's part of a delivery's story; None if there is none."""
        return None

    def ask_first(self, vendor: Any, record: Record, deadline: Deadline) -> Answer:
        """Asks the vendor whether this person may be contacted. Raises `NotSent` or `NoAnswer`."""
        raise NotImplementedError

    def agreed(self, answer: Answer) -> tuple[bool | None, Outcome]:
        """The answer to the pre-check (None: ambiguous), and its meaning for the account. Never raises."""
        raise NotImplementedError

    @staticmethod
    def place(options: Mapping[str, Any]) -> str:
        """The option that distinguishes destinations of this operation: "1042"."""
        raise NotImplementedError

    def send(self, vendor: Any, sending: Sending) -> Answer:
        """Makes the call. Raises `NotSent` or `NoAnswer`."""
        raise NotImplementedError

    def classify(self, answer: Answer, records: Sequence[Record]) -> Outcome:
        """The meaning of the answer. Never raises: an unknown answer fails closed."""
        raise NotImplementedError

    def probe(
        self, vendor: Any, records: Sequence[Record], started_at: int, install: str, deadline: Deadline
    ) -> ProbeResult:
        """Asks the vendor about records of an unknown attempt. Raises `NotSent` or `NoAnswer`."""
        raise NotImplementedError
