"""The rows of an event, a delivery and its record: for every statement that adds one, on both databases.

Texts of persons are plain here. The statements encrypt them: see `encrypted_column`.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from connector.core.states import EventState
from connector.store import attempt_list, thin_events
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.lanes import UNREAD_LANES

Row = dict[str, Any]

#: The columns that no arrival tells, for statements that read the clock themselves: in terms of its ``now``, of the
#: row's other columns and of `due_in`. They say what `whole_event` and `whole_delivery` do.
EVENT_BY_CLOCK: Final = {"key": "event_id", "received_at": "now", "due_at": "now + due_in"}
DELIVERY_BY_CLOCK: Final = {
    "attempts": f"'{attempt_list.NONE}'",
    "due_at": f"CASE WHEN after IS NULL AND lane NOT IN {UNREAD_LANES} THEN now ELSE expires_at END",
    "created_at": "now",
    "updated_at": "now",
}


def event(arrival: Arrival) -> Row:
    """A row of `events` without what is NULL, and without `EVENT_BY_CLOCK`."""
    row: Row = {
        "source": arrival.source,
        "event_id": arrival.event_id,
        "type": arrival.type,
        "state": arrival.state,
        "content_type": arrival.content_type,
        "occurred_at": arrival.occurred_at,
        "fingerprint": arrival.fingerprint,
        "payload": arrival.payload,
    }
    if arrival.errors:
        row["errors"] = orjson.dumps(arrival.errors).decode()
    if arrival.notes:
        row["notes"] = orjson.dumps(arrival.notes).decode()
    if arrival.account:
        row["account"] = arrival.account
    if arrival.limited:
        row["released_at"] = 0
    return row


def due_in(arrival: Arrival) -> int | None:
    """How long after it was received it is fetched (ms), as ``due_at`` has it; None: it is complete."""
    return thin_events.due(0, behind=arrival.behind, apart=arrival.limited) if arrival.account else None


def whole_event(arrival: Arrival, now: int) -> Row:
    """A row of `events` with all its columns: received now (unix ms)."""
    wait = due_in(arrival)
    due_at = None if wait is None else now + wait
    return {**_NO_EVENT, **event(arrival), "key": arrival.event_id, "received_at": now, "due_at": due_at}


def delivery(new: NewDelivery) -> Row:
    """A row of `deliveries` without what is NULL, its event and `DELIVERY_BY_CLOCK`."""
    row: Row = {
        "route": new.route,
        "account": new.account,
        "destination": new.destination,
        "state": new.state,
        "lane": new.lane,
        "expires_at": new.expires_at,
        "place": new.place,
        "turn": new.turn,
        "rule": new.rule,
    }
    if new.once_key:
        row["once_key"] = new.once_key
    if new.reason:
        row["reason_code"], row["reason_facts"] = new.reason.code, new.reason.facts_json
    return row


def whole_delivery(event: int, new: NewDelivery, now: int) -> Row:
    """A row of `deliveries` with all its columns: added now (unix ms). One that lies apart waits."""
    row = {**_NO_DELIVERY, **delivery(new), "event": event, "attempts": attempt_list.NONE}
    row["due_at"] = new.expires_at if new.lies_apart else now
    row["created_at"] = row["updated_at"] = now
    return row


def record(new: NewDelivery) -> Row:
    """A row of `records` without what is NULL and without its delivery."""
    row: Row = {"record": new.record}
    if new.notes:
        row["notes"] = orjson.dumps(new.notes).decode()
    if new.contact:
        row["contact"] = new.contact
    if new.contacts:
        row["contacts"] = new.contacts
    if new.after:
        row["after"] = new.after
    if new.consent:
        row["consent"] = new.consent
    return row


def whole_record(delivery: int, new: NewDelivery) -> Row:
    """A row of `records` with all its columns."""
    return {**_NO_RECORD, **record(new), "delivery": delivery}


#: The columns that `event`, `delivery` and `record` name, those that may be NULL last.
EVENT: Final = (
    *event(Arrival(source="", event_id="", type="", state=EventState.INVALID, payload="")),
    *("errors", "notes", "account", "released_at"),
)
_NOBODY: Final = NewDelivery(route="", account="", destination="", record="", expires_at=0)
DELIVERY: Final = (*delivery(_NOBODY), "once_key", "reason_code", "reason_facts")
RECORD: Final = (*record(_NOBODY), "notes", "contact", "contacts", "after", "consent")
_NO_EVENT: Final = dict.fromkeys(EVENT)
_NO_DELIVERY: Final = dict.fromkeys(DELIVERY)
_NO_RECORD: Final = dict.fromkeys(RECORD)
