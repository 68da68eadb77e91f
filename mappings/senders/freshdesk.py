"""Freshdesk: the webhook of an automation rule, with content that the admin ticked or wrote.

The keys are those that Freshdesk proposes. Where a rule writes others, the source names them::

    [sources.freshdesk]
    mapping = "freshdesk"
    verify = { scheme = "basic", secrets = ["${FRESHDESK_USER_AND_PASSWORD}"] }   # "user:password"
    fields = { "customer.email" = "correo", "customer.phone" = ["movil", "telefono"], "extra.sede" = "cf_sede" }

Only an address is needed, and ``triggered_event`` or ``ticket_status`` to tell what happened. Freshdesk signs nothing
(Basic, or a header with scheme ``token``) and numbers nothing: copies are known by the hash of their body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mappings.base import Ignored, Locale, Sender
from mappings.senders.closing import Closing
from mappings.translated import TICKET_FIELDS, KeyedTicketSender, table, word

#: Our field -> the keys that may have it; the first filled one counts.
FIELDS: dict[str, tuple[str, ...]] = {
    "triggered_event": ("triggered_event",),
    "status": ("ticket_status",),
    "ticket_id": ("ticket_id",),
    "channel": ("ticket_source", "ticket_channel"),
    "subject": ("ticket_subject",),
    "created_at": ("ticket_created_at", "ticket_created_on"),
    "updated_at": ("ticket_updated_at", "ticket_updated_on"),
    "agent.id": ("ticket_agent_id",),
    "agent.name": ("ticket_agent_name", "agent_name"),
    "agent.email": ("ticket_agent_email", "agent_email"),
    "customer.name": ("requester_name", "ticket_requester_name", "ticket_contact_name"),
    "customer.email": ("requester_email", "ticket_requester_email", "ticket_contact_email"),
    "customer.phone": ("requester_phone", "ticket_requester_phone", "ticket_contact_phone", "ticket_contact_mobile"),
    "customer.identification": ("requester_unique_external_id", "ticket_contact_unique_external_id"),
    "answer_id": ("answer_id",),
    "comment": ("ticket_latest_public_comment", "ticket_description"),
}
#: "{status:{from:Open,to:Resolved}}": it looks like JSON and is not.
_STATUS = re.compile(r"\b(?:ticket_?)?(?:status|estado):\s*\{from:([^{}]*)\}")
_TO = re.compile(r",\s*to:")
_ACTION = re.compile(r"\bticket_action:(\w+)")
_CHANGE = re.compile(r"\b\w+:\s*\{from:")  #: of something else
_NUMBERS = ("4", "5")  #: of the states resolved and closed
_LONGEST_WORD = 500  #: characters of what happened, and of a status
_UNWANTED = frozenset({"deleted", "marked_as_spam", "marked_spam"})


class FreshdeskMapping(KeyedTicketSender):
    """Reads the selected fields. Resolved and closed are the same here: a resolved ticket is not closed again."""

    sender = Sender(decode="plain", gives_up=True, repeats=False)
    field_names: ClassVar[Any] = (*TICKET_FIELDS, "triggered_event", "status")
    keys = FIELDS

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None, closed: Sequence[str] = ()) -> None:
        super().__init__(locale, fields)
        self._closing = Closing(closed, besides=_NUMBERS)

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own ticket JSON. `Ignored`: tickets deleted or marked as spam."""
        body = table(payload.get("freshdesk_webhook")) or payload
        fields = self.fields_of(body)
        happened, status = word(fields.pop("triggered_event"))[:_LONGEST_WORD].lower(), fields.pop("status")
        fields["comment"] = _plain_text(fields["comment"])
        return self.ticket(body, fields, type=self._type(happened, status))

    def _type(self, happened: str, status: Any) -> str:
        """The type by the trigger of the rule; if its words are unknown, by the ticket's status."""
        action = _ACTION.search(happened)
        if action and action[1] in _UNWANTED:
            raise Ignored("a ticket that was deleted or is spam")
        if action and action[1] == "created":
            return "ticket.created"
        change = _STATUS.search(happened)
        before, *others = _TO.split(change[1]) if change else ("",)
        if others:
            closes = self._closing.has(others[-1]) and not self._closing.has(before)
            return "ticket.closed" if closes else "ticket.updated"
        if action or _CHANGE.search(happened):
            return "ticket.updated"
        return "ticket.closed" if self._closing.has(status) else "ticket.updated"


_MARKUP = re.compile(r"<[a-zA-Z/!]|&[#a-zA-Z]")


def _plain_text(value: Any) -> Any:
    if not isinstance(value, str) or not _MARKUP.search(value):
        return value
    from mappings.markup import plain_text  # slow to load, and few payloads have HTML

    return plain_text(value)
