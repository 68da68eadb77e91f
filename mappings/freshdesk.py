"""Freshdesk: the webhook of an automation rule, whose content is what the admin ticked or wrote.

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
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, ClassVar

from mappings.base import Ignored, Locale, Sender, walk
from mappings.translated import TICKET_FIELDS, TicketSender, as_names, is_empty, table, word

#: Our field -> the keys that may say it, the first that is filled.
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
#: "{status:{from:Open,to:Resolved}}": it looks like JSON and is none.
_STATUS = re.compile(r"\bstatus:\s*\{from:([^{}]*),\s*to:([^{}]*)\}")
_ACTION = re.compile(r"\bticket_action:(\w+)")
#: As an account writes them in its language, or by their numbers.
_CLOSED = frozenset({"resolved", "closed", "resuelto", "cerrado", "resolvido", "fechado", "4", "5"})
_UNWANTED = frozenset({"deleted", "marked_as_spam", "marked_spam"})


class FreshdeskMapping(TicketSender):
    """Reads what was ticked. Resolved and closed are one thing to us: what was resolved before is not closed again."""

    sender = Sender(decode="plain", gives_up=True)
    takes_fields = True
    field_names: ClassVar[Any] = (*TICKET_FIELDS, "triggered_event", "status")

    def __init__(self, locale: Locale, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(locale)
        self._paths = FIELDS | {ours: tuple(as_names(theirs)) for ours, theirs in (fields or {}).items()}
        self._taken = frozenset(path for ours in self._paths.keys() - {"status"} for path in self._paths[ours])

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own ticket JSON. `Ignored`: tickets deleted or marked as spam."""
        given = table(payload.get("freshdesk_webhook")) or payload
        said = {ours: _first(given, paths) for ours, paths in self._paths.items()}
        happened, status = _word(said.pop("triggered_event")), _word(said.pop("status"))
        extra = {key: value for key, value in given.items() if key not in self._taken and not is_empty(value)}
        data: dict[str, Any] = {"comment": _plain_text(said.pop("comment")), "extra": extra}
        envelope = {ours: said.pop(ours, None) for ours in ("id", "type", "time")}
        for path, value in said.items():
            _put(data, path, value)
        return {**envelope, "type": envelope["type"] or _type(happened, status), "data": data}


def _type(happened: str, status: str) -> str:
    """By what triggered the rule; only where it does not say so, by the ticket's status."""
    action = _ACTION.search(happened)
    if action and action[1] in _UNWANTED:
        raise Ignored("a ticket that was deleted or is spam")
    if action and action[1] == "created":
        return "ticket.created"
    change = _STATUS.search(happened)
    if change:
        before, now = _word(change[1]), _word(change[2])
        return "ticket.closed" if now in _CLOSED and before not in _CLOSED else "ticket.updated"
    return "ticket.closed" if not happened and status in _CLOSED else "ticket.updated"


def _word(value: Any) -> str:
    return word(value).lower()


def _first(given: Mapping[str, Any], paths: tuple[str, ...]) -> Any:
    return next((found for path in paths if (found := walk(given, path)) is not None), None)


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """ "customer.email" goes into the object of that name; below "extra." a name may hold dots."""
    if value is None:
        return
    head, _, rest = path.partition(".")
    if rest:
        data.setdefault(head, {})[rest] = value
    else:
        data[head] = value


# --- HTML -------------------------------------------------------------------------------------------------------

_LONGEST = 20_000  #: characters that are read; html.parser takes a time that grows with their square
_MARKUP = re.compile(r"<[a-zA-Z/!]|&[#a-zA-Z]")
_BLOCKS = frozenset(
    {"br", "div", "p", "li", "tr", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table"}
)
_UNSEEN = frozenset({"script", "style", "head", "title"})


class _Words(HTMLParser):
    """The text that a reader of the page would see, a line for each block."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data.replace("\n", " "))


def _plain_text(value: Any) -> Any:
    if not isinstance(value, str) or not _MARKUP.search(value):
        return value
    words = _Words()
    try:
        words.feed(value[:_LONGEST])
        words.close()
    except AssertionError:  # how html.parser says that it does not know a declaration
        return value
    lines = (" ".join(line.split()) for line in "".join(words.pieces).split("\n"))
    return "\n".join(filter(None, lines))
