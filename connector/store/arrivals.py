"""Events and deliveries on their way into the store, and the result of storing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from connector.core.reasons import Reason
from connector.core.states import DeliveryState, EventState
from connector.store.lanes import LIVE, UNREAD_LANES


@dataclass(frozen=True, slots=True)
class Refused:
    """One phone or e-mail of a person who refused contact."""

    hash: str
    hint: str  #: the masked form
    reason: str
    since: int  #: time of the refusal, unix ms
    channels: tuple[str, ...] = ()  #: to what only; empty: to everything


@dataclass(slots=True, kw_only=True)
class NewDelivery:
    """One event to one destination, rendered."""

    route: str
    account: str
    destination: str
    record: str  #: JSON; "" when it could not be rendered, or cannot yet
    expires_at: int  #: unix ms
    lane: int = LIVE
    contact: str | None = None
    contacts: str | None = None  #: JSON list, see the table
    once_key: str | None = None
    once_more: tuple[str, ...] = ()  #: the same of the person's other phones
    place: str = ""  #: where the person may be, see `connector.core.places`
    consent: str | None = None  #: JSON, see the table
    state: DeliveryState = DeliveryState.PENDING  #: or dead, when it could not be rendered
    reason: Reason | None = None
    notes: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()  #: who goes on the do-not-contact list with it
    after: str = ""  #: the route of the delivery that blocks it
    turn: int | None = None  #: the number of its source, see `connector.core.turns`
    rule: int | None = None  #: the mark of the rule by which its numbers were judged, see `mappings.dialable`

    @property
    def lies_apart(self) -> bool:
        """Whether no claim reads its lane: then it is due when it expires."""
        return bool(self.after) or self.lane in UNREAD_LANES


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One event on its way into the inbox, with the deliveries its routes made of it."""

    source: str
    event_id: str
    type: str
    state: EventState
    payload: str  #: see `core.payload.as_text`
    content_type: str = "application/json"
    occurred_at: int | None = None  #: unix ms
    fingerprint: str | None = None
    errors: list[dict[str, str]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    account: str | None = None  #: waiting: who fetches the rest
    behind: bool = False  #: waiting: fetched when nothing else waits
    revised: Callable[[], Arrival] | None = None  #: its form if its id is known with another content
    limited: bool = False  #: its source sent more than its limit: it waits until there is room
    is_left_out: bool = False  #: not kept if it goes nowhere: its source has used up its room for that
    others: tuple[str, ...] = ()  #: other ids of the same thing: a route that has one of them gets no other


class Stored(NamedTuple):
    """The result of storing an arrival. ``status``: accepted | duplicate | conflict | ignored | invalid | waiting."""

    status: str
    event_id: str
    deliveries: int = 0
