"""The whole story of one event or delivery, in time order and in human words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from connector.admin import acts, fetches, outlook, polls
from connector.admin.allowed import allowed_in_words
from connector.admin.identifiers import NotThere, events_called, own_id, typed
from connector.admin.scene import Scene
from connector.admin.search import find
from connector.core import masking
from connector.core.log import masked
from connector.core.phrases import joined, phrase, plural
from connector.core.settings import Settings
from connector.core.states import AttemptState, DeliveryState, EventState, Kind
from connector.core.times import iso, unix_ms
from connector.outbound.probe_decisions import NOTHING_TO_ASK
from connector.store import attempt_list, contacts, imports, reasons, suppression_list
from connector.store.attempts import kind_of
from connector.store.database import Database, now_ms
from connector.store.inbox import HASHED
from connector.store.lanes import UNREAD_LANES
from connector.store.outbox import SETTLED
from connector.store.tables import attempts, deliveries, events, records
from connector.vendors.base import Story
from connector.vendors.destinations import operation_of

ATTEMPTS_TOLD: Final = 50  #: of one delivery; the latest
EVENTS_TOLD: Final = 20  #: under one id; the latest

_attempts = attempts.c
_deliveries = deliveries.c
_events = events.c


def explain(database: Database, settings: Settings, text: str, *, show_record: bool = False) -> dict[str, Any]:
    """Everything known of a delivery ("d123"), an event ("e45") or all events that their senders call ``text``.

    ``show_record`` shows records and words as they are, else persons are masked. Raises `NotThere`, `StoreUnavailable`.
    """
    with database.read() as conn:
        scene = Scene(conn, settings, now_ms(conn), show_record)
        text = typed(text)
        chosen = _events_of(conn, settings, text)
        if not chosen:
            raise NotThere(
                phrase(
                    "nothing is called {name}: give a delivery (d123), an event (e45), its sender's id or a phone;"
                    " by name: connector events --find NAME",
                    name=masked(text),
                )
            )
        return {
            "asked": text,
            "at": iso(scene.now),
            "events": [_event(scene, event, only) for event, only in list(chosen.items())[-EVENTS_TOLD:]],
            "left_out": max(0, len(chosen) - EVENTS_TOLD),
        }


def _events_of(conn: Connection, settings: Settings, text: str) -> dict[int, int | None]:
    """Event row -> the one delivery that was asked about (None: all of them)."""
    chosen: dict[int, int | None] = dict.fromkeys(events_called(conn, settings, text))
    own = own_id(conn, text, "e")
    if own is not None and conn.execute(select(_events.id).where(_events.id == own)).first():
        chosen[own] = None
    if not chosen:
        chosen |= dict.fromkeys(sorted(find(conn, settings, text, names=False).events)) if _is_named(text) else {}
    number = own_id(conn, text, "d")
    if number is None and not chosen and text.isascii() and text.isdigit() and len(text) < 19:
        number = int(text)
    event = None if number is None else conn.execute(select(_deliveries.event).where(_deliveries.id == number)).scalar()
    if event is not None:
        chosen.setdefault(event, number)
    return chosen


def _is_named(text: str) -> bool:
    """Whether it may be an id of the sender's, a phone or an e-mail; "d77" and "45" are ours."""
    return not re.fullmatch(r"[dea]?\d{1,6}", text) and " " not in text.strip()[:1]


# --- an event -------------------------------------------------------------------------------------------------------


def _event(scene: Scene, row_id: int, only: int | None) -> dict[str, Any]:
    row = scene.conn.execute(select(events).where(_events.id == row_id)).one()
    query = select(deliveries).where(_deliveries.event == row_id).order_by(_deliveries.id)
    shown_deliveries = [_delivery(scene, one) for one in scene.conn.execute(query) if only in (None, one.id)]
    shown: dict[str, Any] = {
        "event": f"e{row.id}",
        "event_id": row.event_id,
        "source": row.source,
        "type": row.type,
        "state": row.state,
        "received_at": iso(row.received_at),
        "occurred_at": iso(row.occurred_at),
        "forgotten_at": iso(row.forgotten_at),
        "content_type": row.content_type,
        "notes": [scene.words(note) for note in _list(row.notes)],
        "errors": [{"field": error["field"], "message": scene.words(error["message"])} for error in _list(row.errors)],
        "fetches": fetches.calls(scene.conn, row.attempts, partial(attempt_shown, scene)),
        "fetched_by": row.account,
        "due_at": iso(row.due_at) if row.state == EventState.WAITING and row.released_at != 0 else None,
        "waits_for_room": row.released_at == 0,
        "had_room_at": iso(row.released_at),
        "deliveries": shown_deliveries,
    }
    if scene.show_record:
        shown["payload"] = row.payload
    how = polls.came(scene.settings.sources.get(row.source))
    upload = imports.of_event(scene.conn, row.id)
    if upload is not None:
        shown["import"] = {"import": upload.id, "file": upload.name, "line": upload.line, "who": upload.who}
    story = [
        *_received(shown, how),
        *fetches.story_lines(shown["event"], shown["fetches"]),
        *_sent(shown_deliveries),
        *_forgotten(shown),
    ]
    story += _decided(scene, row, shown)
    shown["story"] = sorted(story, key=lambda line: line["at"])
    shown["now"], shown["next"] = _event_now(scene, shown)
    return shown


def _received(shown: Mapping[str, Any], how: str) -> list[dict[str, str]]:
    at = shown["received_at"]
    what = shown["type"] or phrase("something without a type")
    upload = shown.get("import")
    facts = {"how": how, "source": shown["source"], "what": what, "called": _called(shown["event_id"])}
    lines: list[str] = [phrase("{how} {source}: {what}, {called}", **facts)]
    if upload:
        came = "imported by {who} for {source}: {what}, line {line} of {file} (import {number})"
        lines = [phrase(came, **upload, number=upload["import"], source=shown["source"], what=what)]
    lines += [phrase("noted while reading: {note}", note=note) for note in shown["notes"]]
    lines += [f"{error['field']}: {error['message']}" for error in shown["errors"]]
    return [{"at": at, "said": line} for line in lines]


def _called(event_id: str) -> str:
    if not event_id:
        return phrase("whose id is forgotten")
    if event_id.startswith(HASHED):
        return phrase("which its sender gave no id")
    return phrase("called {event_id} by its sender", event_id=event_id)


def _forgotten(shown: Mapping[str, Any]) -> list[dict[str, str]]:
    at = shown["forgotten_at"]
    sentence = phrase("its data was forgotten: payload, records, ids and what vendors said; what stays is this story")
    return [{"at": at, "said": sentence}] if at else []


def _sent(shown_deliveries: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [line for delivery in shown_deliveries for line in delivery["story"]]


def _decided(scene: Scene, row: Any, shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The acts of operators about it, and about its accounts while it waited for them."""
    shown_deliveries = shown["deliveries"]
    lines = acts.story_lines(scene.conn, row.id, [int(one["delivery"][1:]) for one in shown_deliveries])
    over = all(one["state"] in SETTLED for one in shown_deliveries)
    until = (
        max((unix_ms(one["changed_at"]) for one in shown_deliveries), default=row.received_at) if over else scene.now
    )
    names = {one["account"] for one in shown_deliveries}
    return lines + (acts.lines_of_accounts(scene.conn, names, row.received_at, until) if names else [])


_EVENT_NOW: Final[Mapping[str, str]] = {
    EventState.ACCEPTED: phrase("accepted"),
    EventState.IGNORED: phrase("kept, and sent nowhere: no route wants it"),
    EventState.INVALID: phrase("kept as invalid: no event could be read from it"),
}


def _event_now(scene: Scene, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    sentence, name = _EVENT_NOW.get(shown["state"], shown["state"]), shown["event"]
    if shown["forgotten_at"]:
        return phrase("{said}; its data was forgotten at {at}", said=sentence, at=shown["forgotten_at"]), []
    if shown["state"] == EventState.INVALID:
        again = phrase(
            "or, once the mapping or the configuration is corrected: connector replay --event {event}", event=name
        )
        return sentence, [phrase("ask the sender for a corrected copy: it is welcome under the same id"), again]
    if shown["state"] == EventState.IGNORED:
        step = phrase(
            'if it should go somewhere: add a route with on = "{type}" and sources with "{source}", '
            "then connector replay --event {event}",
            type=shown["type"],
            source=shown["source"],
            event=name,
        )
        return sentence, [step]
    if shown["state"] == EventState.WAITING:
        waits, todo = fetches.now(shown, outlook.account_stand(scene, shown["fetched_by"]))
        return waits, [todo]
    if shown["source"] not in scene.settings.sources:
        sentence = phrase("{said}; its source {source} left the configuration", said=sentence, source=shown["source"])
    return sentence, []


# --- a delivery -----------------------------------------------------------------------------------------------------


def _delivery(scene: Scene, row: Any) -> dict[str, Any]:
    stored = scene.conn.execute(select(records).where(records.c.delivery == row.id)).first()
    tried = _attempts_of(scene, row)
    kind = operation_of(row.destination)
    story = kind.story(scene.conn, row.id) if kind else None
    shown: dict[str, Any] = {
        "delivery": f"d{row.id}",
        "route": row.route,
        "account": row.account,
        "destination": row.destination,
        "state": row.state,
        "reason": scene.reason(reasons.of(row)) or None,
        "reason_code": row.reason_code,
        "created_at": iso(row.created_at),
        "changed_at": iso(row.updated_at),
        "due_at": iso(row.due_at) if row.state == DeliveryState.PENDING and row.lane not in UNREAD_LANES else None,
        "expires_at": iso(row.expires_at),
        "after": stored.after if stored else None,
        "record": _record(scene, row, stored.record if stored else ""),
        "result": _record(scene, row, (stored.result if stored else None) or ""),
        "record_notes": [scene.words(note) for note in _list(stored.notes if stored else None)],
        "attempts": tried,
        "allowed": [
            {"at": iso(at), "attempt": f"a{attempt}", **proof}
            for attempt, at, proof in contacts.proofs(scene.conn, row.id)
        ],
        "draft_lot": story.facts.get("draft_lot") if story else None,
    }
    shown["story"] = _story(shown, story) + _no_too_late(scene, shown, stored)
    shown["now"], shown["next"] = outlook.of_delivery(scene, row, shown, story)
    return shown


def _record(scene: Scene, row: Any, text: str) -> Any:
    """The record without its empty fields."""
    if not text:
        return None
    record = orjson.loads(text)
    if scene.show_record:
        return {name: value for name, value in record.items() if value not in ("", None, [])}
    options = [route.options for route in scene.settings.routes if route.name == row.route]
    return masking.record(record, masking.texts(options))


def _attempts_of(scene: Scene, row: Any) -> list[dict[str, Any]]:
    ids = attempt_list.numbers(row.attempts)[-ATTEMPTS_TOLD:]
    rows = scene.conn.execute(select(attempts).where(_attempts.id.in_(ids)).order_by(_attempts.id)).all()
    unknown = [
        one.id
        for one in rows
        if one.probe_at is not None or one.probed is not None or one.state != AttemptState.NOT_SENT
    ]
    probes = _probes(scene, unknown)
    return [attempt_shown(scene, one) | {"probes": probes.get(one.id, [])} for one in rows]


def _probes(scene: Scene, about: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The probes of these attempts. They come after the first of them, in the order of the log."""
    if not about:
        return {}
    probes = (
        select(attempts)
        .where(_attempts.id > min(about), _attempts.about.in_(about), _attempts.kind == Kind.PROBE)
        .order_by(_attempts.id)
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in scene.conn.execute(probes):
        found.setdefault(row.about, []).append(attempt_shown(scene, row))
    return found


def attempt_shown(scene: Scene, row: Any) -> dict[str, Any]:
    """A call as stories show it."""
    over = row.state not in (AttemptState.STARTED, AttemptState.NOT_SENT) and row.ended_at is not None
    return {
        "attempt": f"a{row.id}",
        "kind": kind_of(row.kind),
        "state": row.state,
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at) if over else None,
        "seconds": max(0, row.ended_at - row.started_at) / 1000 if over else None,
        "deadline": iso(row.deadline),
        "status": row.status,
        "words": scene.words(row.words, row.status) or None,
        "worker": row.worker,
        "records": row.records,
        "asks_again_at": iso(row.probe_at),
    }


def _story(shown: Mapping[str, Any], story: Story | None) -> list[dict[str, str]]:
    name = shown["delivery"]
    after = phrase(", after “{route}”", route=shown["after"]) if shown["after"] else ""
    facts = {"delivery": name, "route": shown["route"], "destination": shown["destination"], "after": after}
    begun = phrase("{delivery}: route “{route}” sends it to {destination}{after}", **facts)
    lines = [{"at": shown["created_at"], "said": begun}]
    for note in shown["record_notes"]:
        lines.append({"at": shown["created_at"], "said": phrase("{delivery}: noted: {note}", delivery=name, note=note)})
    for one in shown["attempts"]:
        lines += _check(name, one) if one["kind"] == Kind.PRECHECK else _call(name, one)
        for probe in one["probes"]:
            lines += _question(name, one, probe)
    lines += [{"at": one["at"], "said": joined([f"{name}: ", allowed_in_words(one)])} for one in shown["allowed"]]
    return lines + [{**line, "said": joined([f"{name}: ", line["said"]])} for line in (story.lines if story else ())]


def _no_too_late(scene: Scene, shown: Mapping[str, Any], stored: Any) -> list[dict[str, str]]:
    """The person's "no" that came after their contact had begun. It stops the next one only."""
    ways = (_list(stored.contacts) or [stored.contact]) if stored and stored.contact else []
    sent = [one for one in shown["attempts"] if one["kind"] == Kind.SEND]
    if not ways or not sent:
        return []
    channel = next((one["channel"] for one in shown["allowed"]), "")
    since = suppression_list.first_no(scene.conn, ways, channel)
    no = iso(since) or ""
    before = [one["attempt"] for one in sent if one["started_at"] < no]
    if not before:
        return []
    said = phrase(
        "{delivery}: its person is on the do-not-contact list from now on; attempt {attempt} had begun before",
        delivery=shown["delivery"],
        attempt=before[-1],
    )
    return [{"at": no, "said": said}]


def _call(name: str, one: Mapping[str, Any]) -> list[dict[str, str]]:
    others = one["records"] - 1
    company = plural(" with {number} other", " with {number} others", others) if others > 0 else ""
    facts = {"delivery": name, "attempt": one["attempt"]}
    sentence = phrase(
        "{delivery}: attempt {attempt} by {worker}{company}", **facts, worker=one["worker"], company=company
    )
    begun: dict[str, str] = {"at": one["started_at"], "said": sentence}
    if one["state"] == AttemptState.STARTED:
        return [begun]
    # An unknown call keeps its slot until the deadline; when the connection was lost is nowhere written.
    ended = one["started_at"] if one["state"] == AttemptState.UNKNOWN else one["ended_at"] or one["started_at"]
    return [begun, {"at": ended, "said": phrase("{delivery}: attempt {attempt} {ended}", **facts, ended=_ended(one))}]


def _check(name: str, one: Mapping[str, Any]) -> list[dict[str, str]]:
    words = f" ({one['words']})" if one["words"] else ""
    sentence = phrase(
        "{delivery}: the vendor was asked first whether it may be sent (call {attempt}): {answer}{words}",
        delivery=name,
        attempt=one["attempt"],
        answer=_CHECK_ANSWERS[one["state"]],
        words=words,
    )
    return [{"at": one["ended_at"] or one["started_at"], "said": sentence}]


_CHECK_ANSWERS: Final = {
    AttemptState.STARTED: phrase("it is being asked"),
    AttemptState.ACCEPTED: phrase("it answered"),
    AttemptState.REJECTED: phrase("it refused to say"),
    AttemptState.NOT_SENT: phrase("the question never left this machine"),
    AttemptState.UNKNOWN: phrase("no answer came"),
}
_ENDS: Final = {
    AttemptState.ACCEPTED: phrase("was accepted"),
    AttemptState.REJECTED: phrase("was refused"),
    AttemptState.NOT_SENT: phrase("never left this machine"),
    AttemptState.UNKNOWN: phrase("is unknown: it may have landed"),
}


def _ended(one: Mapping[str, Any]) -> str:
    known = one["seconds"] is not None and one["state"] != AttemptState.UNKNOWN
    took = phrase(" after {seconds:.2f} s", seconds=one["seconds"]) if known else ""
    words, status = one["words"] or "", str(one["status"] or "")
    answer = words if words.startswith(status) else f"HTTP {status}" + (f", {words}" if words else "")
    return joined([_ENDS.get(one["state"], str(one["state"])), took, f" ({answer})" if answer else ""])


def _question(name: str, one: Mapping[str, Any], probe: Mapping[str, Any]) -> list[dict[str, str]]:
    facts = {"delivery": name, "attempt": one["attempt"], "call": probe["attempt"]}
    if probe["state"] == AttemptState.NOT_SENT and probe["words"] == NOTHING_TO_ASK:
        sentence = phrase("{delivery}: nothing was left to be asked about attempt {attempt} (call {call})", **facts)
        return [{"at": probe["started_at"], "said": sentence}]
    answered = (
        phrase("answered")
        if probe["state"] == AttemptState.ACCEPTED
        else _ENDS.get(probe["state"], phrase("is being asked"))
    )
    words = f" ({probe['words']})" if probe["words"] else ""
    asked_sentence = phrase(
        "{delivery}: the vendor was asked about attempt {attempt} (call {call}): {answered}{words}",
        **facts,
        answered=answered,
        words=words,
    )
    return [{"at": probe["ended_at"] or probe["started_at"], "said": asked_sentence}]


def _list(text: str | None) -> list[Any]:
    found: list[Any] = orjson.loads(text) if text else []
    return found
