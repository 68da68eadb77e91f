"""Zendesk, both ways it calls a webhook: its own ticket events, and the JSON that an admin wrote into a trigger.

A ticket event names the requester by an id only. That id becomes ``customer.identification``: the ticket is valid and
can be found in a survey platform that knows people by it, but a new survey needs an address and its delivery says so.
For surveys use a trigger, with these keys or those of `_TRIGGER`, of which only the address is needed::

    {"ticket_id": "{{ticket.id}}", "status": "{{ticket.status}}", "subject": "{{ticket.title}}",
     "requester_name": "{{ticket.requester.name}}", "requester_email": "{{ticket.requester.email}}",
     "assignee_name": "{{ticket.assignee.name}}", "channel": "{{ticket.via}}"}

Zendesk puts texts into that JSON without escaping them: a quote in a subject makes it unreadable, and since Zendesk
stops calling an endpoint with many errors, such a body is kept and answered 202.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mappings.base import Ignored, Locale, Sender, walk
from mappings.names import folded
from mappings.senders.closing import Closing
from mappings.translated import TICKET_FIELDS, KeyedTicketSender, is_empty, table, word

_EVENT = "zen:event-type:"
#: Lower case in triggers, where a placeholder writes it in the account's language.
_NEW = frozenset({"new", "created", "nuevo", "novo"})
#: Statuses of tickets without a survey.
_UNWANTED = frozenset({"ticket.soft_deleted", "ticket.permanently_deleted", "ticket.marked_as_spam"})
#: Changes of a ticket's state: its category, or one of the account's own states, by number.
_MOVES = frozenset({"ticket.status_changed", "ticket.custom_status_changed"})
#: Our field -> the keys of a trigger; the first one counts. "ticketId" is "ticket_id".
_TRIGGER: dict[str, tuple[str, ...]] = {
    "status": ("status", "ticket_status"),
    "ticket_id": ("ticket_id", "id"),
    "channel": ("channel", "via.channel", "via"),
    "subject": ("subject", "title", "ticket_title"),
    "time": ("time",),
    "created_at": ("created_at",),
    "updated_at": ("updated_at",),
    "answer_id": ("answer_id",),
    "comment": ("comment", "latest_comment", "description"),
    "customer.name": ("requester_name", "requester.name", "requester"),
    "customer.email": ("requester_email", "requester.email", "requester"),
    "customer.phone": ("requester_phone", "requester.phone"),
    "customer.identification": ("requester_id", "requester.id"),
    "agent.id": ("assignee_id", "assignee.id"),
    "agent.name": ("assignee_name", "assignee.name", "assignee"),
    "agent.email": ("assignee_email", "assignee.email", "assignee"),
}
_ADDRESS = re.compile(r"<[^<>]*>|\S+@\S+")


class ZendeskMapping(KeyedTicketSender):
    """Reads both shapes. Solved and closed are the same here: a solved ticket is not closed again.

    ``fields`` names a trigger's keys if they differ: ``{ "customer.email" = "correo" }``.
    """

    sender = Sender(
        decode="plain",
        proof={
            "scheme": "hmac",
            "header": "X-Zendesk-Webhook-Signature",
            "algorithm": "sha256",
            "encoding": "base64",
            "signed": "{timestamp}{body}",
            "timestamp_header": "X-Zendesk-Webhook-Signature-Timestamp",
        },
        id_header="X-Zendesk-Webhook-Invocation-Id",
        gives_up=True,
        repeats=False,  # a 429 only if it may come again within a minute
    )

    field_names: ClassVar[Any] = (*TICKET_FIELDS, "status")
    keys = _TRIGGER

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None, closed: Sequence[str] = ()) -> None:
        super().__init__(locale, fields)
        self._closing = Closing(closed)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own ticket JSON of either shape. `Ignored`: events of other things, deleted tickets and spam."""
        name = payload.get("type")
        if isinstance(name, str) and name.startswith(_EVENT):
            return self._of_event(payload, name.removeprefix(_EVENT))
        return self._of_trigger(table(payload.get("ticket")) or payload)

    def _of_event(self, payload: dict[str, Any], name: str) -> dict[str, Any]:
        if not name.startswith("ticket."):
            raise Ignored("not an event of a ticket")
        if name in _UNWANTED:
            raise Ignored("a ticket that was deleted or is spam")
        detail, change = table(payload.get("detail")), table(payload.get("event"))
        described = detail.get("description") if name == "ticket.created" else None
        data = {
            "ticket_id": detail.get("id"),
            "channel": walk(detail, "via.channel"),
            "subject": detail.get("subject"),
            "created_at": detail.get("created_at"),
            "updated_at": detail.get("updated_at"),
            "agent": {"id": detail.get("assignee_id")},
            "customer": {"identification": detail.get("requester_id")},
            "comment": _public_comment(change) or described,
            "extra": {key: value for key, value in detail.items() if key not in _DETAIL and not is_empty(value)},
        }
        return {
            "id": payload.get("id"),
            "type": self._event_type(name, detail, change),
            "time": payload.get("time"),
            "data": data,
        }

    def _event_type(self, name: str, detail: dict[str, Any], change: dict[str, Any]) -> str:
        """Closed if this very event closed it: every later one says SOLVED too."""
        if name == "ticket.created":
            return "ticket.closed" if self._is_closed(detail) else "ticket.created"
        if name in _MOVES:
            now, before = change.get("current"), change.get("previous")
            closed = self._is_closed(detail) if is_empty(now) else self._closing.has(now)
            return "ticket.closed" if closed and not self._closing.has(before) else "ticket.updated"
        return "ticket.updated"

    def _is_closed(self, detail: dict[str, Any]) -> bool:
        return self._closing.has(detail.get("status")) or self._closing.has(detail.get("custom_status"))

    def _of_trigger(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """The body has no event id, the invocation's header has: an ``id`` in here is the ticket's."""
        fields = self.fields_of(ticket)
        status = fields.pop("status")
        for who in ("customer.name", "agent.name"):
            fields[who] = _name(fields[who])
        return self.ticket(ticket, fields, type=self._trigger_type(status))

    def _trigger_type(self, status: Any) -> str:
        if self._closing.has(status):
            return "ticket.closed"
        return "ticket.created" if folded(word(status)) in _NEW else "ticket.updated"


def _name(person: Any) -> Any:
    """The name in "Ana Prueba <ana@example.com>"; None if there is only an address."""
    if not isinstance(person, str) or "@" not in person:
        return None if isinstance(person, dict) else person
    return _ADDRESS.sub("", person).strip(" \"'") or None


def _public_comment(change: dict[str, Any]) -> Any:
    comment = table(change.get("comment"))
    return None if comment.get("is_public") is False else comment.get("body")


#: Keys with a field of their own. The rest is extra: priority, tags, brand, custom fields.
_DETAIL = frozenset({"id", "subject", "description", "created_at", "updated_at", "assignee_id", "requester_id", "via"})
