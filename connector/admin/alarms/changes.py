"""From what is wrong now to what is told: alarms begin once, are remembered each day, and end once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from connector.admin.alarms.conditions import Condition, Findings
from connector.core.alarms import Occasion, Severity
from connector.core.settings import Addressee, Alarms
from connector.core.states import AlarmState
from connector.store import alarms
from connector.store.alarms import Alarm

ENDS_AFTER_MS: Final = 120_000  #: what is not seen for this long has ended; shorter gaps are none


def write(conn: Connection, rules: Alarms, findings: Findings, now: int) -> None:
    """Brings the rows to what was found. Under the lock of alarms: of several processes one decides."""
    known = {(one.kind, one.about): one for one in alarms.current(conn)}
    for found in findings.conditions:
        _see(conn, rules, known.pop((found.kind.value, found.about), None), found, now)
    for over in known.values():
        if over.kind not in findings.unknown and now - over.seen_at >= ENDS_AFTER_MS:
            _end(conn, rules, over, now)
    alarms.purge(conn, now)


def _see(conn: Connection, rules: Alarms, alarm: Alarm | None, found: Condition, now: int) -> None:
    if alarm is None:
        since = now if found.since is None else found.since
        alarm = alarms.add(conn, found.kind, found.about, found.weight, found.facts, since, now)
    else:
        alarms.seen(conn, alarm, found.weight, found.facts, now)
    if alarm.state is AlarmState.WATCHED:
        if now - alarm.since >= found.after_ms:
            alarms.begin(conn, alarm, now)
            _note_for_addressees(conn, rules, alarm, found.weight, Occasion.BEGUN, 0, now)
        return
    if found.weight is not alarm.severity:  # it has become worse: others are told as well
        _note_for_addressees(conn, rules, alarm, found.weight, Occasion.BEGUN, 0, now)
    number = (now - (alarm.begun_at or now)) // int(rules.again_s * 1000)
    if number:
        _note_for_addressees(conn, rules, alarm, found.weight, Occasion.REMINDER, number, now)


def _note_for_addressees(
    conn: Connection, rules: Alarms, alarm: Alarm, severity: Severity, occasion: Occasion, number: int, now: int
) -> None:
    """Notes it once for each addressee; what waits from an earlier occasion is replaced."""
    names = [one.name for one in rules.to if is_for(one, alarm.kind, severity)]
    noted = {(one.addressee, one.occasion, one.number) for one in alarms.notices_of(conn, [alarm.id])}
    new = [name for name in names if (name, occasion, number) not in noted]
    if occasion is not Occasion.BEGUN:
        alarms.replace(conn, alarm.id, new)
    alarms.add_notices(conn, alarm.id, new, occasion, number, now)


def _end(conn: Connection, rules: Alarms, alarm: Alarm, now: int) -> None:
    if alarm.state is AlarmState.WATCHED:
        alarms.forget(conn, alarm)
        return
    alarms.end(conn, alarm, now)
    addressees = {one.addressee for one in alarms.notices_of(conn, [alarm.id])}
    alarms.replace(conn, alarm.id)
    alarms.add_notices(conn, alarm.id, _configured(addressees, rules.to), Occasion.ENDED, 0, now)


def _configured(names: set[str], to: Iterable[Addressee]) -> list[str]:
    return [one.name for one in to if one.name in names]


def is_for(one: Addressee, kind: str, severity: Severity) -> bool:
    """Whether an addressee wants to be told."""
    return kind in one.kinds and severity.reaches(one.severity)
