"""The changes by a call as one value: decided from known facts before anything is written, see `apply`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.core.outcomes import Draft
from connector.core.reasons import Reason
from connector.core.states import AttemptState, DeliveryState
from connector.store.attempts import Attempt
from connector.store.helps import HelpState


@dataclass(frozen=True, slots=True)
class End:
    """The end of a row in the log of calls."""

    attempt: int
    state: AttemptState
    status: int | None = None  #: HTTP
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members that become the same: all that are in hand, or those with ids from ``first`` to ``last``."""

    state: DeliveryState
    reason: Reason | None = None
    due_at: int | None = None  #: unix ms; None: as it was
    first: int | None = None
    last: int | None = None
    split: int | None = None  #: they are sent together again, in the split lane, as the group of this number
    lanes: Mapping[int, int] | None = None  #: the vendor agreed to them: their lane -> the next one


@dataclass(frozen=True, slots=True)
class One:
    """A member that becomes something of its own."""

    id: int
    state: DeliveryState
    reason: Reason | None
    due_at: int  #: unix ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The new states of the members of a call."""

    groups: Sequence[Group] = ()
    ones: Sequence[One] = ()
    apart: Sequence[int] = ()  #: these pending ones are sent by themselves, each as a group of its own
    died: Sequence[int] = ()  #: the latest copy that ``once_per`` held back takes the place of each


@dataclass(frozen=True, slots=True)
class Blamed:
    """Deliveries of several calls that blocked the account by their answers."""

    ids: Sequence[int]  #: their reasons say so
    ended: Sequence[int]  #: those of them that are pending die


@dataclass(frozen=True, slots=True)
class Blocked:
    """The account makes no call until a person acts."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Held:
    """The account makes no call before ``until`` (unix ms)."""

    reason: Reason
    until: int
    asks_budget: bool  #: the vendor is asked how many calls are left once the hold is over


@dataclass(frozen=True, slots=True)
class Well:
    """The vendor answered as it should: the faults in a row end."""


AccountChange = Blocked | Held | Well


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationChange:
    """The new knowledge about the destination."""

    accepted: bool = False  #: it took something
    released: bool = False  #: what waited for a sign that it works may go now
    refusals: Sequence[str] | None = None  #: the words of lone records refused since it took something
    stopped: Reason | None = None  #: nothing is sent to it until a person acts


@dataclass(frozen=True, slots=True)
class Ask:
    """When the vendor is asked (again) what became of the call; None: never. ``answers``: what is known by then."""

    when: int | None
    answers: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HelpNote:
    """The state of a vendor's help after a call."""

    name: str
    state: HelpState
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Everything that is written when a call is settled. ``of``: the call of the changed members."""

    of: Attempt
    end: End | None = None
    once: bool = True  #: nothing else is written where somebody had written an end before
    also_ends: Sequence[End] = ()
    help: HelpNote | None = None
    account: AccountChange | None = None
    destination: DestinationChange | None = None
    members: Members = field(default_factory=Members)
    blamed: Blamed | None = None
    checks_from: int | None = None  #: nobody else who waits for a pre-check there is asked about before (unix ms)
    ask: Ask | None = None
    drafts: Sequence[tuple[Draft, Sequence[int]]] = ()  #: draft lots, with the members that are in each
    unsent: Sequence[int] = ()  #: members that no call contacted; they count against no cap
    results: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)  #: by delivery, for what comes after it
    wakes: Sequence[int] = ()  #: what comes after these deliveries looks whether it may go
