"""PostCenter (Adereso), tickets: every documented operation.

An answer of 200 may carry another status in its body.

`PostCenter` has one method for each; `readers` read what it answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from connector.core.http import Answer, Client, Deadline
from connector.core.settings import Account, Secret
from connector.vendors.call_checks import WrongCall
from connector.vendors.postcenter.readers import (
    PostCenterError,
    Ticket,
    body_of,
    is_moment_text,
    next_page_of,
    own_body,
    status_of,
    tickets_of,
)

BASE_URL: Final = "https://api-cluster.postcenter.io"
PER_PAGE: Final = 100
_PIECES: Final = ("ticket", "messages")
_FAULTS: Final = {401: "credentials", 403: "credentials", 404: "absent", 410: "gone", 429: "slow"}


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
            if not is_moment_text(moment):
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
        status = own_body(answer).get("status")
        if not isinstance(status, int) or status < 300:
            return ""
        return _FAULTS.get(status, "failed" if status >= 500 else "unknown")

    @staticmethod
    def words_of(answer: Answer) -> str:
        body = own_body(answer)
        return str(body["message"]) if isinstance(body.get("message"), str) else ""


def _step(ref: int | str) -> str:
    """An id as a step of a path."""
    return quote(str(ref), safe="")


_ELSEWHERE: Final = (301, 302, 307, 308)
