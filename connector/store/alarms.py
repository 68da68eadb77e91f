"""The rows of alarms and of their notices. Queries only; a writer holds the lock "alarms"."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from connector.core.alarms import AlarmKind, Occasion, Severity
from connector.core.states import AlarmState, NoticeState
from connector.store.alarm_tables import IS_CURRENT, TO_TELL, alarm_notices, alarms
from connector.store.database import insert_rows

KEPT_MS: Final = 400 * 24 * 3600 * 1000  #: how long an ended one is kept
LOCK: Final = "alarms"

_alarm = alarms.c
_notice = alarm_notices.c


@dataclass(frozen=True, slots=True)
class Alarm:
    """A row of `alarms`. Times in unix ms."""

    id: int
    kind: str  #: an `AlarmKind`, or one of a later release
    about: str
    state: AlarmState
    severity: Severity
    facts: Mapping[str, Any]
    since: int
    seen_at: int
    begun_at: int | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A row of `alarm_notices`."""

    id: int
    alarm: int
    addressee: str
    occasion: Occasion
    number: int
    state: NoticeState
    made_at: int
    due_at: int
    tries: int
    sent_at: int | None
    words: str


# --- alarms ---------------------------------------------------------------------------------------------------------


def current(conn: Connection) -> list[Alarm]:
    """The alarms that have not ended, the oldest first."""
    return [_alarm_of(row) for row in conn.execute(select(alarms).where(IS_CURRENT).order_by(_alarm.id))]


def begun(conn: Connection) -> list[Alarm]:
    """The alarms that people know of, the oldest first."""
    return [one for one in current(conn) if one.state is AlarmState.BEGUN]


def ended(conn: Connection, most: int, before: int | None = None) -> list[Alarm]:
    """The alarms that are over, the latest first. ``before``: an id."""
    query = select(alarms).where(_alarm.state == AlarmState.ENDED.value).order_by(_alarm.id.desc()).limit(most)
    return [_alarm_of(row) for row in conn.execute(query if before is None else query.where(_alarm.id < before))]


def get(conn: Connection, number: int) -> Alarm | None:
    row = conn.execute(select(alarms).where(_alarm.id == number)).first()
    return None if row is None else _alarm_of(row)


def add(
    conn: Connection, kind: AlarmKind, about: str, severity: Severity, facts: Mapping[str, Any], since: int, now: int
) -> Alarm:
    """A new one, watched at first."""
    values = {
        "kind": kind.value,
        "about": about,
        "state": AlarmState.WATCHED.value,
        "severity": severity.value,
        "facts": _json(facts),
        "since": since,
        "seen_at": now,
    }
    return _alarm_of(conn.execute(insert(alarms).values(values).returning(alarms)).one())


def seen(conn: Connection, alarm: Alarm, severity: Severity, facts: Mapping[str, Any], now: int) -> None:
    """Notes that the alarm's condition still holds."""
    values = {"seen_at": now, "facts": _json(facts), "severity": severity.value}
    conn.execute(update(alarms).where(_alarm.id == alarm.id).values(values))


def begin(conn: Connection, alarm: Alarm, now: int) -> None:
    conn.execute(update(alarms).where(_alarm.id == alarm.id).values(state=AlarmState.BEGUN.value, begun_at=now))


def end(conn: Connection, alarm: Alarm, now: int) -> None:
    conn.execute(update(alarms).where(_alarm.id == alarm.id).values(state=AlarmState.ENDED.value, ended_at=now))


def forget(conn: Connection, alarm: Alarm) -> None:
    """Forgets an alarm that ended before anybody was told."""
    conn.execute(delete(alarms).where(_alarm.id == alarm.id))


def purge(conn: Connection, now: int) -> None:
    """Deletes what ended long ago, with its notices."""
    old = select(_alarm.id).where(_alarm.state == AlarmState.ENDED.value, _alarm.ended_at < now - KEPT_MS)
    conn.execute(delete(alarm_notices).where(_notice.alarm.in_(old)))
    conn.execute(delete(alarms).where(_alarm.state == AlarmState.ENDED.value, _alarm.ended_at < now - KEPT_MS))


# --- notices --------------------------------------------------------------------------------------------------------


def add_notices(
    conn: Connection, alarm: int, addressees: Sequence[str], occasion: Occasion, number: int, now: int
) -> None:
    """Notes who is to be told. What is noted already stays."""
    rows = [
        {
            "alarm": alarm,
            "addressee": name,
            "occasion": occasion.value,
            "number": number,
            "state": NoticeState.WAITING.value,
            "made_at": now,
            "due_at": now,
            "tries": 0,
            "words": "",
        }
        for name in addressees
    ]
    insert_rows(conn, alarm_notices, rows)


def notices_of(conn: Connection, numbers: Collection[int]) -> list[Notice]:
    """The notices of these alarms, the oldest first."""
    query = select(alarm_notices).where(_notice.alarm.in_(numbers)).order_by(_notice.id)
    return [_notice_of(row) for row in conn.execute(query)] if numbers else []


def unsent(conn: Connection) -> list[Notice]:
    """The notices that wait to be sent, or are being sent, the oldest first."""
    return [_notice_of(row) for row in conn.execute(select(alarm_notices).where(TO_TELL).order_by(_notice.id))]


def is_any_due(conn: Connection, now: int) -> bool:
    return conn.execute(select(_notice.id).where(TO_TELL, _notice.due_at <= now).limit(1)).first() is not None


def lease(conn: Connection, now: int, lease_ms: int) -> Notice | None:
    """Takes the oldest due notice for one try; that of a process which died while sending becomes due as well."""
    row = conn.execute(
        select(alarm_notices).where(TO_TELL, _notice.due_at <= now).order_by(_notice.due_at, _notice.id).limit(1)
    ).first()
    if row is None:
        return None
    values = {"state": NoticeState.SENDING.value, "due_at": now + lease_ms, "tries": row.tries + 1}
    notice = conn.execute(update(alarm_notices).where(_notice.id == row.id).values(values).returning(alarm_notices))
    return _notice_of(notice.one())


def sent(conn: Connection, notice: Notice, now: int) -> None:
    values = {"state": NoticeState.SENT.value, "sent_at": now, "words": ""}
    conn.execute(update(alarm_notices).where(_notice.id == notice.id).values(values))


def put_off(conn: Connection, notice: Notice, due_at: int, words: str, *, for_good: bool = False) -> None:
    """The try failed. A notice that was replaced meanwhile stays so."""
    state = NoticeState.FAILED if for_good else NoticeState.WAITING
    conditions = (_notice.id == notice.id, _notice.state == NoticeState.SENDING.value)
    conn.execute(update(alarm_notices).where(*conditions).values(state=state.value, due_at=due_at, words=words))


def replace(conn: Connection, alarm: int, addressees: Collection[str] | None = None) -> None:
    """Drops the waiting notices about an alarm. ``addressees``: of these only."""
    conditions = [_notice.alarm == alarm, _notice.state == NoticeState.WAITING.value]
    conditions += [] if addressees is None else [_notice.addressee.in_(addressees)]
    conn.execute(update(alarm_notices).where(*conditions).values(state=NoticeState.REPLACED.value))


def drop(conn: Connection, notice: Notice) -> None:
    """Drops a notice: its addressee left the configuration."""
    conn.execute(update(alarm_notices).where(_notice.id == notice.id).values(state=NoticeState.REPLACED.value))


# --- rows -----------------------------------------------------------------------------------------------------------


def _json(facts: Mapping[str, Any]) -> str:
    return orjson.dumps(facts).decode()


def _alarm_of(row: Any) -> Alarm:
    return Alarm(
        id=row.id,
        kind=row.kind,
        about=row.about,
        state=AlarmState(row.state),
        severity=Severity(row.severity),
        facts=orjson.loads(row.facts),
        since=row.since,
        seen_at=row.seen_at,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
    )


def _notice_of(row: Any) -> Notice:
    return Notice(
        id=row.id,
        alarm=row.alarm,
        addressee=row.addressee,
        occasion=Occasion(row.occasion),
        number=row.number,
        state=NoticeState(row.state),
        made_at=row.made_at,
        due_at=row.due_at,
        tries=row.tries,
        sent_at=row.sent_at,
        words=row.words,
    )
