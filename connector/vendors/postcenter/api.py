"""PostCenter (Adereso), tickets: every documented operation.

An answer of 200 may carry another status in its body.

`PostCenter` has one method for each. Below it are `body_of` and readers of the answers, which accept the types that the
documents leave in doubt: a ticket's number as 261 or "261", its subject as ``subject`` or ``title``, two forms of
times, states in English and Spanish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from connector.core.errors import ConnectorError
from connector.core.http import Answer, Client, Deadline
from connector.core.log import masked
from connector.core.settings import Account, Secret
from connector.vendors.call_checks import WrongCall
from connector.vendors.numbers import count_of

BASE_URL: Final = "https://api-cluster.postcenter.io"
PER_PAGE: Final = 100
STATES: Final = ("open", "closed", "ignored", "inProgress")
_PIECES: Final = ("ticket", "messages")
_FAULTS: Final = {401: "credentials", 403: "credentials", 404: "absent", 410: "gone", 429: "slow"}


class PostCenterError(ConnectorError):
    """PostCenter refused, or answered what cannot be read: in its own words."""


class PostCenter:
    """The operations of one account.

    No limit is documented; every path except that of the states ends in a slash.

    Methods return the vendor's `Answer` unchanged; they raise `NotSent` or `NoAnswer`. ``deadline`` bounds the call.
    Refusals are ``{"message", "status"}`` (401 the key, 404 no such ticket), under the same HTTP status or under 200;
    `body_of` raises them. `each_ticket` goes through all pages and raises `PostCenterError` by itself.
    """

    optional: frozenset[str] = frozenset()
    unseen = ""

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    @classmethod
    def of(cls, account: Account) -> Self:
        """The client of an account of the configuration."""
        return cls.at(account.base_url, token=account.token, timeout_s=account.timeout_s)

    @classmethod
    def at(cls, base_url: str, *, token: Secret, timeout_s: float = 65.0) -> Self:
        """The client of an address, usually `BASE_URL`."""
        return cls(Client({"Authorization": f"Key {token.reveal()}"}, timeout_s=timeout_s), base_url)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def ping(self, *, deadline: Deadline | None = None) -> Answer:
        """Whether PostCenter is there and knows the key."""
        return self._call("GET", "ping/", deadline)

    # One ticket, by its id (24 hexadecimal digits)

    def ticket(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A ticket's detail; see `ticket_of`. No address of the customer is in it."""
        return self._call("GET", f"ticket/{_step(ref)}/", deadline)

    def messages(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """A ticket's messages, the newest first, with their authors' accounts; see `messages_of`."""
        return self._call("GET", f"ticket/{_step(ref)}/messages/", deadline)

    def close_ticket(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """Closes a ticket: ``{"status": 200, "message": "Ok"}``."""
        return self._call("POST", f"ticket/{_step(ref)}/close/", deadline)

    def reassign(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """Has PostCenter choose another agent for a ticket. Repeated, it chooses again."""
        return self._call("POST", f"ticket/{_step(ref)}/reassign/", deadline)

    def by_agent_id(self, agent_ticket_id: int | str, *, deadline: Deadline | None = None) -> Answer:
        """The id of the ticket with this number for agents; see `ticket_id_of`.

        The document says POST, its example GET: a GET that is answered 405 is followed by a POST.
        """
        path = f"ticket/{_step(agent_ticket_id)}/by_agent_id/"
        answer = self._call("GET", path, deadline)
        return self._call("POST", path, deadline) if status_of(answer) == 405 else answer

    def get_possible_agent(self, ref: str, *, deadline: Deadline | None = None) -> Answer:
        """An agent who could answer a ticket; see `assignation_of`."""
        return self._call("GET", f"ticket/{_step(ref)}/get_possible_agent/", deadline)

    # Many tickets

    def tickets(self, country_id: str, *, deadline: Deadline | None = None) -> Answer:
        """A customer's tickets, by the national number in the customer's profile; see `tickets_of`."""
        return self._call("GET", "tickets/", deadline, {"country_id": country_id})

    def facebook_tickets(self, page_id: str, uid: str, *, deadline: Deadline | None = None) -> Answer:
        """A Facebook user's tickets with one page; see `tickets_of`."""
        return self._call("GET", "tickets/facebook/", deadline, {"page_id": page_id, "uid": uid})

    def tickets_by_state(self, state: str, *, deadline: Deadline | None = None) -> Answer:
        """The ids of all tickets in one of `STATES`; see `ids_of`.

        404 for a state that the account does not have.

        Documented without the slash at the end of all other paths: if that is redirected, it is called with the slash.
        """
        path = f"tickets/state/{_step(state)}"
        answer = self._call("GET", path, deadline)
        return self._call("GET", f"{path}/", deadline) if answer.status in _ELSEWHERE else answer

    def paginated(
        self, social_network: str, *, start: str, end: str, next_page: str = "", deadline: Deadline | None = None
    ) -> Answer:
        """Up to 100 tickets of a channel, the newest first, created from ``start`` to before ``end``; see
        `tickets_of`.

        Both are DD-MM-YYYY or DD-MM-YYYY hh:mm:ss, and nothing else: see `moment_text`. ``next_page`` is the value of
        the previous page; see `next_page_of`.
        """
        for name, moment in (("start", start), ("end", end)):
            if not _is_moment_text(moment):
                raise WrongCall(f"{name} must be DD-MM-YYYY or DD-MM-YYYY hh:mm:ss")
        params = {"from": start, "to": end} | ({"next": next_page} if next_page else {})
        return self._call("GET", f"tickets/paginated/{_step(social_network)}/", deadline, params)

    def each_ticket(self, social_network: str, *, start: str, end: str) -> Iterator[Ticket]:
        """Every ticket of `paginated`, page by page: a call for each 100. Raises `PostCenterError`."""
        seen: set[str] = set()
        page = ""
        while True:
            body = body_of(self.paginated(social_network, start=start, end=end, next_page=page))
            yield from tickets_of(body)
            page = next_page_of(body)
            if not page:
                return
            if page in seen:
                raise PostCenterError("PostCenter names a page as the next one that was there before")
            seen.add(page)

    def accounts(self, *, deadline: Deadline | None = None) -> Answer:
        """The channels of the account. The document names the call and shows no answer; see `channels_of`."""
        return self._call("GET", "accounts/all/", deadline)

    def _call(
        self, method: str, path: str, deadline: Deadline | None, params: Mapping[str, str] | None = None
    ) -> Answer:
        """Spaces in parameters travel as %20, as in the documents, and not as a +."""
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        return self._client.call(method, f"{self._base_url}/v2/{path}{query}", deadline=deadline)

    # Calls for thin events

    def next_piece(self, what: str, ref: str, known: Mapping[str, Any]) -> str:
        """The ticket, and then its messages."""
        return next((piece for piece in _PIECES if piece not in known), "")

    def fetch(self, piece: str, what: str, ref: str, known: Mapping[str, Any], *, deadline: Deadline) -> Answer:
        read = self.messages if piece == "messages" else self.ticket
        return read(ref, deadline=deadline)

    @staticmethod
    def is_piece(piece: str, body: Any) -> bool:
        """A ticket has its id, or whether it is closed; messages are a list."""
        if piece == "messages":
            return isinstance(body.get("messages") if isinstance(body, dict) else body, list)
        return isinstance(body, dict) and not {"id", "is_closed"}.isdisjoint(body)

    @staticmethod
    def fault_of(answer: Answer) -> str:
        """By the body's own status, where it has one."""
        status = _body(answer).get("status")
        if not isinstance(status, int) or status < 300:
            return ""
        return _FAULTS.get(status, "failed" if status >= 500 else "unknown")

    @staticmethod
    def words_of(answer: Answer) -> str:
        body = _body(answer)
        return str(body["message"]) if isinstance(body.get("message"), str) else ""


def _body(answer: Answer) -> Mapping[str, Any]:
    body = answer.json()
    return body if isinstance(body, dict) else {}


def _step(ref: int | str) -> str:
    """An id as a step of a path."""
    return quote(str(ref), safe="")


_ELSEWHERE: Final = (301, 302, 307, 308)


# --- what answers hold ----------------------------------------------------------------------------------------------


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The JSON of a success, by HTTP's status and the body's own. Raises `PostCenterError` for anything else."""
    body, status = _body(answer), status_of(answer)
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
    inside = count_of(_body(answer).get("status"))
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


def _is_moment_text(text: str) -> bool:
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
