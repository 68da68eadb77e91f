"""The two kinds of event everything else speaks of. Frozen, complete, already checked: an absent text is ``""``.

Times are aware datetimes in UTC. Phones are `Phone`, so that a number is parsed once, when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid number. ``country_code`` 57, ``national`` "3000000001" (leading zeros that belong to it kept)."""

    country_code: int
    national: str

    @property
    def e164(self) -> str:
        return f"+{self.country_code}{self.national}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A person who wants to be called."""

    id: str  #: the event id inside the body; "" if there is none
    type: str  #: "lead.created"
    time: datetime | None = None
    first_name: str = ""
    last_name: str = ""
    id_type: str = ""
    id_number: str = ""
    age: str = ""
    gender: str = ""
    country: str = ""
    state: str = ""
    city: str = ""
    zone: str = ""
    address: str = ""
    phones: tuple[Phone, ...] = ()
    email: str = ""
    callback_at: datetime | None = None
    callback_phone: Phone | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  #: all other fields of the sender; JSON values
    notes: tuple[str, ...] = ()  #: values that were dropped or blanked while reading, "phones.1: …"
    hold: tuple[str, ...] = ()  #: notes that an operator must look at before anybody is called


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The person in the contact centre who has the ticket."""

    id: str = ""
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The person the ticket is about."""

    name: str = ""
    email: str = ""
    phone: Phone | None = None
    identification: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A case in a helpdesk."""

    id: str
    type: str  #: "ticket.created" | "ticket.updated" | "ticket.closed"
    time: datetime | None = None
    ticket_id: str = ""
    number: str = ""
    channel: str = ""
    subject: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    agent: Agent = Agent()
    customer: Customer = Customer()
    answer_id: int | None = None  #: Tracksale's answer this ticket speaks of
    comment: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()  #: notes that an operator must look at before anybody is called


Event = Lead | Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class Thin:
    """An event that only names the changed object: the rest is fetched before it is routed."""

    id: str
    type: str  #: its expected type: "lead.created"
    what: str  #: the vendor's kind of object: "contact", "ticket", "leadgen"
    ref: str  #: the object's id at the vendor
    time: datetime | None = None
    notes: tuple[str, ...] = ()
