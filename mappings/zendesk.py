"""Zendesk, both ways it calls a webhook: its own ticket events, and the JSON an admin wrote into a trigger.

A ticket event names the requester by an id alone. That id becomes ``customer.identification``: the ticket is valid and
can be found in a survey platform that knows people by it, but a new survey needs an address and its delivery says so.
Whoever wants surveys sends a trigger, with these keys or those of `_TRIGGER`, of which only the address is needed::

    {"ticket_id": "{{ticket.id}}", "status": "{{ticket.status}}", "subject": "{{ticket.title}}",
     "requester_name": "{{ticket.requester.name}}", "requester_email": "{{ticket.requester.email}}",
     "assignee_name": "{{ticket.assignee.name}}", "channel": "{{ticket.via}}"}

Zendesk puts texts into that JSON without escaping them: a quote in a subject makes it unreadable, and since Zendesk
stops calling an endpoint with many errors, such a body is kept and answered 202.
"""

from __future__ import annotations

from typing import Any

from mappings.base import Ignored, Sender, walk
from mappings.translated import TicketSender, is_empty, table, word

_EVENT = "zen:event-type:"
#: Upper case in events, lower case in triggers; there a placeholder writes them in the account's language.
_CLOSED = frozenset({"solved", "closed", "resuelto", "cerrado", "resolvido", "fechado"})
_NEW = frozenset({"new", "created", "nuevo", "novo"})
#: Nobody is to be asked about these.
_UNWANTED = frozenset({"ticket.soft_deleted", "ticket.permanently_deleted", "ticket.marked_as_spam"})
#: Our field -> where a trigger may say it, the first that is there.
_TRIGGER: dict[str, tuple[str, ...]] = {
    "ticket_id": ("ticket_id", "id"),
    "channel": ("channel", "via.channel", "via"),
    "subject": ("subject", "title"),
    "created_at": ("created_at",),
    "updated_at": ("updated_at",),
    "answer_id": ("answer_id",),
    "comment": ("comment", "latest_comment", "description"),
}
_PEOPLE: dict[str, dict[str, tuple[str, ...]]] = {
    "customer": {
        "name": ("requester_name", "requester.name"),
        "email": ("requester_email", "requester.email"),
        "phone": ("requester_phone", "requester.phone"),
        "identification": ("requester_id", "requester.id"),
    },
    "agent": {
        "id": ("assignee_id", "assignee.id"),
        "name": ("assignee_name", "assignee.name"),
        "email": ("assignee_email", "assignee.email"),
    },
}


class ZendeskMapping(TicketSender):
    """Reads both shapes. Solved and closed are one thing to us: what was solved before is not closed again."""

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
    )

    def own(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Our own ticket JSON of either shape. `Ignored`: events of other things, deleted tickets and spam."""
        name = payload.get("type")
        if isinstance(name, str) and name.startswith(_EVENT):
            return _of_event(payload, name.removeprefix(_EVENT))
        return _of_trigger(table(payload.get("ticket")) or payload)


def _of_event(payload: dict[str, Any], name: str) -> dict[str, Any]:
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
        "extra": _rest(detail, _DETAIL),
    }
    return {
        "id": payload.get("id"),
        "type": _event_type(name, detail, change),
        "time": payload.get("time"),
        "data": data,
    }


def _event_type(name: str, detail: dict[str, Any], change: dict[str, Any]) -> str:
    """Closed when this very event closed it: every later one says SOLVED too."""
    status = _status(detail.get("status"))
    if name == "ticket.created":
        return "ticket.closed" if status in _CLOSED else "ticket.created"
    if name == "ticket.status_changed":
        now, before = _status(change.get("current")) or status, _status(change.get("previous"))
        return "ticket.closed" if now in _CLOSED and before not in _CLOSED else "ticket.updated"
    return "ticket.updated"


def _public_comment(change: dict[str, Any]) -> Any:
    comment = table(change.get("comment"))
    return None if comment.get("is_public") is False else comment.get("body")


def _of_trigger(ticket: dict[str, Any]) -> dict[str, Any]:
    """The body has no event id, the invocation's header has: an ``id`` in here is the ticket's."""
    people = {who: {ours: _first(ticket, theirs) for ours, theirs in keys.items()} for who, keys in _PEOPLE.items()}
    data = {ours: _first(ticket, theirs) for ours, theirs in _TRIGGER.items()}
    return {
        "type": _trigger_type(_status(ticket.get("status"))),
        "time": ticket.get("time"),
        "data": {**data, **people, "extra": _rest(ticket, _SAID)},
    }


def _trigger_type(status: str) -> str:
    if status in _CLOSED:
        return "ticket.closed"
    return "ticket.created" if status in _NEW else "ticket.updated"


#: What has its own field. The rest is extra: priority, tags, brand, custom fields.
_DETAIL = frozenset({"id", "subject", "description", "created_at", "updated_at", "assignee_id", "requester_id", "via"})
_SAID = frozenset(
    path.partition(".")[0] for keys in (_TRIGGER, *_PEOPLE.values()) for paths in keys.values() for path in paths
)


def _status(value: Any) -> str:
    return word(value).lower()


def _first(ticket: dict[str, Any], paths: tuple[str, ...]) -> Any:
    return next((found for path in paths if (found := walk(ticket, path)) is not None), None)


def _rest(given: dict[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in taken and not is_empty(value)}
