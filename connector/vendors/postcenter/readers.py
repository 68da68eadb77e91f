"""Readers of PostCenter's answers.

They accept the types that the documents leave in doubt: a ticket's number as 261 or "261", its subject as ``subject``
or ``title``, two forms of times, states in English and Spanish.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.core.errors import ConnectorError
from connector.core.http import Answer
from connector.core.log import masked
from connector.vendors.numbers import count_of

STATES: Final = ("open", "closed", "ignored", "inProgress")


class PostCenterError(ConnectorError):
    """PostCenter refused, or answered what cannot be read: in its own words."""


def own_body(answer: Answer) -> Mapping[str, Any]:
    """The JSON object of an answer; empty if it is none."""
    body = answer.json()
    return body if isinstance(body, dict) else {}


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The JSON of a success, by HTTP's status and the body's own. Raises `PostCenterError` for anything else."""
    body, status = own_body(answer), status_of(answer)
    if body and 200 <= status < 300:
        return body
    message = body.get("message")
    words = (
        masked(" ".join(message.split())[:300])
        if isinstance(message, str) and message.strip()
        else "nothing that can be read"
    )
    raise PostCenterError(f"PostCenter answered {status}: {words}")


def status_of(answer: Answer) -> int:
    """The status that counts: the body's own if it has one and HTTP reports success."""
    inside = count_of(own_body(answer).get("status"))
    return inside if inside is not None and 200 <= answer.status < 300 else answer.status


@dataclass(frozen=True, slots=True)
class Agent:
    """The person who answers a ticket."""

    cmid: int | None
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket of the detail or of either list; missing values are "" or None."""

    id: str
    identifier: str  #: the number by which agents know it
    social_network: str
    created: datetime | None  #: this and `updated` without a zone: the documents name none
    updated: datetime | None
    is_closed: bool | None
    state: str  #: one of `STATES`, if a list has it; an unknown word stays as it is
    agent: Agent | None
    subject: str
    last_author: str
    last_content: str


def ticket_of(body: Any) -> Ticket:
    """The ticket of `PostCenter.ticket`, or one of a list."""
    found = body if isinstance(body, dict) else {}
    state = _state(found.get("status"))
    closed = found.get("is_closed")
    return Ticket(
        id=_text(found.get("id")),
        identifier=_text(found.get("identifier")),
        social_network=_text(found.get("social_network")),
        created=moment_of(found.get("created") or found.get("created_datetime")),
        updated=moment_of(found.get("updated_time") or found.get("updated_datetime")),
        is_closed=closed if isinstance(closed, bool) else state == "closed" if state else None,
        state=state or ("closed" if closed is True else ""),
        agent=_agent(found.get("current_assignment")),
        subject=_text(found.get("subject") or found.get("title")),
        last_author=_text(found.get("last_author")),
        last_content=_text(found.get("last_content")),
    )


def _agent(found: Any) -> Agent | None:
    if not isinstance(found, dict):
        return None
    return Agent(count_of(found.get("cmid")), _text(found.get("name")), _text(found.get("email")))


#: The paged list speaks Spanish.
_STATES: Final = {"abierto": "open", "cerrado": "closed", "ignorado": "ignored", "en progreso": "inProgress"} | {
    state.lower(): state for state in STATES
}


def _state(value: Any) -> str:
    word = " ".join(value.split()) if isinstance(value, str) and not value.strip().isdigit() else ""
    return _STATES.get(word.lower(), word)


def tickets_of(body: Mapping[str, Any]) -> list[Ticket]:
    """The tickets of a customer or of a page."""
    return [ticket_of(found) for found in _list(body, "tickets", dict)]


def ids_of(body: Mapping[str, Any]) -> list[str]:
    """The ids of `PostCenter.tickets_by_state`."""
    return list(_list(body, "tickets", str))


def number_of_tickets_of(body: Mapping[str, Any]) -> int | None:
    """The number of tickets that the page claims to have."""
    return count_of(body.get("number_of_tickets"))


#: Names under which an account's channel may stand; no document shows the answer.
_CHANNEL_KEYS: Final = ("social_network", "channel", "network", "type")


def channels_of(body: Any) -> list[str]:
    """The channels of `PostCenter.accounts`, as far as they are recognised; each once."""
    inside = [value for value in body.values() if isinstance(value, list)] if isinstance(body, dict) else []
    found = body if isinstance(body, list) else next(iter(inside), [])
    names = [one if isinstance(one, str) else _channel(one) for one in found]
    return list(dict.fromkeys(name.lower() for name in names if name))


def _channel(account: Any) -> str:
    found = [_text(account.get(key)) for key in _CHANNEL_KEYS] if isinstance(account, dict) else []
    return next((name for name in found if name), "")


def next_page_of(body: Mapping[str, Any]) -> str:
    """The name of the next page; "" if this is the last."""
    return _text(body.get("next_page"))


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a ticket. ``author_account`` is the only address of a customer, where it is one."""

    content: str
    author_id: str
    author_name: str
    author_account: str
    created: datetime | None  #: without a zone
    media: str  #: an address, mostly ""


def messages_of(body: Mapping[str, Any]) -> list[Message]:
    """The messages of `PostCenter.messages`, the newest first, as they come."""
    return [_message(found) for found in _list(body, "messages", dict)]


def _message(found: Mapping[str, Any]) -> Message:
    return Message(
        content=_text(found.get("content")),
        author_id=_text(found.get("author_id")),
        author_name=_text(found.get("author_name")),
        author_account=_text(found.get("author_account")),
        created=moment_of(found.get("created")),
        media=_text(found.get("media")),
    )


def ticket_id_of(body: Mapping[str, Any]) -> str:
    """The answer of `PostCenter.by_agent_id`."""
    return _text(body.get("ticket_id"))


@dataclass(frozen=True, slots=True)
class Assignation:
    """An agent who could answer; ``cm`` is None if there is none."""

    cm: int | None
    reason: str


def assignation_of(body: Mapping[str, Any]) -> Assignation:
    """The answer of `PostCenter.get_possible_agent`."""
    found = body.get("assignation")
    about = found if isinstance(found, dict) else {}
    return Assignation(count_of(about.get("cm")), _text(about.get("reason")))


# --- values in doubt ------------------------------------------------------------------------------------------------


def moment_of(value: Any) -> datetime | None:
    """ISO 8601 or DD-MM-YYYY[ hh:mm:ss]; naive if there is no zone. None otherwise."""
    text = value.strip() if isinstance(value, str) else ""
    for form in ("%d-%m-%Y %H:%M:%S", "%d-%m-%Y"):
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the documents name no zone
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_MOMENT: Final = re.compile(r"[0-9]{2}-[0-9]{2}-[0-9]{4}(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?")


def is_moment_text(text: str) -> bool:
    """Whether it has one of the two forms that the document allows, and is a day."""
    return bool(_MOMENT.fullmatch(text)) and moment_of(text) is not None


def moment_text(when: datetime) -> str:
    """As `PostCenter.paginated` wants it. Its zone is not documented: ``when`` is written as it stands."""
    return f"{when:%d-%m-%Y %H:%M:%S}"


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _list(body: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """A list of one kind of values; anything else is not an answer."""
    found = body.get(name)
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise PostCenterError(f"PostCenter answered without a list of {name}: look at what it changed")
    return found
