"""PostCenter (Adereso): notifications of a closed ticket or a received message, with an undocumented body.

So they are trusted only to name a ticket: it and its messages are read from the API (`connector.vendors.postcenter`).
``fetched`` is ``{"ticket": {…}, "messages": {"messages": […]}}``, as GET /v2/ticket/{id}/[messages/] answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mappings import fields
from mappings.base import FieldError, Invalid, Locale, PlainSender, Sender, walk
from mappings.events import Event, Thin, Ticket
from mappings.senders.ticket import EVENT_TYPES, TicketMapping

_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_DAY_FIRST: Final = re.compile(r"(\d{2})-(\d{2})-(\d{4})(?: (\d{2}:\d{2}:\d{2}))?")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_LONGEST_ACCOUNT: Final = 254  #: characters, as of an e-mail address
_DIGITS: Final = re.compile(r"\+?[\d\s().-]{8,25}")
#: Words in the name of a notification -> the type, as far as it is known before the ticket is read.
WORDS: Final = {
    "clos": "ticket.closed",
    "cerr": "ticket.closed",
    "messag": "ticket.updated",
    "mensaj": "ticket.updated",
}
_NAMES: Final = ("event", "event_type", "type", "action", "kind", "evento", "tipo")  #: where that name may stand
_TICKET_KEYS: Final = ("ticket_id", "ticketId", "ticket")
_ID_KEYS: Final = ("id", "_id")
#: Channels with phone numbers as accounts; on others a number identifies an account of that network.
PHONE_CHANNELS: Final = ("whatsapp", "sms", "phone", "call", "voice", "telefono", "teléfono", "llamada")
_WHATSAPP_HOSTS: Final = ("@c.us", "@s.whatsapp.net")
_DEEPEST: Final = 64


class PostCenterMapping(PlainSender):
    """The API decides: a ticket that is open (again) is not closed, despite the notification's name.

    A notification without a known name is about a closed ticket if the ticket is closed. The customer's address is an
    account of the ticket's messages that is an e-mail address or, by its channel, a phone number: a ticket of a channel
    without either is invalid, because its customer could not be surveyed.
    """

    sender = Sender(
        decode="plain",
        proof={"scheme": "path"},  # where its optional token travels is unknown, the address is ours to choose
        secret_fields=("token", "security_token", "secret"),
        gives_up=True,  # nothing is known of its patience
        repeats=False,
    )
    event_types = EVENT_TYPES[1:]
    fetches = "postcenter"
    polled_by = "postcenter.tickets"

    def __init__(self, locale: Locale) -> None:
        self._tickets = TicketMapping(locale)

    def read(self, payload: Any) -> Thin:
        """Which ticket to read."""
        if not isinstance(payload, dict):
            raise Invalid((FieldError("payload", "must be an object"),))
        ref = _ticket_id(payload)
        if not ref:
            raise Invalid((FieldError("ticket_id", "no ticket id (24 hexadecimal digits) is anywhere in it"),))
        return Thin(id="", type=_event_name(payload) or "ticket.updated", what="ticket", ref=ref)

    def complete(self, payload: Any, fetched: Mapping[str, Any]) -> Event:
        """The ticket as it is by now."""
        thin, ticket = self.read(payload), fetched.get("ticket")
        if not isinstance(ticket, dict):
            raise Invalid((FieldError("ticket", "was not fetched"),))
        closed = ticket.get("is_closed") is True and _event_name(payload) != "ticket.updated"
        return self._tickets.read(
            {
                "type": "ticket.closed" if closed else "ticket.updated",
                "time": _iso(_first(ticket, "updated_time", "updated_datetime")),
                "data": _data(thin.ref, ticket, _messages(fetched.get("messages"))),
            }
        )

    def second_key(self, event: Event) -> str:
        """The ticket's state with the API's time of it; "" if it has none."""
        return super().second_key(event) if isinstance(event, Ticket) and event.updated_at else ""


# --- the notification -----------------------------------------------------------------------------------------------


def _ticket_id(payload: Mapping[str, Any]) -> str:
    """Under a key that speaks of a ticket, else under any "id"; the outermost first."""
    objects = list(_objects(payload))
    for found in objects:
        for name in _TICKET_KEYS:
            value = found.get(name)
            if ref := ticket_of(value) or next(
                (ticket_of(walk(value, key)) for key in _ID_KEYS if ticket_of(walk(value, key))), ""
            ):
                return ref
    return next((ref for found in objects for key in _ID_KEYS if (ref := ticket_of(found.get(key)))), "")


def _objects(payload: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in it, by its depth."""
    level = [payload]
    for _ in range(_DEEPEST):
        found: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                yield value
                found += value.values()
            elif isinstance(value, list):
                found += value
        if not found:
            return
        level = found


def ticket_of(value: Any) -> str:
    """The id of a ticket, in lower case; "" if it is not one."""
    return value.lower() if isinstance(value, str) and _ID.fullmatch(value) else ""


def _event_name(payload: Mapping[str, Any]) -> str:
    """The event type in the notification's own name; "" if there is none, or an unknown one."""
    names = [found[n].lower() for found in _objects(payload) for n in _NAMES if isinstance(found.get(n), str)]
    return next((kind for name in names for word, kind in WORDS.items() if word in name), "")


MESSAGES_KEPT: Final = 50  #: the newest, the first one first


# --- the ticket -----------------------------------------------------------------------------------------------------


def _data(ref: str, ticket: Mapping[str, Any], messages: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The data of our own ticket JSON. Names differ between the API's detail and its lists: either is read."""
    agent = ticket.get("current_assignment")
    agent = agent if isinstance(agent, dict) else {}
    channel = ticket.get("social_network")
    return {
        "ticket_id": ref,
        "number": ticket.get("identifier"),
        "channel": channel,
        "subject": _first(ticket, "subject", "title"),
        "created_at": _iso(_first(ticket, "created", "created_datetime")),
        "updated_at": _iso(_first(ticket, "updated_time", "updated_datetime")),
        "agent": {"id": agent.get("cmid"), "name": agent.get("name"), "email": agent.get("email")},
        "customer": _customer(messages, str(channel).lower(), agent),
        "comment": ticket.get("last_content"),
        "extra": {
            "last_author": ticket.get("last_author"),
            "last_content": ticket.get("last_content"),
            "messages": [
                {"author": one.get("author_name"), "content": one.get("content"), "created": _iso(one.get("created"))}
                for one in messages[-MESSAGES_KEPT:]
            ],
        },
    }


def _first(ticket: Mapping[str, Any], *names: str) -> Any:
    return next((ticket[name] for name in names if ticket.get(name) not in (None, "")), None)


def _iso(value: Any) -> Any:
    """Its DD-MM-YYYY hh:mm:ss as ISO 8601; all else as it is. Neither form names a timezone: it is the locale's."""
    match = _DAY_FIRST.fullmatch(value.strip()) if isinstance(value, str) else None
    return f"{match[3]}-{match[2]}-{match[1]}T{match[4] or '00:00:00'}" if match else value


def _messages(fetched: Any) -> list[Mapping[str, Any]]:
    """The first one first: the API gives the newest first."""
    found = fetched.get("messages") if isinstance(fetched, dict) else fetched
    newest_first = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    oldest_first = newest_first[::-1]
    return sorted(oldest_first, key=lambda one: str(_iso(one.get("created"))))


def _customer(messages: list[Mapping[str, Any]], channel: str, agent: Mapping[str, Any]) -> dict[str, Any]:
    """The first author with an address as account; not the agent, and colleagues of the agent last."""
    named = [{"name": one.get("author_name"), **_address(one.get("author_account"), channel)} for one in messages]
    known = [one for one in named if len(one) > 1 and not _is_agent(one, agent)]
    strangers = [one for one in known if not _domain(one) or _domain(one) != _domain(agent)]
    return next(iter(strangers or known), {})


def _is_agent(author: Mapping[str, Any], agent: Mapping[str, Any]) -> bool:
    own = (_lower(agent.get("name")), _lower(agent.get("email")))
    return any(value and value in own for value in (_lower(author.get("name")), _lower(author.get("email"))))


def _domain(person: Mapping[str, Any]) -> str:
    return _lower(person.get("email")).rpartition("@")[2]


def _lower(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _address(account: Any, channel: str) -> dict[str, str]:
    """{"email": …} or {"phone": …} of a message's account; {} when it is a name, or a number with a network."""
    text = fields.number_text(account) if isinstance(account, int | float) else account
    text = text.strip() if isinstance(text, str) else ""
    if len(text) > _LONGEST_ACCOUNT:
        return {}
    for host in _WHATSAPP_HOSTS:
        text = text.removesuffix(host)
    if _EMAIL.fullmatch(text):
        return {"email": text}
    if not any(name in channel for name in PHONE_CHANNELS) or not _DIGITS.fullmatch(text):
        return {}
    # WhatsApp writes whole numbers without +; shorter ones were typed by people.
    return {"phone": f"+{text}" if "whatsapp" in channel and text.isdecimal() and len(text) > 10 else text}
