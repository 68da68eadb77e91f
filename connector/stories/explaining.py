"""The whole story of one event or delivery, in time order and in human words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection, func, select

from connector import budget, do_not_contact, followers, standing
from connector.budget import Pace
from connector.db import Database, now_ms
from connector.destinations import name_of
from connector.inbox import HASHED
from connector.log import masked, redacted
from connector.outbox import BULK_CHECK, BULK_LANES, CHECKED, PARKED_LANES, SETTLED
from connector.quota import Wait
from connector.settings import Settings
from connector.stories import asked, drafts, fetches
from connector.stories.words import NotThere, events_called, iso, own_id, typed
from connector.tables import attempts, deliveries, events, records

ATTEMPTS_TOLD: Final = 50  #: of one delivery; the latest
EVENTS_TOLD: Final = 20  #: under one id; the latest
AHEAD: Final = 10_000  #: how far a queue before a delivery is counted

_a = attempts.c
_d = deliveries.c
_e = events.c


@dataclass(frozen=True, slots=True)
class _Scene:
    """One look at the database, for one question."""

    conn: Connection
    settings: Settings
    now: int
    show_record: bool

    def words(self, text: str | None) -> str:
        """A vendor's or our own words, with nobody's phone or e-mail in them unless the record may be shown."""
        return "" if not text else text if self.show_record else masked(text)


def explain(database: Database, settings: Settings, text: str, *, show_record: bool = False) -> dict[str, Any]:
    """Everything known of a delivery ("d123"), an event ("e45") or all events that their senders call ``text``.

    ``show_record`` shows records and words as they are, else persons are masked. Raises `NotThere`, `StoreUnavailable`.
    """
    with database.read() as conn:
        scene = _Scene(conn, settings, now_ms(conn), show_record)
        text = typed(text)
        meant = _meant(conn, settings, text)
        if not meant:
            raise NotThere(
                f"nothing is called {masked(text)}: give d123, e45 or an event id; `connector deliveries --find`"
            )
        return {
            "asked": text,
            "at": iso(scene.now),
            "events": [_event(scene, event, only) for event, only in list(meant.items())[-EVENTS_TOLD:]],
            "left_out": max(0, len(meant) - EVENTS_TOLD),
        }


def _meant(conn: Connection, settings: Settings, text: str) -> dict[int, int | None]:
    """Event row -> the one delivery that was asked about (None: all of them)."""
    meant: dict[int, int | None] = dict.fromkeys(events_called(conn, settings, text))
    own = own_id(conn, text, "e")
    if own is not None and conn.execute(select(_e.id).where(_e.id == own)).first():
        meant[own] = None
    number = own_id(conn, text, "d")
    if number is None and not meant and text.isascii() and text.isdigit() and len(text) < 19:
        number = int(text)
    event = None if number is None else conn.execute(select(_d.event).where(_d.id == number)).scalar()
    if event is not None:
        meant.setdefault(event, number)
    return meant


# --- an event -------------------------------------------------------------------------------------------------------


def _event(scene: _Scene, row_id: int, only: int | None) -> dict[str, Any]:
    row = scene.conn.execute(select(events).where(_e.id == row_id)).one()
    query = select(deliveries).where(_d.event == row_id).order_by(_d.id)
    told = [_delivery(scene, d) for d in scene.conn.execute(query) if only in (None, d.id)]
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
        "errors": [{"field": e["field"], "message": scene.words(e["message"])} for e in _list(row.errors)],
        "fetches": fetches.calls(scene.conn, row.attempts, partial(_attempt, scene)),
        "fetched_by": row.account,
        "due_at": iso(row.due_at) if row.state == "waiting" else None,
        "deliveries": told,
    }
    if scene.show_record:
        shown["payload"] = row.payload
    how = asked.came(scene.settings.sources.get(row.source))
    story = [*_received(shown, how), *fetches.told(shown["event"], shown["fetches"]), *_sent(told), *_forgotten(shown)]
    shown["story"] = sorted(story, key=lambda line: line["at"])
    shown["now"], shown["next"] = _event_now(scene, shown)
    return shown


def _received(shown: Mapping[str, Any], how: str) -> list[dict[str, str]]:
    at = shown["received_at"]
    what = shown["type"] or "something without a type"
    lines = [f"{how} {shown['source']}: {what}, {_called(shown['event_id'])}"]
    lines += [f"noted while reading: {note}" for note in shown["notes"]]
    lines += [f"{error['field']}: {error['message']}" for error in shown["errors"]]
    return [{"at": at, "said": line} for line in lines]


def _called(event_id: str) -> str:
    if not event_id:
        return "whose id is forgotten"
    return "which its sender gave no id" if event_id.startswith(HASHED) else f"called {event_id} by its sender"


def _forgotten(shown: Mapping[str, Any]) -> list[dict[str, str]]:
    at = shown["forgotten_at"]
    said = "its data was forgotten: payload, records, ids and what vendors said; what stays is this story"
    return [{"at": at, "said": said}] if at else []


def _sent(told: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [line for delivery in told for line in delivery["story"]]


_EVENT_NOW: Final = {
    "accepted": "accepted",
    "ignored": "kept, and sent nowhere: no route wants it",
    "invalid": "kept as invalid: no event could be read from it",
}


def _event_now(scene: _Scene, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    said, name = _EVENT_NOW.get(shown["state"], shown["state"]), shown["event"]
    if shown["forgotten_at"]:
        return f"{said}; its data was forgotten at {shown['forgotten_at']}", []
    if shown["state"] == "invalid":
        again = f"or, once the mapping or the configuration is corrected: connector replay --event {name}"
        return said, ["ask the sender for a corrected copy: it is welcome under the same id", again]
    if shown["state"] == "ignored":
        wanted = f'on = "{shown["type"]}" and sources with "{shown["source"]}"'
        return said, [f"if it should go somewhere: add a route with {wanted}, then connector replay --event {name}"]
    if shown["state"] == "waiting":
        said, step = fetches.now(shown, _account_stand(scene, shown["fetched_by"]))
        return said, [step]
    if shown["source"] not in scene.settings.sources:
        said += f"; its source {shown['source']} left the configuration"
    return said, []


# --- a delivery -----------------------------------------------------------------------------------------------------


def _delivery(scene: _Scene, row: Any) -> dict[str, Any]:
    kept = scene.conn.execute(select(records).where(records.c.delivery == row.id)).first()
    tried = _attempts(scene, row)
    shown: dict[str, Any] = {
        "delivery": f"d{row.id}",
        "route": row.route,
        "account": row.account,
        "destination": row.destination,
        "state": row.state,
        "reason": scene.words(row.reason) or None,
        "created_at": iso(row.created_at),
        "changed_at": iso(row.updated_at),
        "due_at": iso(row.due_at) if row.state == "pending" and row.lane not in PARKED_LANES else None,
        "expires_at": iso(row.expires_at),
        "after": kept.after if kept else None,
        "record": _record(scene, kept.record if kept else ""),
        "result": _record(scene, (kept.result if kept else None) or ""),
        "record_notes": [scene.words(note) for note in _list(kept.notes if kept else None)],
        "attempts": tried,
        "draft_lot": drafts.lot_of(scene.conn, row.id),
    }
    shown["story"] = _story(shown)
    shown["now"], shown["next"] = _now(scene, row, shown)
    return shown


def _record(scene: _Scene, text: str) -> Any:
    """The record without its empty fields."""
    if not text:
        return None
    record = orjson.loads(text)
    filled = {name: value for name, value in record.items() if value not in ("", None, [])}
    return filled if scene.show_record else redacted(filled)


def _attempts(scene: _Scene, row: Any) -> list[dict[str, Any]]:
    ids = [int(one) for one in row.attempts.split(",") if one][-ATTEMPTS_TOLD:]
    made = scene.conn.execute(select(attempts).where(_a.id.in_(ids)).order_by(_a.id)).all()
    unknown = [one.id for one in made if one.probe_at is not None or one.probed is not None or one.state != "not_sent"]
    probes = _probes(scene, unknown)
    return [_attempt(scene, one) | {"probes": probes.get(one.id, [])} for one in made]


def _probes(scene: _Scene, about: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """What the vendor was asked about these attempts. They come after the first of them, in the log's own order."""
    if not about:
        return {}
    asked = select(attempts).where(_a.id > min(about), _a.about.in_(about), _a.kind == "probe").order_by(_a.id)
    found: dict[int, list[dict[str, Any]]] = {}
    for row in scene.conn.execute(asked):
        found.setdefault(row.about, []).append(_attempt(scene, row))
    return found


def _attempt(scene: _Scene, row: Any) -> dict[str, Any]:
    over = row.state not in ("started", "not_sent") and row.ended_at is not None
    return {
        "attempt": f"a{row.id}",
        "kind": row.kind,
        "state": row.state,
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at) if over else None,
        "seconds": max(0, row.ended_at - row.started_at) / 1000 if over else None,
        "deadline": iso(row.deadline),
        "status": row.status,
        "words": scene.words(row.words) or None,
        "worker": row.worker,
        "records": row.records,
        "asks_again_at": iso(row.probe_at),
    }


def _story(shown: Mapping[str, Any]) -> list[dict[str, str]]:
    name = shown["delivery"]
    after = f", after “{shown['after']}”" if shown["after"] else ""
    begun = f"{name}: route “{shown['route']}” sends it to {shown['destination']}{after}"
    lines = [{"at": shown["created_at"], "said": begun}]
    lines += [{"at": shown["created_at"], "said": f"{name}: noted: {note}"} for note in shown["record_notes"]]
    for one in shown["attempts"]:
        lines += _check(name, one) if one["kind"] == "check" else _call(name, one)
        for probe in one["probes"]:
            lines += _question(name, one, probe)
    return lines + drafts.told(name, shown["draft_lot"])


def _call(name: str, one: Mapping[str, Any]) -> list[dict[str, str]]:
    others = one["records"] - 1
    company = f" with {others} other{'s' if others > 1 else ''}" if others > 0 else ""
    begun = {"at": one["started_at"], "said": f"{name}: attempt {one['attempt']} by {one['worker']}{company}"}
    if one["state"] == "started":
        return [begun]
    ended = one["ended_at"] or one["started_at"]
    return [begun, {"at": ended, "said": f"{name}: attempt {one['attempt']} {_ended(one)}"}]


def _check(name: str, one: Mapping[str, Any]) -> list[dict[str, str]]:
    words = f" ({one['words']})" if one["words"] else ""
    said = f"{name}: the vendor was asked first whether it may be sent (call {one['attempt']}): {_SAID[one['state']]}"
    return [{"at": one["ended_at"] or one["started_at"], "said": said + words}]


_SAID: Final = {
    "started": "it is being asked",
    "accepted": "it answered",
    "rejected": "it refused to say",
    "not_sent": "the question never left this machine",
    "unknown": "no answer came",
}
_ENDS: Final = {
    "accepted": "was accepted",
    "rejected": "was refused",
    "not_sent": "never left this machine",
    "unknown": "is unknown: it may have landed",
}


def _ended(one: Mapping[str, Any]) -> str:
    took = f" after {one['seconds']:.2f} s" if one["seconds"] is not None else ""
    words, status = one["words"] or "", str(one["status"] or "")
    answer = words if words.startswith(status) else f"HTTP {status}" + (f", {words}" if words else "")
    return _ENDS.get(one["state"], str(one["state"])) + took + (f" ({answer})" if answer else "")


def _question(name: str, one: Mapping[str, Any], probe: Mapping[str, Any]) -> list[dict[str, str]]:
    answered = "answered" if probe["state"] == "accepted" else _ENDS.get(probe["state"], "is being asked")
    words = f" ({probe['words']})" if probe["words"] else ""
    asked = f"{name}: the vendor was asked about attempt {one['attempt']} (call {probe['attempt']}): {answered}{words}"
    return [{"at": probe["ended_at"] or probe["started_at"], "said": asked}]


# --- why it is where it is, and what a person can do ----------------------------------------------------------------


def _now(scene: _Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    tell = {"pending": _pending, "sending": _sending, "uncertain": _uncertain}.get(row.state)
    if tell is not None:
        return tell(scene, row, shown)
    why = f": {shown['reason']}" if shown["reason"] else ""
    at = f"{row.state} at {shown['changed_at']}"
    first: list[str] = []
    if row.state == "delivered" and shown["draft_lot"]:
        waits, first = drafts.now(shown["draft_lot"])
        why += f": {waits}"
    gone = scene.conn.execute(select(_e.forgotten_at).where(_e.id == row.event)).scalar() is not None
    if row.state == "suppressed" and (row.reason or "").startswith(followers.AFTER) and not gone:
        return at + why, [f"once “{shown['after']}” is delivered, by connector replay say, this follows by itself"]
    return at + why, first + ([] if gone else _ended_next(row, shown["delivery"]))


def _ended_next(row: Any, name: str) -> list[str]:
    if row.reason == do_not_contact.REFUSED:  # a replay alone would end here again
        wish = "nothing; if they wish to be contacted after all: connector suppress remove PHONE|EMAIL, then"
        return [f"{wish} connector replay --delivery {name}"]
    return _ENDED_NEXT[row.state](name) if row.state in _ENDED_NEXT else []


_ENDED_NEXT: Final = {
    "delivered": lambda name: [
        f"nothing; to send it a second time all the same: connector replay --delivery {name} --force"
    ],
    "suppressed": lambda name: [f"nothing; if it should go all the same: connector replay --delivery {name}"],
    "dead": lambda name: [f"correct what the reason names, then connector replay --delivery {name}"],
}


def _sending(scene: _Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    deadline = shown["attempts"][-1]["deadline"] if shown["attempts"] else "its deadline"
    said = f"in a call now; without an answer by {deadline} it counts as unknown, and is not sent again blindly"
    return said, ["wait"]


def _uncertain(scene: _Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    said = f"uncertain: {shown['reason']}"
    last = shown["attempts"][-1] if shown["attempts"] else None
    steps = []
    if last is not None and last["asks_again_at"]:
        stand = _account_stand(scene, row.account)
        said += f"; the vendor is asked (again) at {last['asks_again_at']}" + (f", but {stand}" if stand else "")
        steps.append("wait for the vendor's answer")
    name = shown["delivery"]
    steps.append(f"look for it at the vendor, then connector resolve {name} --landed, or --resend if it is not there")
    others = _uncertain_with(scene, row)
    if last is not None and others:
        steps.append(f"{others} more of the same call: connector resolve {last['attempt']} --landed | --resend for all")
    return said, steps


def _uncertain_with(scene: _Scene, row: Any) -> int:
    query = select(func.count()).where(
        _d.attempt == row.attempt, _d.state.in_(("sending", "uncertain")), _d.id != row.id
    )
    return int(scene.conn.execute(query).scalar_one())


def _pending(scene: _Scene, row: Any, shown: Mapping[str, Any]) -> tuple[str, list[str]]:
    why = f" ({shown['reason']})" if shown["reason"] else ""
    for obstacle in (_parked, _gone, _account_closed, _stopped, _expired, _not_due, _held, _status_unknown, _no_slot):
        if found := obstacle(scene, row):
            return f"waiting{why}: {found[0]}", [found[1]]
    turn = "turn, and the vendor is asked first whether it may be sent" if row.lane in CHECKED else "turn"
    return f"waiting for its {turn}{why}: {_ahead(scene, row)}", [
        "nothing, while a worker runs: connector work, or connector run"
    ]


Obstacle = tuple[str, str] | None  #: what is in the way, and what to do about it


def _parked(scene: _Scene, row: Any) -> Obstacle:
    """What it comes after is not settled yet; or this very moment is."""
    if row.lane not in PARKED_LANES or row.expires_at <= scene.now:
        return None
    after = scene.conn.execute(select(records.c.after).where(records.c.delivery == row.id)).scalar()
    before = followers.before(scene.conn, row.event, after) if after else None
    if before is None or before.state in SETTLED:
        return "what it waited for is settled", "nothing, while a worker runs: connector work, or connector run"
    said = f"it comes after “{after}”, whose delivery d{before.id} is {before.state}"
    if before.state == "uncertain":
        return said, f"connector resolve d{before.id} --landed | --resend"
    return said, f"wait; connector explain d{before.id} tells how that stands"


def _gone(scene: _Scene, row: Any) -> Obstacle:
    if row.account not in scene.settings.accounts:
        return f"its account {row.account} left the configuration", "put the account back, or leave it: nothing is lost"
    if row.destination not in {name_of(route) for route in scene.settings.routes}:
        return (
            f"its route “{row.route}” left the configuration",
            "put a route of that name back: it is followed at start",
        )
    return None


def _account_closed(scene: _Scene, row: Any) -> Obstacle:
    stand = _account_row(scene, row.account)
    if stand is None or stand.state == "open":
        return None
    why = f"{row.account} is {stand.state}: {scene.words(stand.reason)}"
    return why, f"once that is settled: connector resume {row.account}"


def _account_row(scene: _Scene, name: str) -> standing.AccountStanding | None:
    return next((s for s in standing.all_accounts(scene.conn) if s.name == name), None)


def _account_stand(scene: _Scene, name: str) -> str:
    stand = _account_row(scene, name)
    return f"{name} is {stand.state}" if stand is not None and stand.state != "open" else ""


def _stopped(scene: _Scene, row: Any) -> Obstacle:
    for stand in standing.of_account(scene.conn, row.account):
        if stand.name == row.destination and stand.state == "stopped":
            return scene.words(stand.reason), f"once that is settled: connector resume {row.account}"
    return None


def _expired(scene: _Scene, row: Any) -> Obstacle:
    if row.expires_at > scene.now:
        return None
    if not row.expires_at:
        return "a person asked for it to be erased, and it ends when its turn comes", "nothing"
    return f"it expired at {iso(row.expires_at)}, and ends when its turn comes", "nothing"


def _not_due(scene: _Scene, row: Any) -> Obstacle:
    return (f"not before {iso(row.due_at)}", "wait") if row.due_at > scene.now else None


def _held(scene: _Scene, row: Any) -> Obstacle:
    stand = _account_row(scene, row.account)
    if stand is None or stand.hold_until <= scene.now:
        return None
    why = f"{row.account} is held until {iso(stand.hold_until)}: {scene.words(stand.hold_reason)}"
    return why, f"wait; not to wait: connector resume {row.account}"


def _status_unknown(scene: _Scene, row: Any) -> Obstacle:
    route = next((r for r in scene.settings.routes if name_of(r) == row.destination), None)
    if route is None or route.options.get("campaign_status") != "auto":
        return None
    report = standing.report(scene.conn, row.account)
    campaign = str(route.options["campaign_id"])
    if not report.read_at or report.status(campaign) in ("started", "stopped"):
        return None
    why = f"wolkvox's report of {iso(report.read_at)} does not say whether campaign {campaign} is started or stopped"
    return why, "check campaign_id, or set campaign_status to start or stop on the route"


def _no_slot(scene: _Scene, row: Any) -> Obstacle:
    account = scene.settings.accounts[row.account]
    stand = _account_row(scene, row.account)
    if stand is None:
        return None
    room = budget.look(scene.conn, account, stand, scene.now)
    answer = room.answer
    if not isinstance(answer, Wait):
        paced = Pace(room).wait(bulk=row.lane in (*BULK_LANES, BULK_CHECK), asks=row.lane in CHECKED)
        if paced is None:
            return None
        answer = paced
    until = "" if answer.seconds is None else f"; the next slot is free in {answer.seconds:.0f} s at the latest"
    return f"{answer.why}{until}", "wait"


def _ahead(scene: _Scene, row: Any) -> str:
    before = select(_d.id).where(
        _d.state == "pending",
        _d.destination == row.destination,
        _d.lane == row.lane,
        _d.due_at <= row.due_at,
        _d.id < row.id,
    )
    number = scene.conn.execute(select(func.count()).select_from(before.limit(AHEAD).subquery())).scalar_one()
    if not number:
        return "it is next"
    return f"{number}{' or more' * (number >= AHEAD)} before it"


def _list(text: str | None) -> list[Any]:
    found: list[Any] = orjson.loads(text) if text else []
    return found
